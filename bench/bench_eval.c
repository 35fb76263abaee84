/* bench_eval.c - seconds of reading COCO results and of their average precision, and what memory it takes.
 *
 *   bench-eval TRUTH.json RESULTS.json [THREADS] */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "core/error.h"
#include "eval/results.h"

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

struct timed {
    double cpu, wall;
};

static struct timed begin(void)
{
    return (struct timed){seconds(CLOCK_PROCESS_CPUTIME_ID), seconds(CLOCK_MONOTONIC)};
}

static void end(const char *name, struct timed from)
{
    struct timed now = begin();
    printf("  \"%s\": {\"cpu\": %.4f, \"wall\": %.4f},\n", name, now.cpu - from.cpu,
           now.wall - from.wall);
}

static md_status measure(struct memory *memory, const struct dataset *dataset,
                         const struct results *results, int threads, const char *name)
{
    struct coco_result result;
    struct coco_options options = coco_options_default();
    options.threads = threads;
    struct timed start = begin();
    md_status st =
        coco_evaluate_as(&result, memory, dataset, results->detections, results->count, &options);
    if (st < 0)
        return st;
    end(name, start);
    const struct coco_metrics *m = &result.metrics;
    const double stats[12] = {m->ap,  m->ap50, m->ap75,  m->ap_small, m->ap_medium, m->ap_large,
                              m->ar1, m->ar10, m->ar100, m->ar_small, m->ar_medium, m->ar_large};
    printf("  \"stats\": [");
    for (int i = 0; i < 12; i++)
        printf("%s%.17g", i > 0 ? ", " : "", stats[i]);
    printf("],\n");
    coco_result_free(&result, memory);
    return MD_OK;
}

static md_status run(struct memory *memory, const char *truth, const char *found, int threads)
{
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    struct results results = {0};
    struct timed start = begin();
    printf("{\n");
    TRY(dataset_open_coco(&dataset, memory, NULL, truth, NULL, NULL, 0));
    end("read_truth", start);
    start = begin();
    const struct results_source source = {.name = found, .dataset = dataset};
    TRY(results_read_file(&results, memory, &source));
    end("read_results", start);
    printf("  \"images\": %zu, \"truths\": %zu, \"detections\": %zu, \"read_mib\": %.1f,\n",
           dataset->image_count, dataset->annotation_count, results.count, peak_mib());
    TRY(measure(memory, dataset, &results, 1, "evaluate"));
    printf("  \"peak_mib\": %.1f, \"threads\": %d,\n", peak_mib(), threads);
    TRY(measure(memory, dataset, &results, threads, "evaluate_threads"));
    printf("  \"peak_threads_mib\": %.1f\n}\n", peak_mib());
fail:
    results_free(&results);
    dataset_free(dataset);
    return st;
}

int main(int argc, char **argv)
{
    struct memory memory;
    int threads = argc > 3 ? atoi(argv[3]) : 2;
    memory_init(&memory, NULL);
    if (argc < 3) {
        fprintf(stderr, "bench-eval TRUTH.json RESULTS.json [THREADS]\n");
        return 2;
    }
    if (run(&memory, argv[1], argv[2], threads) < 0) {
        fprintf(stderr, "bench-eval: %s\n", error_text());
        return 1;
    }
    return 0;
}
