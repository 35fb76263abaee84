/* test_eval_curves.c - curves of a report, VOC's AP, and thresholds from a report to a predictor. */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "api/api_case.h"
#include "api/report.h"

static struct book book;
static md_context *context;
static md_dataset *data;
static md_report *report;

/* Every truth of the toy data set is found, class 0 at `scores[0]`, class 1 at `scores[1]`; half as
 * high there is a false positive of each. */
static void make_report(const double scores[2])
{
    struct eval_detection found[64];
    size_t count = 0;
    const struct dataset *dataset = data->dataset;
    ck_assert_int_eq(dataset->class_count, 2);
    for (uint32_t i = 0; i < dataset->image_count; i++)
        for (size_t k = 0; k < dataset->images[i].count; k++) {
            const struct annotation *truth = &dataset->annotations[dataset->images[i].first + k];
            struct eval_detection *out = &found[count++];
            *out = (struct eval_detection){
                .image = i, .class_id = truth->class_id, .score = scores[truth->class_id]};
            memcpy(out->box, truth->xywh, sizeof out->box);
        }
    for (int c = 0; c < 2; c++)
        found[count++] = (struct eval_detection){
            .class_id = c, .box = {-90, -90, 20, 20}, .score = scores[c] / 2};
    const md_eval_options options = md_eval_options_default();
    md_report_free(report);
    OK(report_create(&report, data, found, count, &options));
}

static void open_report(const double scores[2])
{
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&data, context, "toy:4:1", NULL));
    make_report(scores);
}

static void close_report(void)
{
    md_report_free(report);
    md_dataset_free(data);
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}

static const double usual[2] = {0.75, 0.25};

START_TEST(curves_are_read_back)
{
    md_curves *curves = NULL;
    md_counts counts;
    size_t steps = 0;
    open_report(usual);
    OK(md_curves_create(&curves, report));
    ck_assert_double_eq(md_curves_best(curves, 0), 0.75);
    ck_assert_double_eq(md_curves_best(curves, 1), 0.25);
    ck_assert_double_eq(md_curves_best(curves, MD_ALL_CLASSES), 0.25);
    ck_assert_double_eq(md_curves_best(curves, 2), -1);
    ck_assert_double_eq(md_curves_best(NULL, 0), -1);
    OK(md_curves_counts(curves, 1, 0.2, &counts));
    ck_assert_uint_eq(counts.false_positives, 0);
    ck_assert_double_eq(counts.f1, 1);
    OK(md_curves_counts(curves, MD_ALL_CLASSES, 0.3, &counts));
    ck_assert_uint_eq(counts.false_positives, 1);
    ck_assert_uint_gt(counts.false_negatives, 0);
    ck_assert_double_eq(md_curves_values(curves, MD_CURVE_PR75, 1)[100], 1);
    ck_assert_double_eq(md_curves_values(curves, MD_CURVE_RECALL, MD_ALL_CLASSES)[50], 0.5);
    ck_assert_ptr_null(md_curves_values(curves, (md_curve)5, 0));
    ck_assert_ptr_null(md_curves_values(curves, MD_CURVE_F1, -2));
    const md_curve_step *step = md_curves_steps(curves, MD_CURVE_PR75, 0, &steps);
    ck_assert_uint_eq(steps, 2);
    ck_assert_double_eq(step[0].score, 0.75);
    ck_assert_double_lt(step[1].precision, 1);
    ck_assert_ptr_null(md_curves_steps(curves, MD_CURVE_F1, 0, &steps));
    ck_assert_uint_eq(steps, 0);
    ck_assert_ptr_null(md_curves_steps(curves, MD_CURVE_PR50, MD_ALL_CLASSES, NULL));
    FAILS(MD_EINVAL, "class 2 of 2", md_curves_counts(curves, 2, 0.5, &counts));
    FAILS(MD_EINVAL, "out is NULL", md_curves_counts(curves, 0, 0.5, NULL));
    FAILS(MD_EINVAL, "report is NULL", md_curves_create(&curves, NULL));
    md_report_free(report);
    md_dataset_free(data);
    md_context_free(context); /* the curves live on, and keep what they need */
    ck_assert_double_eq(md_curves_best(curves, 0), 0.75);
    md_curves_free(curves);
    md_curves_free(NULL);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(voc_and_confusion_are_read_back)
{
    static const double ious[] = {0.5, 0.95};
    uint64_t matrix[9];
    double ap[6], shares[9];
    md_counts counts;
    open_report(usual);
    OK(md_report_voc_ap(report, MD_VOC_2012, true, ious, 2, ap));
    for (int i = 0; i < 6; i++)
        ck_assert_double_eq_tol(ap[i], 1, 1e-12); /* sums of shares of 1 */
    FAILS(MD_EINVAL, "33 IoUs", md_report_voc_ap(report, MD_VOC_2007, true, ious, 33, ap));
    FAILS(MD_EINVAL, "rule 2", md_report_voc_ap(report, (md_voc_rule)2, true, ious, 2, ap));
    OK(md_report_confusion_at(report, 0.3, matrix));
    OK(md_confusion_shares(matrix, 3, MD_SHARE_OF_TRUTH, shares));
    ck_assert_double_eq(shares[0 * 3 + 0], 1);
    ck_assert_double_eq(shares[1 * 3 + 2], 1);
    OK(md_confusion_counts(matrix, 3, 0, &counts));
    ck_assert_uint_eq(counts.true_positives, matrix[0]);
    ck_assert_uint_eq(counts.false_positives, 1);
    OK(md_confusion_counts(matrix, 3, MD_ALL_CLASSES, &counts));
    ck_assert_uint_eq(counts.false_negatives, matrix[1 * 3 + 2]);
    FAILS(MD_EINVAL, "class 2 of a matrix of 3", md_confusion_counts(matrix, 3, 2, &counts));
    FAILS(MD_EINVAL, "share 7", md_confusion_shares(matrix, 3, (md_share)7, shares));
    close_report();
}
END_TEST

START_TEST(the_matrix_takes_the_best_score_when_asked)
{
    md_evaluator *evaluator = NULL;
    md_eval_options options = md_eval_options_default();
    open_report(usual);
    ck_assert_double_eq(md_report_confusion_score(report), 0.5);
    options.confusion_score = -1.0f;
    md_report *best = NULL;
    OK(report_create(&best, data, report->detections, report->count, &options));
    ck_assert_double_eq(md_report_confusion_score(best), 0.25);
    const uint64_t *matrix = md_report_confusion(best, NULL);
    ck_assert_uint_eq(matrix[1 * 3 + 2], 0);
    ck_assert_uint_eq(matrix[2 * 3 + 0], 1); /* the false positive at 0.375 */
    md_report_free(best);
    OK(md_evaluator_create(&evaluator, data, &options));
    OK(md_evaluator_finish(evaluator, &best));
    ck_assert_double_eq(md_report_confusion_score(best), 0.5); /* nothing was found */
    ck_assert_double_eq(md_report_confusion_score(NULL), -1);
    md_report_free(best);
    md_evaluator_free(evaluator);
    close_report();
}
END_TEST

/* ---- thresholds --------------------------------------------------------------------------- */

static void toy_model(md_model **out)
{
    md_config *config = NULL;
    OK(tiny_config(&config, context));
    OK(md_config_follow_dataset(config, data));
    OK(md_model_create(out, context, config));
    md_config_free(config);
}

/* A model's file, with the best scores of the report in it. */
static const char *stored_model(const char *name)
{
    md_model *model = NULL;
    md_curves *curves = NULL;
    const char *path = temp_path("%s", name);
    toy_model(&model);
    OK(md_model_save(model, path));
    md_model_free(model);
    OK(md_curves_create(&curves, report));
    OK(md_curves_store_best(curves, path));
    md_curves_free(curves);
    return path;
}

static void check_thresholds(const char *path, double first, double second)
{
    md_model *model = NULL;
    OK(md_model_load(&model, context, path));
    ck_assert_double_eq(md_model_threshold(model, 0), first);
    ck_assert_double_eq(md_model_threshold(model, 1), second);
    ck_assert_double_eq(md_model_threshold(model, 2), -1);
    md_model_free(model);
}

START_TEST(thresholds_stay_with_the_weights)
{
    md_model *model = NULL;
    md_weights *weights = NULL;
    float bias[3];
    open_report(usual);
    const char *path = stored_model("model.safetensors");
    check_thresholds(path, 0.75, 0.25);
    OK(md_weights_open(&weights, context, path));
    ck_assert_str_eq(md_weights_metadata(weights, "format"), "mdet");
    ck_assert_ptr_nonnull(md_weights_metadata(weights, "config"));
    const char *copy = temp_path("copy.pth");
    OK(md_weights_save(weights, copy));
    md_weights_free(weights);
    check_thresholds(copy, 0.75, 0.25);
    OK(md_model_load(&model, context, path));
    OK(md_model_save(model, temp_path("again.safetensors")));
    check_thresholds(temp_path("again.safetensors"), 0.75, 0.25);
    /* other weights: the thresholds were of the old ones */
    OK(md_model_read_param(model, "roi_heads.box_predictor.cls_score.bias", bias, 3));
    OK(md_model_write_param(model, "roi_heads.box_predictor.cls_score.bias", bias, 3));
    ck_assert_double_eq(md_model_threshold(model, 0), -1);
    OK(md_model_save(model, temp_path("changed.safetensors")));
    check_thresholds(temp_path("changed.safetensors"), -1, -1);
    md_model_free(model);
    ck_assert_double_eq(md_model_threshold(NULL, 0), -1);
    close_report();
}
END_TEST

START_TEST(storing_is_refused_with_a_reason)
{
    md_curves *curves = NULL;
    md_config *config = NULL;
    md_model *model = NULL;
    open_report(usual);
    OK(md_curves_create(&curves, report));
    OK(tiny_config(&config, context));
    OK(md_model_create(&model, context, config));
    OK(md_model_save(model, temp_path("other.safetensors")));
    FAILS(MD_EMISMATCH, "has no class",
          md_curves_store_best(curves, temp_path("other.safetensors")));
    FAILS(MD_EINVAL, "path is NULL", md_curves_store_best(curves, NULL));
    ck_assert_int_lt(md_curves_store_best(curves, temp_path("absent.safetensors")), 0);
    md_curves_free(curves);
    /* nothing is right: there is no best score */
    md_report_free(report);
    const md_eval_options options = md_eval_options_default();
    OK(report_create(&report, data, NULL, 0, &options));
    OK(md_curves_create(&curves, report));
    FAILS(MD_ENOTFOUND, "no detection is right",
          md_curves_store_best(curves, temp_path("other.safetensors")));
    md_curves_free(curves);
    md_model_free(model);
    md_config_free(config);
    close_report();
}
END_TEST

/* What of `all` has at least the score of its class. */
static size_t count_passing(const md_detections *all, const double scores[2])
{
    size_t count = 0;
    for (size_t i = 0; i < md_detections_count(all); i++) {
        const md_detection *one = md_detections_get(all, i);
        count += (double)one->score >= scores[one->class_id];
    }
    return count;
}

static md_detections *predict(md_model *model, const md_image *image, float threshold)
{
    md_predictor *predictor = NULL;
    md_detections *found = NULL;
    md_predict_options options = md_predict_options_default();
    options.score_threshold = threshold;
    OK(md_predictor_create(&predictor, model, &options));
    OK(md_predict(predictor, image, 1, &found));
    md_predictor_free(predictor);
    return found;
}

/* Thresholds are the scores of two detections of the model itself, so that equality counts. */
START_TEST(predictors_use_stored_thresholds)
{
    md_model *model = NULL;
    md_image image = {0};
    double scores[2] = {-1, -1};
    open_report(usual);
    OK(md_dataset_image(data, 0, &image));
    toy_model(&model);
    md_detections *all = predict(model, &image, 0.0f);
    size_t count = md_detections_count(all);
    ck_assert_uint_gt(count, 5);
    for (size_t i = 0; i < count; i++) {
        const md_detection *one = md_detections_get(all, i);
        if (scores[one->class_id] < 0 || i < count / 2)
            scores[one->class_id] = (double)one->score;
    }
    md_model_free(model);
    make_report(scores);
    OK(md_model_load(&model, context, stored_model("model.safetensors")));
    md_detections *passed = predict(model, &image, -1.0f);
    size_t passing = count_passing(all, scores);
    ck_assert(passing > 0 && passing < count);
    ck_assert_uint_eq(md_detections_count(passed), passing);
    ck_assert_uint_eq(count_passing(passed, scores), passing);
    md_detections *given = predict(model, &image, 0.0f);
    ck_assert_uint_eq(md_detections_count(given), count);
    md_detections_free(passed);
    md_detections_free(given);
    md_detections_free(all);
    md_image_free(&image);
    md_model_free(model);
    close_report();
}
END_TEST

/* No detection reaches the thresholds, but all are measured, and then the thresholds hold again. */
START_TEST(evaluation_looks_below_stored_thresholds)
{
    static const double high[2] = {1, 1};
    md_model *model = NULL;
    md_predictor *predictor = NULL;
    md_report *own = NULL;
    md_image image = {0};
    md_detections *found = NULL;
    open_report(high);
    OK(md_model_load(&model, context, stored_model("model.safetensors")));
    OK(md_predictor_create(&predictor, model, NULL));
    OK(md_evaluate(&own, predictor, data, NULL));
    ck_assert_uint_gt(own->count, 0);
    OK(md_dataset_image(data, 0, &image));
    OK(md_predict(predictor, &image, 1, &found));
    ck_assert_uint_eq(md_detections_count(found), 0);
    md_detections_free(found);
    md_image_free(&image);
    md_report_free(own);
    md_predictor_free(predictor);
    md_model_free(model);
    close_report();
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    open_report(usual);
    const char *path = stored_model("model.safetensors");
    size_t live = atomic_load(&book.live);
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        md_curves *curves = NULL;
        double ap[3];
        uint64_t matrix[9];
        atomic_store(&book.failed, false);
        atomic_store(&book.calls, 0);
        book.fail_at = k;
        st = md_curves_create(&curves, report);
        if (st == MD_OK)
            st = md_curves_store_best(curves, path);
        if (st == MD_OK)
            st = md_report_voc_ap(report, MD_VOC_2007, true, (const double[]){0.5}, 1, ap);
        if (st == MD_OK)
            st = md_report_confusion_at(report, 0.5, matrix);
        md_curves_free(curves);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        ck_assert_uint_eq(atomic_load(&book.live), live);
    }
    book.fail_at = SIZE_MAX;
    check_thresholds(path, 0.75, 0.25);
    close_report();
}
END_TEST

/* A model with thresholds comes whole or not at all, and so does its predictor. */
START_TEST(no_failed_allocation_of_a_stored_model_leaks)
{
    open_report(usual);
    const char *path = stored_model("model.safetensors");
    size_t live = atomic_load(&book.live);
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        md_model *model = NULL;
        md_predictor *predictor = NULL;
        atomic_store(&book.failed, false);
        atomic_store(&book.calls, 0);
        book.fail_at = k;
        st = md_model_load(&model, context, path);
        if (st == MD_OK)
            st = md_predictor_create(&predictor, model, NULL);
        md_predictor_free(predictor);
        md_model_free(model);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        ck_assert_uint_eq(atomic_load(&book.live), live);
    }
    book.fail_at = SIZE_MAX;
    close_report();
}
END_TEST

SUITE("api/eval_curves", TEST(curves_are_read_back), TEST(voc_and_confusion_are_read_back),
      TEST(the_matrix_takes_the_best_score_when_asked), TEST(thresholds_stay_with_the_weights),
      TEST(storing_is_refused_with_a_reason), TEST(predictors_use_stored_thresholds),
      TEST(evaluation_looks_below_stored_thresholds), TEST(no_failed_allocation_leaks),
      SLOW(no_failed_allocation_of_a_stored_model_leaks, 120))
