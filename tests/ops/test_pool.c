/* test_pool.c - maximum pooling and upsampling: by hand and by differences. */
#include "suite.h"
#include "support/ops_random.h"

START_TEST(maxpool_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in =
        lab_f32(&lab, SHAPE(1, 3, 4, 1), (float[]){-1, -2, -3, -4, -5, -6, -7, -8, -9, 5, 5, -1});
    struct tensor out = lab_f32(&lab, SHAPE(1, 2, 2, 1), NULL),
                  grad = lab_f32(&lab, in.shape, NULL);
    struct pool_geometry geometry = {3, 2, 1};
    LAB_OK(op_maxpool_forward(lab.stream, &out, &in, geometry));
    const float *got = lab_floats(&lab, &out);
    const float want[4] = {-1, -2, 5, 5}; /* the padding is not a zero */
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(got[i], want[i]);
    struct tensor out_grad = lab_f32(&lab, out.shape, (float[]){1, 2, 4, 8});
    LAB_OK(op_maxpool_backward(lab.stream, &grad, &out_grad, &in, geometry));
    const float *back = lab_floats(&lab, &grad);
    ck_assert_float_eq(back[0], 1);
    ck_assert_float_eq(back[1], 2);
    ck_assert_float_eq(back[9], 12); /* the first of two equal ones gets it */
    ck_assert_float_eq(back[10], 0);
    lab_close(&lab);
}
END_TEST

struct pool_case {
    struct tensor in, out, probe;
};

static double maxpool_value(struct lab *lab, void *context)
{
    struct pool_case *c = context;
    LAB_OK(op_maxpool_forward(lab->stream, &c->out, &c->in, (struct pool_geometry){3, 2, 1}));
    return lab_dot(lab, &c->out, &c->probe);
}

START_TEST(maxpool_gradient_matches_differences)
{
    struct random random = {5, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct pool_case c = {.in = lab_normal(&lab, &random, SHAPE(2, 7, 6, 3), 100),
                          .out = lab_f32(&lab, SHAPE(2, 4, 3, 3), NULL),
                          .probe = lab_normal(&lab, &random, SHAPE(2, 4, 3, 3), 1)};
    struct tensor grad = lab_f32(&lab, c.in.shape, NULL);
    LAB_OK(
        op_maxpool_backward(lab.stream, &grad, &c.probe, &c.in, (struct pool_geometry){3, 2, 1}));
    /* Values lie ~100 apart, so a step of 1/16 changes no maximum; rounding 100 * 6e-8 / step. */
    lab_check_gradient(&lab, &c.in, &grad, maxpool_value, &c, 0.0625, 1e-3);
    lab_close(&lab);
}
END_TEST

static double upsample_value(struct lab *lab, void *context)
{
    struct pool_case *c = context;
    LAB_OK(op_fill(lab->stream, &c->out, 0));
    LAB_OK(op_upsample_add(lab->stream, &c->out, &c->in));
    return lab_dot(lab, &c->out, &c->probe);
}

START_TEST(upsample_by_hand_and_by_differences)
{
    struct random random = {6, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = lab_f32(&lab, SHAPE(1, 1, 2, 1), (float[]){1, 2});
    struct tensor out = lab_f32(&lab, SHAPE(1, 2, 4, 1), (float[]){10, 20, 30, 40, 50, 60, 70, 80});
    LAB_OK(op_upsample_add(lab.stream, &out, &in));
    const float *got = lab_floats(&lab, &out), want[8] = {11, 21, 32, 42, 51, 61, 72, 82};
    for (int i = 0; i < 8; i++)
        ck_assert_float_eq(got[i], want[i]);
    struct pool_case c = {.in = lab_normal(&lab, &random, SHAPE(2, 3, 5, 2), 1),
                          .out = lab_f32(&lab, SHAPE(2, 6, 10, 2), NULL),
                          .probe = lab_normal(&lab, &random, SHAPE(2, 6, 10, 2), 1)};
    struct tensor grad = lab_f32(&lab, c.in.shape, NULL);
    LAB_OK(op_upsample_backward(lab.stream, &grad, &c.probe));
    lab_check_gradient(&lab, &c.in, &grad, upsample_value, &c, 0.25,
                       1e-5); /* linear: rounding only */
    lab_close(&lab);
}
END_TEST

SUITE("ops/pool", TEST(maxpool_by_hand), TEST(maxpool_gradient_matches_differences),
      TEST(upsample_by_hand_and_by_differences))
