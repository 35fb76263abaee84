/* test_pool_backward.c - gradients of pooling and upsampling, to the bit: of small whole numbers sums
 * are exact, in any order and in every type. */
#include "suite.h"
#include "tests/kernels/conv_case.h"

struct pool_case {
    int n, h, w, c, kernel, stride, pad;
};

/* Windows that overlap, touch and leave gaps; 16 bytes of channels and not. */
static const struct pool_case pools[] = {
    {1, 1, 1, 1, 1, 1, 0},  {1, 9, 12, 64, 3, 2, 1}, {2, 7, 5, 8, 3, 2, 1},
    {1, 6, 6, 4, 2, 2, 0},  {3, 5, 9, 7, 3, 1, 1},   {1, 13, 4, 12, 5, 3, 2},
    {1, 8, 3, 24, 1, 2, 0}, {2, 1, 17, 16, 3, 2, 1}, {1, 9, 9, 520, 2, 4, 0},
    {0, 4, 4, 8, 3, 2, 1},  {1, 4, 4, 0, 3, 2, 1},
};
enum { POOLS = sizeof pools / sizeof pools[0], TYPES = 3 };

static void check_equal(const void *memory, enum launch_type type, int64_t shift,
                        const float *expected, int64_t count, cudaStream_t stream)
{
    char *found = malloc((size_t)(count + shift) * 4 + 1);
    ck_assert_ptr_nonnull(found);
    device_read(found, memory, (size_t)(count + shift) * (type == LAUNCH_F32 ? 4 : 2), stream);
    check_cuda((int)cudaStreamDestroy(stream));
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(conv_get(found, type, i + shift) == expected[i],
                      "[%lld] of %lld is %g, not %g", (long long)i, (long long)count,
                      (double)conv_get(found, type, i + shift), (double)expected[i]);
    free(found);
}

/* in_grad += out_grad of one window and channel, at its first maximum. */
static void add_window(float *in_grad, float out_grad, const float *in, const struct pool_case *p,
                       int64_t image, int y, int x, int c)
{
    int64_t best = -1;
    for (int i = 0; i < p->kernel * p->kernel; i++) {
        const int row = y * p->stride - p->pad + i / p->kernel;
        const int column = x * p->stride - p->pad + i % p->kernel;
        if (row < 0 || row >= p->h || column < 0 || column >= p->w)
            continue;
        const int64_t at = ((image * p->h + row) * p->w + column) * p->c + c;
        if (best < 0 || in[at] > in[best])
            best = at;
    }
    in_grad[best] += out_grad;
}

/* in has few different values, so that windows have several maxima. */
static void check_maxpool(const struct pool_case *p, enum launch_type type, int64_t shift)
{
    struct random random = {.seed = (uint64_t)(p->h * 31 + p->w), .stream = RANDOM_TEST};
    const int64_t bytes = type == LAUNCH_F32 ? 4 : 2;
    const int out_h = (p->h + 2 * p->pad - p->kernel) / p->stride + 1;
    const int out_w = (p->w + 2 * p->pad - p->kernel) / p->stride + 1;
    const int64_t out_count = (int64_t)p->n * out_h * out_w * p->c;
    const int64_t count = (int64_t)p->n * p->h * p->w * p->c;
    cudaStream_t stream = stream_new();
    float *in = conv_numbers(&random, count, 1, 1),
          *out_grad = conv_numbers(&random, out_count, 9, 1);
    float *grad = conv_numbers(&random, count + shift, 9, 1);
    const struct launch_pool pool = {p->n,  p->c,      p->h,      p->w,  out_h,
                                     out_w, p->kernel, p->stride, p->pad};
    void *ins = conv_upload(in, type, count), *outs = conv_upload(out_grad, type, out_count);
    char *grads = conv_upload(grad, type, count + shift);
    for (int64_t i = 0; i < out_count; i++) {
        const int64_t place = i / p->c, row = place / out_w;
        add_window(grad + shift, out_grad[i], in, p, row / out_h, (int)(row % out_h),
                   (int)(place % out_w), (int)(i % p->c));
    }
    check_cuda(launch_maxpool_backward(grads + shift * bytes, outs, ins, &pool, type, stream));
    check_equal(grads, type, shift, grad + shift, count, stream);
    device_drop(ins);
    device_drop(outs);
    device_drop(grads);
    free(in);
    free(out_grad);
    free(grad);
}

START_TEST(maxpool_gives_to_the_first_maximum)
{
    if (no_device())
        SKIP("no device");
    check_maxpool(&pools[_i / TYPES], (enum launch_type)(_i % TYPES), 0);
    check_maxpool(&pools[_i / TYPES], (enum launch_type)(_i % TYPES), 1);
}
END_TEST

static void check_upsample(int n, int h, int w, int c, enum launch_type type, int64_t shift)
{
    struct random random = {.seed = (uint64_t)(h * 31 + w), .stream = RANDOM_TEST};
    const int64_t bytes = type == LAUNCH_F32 ? 4 : 2, count = (int64_t)n * h * w * c;
    const struct launch_map map = {n, c, h, w};
    cudaStream_t stream = stream_new();
    float *out_grad = conv_numbers(&random, 4 * count, 9, 1);
    float *grad = conv_numbers(&random, count + shift, 9, 1);
    void *outs = conv_upload(out_grad, type, 4 * count);
    char *grads = conv_upload(grad, type, count + shift);
    for (int64_t i = 0; i < 4 * count; i++) {
        const int64_t x = i / c % (2 * w), y = i / c / (2 * w) % (2 * h),
                      image = i / c / (2 * w) / (2 * h);
        grad[shift + ((image * h + y / 2) * w + x / 2) * c + i % c] += out_grad[i];
    }
    check_cuda(launch_upsample_backward(grads + shift * bytes, outs, &map, type, stream));
    check_equal(grads, type, shift, grad + shift, count, stream);
    device_drop(outs);
    device_drop(grads);
    free(out_grad);
    free(grad);
}

START_TEST(upsample_sums_two_by_two)
{
    static const int shapes[][4] = {{0, 3, 3, 8}, {1, 1, 1, 1},   {2, 5, 7, 64},
                                    {3, 2, 9, 7}, {1, 13, 3, 12}, {1, 2, 2, 2056}};
    if (no_device())
        SKIP("no device");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int64_t shift = 0; shift < 2; shift++)
            check_upsample(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3],
                           (enum launch_type)_i, shift);
}
END_TEST

SUITE("kernels/pool_backward", LOOP(maxpool_gives_to_the_first_maximum, 0, POOLS *TYPES),
      LOOP(upsample_sums_two_by_two, 0, TYPES))
