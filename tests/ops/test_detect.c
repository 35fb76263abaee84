/* test_detect.c - the best detections of an image: Detectron2's example, order, limits, emptiness. */
#include <math.h>

#include "suite.h"
#include "support/ops_random.h"

struct found {
    struct tensor boxes, scores, classes, counts;
};

static struct found make_found(struct lab *lab, int64_t n, int64_t d)
{
    return (struct found){lab_f32(lab, SHAPE(n, d, 4), NULL), lab_f32(lab, SHAPE(n, d), NULL),
                          lab_i32(lab, SHAPE(n, d), NULL), lab_i32(lab, SHAPE(n), NULL)};
}

/* Zero deltas leave a roi where it is, so class-agnostic boxes are the rois themselves. */
static void run(struct lab *lab, struct found *out, const float *rois, const float *probabilities,
                int64_t cap, struct detect_params params, int64_t images)
{
    const int64_t columns = params.class_agnostic ? 4 : 4 * params.num_classes;
    int32_t sizes[4] = {120, 130, 120, 130};
    struct tensor p = lab_f32(lab, SHAPE(cap, params.num_classes + 1), probabilities),
                  r = lab_f32(lab, SHAPE(cap, 5), rois);
    struct tensor d = lab_f32(lab, SHAPE(cap, columns), NULL),
                  s = lab_i32(lab, SHAPE(images, 2), sizes);
    struct detect_inputs in = {&p, &d, &r, NULL, &s};
    LAB_OK(op_detect(lab->stream, &out->boxes, &out->scores, &out->classes, &out->counts, &in,
                     &params));
}

static const struct detect_params TWO_CLASSES = {{10, 10, 5, 5}, 0.05f, 0.5f, 2, false};

START_TEST(example_of_detectron2)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Rows with a box for each class; deltas of weight 1 move a unit-free source box onto them. */
    const float wanted[3][2][4] = {{{10, 10, 50, 50}, {0, 0, 20, 20}},
                                   {{12, 10, 52, 50}, {0, 0, 20, 20}},
                                   {{10, 30, 50, 70}, {100, 100, 140, 150}}};
    const float source[5] = {0, 0, 0, 64, 64};
    float rois[15], deltas[24];
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 5; i++)
            rois[5 * row + i] = source[i];
        for (int k = 0; k < 2; k++)
            for (int axis = 0; axis < 2; axis++) {
                const float *box = wanted[row][k], side = box[axis + 2] - box[axis];
                deltas[row * 8 + k * 4 + axis] = (box[axis] + side / 2 - 32) / 64;
                deltas[row * 8 + k * 4 + 2 + axis] = logf(side / 64);
            }
    }
    struct tensor p =
        lab_f32(&lab, SHAPE(3, 3), (float[]){.6f, .2f, .2f, .5f, .3f, .2f, .04f, .9f, .06f});
    struct tensor r = lab_f32(&lab, SHAPE(3, 5), rois), d = lab_f32(&lab, SHAPE(3, 8), deltas);
    struct tensor s = lab_i32(&lab, SHAPE(1, 2), (int32_t[]){120, 130});
    struct detect_inputs in = {&p, &d, &r, NULL, &s};
    struct detect_params params = {{1, 1, 1, 1}, 0.05f, 0.5f, 2, false};
    struct found out = make_found(&lab, 1, 10);
    LAB_OK(op_detect(lab.stream, &out.boxes, &out.scores, &out.classes, &out.counts, &in, &params));
    ck_assert_int_eq(lab_ints(&lab, &out.counts)[0], 3);
    const float want[3][6] = {
        {100, 100, 130, 120, .9f, 1}, {10, 10, 50, 50, .6f, 0}, {0, 0, 20, 20, .3f, 1}};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 4; k++) /* a logarithm and an exponential of numbers near 100 */
            ck_assert_float_eq_tol(lab_floats(&lab, &out.boxes)[4 * i + k], want[i][k], 5e-5f);
        ck_assert_float_eq(lab_floats(&lab, &out.scores)[i], want[i][4]);
        ck_assert_int_eq(lab_ints(&lab, &out.classes)[i], (int)want[i][5]);
    }
    ck_assert_int_eq(lab_ints(&lab, &out.classes)[3], -1);
    ck_assert_float_eq(lab_floats(&lab, &out.scores)[3], 0);
    lab_close(&lab);
}
END_TEST

START_TEST(ties_by_row_then_class_and_images_apart)
{
    struct lab lab;
    lab_open_ref(&lab);
    const float rois[20] = {1, 0, 0, 10, 10, 0, 0, 0, 10, 10, 0, 50, 50, 60, 60, -1, 0, 0, 10, 10};
    const float probabilities[12] = {.3f, .3f, 0, .4f, .4f, 0, .4f, .4f, 0, .9f, .9f, 0};
    struct found out = make_found(&lab, 2, 3);
    run(&lab, &out, rois, probabilities, 4, TWO_CLASSES, 2);
    const int32_t *counts = lab_ints(&lab, &out.counts), *classes = lab_ints(&lab, &out.classes);
    ck_assert_int_eq(counts[0], 3); /* of four */
    ck_assert_int_eq(counts[1], 2);
    const int32_t want[6] = {0, 1, 0, 0, 1, -1};
    const float lefts[6] = {0, 0, 50, 0, 0, 0};
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(classes[i], want[i]);
        ck_assert_float_eq(lab_floats(&lab, &out.boxes)[4 * i], lefts[i]);
    }
    lab_close(&lab);
}
END_TEST

START_TEST(thresholds_are_strict)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Row 1 has IoU of exactly 1/2 with row 0; row 2 has the threshold as its score. */
    const float rois[15] = {0, 0, 0, 20, 20, 0, 0, 0, 20, 10, 0, 50, 50, 60, 60};
    const float probabilities[9] = {.9f, 0, .1f, .8f, 0, .2f, .05f, 0, .9f};
    struct found out = make_found(&lab, 1, 5);
    run(&lab, &out, rois, probabilities, 3, TWO_CLASSES, 1);
    ck_assert_int_eq(lab_ints(&lab, &out.counts)[0], 2);
    lab_close(&lab);
}
END_TEST

START_TEST(rows_with_a_broken_number_are_dropped)
{
    struct lab lab;
    lab_open_ref(&lab);
    const float rois[15] = {0, 0, 0, 20, 20, 0, 30, 30, NAN, 50, 0, 70, 70, 90, 90};
    const float probabilities[9] = {.9f, 0,   NAN, .8f, 0,
                                    .2f, .7f, 0,   .3f}; /* even the background's */
    struct detect_params params = TWO_CLASSES;
    params.class_agnostic = true;
    struct found out = make_found(&lab, 1, 5);
    run(&lab, &out, rois, probabilities, 3, params, 1);
    ck_assert_int_eq(lab_ints(&lab, &out.counts)[0], 1);
    ck_assert_float_eq(lab_floats(&lab, &out.scores)[0], .7f);
    lab_close(&lab);
}
END_TEST

START_TEST(nothing_is_found_in_nothing)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct found out = make_found(&lab, 1, 5), none = make_found(&lab, 1, 0);
    const float roi[5] = {0, 0, 0, 20, 20}, probabilities[3] = {.9f, 0, .1f};
    run(&lab, &out, NULL, NULL, 0, TWO_CLASSES, 1);
    ck_assert_int_eq(lab_ints(&lab, &out.counts)[0], 0);
    run(&lab, &none, roi, probabilities, 1, TWO_CLASSES, 1);
    ck_assert_int_eq(lab_ints(&lab, &none.counts)[0], 0);
    lab_close(&lab);
}
END_TEST

SUITE("ops/detect", TEST(example_of_detectron2), TEST(ties_by_row_then_class_and_images_apart),
      TEST(thresholds_are_strict), TEST(rows_with_a_broken_number_are_dropped),
      TEST(nothing_is_found_in_nothing))
