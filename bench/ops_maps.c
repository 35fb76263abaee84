/* ops_maps.c - bench-ops's cases on whole maps: images in, the stem with its pool, the pyramid's sums. */
#include "core/error.h"
#include "ops_bench.h"

enum { MOST_SETS = 16 };

/* Inputs and outputs of one case, set by set; what a case does not have is left out. */
struct maps {
    struct bench *bench;
    struct tensor in[MOST_SETS], out[MOST_SETS];
    struct tensor from_sizes, sizes;
    struct weight weight;
    uint64_t version;
};

static const struct conv_geometry STEM = {2, 3, 1};
static const struct pool_geometry POOL = {3, 2, 1};

static md_status run_images(void *state, int set)
{
    static const struct image_params params = {.mean = {103.53f, 116.28f, 123.675f},
                                               .std = {57.375f, 57.12f, 58.395f},
                                               .reverse_channels = true};
    struct maps *m = state;
    return op_images_to_tensor(m->bench->stream, &m->out[set], &m->in[set], &m->from_sizes,
                               &m->sizes, &params);
}

static md_status run_stem(void *state, int set)
{
    struct maps *m = state;
    return op_conv2d_maxpool_forward(m->bench->stream, &m->out[set], &m->in[set], &m->weight, STEM,
                                     POOL);
}

static md_status run_pool(void *state, int set)
{
    struct maps *m = state;
    return op_maxpool_forward(m->bench->stream, &m->out[set], &m->in[set], POOL);
}

static md_status run_upsample(void *state, int set)
{
    struct maps *m = state;
    return op_upsample_add(m->bench->stream, &m->out[set], &m->in[set]);
}

static double bytes_of(enum tensor_type type, struct shape shape)
{
    return (double)shape_count(shape) * (double)tensor_type_bytes(type);
}

/* Makes the sets that the case asks for and times it. */
static void run_case(struct bench *bench, struct maps *m, struct bench_case *item,
                     enum tensor_type in_type, struct shape in, struct shape out)
{
    md_status st = MD_OK;
    struct device *device = bench->stream->device;
    const enum tensor_type type = device->activations;
    if (!bench_wants(bench, item->name))
        return;
    m->bench = bench;
    item->pass = "fwd";
    item->shape = "";
    item->bytes += bytes_of(in_type, in) + bytes_of(type, out);
    item->sets = bench_sets(bench, item->bytes);
    item->state = m;
    for (int i = 0; i < item->sets; i++) {
        TRY(bench_random(bench, &m->in[i], in_type, in));
        TRY(bench_random(bench, &m->out[i], type, out));
    }
    bench_run(bench, item);
fail:
    if (st < 0)
        bench_failed(bench, item->name, st);
    bench_wait(bench);
    for (int i = 0; i < MOST_SETS; i++) {
        tensor_destroy(device, &m->in[i]);
        tensor_destroy(device, &m->out[i]);
    }
}

/* What a decoded photograph of 480 x 640 becomes. */
static void images_case(struct bench *bench)
{
    md_status st = MD_OK;
    struct maps m = {.bench = bench};
    struct bench_case item = {.name = "images 480x640 to 800x1088", .count = 0, .run = run_images};
    const int n = bench->batch, d = bench->divide, height = 800 / d, width = 1067 / d;
    int32_t from[64 * 2], to[64 * 2];
    for (int i = 0; i < n; i++) {
        from[2 * i] = 480 / d;
        from[2 * i + 1] = 640 / d;
        to[2 * i] = height;
        to[2 * i + 1] = width;
    }
    TRY(bench_upload(bench, &m.from_sizes, TENSOR_I32, SHAPE(n, 2), from));
    TRY(bench_upload(bench, &m.sizes, TENSOR_I32, SHAPE(n, 2), to));
    run_case(bench, &m, &item, TENSOR_U8, SHAPE(n, (480 / d) * (640 / d) * 3),
             SHAPE(n, height, 1088 / d, 3));
fail:
    if (st < 0)
        bench_failed(bench, item.name, st);
    bench_wait(bench);
    tensor_destroy(bench->stream->device, &m.from_sizes);
    tensor_destroy(bench->stream->device, &m.sizes);
}

static void stem_case(struct bench *bench)
{
    md_status st = MD_OK;
    struct maps m = {.bench = bench};
    /* Where the two are one operation the network uses it; elsewhere they count apart. */
    const bool fused = bench->stream->device->backend->fused_stem;
    struct bench_case item = {.name = "stem 7x7/2 with pool 3x3/2", .count = 1, .run = run_stem};
    const int n = bench->batch, h = 800 / bench->divide, w = 1344 / bench->divide;
    if (!fused)
        return;
    item.flops = 2.0 * n * (h / 2) * (w / 2) * 64 * 147;
    TRY(bench_random(bench, &m.weight.value, TENSOR_F32, SHAPE(64, 7, 7, 3)));
    TRY(bench_random(bench, &m.weight.bias, TENSOR_F32, SHAPE(64)));
    m.weight.version = &m.version;
    run_case(bench, &m, &item, bench->stream->device->activations, SHAPE(n, h, w, 3),
             SHAPE(n, (h / 2 - 1) / 2 + 1, (w / 2 - 1) / 2 + 1, 64));
fail:
    if (st < 0)
        bench_failed(bench, item.name, st);
    bench_wait(bench);
    op_weight_release(bench->stream->device, &m.weight);
    tensor_destroy(bench->stream->device, &m.weight.value);
    tensor_destroy(bench->stream->device, &m.weight.bias);
}

void bench_maps(struct bench *bench)
{
    const int n = bench->batch, d = bench->divide;
    const enum tensor_type type = bench->stream->device->activations;
    struct maps m = {.bench = bench};
    const bool fused = bench->stream->device->backend->fused_stem;
    struct bench_case pool = {.name = "pool 3x3/2 64", .count = !fused, .run = run_pool};
    const int h = 400 / d, w = 672 / d;
    images_case(bench);
    stem_case(bench);
    run_case(bench, &m, &pool, type, SHAPE(n, h, w, 64),
             SHAPE(n, (h - 1) / 2 + 1, (w - 1) / 2 + 1, 64));
    for (int level = 0; level < 3; level++) {
        static const char *const names[] = {"fpn upsample, add 256 p2", "fpn upsample, add 256 p3",
                                            "fpn upsample, add 256 p4"};
        const int from_h = (100 >> level) / d, from_w = (168 >> level) / d;
        struct bench_case sum = {.name = names[level], .count = 1, .run = run_upsample};
        struct shape out = SHAPE(n, 2 * from_h, 2 * from_w, 256);
        sum.bytes = bytes_of(type, out); /* read, and written */
        run_case(bench, &m, &sum, type, SHAPE(n, from_h, from_w, 256), out);
    }
}
