/* test_scores.c - the numbers of a validation: names, units, tables as Detectron2 prints them. */
#include "train/scores.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

#define OK(call) ck_assert_msg((call) == MD_OK, "%s", error_text())

static const char *const CLASSES[] = {"person", "bicycle", "car", "tram",
                                      "Stra\xc3\x9f"
                                      "e"};

static struct memory memory;
static struct scores scores;

static void make(int classes, bool with_ap)
{
    memory_init(&memory, NULL);
    OK(scores_create(&scores, &memory, CLASSES, classes, with_ap));
}

static void unmake(void)
{
    scores_free(&scores);
    scores_free(&scores);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

/* The values of the example in Detectron2's documentation. */
static void set_example(void)
{
    double class_ap[] = {.541, .3025, -1, 1, 0};
    const struct coco_result result = {
        .metrics = {.402, .61, .438, .242, .435, -1, 1, 1, 1, 1, 1, 1}, .class_ap = class_ap};
    scores_set(&scores, 0.75, &result);
}

static const char *at(size_t index)
{
    return index < scores.count ? scores.items[index].name : "";
}

START_TEST(names_are_detectron2s)
{
    static const char *const NAMES[] = {"val_loss",  "bbox/AP",        "bbox/AP50",
                                        "bbox/AP75", "bbox/APs",       "bbox/APm",
                                        "bbox/APl",  "bbox/AP-person", "bbox/AP-bicycle"};
    make(2, true);
    ck_assert_uint_eq(scores.count, 9);
    for (size_t i = 0; i < 9; i++) {
        ck_assert_str_eq(at(i), NAMES[i]);
        ck_assert(isnan(scores.items[i].value));
    }
    unmake();
    make(1, true); /* the class's would be AP again */
    ck_assert_uint_eq(scores.count, 7);
    unmake();
    make(2, false);
    ck_assert_uint_eq(scores.count, 1);
    unmake();
}
END_TEST

START_TEST(values_are_percent_and_nan_without_truth)
{
    make(3, true);
    set_example();
    static const double VALUES[] = {0.75, 40.2, 61, 43.8, 24.2, 43.5, NAN, 54.1, 30.25, NAN};
    for (size_t i = 0; i < 10; i++) {
        double value = scores.items[i].value;
        ck_assert_msg(isnan(VALUES[i]) ? isnan(value) : fabs(value - VALUES[i]) < 1e-12, "%s: %g",
                      at(i), value);
    }
    unmake();
    make(3, false);
    set_example();
    ck_assert_double_eq(scores.items[SCORE_LOSS].value, 0.75);
    unmake();
}
END_TEST

START_TEST(what_is_not_measured_is_told)
{
    size_t index = 99;
    make(2, true);
    OK(scores_find(&scores, "KEY", "val_loss", &index));
    ck_assert_uint_eq(index, SCORE_LOSS);
    OK(scores_find(&scores, "KEY", "bbox/AP-bicycle", &index));
    ck_assert_uint_eq(index, SCORE_CLASS_AP + 1);
    ck_assert_int_eq(scores_find(&scores, "KEY", "bbox/AP-car", &index), MD_EINVAL);
    ck_assert_msg(strstr(error_text(), "KEY is 'bbox/AP-car'; this run measures val_loss, bbox/AP, "
                                       "bbox/AP50, bbox/AP75, bbox/APs, bbox/APm, bbox/APl, "
                                       "bbox/AP-person, bbox/AP-bicycle"),
                  "%s", error_text());
    ck_assert_uint_eq(index, SCORE_CLASS_AP + 1);
    unmake();
}
END_TEST

static void check_tables(const char *wanted)
{
    struct buffer text;
    buffer_init(&text, &memory);
    OK(scores_put_tables(&scores, &text));
    ck_assert_str_eq(text.data ? text.data : "", wanted);
    buffer_free(&text);
}

START_TEST(tables_are_detectron2s)
{
    make(3, true);
    set_example();
    check_tables("Evaluation results for bbox:\n"
                 "|   AP   |  AP50  |  AP75  |  APs   |  APm   |  APl  |\n"
                 "|:------:|:------:|:------:|:------:|:------:|:-----:|\n"
                 "| 40.200 | 61.000 | 43.800 | 24.200 | 43.500 |  nan  |\n"
                 "Some metrics cannot be computed and is shown as NaN.\n"
                 "Per-category bbox AP:\n"
                 "| category   | AP     | category   | AP     | category   | AP   |\n"
                 "|:-----------|:-------|:-----------|:-------|:-----------|:-----|\n"
                 "| person     | 54.100 | bicycle    | 30.250 | car        | nan  |\n");
    unmake();
    make(1, false);
    check_tables("");
    unmake();
}
END_TEST

/* A last row that is not full, a value of 100, a letter of two bytes. */
START_TEST(rows_hold_three_classes)
{
    make(5, true);
    set_example();
    scores.items[SCORE_AP + 5].value = 12.3456;
    check_tables("Evaluation results for bbox:\n"
                 "|   AP   |  AP50  |  AP75  |  APs   |  APm   |  APl   |\n"
                 "|:------:|:------:|:------:|:------:|:------:|:------:|\n"
                 "| 40.200 | 61.000 | 43.800 | 24.200 | 43.500 | 12.346 |\n"
                 "Per-category bbox AP:\n"
                 "| category   | AP      | category   | AP     | category   | AP   |\n"
                 "|:-----------|:--------|:-----------|:-------|:-----------|:-----|\n"
                 "| person     | 54.100  | bicycle    | 30.250 | car        | nan  |\n"
                 "| tram       | 100.000 | Stra\xc3\x9f"
                 "e     | 0.000  |            |      |\n");
    unmake();
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct scores some = {.count = 0};
        failing_memory_init(&failing, k);
        md_status st = scores_create(&some, &failing.memory, CLASSES, 5, true);
        scores_free(&some);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("train/scores", TEST(names_are_detectron2s), TEST(values_are_percent_and_nan_without_truth),
      TEST(what_is_not_measured_is_told), TEST(tables_are_detectron2s),
      TEST(rows_hold_three_classes), TEST(no_failed_allocation_leaks))
