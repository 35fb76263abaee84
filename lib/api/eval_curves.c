/* eval_curves.c - md_curves, VOC's average precision, and figures of a confusion matrix. */
#include <string.h>

#include "api/report.h"
#include "core/error.h"
#include "eval/confusion.h"
#include "eval/voc_ap.h"
#include "weights/formats.h"
#include "weights/thresholds.h"

struct md_curves {
    md_dataset *dataset; /* retained: names of the classes */
    struct curves inner;
};

/* ---- Pascal VOC --------------------------------------------------------------------------- */

md_status md_report_voc_ap(const md_report *report, md_voc_rule rule, bool rounded,
                           const double *ious, size_t iou_count, double *out)
{
    md_status st = MD_OK;
    struct voc_result result = {0};
    TRY(GIVEN(report));
    TRY(GIVEN(ious));
    TRY(GIVEN(out));
    if (rule != MD_VOC_2007 && rule != MD_VOC_2012)
        FAIL(MD_EINVAL, "md_report_voc_ap: rule %d; see md_voc_rule", (int)rule);
    if (iou_count < 1 || iou_count > VOC_MAX_THRESHOLDS)
        FAIL(MD_EINVAL, "md_report_voc_ap: %zu IoUs; give 1 to %d", iou_count, VOC_MAX_THRESHOLDS);
    const struct voc_options options = {
        .thresholds = ious, .threshold_count = (int)iou_count, .rounded = rounded};
    struct memory *memory = &report->dataset->context->memory;
    TRY(voc_evaluate(&result, memory, report->dataset->dataset, report->detections, report->count,
                     &options));
    memcpy(out, result.ap[rule], iou_count * (result.class_count + 1) * sizeof *out);
    voc_result_free(&result, memory);
fail:
    return st;
}

/* ---- counts ------------------------------------------------------------------------------- */

md_status md_report_confusion_at(const md_report *report, double score, uint64_t *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(report));
    TRY(GIVEN(out));
    TRY(confusion_matrix(out, &report->dataset->context->memory, report->dataset->dataset,
                         report->detections, report->count, score,
                         (double)report->options.confusion_iou));
fail:
    return st;
}

md_status md_confusion_shares(const uint64_t *matrix, size_t n, md_share of, double *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(matrix));
    TRY(GIVEN(out));
    if (of != MD_SHARE_OF_TRUTH && of != MD_SHARE_OF_FOUND)
        FAIL(MD_EINVAL, "md_confusion_shares: share %d; see md_share", (int)of);
    confusion_shares(out, matrix, n, of == MD_SHARE_OF_TRUTH);
fail:
    return st;
}

md_status md_confusion_counts(const uint64_t *matrix, size_t n, int class_id, md_counts *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(matrix));
    TRY(GIVEN(out));
    if (n < 1 || class_id < MD_ALL_CLASSES || (class_id >= 0 && (size_t)class_id + 1 >= n))
        FAIL(MD_EINVAL, "md_confusion_counts: class %d of a matrix of %zu rows", class_id, n);
    confusion_counts(out, matrix, n, class_id < 0 ? n - 1 : (size_t)class_id);
fail:
    return st;
}

/* ---- curves ------------------------------------------------------------------------------- */

md_status md_curves_create(md_curves **out, const md_report *report)
{
    md_status st = MD_OK;
    md_curves *curves = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(report));
    struct memory *memory = &report->dataset->context->memory;
    TRY(memory_zeroed(memory, &curves, 1, sizeof *curves));
    curves->dataset = dataset_retain(report->dataset);
    TRY(curves_create(&curves->inner, memory, report->dataset->dataset, report->detections,
                      report->count, (size_t)report->options.max_detections));
    *out = curves;
    return MD_OK;
fail:
    md_curves_free(curves);
    return st;
}

void md_curves_free(md_curves *curves)
{
    if (!curves)
        return;
    md_dataset *dataset = curves->dataset;
    curves_free(&curves->inner, &dataset->context->memory);
    memory_free(&dataset->context->memory, curves);
    dataset_release(dataset);
}

/* The index of a class, that of all behind the last one. */
static bool find_class(const md_curves *curves, int class_id, size_t *out)
{
    if (!curves || class_id < MD_ALL_CLASSES ||
        (class_id >= 0 && (size_t)class_id >= curves->inner.class_count))
        return false;
    *out = class_id < 0 ? curves->inner.class_count : (size_t)class_id;
    return true;
}

const double *md_curves_values(const md_curves *curves, md_curve curve, int class_id)
{
    size_t index = 0;
    if (!find_class(curves, class_id, &index) || (unsigned)curve > MD_CURVE_F1)
        return NULL;
    return curves_values(&curves->inner, curve, index);
}

const md_curve_step *md_curves_steps(const md_curves *curves, md_curve curve, int class_id,
                                     size_t *count)
{
    size_t index = 0;
    size_t found = 0;
    const md_curve_step *steps = NULL;
    bool interpolated = curve == MD_CURVE_PR50 || curve == MD_CURVE_PR75;
    if (class_id >= 0 && interpolated && find_class(curves, class_id, &index))
        steps = curves_steps(&curves->inner, curve == MD_CURVE_PR75, index, &found);
    if (count)
        *count = found;
    return steps;
}

md_status md_curves_counts(const md_curves *curves, int class_id, double score, md_counts *out)
{
    md_status st = MD_OK;
    size_t index = 0;
    TRY(GIVEN(curves));
    TRY(GIVEN(out));
    if (!find_class(curves, class_id, &index))
        FAIL(MD_EINVAL, "md_curves_counts: class %d of %zu", class_id, curves->inner.class_count);
    curves_count(out, &curves->inner, index, score);
fail:
    return st;
}

double md_curves_best(const md_curves *curves, int class_id)
{
    size_t index = 0;
    return find_class(curves, class_id, &index) ? curves->inner.best[index] : -1.0;
}

/* ---- thresholds --------------------------------------------------------------------------- */

/* The file must be of a model with just the classes that were measured, in whatever order. */
static md_status check_classes(const struct weights_file *file, const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct string_table classes;
    size_t index = 0;
    const char *text = weights_metadata(file, "classes");
    string_table_init(&classes, file->memory);
    if (!text)
        FAIL(MD_EMISMATCH, "%s: not changed; it has no class names, so it is no model of md-train",
             file->path);
    TRY(class_names_read(&classes, file->path, text));
    for (int c = 0; c < dataset->class_count; c++)
        if (!string_table_find(&classes, dataset->class_names[c], &index))
            FAIL(MD_EMISMATCH,
                 "%s: not changed; it has no class %s, so it is not what was measured", file->path,
                 dataset->class_names[c]);
    if (classes.count != (size_t)dataset->class_count)
        FAIL(MD_EMISMATCH, "%s: not changed; it has %zu classes, %d were measured", file->path,
             classes.count, dataset->class_count);
fail:
    string_table_free(&classes);
    return st;
}

md_status md_curves_store_best(const md_curves *curves, const char *path)
{
    md_status st = MD_OK;
    struct weights_file *file = NULL;
    struct buffer text = {0};
    TRY(GIVEN(curves));
    TRY(GIVEN(path));
    struct memory *memory = &curves->dataset->context->memory;
    const struct dataset *dataset = curves->dataset->dataset;
    const double *best = curves->inner.best;
    buffer_init(&text, memory);
    if (best[curves->inner.class_count] < 0)
        FAIL(MD_ENOTFOUND,
             "%s: not changed; no detection is right at any score, so there is no best one", path);
    TRY(thresholds_put(&text, 0.5, dataset->class_names, curves->inner.class_count, best));
    TRY(weights_open(&file, memory, path));
    TRY(weights_verify(file));
    TRY(check_classes(file, dataset));
    TRY(safetensors_store_metadata(file, THRESHOLDS_KEY, text.data));
fail:
    weights_close(file);
    buffer_free(&text);
    return st;
}
