/* test_ap_table.c - weighted average precision is that of a data set with copies of its images. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"
#include "eval/ap_table.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/random_boxes.h"

static struct memory memory;

static const struct random_boxes usual = {.images = 30,
                                          .classes = 3,
                                          .truths = 6,
                                          .others = 6,
                                          .found = 0.8,
                                          .wobble = 0.15,
                                          .crowds = 0.15};

static void make(struct boxes *out, int seed)
{
    struct random_boxes options = usual;
    options.seed = (uint64_t)seed;
    memory_init(&memory, NULL);
    boxes_make(out, &memory, &options);
}

/* values[AP_KINDS * (classes + 1)] */
static void measure_as(double *values, const struct boxes *boxes, const uint32_t *weights,
                       const struct coco_options *options)
{
    struct ap_table table;
    uint64_t *counted = NULL;
    ck_assert_int_eq(
        ap_table_create(&table, &memory, boxes->dataset, boxes->detections, boxes->count, options),
        MD_OK);
    ck_assert_int_eq(memory_alloc(&memory, &counted, table.most_detections, sizeof *counted),
                     MD_OK);
    ap_table_measure(values, &table, weights, counted);
    memory_free(&memory, counted);
    ap_table_free(&table);
}

static void measure(double *values, const struct boxes *boxes, const uint32_t *weights)
{
    const struct coco_options options = coco_options_default();
    measure_as(values, boxes, weights, &options);
}

static void evaluate_as(double values[8], const struct boxes *boxes,
                        const struct coco_options *options)
{
    struct coco_result result;
    ck_assert_int_eq(coco_evaluate_as(&result, &memory, boxes->dataset, boxes->detections,
                                      boxes->count, options),
                     MD_OK);
    for (int c = 0; c < 3; c++) {
        values[AP_KINDS * c + AP_MEAN] = result.class_ap[c];
        values[AP_KINDS * c + AP_50] = result.class_ap50[c];
    }
    values[6 + AP_MEAN] = result.metrics.ap;
    values[6 + AP_50] = result.metrics.ap50;
    coco_result_free(&result, &memory);
}

static void evaluate(double values[8], const struct boxes *boxes)
{
    const struct coco_options options = coco_options_default();
    evaluate_as(values, boxes, &options);
}

static void done(struct boxes *boxes)
{
    boxes_free(boxes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(weights_of_one_give_what_coco_evaluate_gives)
{
    struct boxes boxes;
    uint32_t ones[30];
    double got[8], want[8];
    make(&boxes, _i);
    for (int i = 0; i < 30; i++)
        ones[i] = 1;
    measure(got, &boxes, ones);
    evaluate(want, &boxes);
    ck_assert(want[6] > 0.05 && want[6] < 0.95);
    ck_assert_double_eq(got[6], want[6]);
    ck_assert_double_eq(got[7], want[7]);
    for (int i = 0; i < 6; i++) /* there a difference of sums of some ten: a few units of 1e-15 */
        ck_assert_double_eq_tol(got[i], want[i], 1e-13);
    done(&boxes);
}
END_TEST

/* Few detections, thresholds with and without .50, the id 0 that pycocotools misses. */
START_TEST(options_are_those_of_coco_evaluate_as)
{
    static const double lists[][3] = {{0.3, 0.5, 0.8}, {0.45, 0.6, 0.75}};
    struct boxes boxes;
    uint32_t ones[30];
    double got[8], want[8], usually[8];
    struct coco_options options = coco_options_default();
    options.threshold_count = 3;
    memcpy(options.thresholds, lists[_i % 2], sizeof lists[0]);
    options.limits[1] = options.limits[2] = 2;
    options.strict_ids = _i / 2 % 2;
    make(&boxes, 4);
    for (int i = 0; i < 30; i++)
        ones[i] = 1;
    measure_as(got, &boxes, ones, &options);
    evaluate_as(want, &boxes, &options);
    measure(usually, &boxes, ones);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol(got[i], want[i], 1e-13);
    ck_assert_double_ne(got[6], usually[6]);
    if (options.strict_ids) {
        options.strict_ids = false;
        measure_as(usually, &boxes, ones, &options);
        ck_assert_double_gt(usually[6], got[6]);
    }
    if (_i % 2 == 1)
        ck_assert_double_eq(got[7], -1);
    done(&boxes);
}
END_TEST

/* The sums of both are the same numbers but for the last bit of a precision. */
START_TEST(weights_count_as_copies)
{
    struct boxes boxes, repeated;
    uint32_t weights[30];
    double got[8], want[8];
    struct random random = {.seed = 7, .stream = random_stream(RANDOM_TEST, (uint64_t)_i)};
    make(&boxes, 100 + _i);
    for (int i = 0; i < 30; i++)
        weights[i] = (uint32_t)random_below(&random, _i % 2 ? 3 : 5);
    boxes_repeat(&repeated, &boxes, weights);
    measure(got, &boxes, weights);
    evaluate(want, &repeated);
    for (int i = 0; i < 8; i++)
        ck_assert_msg(fabs(got[i] - want[i]) < 1e-12, "value %d: %.17g, want %.17g", i, got[i],
                      want[i]);
    boxes_free(&repeated);
    done(&boxes);
}
END_TEST

START_TEST(weights_of_zero_leave_nothing_to_measure)
{
    struct boxes boxes;
    const uint32_t none[30] = {0};
    double got[8];
    make(&boxes, 1);
    measure(got, &boxes, none);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq(got[i], -1);
    done(&boxes);
}
END_TEST

/* One image of class 0, found at .6 and above; class 1 has a truth in the second image, not found. */
START_TEST(class_without_truth_is_left_out_of_the_mean)
{
    struct boxes boxes;
    struct random_boxes options = {.images = 40, .classes = 3, .truths = 1, .found = 1};
    uint32_t weights[40] = {0};
    double got[8];
    memory_init(&memory, NULL);
    boxes_make(&boxes, &memory, &options);
    for (size_t i = 0; i < 40; i++) {
        const struct dataset_image *image = &boxes.dataset->images[i];
        weights[i] =
            image->count == 0 || boxes.dataset->annotations[image->first].class_id != 1 ? 2 : 0;
    }
    measure(got, &boxes, weights);
    /* the detections are the truths, two copies of the precision 1 / (1 + epsilon) */
    ck_assert_double_eq_tol(got[0], 1, 1e-15);
    ck_assert_double_eq(got[2], -1);
    ck_assert_double_eq(got[3], -1);
    ck_assert_double_eq_tol(got[6], 1, 1e-15);
    ck_assert_double_eq_tol(got[7], 1, 1e-15);
    done(&boxes);
}
END_TEST

START_TEST(empty_data_set_has_nothing_to_measure)
{
    struct boxes boxes;
    const struct random_boxes options = {.images = 0, .classes = 3};
    const uint32_t none[1] = {0};
    double got[8] = {0};
    memory_init(&memory, NULL);
    boxes_make(&boxes, &memory, &options);
    measure(got, &boxes, none);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq(got[i], -1);
    done(&boxes);
}
END_TEST

START_TEST(bad_detections_are_refused)
{
    struct boxes boxes;
    struct ap_table table;
    make(&boxes, 1);
    struct eval_detection bad[3] = {boxes.detections[0], boxes.detections[0], boxes.detections[0]};
    bad[0].image = 30;
    bad[1].class_id = 3;
    bad[2].class_id = -1;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(boxes_table(&table, &memory, boxes.dataset, &bad[i], 1), MD_EINVAL);
        ck_assert_ptr_nonnull(strstr(error_text(), "detection 0"));
    }
    ck_assert_int_eq(boxes_table(&table, &memory, boxes.dataset, boxes.detections, (size_t)1 << 33),
                     MD_EINVAL);
    done(&boxes);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct boxes boxes;
    make(&boxes, 1);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct ap_table table;
        failing_memory_init(&failing, k);
        md_status st =
            boxes_table(&table, &failing.memory, boxes.dataset, boxes.detections, boxes.count);
        if (st == MD_OK)
            ap_table_free(&table);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    done(&boxes);
}
END_TEST

SUITE("eval/ap_table", LOOP(weights_of_one_give_what_coco_evaluate_gives, 0, 20),
      LOOP(options_are_those_of_coco_evaluate_as, 0, 4), LOOP(weights_count_as_copies, 0, 40),
      TEST(weights_of_zero_leave_nothing_to_measure),
      TEST(class_without_truth_is_left_out_of_the_mean),
      TEST(empty_data_set_has_nothing_to_measure), TEST(bad_detections_are_refused),
      TEST(no_failed_allocation_leaks))
