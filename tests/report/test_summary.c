/* test_summary.c - precision, recall and the largest confusions of a matrix worked out by hand. */
#include "report/summary.h"

#include "suite.h"

static const char *const names[2] = {"cat", "dog"};
static struct dataset animals = {.class_names = (const char **)(uintptr_t)names, .class_count = 2};
/* Truth by row: cat, dog, nothing. */
static const uint64_t matrix[9] = {6, 1, 3, 2, 4, 0, 5, 1, 0};
static const struct report_content content = {.dataset = &animals, .confusion = matrix};

/* Quotients of small whole numbers. */
static const double rounding = 1e-15;

START_TEST(counts_of_classes)
{
    struct summary_counts cat = summary_class(&content, 0);
    ck_assert_uint_eq(cat.truths, 10);
    ck_assert_uint_eq(cat.found, 13);
    ck_assert_uint_eq(cat.hits, 6);
    ck_assert_double_eq_tol(cat.precision, 6.0 / 13, rounding);
    ck_assert_double_eq_tol(cat.recall, 0.6, rounding);
    ck_assert_double_eq_tol(cat.f1, 12.0 / 23, rounding);
    struct summary_counts all = summary_all(&content);
    ck_assert_uint_eq(all.truths, 16);
    ck_assert_uint_eq(all.found, 19);
    ck_assert_uint_eq(all.hits, 10);
    ck_assert_double_eq_tol(all.f1, 20.0 / 35, rounding);
}
END_TEST

START_TEST(nothing_to_divide_by)
{
    static const uint64_t none[9] = {0};
    const struct report_content empty = {.dataset = &animals, .confusion = none};
    struct summary_counts counts = summary_class(&empty, 1);
    ck_assert_double_eq(counts.precision, -1.0);
    ck_assert_double_eq(counts.recall, -1.0);
    ck_assert_double_eq(counts.f1, -1.0);
    ck_assert_uint_eq(summary_pairs(NULL, 0, &empty, false), 0);
}
END_TEST

/* Of equals the one in the higher row, then in the column to the left. */
START_TEST(pairs_are_the_largest_cells_beside_the_diagonal)
{
    static const struct summary_pair wanted[5] = {
        {2, 0, 5}, {0, 2, 3}, {1, 0, 2}, {0, 1, 1}, {2, 1, 1}};
    for (size_t room = 0; room <= 6; room++) {
        struct summary_pair pairs[7] = {[6] = {9, 9, 9}};
        size_t count = summary_pairs(pairs, room, &content, false);
        ck_assert_uint_eq(count, room < 5 ? room : 5);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(pairs[i].truth, wanted[i].truth);
            ck_assert_uint_eq(pairs[i].found, wanted[i].found);
            ck_assert_uint_eq(pairs[i].count, wanted[i].count);
        }
        ck_assert_uint_eq(pairs[room < 6 ? room : 6].count, room < 6 ? 0 : 9);
    }
    struct summary_pair pairs[4];
    ck_assert_uint_eq(summary_pairs(pairs, 4, &content, true), 2);
    ck_assert_uint_eq(pairs[0].count, 2);
    ck_assert_uint_eq(pairs[1].count, 1);
    ck_assert_uint_eq(pairs[1].found, 1);
    ck_assert_str_eq(summary_name(&content, 1), "dog");
    ck_assert_str_eq(summary_name(&content, 2), "nothing");
}
END_TEST

START_TEST(metrics_keep_their_names)
{
    const struct coco_metrics numbers = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const char *const wanted[REPORT_METRICS] = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                       "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
    struct report_metric metrics[REPORT_METRICS];
    struct coco_options rules = coco_options_default();
    summary_metrics(metrics, &numbers, &rules);
    ck_assert_str_eq(metrics[0].words, "mean over IoU 0.50 to 0.95");
    ck_assert_str_eq(metrics[6].words, "recall with 1 detection per image");
    ck_assert_str_eq(metrics[8].words, "recall with 100 detections per image");
    for (int i = 0; i < REPORT_METRICS; i++) {
        ck_assert_str_eq(metrics[i].name, wanted[i]);
        ck_assert_double_eq(metrics[i].value, i + 1);
    }
    rules.threshold_count = 1;
    rules.limits[2] = 300;
    summary_metrics(metrics, &numbers, &rules);
    ck_assert_str_eq(metrics[0].words, "at IoU 0.50");
    ck_assert_str_eq(metrics[8].words, "recall with 300 detections per image");
}
END_TEST

SUITE("report/summary", TEST(counts_of_classes), TEST(nothing_to_divide_by),
      TEST(pairs_are_the_largest_cells_beside_the_diagonal), TEST(metrics_keep_their_names))
