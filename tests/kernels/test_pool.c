/* test_pool.c - max-pooling and upsampling, to the bit: maxima are exact, sums are rounded once. */
#include "suite.h"
#include "tests/kernels/conv_case.h"

struct pool_case {
    int n, h, w, c, kernel, stride, pad;
};

/* Runs of 8 channels of 16 bits, 4 of 32, are what a thread takes; other counts go one by one. */
static const struct pool_case pools[] = {
    {1, 1, 1, 1, 1, 1, 0},   {1, 9, 12, 64, 3, 2, 1}, {2, 7, 5, 8, 3, 2, 1},
    {1, 6, 6, 4, 2, 2, 0},   {3, 5, 9, 7, 3, 1, 1},   {1, 13, 4, 12, 5, 3, 2},
    {1, 8, 3, 24, 1, 2, 0},                                                     /* p6 of an FPN */
    {2, 1, 17, 16, 3, 2, 1}, {1, 4, 4, 520, 4, 4, 0}, {1, 2, 3, 2056, 3, 2, 1}, /* a long row */
    {0, 4, 4, 8, 3, 2, 1},   {1, 4, 4, 0, 3, 2, 1},
};
enum { POOLS = sizeof pools / sizeof pools[0], TYPES = 3 };

static size_t bytes_of(enum launch_type type)
{
    return type == LAUNCH_F32 ? 4 : 2;
}

/* All of one sign, so that a zero which pads would show as the maximum, or mixed. */
static float *map_of(struct random *random, int64_t count, bool negative)
{
    float *values = conv_numbers(random, count, 100, 0.25f);
    for (int64_t i = 0; negative && i < count; i++)
        values[i] = -1 - (values[i] < 0 ? -values[i] : values[i]);
    return values;
}

static float window_maximum(const float *in, const struct pool_case *p, int64_t image, int y, int x,
                            int c)
{
    float best = 0;
    bool any = false;
    for (int i = 0; i < p->kernel * p->kernel; i++) {
        const int row = y * p->stride - p->pad + i / p->kernel;
        const int column = x * p->stride - p->pad + i % p->kernel;
        if (row < 0 || row >= p->h || column < 0 || column >= p->w)
            continue;
        const float value = in[((image * p->h + row) * p->w + column) * p->c + c];
        best = !any || value > best ? value : best;
        any = true;
    }
    return best;
}

/* Each element of `memory`, `shift` elements in, against `expected`; ends the stream. */
static void check_map(const void *memory, enum launch_type type, int64_t shift,
                      const float *expected, int64_t count, cudaStream_t stream)
{
    char *found = malloc((size_t)(count + shift) * 4 + 1);
    ck_assert_ptr_nonnull(found);
    device_read(found, memory, (size_t)(count + shift) * bytes_of(type), stream);
    check_cuda((int)cudaStreamDestroy(stream));
    for (int64_t i = 0; i < count; i++) {
        float rounded;
        conv_put(&rounded, type, 0, expected[i]);
        const float have = conv_get(found, type, i + shift), want = conv_get(&rounded, type, 0);
        ck_assert_msg(have == want, "[%lld] of %lld is %g, not %g", (long long)i, (long long)count,
                      (double)have, (double)want);
    }
    free(found);
}

static void check_maxpool(const struct pool_case *p, enum launch_type type, int64_t shift,
                          bool negative)
{
    struct random random = {.seed = (uint64_t)(p->h * 31 + p->w), .stream = RANDOM_TEST};
    cudaStream_t stream = stream_new();
    const int out_h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    const int out_w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    const int64_t count = (int64_t)p->n * out_h * out_w * p->c;
    const int64_t in_count = (int64_t)p->n * p->h * p->w * p->c;
    const struct launch_pool pool = {p->n,  p->c,      p->h,      p->w,  out_h,
                                     out_w, p->kernel, p->stride, p->pad};
    float *values = map_of(&random, in_count, negative), *expected = malloc((size_t)count * 4 + 1);
    ck_assert_ptr_nonnull(expected);
    for (int64_t i = 0; i < count; i++) {
        const int64_t place = i / p->c, row = place / out_w;
        expected[i] = window_maximum(values, p, row / out_h, (int)(row % out_h),
                                     (int)(place % out_w), (int)(i % p->c));
    }
    void *in = conv_upload(values, type, in_count);
    char *out = device_new((size_t)(count + shift) * bytes_of(type));
    check_cuda(launch_maxpool(out + (size_t)shift * bytes_of(type), in, &pool, type, stream));
    check_map(out, type, shift, expected, count, stream);
    free(values);
    free(expected);
    device_drop(in);
    device_drop(out);
}

START_TEST(maxpool_is_the_maximum_inside_the_image)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type type = (enum launch_type)(_i % TYPES);
    check_maxpool(&pools[_i / TYPES], type, 0, false);
    check_maxpool(&pools[_i / TYPES], type, 0, true);
    check_maxpool(&pools[_i / TYPES], type, 1, true); /* no 16-byte accesses */
}
END_TEST

static void check_upsample(int n, int h, int w, int c, enum launch_type type, int64_t shift)
{
    struct random random = {.seed = (uint64_t)(h * 31 + w), .stream = RANDOM_TEST};
    cudaStream_t stream = stream_new();
    const int64_t in_count = (int64_t)n * h * w * c, count = in_count * 4;
    const struct launch_map map = {n, c, h, w};
    float *values = conv_numbers(&random, in_count, 100, 0.25f);
    float *expected = conv_numbers(&random, count + shift, 100, 0.25f);
    void *in = conv_upload(values, type, in_count);
    char *out = conv_upload(expected, type, count + shift);
    for (int64_t i = 0; i < count; i++) {
        const int64_t place = i / c, x = place % (2 * w), row = place / (2 * w);
        const int64_t y = row % (2 * h), image = row / (2 * h);
        expected[i + shift] += values[((image * h + y / 2) * w + x / 2) * c + i % c];
    }
    check_cuda(launch_upsample_add(out + (size_t)shift * bytes_of(type), in, &map, type, stream));
    check_map(out, type, 0, expected, count + shift, stream);
    free(values);
    free(expected);
    device_drop(in);
    device_drop(out);
}

START_TEST(upsample_adds_each_pixel_to_four)
{
    static const int shapes[][4] = {{1, 1, 1, 1},  {2, 3, 5, 8},    {1, 4, 2, 256}, {3, 2, 3, 7},
                                    {1, 7, 1, 12}, {1, 1, 2, 2056}, {0, 2, 2, 8},   {1, 2, 2, 0}};
    if (no_device())
        SKIP("no device");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int64_t shift = 0; shift < 2; shift++)
            check_upsample(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3],
                           (enum launch_type)_i, shift);
}
END_TEST

SUITE("kernels/pool", LOOP(maxpool_is_the_maximum_inside_the_image, 0, POOLS *TYPES),
      LOOP(upsample_adds_each_pixel_to_four, 0, TYPES))
