/* test_stem.c - pooled relu(convolution + bias) in one launch, to the bit.
 *
 * Operands are small numbers whose sums are exact in float32 (conv_case.h), and rounding to 16 bits
 * keeps order: the result must be the exact maximum rounded once. */
#include "suite.h"
#include "tests/kernels/conv_case.h"

struct stem_case {
    int n, h, w, in, out, kernel_h, kernel_w, stride, pad, pool_kernel, pool_stride, pool_pad;
    int multiprocessors; /* 4 blocks each at most: the rest of the tiles come after */
};

/* Tiles of 16 bits are of 4 x 15 pooled pixels, 16 x 60 of the image. */
static const struct stem_case stems[] = {
    {1, 1, 1, 3, 64, 7, 7, 2, 3, 3, 2, 1, 1},
    {1, 32, 61, 3, 64, 7, 7, 2, 3, 3, 2, 1, 8},
    {2, 37, 130, 3, 64, 7, 7, 2, 3, 3, 2, 1, 1},
    {1, 64, 17, 3, 32, 7, 7, 2, 3, 3, 2, 1, 2},
    {3, 18, 66, 3, 8, 7, 7, 2, 3, 3, 2, 1, 1},
    {1, 16, 60, 3, 24, 7, 7, 2, 3, 3, 2, 1, 1},
    {1, 21, 23, 3, 12, 7, 7, 2, 3, 3, 2, 1, 1},
    {1, 15, 12, 3, 72, 7, 7, 2, 3, 3, 2, 1, 1}, /* plain */
    {2, 11, 9, 4, 8, 3, 5, 1, 1, 2, 2, 0, 1},
    {0, 32, 32, 3, 64, 7, 7, 2, 3, 3, 2, 1, 1},
};
enum { STEMS = sizeof stems / sizeof stems[0], TYPES = 3 };

struct stem_run {
    struct conv_case c; /* the convolution alone */
    struct launch_stem stem;
    int64_t count;
    size_t element;
};

static void stem_open(struct stem_run *run, const struct stem_case *s, enum launch_type type,
                      bool bias)
{
    const struct launch_grouped_conv conv = {.n = s->n,
                                             .h = s->h,
                                             .w = s->w,
                                             .in_channels = s->in,
                                             .out_channels = s->out,
                                             .kernel_h = s->kernel_h,
                                             .kernel_w = s->kernel_w,
                                             .stride = s->stride,
                                             .pad = s->pad,
                                             .groups = 1,
                                             .type = type,
                                             .out_type = type};
    conv_open(&run->c, conv, bias ? CASE_BIAS : 0);
    const int conv_h = (int)run->c.out_h, conv_w = (int)run->c.out_w;
    run->element = type == LAUNCH_F32 ? 4 : 2;
    run->stem = (struct launch_stem){
        .in = run->c.conv.in,
        .weight = run->c.conv.weight,
        .bias = run->c.conv.bias,
        .images = s->n,
        .height = s->h,
        .width = s->w,
        .in_channels = s->in,
        .channels = s->out,
        .conv_height = conv_h,
        .conv_width = conv_w,
        .out_height = (conv_h + 2 * s->pool_pad - s->pool_kernel) / s->pool_stride + 1,
        .out_width = (conv_w + 2 * s->pool_pad - s->pool_kernel) / s->pool_stride + 1,
        .kernel_height = s->kernel_h,
        .kernel_width = s->kernel_w,
        .stride = s->stride,
        .pad = s->pad,
        .pool_kernel = s->pool_kernel,
        .pool_stride = s->pool_stride,
        .pool_pad = s->pool_pad,
        .multiprocessors = s->multiprocessors,
        .type = type};
    run->count = run->stem.images * run->stem.out_height * run->stem.out_width * s->out;
    run->stem.out = device_new((size_t)run->count * run->element);
}

static void stem_close(struct stem_run *run)
{
    device_drop(run->stem.out);
    conv_close(&run->c);
}

/* The caller's to free; what was there before is poison. */
static void *stem_launch(struct stem_run *run)
{
    const size_t bytes = (size_t)run->count * run->element;
    void *out = malloc(bytes + 1);
    ck_assert_ptr_nonnull(out);
    if (bytes)
        check_cuda((int)cudaMemset(run->stem.out, 0xff, bytes));
    check_cuda(launch_stem(&run->stem, run->c.stream));
    device_read(out, run->stem.out, bytes, run->c.stream);
    return out;
}

/* relu(convolution + bias) everywhere, in double. */
static double *conv_map(const struct conv_case *c)
{
    double *map = malloc((size_t)c->out_count * sizeof *map + 1);
    ck_assert_ptr_nonnull(map);
    for (int64_t i = 0; i < c->out_count; i++) {
        const int64_t o = i % c->conv.out_channels, place = i / c->conv.out_channels;
        const int64_t row = place / c->out_w;
        const double sum = conv_sum(c, row / c->out_h, row % c->out_h, place % c->out_w, o);
        map[i] = sum > 0 ? sum : 0;
    }
    return map;
}

static double pooled(const struct stem_run *run, const double *map, int64_t i)
{
    const struct launch_stem *s = &run->stem;
    const int64_t o = i % s->channels, x = i / s->channels % s->out_width;
    const int64_t row = i / s->channels / s->out_width, y = row % s->out_height;
    double best = 0; /* of what is no less */
    for (int k = 0; k < s->pool_kernel * s->pool_kernel; k++) {
        const int64_t conv_y = y * s->pool_stride - s->pool_pad + k / s->pool_kernel;
        const int64_t conv_x = x * s->pool_stride - s->pool_pad + k % s->pool_kernel;
        if (conv_y < 0 || conv_y >= s->conv_height || conv_x < 0 || conv_x >= s->conv_width)
            continue;
        const int64_t place =
            (row / s->out_height * s->conv_height + conv_y) * s->conv_width + conv_x;
        const double value = map[place * s->channels + o];
        best = value > best ? value : best;
    }
    return best;
}

START_TEST(equals_convolution_relu_and_pool)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type type = (enum launch_type)(_i % TYPES);
    struct stem_run run;
    stem_open(&run, &stems[_i / TYPES], type, _i % 4 != 3);
    double *map = conv_map(&run.c);
    void *out = stem_launch(&run);
    for (int64_t i = 0; i < run.count; i++) {
        float expected;
        conv_put(&expected, type, 0, (float)pooled(&run, map, i));
        const float found = conv_get(out, type, i), wanted = conv_get(&expected, type, 0);
        ck_assert_msg(found == wanted, "[%lld] of %lld is %g, not %g", (long long)i,
                      (long long)run.count, (double)found, (double)wanted);
    }
    free(out);
    free(map);
    stem_close(&run);
}
END_TEST

START_TEST(every_run_has_the_same_bits)
{
    static const char *const seeds[] = {"0", "0", "5", "91"};
    if (no_device())
        SKIP("no device");
    struct stem_run run;
    stem_open(&run, &stems[2], (enum launch_type)_i, true);
    void *first = stem_launch(&run);
    for (int k = 1; k < 4; k++) {
        ck_assert_int_eq(setenv("CUEMU_SEED", seeds[k], 1), 0);
        void *out = stem_launch(&run);
        ck_assert_mem_eq(out, first, (size_t)run.count * run.element);
        free(out);
    }
    free(first);
    stem_close(&run);
}
END_TEST

SUITE("kernels/stem", LOOP(equals_convolution_relu_and_pool, 0, STEMS *TYPES),
      LOOP(every_run_has_the_same_bits, 0, TYPES))
