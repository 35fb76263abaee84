/* test_norm.c - group norm and batch norm: by hand, by differences, and every device against ref. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/registry.h"
#include "suite.h"
#include "support/ops_random.h"

static struct norm make_norm(struct lab *lab, struct random *random, int64_t channels, int groups)
{
    struct norm norm = {.weight = lab_normal(lab, random, SHAPE(channels), 1),
                        .bias = lab_normal(lab, random, SHAPE(channels), 1),
                        .groups = groups};
    if (groups == 0) {
        struct tensor ones = lab_f32(lab, SHAPE(channels), NULL);
        norm.running_mean = lab_normal(lab, random, SHAPE(channels), 1);
        norm.running_var = lab_normal(lab, random, SHAPE(channels), 0.1f);
        LAB_OK(op_fill(lab->stream, &ones, 1));
        LAB_OK(op_add(lab->stream, &norm.running_var, &ones));
    }
    return norm;
}

static void expect(struct lab *lab, const struct tensor *t, const float *want, double tolerance)
{
    const float *got = lab_floats(lab, t);
    for (int64_t i = 0; i < tensor_count(t); i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= tolerance, "[%d] is %.9g, not %.9g",
                      (int)i, (double)got[i], (double)want[i]);
}

/* Epsilon is 1e-5, so a deviation of 2 is 2.0000025: the numbers are off by 2e-6 of themselves. */
#define BY_HAND 1e-5

START_TEST(group_norm_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Two pixels of four channels in two groups: {1,5,1,5} and {0,0,4,12}. */
    struct tensor in = lab_f32(&lab, SHAPE(1, 1, 2, 4), (float[]){1, 5, 0, 0, 1, 5, 4, 12});
    struct norm norm = {.weight = lab_f32(&lab, SHAPE(4), (float[]){1, 2, 1, 1}),
                        .bias = lab_f32(&lab, SHAPE(4), (float[]){0, 10, 0, 0}),
                        .groups = 2};
    struct tensor out = lab_f32(&lab, in.shape, NULL), stats = lab_f32(&lab, SHAPE(1, 2, 2), NULL);
    struct tensor residual = lab_f32(&lab, in.shape, (float[]){0, 0, 0, 0, 3, 0, 0, 0});
    const float d = sqrtf(24); /* of the second group: mean 4, variance (16+16+0+64)/4 */
    LAB_OK(op_norm_forward(lab.stream, &out, &stats, &in, &norm, NULL, false));
    expect(&lab, &stats, (float[]){3, 0.5f, 4, 1 / d}, BY_HAND);
    expect(&lab, &out, (float[]){-1, 12, -4 / d, -4 / d, -1, 12, 0, 8 / d}, BY_HAND);
    LAB_OK(op_norm_forward(lab.stream, &in, &stats, &in, &norm, &residual, true)); /* in place */
    expect(&lab, &in, (float[]){0, 12, 0, 0, 2, 12, 0, 8 / d}, BY_HAND);
    lab_close(&lab);
}
END_TEST

START_TEST(batch_norm_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Two images of one pixel and two channels: {1,5} and {0,4}. */
    struct tensor in = lab_f32(&lab, SHAPE(2, 1, 1, 2), (float[]){1, 0, 5, 4});
    struct norm norm = {.weight = lab_f32(&lab, SHAPE(2), (float[]){1, 3}),
                        .bias = lab_f32(&lab, SHAPE(2), (float[]){0, 1}),
                        .running_mean = lab_f32(&lab, SHAPE(2), (float[]){0, 1}),
                        .running_var = lab_f32(&lab, SHAPE(2), (float[]){1, 0})};
    struct tensor out = lab_f32(&lab, in.shape, NULL), stats = lab_f32(&lab, SHAPE(1, 2, 2), NULL);
    LAB_OK(op_norm_forward(lab.stream, &out, &stats, &in, &norm, NULL, false));
    expect(&lab, &stats, (float[]){3, 0.5f, 2, 0.5f}, BY_HAND);
    expect(&lab, &out, (float[]){-1, -2, 1, 4}, BY_HAND);
    expect(&lab, &norm.running_mean, (float[]){0.3f, 1.1f}, 1e-6);
    /* The variance of two values is 8 when divided by one less than two. */
    expect(&lab, &norm.running_var, (float[]){1.7f, 0.8f}, 1e-6);
    norm.running_var = lab_f32(&lab, SHAPE(2), (float[]){4, 0.25f});
    LAB_OK(op_norm_forward(lab.stream, &out, NULL, &in, &norm, NULL, false));
    expect(&lab, &out, (float[]){0.35f, -5.6f, 2.35f, 18.4f}, 5e-4); /* 1e-5 of 0.25 in a root */
    expect(&lab, &norm.running_mean, (float[]){0.3f, 1.1f}, 1e-6);   /* they stay */
    lab_close(&lab);
}
END_TEST

/* ---- differences -------------------------------------------------------------------------- */

struct norm_case {
    struct tensor in, out, stats, probe;
    struct norm norm;
};

static double value_of(struct lab *lab, void *context)
{
    struct norm_case *c = context;
    LAB_OK(op_norm_forward(lab->stream, &c->out, &c->stats, &c->in, &c->norm, NULL, false));
    return lab_dot(lab, &c->out, &c->probe);
}

START_TEST(gradients_match_differences)
{
    static const int GROUPS[] = {0, 1, 2, 3, 6};
    struct random random = {31, (uint64_t)_i, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct norm_case c = {.in = lab_normal(&lab, &random, SHAPE(2, 5, 4, 6), 1),
                          .out = lab_f32(&lab, SHAPE(2, 5, 4, 6), NULL),
                          .probe = lab_normal(&lab, &random, SHAPE(2, 5, 4, 6), 1),
                          .norm = make_norm(&lab, &random, 6, GROUPS[_i])};
    c.stats = lab_f32(&lab, norm_stats_shape(&c.norm, c.in.shape), NULL);
    struct tensor grad = lab_f32(&lab, c.in.shape, NULL),
                  weight_grad = lab_f32(&lab, SHAPE(6), NULL);
    struct tensor bias_grad = lab_f32(&lab, SHAPE(6), NULL);
    value_of(&lab, &c);
    LAB_OK(op_norm_backward(lab.stream, &grad, &weight_grad, &bias_grad, &c.probe, &c.in, &c.stats,
                            &c.norm));
    /* Third derivatives times step^2 / 6, and 240 roundings of 6e-8 by the step: some 1e-4. */
    lab_check_gradient(&lab, &c.in, &grad, value_of, &c, 0.01, 1e-3);
    lab_check_gradient(&lab, &c.norm.weight, &weight_grad, value_of, &c, 0.1, 1e-4);
    lab_check_gradient(&lab, &c.norm.bias, &bias_grad, value_of, &c, 0.1, 1e-4);
    lab_close(&lab);
}
END_TEST

/* ---- every device ------------------------------------------------------------------------- */

/* n, h, w, channels, groups */
static const int SIZES[][5] = {{1, 1, 1, 1, 1},     {2, 7, 5, 64, 32},  {2, 7, 5, 64, 0},
                               {1, 40, 33, 32, 32}, {3, 9, 21, 48, 16}, {3, 19, 23, 17, 0},
                               {0, 4, 4, 32, 32},   {0, 4, 4, 8, 0},    {1, 90, 70, 12, 3},
                               {2, 31, 17, 256, 0}, {2, 3, 3, 512, 32}, {2, 60, 60, 8, 0}};
enum { VARIANTS = sizeof SIZES / sizeof SIZES[0] };

/* Far from zero, as channels can be: a variance by squares less the mean's square would show. */
static struct tensor moved_activation(struct lab *lab, struct random *random, struct shape shape)
{
    struct tensor t = lab_activation(lab, random, shape, 1),
                  offset = lab_activation(lab, random, shape, 0);
    LAB_OK(op_fill(lab->stream, &offset, 16));
    LAB_OK(op_add(lab->stream, &t, &offset));
    return t;
}

static void run_case(struct lab *lab, struct random *random, int variant, double rounding)
{
    const int *v = SIZES[variant];
    const struct shape shape = SHAPE(v[0], v[1], v[2], v[3]);
    const struct norm norm = make_norm(lab, random, v[3], v[4]);
    const bool added = variant % 2, relu = variant % 3 == 1,
               moved = variant >= 8 && rounding < 2e-4; /* 16 bits would round again */
    struct tensor in =
        moved ? moved_activation(lab, random, shape) : lab_activation(lab, random, shape, 1);
    struct tensor residual = lab_activation(lab, random, shape, 1);
    struct tensor out = lab_activation_result(lab, shape);
    struct tensor stats = lab_f32(lab, norm_stats_shape(&norm, shape), NULL);
    struct tensor out_grad = lab_activation(lab, random, shape, 1);
    struct tensor in_grad = lab_activation_result(lab, shape);
    struct tensor weight_grad = lab_normal(lab, random, SHAPE(v[3]), 1);
    struct tensor bias_grad = lab_normal(lab, random, SHAPE(v[3]), 1);
    LAB_OK(op_norm_forward(lab->stream, &out, &stats, &in, &norm, added ? &residual : NULL, relu));
    LAB_OK(op_norm_backward(lab->stream, &in_grad, &weight_grad, &bias_grad, &out_grad, &in, &stats,
                            &norm));
    LAB_OK(op_norm_backward(lab->stream, &out_grad, NULL, NULL, &out_grad, &in, &stats, &norm));
    lab_keep(lab, "stats", &stats, 1e-5); /* sums of up to 20000 floats in stretches */
    lab_keep(lab, "out", &out, rounding);
    lab_keep(lab, "in_grad", &in_grad, rounding);
    lab_keep(lab, "in_grad in place", &out_grad, rounding);
    lab_keep(lab, "weight_grad", &weight_grad, 2e-4); /* thousands of products of either sign */
    lab_keep(lab, "bias_grad", &bias_grad, 2e-4);
    if (v[4] > 0)
        return;
    struct tensor running = lab_activation_result(lab, shape);
    LAB_OK(op_norm_forward(lab->stream, &running, NULL, &in, &norm, &residual, relu));
    lab_keep(lab, "running_mean", &norm.running_mean, 1e-5);
    lab_keep(lab, "running_var", &norm.running_var, 1e-5);
    lab_keep(lab, "out by running statistics", &running, rounding);
}

static const struct {
    enum tensor_type type;
    const char *name;
    double rounding; /* half a unit in the last place, and a float's for sums and 1 / deviation */
} TYPES[] = {{TENSOR_F32, "f32", 1e-4},
             {TENSOR_BF16, "bf16", 0x1p-8 + 1e-4},
             {TENSOR_F16, "fp16", 0x1p-11 + 1e-4}};
enum { TYPE_COUNT = sizeof TYPES / sizeof TYPES[0] };

static void run_both(const struct backend *backend, const struct backend *ref, int type,
                     int variant)
{
    struct random random = {32, (uint64_t)(type * VARIANTS + variant), 0}, same = random;
    struct lab lab, expected;
    char what[64];
    lab_open_rounding(&lab, backend, TYPES[type].type);
    lab_open_rounding(&expected, ref, TYPES[type].type);
    snprintf(what, sizeof what, "%s, variant %d", TYPES[type].name, variant);
    run_case(&lab, &random, variant, TYPES[type].rounding);
    run_case(&expected, &same, variant, TYPES[type].rounding);
    lab_compare(&lab, &expected, what);
    lab_close(&lab);
    lab_close(&expected);
}

START_TEST(every_device_agrees_with_ref)
{
    const struct backend *ref = NULL;
    int index = 0;
    LAB_OK(backend_find(&ref, &index, "ref"));
    for (size_t i = 0; i < backend_count(); i++)
        for (int type = 0; type < TYPE_COUNT; type++)
            run_both(backend_at(i), ref, type, _i);
}
END_TEST

/* The cpu's sums are cut by sizes alone. */
START_TEST(threads_do_not_matter)
{
    const struct backend *cpu = NULL;
    struct tensor kept[2][3];
    const float *values[2][3];
    struct lab labs[2];
    int index = 0;
    LAB_OK(backend_find(&cpu, &index, "cpu"));
    for (int i = 0; i < 2; i++) {
        struct lab *lab = &labs[i];
        struct random random = {33, 0, 0};
        lab_open(lab, cpu);
        lab->device->threads = i ? 3 : 1;
        const struct shape shape = SHAPE(2, 60, 60, 64);
        struct norm norm = make_norm(lab, &random, 64, 32);
        struct tensor in = lab_normal(lab, &random, shape, 1),
                      grad = lab_normal(lab, &random, shape, 1);
        kept[i][0] = lab_f32(lab, shape, NULL);
        kept[i][1] = lab_f32(lab, SHAPE(2, 32, 2), NULL);
        kept[i][2] = lab_f32(lab, SHAPE(64), NULL);
        LAB_OK(op_norm_forward(lab->stream, &kept[i][0], &kept[i][1], &in, &norm, NULL, false));
        LAB_OK(op_norm_backward(lab->stream, &grad, &kept[i][2], NULL, &grad, &in, &kept[i][1],
                                &norm));
        for (int k = 0; k < 3; k++)
            values[i][k] = lab_floats(lab, &kept[i][k]);
    }
    for (int k = 0; k < 3; k++)
        ck_assert_mem_eq(values[0][k], values[1][k], tensor_bytes(&kept[0][k]));
    lab_close(&labs[0]);
    lab_close(&labs[1]);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct random random = {34, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct norm norm = make_norm(&lab, &random, 6, 4);
    struct tensor in = lab_normal(&lab, &random, SHAPE(1, 2, 2, 6), 1),
                  stats = lab_f32(&lab, SHAPE(1, 4, 2), NULL);
    ck_assert_int_eq(op_norm_forward(lab.stream, &in, &stats, &in, &norm, NULL, false), MD_EINVAL);
    norm.groups = 2; /* and stats for four */
    ck_assert_int_eq(op_norm_forward(lab.stream, &in, &stats, &in, &norm, NULL, false), MD_EINVAL);
    ck_assert_int_eq(op_norm_forward(lab.stream, &in, NULL, &in, &norm, NULL, false), MD_EINVAL);
    norm.groups = 0; /* without running statistics */
    ck_assert_int_eq(op_norm_forward(lab.stream, &in, NULL, &in, &norm, NULL, false), MD_EINVAL);
    lab_close(&lab);
}
END_TEST

SUITE("ops/norm", TEST(group_norm_by_hand), TEST(batch_norm_by_hand),
      LOOP(gradients_match_differences, 0, 5), LOOP(every_device_agrees_with_ref, 0, VARIANTS),
      TEST(threads_do_not_matter), TEST(what_does_not_fit_is_refused))
