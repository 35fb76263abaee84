/* test_grouped_direct.c - convolution without tensor cores: any groups, kernel, stride and type. */
#include "suite.h"
#include "tests/kernels/conv_case.h"

struct shape_case {
    int n, h, w, in, out, groups, kernel_h, kernel_w, stride, pad;
};

/* Runs of 4 outputs, 32 channels and 64 weights are what the kernel works in. */
static const struct shape_case shapes[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0},     {2, 5, 7, 12, 24, 3, 3, 3, 1, 1},  /* more out than in */
    {1, 9, 7, 40, 40, 5, 3, 3, 2, 1},   {1, 6, 9, 33, 33, 33, 5, 5, 1, 2}, /* depthwise */
    {1, 4, 5, 64, 64, 16, 3, 3, 1, 1},  {1, 3, 13, 64, 32, 1, 1, 1, 1, 0}, /* dense */
    {1, 10, 9, 6, 34, 2, 3, 5, 3, 2},   {3, 2, 3, 96, 8, 1, 2, 1, 1, 1},
    {1, 8, 8, 128, 128, 2, 3, 3, 1, 1}, /* 576 weights: nine parts */
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static struct launch_grouped_conv shape_of(const struct shape_case *s)
{
    return (struct launch_grouped_conv){.n = s->n,
                                        .h = s->h,
                                        .w = s->w,
                                        .in_channels = s->in,
                                        .out_channels = s->out,
                                        .groups = s->groups,
                                        .kernel_h = s->kernel_h,
                                        .kernel_w = s->kernel_w,
                                        .stride = s->stride,
                                        .pad = s->pad};
}

static void check_launch(struct launch_grouped_conv conv, unsigned what)
{
    struct conv_case c;
    conv_open(&c, conv, what);
    ck_assert(launch_grouped_direct_fits(&c.conv));
    check_cuda(launch_grouped_direct(&c.conv, c.stream));
    conv_check(&c);
    conv_close(&c);
}

START_TEST(equals_the_exact_sums)
{
    static const enum launch_type types[][2] = {{LAUNCH_F32, LAUNCH_F32},
                                                {LAUNCH_BF16, LAUNCH_BF16},
                                                {LAUNCH_F16, LAUNCH_F16},
                                                {LAUNCH_BF16, LAUNCH_F32},
                                                {LAUNCH_F16, LAUNCH_F32}};
    static const unsigned whats[] = {0, CASE_BIAS, CASE_BIAS | CASE_RESIDUAL,
                                     CASE_RESIDUAL | CASE_IN_PLACE};
    if (no_device())
        SKIP("no device");
    struct launch_grouped_conv conv = shape_of(&shapes[_i]);
    for (unsigned i = 0; i < 5; i++) {
        conv.type = types[i][0];
        conv.out_type = types[i][1];
        conv.relu = (i + (unsigned)_i) % 2;
        check_launch(conv, whats[(i + (unsigned)_i) % 4]);
    }
}
END_TEST

START_TEST(every_run_has_the_same_bits)
{
    if (no_device())
        SKIP("no device");
    struct launch_grouped_conv conv = shape_of(&shapes[_i]);
    struct conv_case c;
    conv_open(&c, conv, CASE_BIAS);
    void *first = NULL;
    for (int run = 0; run < 3; run++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", run * 5);
        ck_assert_int_eq(setenv("CUEMU_SEED", seed, 1), 0);
        check_cuda((int)cudaMemset(c.conv.out, 0xff, (size_t)c.out_count * 4));
        check_cuda(launch_grouped_direct(&c.conv, c.stream));
        void *out = conv_result(&c);
        if (first)
            ck_assert_mem_eq(out, first, (size_t)c.out_count * 4);
        else
            first = out;
        if (out != first)
            free(out);
    }
    free(first);
    conv_close(&c);
}
END_TEST

/* Operands may begin anywhere that their type may. */
START_TEST(any_alignment)
{
    if (no_device())
        SKIP("no device");
    struct launch_grouped_conv conv = shape_of(&shapes[4]);
    conv.type = conv.out_type = LAUNCH_BF16;
    struct conv_case c;
    conv_open(&c, conv, 0);
    float *shifted = malloc((size_t)(c.in_count + 1) * sizeof *shifted);
    ck_assert_ptr_nonnull(shifted);
    shifted[0] = 0;
    memcpy(shifted + 1, c.in, (size_t)c.in_count * sizeof *shifted);
    device_drop((void *)(uintptr_t)c.conv.in);
    char *moved = conv_upload(shifted, LAUNCH_BF16, c.in_count + 1);
    free(shifted);
    c.conv.in = moved + 2;
    check_cuda(launch_grouped_direct(&c.conv, c.stream));
    conv_check(&c);
    c.conv.in = moved;
    conv_close(&c);
}
END_TEST

/* Nothing to write, also where the kernel is larger than the padded image. */
START_TEST(no_elements_is_nothing_to_do)
{
    static const int64_t sizes[][3] = {
        {0, 5, 5}, {1, 0, 5}, {1, 5, 0}, {1, 2, 9}, {INT32_MAX / 2, 0, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct launch_grouped_conv conv = shape_of(&shapes[3]);
        conv.pad = 1;
        conv.n = sizes[i][0];
        conv.h = sizes[i][1];
        conv.w = sizes[i][2];
        ck_assert_int_eq(launch_grouped_direct(&conv, NULL), 0);
    }
}
END_TEST

START_TEST(says_what_it_serves)
{
    struct launch_grouped_conv good = shape_of(&shapes[1]), conv;
    ck_assert(launch_grouped_direct_fits(&good));
#define REFUSED(...)                                                                               \
    do {                                                                                           \
        conv = good;                                                                               \
        __VA_ARGS__;                                                                               \
        ck_assert_msg(!launch_grouped_direct_fits(&conv), #__VA_ARGS__);                           \
        ck_assert_int_ne(launch_grouped_direct(&conv, NULL), 0);                                   \
    } while (0)
    REFUSED(conv.groups = 0);
    REFUSED(conv.groups = 5); /* no divisor */
    REFUSED(conv.stride = 0);
    REFUSED(conv.pad = -1);
    REFUSED(conv.kernel_h = 0);
    REFUSED(conv.kernel_w = -3);
    REFUSED(conv.kernel_h = conv.kernel_w = INT32_MAX);
    REFUSED(conv.n = -1);
    REFUSED(conv.h = INT64_MAX);
    REFUSED(conv.n = INT64_MAX / 64);
    REFUSED(conv.n = INT32_MAX / 4);
    REFUSED(conv.out_channels = (int64_t)1 << 40);
    REFUSED(conv.out_type = LAUNCH_BF16); /* of float32 */
}
END_TEST

SUITE("kernels/grouped_direct", LOOP(equals_the_exact_sums, 0, SHAPES),
      LOOP(every_run_has_the_same_bits, 0, SHAPES), TEST(any_alignment),
      TEST(no_elements_is_nothing_to_do), TEST(says_what_it_serves))
