/* test_targets.c - matching, sampling and the rows that are trained on. */
#include <string.h>

#include "suite.h"
#include "support/ops_random.h"

/* ---- match -------------------------------------------------------------------------------- */

/* One image whose boxes are shared, as anchors are. */
static void run_matcher(struct lab *lab, const float *boxes, int64_t m, const float *gt, int64_t g,
                        struct match_params params, int32_t *match, int32_t *label)
{
    const int32_t count = (int32_t)g;
    struct tensor b = lab_f32(lab, SHAPE(m, 4), boxes), t = lab_f32(lab, SHAPE(1, g, 4), gt),
                  n = lab_i32(lab, SHAPE(1), &count);
    struct tensor to_match = lab_i32(lab, SHAPE(1, m), NULL),
                  to_label = lab_i32(lab, SHAPE(1, m), NULL);
    LAB_OK(op_match(lab->stream, &to_match, &to_label, &b, NULL, &t, &n, &params));
    memcpy(match, lab_ints(lab, &to_match), (size_t)m * sizeof *match);
    memcpy(label, lab_ints(lab, &to_label), (size_t)m * sizeof *label);
}

START_TEST(zero_iou_truth_as_detectron2_or_not)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* IoU rows .2 .65 .65 .2 0 / .72 0 0 0 0 / 0: truth 0 has a tie, truth 2 lies on nothing. */
    const float gt[12] = {0, 0, 10, 10, 0, 100, 10, 110, 500, 500, 510, 510};
    const float anchors[20] = {0,  100, 10, 107.2f, 0,  0, 10, 6.5f, 0,  3.5f,
                               10, 10,  0,  0,      10, 2, 50, 50,   60, 60};
    int32_t match[5], label[5];
    struct match_params params = {0.3f, 0.7f, true, true};
    run_matcher(&lab, anchors, 5, gt, 3, params, match, label);
    const int32_t want_match[5] = {1, 0, 0, 0, 0}, all[5] = {1, 1, 1, 1, 1},
                  some[5] = {1, 1, 1, 0, 0};
    ck_assert_mem_eq(match, want_match, sizeof match);
    ck_assert_mem_eq(label, all, sizeof label); /* the third truth turns every anchor positive */
    params.zero_iou_matches = false;
    run_matcher(&lab, anchors, 5, gt, 3, params, match, label);
    ck_assert_mem_eq(label, some, sizeof label);
    params.zero_iou_matches = true;
    run_matcher(&lab, anchors, 5, gt, 2, params, match, label);
    ck_assert_mem_eq(label, some, sizeof label);
    params.low_quality = false;
    run_matcher(&lab, anchors, 5, gt, 3, params, match, label);
    const int32_t plain[5] = {1, -1, -1, 0, 0};
    ck_assert_mem_eq(label, plain, sizeof label);
    lab_close(&lab);
}
END_TEST

START_TEST(low_quality_keeps_the_match)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Anchor 1 is the best of truth 1 (IoU .2), but lies better on truth 0 (IoU .5). */
    const float gt[8] = {0, 0, 10, 10, 0, 5, 10, 11}, anchors[8] = {0, 0, 10, 10, 0, 0, 10, 6};
    int32_t match[2], label[2];
    run_matcher(&lab, anchors, 2, gt, 2, (struct match_params){0.3f, 0.7f, true, false}, match,
                label);
    ck_assert_int_eq(match[0], 0);
    ck_assert_int_eq(match[1], 0);
    ck_assert_int_eq(label[0], 1);
    lab_close(&lab);
}
END_TEST

START_TEST(thresholds_ties_and_counts)
{
    struct lab lab;
    lab_open_ref(&lab);
    const float gt[8] = {0, 0, 10, 10, 0, 0, 10, 10}; /* twice the same: the lower index wins */
    const float boxes[16] = {0, 0, 10, 5, 0, 0, 10, 4.9f, 0, 0, 10, 10, 0, 0, 10, 10};
    struct tensor b = lab_f32(&lab, SHAPE(1, 4, 4), boxes), t = lab_f32(&lab, SHAPE(1, 2, 4), gt);
    struct tensor n = lab_i32(&lab, SHAPE(1), (int32_t[]){3}),
                  g = lab_i32(&lab, SHAPE(1), (int32_t[]){2});
    struct tensor match = lab_i32(&lab, SHAPE(1, 4), NULL),
                  label = lab_i32(&lab, SHAPE(1, 4), NULL);
    struct match_params params = {0.5f, 0.5f, false, false};
    LAB_OK(op_match(lab.stream, &match, &label, &b, &n, &t, &g, &params));
    const int32_t want[4] = {1, 0, 1, -1},
                  none[4] = {0, 0, 0, -1}; /* IoU of exactly 0.5 is foreground */
    ck_assert_mem_eq(lab_ints(&lab, &label), want, sizeof want);
    ck_assert_int_eq(lab_ints(&lab, &match)[2], 0);
    struct tensor zero = lab_i32(&lab, SHAPE(1), NULL);
    LAB_OK(op_match(lab.stream, &match, &label, &b, &n, &t, &zero, &params));
    ck_assert_mem_eq(lab_ints(&lab, &label), none, sizeof none); /* no truths: all background */
    lab_close(&lab);
}
END_TEST

/* ---- sample ------------------------------------------------------------------------------- */

/* Of the images, and what their numbers are for. */
enum { PLACE = 9, PURPOSE = 1 << 20 };

struct sampled {
    int32_t index[64], counts[2];
};

static struct sampled run_sampler(struct lab *lab, const int32_t *labels, int64_t m,
                                  struct sample_params params, uint64_t seed)
{
    struct sampled result;
    struct step_numbers numbers = {.seed = seed, .index = PLACE};
    const struct tensor step = {&numbers, TENSOR_I32, SHAPE(STEP_WORDS)};
    struct tensor label = {(void *)(uintptr_t)labels, TENSOR_I32, SHAPE(1, m)};
    struct tensor index = {result.index, TENSOR_I32, SHAPE(1, 64)},
                  counts = {result.counts, TENSOR_I32, SHAPE(1, 2)};
    LAB_OK(op_sample(lab->stream, &index, &counts, &label, &step, &params));
    return result;
}

static void check_group(const int32_t *index, int count, const int32_t *labels, int32_t wanted)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(labels[index[i]], wanted);
        if (i > 0)
            ck_assert_int_lt(index[i - 1], index[i]); /* ascending, so each row once */
    }
}

START_TEST(sample_sizes_and_groups)
{
    struct lab lab;
    lab_open_ref(&lab);
    int32_t labels[300];
    for (int positives = 0; positives <= 40; positives += 10)
        for (int negatives = 0; negatives <= 200; negatives += 20) {
            for (int i = 0; i < 300; i++)
                labels[(i * 7) % 300] = i < positives ? 1 : i < positives + negatives ? 0 : -1;
            struct sampled s =
                run_sampler(&lab, labels, 300, (struct sample_params){64, 16, PURPOSE, 1}, 3);
            int foreground = positives < 16 ? positives : 16;
            int background = negatives < 64 - foreground ? negatives : 64 - foreground;
            ck_assert_int_eq(s.counts[0], foreground);
            ck_assert_int_eq(s.counts[1], background);
            check_group(s.index, foreground, labels, 1);
            check_group(s.index + foreground, background, labels, 0);
            for (int i = foreground + background; i < 64; i++)
                ck_assert_int_eq(s.index[i], 0);
        }
    lab_close(&lab);
}
END_TEST

START_TEST(sample_takes_the_smallest_keys)
{
    struct lab lab;
    lab_open_ref(&lab);
    int32_t labels[200] = {0};
    struct sampled s =
        run_sampler(&lab, labels, 200, (struct sample_params){20, 5, PURPOSE, 1}, 42);
    uint32_t largest = 0;
    for (int i = 0; i < 20; i++) {
        uint32_t key = random_u32_at(42, PURPOSE ^ PLACE, (uint64_t)s.index[i]);
        largest = key > largest ? key : largest;
    }
    int smaller = 0;
    for (uint64_t row = 0; row < 200; row++)
        smaller += random_u32_at(42, PURPOSE ^ PLACE, row) <= largest;
    ck_assert_int_eq(smaller, 20);
    struct sampled again =
        run_sampler(&lab, labels, 200, (struct sample_params){20, 5, PURPOSE, 1}, 42);
    struct sampled other =
        run_sampler(&lab, labels, 200, (struct sample_params){20, 5, PURPOSE, 1}, 43);
    ck_assert_mem_eq(s.index, again.index, 20 * sizeof(int32_t));
    ck_assert_mem_ne(s.index, other.index, 20 * sizeof(int32_t));
    lab_close(&lab);
}
END_TEST

START_TEST(sample_is_uniform)
{
    enum { ROWS = 50, SIZE = 10, DRAWS = 4000 };
    struct lab lab;
    lab_open_ref(&lab);
    int32_t labels[ROWS] = {0};
    int hits[ROWS] = {0};
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        struct sampled s =
            run_sampler(&lab, labels, ROWS, (struct sample_params){SIZE, 0, PURPOSE, 1}, draw);
        for (int i = 0; i < SIZE; i++)
            hits[s.index[i]]++;
    }
    const double expected = (double)DRAWS * SIZE / ROWS;
    double chi_square = 0;
    for (int row = 0; row < ROWS; row++)
        chi_square += (hits[row] - expected) * (hits[row] - expected) / expected;
    /* Without replacement the statistic is (1 - SIZE/ROWS) times chi-square of 49 degrees: mean
     * 40, deviation 8. Far below would be as wrong as far above. Seeds are fixed: no flakes. */
    ck_assert_double_lt(chi_square, 40 + 4 * 8);
    ck_assert_double_gt(chi_square, 40 - 4 * 8);
    lab_close(&lab);
}
END_TEST

/* ---- rows --------------------------------------------------------------------------------- */

START_TEST(rows_of_two_images)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor a =
        lab_f32(&lab, SHAPE(2, 2, 4), (float[]){1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8});
    struct tensor b = lab_f32(&lab, SHAPE(2, 1, 4), (float[]){11, 11, 12, 12, 13, 13, 14, 14});
    struct tensor a_counts = lab_i32(&lab, SHAPE(2), (int32_t[]){1, 2}),
                  b_counts = lab_i32(&lab, SHAPE(2), (int32_t[]){1, 0});
    struct tensor boxes = lab_f32(&lab, SHAPE(2, 3, 4), NULL),
                  counts = lab_i32(&lab, SHAPE(2), NULL);
    LAB_OK(op_append_boxes(lab.stream, &boxes, &counts, &a, &a_counts, &b, &b_counts));
    const float *got = lab_floats(&lab, &boxes);
    const float first[6] = {1, 11, 0, 5, 7, 0};
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(got[4 * i], first[i]);
    ck_assert_int_eq(lab_ints(&lab, &counts)[0], 2);
    struct tensor rois = lab_f32(&lab, SHAPE(6, 5), NULL), rows = lab_i32(&lab, SHAPE(1), NULL);
    LAB_OK(op_rois_from_boxes(lab.stream, &rois, &rows, &boxes, &counts));
    const float *r = lab_floats(&lab, &rois), images[6] = {0, 0, 1, 1, -1, -1},
                lefts[6] = {1, 11, 5, 7, 0, 0};
    for (int i = 0; i < 6; i++) {
        ck_assert_float_eq(r[5 * i], images[i]);
        ck_assert_float_eq(r[5 * i + 1], lefts[i]);
    }
    ck_assert_int_eq(lab_ints(&lab, &rows)[0], 4);

    struct tensor index = lab_i32(&lab, SHAPE(2, 2), (int32_t[]){1, 0, 0, 0}),
                  chosen = lab_i32(&lab, SHAPE(2, 2), (int32_t[]){1, 1, 0, 1});
    struct tensor match = lab_i32(&lab, SHAPE(2, 3), (int32_t[]){0, 0, 0, 0, 0, 0}),
                  classes_in = lab_i32(&lab, SHAPE(2, 1), (int32_t[]){3, 4});
    struct tensor classes = lab_i32(&lab, SHAPE(4), NULL),
                  targets = lab_f32(&lab, SHAPE(4, 4), NULL),
                  small = lab_f32(&lab, SHAPE(4, 5), NULL);
    struct roi_target_inputs in = {&boxes, &index, &chosen, &match, &b, &classes_in, &b_counts, 9};
    LAB_OK(op_roi_targets(lab.stream, &small, &classes, &targets, &rows, &in));
    const int32_t want[4] = {3, 9, 9, -1};
    ck_assert_mem_eq(lab_ints(&lab, &classes), want, sizeof want);
    const float *t = lab_floats(&lab, &targets), *s = lab_floats(&lab, &small);
    ck_assert_float_eq(t[0], 11);
    ck_assert_float_eq(t[4], 11); /* the background row of an image with a truth */
    ck_assert_float_eq(t[8], 0);  /* image 1 has none */
    ck_assert_float_eq(s[1], 11);
    ck_assert_float_eq(s[6], 1);
    ck_assert_float_eq(s[10], 1); /* of image 1 */
    ck_assert_float_eq(s[11], 5);
    ck_assert_float_eq(s[15], -1);
    ck_assert_int_eq(lab_ints(&lab, &rows)[0], 3);
    lab_close(&lab);
}
END_TEST

START_TEST(parts_share_the_rows)
{
    static const struct {
        int32_t rows, counts[3];
    } cases[] = {{0, {0, 0, 0}}, {1, {1, 0, 0}},  {4, {4, 0, 0}},
                 {5, {4, 1, 0}}, {12, {4, 4, 4}}, {10, {4, 4, 2}}};
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor counts = lab_i32(&lab, SHAPE(3), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tensor rows = lab_i32(&lab, SHAPE(1), &cases[i].rows);
        LAB_OK(op_part_rows(lab.stream, &counts, &rows, 4));
        ck_assert_mem_eq(lab_ints(&lab, &counts), cases[i].counts, sizeof cases[i].counts);
    }
    ck_assert_int_eq(op_part_rows(lab.stream, &counts, &counts, 4), MD_EINVAL);
    ck_assert_int_eq(op_part_rows(lab.stream, &counts, &(struct tensor){0}, 0), MD_EINVAL);
    lab_close(&lab);
}
END_TEST

SUITE("ops/targets", TEST(zero_iou_truth_as_detectron2_or_not), TEST(low_quality_keeps_the_match),
      TEST(thresholds_ties_and_counts), TEST(sample_sizes_and_groups),
      TEST(sample_takes_the_smallest_keys), TEST(sample_is_uniform), TEST(rows_of_two_images),
      TEST(parts_share_the_rows))
