/* test_proposals.c - anchors, topk, decoding, NMS and merging: goldens, ties, equality, emptiness. */
#include <math.h>

#include "suite.h"
#include "support/ops_random.h"
#include "tensor/box_math.h"

/* ---- anchors ------------------------------------------------------------------------------ */

START_TEST(anchors_are_exact)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* p2 of Detectron2's FPN: size 32, ratios 0.5, 1, 2. */
    const float a = 22.627416610717773f, b = 11.313708305358887f;
    struct anchor_params params = {.cell_count = 3,
                                   .cells = {{-a, -b, a, b}, {-16, -16, 16, 16}, {-b, -a, b, a}},
                                   .height = 2,
                                   .width = 3,
                                   .stride = 4,
                                   .offset = 0};
    struct tensor out = lab_f32(&lab, SHAPE(18, 4), NULL);
    LAB_OK(op_anchors(lab.stream, &out, &params));
    const float *got = lab_floats(&lab, &out);
    for (int d = 0; d < 4; d++)
        ck_assert_float_eq(got[d], params.cells[0][d]);  /* the first is centred on (0, 0) */
    const float *last = got + 4 * ((1 * 3 + 2) * 3 + 1); /* y 1, x 2, square */
    ck_assert_float_eq(last[0], 8 - 16);
    ck_assert_float_eq(last[1], 4 - 16);
    ck_assert_float_eq(last[2], 8 + 16);
    ck_assert_float_eq(last[3], 4 + 16);
    params.offset = 0.5f;
    LAB_OK(op_anchors(lab.stream, &out, &params));
    ck_assert_float_eq(lab_floats(&lab, &out)[4 + 0], 2 - 16);
    lab_close(&lab);
}
END_TEST

/* ---- box coder ---------------------------------------------------------------------------- */

START_TEST(coder_matches_detectron2)
{
    const float weights[4] = {10, 10, 5, 5}, source[4] = {10, 20, 110, 70},
                target[4] = {15, 18, 120, 80};
    const float want[4] = {0.75f, 0.8f, 0.243951f, 1.075557f};
    float deltas[4], box[4];
    box_encode(deltas, source, target, weights);
    for (int d = 0; d < 4; d++)
        ck_assert_float_eq_tol(deltas[d], want[d], 6e-7f); /* golden has six decimals */
    box_decode(box, source, deltas, weights);
    for (int d = 0; d < 4; d++)
        ck_assert_float_eq_tol(box[d], target[d], 3e-5f); /* few roundings of numbers near 100 */
    const float wild[4] = {1, -2, 100, 0.5f};             /* dw beyond ln(1000/16) */
    const float far[4] = {-3055.000244f, 7.370726f, 3195.000244f, 62.629272f};
    box_decode(box, source, wild, weights);
    for (int d = 0; d < 4; d++)
        ck_assert_float_eq_tol(box[d], far[d],
                               fabsf(far[d]) * 2e-7f + 1e-6f); /* two units in the last place */
    const float broken[4] = {0, 0, NAN, 0};
    box_decode(box, source, broken, weights);
    ck_assert(isnan(box[0])); /* the limit does not hide it */
}
END_TEST

/* ---- topk --------------------------------------------------------------------------------- */

START_TEST(topk_orders_ties_and_nan)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Two images on two levels, of 4 and of 2 anchors; level by level in the slab. */
    struct tensor values = lab_f32(
        &lab, SHAPE(12), (float[]){1, 3, NAN, 3, NAN, 0, -0.0f, INFINITY, -INFINITY, 2, NAN, 0});
    const struct level_layout layout = {2, {4, 2}, {0, 4}, 6};
    struct tensor index = lab_i32(&lab, SHAPE(4, 5), NULL),
                  value = lab_f32(&lab, SHAPE(4, 5), NULL), count = lab_i32(&lab, SHAPE(4), NULL);
    LAB_OK(op_topk(lab.stream, &index, &value, &count, &values, &layout));
    const int32_t want[20] = {1, 3, 0, 2, 0, 3, 1, 2, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    const int32_t *got = lab_ints(&lab, &index);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(got[i], want[i]);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(lab_ints(&lab, &count)[i], i < 2 ? 4 : 2);
    ck_assert_float_eq(lab_floats(&lab, &value)[0], 3);
    ck_assert_float_eq(lab_floats(&lab, &value)[4], 0); /* beyond the count */
    struct tensor two = lab_i32(&lab, SHAPE(4, 2), NULL),
                  two_values = lab_f32(&lab, SHAPE(4, 2), NULL);
    LAB_OK(op_topk(lab.stream, &two, &two_values, &count, &values, &layout));
    ck_assert_int_eq(lab_ints(&lab, &two)[1], 3);
    ck_assert_int_eq(lab_ints(&lab, &count)[0], 2);
    const struct level_layout gap = {2, {4, 2}, {0, 5}, 6};
    ck_assert_int_eq(op_topk(lab.stream, &two, &two_values, &count, &values, &gap), MD_EINVAL);
    lab_close(&lab);
}
END_TEST

START_TEST(topk_agrees_with_counting)
{
    enum { M = 500, K = 60 };
    struct random random = {11, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    float raw[M];
    for (int i = 0; i < M; i++)
        raw[i] = (float)random_below(&random, 50); /* many ties */
    const struct level_layout layout = {1, {M}, {0}, M};
    struct tensor values = lab_f32(&lab, SHAPE(M), raw), index = lab_i32(&lab, SHAPE(1, K), NULL);
    struct tensor value = lab_f32(&lab, SHAPE(1, K), NULL), count = lab_i32(&lab, SHAPE(1), NULL);
    LAB_OK(op_topk(lab.stream, &index, &value, &count, &values, &layout));
    const int32_t *got = lab_ints(&lab, &index);
    for (int k = 0; k < K; k++) { /* exactly k come before the k-th */
        int before = 0;
        for (int i = 0; i < M; i++)
            before += raw[i] > raw[got[k]] || (raw[i] == raw[got[k]] && i < got[k]);
        ck_assert_int_eq(before, k);
    }
    lab_close(&lab);
}
END_TEST

/* ---- decode ------------------------------------------------------------------------------- */

START_TEST(decode_drops_clips_and_keeps_order)
{
    struct lab lab;
    lab_open_ref(&lab);
    float raw[6 * 4] = {0};
    raw[4 * 1 + 2] = INFINITY; /* limited, so finite: kept */
    raw[4 * 2 + 0] = NAN;      /* dropped */
    /* A map of 2 x 1 places with three cells each: place 1 is 40 further right. */
    const struct anchor_params anchors = {.cell_count = 3,
                                          .cells = {{-5, -5, 5, 5}, {10, 10, 20, 20}, {0, 0, 9, 9}},
                                          .height = 1,
                                          .width = 2,
                                          .stride = 40};
    const struct level_layout layout = {1, {6}, {0}, 6};
    raw[4 * 4 + 0] = 8;  /* beyond the right edge: anchor 4 is 50, 10, 60, 20 */
    raw[4 * 5 + 2] = -2; /* 9 / e^2 wide and high around 44.5, 4.5 */
    raw[4 * 5 + 3] = -2;
    struct tensor deltas = lab_f32(&lab, SHAPE(6, 4), raw);
    struct tensor index = lab_i32(&lab, SHAPE(1, 6), (int32_t[]){5, 4, 3, 2, 1, 0});
    struct tensor value = lab_f32(&lab, SHAPE(1, 6), (float[]){9, 8, NAN, 6, 5, 4}),
                  n = lab_i32(&lab, SHAPE(1), (int32_t[]){6});
    struct tensor sizes = lab_i32(&lab, SHAPE(1, 2), (int32_t[]){60, 90});
    struct tensor boxes = lab_f32(&lab, SHAPE(1, 8, 4), NULL),
                  scores = lab_f32(&lab, SHAPE(1, 8), NULL), counts = lab_i32(&lab, SHAPE(1), NULL);
    struct decode_inputs in = {&deltas, &index, &value, &n, &sizes, &layout, &anchors};
    struct decode_params params = {{1, 1, 1, 1}, 0};
    LAB_OK(op_fill(lab.stream, &boxes, 7));
    LAB_OK(op_rpn_decode(lab.stream, &boxes, &scores, &counts, &in, &params));
    ck_assert_int_eq(lab_ints(&lab, &counts)[0], 3);
    const float *b = lab_floats(&lab, &boxes), *s = lab_floats(&lab, &scores);
    const float half = 0.5f * 9 * expf(-2);
    const float want[12] = {
        44.5f - half, 4.5f - half, 44.5f + half, 4.5f + half, 0, 10, 90, 20, 0, 0, 5, 5};
    for (int i = 0; i < 12; i++)
        ck_assert_float_le(fabsf(b[i] - want[i]), i < 4 ? 1e-5f : 0.0f); /* some roundings of 44 */
    for (int i = 12; i < 32; i++)
        ck_assert_float_eq(b[i], 0);
    ck_assert_float_eq(s[0], 9);
    ck_assert_float_eq(s[1], 5);
    ck_assert_float_eq(s[2], 4);
    params.min_size = 2 * half * 1.0001f; /* the small box goes */
    LAB_OK(op_rpn_decode(lab.stream, &boxes, &scores, &counts, &in, &params));
    ck_assert_int_eq(lab_ints(&lab, &counts)[0], 2);
    lab_close(&lab);
}
END_TEST

/* ---- NMS ---------------------------------------------------------------------------------- */

START_TEST(nms_keeps_equality_and_empty_boxes)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Segment 0: IoU(0,1) is exactly 1/2; box 2 is box 0; boxes 3 and 4 are empty and alike (0/0).
     * Segment 1: a box that only a suppressed one overlaps survives. */
    const float raw[2 * 5 * 4] = {0, 0, 2,  2,  0, 0, 2,  1,  0, 0, 2,  2,  5, 5, 5, 5, 5, 5, 5, 5,
                                  0, 0, 10, 10, 4, 0, 14, 10, 8, 0, 18, 10, 0, 0, 0, 0, 0, 0, 0, 0};
    struct tensor boxes = lab_f32(&lab, SHAPE(2, 5, 4), raw),
                  counts = lab_i32(&lab, SHAPE(2), (int32_t[]){5, 3});
    struct tensor keep = lab_i32(&lab, SHAPE(2, 5), NULL), kept = lab_i32(&lab, SHAPE(2), NULL);
    LAB_OK(op_nms(lab.stream, &keep, &kept, &boxes, &counts, 0.5f, 5));
    ck_assert_int_eq(lab_ints(&lab, &kept)[0], 4);
    const int32_t *k = lab_ints(&lab, &keep), want[4] = {0, 1, 3, 4};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(k[i], want[i]);
    LAB_OK(op_nms(lab.stream, &keep, &kept, &boxes, &counts, nextafterf(0.5f, 0), 5));
    ck_assert_int_eq(lab_ints(&lab, &kept)[0], 3); /* now 1/2 is above */
    LAB_OK(op_nms(lab.stream, &keep, &kept, &boxes, &counts, 0.3f, 5));
    ck_assert_int_eq(lab_ints(&lab, &kept)[1], 2);
    ck_assert_int_eq(lab_ints(&lab, &keep)[6], 2);
    LAB_OK(op_nms(lab.stream, &keep, &kept, &boxes, &counts, 0.5f, 2));
    ck_assert_int_eq(lab_ints(&lab, &kept)[0], 2);
    ck_assert_int_eq(lab_ints(&lab, &keep)[2], 0); /* beyond the count */
    lab_close(&lab);
}
END_TEST

/* ---- merge -------------------------------------------------------------------------------- */

START_TEST(merge_orders_by_score_level_position)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Two levels of two images; capacity 3. Box of segment s at i: (10 s + i, ...). */
    float raw[4 * 3 * 4] = {0};
    for (int i = 0; i < 12; i++)
        raw[4 * i] = (float)(10 * (i / 3) + i % 3);
    struct tensor boxes = lab_f32(&lab, SHAPE(4, 3, 4), raw);
    struct tensor scores =
        lab_f32(&lab, SHAPE(4, 3), (float[]){5, 5, 1, 9, 0, 0, 7, 5, 5, 0, 0, 0});
    struct tensor keep =
        lab_i32(&lab, SHAPE(4, 3), (int32_t[]){0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0});
    struct tensor kept = lab_i32(&lab, SHAPE(4), (int32_t[]){2, 1, 2, 0});
    struct tensor out = lab_f32(&lab, SHAPE(2, 3, 4), NULL), s = lab_f32(&lab, SHAPE(2, 3), NULL),
                  counts = lab_i32(&lab, SHAPE(2), NULL);
    struct merge_inputs in = {&boxes, &scores, &keep, &kept, 2};
    LAB_OK(op_merge_proposals(lab.stream, &out, &s, &counts, &in));
    const float *b = lab_floats(&lab, &out);
    ck_assert_float_eq(b[0], 20); /* score 7: level 1, position 0 */
    ck_assert_float_eq(b[4], 0);  /* the three of score 5: level 0 first */
    ck_assert_float_eq(b[8], 1);
    ck_assert_float_eq(b[12], 10); /* image 1 has one */
    ck_assert_float_eq(lab_floats(&lab, &s)[3], 9);
    ck_assert_float_eq(lab_floats(&lab, &s)[4], 0);
    ck_assert_int_eq(lab_ints(&lab, &counts)[0], 3);
    ck_assert_int_eq(lab_ints(&lab, &counts)[1], 1);
    lab_close(&lab);
}
END_TEST

SUITE("ops/proposals", TEST(anchors_are_exact), TEST(coder_matches_detectron2),
      TEST(topk_orders_ties_and_nan), TEST(topk_agrees_with_counting),
      TEST(decode_drops_clips_and_keeps_order), TEST(nms_keeps_equality_and_empty_boxes),
      TEST(merge_orders_by_score_level_position))
