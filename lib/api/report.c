/* report.c - md_report: the figures of an evaluation, read back one by one. */
#include "api/report.h"

#include <string.h>

#include "core/error.h"
#include "eval/curves.h"
#include "eval/results.h"

md_status eval_options_read(struct coco_options *out, const md_eval_options *options, int threads)
{
    struct coco_options read = coco_options_default();
    int most = options->max_detections;
    if (most < 1)
        return ERROR(MD_EINVAL, "md_eval_options.max_detections is %d; at least 1 is wanted", most);
    read.limits[1] = most < 10 ? most : 10;
    read.limits[2] = most;
    read.strict_ids = options->strict_pycocotools;
    read.threads = threads;
    if (options->iou_thresholds) {
        if (options->iou_threshold_count > COCO_MOST_THRESHOLDS)
            return ERROR(MD_EINVAL,
                         "md_eval_options.iou_threshold_count is %zu; at most %d are possible",
                         options->iou_threshold_count, COCO_MOST_THRESHOLDS);
        read.threshold_count = (int)options->iou_threshold_count;
        memcpy(read.thresholds, options->iou_thresholds,
               options->iou_threshold_count * sizeof *options->iou_thresholds);
    }
    md_status st = coco_options_check(&read);
    if (st == MD_OK)
        *out = read;
    return st;
}

static md_metrics metrics_of(const struct coco_metrics *from)
{
    return (md_metrics){
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
}

/* The score that was asked for, or the one that suits all classes best. */
static md_status choose_confusion_score(md_report *report)
{
    struct memory *memory = &report->dataset->context->memory;
    struct curves curves;
    report->confusion_score = (double)report->options.confusion_score;
    if (report->confusion_score >= 0)
        return MD_OK;
    md_status st = curves_create(&curves, memory, report->dataset->dataset, report->detections,
                                 report->count, (size_t)report->options.max_detections);
    if (st < 0)
        return st;
    double best = curves.best[curves.class_count];
    report->confusion_score = best >= 0 ? best : 0.5;
    curves_free(&curves, memory);
    return MD_OK;
}

static md_status measure(md_report *report)
{
    md_status st = MD_OK;
    struct memory *memory = &report->dataset->context->memory;
    const struct dataset *dataset = report->dataset->dataset;
    size_t side = (size_t)dataset->class_count + 1;
    TRY(coco_evaluate_as(&report->coco, memory, dataset, report->detections, report->count,
                         &report->coco_options));
    report->metrics = metrics_of(&report->coco.metrics);
    TRY(memory_zeroed(memory, &report->confusion, side * side, sizeof *report->confusion));
    TRY(choose_confusion_score(report));
    TRY(confusion_matrix(report->confusion, memory, dataset, report->detections, report->count,
                         report->confusion_score, (double)report->options.confusion_iou));
fail:
    return st;
}

md_status report_create(md_report **out, md_dataset *dataset,
                        const struct eval_detection *detections, size_t count,
                        const md_eval_options *options)
{
    md_status st = MD_OK;
    md_report *report = NULL;
    struct memory *memory = &dataset->context->memory;
    TRY(memory_zeroed(memory, &report, 1, sizeof *report));
    report->dataset = dataset_retain(dataset);
    report->options = *options;
    TRY(eval_options_read(&report->coco_options, options, dataset->context->device->threads));
    report->options.iou_thresholds = report->coco_options.thresholds;
    report->options.iou_threshold_count = (size_t)report->coco_options.threshold_count;
    TRY(memory_alloc(memory, &report->detections, count, sizeof *report->detections));
    if (count > 0)
        memcpy(report->detections, detections, count * sizeof *detections);
    report->count = count;
    TRY(measure(report));
    *out = report;
    return MD_OK;
fail:
    md_report_free(report);
    return st;
}

/* ---- results ------------------------------------------------------------------------------ */

const md_metrics *md_report_metrics(const md_report *report)
{
    return report ? &report->metrics : NULL;
}

static double class_value(const md_report *report, const double *values, int class_id)
{
    return class_id < 0 || class_id >= report->dataset->dataset->class_count ? -1.0
                                                                             : values[class_id];
}

double md_report_class_ap(const md_report *report, int class_id)
{
    return report ? class_value(report, report->coco.class_ap, class_id) : -1.0;
}

double md_report_class_ap50(const md_report *report, int class_id)
{
    return report ? class_value(report, report->coco.class_ap50, class_id) : -1.0;
}

const uint64_t *md_report_confusion(const md_report *report, size_t *n)
{
    if (!report)
        return NULL;
    if (n)
        *n = (size_t)report->dataset->dataset->class_count + 1;
    return report->confusion;
}

md_status md_report_write_results(const md_report *report, const char *path)
{
    md_status st = MD_OK;
    TRY(GIVEN(report));
    TRY(GIVEN(path));
    TRY(results_write(&report->dataset->context->memory, path, report->dataset->dataset,
                      report->detections, report->count));
fail:
    return st;
}

double md_report_confusion_score(const md_report *report)
{
    return report ? report->confusion_score : -1.0;
}

void md_report_free(md_report *report)
{
    if (!report)
        return;
    md_dataset *dataset = report->dataset;
    struct memory *memory = &dataset->context->memory;
    coco_result_free(&report->coco, memory);
    memory_free(memory, report->confusion);
    memory_free(memory, report->detections);
    memory_free(memory, report);
    dataset_release(dataset);
}
