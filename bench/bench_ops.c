/* bench_ops.c - milliseconds and GFLOP/s of each convolution and matrix product of the X-101
 * network at 800 x 1344, forward and both backward passes.
 *
 *   bench-ops [backend] [threads] [part of a row's name] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/registry.h"
#include "core/error.h"

struct row {
    const char *name;
    int count;         /* in one forward pass */
    int h, w, c, o, k; /* k 0: matrix product of h rows */
    struct conv_geometry geometry;
    bool residual, relu;
};

static const struct row rows[] = {
    {"stem 7x7/2", 1, 800, 1344, 3, 64, 7, {2, 3, 1}, false, true},
    {"res2.0 shortcut 1x1 64-256", 1, 200, 336, 64, 256, 1, {1, 0, 1}, false, false},
    {"res2.0 conv1 1x1 64-256", 1, 200, 336, 64, 256, 1, {1, 0, 1}, false, true},
    {"res2 conv1 1x1 256", 2, 200, 336, 256, 256, 1, {1, 0, 1}, false, true},
    {"res2 conv2 3x3 256 w8", 3, 200, 336, 256, 256, 3, {1, 1, 32}, false, true},
    {"res2 conv3 1x1 256 +", 3, 200, 336, 256, 256, 1, {1, 0, 1}, true, true},
    {"res3.0 shortcut 1x1/2 256-512", 1, 200, 336, 256, 512, 1, {2, 0, 1}, false, false},
    {"res3.0 conv1 1x1 256-512", 1, 200, 336, 256, 512, 1, {1, 0, 1}, false, true},
    {"res3.0 conv2 3x3/2 512 w16", 1, 200, 336, 512, 512, 3, {2, 1, 32}, false, true},
    {"res3 conv1 1x1 512", 3, 100, 168, 512, 512, 1, {1, 0, 1}, false, true},
    {"res3 conv2 3x3 512 w16", 3, 100, 168, 512, 512, 3, {1, 1, 32}, false, true},
    {"res3 conv3 1x1 512 +", 4, 100, 168, 512, 512, 1, {1, 0, 1}, true, true},
    {"res4.0 shortcut 1x1/2 512-1024", 1, 100, 168, 512, 1024, 1, {2, 0, 1}, false, false},
    {"res4.0 conv1 1x1 512-1024", 1, 100, 168, 512, 1024, 1, {1, 0, 1}, false, true},
    {"res4.0 conv2 3x3/2 1024 w32", 1, 100, 168, 1024, 1024, 3, {2, 1, 32}, false, true},
    {"res4 conv1 1x1 1024", 22, 50, 84, 1024, 1024, 1, {1, 0, 1}, false, true},
    {"res4 conv2 3x3 1024 w32", 22, 50, 84, 1024, 1024, 3, {1, 1, 32}, false, true},
    {"res4 conv3 1x1 1024 +", 23, 50, 84, 1024, 1024, 1, {1, 0, 1}, true, true},
    {"res5.0 shortcut 1x1/2 1024-2048", 1, 50, 84, 1024, 2048, 1, {2, 0, 1}, false, false},
    {"res5.0 conv1 1x1 1024-2048", 1, 50, 84, 1024, 2048, 1, {1, 0, 1}, false, true},
    {"res5.0 conv2 3x3/2 2048 w64", 1, 50, 84, 2048, 2048, 3, {2, 1, 32}, false, true},
    {"res5 conv1 1x1 2048", 2, 25, 42, 2048, 2048, 1, {1, 0, 1}, false, true},
    {"res5 conv2 3x3 2048 w64", 2, 25, 42, 2048, 2048, 3, {1, 1, 32}, false, true},
    {"res5 conv3 1x1 2048 +", 3, 25, 42, 2048, 2048, 1, {1, 0, 1}, true, true},
    {"fpn lateral2 1x1 256", 1, 200, 336, 256, 256, 1, {1, 0, 1}, false, false},
    {"fpn lateral3 1x1 512-256", 1, 100, 168, 512, 256, 1, {1, 0, 1}, false, false},
    {"fpn lateral4 1x1 1024-256", 1, 50, 84, 1024, 256, 1, {1, 0, 1}, false, false},
    {"fpn lateral5 1x1 2048-256", 1, 25, 42, 2048, 256, 1, {1, 0, 1}, false, false},
    {"fpn, rpn 3x3 256 p2", 2, 200, 336, 256, 256, 3, {1, 1, 1}, false, true},
    {"fpn, rpn 3x3 256 p3", 2, 100, 168, 256, 256, 3, {1, 1, 1}, false, true},
    {"fpn, rpn 3x3 256 p4", 2, 50, 84, 256, 256, 3, {1, 1, 1}, false, true},
    {"fpn, rpn 3x3 256 p5", 2, 25, 42, 256, 256, 3, {1, 1, 1}, false, true},
    {"rpn 3x3 256 p6", 1, 13, 21, 256, 256, 3, {1, 1, 1}, false, true},
    {"rpn logits 1x1 256-3 p2", 1, 200, 336, 256, 3, 1, {1, 0, 1}, false, false},
    {"rpn deltas 1x1 256-12 p2", 1, 200, 336, 256, 12, 1, {1, 0, 1}, false, false},
    {"fc1 1000 x 12544-1024", 1, 1000, 1, 12544, 1024, 0, {1, 0, 1}, false, true},
    {"fc2 1000 x 1024-1024", 1, 1000, 1, 1024, 1024, 0, {1, 0, 1}, false, true},
    {"deltas 1000 x 1024-320", 1, 1000, 1, 1024, 320, 0, {1, 0, 1}, false, false},
};

struct run {
    struct stream *stream;
    struct tensor in, out, residual, in_grad, weight_grad, bias_grad;
    struct weight weight;
    uint64_t version;
};

enum pass { FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, PASSES };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static md_status random_tensor(struct stream *stream, struct tensor *out, struct shape shape)
{
    md_status st = MD_OK;
    TRY(tensor_create(stream->device, out, TENSOR_F32, shape));
    int64_t count = tensor_count(out);
    float *values = NULL;
    TRY(memory_alloc(stream->device->memory, &values, (size_t)count, sizeof *values));
    uint32_t state = 1;
    for (int64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)state * 0x1p-32f;
    }
    st = tensor_upload(stream, out, values);
    memory_free(stream->device->memory, values);
fail:
    return st;
}

static md_status run_create(struct run *run, struct stream *stream, const struct row *row)
{
    md_status st = MD_OK;
    const struct conv_geometry *g = &row->geometry;
    int oh = (row->h + 2 * g->pad - row->k) / g->stride + 1;
    int ow = (row->w + 2 * g->pad - row->k) / g->stride + 1;
    bool conv = row->k > 0;
    struct shape in = conv ? SHAPE(1, row->h, row->w, row->c) : SHAPE(row->h, row->c);
    struct shape out = conv ? SHAPE(1, oh, ow, row->o) : SHAPE(row->h, row->o);
    struct shape weight =
        conv ? SHAPE(row->o, row->k, row->k, row->c / g->groups) : SHAPE(row->o, row->c);
    *run = (struct run){.stream = stream};
    TRY(random_tensor(stream, &run->in, in));
    TRY(random_tensor(stream, &run->in_grad, in));
    TRY(random_tensor(stream, &run->out, out));
    if (row->residual)
        TRY(random_tensor(stream, &run->residual, out));
    TRY(random_tensor(stream, &run->weight.value, weight));
    TRY(random_tensor(stream, &run->weight.bias, SHAPE(row->o)));
    TRY(random_tensor(stream, &run->weight_grad, weight));
    TRY(random_tensor(stream, &run->bias_grad, SHAPE(row->o)));
    run->weight.version = &run->version;
fail:
    return st;
}

static void run_free(struct run *run)
{
    struct device *device = run->stream->device;
    struct tensor *tensors[] = {&run->in,           &run->out,         &run->residual,
                                &run->in_grad,      &run->weight_grad, &run->bias_grad,
                                &run->weight.value, &run->weight.bias};
    op_weight_release(device, &run->weight);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        tensor_destroy(device, tensors[i]);
}

static md_status execute(struct run *run, const struct row *row, enum pass pass)
{
    struct stream *s = run->stream;
    if (row->k == 0) {
        if (pass == FORWARD)
            return op_linear_forward(s, &run->out, &run->in, &run->weight, row->relu, NULL);
        if (pass == BACKWARD_INPUT)
            return op_linear_backward_input(s, &run->in_grad, &run->out, &run->weight, false, NULL);
        return op_linear_backward_weight(s, &run->weight_grad, &run->bias_grad, &run->in, &run->out,
                                         NULL);
    }
    if (pass == FORWARD)
        return op_conv2d_forward(s, &run->out, &run->in, &run->weight, row->geometry,
                                 row->residual ? &run->residual : NULL, row->relu);
    if (pass == BACKWARD_INPUT)
        return op_conv2d_backward_input(s, &run->in_grad, &run->out, &run->weight, row->geometry,
                                        false);
    return op_conv2d_backward_weight(s, &run->weight_grad, &run->bias_grad, &run->in, &run->out,
                                     &run->weight, row->geometry);
}

/* Seconds of the quickest of some runs, after one that packs and compiles. */
static md_status measure(double *out, struct run *run, const struct row *row, enum pass pass)
{
    md_status st = MD_OK;
    double best = 1e9, begin = 0;
    TRY(execute(run, row, pass));
    TRY(run->stream->device->backend->synchronise(run->stream));
    begin = now();
    for (int i = 0; i < 20 && (i < 3 || now() - begin < 0.4); i++) {
        double start = now();
        TRY(execute(run, row, pass));
        TRY(run->stream->device->backend->synchronise(run->stream));
        double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    *out = best;
fail:
    return st;
}

static md_status bench(struct stream *stream, const char *part)
{
    md_status st = MD_OK;
    struct run run = {.stream = stream};
    double totals[PASSES] = {0};
    printf("%-34s %2s %18s %18s %18s\n", "", "n", "forward", "backward input", "backward weight");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (part && !strstr(row->name, part))
            continue;
        TRY(run_create(&run, stream, row));
        printf("%-34s %2d", row->name, row->count);
        double outputs = (double)tensor_count(&run.out);
        double per_output = 2.0 * row->c / row->geometry.groups * (row->k ? row->k * row->k : 1);
        for (int pass = FORWARD; pass < PASSES; pass++) {
            double seconds = 0;
            TRY(measure(&seconds, &run, row, (enum pass)pass));
            totals[pass] += seconds * row->count;
            printf(" %7.2f ms %4.0f GF", seconds * 1e3, outputs * per_output / seconds * 1e-9);
            fflush(stdout);
        }
        printf("\n");
        run_free(&run);
    }
    printf("%-34s    %7.0f ms %18.0f ms %15.0f ms\n", "all", totals[FORWARD] * 1e3,
           totals[BACKWARD_INPUT] * 1e3, totals[BACKWARD_WEIGHT] * 1e3);
    return MD_OK;
fail:
    run_free(&run);
    return st;
}

int main(int argc, char **argv)
{
    md_status st = MD_OK;
    struct memory memory;
    struct device *device = NULL;
    struct stream *stream = NULL;
    const struct backend *backend = NULL;
    int index = 0;
    memory_init(&memory, NULL);
    TRY(backend_find(&backend, &index, argc > 1 ? argv[1] : "cpu"));
    TRY(device_create(
        &device, backend, &memory,
        &(struct device_options){.index = index, .threads = argc > 2 ? atoi(argv[2]) : 0}));
    TRY(stream_create(&stream, device));
    TRY(bench(stream, argc > 3 ? argv[3] : NULL));
fail:
    if (st < 0)
        fprintf(stderr, "bench-ops: %s\n", error_text());
    stream_free(stream);
    device_free(device);
    return st < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
