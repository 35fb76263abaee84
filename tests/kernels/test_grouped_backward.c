/* test_grouped_backward.c - gradients of grouped 3x3 convolution on tensor cores: every width, stride,
 * type and edge, to the bit: operands are small whole numbers, so sums are exact in any order. */
#include <math.h>

#include "suite.h"
#include "tests/kernels/conv_case.h"

enum { CONFIGURATIONS = 16 };

/* One of all pairs of type, width and stride. */
static struct launch_grouped_conv configuration(int i)
{
    static const int widths[] = {8, 16, 32, 64};
    const int width = widths[i / 4];
    return (struct launch_grouped_conv){.type = i & 1 ? LAUNCH_F16 : LAUNCH_BF16,
                                        .in_channels = width,
                                        .out_channels = width,
                                        .groups = 1,
                                        .kernel_h = 3,
                                        .kernel_w = 3,
                                        .stride = i & 2 ? 2 : 1,
                                        .pad = 1};
}

static const struct {
    int n, h, w, channels, multiprocessors;
} sizes[] = {{1, 1, 1, 8, 1},   {2, 1, 2, 64, 1},   {1, 2, 17, 32, 1}, {1, 8, 16, 64, 4},
             {3, 9, 17, 40, 1}, {1, 17, 35, 64, 1}, {2, 7, 31, 72, 2}, {1, 25, 3, 128, 1}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static struct launch_grouped_conv sized(struct launch_grouped_conv conv, size_t i)
{
    const int width = (int)(conv.out_channels / conv.groups);
    conv.n = sizes[i].n, conv.h = sizes[i].h, conv.w = sizes[i].w;
    conv.groups = (sizes[i].channels + width - 1) / width;
    conv.in_channels = conv.out_channels = (int64_t)conv.groups * width;
    conv.multiprocessors = sizes[i].multiprocessors;
    conv.capability = device_capability();
    conv.shared_limit = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    return conv;
}

static int64_t side_of(int64_t size, int stride)
{
    return (size - 1) / stride + 1;
}

/* The gradient of one weight: channel out `o`, tap, channel in `k` of the group. */
static double weight_sum(const struct launch_grouped_conv *c, const float *in, const float *grad,
                         int64_t o, int tap, int64_t k)
{
    const int64_t width = c->in_channels / c->groups, channel = o / width * width + k;
    const int64_t oh = side_of(c->h, c->stride), ow = side_of(c->w, c->stride);
    double sum = 0;
    for (int64_t place = 0; place < c->n * oh * ow; place++) {
        const int64_t y = place / ow % oh * c->stride - 1 + tap / 3;
        const int64_t x = place % ow * c->stride - 1 + tap % 3, image = place / ow / oh;
        if (y >= 0 && y < c->h && x >= 0 && x < c->w)
            sum += (double)grad[place * c->out_channels + o] *
                   (double)in[((image * c->h + y) * c->w + x) * c->in_channels + channel];
    }
    return sum;
}

struct filter_case {
    struct launch_grouped_conv conv;
    float *in, *grad, *scale, *before;
    float *device_scale;
    void *scratch;
    int64_t values;
    cudaStream_t stream;
};

static void filter_open(struct filter_case *f, struct launch_grouped_conv conv, bool scaled)
{
    struct random random = {.seed = (uint64_t)(conv.h * 131 + conv.w), .stream = RANDOM_TEST};
    const int64_t in_count = conv.n * conv.h * conv.w * conv.in_channels;
    const int64_t grad_count =
        conv.n * side_of(conv.h, conv.stride) * side_of(conv.w, conv.stride) * conv.out_channels;
    f->values = conv.out_channels * 9 * (conv.in_channels / conv.groups);
    f->stream = stream_new();
    f->in = conv_numbers(&random, in_count, 8, 1);
    f->grad = conv_numbers(&random, grad_count, 4, 0.125f);
    f->scale = conv_numbers(&random, conv.out_channels, 3, 0.5f);
    f->before = conv_numbers(&random, f->values, 50, 1);
    conv.out_type = LAUNCH_F32;
    conv.in = conv_upload(f->in, conv.type, in_count);
    conv.weight = conv_upload(f->grad, conv.type, grad_count);
    conv.out = conv_upload(f->before, LAUNCH_F32, f->values);
    f->device_scale = scaled ? conv_upload(f->scale, LAUNCH_F32, conv.out_channels) : NULL;
    f->conv = conv;
    f->scratch = device_new(launch_grouped_filter_scratch(&conv));
}

static void filter_close(struct filter_case *f)
{
    check_cuda((int)cudaStreamDestroy(f->stream));
    device_drop((void *)(uintptr_t)f->conv.in);
    device_drop((void *)(uintptr_t)f->conv.weight);
    device_drop(f->conv.out);
    device_drop(f->scratch);
    if (f->device_scale)
        device_drop(f->device_scale);
    free(f->in);
    free(f->grad);
    free(f->scale);
    free(f->before);
}

static void filter_check(const struct filter_case *f)
{
    const struct launch_grouped_conv *c = &f->conv;
    const int64_t width = c->in_channels / c->groups;
    float *found = malloc((size_t)f->values * sizeof *found);
    ck_assert_ptr_nonnull(found);
    device_read(found, c->out, (size_t)f->values * sizeof *found, f->stream);
    for (int64_t i = 0; i < f->values; i++) {
        const int64_t o = i / width / 9;
        const double sum = weight_sum(c, f->in, f->grad, o, (int)(i / width % 9), i % width);
        const double wanted =
            (double)f->before[i] + sum * (f->device_scale ? (double)f->scale[o] : 1);
        ck_assert_msg(
            (double)found[i] == wanted,
            "%lld x %lld x %lld, %lld channels in %d groups, stride %d: [%lld] is %.9g, not %.9g",
            (long long)c->n, (long long)c->h, (long long)c->w, (long long)c->out_channels,
            c->groups, c->stride, (long long)i, (double)found[i], wanted);
    }
    free(found);
}

START_TEST(weight_gradients_are_exact)
{
    if (device_capability() < 80)
        SKIP("no device of capability 8.0");
    for (size_t i = 0; i < SIZES; i++) {
        struct filter_case f;
        filter_open(&f, sized(configuration(_i), i), i % 2);
        ck_assert(launch_grouped_filter_fits(&f.conv));
        check_cuda(launch_grouped_filter(&f.conv, f.device_scale, f.scratch, f.stream));
        filter_check(&f);
        filter_close(&f);
    }
}
END_TEST

/* The gradient of one input. */
static double input_sum(const struct launch_grouped_conv *c, const float *grad, const float *weight,
                        int64_t place, int64_t channel)
{
    const int64_t width = c->in_channels / c->groups, group = channel / width;
    const int64_t y = place / c->w % c->h, x = place % c->w, image = place / c->w / c->h;
    double sum = 0;
    for (int tap = 0; tap < 9; tap++) {
        const int64_t row = y + 1 - tap / 3, column = x + 1 - tap % 3;
        if (row < 0 || row >= c->h || column < 0 || column >= c->w)
            continue;
        for (int64_t k = 0; k < width; k++)
            sum += (double)grad[((image * c->h + row) * c->w + column) * c->out_channels +
                                group * width + k] *
                   (double)weight[((group * width + k) * 9 + tap) * width + channel % width];
    }
    return sum;
}

static void check_data(struct launch_grouped_conv conv)
{
    struct random random = {.seed = (uint64_t)(conv.h * 31 + conv.w), .stream = RANDOM_TEST};
    const int64_t count = conv.n * conv.h * conv.w * conv.in_channels;
    const int64_t values = conv.out_channels * 9 * (conv.in_channels / conv.groups);
    cudaStream_t stream = stream_new();
    float *grad = conv_numbers(&random, count, 8, 1),
          *weight = conv_numbers(&random, values, 4, 0.125f);
    uint16_t *found = malloc((size_t)count * sizeof *found);
    ck_assert_ptr_nonnull(found);
    conv.out_type = conv.type;
    void *in = conv_upload(grad, conv.type, count), *taps = conv_upload(weight, conv.type, values);
    conv.in = in;
    conv.weight = taps;
    conv.out = device_new((size_t)count * sizeof *found);
    ck_assert(launch_grouped_data_fits(&conv));
    void *scratch = device_new(launch_grouped_data_scratch(&conv));
    check_cuda(launch_grouped_data(&conv, scratch, stream));
    device_read(found, conv.out, (size_t)count * sizeof *found, stream);
    for (int64_t i = 0; i < count; i++) {
        float rounded; /* room for any type */
        conv_put(&rounded, conv.type, 0,
                 (float)input_sum(&conv, grad, weight, i / conv.in_channels, i % conv.in_channels));
        ck_assert_msg(conv_get(found, conv.type, i) == conv_get(&rounded, conv.type, 0),
                      "[%lld] is %g, not %g", (long long)i, (double)conv_get(found, conv.type, i),
                      (double)conv_get(&rounded, conv.type, 0));
    }
    check_cuda((int)cudaStreamDestroy(stream));
    device_drop(in);
    device_drop(taps);
    device_drop(conv.out);
    device_drop(scratch);
    free(grad);
    free(weight);
    free(found);
}

START_TEST(input_gradients_are_exact_sums_rounded_once)
{
    struct launch_grouped_conv conv = configuration(_i);
    if (device_capability() < 80)
        SKIP("no device of capability 8.0");
    for (size_t i = 0; i < SIZES && conv.stride == 1; i++)
        check_data(sized(conv, i));
}
END_TEST

START_TEST(says_what_it_serves)
{
    struct launch_grouped_conv good = sized(configuration(0), 3), conv;
    good.shared_limit = 227 << 10, good.capability = 90;
    conv = good, conv.out_type = LAUNCH_F32;
    ck_assert(launch_grouped_filter_fits(&conv));
    ck_assert(!launch_grouped_data_fits(&conv));
    conv.stride = 2;
    ck_assert(launch_grouped_filter_fits(&conv));
    conv.shared_limit = 64 << 10;
    ck_assert(!launch_grouped_filter_fits(&conv));
    conv = good, conv.out_type = conv.type;
    ck_assert(launch_grouped_data_fits(&conv));
    ck_assert(!launch_grouped_filter_fits(&conv));
    conv.stride = 2;
    ck_assert(!launch_grouped_data_fits(&conv));
    ck_assert_int_ne(launch_grouped_data(&conv, NULL, NULL), 0);
    conv = good, conv.out_type = conv.type, conv.kernel_h = 1;
    ck_assert(!launch_grouped_data_fits(&conv));
    conv = good, conv.out_type = LAUNCH_F32, conv.type = LAUNCH_F32;
    ck_assert(!launch_grouped_filter_fits(&conv));
    ck_assert_int_ne(launch_grouped_filter(&conv, NULL, NULL, NULL), 0);
}
END_TEST

SUITE("kernels/grouped_backward", LOOP(weight_gradients_are_exact, 0, CONFIGURATIONS),
      LOOP(input_gradients_are_exact_sums_rounded_once, 0, CONFIGURATIONS),
      TEST(says_what_it_serves))
