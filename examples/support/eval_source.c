/* eval_source.c - where the detections of md-eval come from: a model that looks at every image, or a file. */
#include "eval_job.h"

md_status eval_open(struct eval_job *job)
{
    md_eval_options options = md_eval_options_default();
    const struct eval_arguments *a = &job->arguments;
    options.confusion_score = a->best_threshold ? -1.0f : a->threshold;
    options.max_detections = a->max_detections;
    options.strict_pycocotools = a->strict;
    options.ignore_unknown = a->ignore_unknown;
    options.iou_thresholds = a->iou_count > 0 ? a->iou : NULL;
    options.iou_threshold_count = (size_t)a->iou_count;
    return md_evaluator_create(&job->evaluator, job->dataset, &options);
}

static md_status add_image(struct eval_job *job, md_predictor *predictor, size_t index)
{
    md_image image = {0};
    md_detections *found = NULL;
    md_status status = md_dataset_image(job->dataset, index, &image);
    double start = cli_seconds();
    if (status >= 0)
        status = md_predict(predictor, &image, 1, &found);
    job->seconds_per_image += cli_seconds() - start;
    if (status >= 0)
        status = md_evaluator_add(job->evaluator, index, found);
    md_detections_free(found);
    md_image_free(&image);
    return status;
}

/* All that the configuration lets pass, whatever thresholds are stored with the weights. */
static md_status open_predictor(md_predictor **out, md_model *model)
{
    md_predict_options options = md_predict_options_default();
    double score;
    md_status status =
        md_config_get_double(md_model_config(model), "MODEL.ROI_HEADS.SCORE_THRESH_TEST", &score);
    if (status < 0)
        return status;
    options.score_threshold = (float)score;
    return md_predictor_create(out, model, &options);
}

md_status eval_from_model(struct eval_job *job)
{
    const struct eval_arguments *a = &job->arguments;
    md_predictor *predictor = NULL;
    md_status status = md_model_load(&job->model, job->context, a->weights);
    if (status >= 0)
        status = md_dataset_open(&job->dataset, job->context, a->data, job->model);
    if (status >= 0)
        status = open_predictor(&predictor, job->model);
    if (status >= 0)
        status = eval_open(job);
    size_t count = md_dataset_count(job->dataset);
    for (size_t i = 0; status >= 0 && i < count; i++)
        status = add_image(job, predictor, i);
    if (count > 0)
        job->seconds_per_image /= (double)count;
    md_predictor_free(predictor);
    return status;
}

md_status eval_from_file(struct eval_job *job)
{
    const struct eval_arguments *a = &job->arguments;
    md_status status = md_dataset_open(&job->dataset, job->context, a->data, NULL);
    if (status >= 0)
        status = eval_open(job);
    return status < 0 ? status : md_evaluator_add_results(job->evaluator, a->predictions, NULL);
}
