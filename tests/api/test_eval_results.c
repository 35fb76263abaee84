/* test_eval_results.c - results of other programs through the API: added, refused, measured, written. */
#include "api/api_case.h"

static const char truth[] =
    "{\"images\": [{\"id\": 11, \"file_name\": \"a.jpg\"}, {\"id\": 12, \"file_name\": \"b.jpg\"}],"
    "\"categories\": [{\"id\": 5, \"name\": \"cup\"}], \"annotations\": ["
    "{\"id\": 0, \"image_id\": 11, \"category_id\": 5, \"bbox\": [10, 10, 40, 40], \"iscrowd\": 0},"
    "{\"id\": 3, \"image_id\": 12, \"category_id\": 5, \"bbox\": [10, 10, 40, 40], \"iscrowd\": 0}]}";

#define FIRST "{\"image_id\": 11, \"category_id\": 5, \"bbox\": [10, 10, 40, 40], \"score\": 0.9}"
#define SECOND "{\"image_id\": 12, \"category_id\": 5, \"bbox\": [10, 10, 40, 30], \"score\": 0.8}"
#define OTHER "{\"image_id\": 13, \"category_id\": 6, \"bbox\": [10, 10, 40, 30], \"score\": 0.8}"

static md_dataset *open_truth(md_context *context)
{
    md_dataset *data = NULL;
    char spec[512];
    snprintf(spec, sizeof spec, "coco:%s", temp_file("truth.json", truth, sizeof truth - 1));
    OK(md_dataset_open(&data, context, spec, NULL));
    return data;
}

static const char *results(const char *name, const char *text)
{
    return temp_file(name, text, strlen(text));
}

START_TEST(results_are_measured_and_written)
{
    md_context *context = NULL;
    md_evaluator *evaluator = NULL;
    md_report *report = NULL;
    md_results_info info;
    OK(md_context_create(&context, NULL));
    md_dataset *data = open_truth(context);
    OK(md_evaluator_create(&evaluator, data, NULL));
    OK(md_evaluator_add_results(evaluator, results("1.json", "[" FIRST "]"), &info));
    ck_assert_uint_eq(info.read, 1);
    ck_assert_uint_eq(info.added, 1);
    OK(md_evaluator_add_results(evaluator, results("2.json", "[" SECOND "]"), NULL));
    FAILS(MD_EINVAL, "\"a.jpg\", to which detections were added before",
          md_evaluator_add_results(evaluator, results("1.json", "[" FIRST "]"), NULL));
    OK(md_evaluator_finish(evaluator, &report));
    /* IoU 1 and 0.75: both hit at six of ten thresholds, one at the other four. */
    ck_assert_double_eq_tol(md_report_metrics(report)->ar100, (6 + 4 * 0.5) / 10, 1e-12);
    ck_assert_double_eq_tol(md_report_metrics(report)->ap50, 1, 1e-12);
    const char *path = temp_path("written.json");
    OK(md_report_write_results(report, path));
    FAILS(MD_EINVAL, "path", md_report_write_results(report, NULL));
    FAILS(MD_EINVAL, "report", md_report_write_results(NULL, path));
    FAILS(MD_EIO, "no/such", md_report_write_results(report, "/no/such/folder/r.json"));
    md_evaluator_free(evaluator);
    md_report_free(report);

    OK(md_evaluator_create(&evaluator, data, NULL));
    OK(md_evaluator_add_results(evaluator, path, &info));
    ck_assert_uint_eq(info.added, 2);
    OK(md_evaluator_finish(evaluator, &report));
    ck_assert_double_eq_tol(md_report_metrics(report)->ar100, (6 + 4 * 0.5) / 10, 1e-12);
    md_evaluator_free(evaluator);
    md_report_free(report);
    md_dataset_free(data);
    md_context_free(context);
}
END_TEST

START_TEST(unknown_results_are_the_callers_choice)
{
    md_context *context = NULL;
    md_evaluator *evaluator = NULL;
    md_results_info info = {0};
    md_eval_options options = md_eval_options_default();
    OK(md_context_create(&context, NULL));
    md_dataset *data = open_truth(context);
    const char *path = results("u.json", "[" FIRST "," OTHER "]");
    OK(md_evaluator_create(&evaluator, data, &options));
    FAILS(MD_EMISMATCH, "1 of images that the data set does not have (13)",
          md_evaluator_add_results(evaluator, path, &info));
    ck_assert_uint_eq(info.read, 0);
    OK(md_evaluator_add_results(evaluator, results("1.json", "[" FIRST "]"), NULL)); /* none was */
    md_evaluator_free(evaluator);
    options.ignore_unknown = true;
    OK(md_evaluator_create(&evaluator, data, &options));
    OK(md_evaluator_add_results(evaluator, path, &info));
    ck_assert_uint_eq(info.read, 2);
    ck_assert_uint_eq(info.added, 1);
    ck_assert_uint_eq(info.unknown_images, 1);
    ck_assert_uint_eq(info.unknown_classes, 1);
    FAILS(MD_EINVAL, "path", md_evaluator_add_results(evaluator, NULL, NULL));
    FAILS(MD_EINVAL, "evaluator", md_evaluator_add_results(NULL, path, NULL));
    md_evaluator_free(evaluator);
    md_dataset_free(data);
    md_context_free(context);
}
END_TEST

/* The list is borrowed for the call only. */
START_TEST(options_reach_the_measurement)
{
    md_context *context = NULL;
    md_evaluator *evaluator = NULL;
    md_report *report = NULL;
    double thresholds[2] = {0.5, 0.9};
    md_eval_options options = md_eval_options_default();
    options.iou_thresholds = thresholds;
    options.iou_threshold_count = 2;
    options.strict_pycocotools = true;
    OK(md_context_create(&context, NULL));
    md_dataset *data = open_truth(context);
    OK(md_evaluator_create(&evaluator, data, &options));
    thresholds[0] = thresholds[1] = -1;
    OK(md_evaluator_add_results(evaluator, results("3.json", "[" FIRST "," SECOND "]"), NULL));
    OK(md_evaluator_finish(evaluator, &report));
    /* The truth of id 0 is a miss: one of two at 0.5, none at 0.9. */
    ck_assert_double_eq_tol(md_report_metrics(report)->ar100, 0.25, 1e-12);
    md_report_free(report);
    md_evaluator_free(evaluator);

    options.iou_threshold_count = 0;
    FAILS(MD_EINVAL, "0 IoU thresholds", md_evaluator_create(&evaluator, data, &options));
    options.iou_threshold_count = 33;
    FAILS(MD_EINVAL, "iou_threshold_count is 33", md_evaluator_create(&evaluator, data, &options));
    options.iou_thresholds = NULL;
    options.max_detections = 0;
    FAILS(MD_EINVAL, "max_detections is 0", md_evaluator_create(&evaluator, data, &options));
    options.max_detections = 3; /* fewer than the ten of AR@10 */
    OK(md_evaluator_create(&evaluator, data, &options));
    md_evaluator_free(evaluator);
    md_dataset_free(data);
    md_context_free(context);
}
END_TEST

static md_status live(md_context *context, const char *spec, const char *path, const char *more)
{
    md_dataset *data = NULL;
    md_evaluator *evaluator = NULL;
    md_report *report = NULL;
    md_status st = md_dataset_open(&data, context, spec, NULL);
    if (st == MD_OK)
        st = md_evaluator_create(&evaluator, data, NULL);
    if (st == MD_OK)
        st = md_evaluator_add_results(evaluator, path, NULL);
    if (st == MD_OK)
        st = md_evaluator_add_results(evaluator, more, NULL);
    if (st == MD_OK)
        st = md_evaluator_finish(evaluator, &report);
    if (st == MD_OK)
        st = md_report_write_results(report, temp_path("out.json"));
    md_report_free(report);
    md_evaluator_free(evaluator);
    md_dataset_free(data);
    return st;
}

START_TEST(no_failed_allocation_leaks)
{
    char spec[512];
    const char *first = results("1.json", "[" FIRST "]");
    const char *second = results("2.json", "[" SECOND "]");
    snprintf(spec, sizeof spec, "coco:%s", temp_file("truth.json", truth, sizeof truth - 1));
    for (size_t k = 0;; k++) {
        struct book book;
        md_context *context = NULL;
        md_status st = book_context(&context, &book, k);
        if (st == MD_OK)
            st = live(context, spec, first, second);
        md_context_free(context);
        ck_assert_uint_eq(atomic_load(&book.live), 0);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("api/eval_results", TEST(results_are_measured_and_written),
      TEST(unknown_results_are_the_callers_choice), TEST(options_reach_the_measurement),
      TEST(no_failed_allocation_leaks))
