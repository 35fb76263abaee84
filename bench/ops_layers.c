/* ops_layers.c - bench-ops's convolutions and matrix products: all of X-101's, forward and backward. */
#include <stdio.h>

#include "core/error.h"
#include "ops_bench.h"

const struct bench_row bench_rows[] = {
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
const size_t bench_row_count = sizeof bench_rows / sizeof bench_rows[0];

struct set {
    struct tensor in, out, residual, in_grad, weight_grad, bias_grad;
    struct weight weight;
    uint64_t version;
};

enum { MOST_SETS = 16 };
enum pass { FORWARD, BACKWARD_INPUT, BACKWARD_WEIGHT, PASSES };

struct layer {
    struct bench *bench;
    struct bench_row row; /* of the size and batch that are timed */
    int out_height, out_width;
    enum pass pass;
    struct set sets[MOST_SETS];
    int count;
};

static struct shape in_shape(const struct layer *layer)
{
    const struct bench_row *r = &layer->row;
    return r->k ? SHAPE(layer->bench->batch, r->h, r->w, r->c) : SHAPE(r->h, r->c);
}

static struct shape out_shape(const struct layer *layer)
{
    const struct bench_row *r = &layer->row;
    return r->k ? SHAPE(layer->bench->batch, layer->out_height, layer->out_width, r->o)
                : SHAPE(r->h, r->o);
}

static struct shape weight_shape(const struct bench_row *r)
{
    return r->k ? SHAPE(r->o, r->k, r->k, r->c / r->geometry.groups) : SHAPE(r->o, r->c);
}

static md_status set_create(struct set *set, struct layer *layer)
{
    md_status st = MD_OK;
    struct bench *b = layer->bench;
    const struct bench_row *row = &layer->row;
    const enum tensor_type type = b->stream->device->activations;
    TRY(bench_random(b, &set->in, type, in_shape(layer)));
    TRY(bench_random(b, &set->out, type, out_shape(layer)));
    if (row->residual)
        TRY(bench_random(b, &set->residual, type, out_shape(layer)));
    TRY(bench_random(b, &set->weight.value, TENSOR_F32, weight_shape(row)));
    TRY(bench_random(b, &set->weight.bias, TENSOR_F32, SHAPE(row->o)));
    set->weight.version = &set->version;
    if (b->forward_only)
        return MD_OK;
    TRY(bench_random(b, &set->in_grad, type, in_shape(layer)));
    TRY(bench_random(b, &set->weight_grad, TENSOR_F32, weight_shape(row)));
    TRY(bench_random(b, &set->bias_grad, TENSOR_F32, SHAPE(row->o)));
fail:
    return st;
}

static void set_free(struct set *set, struct device *device)
{
    struct tensor *tensors[] = {&set->in,           &set->out,         &set->residual,
                                &set->in_grad,      &set->weight_grad, &set->bias_grad,
                                &set->weight.value, &set->weight.bias};
    op_weight_release(device, &set->weight);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        tensor_destroy(device, tensors[i]);
}

static md_status run_product(struct layer *layer, struct set *s)
{
    struct stream *stream = layer->bench->stream;
    if (layer->pass == FORWARD)
        return op_linear_forward(stream, &s->out, &s->in, &s->weight, layer->row.relu, NULL);
    if (layer->pass == BACKWARD_INPUT)
        return op_linear_backward_input(stream, &s->in_grad, &s->out, &s->weight, false, NULL);
    return op_linear_backward_weight(stream, &s->weight_grad, &s->bias_grad, &s->in, &s->out, NULL);
}

static md_status run_layer(void *state, int set)
{
    struct layer *layer = state;
    struct set *s = &layer->sets[set];
    struct stream *stream = layer->bench->stream;
    const struct bench_row *row = &layer->row;
    if (row->k == 0)
        return run_product(layer, s);
    if (layer->pass == FORWARD)
        return op_conv2d_forward(stream, &s->out, &s->in, &s->weight, row->geometry,
                                 row->residual ? &s->residual : NULL, row->relu);
    if (layer->pass == BACKWARD_INPUT)
        return op_conv2d_backward_input(stream, &s->in_grad, &s->out, &s->weight, row->geometry,
                                        false);
    return op_conv2d_backward_weight(stream, &s->weight_grad, &s->bias_grad, &s->in, &s->out,
                                     &s->weight, row->geometry);
}

static void run_passes(struct bench *bench, struct layer *layer, struct bench_case *item)
{
    static const char *const names[] = {"fwd", "bwd-in", "bwd-w"};
    for (int pass = FORWARD; pass < (bench->forward_only ? BACKWARD_INPUT : PASSES); pass++) {
        layer->pass = (enum pass)pass;
        item->pass = names[pass];
        bench_run(bench, item);
    }
}

static void bench_layer(struct bench *bench, const struct bench_row *row)
{
    md_status st = MD_OK;
    struct layer layer = {.bench = bench, .row = *row};
    struct bench_row *r = &layer.row;
    const struct conv_geometry *g = &r->geometry;
    char shape[256];
    if (r->k) {
        r->h = (r->h + bench->divide - 1) / bench->divide;
        r->w = (r->w + bench->divide - 1) / bench->divide;
        layer.out_height = (r->h + 2 * g->pad - r->k) / g->stride + 1;
        layer.out_width = (r->w + 2 * g->pad - r->k) / g->stride + 1;
    } else {
        r->h = (r->h * bench->batch + bench->divide - 1) / bench->divide;
    }
    double outputs = (double)shape_count(out_shape(&layer)) * (r->residual ? 2.0 : 1.0);
    double values =
        outputs + (double)shape_count(in_shape(&layer)) + (double)shape_count(weight_shape(r));
    struct bench_case item = {.name = r->name, .shape = shape, .count = r->count};
    if (r->k == 7 && bench->stream->device->backend->fused_stem)
        item.count = 0; /* the network takes it with its pool */
    item.flops =
        2.0 * (double)shape_count(out_shape(&layer)) * r->c / g->groups * (r->k ? r->k * r->k : 1);
    item.bytes = values * (double)tensor_type_bytes(bench->stream->device->activations);
    item.sets = bench_sets(bench, item.bytes);
    item.run = run_layer;
    item.state = &layer;
    snprintf(shape, sizeof shape,
             "\"h\": %d, \"w\": %d, \"c\": %d, \"o\": %d, \"k\": %d, \"stride\": %d, \"pad\": %d, "
             "\"groups\": %d, \"residual\": %s, \"relu\": %s",
             r->h, r->w, r->c, r->o, r->k, g->stride, g->pad, g->groups,
             r->residual ? "true" : "false", r->relu ? "true" : "false");
    for (; layer.count < item.sets; layer.count++)
        TRY(set_create(&layer.sets[layer.count], &layer));
    run_passes(bench, &layer, &item);
fail:
    if (st < 0)
        bench_failed(bench, row->name, st);
    bench_wait(bench);
    for (int i = 0; i < item.sets; i++)
        set_free(&layer.sets[i], bench->stream->device);
}

void bench_layers(struct bench *bench)
{
    for (size_t i = 0; i < bench_row_count; i++)
        if (bench_wants(bench, bench_rows[i].name))
            bench_layer(bench, &bench_rows[i]);
}
