/* bench_engines.c - every engine that cuDNN and cuBLASLt have for X-101's convolutions and products, timed.
 *
 *   bench-engines [PRECISION [BATCH [PART OF A NAME [SECONDS]]]] > FILE.json
 *
 * PRECISION is fp32, tf32, bf16 or fp16 (bf16). No shape is begun after SECONDS. One JSON object; a line on
 * standard error for each shape.
 * Bias, residual and ReLU are in the engine's epilogue. Grouped convolutions are among the shapes: what
 * the project's own kernels are measured against. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/cuda/cuda.h"
#include "backend/registry.h"
#include "core/error.h"
#include "ops_bench.h"

enum { MOST_PLANS = 48, MOST_SETS = 8, REPEAT = 20, LAUNCHES = 7 };

struct operands {
    struct tensor in, weight, bias, narrow_bias, residual, out;
};

struct engines {
    struct bench bench;
    struct memory memory;
    struct device *device;
    struct vendor *vendor;
    struct conv_problem problem;
    struct operands sets[MOST_SETS];
    int set_count;
    struct tensor workspace;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct conv_problem problem_of(const struct bench_row *row, const struct device *device,
                                      int batch)
{
    const struct conv_geometry *g = &row->geometry;
    const bool product = row->k == 0;
    struct conv_problem p = {.n = product ? 1 : batch,
                             .h = product ? 1 : row->h,
                             .w = product ? (int64_t)row->h * batch : row->w,
                             .c = row->c,
                             .o = row->o,
                             .kh = product ? 1 : row->k,
                             .kw = product ? 1 : row->k,
                             .stride = g->stride,
                             .pad = g->pad,
                             .groups = g->groups,
                             .in = device->activations,
                             .out = device->activations};
    p.flags = CONV_BIAS | (row->residual ? CONV_RESIDUAL : 0u) | (row->relu ? CONV_RELU : 0u) |
              (device->tf32 ? CONV_TF32 : 0u);
    return p;
}

/* ---- operands ----------------------------------------------------------------------------- */

static md_status make_set(struct engines *e, struct operands *s)
{
    md_status st = MD_OK;
    const struct conv_problem *p = &e->problem;
    const struct shape out = SHAPE(p->n, conv_problem_height(p), conv_problem_width(p), p->o);
    TRY(bench_random(&e->bench, &s->in, p->in, SHAPE(p->n, p->h, p->w, p->c)));
    TRY(bench_random(&e->bench, &s->weight, p->in, SHAPE(p->o, p->kh, p->kw, p->c / p->groups)));
    TRY(bench_random(&e->bench, &s->bias, TENSOR_F32, SHAPE(p->o)));
    TRY(bench_random(&e->bench, &s->narrow_bias, p->in, SHAPE(p->o)));
    if (p->flags & CONV_RESIDUAL)
        TRY(bench_random(&e->bench, &s->residual, p->out, out));
    TRY(bench_random(&e->bench, &s->out, p->out, out));
fail:
    return st;
}

static md_status make_sets(struct engines *e)
{
    md_status st = MD_OK;
    double bytes = 0;
    e->set_count = 1;
    TRY(make_set(e, &e->sets[0]));
    bytes = (double)tensor_bytes(&e->sets[0].in) + (double)tensor_bytes(&e->sets[0].weight) +
            (double)tensor_bytes(&e->sets[0].out);
    for (int wanted = bench_sets(&e->bench, bytes);
         e->set_count < wanted && e->set_count < MOST_SETS; e->set_count++)
        TRY(make_set(e, &e->sets[e->set_count]));
fail:
    return st;
}

static void free_sets(struct engines *e)
{
    for (int i = 0; i < MOST_SETS; i++) {
        struct operands *s = &e->sets[i];
        struct tensor *all[] = {&s->in,          &s->weight,   &s->bias,
                                &s->narrow_bias, &s->residual, &s->out};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            tensor_destroy(e->device, all[k]);
    }
    tensor_destroy(e->device, &e->workspace);
}

/* ---- time --------------------------------------------------------------------------------- */

static md_status run_plan(struct engines *e, const struct vendor_plan *plan, int times)
{
    md_status st = MD_OK;
    for (int i = 0; i < times; i++) {
        const struct operands *s = &e->sets[i % e->set_count];
        const struct conv_buffers buffers = {.in = s->in.data,
                                             .weight = s->weight.data,
                                             .residual = s->residual.data,
                                             .bias = s->bias.data,
                                             .narrow_bias = s->narrow_bias.data,
                                             .out = s->out.data};
        TRY(vendor_run(e->vendor, plan, &buffers, e->workspace.data, cuda_raw(e->bench.stream)));
    }
fail:
    return st;
}

static md_status record(struct engines *e, const struct vendor_plan *plan, struct graph **graph)
{
    md_status st = MD_OK;
    const struct backend *backend = e->device->backend;
    TRY(run_plan(e, plan, 1));
    TRY(backend->synchronise(e->bench.stream));
    TRY(backend->capture_begin(e->bench.stream));
    md_status recorded = run_plan(e, plan, REPEAT);
    st = backend->capture_end(e->bench.stream, graph);
    st = recorded < 0 ? recorded : st;
fail:
    return st;
}

static md_status time_plan(struct engines *e, const struct vendor_plan *plan, double *seconds)
{
    md_status st = MD_OK;
    const struct backend *backend = e->device->backend;
    struct graph *graph = NULL;
    *seconds = 1e9;
    if (tensor_bytes(&e->workspace) < plan->workspace || !e->workspace.data) {
        tensor_destroy(e->device, &e->workspace);
        TRY(tensor_create(e->device, &e->workspace, TENSOR_U8,
                          SHAPE((int64_t)plan->workspace + 256)));
    }
    TRY(record(e, plan, &graph));
    for (int i = 0; i < LAUNCHES; i++) {
        double begin = now();
        TRY(backend->graph_launch(e->bench.stream, graph));
        TRY(backend->synchronise(e->bench.stream));
        double taken = (now() - begin) / REPEAT;
        *seconds = taken < *seconds ? taken : *seconds;
    }
fail:
    if (graph)
        backend->graph_free(e->device, graph);
    return st;
}

/* ---- shapes ------------------------------------------------------------------------------- */

static void time_plans(struct engines *e, struct vendor_plan **plans, int count, double *best)
{
    for (int i = 0; i < count; i++) {
        double seconds;
        md_status status = time_plan(e, plans[i], &seconds);
        printf("%s\n    {\"engine\": \"%s\", \"workspace_mb\": %.1f, ", i ? "," : "",
               plans[i]->engine, (double)plans[i]->workspace * 1e-6);
        if (status < 0)
            printf("\"error\": \"it cannot be run or recorded\"}");
        else
            printf("\"us\": %.3f}", seconds * 1e6);
        if (status >= 0 && seconds < *best)
            *best = seconds;
    }
}

static md_status shape(struct engines *e, const struct bench_row *row, bool first)
{
    md_status st = MD_OK;
    struct vendor_plan *plans[MOST_PLANS];
    char text[CONV_PROBLEM_TEXT];
    int count = 0;
    double best = 1.0;
    e->problem = problem_of(row, e->device, e->bench.batch);
    TRY(make_sets(e));
    TRY(vendor_plans(e->vendor, plans, MOST_PLANS, &count, &e->problem));
    printf("%s\n  {\"name\": \"%s\", \"problem\": \"%s\", \"engines\": [", first ? "" : ",",
           row->name, conv_problem_text(&e->problem, text));
    time_plans(e, plans, count, &best);
    printf("]}");
    fflush(stdout);
    fprintf(stderr, "%-34s %2d engines", row->name, count);
    fprintf(stderr, best < 1.0 ? ", best %.2f us\n" : "\n", best * 1e6);
fail:
    bench_wait(&e->bench);
    for (int i = 0; i < count; i++)
        vendor_plan_free(e->vendor, plans[i]);
    free_sets(e);
    return st;
}

static md_status open_all(struct engines *e, const char *precision)
{
    md_status st = MD_OK;
    const struct backend *backend;
    struct device_options options = {.tf32 = strcmp(precision, "tf32") == 0};
    options.activations = strcmp(precision, "bf16") == 0   ? TENSOR_BF16
                          : strcmp(precision, "fp16") == 0 ? TENSOR_F16
                                                           : TENSOR_F32;
    TRY(backend_find(&backend, &options.index, "cuda"));
    TRY(device_create(&e->device, backend, &e->memory, &options));
    TRY(stream_create(&e->bench.stream, e->device));
    TRY(vendor_open(&e->vendor, &e->memory, options.index));
fail:
    return st;
}

int main(int argc, char **argv)
{
    md_status st = MD_OK;
    struct engines e = {0};
    const char *precision = argc > 1 ? argv[1] : "bf16";
    const double end = now() + (argc > 4 ? atof(argv[4]) : 1e9);
    bool first = true;
    e.bench = (struct bench){
        .batch = argc > 2 ? atoi(argv[2]) : 1, .divide = 1, .part = argc > 3 ? argv[3] : NULL};
    memory_init(&e.memory, NULL);
    TRY(open_all(&e, precision));
    printf("{\"precision\": \"%s\", \"batch\": %d, \"libraries\": \"%s\", \"shapes\": [", precision,
           e.bench.batch, vendor_versions(e.vendor));
    for (size_t i = 0; i < bench_row_count; i++)
        if (bench_wants(&e.bench, bench_rows[i].name) && now() < end) {
            TRY(shape(&e, &bench_rows[i], first));
            first = false;
        }
    printf("]}\n");
fail:
    if (st < 0)
        fprintf(stderr, "bench-engines: %s\n", error_text());
    if (e.vendor)
        vendor_close(e.vendor);
    stream_free(e.bench.stream);
    device_free(e.device);
    return st < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
