/* lane.c - one stream of inference of a predictor: a session and the memory of one group of images. */
#include <string.h>

#include "api/predictor.h"
#include "core/error.h"
#include "core/strings.h"
#include "image/image.h"
#include "image/resize.h"

/* ---- life --------------------------------------------------------------------------------- */

md_status lane_open(struct lane *lane, md_predictor *predictor)
{
    md_status st = MD_OK;
    struct memory *memory = &predictor->model->context->memory;
    size_t batch = (size_t)predictor->options.max_batch;
    size_t most = (size_t)predictor->options.max_detections;
    lane->predictor = predictor;
    TRY(memory_zeroed(memory, &lane->inputs, batch, sizeof *lane->inputs));
    TRY(memory_zeroed(memory, &lane->counts, batch, sizeof *lane->counts));
    TRY(memory_alloc(memory, &lane->found, batch * most, sizeof *lane->found));
    TRY(session_create(&lane->session, predictor->model->detector,
                       predictor->model->typed.input.bgr));
    return MD_OK;
fail:
    lane_close(lane);
    return st;
}

void lane_close(struct lane *lane)
{
    if (!lane->predictor)
        return;
    struct memory *memory = &lane->predictor->model->context->memory;
    session_free(lane->session);
    memory_free(memory, lane->inputs);
    memory_free(memory, lane->counts);
    memory_free(memory, lane->found);
    memory_free(memory, lane->pixels);
    *lane = (struct lane){0};
}

/* ---- input -------------------------------------------------------------------------------- */

static size_t rgb_bytes(const md_image *image)
{
    return (size_t)image->width * (size_t)image->height * 3;
}

static bool is_packed_rgb(const md_image *image)
{
    return image->format == MD_RGB8 && image->stride == (ptrdiff_t)image->width * 3;
}

static md_status reserve_pixels(struct lane *lane, const md_image *images, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_packed_rgb(&images[i]))
            bytes += rgb_bytes(&images[i]);
    if (bytes <= lane->pixel_bytes)
        return MD_OK;
    struct memory *memory = &lane->predictor->model->context->memory;
    memory_free(memory, lane->pixels);
    lane->pixels = NULL;
    lane->pixel_bytes = 0;
    md_status st = memory_alloc(memory, &lane->pixels, bytes, 1);
    if (st == MD_OK)
        lane->pixel_bytes = bytes;
    return st;
}

/* The session wants RGB8 without gaps: other images are copied into the lane's buffer. */
static md_status prepare_inputs(struct lane *lane, const md_image *images, size_t count)
{
    md_status st = reserve_pixels(lane, images, count);
    uint8_t *copy = lane->pixels;
    for (size_t i = 0; i < count && st >= 0; i++) {
        const md_image *image = &images[i];
        struct session_image *input = &lane->inputs[i];
        *input = (struct session_image){
            .pixels = image->data, .width = image->width, .height = image->height};
        resize_shortest_edge(&input->network_height, &input->network_width, image->height,
                             image->width, lane->predictor->options.min_side,
                             lane->predictor->options.max_side);
        if (is_packed_rgb(image))
            continue;
        input->pixels = copy;
        for (int y = 0; y < image->height; y++, copy += (size_t)image->width * 3)
            image_convert_row(copy, MD_RGB8, image->data + y * image->stride, image->format,
                              image->width);
    }
    return st;
}

/* ---- prediction --------------------------------------------------------------------------- */

/* Drops what its class does not let pass; returns how many are left, in order. */
static size_t keep_by_class(struct session_detection *found, size_t count, const float *thresholds)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (found[i].score >= thresholds[found[i].class_id])
            found[kept++] = found[i];
    return kept;
}

static md_status make_result(struct lane *lane, size_t index, md_detections **out)
{
    const md_predictor *predictor = lane->predictor;
    md_detection *items = NULL;
    size_t count = (size_t)lane->counts[index];
    struct session_detection *found =
        lane->found + index * (size_t)predictor->options.max_detections;
    if (predictor->thresholds)
        count = keep_by_class(found, count, predictor->thresholds);
    md_status st = detections_create(out, predictor->model->context, count, &items);
    for (size_t i = 0; i < count && st >= 0; i++) {
        const float *box = found[i].box;
        items[i] =
            (md_detection){{box[0], box[1], box[2], box[3]}, found[i].score, found[i].class_id};
    }
    return st;
}

md_status lane_run(struct lane *lane, const md_image *images, size_t count, md_detections **out)
{
    md_status st = MD_OK;
    double start = clock_seconds();
    TRY(prepare_inputs(lane, images, count));
    double prepared = clock_seconds();
    TRY(session_detect(lane->session, lane->found, lane->counts, lane->inputs, (int)count,
                       &lane->predictor->detect));
    double detected = clock_seconds();
    for (size_t i = 0; i < count; i++)
        TRY(make_result(lane, i, &out[i]));
    const struct session_times *times = session_times(lane->session);
    lane->times.preprocess += prepared - start + times->preprocess;
    lane->times.network += times->network;
    lane->times.postprocess += times->postprocess + clock_seconds() - detected;
fail:
    return st;
}
