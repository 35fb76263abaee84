/* test_roi_align.c - level rule, goldens of torchvision, borders, and the gradient. */
#include <math.h>

#include "suite.h"
#include "support/ops_random.h"
#include "tensor/box_math.h"

START_TEST(levels_match_detectron2)
{
    const float sides[12] = {0,      1,   55.9f,  111.9f, 111.99999f, 112,
                             223.9f, 224, 447.9f, 448,    896,        1333};
    const int want[12] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3};
    for (int i = 0; i < 12; i++) {
        const float box[4] = {0, 0, sides[i], sides[i]};
        ck_assert_int_eq(roi_level(box, 224, 4, 2, 4), want[i]);
    }
    const float inverted[4] = {0, 0, -1, 1}, endless[4] = {0, 0, INFINITY, INFINITY};
    ck_assert_int_eq(roi_level(inverted, 224, 4, 2, 4), 0);
    ck_assert_int_eq(roi_level(endless, 224, 4, 2, 4), 3);
}
END_TEST

static struct roi_align_params one_level(float scale)
{
    return (struct roi_align_params){.levels = 1,
                                     .min_level = 2,
                                     .scales = {scale},
                                     .canonical_size = 224,
                                     .canonical_level = 4};
}

START_TEST(goldens_of_torchvision)
{
    struct lab lab;
    lab_open_ref(&lab);
    float map[80];
    for (int k = 0; k < 80; k++)
        map[k] = (float)k * (float)k / 40;
    struct tensor features = lab_f32(&lab, SHAPE(1, 8, 10, 1), map),
                  out = lab_f32(&lab, SHAPE(4, 2, 2, 1), NULL);
    struct tensor rois = lab_f32(&lab, SHAPE(4, 5), (float[]){0, 3, 5, 37, 29, 0,  -6, -6, 50, 40,
                                                              0, 9, 9, 9,  9,  -1, 0,  0,  9,  9});
    struct roi_align_params params = one_level(0.25f);
    LAB_OK(op_roi_align_forward(lab.stream, &out, &features, &rois, NULL, &params));
    const float *got = lab_floats(&lab, &out);
    const float want[16] = {17.645416f, 23.382914f, 77.45792f,  89.57042f,
                            7.97371f,   9.702382f,  50.608997f, 49.903965f};
    for (int i = 0; i < 16; i++) /* empty rois and rows of no image give zero */
        ck_assert_float_eq_tol(got[i], want[i],
                               2e-5f); /* torch sums in float32 and prints 8 digits */
    lab_close(&lab);
}
END_TEST

START_TEST(samples_at_the_border)
{
    /* -1 and the size itself are still inside and take the border's value; beyond is nothing. */
    struct bilinear_axis at = bilinear_axis(-1, 8);
    ck_assert(at.inside && at.low == 0 && at.high == 1 && at.low_weight == 1 &&
              at.high_weight == 0);
    at = bilinear_axis(8, 8);
    ck_assert(at.inside && at.low == 7 && at.high == 7 && at.low_weight == 1);
    at = bilinear_axis(7.5f, 8);
    ck_assert(at.inside && at.low == 7 && at.high == 7);
    at = bilinear_axis(6.25f, 8);
    ck_assert(at.low == 6 && at.high == 7 && at.low_weight == 0.75f && at.high_weight == 0.25f);
    ck_assert(!bilinear_axis(nextafterf(-1, -2), 8).inside);
    ck_assert(!bilinear_axis(nextafterf(8, 9), 8).inside);
    ck_assert(!bilinear_axis(NAN, 8).inside);
    ck_assert(!bilinear_axis(0, 0).inside);
}
END_TEST

/* ---- gradient ----------------------------------------------------------------------------- */

enum { LEVELS = 3 };

struct roi_case {
    struct tensor features[LEVELS], out, probe, rois;
    struct roi_align_params params;
};

static double roi_value(struct lab *lab, void *context)
{
    struct roi_case *c = context;
    LAB_OK(op_roi_align_forward(lab->stream, &c->out, c->features, &c->rois, NULL, &c->params));
    return lab_dot(lab, &c->out, &c->probe);
}

START_TEST(gradient_matches_differences)
{
    enum { ROIS = 7 };
    const float rois[ROIS * 5] = {0,  3,  5,  37, 29, 1,  -6, -6, 60, 60, 0, 10,
                                  20, 14, 60, 1,  30, 30, 90, 50, 0,  0,  0, 64,
                                  64, 1,  5,  5,  5,  5,  -1, 0,  0,  30, 30};
    struct random random = {5, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct roi_case c = {.out = lab_f32(&lab, SHAPE(ROIS, 3, 3, 2), NULL),
                         .rois = lab_f32(&lab, SHAPE(ROIS, 5), rois),
                         .probe = lab_normal(&lab, &random, SHAPE(ROIS, 3, 3, 2), 1),
                         .params = {.levels = LEVELS,
                                    .min_level = 2,
                                    .scales = {0.25f, 0.125f, 0.0625f},
                                    .sampling_ratio = _i,
                                    .canonical_size = 64,
                                    .canonical_level = 4}};
    struct tensor grads[LEVELS];
    for (int level = 0; level < LEVELS; level++) {
        c.features[level] = lab_normal(&lab, &random, SHAPE(2, 16 >> level, 18 >> level, 2), 1);
        grads[level] = lab_f32(&lab, c.features[level].shape, NULL);
    }
    LAB_OK(op_roi_align_backward(lab.stream, grads, &c.probe, &c.rois, NULL, &c.params));
    for (int level = 0; level < LEVELS; level++) /* linear: a large step leaves rounding only */
        lab_check_gradient(&lab, &c.features[level], &grads[level], roi_value, &c, 1, 1e-4);
    struct tensor none = lab_i32(&lab, SHAPE(1), NULL);
    const float *before = lab_floats(&lab, &grads[0]);
    LAB_OK(op_roi_align_backward(lab.stream, grads, &c.probe, &c.rois, &none,
                                 &c.params)); /* no rows */
    ck_assert_mem_eq(before, lab_floats(&lab, &grads[0]), tensor_bytes(&grads[0]));
    lab_close(&lab);
}
END_TEST

SUITE("ops/roi_align", TEST(levels_match_detectron2), TEST(goldens_of_torchvision),
      TEST(samples_at_the_border), LOOP(gradient_matches_differences, 0, 3))
