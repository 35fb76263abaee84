/* test_elementwise.c - SGD by hand, sums, finiteness, and the plain operations. */
#include <math.h>

#include "suite.h"
#include "support/ops_random.h"

START_TEST(sgd_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Powers of two, so that every step is exact: wd 1/2, momentum 1/2, lr 1/4. */
    struct tensor value = lab_f32(&lab, SHAPE(1), (float[]){4}),
                  momentum = lab_f32(&lab, SHAPE(1), (float[]){1000});
    struct tensor grad = lab_f32(&lab, SHAPE(1), (float[]){2});
    struct sgd_params params = {0.5f, 0.5f, 0.5f, false, true};
    struct tensor step = lab_step(&lab, &(struct step_numbers){.lr = 0.5f});
    LAB_OK(op_sgd_step(lab.stream, &value, &momentum, &grad, &step, NULL, &params));
    ck_assert_float_eq(lab_floats(&lab, &momentum)[0],
                       4); /* first: v = g = 2 + 4/2; the old v is forgotten */
    ck_assert_float_eq(lab_floats(&lab, &value)[0], 3);
    params.first = false;
    LAB_OK(op_sgd_step(lab.stream, &value, &momentum, &grad, &step, NULL, &params));
    ck_assert_float_eq(lab_floats(&lab, &momentum)[0], 5.5f); /* 4/2 + (2 + 3/2) */
    ck_assert_float_eq(lab_floats(&lab, &value)[0], 1.625f);
    params.nesterov = true;
    LAB_OK(op_sgd_step(lab.stream, &value, &momentum, &grad, &step, NULL, &params));
    const float g = 2 + 1.625f / 2, v = 5.5f / 2 + g;
    ck_assert_float_eq(lab_floats(&lab, &value)[0], 1.625f - 0.25f * (g + 0.5f * v));
    lab_close(&lab);
}
END_TEST

START_TEST(sums_in_double)
{
    enum { COUNT = 1 << 20 };
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor t = lab_f32(&lab, SHAPE(COUNT), NULL), sum = lab_f32(&lab, SHAPE(1), NULL),
                  empty = lab_f32(&lab, SHAPE(0), NULL);
    LAB_OK(op_fill(lab.stream, &t, 0.1f));
    LAB_OK(op_sum_squares(lab.stream, &sum, &t));
    const double want = COUNT * (double)0.1f * (double)0.1f;
    ck_assert_float_eq_tol(lab_floats(&lab, &sum)[0], (float)want,
                           1e-3f); /* one float rounding of 10485.76 */
    LAB_OK(op_sum_squares(lab.stream, &sum, &empty));
    ck_assert_float_eq(lab_floats(&lab, &sum)[0], 0);
    lab_close(&lab);
}
END_TEST

START_TEST(finite_or_not)
{
    const float bad[3] = {NAN, INFINITY, -INFINITY};
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor result = lab_i32(&lab, SHAPE(1), NULL);
    for (int i = 0; i < 4; i++) {
        float values[5] = {1, 2, 3e38f, -1, 0};
        if (i < 3)
            values[4] = bad[i];
        struct tensor t = lab_f32(&lab, SHAPE(5), values);
        LAB_OK(op_all_finite(lab.stream, &result, &t));
        ck_assert_int_eq(lab_ints(&lab, &result)[0], i == 3);
    }
    lab_close(&lab);
}
END_TEST

/* Wanted: torch 1.13, clip_grad_norm_ of the gradient 3, -4, 12, 0.5. */
START_TEST(clipping_by_norm_is_torchs)
{
    static const struct {
        float limit, order, want[4];
    } cases[] = {
        {1, 2, {0.230598718F, -0.307464957F, 0.922394872F, 0.0384331197F}},
        {5, 2, {1.15299356F, -1.53732479F, 4.61197424F, 0.192165598F}},
        {20, 2, {3, -4, 12, 0.5F}},
        {2, INFINITY, {0.49999997F, -0.666666627F, 1.99999988F, 0.0833333284F}},
        {2, 1, {0.30769226F, -0.410256356F, 1.23076904F, 0.0512820445F}},
        {1, 3, {0.245753855F, -0.327671796F, 0.983015418F, 0.0409589745F}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab lab;
        lab_open_ref(&lab);
        struct tensor grad = lab_f32(&lab, SHAPE(4), (float[]){3, -4, 12, 0.5F});
        LAB_OK(op_clip_norm(lab.stream, &grad, cases[i].limit, cases[i].order));
        for (int k = 0; k < 4; k++) /* torch has its norm in 32 bits: a few roundings of 12 */
            ck_assert_float_eq_tol(lab_floats(&lab, &grad)[k], cases[i].want[k], 3e-6F);
        lab_close(&lab);
    }
}
END_TEST

START_TEST(clipping_by_value_and_blending)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor grad = lab_f32(&lab, SHAPE(5), (float[]){3, -4, 0.5F, -0.5F, INFINITY});
    LAB_OK(op_clip_value(lab.stream, &grad, 2));
    const float want[5] = {2, -2, 0.5F, -0.5F, 2};
    for (int i = 0; i < 5; i++)
        ck_assert_float_eq(lab_floats(&lab, &grad)[i], want[i]);
    struct tensor average = lab_f32(&lab, SHAPE(2), (float[]){8, -8}),
                  value = lab_f32(&lab, SHAPE(2), (float[]){4, 4});
    LAB_OK(op_blend(lab.stream, &average, 0.75F, &value, 0.25F));
    ck_assert_float_eq(lab_floats(&lab, &average)[0], 7);
    ck_assert_float_eq(lab_floats(&lab, &average)[1], -5);
    LAB_OK(op_fill(lab.stream, &average, NAN));
    LAB_OK(op_blend(lab.stream, &average, 0, &value, 0.5F)); /* what it held does not count */
    ck_assert_float_eq(lab_floats(&lab, &average)[1], 2);
    ck_assert_int_eq(op_clip_norm(lab.stream, &value, 1, 0), MD_EINVAL);
    lab_close(&lab);
}
END_TEST

START_TEST(plain_operations)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor a = lab_f32(&lab, SHAPE(3), (float[]){1, -2, 3}),
                  b = lab_f32(&lab, SHAPE(3), (float[]){10, 20, 30});
    struct tensor copy = lab_f32(&lab, SHAPE(1, 3), NULL), ints = lab_i32(&lab, SHAPE(2), NULL);
    LAB_OK(op_copy(lab.stream, &copy, &b)); /* the same count in another shape */
    LAB_OK(op_add(lab.stream, &b, &a));
    LAB_OK(op_scale(lab.stream, &b, 2));
    LAB_OK(op_fill(lab.stream, &ints, -1));
    ck_assert_float_eq(lab_floats(&lab, &b)[1], 36);
    ck_assert_float_eq(lab_floats(&lab, &copy)[2], 30);
    ck_assert_int_eq(lab_ints(&lab, &ints)[1], -1);
    LAB_OK(op_relu_backward(lab.stream, &b, &a));
    ck_assert_float_eq(lab_floats(&lab, &b)[0], 22);
    ck_assert_float_eq(lab_floats(&lab, &b)[1], 0);
    lab_close(&lab);
}
END_TEST

SUITE("ops/elementwise", TEST(sgd_by_hand), TEST(sums_in_double), TEST(finite_or_not),
      TEST(clipping_by_norm_is_torchs), TEST(clipping_by_value_and_blending),
      TEST(plain_operations))
