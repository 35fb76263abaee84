/* bench_ops.c - how long each operation of the X-101 network takes at 800 x 1344, and how near to
 * what memory and arithmetic allow that is. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "core/error.h"
#include "ops_bench.h"

static const char help[] =
    "Usage: bench-ops [options]\n"
    "Times convolutions and matrix products of X-101 at 800x1344, and what lies around them.\n\n"
    "  --device D        cpu, ref, cuda, cuda:N (cpu)\n"
    "  --precision P     fp32, tf32, bf16 or fp16 (fp32)\n"
    "  --batch N         images (1)\n"
    "  --threads N       of the cpu device (one for each core)\n"
    "  --only TEXT       cases whose name holds TEXT\n"
    "  --forward         no backward passes\n"
    "  --bandwidth X     GB/s of a copy, read and written bytes together: gives shares\n"
    "  --peak X          TFLOP/s of a large matrix product: gives shares\n"
    "  --divide N        divides heights and widths, for a slow device (1)\n"
    "  --json F          the figures\n";

enum { DEVICE, PRECISION, BATCH, THREADS, ONLY, FORWARD, BANDWIDTH, PEAK, DIVIDE, JSON, HELP };

struct arguments {
    const char *device, *json, *precision;
    struct device_options options;
};

static bool set_precision(struct arguments *a, const char *text)
{
    static const struct {
        const char *name;
        enum tensor_type type;
        bool tf32;
    } known[] = {{"fp32", TENSOR_F32, false},
                 {"tf32", TENSOR_F32, true},
                 {"bf16", TENSOR_BF16, false},
                 {"fp16", TENSOR_F16, false}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].name) == 0) {
            a->precision = text;
            a->options.activations = known[i].type;
            a->options.tf32 = known[i].tf32;
            return true;
        }
    return false;
}

static bool whole(int *out, int low, int high)
{
    char *end;
    long value = strtol(optarg, &end, 10);
    *out = (int)value;
    return *optarg && !*end && value >= low && value <= high;
}

static bool positive(double *out, double unit)
{
    char *end;
    *out = strtod(optarg, &end) * unit;
    return *optarg && !*end && *out > 0;
}

static bool take(struct arguments *a, struct bench *b, int option)
{
    switch (option) {
    case DEVICE:
        a->device = optarg;
        return true;
    case PRECISION:
        return set_precision(a, optarg);
    case BATCH:
        return whole(&b->batch, 1, 64);
    case THREADS:
        return whole(&a->options.threads, 1, 1024);
    case ONLY:
        b->part = optarg;
        return true;
    case FORWARD:
        b->forward_only = true;
        return true;
    case BANDWIDTH:
        return positive(&b->bandwidth, 1e9);
    case PEAK:
        return positive(&b->peak, 1e12);
    case DIVIDE:
        return whole(&b->divide, 1, 12);
    case JSON:
        a->json = optarg;
        return true;
    default:
        return false;
    }
}

static bool parse(struct arguments *a, struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {{"device", required_argument, NULL, DEVICE},
                                            {"precision", required_argument, NULL, PRECISION},
                                            {"batch", required_argument, NULL, BATCH},
                                            {"threads", required_argument, NULL, THREADS},
                                            {"only", required_argument, NULL, ONLY},
                                            {"forward", no_argument, NULL, FORWARD},
                                            {"bandwidth", required_argument, NULL, BANDWIDTH},
                                            {"peak", required_argument, NULL, PEAK},
                                            {"divide", required_argument, NULL, DIVIDE},
                                            {"json", required_argument, NULL, JSON},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (!take(a, b, c))
            return false;
    return optind == argc;
}

static md_status open_device(struct stream **out, struct device **device, struct memory *memory,
                             const struct arguments *a)
{
    md_status st = MD_OK;
    const struct backend *backend;
    struct device_options options = a->options;
    TRY(backend_find(&backend, &options.index, a->device));
    TRY(device_create(device, backend, memory, &options));
    TRY(stream_create(out, *device));
fail:
    return st;
}

static void run(struct bench *bench, const struct arguments *a)
{
    if (bench->json)
        fprintf(bench->json,
                "{\"device\": \"%s\", \"precision\": \"%s\", \"batch\": %d, \"divide\": %d,\n"
                " \"bandwidth_gb_per_s\": %.1f, \"peak_tflop_per_s\": %.2f,\n \"rows\": [",
                a->device, a->precision, bench->batch, bench->divide, bench->bandwidth * 1e-9,
                bench->peak * 1e-12);
    printf("%-32s %-6s %3s %10s %9s %8s %7s %7s\n", "", "pass", "n", "us", "GFLOP/s", "GB/s",
           "bound", "share");
    bench_layers(bench);
    bench_maps(bench);
    bench_tail(bench);
    printf("forward pass of what counts above: %.3f ms", bench->total * 1e3);
    if (bench->floor > 0)
        printf(", floor %.3f ms", bench->floor * 1e3);
    printf("\n");
    if (bench->json)
        fprintf(bench->json,
                "],\n \"forward_seconds\": %.9g, \"floor_seconds\": %.9g, \"failed\": %d}\n",
                bench->total, bench->floor, bench->failed);
}

int main(int argc, char **argv)
{
    struct memory memory;
    struct device *device = NULL;
    struct arguments a = {.device = "cpu", .precision = "fp32"};
    struct bench bench = {.batch = 1, .divide = 1};
    if (!parse(&a, &bench, argc, argv)) {
        fputs(help, stderr);
        return 2;
    }
    memory_init(&memory, NULL);
    md_status status = open_device(&bench.stream, &device, &memory, &a);
    bool closed = true;
    if (status >= 0) {
        bench.json = a.json ? fopen(a.json, "w") : NULL;
        run(&bench, &a);
        closed = !a.json || (bench.json && fclose(bench.json) == 0);
    }
    if (status < 0)
        fprintf(stderr, "bench-ops: %s\n", error_text());
    if (!closed)
        fprintf(stderr, "bench-ops: %s cannot be written\n", a.json);
    stream_free(bench.stream);
    device_free(device);
    return status < 0 || !closed || bench.failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
