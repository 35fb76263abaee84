/* eval.c - md_evaluator and md_report: detections against a data set's truth. */
#include "eval/coco_ap.h"

#include <string.h>

#include "api/internal.h"
#include "core/error.h"
#include "data/builder.h"

struct md_evaluator {
    md_dataset *dataset;
    md_eval_options options;
    struct eval_detection *detections;
    size_t count, capacity;
    bool *added; /* [images of the data set] */
};

/* One block. */
struct md_report {
    md_context *context;
    md_metrics metrics;
    size_t classes;
    double *class_ap, *class_ap50; /* [classes] */
    uint64_t *confusion;           /* [classes + 1, classes + 1] */
    uint64_t numbers[];            /* where the three lie */
};

/* ---- evaluator ---------------------------------------------------------------------------- */

void md_eval_options_init(md_eval_options *options, size_t size)
{
    const md_eval_options defaults = {.confusion_score = 0.5f, .confusion_iou = 0.5f};
    options_init(options, size, &defaults, sizeof defaults);
}

static md_status check_fraction(const char *name, float value)
{
    if (value >= 0.0f && value <= 1.0f)
        return MD_OK;
    return ERROR(MD_EINVAL, "md_eval_options.%s is %g; it is from 0 to 1", name, (double)value);
}

md_status md_evaluator_create(md_evaluator **out, md_dataset *dataset,
                              const md_eval_options *options)
{
    md_status st = MD_OK;
    md_evaluator *evaluator = NULL;
    md_eval_options read = md_eval_options_default();
    TRY(GIVEN(out));
    TRY(GIVEN(dataset));
    TRY(options_read(&read, sizeof read, options, "md_eval_options"));
    TRY(check_fraction("confusion_score", read.confusion_score));
    TRY(check_fraction("confusion_iou", read.confusion_iou));
    TRY(memory_zeroed(&dataset->context->memory, &evaluator, 1, sizeof *evaluator));
    evaluator->dataset = dataset_retain(dataset);
    evaluator->options = read;
    TRY(memory_zeroed(&dataset->context->memory, &evaluator->added, md_dataset_count(dataset),
                      sizeof *evaluator->added));
    *out = evaluator;
    return MD_OK;
fail:
    md_evaluator_free(evaluator);
    return st;
}

void md_evaluator_free(md_evaluator *evaluator)
{
    if (!evaluator)
        return;
    md_dataset *dataset = evaluator->dataset;
    struct memory *memory = &dataset->context->memory;
    memory_free(memory, evaluator->detections);
    memory_free(memory, evaluator->added);
    memory_free(memory, evaluator);
    dataset_release(dataset);
}

static md_status check_detection(const md_evaluator *evaluator, const md_detection *detection)
{
    int classes = md_dataset_class_count(evaluator->dataset);
    if (detection->class_id < 0 || detection->class_id >= classes)
        return ERROR(MD_EMISMATCH,
                     "md_evaluator_add: a detection of class %d, but the data set has "
                     "%d classes",
                     detection->class_id, classes);
    return MD_OK;
}

md_status md_evaluator_add(md_evaluator *evaluator, size_t image_index,
                           const md_detections *detections)
{
    md_status st = MD_OK;
    size_t added = md_detections_count(detections);
    TRY(GIVEN(evaluator));
    TRY(GIVEN(detections));
    if (image_index >= md_dataset_count(evaluator->dataset))
        FAIL(MD_EINVAL, "md_evaluator_add: image_index is %zu, there are %zu images", image_index,
             md_dataset_count(evaluator->dataset));
    if (evaluator->added[image_index])
        FAIL(MD_EINVAL, "md_evaluator_add: image %zu was added before", image_index);
    for (size_t i = 0; i < added; i++) {
        const md_detection *from = md_detections_get(detections, i);
        TRY(check_detection(evaluator, from));
        TRY(grow_array(&evaluator->dataset->context->memory, &evaluator->detections,
                       evaluator->count + i, &evaluator->capacity, sizeof *evaluator->detections));
        evaluator->detections[evaluator->count + i] =
            (struct eval_detection){.image = (uint32_t)image_index,
                                    .class_id = from->class_id,
                                    .box = {from->box.x0, from->box.y0, from->box.x1, from->box.y1},
                                    .score = from->score};
    }
    evaluator->count += added; /* all of an image, or none */
    evaluator->added[image_index] = true;
fail:
    return st;
}

/* ---- report ------------------------------------------------------------------------------- */

static md_status report_alloc(md_report **out, md_context *context, size_t classes)
{
    md_report *report = NULL;
    size_t numbers = 2 * classes + (classes + 1) * (classes + 1);
    md_status st = memory_zeroed(&context->memory, &report, 1,
                                 sizeof *report + numbers * sizeof *report->numbers);
    if (st < 0)
        return st;
    report->context = context_retain(context);
    report->classes = classes;
    report->class_ap = (double *)(void *)report->numbers;
    report->class_ap50 = report->class_ap + classes;
    report->confusion = report->numbers + 2 * classes;
    *out = report;
    return MD_OK;
}

static void copy_metrics(md_report *report, const struct coco_result *result)
{
    const struct coco_metrics *from = &result->metrics;
    report->metrics = (md_metrics){
        .ap = from->ap,
        .ap50 = from->ap50,
        .ap75 = from->ap75,
        .ap_small = from->ap_small,
        .ap_medium = from->ap_medium,
        .ap_large = from->ap_large,
        .ar1 = from->ar1,
        .ar10 = from->ar10,
        .ar100 = from->ar100,
        .ar_small = from->ar_small,
        .ar_medium = from->ar_medium,
        .ar_large = from->ar_large,
    };
    if (report->classes == 0)
        return;
    memcpy(report->class_ap, result->class_ap, report->classes * sizeof *report->class_ap);
    memcpy(report->class_ap50, result->class_ap50, report->classes * sizeof *report->class_ap50);
}

md_status md_evaluator_finish(md_evaluator *evaluator, md_report **out)
{
    md_status st = MD_OK;
    md_report *report = NULL;
    struct coco_result result = {0};
    TRY(GIVEN(evaluator));
    TRY(GIVEN(out));
    md_context *context = evaluator->dataset->context;
    const struct dataset *dataset = evaluator->dataset->dataset;
    TRY(report_alloc(&report, context, (size_t)dataset->class_count));
    TRY(coco_evaluate(&result, &context->memory, dataset, evaluator->detections, evaluator->count));
    copy_metrics(report, &result);
    coco_result_free(&result, &context->memory);
    TRY(confusion_matrix(report->confusion, &context->memory, dataset, evaluator->detections,
                         evaluator->count, evaluator->options.confusion_score,
                         evaluator->options.confusion_iou));
    *out = report;
    return MD_OK;
fail:
    md_report_free(report);
    return st;
}

static md_status predict_all(md_evaluator *evaluator, md_predictor *predictor)
{
    md_status st = MD_OK;
    md_image image = {0};
    md_detections *found = NULL;
    for (size_t i = 0; i < md_dataset_count(evaluator->dataset); i++) {
        TRY(md_dataset_image(evaluator->dataset, i, &image));
        TRY(md_predict(predictor, &image, 1, &found));
        TRY(md_evaluator_add(evaluator, i, found));
        md_detections_free(found);
        found = NULL;
        md_image_free(&image);
    }
fail:
    md_detections_free(found);
    md_image_free(&image);
    return st;
}

md_status md_evaluate(md_report **out, md_predictor *predictor, md_dataset *dataset,
                      const md_eval_options *options)
{
    md_status st = MD_OK;
    md_evaluator *evaluator = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(predictor));
    TRY(GIVEN(dataset));
    TRY(md_evaluator_create(&evaluator, dataset, options));
    TRY(predict_all(evaluator, predictor));
    TRY(md_evaluator_finish(evaluator, out));
fail:
    md_evaluator_free(evaluator);
    return st;
}

/* ---- results ------------------------------------------------------------------------------ */

const md_metrics *md_report_metrics(const md_report *report)
{
    return report ? &report->metrics : NULL;
}

static double class_value(const md_report *report, const double *values, int class_id)
{
    return class_id < 0 || (size_t)class_id >= report->classes ? -1.0 : values[class_id];
}

double md_report_class_ap(const md_report *report, int class_id)
{
    return report ? class_value(report, report->class_ap, class_id) : -1.0;
}

double md_report_class_ap50(const md_report *report, int class_id)
{
    return report ? class_value(report, report->class_ap50, class_id) : -1.0;
}

const uint64_t *md_report_confusion(const md_report *report, size_t *n)
{
    if (!report)
        return NULL;
    if (n)
        *n = report->classes + 1;
    return report->confusion;
}

void md_report_free(md_report *report)
{
    if (!report)
        return;
    md_context *context = report->context;
    memory_free(&context->memory, report);
    context_release(context);
}
