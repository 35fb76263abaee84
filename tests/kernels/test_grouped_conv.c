/* test_grouped_conv.c - grouped 3x3 convolution on tensor cores: every width, stride, type and edge. */
#include <math.h>

#include "suite.h"
#include "tests/kernels/conv_case.h"

enum { CONFIGURATIONS = 16 };

/* One of all pairs of type, width and stride. */
static struct launch_grouped_conv configuration(int i)
{
    static const int widths[] = {8, 16, 32, 64};
    enum launch_type type = i & 1 ? LAUNCH_F16 : LAUNCH_BF16;
    int width = widths[i / 4];
    return (struct launch_grouped_conv){.type = type,
                                        .out_type = type,
                                        .n = 1,
                                        .h = 9,
                                        .w = 19,
                                        .in_channels = width,
                                        .out_channels = width,
                                        .groups = 1,
                                        .kernel_h = 3,
                                        .kernel_w = 3,
                                        .stride = i & 2 ? 2 : 1,
                                        .pad = 1};
}

static void set_size(struct launch_grouped_conv *conv, int64_t n, int64_t h, int64_t w,
                     int channels)
{
    int width = (int)(conv->out_channels / conv->groups);
    conv->n = n, conv->h = h, conv->w = w;
    conv->groups = (channels + width - 1) / width;
    conv->in_channels = conv->out_channels = (int64_t)conv->groups * width;
}

static void check_launch(struct launch_grouped_conv conv, unsigned what)
{
    struct conv_case c;
    conv_open(&c, conv, what);
    ck_assert(launch_grouped_conv_fits(&c.conv));
    check_cuda(launch_grouped_conv(&c.conv, c.stream));
    conv_check(&c);
    conv_close(&c);
}

/* Sizes around the tiles of 8 x 16 and 4 x 16 outputs; channels that fill slices of 64 and do not. */
START_TEST(equals_the_exact_sums)
{
    static const struct {
        int n, h, w, channels, multiprocessors;
    } sizes[] = {
        {1, 1, 1, 8, 1},   {2, 1, 2, 64, 1},   {1, 2, 17, 32, 1}, {1, 8, 16, 64, 4},
        {3, 9, 17, 40, 1}, {1, 17, 35, 64, 1}, {2, 7, 31, 72, 2}, {1, 25, 3, 128, 1},
    };
    if (device_capability() < 80)
        SKIP("no device of capability 8.0");
    struct launch_grouped_conv conv = configuration(_i);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        set_size(&conv, sizes[i].n, sizes[i].h, sizes[i].w, sizes[i].channels);
        conv.multiprocessors = sizes[i].multiprocessors;
        conv.relu = i % 2;
        check_launch(conv, i % 3 == 0 ? 0 : CASE_BIAS);
    }
}
END_TEST

START_TEST(no_elements_is_nothing_to_do)
{
    struct launch_grouped_conv conv = configuration(_i);
    conv.multiprocessors = 2, conv.capability = 90, conv.shared_limit = 227 << 10;
    set_size(&conv, 0, 5, 5, 64);
    ck_assert_int_eq(launch_grouped_conv(&conv, NULL), 0);
    set_size(&conv, 2, 0, 5, 64);
    ck_assert_int_eq(launch_grouped_conv(&conv, NULL), 0);
    set_size(&conv, 2, 5, 0, 64);
    ck_assert_int_eq(launch_grouped_conv(&conv, NULL), 0);
}
END_TEST

/* Threads of the emulated device take turns in another order for each seed. The numbers are not
 * whole here, so an order of the sums that changed would be seen. */
START_TEST(every_run_has_the_same_bits)
{
    if (device_capability() < 80)
        SKIP("no device of capability 8.0");
    struct launch_grouped_conv conv = configuration(_i);
    set_size(&conv, 1, 17, 18, 64);
    struct conv_case c;
    conv_open(&c, conv, CASE_BIAS);
    for (int64_t i = 0; i < c.in_count; i++)
        c.in[i] = sinf((float)i);
    device_drop((void *)(uintptr_t)c.conv.in);
    c.conv.in = conv_upload(c.in, conv.type, c.in_count);
    void *first = NULL;
    for (int run = 0; run < (SANITIZED ? 2 : 3); run++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", run * 7);
        ck_assert_int_eq(setenv("CUEMU_SEED", seed, 1), 0);
        c.conv.multiprocessors = run + 1; /* who computes a tile does not matter either */
        check_cuda((int)cudaMemset(c.conv.out, 0xff, (size_t)c.out_count * 2));
        check_cuda(launch_grouped_conv(&c.conv, c.stream));
        void *out = conv_result(&c);
        if (first)
            ck_assert_mem_eq(out, first, (size_t)c.out_count * 2);
        else
            first = out;
        if (out != first)
            free(out);
    }
    free(first);
    conv_close(&c);
}
END_TEST

/* Real numbers. The output is rounded once, by 2^-9 (bfloat16) or 2^-12 (half) of the binade above
 * it, which is 2^-8 and 2^-11 of the value; each addition may cut 2^-23 of the largest partial sum. */
START_TEST(real_numbers_are_rounded_once)
{
    if (device_capability() < 80)
        SKIP("no device of capability 8.0");
    struct launch_grouped_conv conv = configuration(_i);
    set_size(&conv, 1, 11, 18, 64);
    struct conv_case c;
    conv_open(&c, conv, CASE_BIAS);
    device_drop((void *)(uintptr_t)c.conv.in);
    for (int64_t i = 0; i < c.in_count; i++) {
        conv_put(&c.in[i], conv.type, 0, cosf((float)i));
        c.in[i] = conv_get(&c.in[i], conv.type, 0);
    }
    c.conv.in = conv_upload(c.in, conv.type, c.in_count);
    check_cuda(launch_grouped_conv(&c.conv, c.stream));
    void *out = conv_result(&c);
    double terms = 9.0 * (double)(conv.in_channels / conv.groups) + 1;
    double rounding = conv.type == LAUNCH_BF16 ? ldexp(1, -8) : ldexp(1, -11);
    for (int64_t at = 0; at < c.out_count; at++) {
        int64_t o = at % conv.out_channels, x = at / conv.out_channels % c.out_w;
        double sum = conv_sum(&c, 0, at / conv.out_channels / c.out_w, x, o);
        double largest = 5 + 0.5 * terms; /* |bias|, and |in| <= 1 times |weight| <= 1/2 */
        double found = (double)conv_get(out, conv.type, at);
        ck_assert_double_le(fabs(found - sum), rounding * fabs(sum) + terms * ldexp(largest, -23));
    }
    free(out);
    conv_close(&c);
}
END_TEST

START_TEST(says_what_it_serves)
{
    struct launch_grouped_conv good = configuration(0), conv;
    set_size(&good, 1, 10, 10, 64);
    good.multiprocessors = 2, good.capability = 90, good.shared_limit = 227 << 10;
    ck_assert(launch_grouped_conv_fits(&good));
#define REFUSED(...)                                                                               \
    do {                                                                                           \
        conv = good;                                                                               \
        __VA_ARGS__;                                                                               \
        ck_assert_msg(!launch_grouped_conv_fits(&conv), #__VA_ARGS__);                             \
        ck_assert_int_ne(launch_grouped_conv(&conv, NULL), 0);                                     \
    } while (0)
    REFUSED(conv.kernel_h = 1);
    REFUSED(conv.kernel_w = 5);
    REFUSED(conv.pad = 0);
    REFUSED(conv.stride = 3);
    REFUSED(conv.groups = 0);
    REFUSED(conv.groups = 16); /* width 4 */
    REFUSED(conv.groups = 3);  /* no divisor */
    REFUSED(conv.in_channels = 128);
    REFUSED(conv.type = conv.out_type = LAUNCH_F32);
    REFUSED(conv.out_type = LAUNCH_F32);
    REFUSED(conv.residual = &conv);
    REFUSED(conv.capability = 75); /* no bfloat16 */
    REFUSED(conv.shared_limit = 48 << 10);
    REFUSED(conv.n = INT64_MAX / 2);
    REFUSED(conv.h = INT64_MAX);
    REFUSED(conv.n = -1);
    REFUSED(conv.in = (const void *)(uintptr_t)8);
    good.capability = 75, good.shared_limit = 64 << 10;
    good.type = good.out_type = LAUNCH_F16;
    ck_assert(launch_grouped_conv_fits(&good));
    REFUSED(conv.stride = 2); /* two stages of it are more than 64 KiB */
}
END_TEST

SUITE("kernels/grouped_conv", LOOP(equals_the_exact_sums, 0, CONFIGURATIONS),
      LOOP(no_elements_is_nothing_to_do, 0, CONFIGURATIONS),
      LOOP(every_run_has_the_same_bits, 0, CONFIGURATIONS),
      LOOP(real_numbers_are_rounded_once, 0, CONFIGURATIONS), TEST(says_what_it_serves))
