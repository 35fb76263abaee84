/* ops_measure.c - times one operation: by recorded graphs where the device has them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "ops_bench.h"

enum { LAUNCHES = 15, MOST_SETS = 16 };

/* Larger than the last cache of any device here: 60 MB of an H200's, twice. */
static const double CACHE_BYTES = 128e6;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool bench_wants(const struct bench *bench, const char *name)
{
    return !bench->part || strstr(name, bench->part);
}

static bool has_graphs(const struct bench *bench)
{
    return bench->stream->device->backend->capture_begin != NULL;
}

int bench_sets(const struct bench *bench, double bytes)
{
    if (!has_graphs(bench) || bench->divide > 1)
        return 1;
    double sets = CACHE_BYTES / bytes + 1.0;
    return sets > MOST_SETS ? MOST_SETS : (int)sets;
}

/* ---- content ------------------------------------------------------------------------------ */

md_status bench_upload(struct bench *bench, struct tensor *out, enum tensor_type type,
                       struct shape shape, const void *values)
{
    md_status st = MD_OK;
    TRY(tensor_create(bench->stream->device, out, type, shape));
    if (values)
        TRY(tensor_upload(bench->stream, out, values));
fail:
    return st;
}

/* The next lower multiple of 1/64, which both types hold. */
static uint16_t coarse(float value, enum tensor_type type)
{
    uint32_t bits;
    value = floorf(value * 64.0f) / 64.0f;
    memcpy(&bits, &value, sizeof bits);
    if (type == TENSOR_BF16)
        return (uint16_t)(bits >> 16);
    uint32_t exponent = bits >> 23 & 0xff;
    uint32_t half = exponent ? ((exponent - 112) << 10 | (bits >> 13 & 0x3ff)) : 0;
    return (uint16_t)((bits >> 16 & 0x8000) | half);
}

md_status bench_random(struct bench *bench, struct tensor *out, enum tensor_type type,
                       struct shape shape)
{
    md_status st = MD_OK;
    size_t count = (size_t)shape_count(shape);
    size_t size = tensor_type_bytes(type);
    struct memory *memory = bench->stream->device->memory;
    char *values = NULL;
    uint32_t state = 1;
    TRY(memory_alloc(memory, &values, count, size));
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        float value = (float)(int32_t)state * 0x1p-31f;
        uint16_t narrowed = type == TENSOR_BF16 || type == TENSOR_F16 ? coarse(value, type)
                                                                      : (uint16_t)(state >> 24);
        memcpy(values + i * size, type == TENSOR_F32 ? (void *)&value : (void *)&narrowed, size);
    }
    st = bench_upload(bench, out, type, shape, values);
    memory_free(memory, values);
fail:
    return st;
}

/* ---- time --------------------------------------------------------------------------------- */

struct time {
    double min, p50; /* seconds of one run */
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void bench_wait(struct bench *bench)
{
    (void)bench->stream->device->backend->synchronise(bench->stream);
}

static md_status synchronise(struct bench *bench)
{
    return bench->stream->device->backend->synchronise(bench->stream);
}

static md_status run_many(const struct bench_case *item, int repeat)
{
    md_status st = MD_OK;
    for (int i = 0; i < repeat; i++)
        TRY(item->run(item->state, i % item->sets));
fail:
    return st;
}

/* What is recorded once and launched as a whole has no time of the host's between its operations. */
static md_status record(struct bench *bench, const struct bench_case *item, int repeat,
                        struct graph **out)
{
    md_status st = MD_OK;
    const struct backend *backend = bench->stream->device->backend;
    *out = NULL;
    if (!has_graphs(bench))
        return MD_OK;
    st = backend->capture_begin(bench->stream);
    if (st >= 0) {
        md_status recorded = run_many(item, repeat);
        st = backend->capture_end(bench->stream, out);
        st = recorded < 0 ? recorded : st;
    }
    return st;
}

/* One that takes a third of a second is run three times, a short one often enough to see it. */
static int repeats(const struct bench *bench, double seconds)
{
    if (!has_graphs(bench))
        return 1;
    double wanted = 5e-3 / seconds;
    return wanted > 200.0 ? 200 : wanted < 2.0 ? 2 : (int)wanted;
}

static md_status measure(struct bench *bench, const struct bench_case *item, struct time *out)
{
    md_status st = MD_OK;
    const struct backend *backend = bench->stream->device->backend;
    struct graph *graph = NULL;
    double seconds[LAUNCHES], begin;
    int launches = 0;
    /* Engines are chosen, scratch grows and weights are packed outside the clock. */
    TRY(run_many(item, item->sets));
    TRY(synchronise(bench));
    begin = now();
    TRY(item->run(item->state, 0));
    TRY(synchronise(bench));
    const int repeat = repeats(bench, now() - begin);
    TRY(record(bench, item, repeat, &graph));
    double total = now();
    for (int i = -1; i < LAUNCHES && (i < 3 || now() - total < 0.5); i++) {
        begin = now();
        TRY(graph ? backend->graph_launch(bench->stream, graph) : run_many(item, repeat));
        TRY(synchronise(bench));
        if (i >= 0) /* the first is for warmth */
            seconds[launches++] = (now() - begin) / repeat;
    }
    qsort(seconds, (size_t)launches, sizeof *seconds, by_size);
    *out = (struct time){seconds[0], seconds[launches / 2]};
fail:
    if (graph)
        backend->graph_free(bench->stream->device, graph);
    return st;
}

/* ---- what is written ---------------------------------------------------------------------- */

static void begin_row(struct bench *bench, const char *name)
{
    if (bench->json)
        fprintf(bench->json, "%s\n  {\"name\": \"%s\"", bench->written ? "," : "", name);
    bench->written++;
}

void bench_failed(struct bench *bench, const char *name, md_status status)
{
    const bool missing = status == MD_EUNSUPPORTED;
    printf("%-32s %s: %s\n", name, missing ? "not on this device" : "FAILED", error_text());
    begin_row(bench, name);
    if (bench->json)
        fprintf(bench->json, ", \"error\": \"%s\"}", missing ? "unsupported" : "failed");
    bench->failed += !missing;
}

/* The least that arithmetic and memory allow, as far as both are known. */
static double floor_of(const struct bench *bench, const struct bench_case *item, bool *by_bytes)
{
    if (bench->bandwidth <= 0 || bench->peak <= 0)
        return 0.0;
    double moving = item->bytes / bench->bandwidth, computing = item->flops / bench->peak;
    *by_bytes = moving >= computing;
    return *by_bytes ? moving : computing;
}

void bench_run(struct bench *bench, const struct bench_case *item)
{
    struct time time;
    bool by_bytes = false;
    md_status status = measure(bench, item, &time);
    if (status < 0) {
        bench_failed(bench, item->name, status);
        return;
    }
    const double floor = floor_of(bench, item, &by_bytes);
    if (strcmp(item->pass, "fwd") == 0) {
        bench->total += time.p50 * item->count;
        bench->floor += floor * item->count;
    }
    printf("%-32s %-6s %3d %10.2f %9.1f %8.1f", item->name, item->pass, item->count, time.p50 * 1e6,
           item->flops / time.p50 * 1e-9, item->bytes / time.p50 * 1e-9);
    if (floor > 0)
        printf(" %7s %6.1f%%", by_bytes ? "bytes" : "flops", 100.0 * floor / time.p50);
    printf("\n");
    fflush(stdout);
    begin_row(bench, item->name);
    if (bench->json)
        fprintf(bench->json,
                ", \"pass\": \"%s\", \"count\": %d, \"us_p50\": %.4f, \"us_min\": %.4f, "
                "\"gflop\": %.6g, \"mb\": %.6g, \"floor_us\": %.4f%s%s}",
                item->pass, item->count, time.p50 * 1e6, time.min * 1e6, item->flops * 1e-9,
                item->bytes * 1e-6, floor * 1e6, *item->shape ? ", " : "", item->shape);
}
