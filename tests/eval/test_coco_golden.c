/* test_coco_golden.c - random data sets, read from files and measured, give the figures of pycocotools. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "eval/coco_ap.h"
#include "eval/results.h"
#include "suite.h"
#include "support/temp_dir.h"

enum { LIVE_SETS = 300, MOST_CLASSES = 16 };

/* Sums of up to some thousand doubles of at most 1, in another order: n * 2^-53 of their mean. */
static const double exact = 1e-12;

/* A data set of tests/golden/make_coco_eval.py, as it is read line by line. */
struct golden {
    struct memory memory;
    struct dataset *dataset;
    struct results results;
    long number;
    int sets, runs, strict_differs;
    double strict_ap; /* of the run before, with pycocotools' own ids */
};

static void open_set(struct golden *golden, const char *truth)
{
    const char *path = temp_path("truth.json");
    ck_assert_int_eq(file_write(&golden->memory, path, truth, strlen(truth)), MD_OK);
    md_status st = dataset_open_coco(&golden->dataset, &golden->memory, NULL, path, NULL, NULL, 0);
    ck_assert_msg(st == MD_OK, "set %ld: %s", golden->number, md_last_error());
}

static void open_results(struct golden *golden, const char *text)
{
    const char *path = temp_path("results.json");
    const struct results_source source = {.name = path, .dataset = golden->dataset};
    ck_assert_int_eq(file_write(&golden->memory, path, text, strlen(text)), MD_OK);
    md_status st = results_read_file(&golden->results, &golden->memory, &source);
    ck_assert_msg(st == MD_OK, "set %ld: %s", golden->number, md_last_error());
}

static void close_set(struct golden *golden)
{
    results_free(&golden->results);
    dataset_free(golden->dataset);
    golden->dataset = NULL;
    ck_assert_uint_eq(atomic_load(&golden->memory.live_blocks), 0);
}

static double next_number(const char **at)
{
    char *end;
    double value = strtod(*at, &end);
    ck_assert_ptr_ne(end, *at);
    *at = end;
    return value;
}

static void compare(const struct golden *golden, const char *what, int index, double got,
                    double want)
{
    ck_assert_msg(fabs(got - want) <= exact, "set %ld, run %d: %s %d is %.17g, want %.17g",
                  golden->number, golden->runs, what, index, got, want);
}

static double class_recall(const struct coco_result *result, const struct coco_options *options,
                           int class_id)
{
    const int count = options->threshold_count;
    const double *row = result->figures + (size_t)((class_id * COCO_FIGURES + COCO_AR) * count);
    double sum = 0;
    for (int t = 0; t < count; t++)
        sum += row[t];
    return sum / count;
}

static void check_figures(struct golden *golden, const char **at, const struct coco_result *result,
                          const struct coco_options *options)
{
    const struct coco_metrics *m = &result->metrics;
    const double stats[12] = {m->ap,  m->ap50, m->ap75,  m->ap_small, m->ap_medium, m->ap_large,
                              m->ar1, m->ar10, m->ar100, m->ar_small, m->ar_medium, m->ar_large};
    for (int i = 0; i < 12; i++)
        compare(golden, "figure", i, stats[i], next_number(at));
    int classes = (int)next_number(at);
    ck_assert_int_eq(classes, golden->dataset->class_count);
    for (int c = 0; c < classes; c++)
        compare(golden, "AP of class", c, result->class_ap[c], next_number(at));
    for (int c = 0; c < classes; c++)
        compare(golden, "AR of class", c, class_recall(result, options, c), next_number(at));
}

static void check_run(struct golden *golden, const char *at)
{
    struct coco_options options = coco_options_default();
    struct coco_result result;
    options.strict_ids = next_number(&at) > 0;
    options.threads = golden->number % 3 == 0 ? 3 : 1;
    options.threshold_count = (int)next_number(&at);
    for (int t = 0; t < options.threshold_count; t++)
        options.thresholds[t] = next_number(&at);
    for (int k = 0; k < COCO_LIMITS; k++)
        options.limits[k] = (int)next_number(&at);
    md_status st = coco_evaluate_as(&result, &golden->memory, golden->dataset,
                                    golden->results.detections, golden->results.count, &options);
    ck_assert_msg(st == MD_OK, "set %ld: %s", golden->number, md_last_error());
    check_figures(golden, &at, &result, &options);
    if (options.strict_ids)
        golden->strict_ap = result.metrics.ap;
    else
        golden->strict_differs += fabs(result.metrics.ap - golden->strict_ap) > 1e-6;
    golden->runs++;
    coco_result_free(&result, &golden->memory);
}

static void check_line(struct golden *golden, const char *line)
{
    if (strncmp(line, "case ", 5) == 0) {
        close_set(golden);
        golden->number = strtol(line + 5, NULL, 10);
        golden->sets++;
    } else if (strncmp(line, "truth ", 6) == 0) {
        open_set(golden, line + 6);
    } else if (strncmp(line, "results ", 8) == 0) {
        open_results(golden, line + 8);
    } else {
        ck_assert(strncmp(line, "run ", 4) == 0);
        check_run(golden, line + 4);
    }
}

static struct golden check_sets(FILE *file)
{
    static struct golden golden;
    char *line = NULL;
    size_t room = 0;
    memset(&golden, 0, sizeof golden);
    memory_init(&golden.memory, NULL);
    while (getline(&line, &room, file) > 0)
        check_line(&golden, line);
    close_set(&golden);
    free(line);
    return golden;
}

START_TEST(committed_sets_give_the_figures_of_pycocotools)
{
    FILE *file = fopen("tests/golden/coco_eval.txt", "r");
    ck_assert_ptr_nonnull(file);
    struct golden golden = check_sets(file);
    fclose(file);
    ck_assert_int_eq(golden.sets, 48);
    ck_assert_int_gt(golden.runs, 96);
    ck_assert_int_gt(golden.strict_differs, 0); /* or id 0 would not be tested at all */
}
END_TEST

/* MDET_PYTHON is a Python that has pycocotools. Other seeds than the committed sets', and larger. */
START_TEST(many_more_sets_give_the_figures_of_pycocotools)
{
    char command[1024];
    const char *python = getenv("MDET_PYTHON");
    if (!python)
        SKIP("MDET_PYTHON does not name a Python with pycocotools");
    snprintf(command, sizeof command, "'%s' -c 'import pycocotools.cocoeval' 2> /dev/null", python);
    if (system(command) != 0)
        SKIP("the Python of MDET_PYTHON has no pycocotools");
    snprintf(command, sizeof command, "'%s' tests/golden/make_coco_eval.py 1000 %d", python,
             LIVE_SETS);
    FILE *file = popen(command, "r");
    ck_assert_ptr_nonnull(file);
    struct golden golden = check_sets(file);
    ck_assert_int_eq(pclose(file), 0);
    ck_assert_int_eq(golden.sets, LIVE_SETS);
    ck_assert_int_gt(golden.strict_differs, 0);
}
END_TEST

SUITE("eval/coco_golden", TEST(committed_sets_give_the_figures_of_pycocotools),
      SLOW(many_more_sets_give_the_figures_of_pycocotools, 600))
