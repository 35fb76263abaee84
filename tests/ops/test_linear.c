/* test_linear.c - fully connected layers: by hand, rows beyond the count, gradients. */
#include "suite.h"
#include "support/ops_random.h"

struct linear_case {
    struct tensor in, out, probe, rows;
    struct weight weight;
};

static double linear_value(struct lab *lab, void *context)
{
    struct linear_case *c = context;
    LAB_OK(op_linear_forward(lab->stream, &c->out, &c->in, &c->weight, false, &c->rows));
    struct tensor out = tensor_rows(&c->out, 0, 4), probe = tensor_rows(&c->probe, 0, 4);
    return lab_dot(lab, &out, &probe);
}

START_TEST(forward_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = lab_f32(&lab, SHAPE(2, 3), (float[]){1, 2, 3, 4, 5, 6}),
                  out = lab_f32(&lab, SHAPE(2, 2), NULL);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(2, 3), (float[]){1, 0, -1, 2, 2, 2}),
                            .bias = lab_f32(&lab, SHAPE(2), (float[]){0.5f, 1})};
    LAB_OK(op_linear_forward(lab.stream, &out, &in, &weight, true, NULL));
    const float *got = lab_floats(&lab, &out);
    ck_assert_float_eq(got[0], 0); /* 1 - 3 + 0.5, ReLU */
    ck_assert_float_eq(got[1], 13);
    ck_assert_float_eq(got[2], 0);
    ck_assert_float_eq(got[3], 31);
    lab_close(&lab);
}
END_TEST

START_TEST(gradients_match_differences)
{
    struct random random = {3, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct linear_case c = {.in = lab_normal(&lab, &random, SHAPE(6, 11), 1),
                            .out = lab_f32(&lab, SHAPE(6, 5), NULL),
                            .probe = lab_normal(&lab, &random, SHAPE(6, 5), 1),
                            .rows =
                                lab_i32(&lab, SHAPE(1), (int32_t[]){4}), /* two rows do not count */
                            .weight = {.value = lab_normal(&lab, &random, SHAPE(5, 11), 1),
                                       .bias = lab_normal(&lab, &random, SHAPE(5), 1)}};
    struct tensor in_grad = lab_f32(&lab, c.in.shape, NULL),
                  weight_grad = lab_f32(&lab, c.weight.value.shape, NULL);
    struct tensor bias_grad = lab_f32(&lab, SHAPE(5), NULL);
    LAB_OK(op_linear_backward_input(lab.stream, &in_grad, &c.probe, &c.weight, false, &c.rows));
    LAB_OK(
        op_linear_backward_weight(lab.stream, &weight_grad, &bias_grad, &c.in, &c.probe, &c.rows));
    /* Linear in each argument: only the rounding of outputs to float32 is left. */
    lab_check_gradient(&lab, &c.in, &in_grad, linear_value, &c, 0.25, 1e-5);
    lab_check_gradient(&lab, &c.weight.value, &weight_grad, linear_value, &c, 0.25, 1e-5);
    lab_check_gradient(&lab, &c.weight.bias, &bias_grad, linear_value, &c, 0.25, 1e-5);
    /* Accumulation: a second call doubles. */
    const float *once = lab_floats(&lab, &weight_grad), *in_once = lab_floats(&lab, &in_grad);
    LAB_OK(op_linear_backward_weight(lab.stream, &weight_grad, NULL, &c.in, &c.probe, &c.rows));
    LAB_OK(op_linear_backward_input(lab.stream, &in_grad, &c.probe, &c.weight, true, &c.rows));
    const float *twice = lab_floats(&lab, &weight_grad), *in_twice = lab_floats(&lab, &in_grad);
    for (int i = 0; i < 5 * 11; i++)
        ck_assert_float_eq_tol(twice[i], 2 * once[i], 1e-5f); /* one rounding, values of size 3 */
    for (int i = 0; i < 4 * 11; i++)
        ck_assert_float_eq_tol(in_twice[i], 2 * in_once[i], 1e-5f);
    lab_close(&lab);
}
END_TEST

SUITE("ops/linear", TEST(forward_by_hand), TEST(gradients_match_differences))
