/* test_conv.c - convolution against numbers worked out by hand, and its gradients. */
#include "suite.h"
#include "support/ops_random.h"

START_TEST(three_by_three_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* One channel, 3x3 image 1..9, kernel 3x3 of ones but 10 in the centre, pad 1. */
    float image[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, kernel[9] = {1, 1, 1, 1, 10, 1, 1, 1, 1};
    struct tensor in = lab_f32(&lab, SHAPE(1, 3, 3, 1), image);
    struct tensor out = lab_f32(&lab, SHAPE(1, 3, 3, 1), NULL);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(1, 3, 3, 1), kernel)};
    LAB_OK(op_conv2d_forward(lab.stream, &out, &in, &weight, (struct conv_geometry){1, 1, 1}, NULL,
                             false));
    const float *got = lab_floats(&lab, &out);
    /* Each is the sum of its neighbourhood + 9 x the centre; small integers are exact. */
    const float want[9] = {12 + 9,  21 + 18, 16 + 27, 27 + 36, 45 + 45,
                           33 + 54, 24 + 63, 39 + 72, 28 + 81};
    for (int i = 0; i < 9; i++)
        ck_assert_float_eq(got[i], want[i]);
    lab_close(&lab);
}
END_TEST

START_TEST(scale_bias_residual_relu_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* 1x1, two groups: out channel 0 sees in channel 0, out channel 1 in channel 1. */
    struct tensor in = lab_f32(&lab, SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4});
    struct tensor out = lab_f32(&lab, SHAPE(1, 1, 2, 2), (float[]){0.5f, 0.5f, 0.5f, -100});
    struct weight weight = {.value = lab_f32(&lab, SHAPE(2, 1, 1, 1), (float[]){2, 3}),
                            .scale = lab_f32(&lab, SHAPE(2), (float[]){10, -1}),
                            .bias = lab_f32(&lab, SHAPE(2), (float[]){1, 9})};
    struct conv_geometry geometry = {1, 0, 2};
    LAB_OK(op_conv2d_forward(lab.stream, &out, &in, &weight, geometry, &out,
                             true)); /* residual is out */
    const float *got = lab_floats(&lab, &out);
    ck_assert_float_eq(got[0], 2 * 10 * 1 + 1 + 0.5f);
    ck_assert_float_eq(got[1], -3 * 2 + 9 + 0.5f);
    ck_assert_float_eq(got[2], 2 * 10 * 3 + 1 + 0.5f);
    ck_assert_float_eq(got[3], 0); /* ReLU */
    lab_close(&lab);
}
END_TEST

/* ---- gradients ------------------------------------------------------------------------------ */

struct conv_case {
    struct tensor in, out, probe;
    struct weight weight;
    struct conv_geometry geometry;
};

static double conv_value(struct lab *lab, void *context)
{
    struct conv_case *c = context;
    LAB_OK(op_conv2d_forward(lab->stream, &c->out, &c->in, &c->weight, c->geometry, NULL, false));
    return lab_dot(lab, &c->out, &c->probe);
}

/* kernel, stride, pad, groups */
static const int GEOMETRIES[][4] = {{1, 1, 0, 1}, {1, 2, 0, 1}, {3, 1, 1, 1}, {3, 2, 1, 2},
                                    {3, 1, 1, 4}, {7, 2, 3, 1}, {3, 2, 0, 4}, {2, 2, 1, 2}};
enum { GEOMETRY_COUNT = sizeof GEOMETRIES / sizeof GEOMETRIES[0] };

START_TEST(gradients_match_differences)
{
    const int kernel = GEOMETRIES[_i][0], stride = GEOMETRIES[_i][1], pad = GEOMETRIES[_i][2];
    const int groups = GEOMETRIES[_i][3];
    const int64_t h = 7, w = 9, c = 8, o = 4;
    const int64_t oh = (h + 2 * pad - kernel) / stride + 1,
                  ow = (w + 2 * pad - kernel) / stride + 1;
    struct random random = {7, random_stream(RANDOM_TEST, (uint64_t)_i), 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct conv_case k = {
        .in = lab_normal(&lab, &random, SHAPE(2, h, w, c), 1),
        .out = lab_f32(&lab, SHAPE(2, oh, ow, o), NULL),
        .probe = lab_normal(&lab, &random, SHAPE(2, oh, ow, o), 1),
        .weight = {.value = lab_normal(&lab, &random, SHAPE(o, kernel, kernel, c / groups), 1),
                   .scale = lab_normal(&lab, &random, SHAPE(o), 1),
                   .bias = lab_normal(&lab, &random, SHAPE(o), 1)},
        .geometry = {stride, pad, groups}};
    struct tensor in_grad = lab_f32(&lab, k.in.shape, NULL);
    struct tensor weight_grad = lab_f32(&lab, k.weight.value.shape, NULL);
    struct tensor bias_grad = lab_f32(&lab, SHAPE(o), NULL);
    LAB_OK(op_conv2d_backward_input(lab.stream, &in_grad, &k.probe, &k.weight, k.geometry, false));
    LAB_OK(op_conv2d_backward_weight(lab.stream, &weight_grad, &bias_grad, &k.in, &k.probe,
                                     &k.weight, k.geometry));
    /* The function is linear in each argument, so a large step costs nothing; what remains is the
     * rounding of outputs of size ~10 to float32: 10 * 6e-8 * sqrt(outputs) / step. */
    lab_check_gradient(&lab, &k.in, &in_grad, conv_value, &k, 0.25, 1e-4);
    lab_check_gradient(&lab, &k.weight.value, &weight_grad, conv_value, &k, 0.25, 1e-4);
    lab_check_gradient(&lab, &k.weight.bias, &bias_grad, conv_value, &k, 0.25, 1e-4);
    lab_close(&lab);
}
END_TEST

START_TEST(gradients_accumulate)
{
    struct random random = {8, 0, 0};
    struct lab lab;
    struct conv_geometry geometry = {1, 1, 1};
    lab_open_ref(&lab);
    struct tensor in = lab_normal(&lab, &random, SHAPE(1, 3, 4, 2), 1),
                  grad = lab_normal(&lab, &random, SHAPE(1, 3, 4, 3), 1);
    struct weight weight = {.value = lab_normal(&lab, &random, SHAPE(3, 3, 3, 2), 1)};
    struct tensor once = lab_f32(&lab, in.shape, NULL), twice = lab_f32(&lab, in.shape, NULL);
    struct tensor w_once = lab_f32(&lab, weight.value.shape, NULL),
                  w_twice = lab_f32(&lab, weight.value.shape, NULL);
    LAB_OK(op_fill(lab.stream, &once, 99)); /* overwritten */
    LAB_OK(op_conv2d_backward_input(lab.stream, &once, &grad, &weight, geometry, false));
    LAB_OK(op_conv2d_backward_weight(lab.stream, &w_once, NULL, &in, &grad, &weight, geometry));
    for (int i = 0; i < 2; i++) {
        LAB_OK(op_conv2d_backward_input(lab.stream, &twice, &grad, &weight, geometry, true));
        LAB_OK(
            op_conv2d_backward_weight(lab.stream, &w_twice, NULL, &in, &grad, &weight, geometry));
    }
    const float *a = lab_floats(&lab, &once), *b = lab_floats(&lab, &twice);
    for (int64_t i = 0; i < tensor_count(&in); i++)
        ck_assert_float_eq_tol(2 * a[i], b[i], 1e-5f); /* one rounding more, values of size 10 */
    a = lab_floats(&lab, &w_once), b = lab_floats(&lab, &w_twice);
    for (int64_t i = 0; i < tensor_count(&w_once); i++)
        ck_assert_float_eq_tol(2 * a[i], b[i], 1e-5f);
    lab_close(&lab);
}
END_TEST

START_TEST(empty_images_are_fine)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = lab_f32(&lab, SHAPE(0, 5, 5, 2), NULL),
                  out = lab_f32(&lab, SHAPE(0, 5, 5, 3), NULL);
    struct tensor tiny = lab_f32(&lab, SHAPE(1, 1, 5, 2), NULL),
                  none = lab_f32(&lab, SHAPE(1, 0, 3, 3), NULL);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(3, 3, 3, 2), NULL)};
    LAB_OK(op_conv2d_forward(lab.stream, &out, &in, &weight, (struct conv_geometry){1, 1, 1}, NULL,
                             true));
    LAB_OK(op_conv2d_forward(lab.stream, &none, &tiny, &weight, (struct conv_geometry){1, 0, 1},
                             NULL, true));
    LAB_OK(op_conv2d_backward_input(lab.stream, &tiny, &none, &weight,
                                    (struct conv_geometry){1, 0, 1}, false));
    lab_close(&lab);
}
END_TEST

SUITE("ops/conv", TEST(three_by_three_by_hand), TEST(scale_bias_residual_relu_by_hand),
      LOOP(gradients_match_differences, 0, GEOMETRY_COUNT), TEST(gradients_accumulate),
      TEST(empty_images_are_fine))
