/* test_confusion.c - the confusion matrix: pairs by overlap, misses, false alarms, crowds. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"
#include "eval/confusion.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/truth_set.h"

enum { SIDE = 3, NOTHING = 2 };

static struct memory memory;

/* Image 0: class 0 at the left, class 1 at the right, a crowd below. Image 1: one of class 1. */
static struct dataset *make_dataset(void)
{
    const struct {
        size_t image;
        struct annotation annotation;
    } truths[] = {
        {0, {.box = {0, 0, 40, 40}, .class_id = 0}},
        {0, {.box = {100, 0, 140, 40}, .class_id = 1}},
        {0, {.box = {0, 100, 200, 200}, .class_id = 0, .crowd = true}},
        {1, {.box = {10, 10, 50, 50}, .class_id = 1}},
    };
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    memory_init(&memory, NULL);
    builder_init(&builder, &memory);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(builder_add_image(&builder, "image", i + 1, 200, 200), MD_OK);
        ck_assert_int_eq(builder_add_class(&builder, i ? "b" : "a", i + 1), MD_OK);
    }
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++)
        ck_assert_int_eq(builder_add_annotation(&builder, truths[i].image, &truths[i].annotation),
                         MD_OK);
    ck_assert_int_eq(builder_finish(&builder, "/nowhere", NULL, &dataset), MD_OK);
    return dataset;
}

static void check_matrix(const uint64_t got[SIDE * SIDE], const uint64_t want[SIDE * SIDE])
{
    for (int i = 0; i < SIDE * SIDE; i++)
        ck_assert_msg(got[i] == want[i], "truth %d as %d: %d, want %d", i / SIDE, i % SIDE,
                      (int)got[i], (int)want[i]);
}

START_TEST(each_kind_lands_in_its_cell)
{
    struct dataset *dataset = make_dataset();
    const struct eval_detection found[] = {
        {0, 0, {0, 0, 40, 38}, .9},    /* right */
        {0, 0, {100, 0, 40, 39}, .8},  /* class 1 taken for class 0 */
        {0, 1, {0, 110, 40, 40}, .9},  /* in the crowd: nowhere */
        {0, 1, {60, 60, 20, 20}, .7},  /* false alarm */
        {1, 1, {10, 10, 40, 40}, .29}, /* below the score: the truth is missed */
    };
    uint64_t matrix[SIDE * SIDE];
    memset(matrix, 0xff, sizeof matrix);
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 5, .3F, .5F), MD_OK);
    const uint64_t want[SIDE * SIDE] = {
        [0 * SIDE + 0] = 1, [1 * SIDE + 0] = 1, [NOTHING * SIDE + 1] = 1, [1 * SIDE + NOTHING] = 1};
    check_matrix(matrix, want);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Two detections on one truth: the better overlap takes it, though its score is lower. */
START_TEST(better_overlap_wins_over_score)
{
    struct dataset *dataset = make_dataset();
    const struct eval_detection found[] = {{1, 0, {10, 10, 40, 30}, .9},
                                           {1, 1, {10, 10, 40, 40}, .5}};
    uint64_t matrix[SIDE * SIDE];
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 2, .1F, .5F), MD_OK);
    const uint64_t want[SIDE * SIDE] = {[0 * SIDE + NOTHING] = 1,
                                        [1 * SIDE + NOTHING] = 1,
                                        [1 * SIDE + 1] = 1,
                                        [NOTHING * SIDE + 0] = 1};
    check_matrix(matrix, want);
    dataset_free(dataset);
}
END_TEST

/* Equal overlap: the score decides, and of equal scores the first. */
START_TEST(ties_go_to_score_then_index)
{
    struct dataset *dataset = make_dataset();
    struct eval_detection found[] = {
        {1, 0, {10, 10, 40, 40}, .5}, {1, 1, {10, 10, 40, 40}, .5}, {1, 0, {10, 10, 40, 40}, .4}};
    uint64_t matrix[SIDE * SIDE];
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 3, .1F, .5F), MD_OK);
    ck_assert_uint_eq(matrix[1 * SIDE + 0], 1);
    ck_assert_uint_eq(matrix[1 * SIDE + 1], 0);
    found[1].score = .6;
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 3, .1F, .5F), MD_OK);
    ck_assert_uint_eq(matrix[1 * SIDE + 1], 1);
    ck_assert_uint_eq(matrix[NOTHING * SIDE + 0], 2);
    dataset_free(dataset);
}
END_TEST

/* Truths at 0 and 20 pixels, detections at 12 and 18, all 40 wide. The stronger detection overlaps the
 * second truth most, by 32 / 48, but leaves it to the other one, 38 / 42, and takes the first, 28 / 52.
 * In order of scores it would take the second, and the other one would be left without any. */
START_TEST(the_best_pair_of_an_image_goes_first)
{
    const struct truth truths[] = {{.w = 40, .h = 40}, {.class_id = 1, .x = 20, .w = 40, .h = 40}};
    const struct eval_detection found[] = {{0, 0, {12, 0, 40, 40}, .9},
                                           {0, 1, {18, 0, 40, 40}, .2}};
    uint64_t matrix[SIDE * SIDE];
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 1, 2, truths, 2);
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 2, .1, .5), MD_OK);
    const uint64_t want[SIDE * SIDE] = {[0 * SIDE + 0] = 1, [1 * SIDE + 1] = 1};
    check_matrix(matrix, want);
    dataset_free(dataset);
}
END_TEST

/* The score and the overlap at which a detection counts belong to it. */
START_TEST(thresholds_belong_to_the_matrix)
{
    struct dataset *dataset = make_dataset();
    const struct eval_detection found[] = {{1, 1, {10, 10, 40, 20}, .3}}; /* half of the truth */
    uint64_t matrix[SIDE * SIDE];
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 1, .3, .5), MD_OK);
    ck_assert_uint_eq(matrix[1 * SIDE + 1], 1);
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 1, .3, .51), MD_OK);
    ck_assert_uint_eq(matrix[1 * SIDE + 1], 0);
    ck_assert_uint_eq(matrix[NOTHING * SIDE + 1], 1);
    ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, found, 1, .31, .5), MD_OK);
    ck_assert_uint_eq(matrix[NOTHING * SIDE + 1], 0);
    dataset_free(dataset);
}
END_TEST

START_TEST(detections_of_nowhere_are_refused)
{
    struct dataset *dataset = make_dataset();
    const struct eval_detection wrong[] = {{2, 0, {0, 0, 9, 9}, .9},
                                           {0, 2, {0, 0, 9, 9}, .9},
                                           {0, -1, {0, 0, 9, 9}, .9},
                                           {0, 0, {0, 0, 9, NAN}, .9}};
    uint64_t matrix[SIDE * SIDE];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(confusion_matrix(matrix, &memory, dataset, &wrong[i], 1, .3, .5),
                         MD_EINVAL);
    dataset_free(dataset);
}
END_TEST

/* Truths by row: 3 of class 0, one taken for class 1, one missed; 1 of class 1, found; 2 invented. */
static const uint64_t counted[SIDE * SIDE] = {1, 1, 1, 0, 1, 0, 0, 2, 0};

START_TEST(shares_are_of_rows_or_columns)
{
    double shares[SIDE * SIDE];
    const double of_truth[SIDE * SIDE] = {1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 1, 0, 0, 1, 0};
    const double of_found[SIDE * SIDE] = {1, 0.25, 1, 0, 0.25, 0, 0, 0.5, 0};
    confusion_shares(shares, counted, SIDE, true);
    for (int i = 0; i < SIDE * SIDE; i++)
        ck_assert_double_eq(shares[i], of_truth[i]);
    confusion_shares(shares, counted, SIDE, false);
    for (int i = 0; i < SIDE * SIDE; i++)
        ck_assert_double_eq(shares[i], of_found[i]);
    const uint64_t none[SIDE * SIDE] = {0};
    confusion_shares(shares, none, SIDE, true);
    ck_assert_double_eq(shares[4], -1);
}
END_TEST

START_TEST(counts_are_read_off_the_matrix)
{
    md_counts counts;
    confusion_counts(&counts, counted, SIDE, 0);
    ck_assert_uint_eq(counts.true_positives, 1);
    ck_assert_uint_eq(counts.false_positives, 0);
    ck_assert_uint_eq(counts.false_negatives, 2);
    ck_assert_double_eq(counts.precision, 1);
    ck_assert_double_eq(counts.recall, 1.0 / 3);
    ck_assert_double_eq(counts.f1, 0.5);
    confusion_counts(&counts, counted, SIDE, NOTHING); /* all classes */
    ck_assert_uint_eq(counts.true_positives, 2);
    ck_assert_uint_eq(counts.false_positives, 3);
    ck_assert_uint_eq(counts.false_negatives, 2);
    ck_assert_double_eq(counts.precision, 0.4);
    ck_assert_double_eq(counts.recall, 0.5);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct dataset *dataset = make_dataset();
    const struct eval_detection found[] = {{0, 0, {0, 0, 40, 40}, .9}};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        uint64_t matrix[SIDE * SIDE];
        failing_memory_init(&failing, k);
        md_status st = confusion_matrix(matrix, &failing.memory, dataset, found, 1, .3F, .5F);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("eval/confusion", TEST(each_kind_lands_in_its_cell), TEST(better_overlap_wins_over_score),
      TEST(ties_go_to_score_then_index), TEST(the_best_pair_of_an_image_goes_first),
      TEST(thresholds_belong_to_the_matrix), TEST(detections_of_nowhere_are_refused),
      TEST(shares_are_of_rows_or_columns), TEST(counts_are_read_off_the_matrix),
      TEST(no_failed_allocation_leaks))
