/* predict.c - md_predictor: images in, detections out, in groups that are computed together. */
#include <math.h>
#include <string.h>

#include "api/predictor.h"
#include "core/error.h"
#include "core/strings.h"
#include "image/image.h"

/* ---- results ------------------------------------------------------------------------------ */

/* One block. */
struct md_detections {
    md_context *context;
    size_t count;
    md_detection items[];
};

md_status detections_create(md_detections **out, md_context *context, size_t count,
                            md_detection **items)
{
    md_detections *detections = NULL;
    md_status st = memory_alloc(&context->memory, &detections, 1,
                                sizeof *detections + count * sizeof *detections->items);
    if (st < 0)
        return st;
    detections->context = context_retain(context);
    detections->count = count;
    *items = detections->items;
    *out = detections;
    return MD_OK;
}

size_t md_detections_count(const md_detections *detections)
{
    return detections ? detections->count : 0;
}

const md_detection *md_detections_get(const md_detections *detections, size_t index)
{
    return detections && index < detections->count ? &detections->items[index] : NULL;
}

void md_detections_free(md_detections *detections)
{
    if (!detections)
        return;
    md_context *context = detections->context;
    memory_free(&context->memory, detections);
    context_release(context);
}

/* ---- options ------------------------------------------------------------------------------ */

enum { MAX_BATCH = 256, MAX_QUEUE = 1024, MAX_DETECTIONS = 100000, MAX_SIDE = 1 << 15 };

void md_predict_options_init(md_predict_options *options, size_t size)
{
    const md_predict_options defaults = {
        .score_threshold = -1.0f, .nms_threshold = -1.0f, .max_batch = 8, .queue_depth = 4};
    options_init(options, size, &defaults, sizeof defaults);
}

static md_status check_range(const char *name, int value, int least, int most)
{
    if (value >= least && value <= most)
        return MD_OK;
    return ERROR(MD_EINVAL, "md_predict_options.%s is %d; it is from %d to %d", name, value, least,
                 most);
}

static md_status check_options(const md_predict_options *options)
{
    md_status st = MD_OK;
    if (!(options->score_threshold <= 1.0f))
        FAIL(MD_EINVAL, "md_predict_options.score_threshold is %g; it is at most 1",
             (double)options->score_threshold);
    if (!(options->nms_threshold <= 1.0f))
        FAIL(MD_EINVAL, "md_predict_options.nms_threshold is %g; it is at most 1",
             (double)options->nms_threshold);
    TRY(check_range("max_detections", options->max_detections, 0, MAX_DETECTIONS));
    TRY(check_range("max_batch", options->max_batch, 1, MAX_BATCH));
    TRY(check_range("queue_depth", options->queue_depth, 1, MAX_QUEUE));
    TRY(check_range("min_side", options->min_side, 0, MAX_SIDE));
    TRY(check_range("max_side", options->max_side, 0, MAX_SIDE));
fail:
    return st;
}

static void fill_in(md_predict_options *options, const struct typed_config *config)
{
    if (options->score_threshold < 0.0f)
        options->score_threshold = config->model.roi.score_thresh_test;
    if (options->nms_threshold < 0.0f)
        options->nms_threshold = config->model.roi.nms_thresh_test;
    if (options->max_detections == 0)
        options->max_detections = config->model.detections_per_image;
    if (options->min_side == 0)
        options->min_side = config->input.min_size_test;
    if (options->max_side == 0)
        options->max_side = config->input.max_size_test;
}

/* ---- life --------------------------------------------------------------------------------- */

/* The thresholds that are stored with the weights. The network's own lies just below the least of
 * them: it drops what is at it, they what is below. */
static md_status take_thresholds(md_predictor *predictor)
{
    const md_model *model = predictor->model;
    size_t classes = (size_t)model->typed.model.roi.num_classes;
    float least = 1.0f;
    md_status st = memory_alloc(&model->context->memory, &predictor->thresholds, classes,
                                sizeof *predictor->thresholds);
    if (st < 0)
        return st;
    for (size_t i = 0; i < classes; i++) {
        predictor->thresholds[i] = model->thresholds[i];
        least = fminf(least, model->thresholds[i]);
    }
    predictor->detect.score_threshold = nextafterf(least, -1.0f);
    return MD_OK;
}

md_status md_predictor_create(md_predictor **out, md_model *model,
                              const md_predict_options *options)
{
    md_status st = MD_OK;
    md_predictor *predictor = NULL;
    md_predict_options read = md_predict_options_default();
    TRY(GIVEN(out));
    TRY(GIVEN(model));
    TRY(options_read(&read, sizeof read, options, "md_predict_options"));
    TRY(check_options(&read));
    bool stored = read.score_threshold < 0.0f && model->thresholds;
    fill_in(&read, &model->typed);
    TRY(memory_zeroed(&model->context->memory, &predictor, 1, sizeof *predictor));
    predictor->model = model_retain(model);
    predictor->options = read;
    predictor->detect = (struct detect_options){.score_threshold = read.score_threshold,
                                                .nms_threshold = read.nms_threshold,
                                                .max_detections = read.max_detections};
    if (stored)
        TRY(take_thresholds(predictor));
    TRY(lane_open(&predictor->lanes[0], predictor));
    TRY(pipeline_create(&predictor->pipeline, predictor));
    *out = predictor;
    return MD_OK;
fail:
    md_predictor_free(predictor);
    return st;
}

void md_predictor_free(md_predictor *predictor)
{
    if (!predictor)
        return;
    md_model *model = predictor->model;
    struct memory *memory = &model->context->memory;
    pipeline_free(predictor->pipeline);
    for (int i = 0; i < MAX_LANES; i++)
        lane_close(&predictor->lanes[i]);
    memory_free(memory, predictor->results);
    memory_free(memory, predictor->thresholds);
    memory_free(memory, predictor);
    model_release(model);
}

/* ---- prediction --------------------------------------------------------------------------- */

static md_status reserve_results(md_predictor *predictor, size_t count)
{
    if (count > predictor->result_capacity) {
        md_status st = memory_resize(&predictor->model->context->memory, &predictor->results, count,
                                     sizeof(md_detections *));
        if (st < 0)
            return st;
        predictor->result_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        predictor->results[i] = NULL;
    return MD_OK;
}

/* All or none. */
static md_status predict(md_predictor *predictor, const md_image *images, size_t count,
                         md_detections **out)
{
    md_status st = MD_OK;
    size_t batch = (size_t)predictor->options.max_batch;
    size_t reserved = 0;
    struct lane *lane = &predictor->lanes[0];
    lane->times = (md_predict_times){0};
    TRY(reserve_results(predictor, count));
    reserved = count;
    for (size_t first = 0; first < count; first += batch) {
        size_t group = count - first < batch ? count - first : batch;
        TRY(lane_run(lane, images + first, group, predictor->results + first));
    }
    if (count > 0)
        memcpy(out, predictor->results, count * sizeof *out);
    return MD_OK;
fail:
    for (size_t i = 0; i < reserved; i++)
        md_detections_free(predictor->results[i]);
    return st;
}

md_status md_predict(md_predictor *predictor, const md_image *images, size_t count,
                     md_detections **out)
{
    md_status st = MD_OK;
    TRY(GIVEN(predictor));
    if (count > 0) {
        TRY(GIVEN(images));
        TRY(GIVEN(out));
    }
    for (size_t i = 0; i < count; i++)
        TRY(image_check(&images[i], "md_predict"));
    if (pipeline_busy(predictor->pipeline))
        FAIL(MD_EINVAL, "md_predict: the pipeline is not drained; receive until MD_END first");
    TRY(predict(predictor, images, count, out));
fail:
    return st;
}

md_status md_predict_file(md_predictor *predictor, const char *path, md_detections **out)
{
    md_status st = MD_OK;
    md_image image = {0};
    TRY(GIVEN(predictor));
    TRY(GIVEN(path));
    TRY(GIVEN(out));
    TRY(image_load(&image, &predictor->model->context->memory, path));
    TRY(md_predict(predictor, &image, 1, out));
fail:
    image_release(&image);
    return st;
}

md_status md_predictor_times(const md_predictor *predictor, md_predict_times *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(predictor));
    TRY(GIVEN(out));
    *out = predictor->lanes[0].times;
fail:
    return st;
}
