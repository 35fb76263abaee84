/* eval.c - md_evaluator: gathers detections and measures them against a data set's truth. */
#include "eval/coco_ap.h"

#include <string.h>

#include "api/predictor.h"
#include "api/report.h"
#include "core/error.h"
#include "data/builder.h"
#include "eval/coco_match.h"
#include "eval/results.h"

struct md_evaluator {
    md_dataset *dataset;
    md_eval_options options;
    struct coco_options coco; /* holds the list that `options` point to */
    struct eval_detection *detections;
    size_t count, capacity;
    bool *added; /* [images of the data set] */
};

/* ---- evaluator ---------------------------------------------------------------------------- */

void md_eval_options_init(md_eval_options *options, size_t size)
{
    const md_eval_options defaults = {
        .confusion_score = 0.5f, .confusion_iou = 0.5f, .max_detections = COCO_MAX_DETECTIONS};
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
    struct coco_options coco;
    TRY(GIVEN(out));
    TRY(GIVEN(dataset));
    TRY(options_read(&read, sizeof read, options, "md_eval_options"));
    if (!(read.confusion_score < 0.0f))
        TRY(check_fraction("confusion_score", read.confusion_score));
    TRY(check_fraction("confusion_iou", read.confusion_iou));
    TRY(eval_options_read(&coco, &read, 1));
    TRY(memory_zeroed(&dataset->context->memory, &evaluator, 1, sizeof *evaluator));
    evaluator->coco = coco;
    evaluator->dataset = dataset_retain(dataset);
    evaluator->options = read;
    evaluator->options.iou_thresholds = evaluator->coco.thresholds;
    evaluator->options.iou_threshold_count = (size_t)coco.threshold_count;
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

/* As Detectron2 writes results: width and height are differences in float. */
static void detection_box(double out[4], const md_box *box)
{
    out[0] = (double)box->x0;
    out[1] = (double)box->y0;
    out[2] = (double)(box->x1 - box->x0);
    out[3] = (double)(box->y1 - box->y0);
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
                                    .score = (double)from->score};
        detection_box(evaluator->detections[evaluator->count + i].box, &from->box);
    }
    evaluator->count += added; /* all of an image, or none */
    evaluator->added[image_index] = true;
fail:
    return st;
}

/* Takes the array over when nothing was added before. */
static md_status take_results(md_evaluator *evaluator, struct results *results)
{
    size_t count = evaluator->count + results->count;
    if (evaluator->count == 0) {
        memory_free(results->memory, evaluator->detections);
        evaluator->detections = results->detections;
        evaluator->capacity = results->capacity;
        evaluator->count = count;
        results->detections = NULL;
        return MD_OK;
    }
    md_status st = memory_resize(results->memory, &evaluator->detections, count,
                                 sizeof *evaluator->detections);
    if (st < 0)
        return st;
    if (results->count > 0)
        memcpy(evaluator->detections + evaluator->count, results->detections,
               results->count * sizeof *results->detections);
    evaluator->count = evaluator->capacity = count;
    return MD_OK;
}

static md_status check_images(const md_evaluator *evaluator, const struct results *results,
                              const char *path)
{
    for (size_t i = 0; i < results->count; i++) {
        uint32_t image = results->detections[i].image;
        if (evaluator->added[image])
            return ERROR(MD_EINVAL,
                         "%s: it has results of \"%s\", to which detections were added before",
                         path, md_dataset_image_name(evaluator->dataset, image));
    }
    return MD_OK;
}

md_status md_evaluator_add_results(md_evaluator *evaluator, const char *path, md_results_info *info)
{
    md_status st = MD_OK;
    struct results results = {0};
    TRY(GIVEN(evaluator));
    TRY(GIVEN(path));
    md_context *context = evaluator->dataset->context;
    const struct results_source source = {.name = path,
                                          .dataset = evaluator->dataset->dataset,
                                          .log = &context->log,
                                          .ignore_unknown = evaluator->options.ignore_unknown};
    TRY(results_read_file(&results, &context->memory, &source));
    TRY(check_images(evaluator, &results, path));
    size_t first = evaluator->count;
    TRY(take_results(evaluator, &results));
    for (size_t i = first; i < evaluator->count; i++)
        evaluator->added[evaluator->detections[i].image] = true;
    if (info)
        *info = (md_results_info){.read = results.read,
                                  .added = results.count,
                                  .unknown_images = results.images.count,
                                  .unknown_classes = results.classes.count};
fail:
    results_free(&results);
    return st;
}

/* ---- the whole ---------------------------------------------------------------------------- */

md_status md_evaluator_finish(md_evaluator *evaluator, md_report **out)
{
    md_status st = MD_OK;
    TRY(GIVEN(evaluator));
    TRY(GIVEN(out));
    if (evaluator->count == 0)
        log_write(&evaluator->dataset->context->log, MD_LOG_WARN,
                  "no detections at all: average precision and recall are not defined");
    TRY(report_create(out, evaluator->dataset, evaluator->detections, evaluator->count,
                      &evaluator->options));
fail:
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
    /* Stored thresholds are for use; what is measured is all that is found. */
    float *thresholds = predictor->thresholds;
    const struct detect_options detect = predictor->detect;
    predictor->thresholds = NULL;
    predictor->detect.score_threshold = predictor->options.score_threshold;
    st = predict_all(evaluator, predictor);
    predictor->thresholds = thresholds;
    predictor->detect = detect;
    TRY(st);
    TRY(md_evaluator_finish(evaluator, out));
fail:
    md_evaluator_free(evaluator);
    return st;
}
