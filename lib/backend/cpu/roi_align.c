/* roi_align.c - RoIAlign with threads: rois forward, channels backward.
 *
 * The samples of a cell lie on a grid and their bilinear weights are products of a weight down and
 * one across. So the mean over a cell is a sum over few pixels: each axis gives a list of pixels
 * with the sum of their weights, and neighbouring samples share pixels.
 * Backward every thread takes some channels of all rois, in order: the same bits on any number. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/simd.h"
#include "backend/cpu/threads.h"
#include "core/error.h"
#include "tensor/box_math.h"

/* The pixels of one axis that a cell sees. */
struct taps {
    int count;
    int at[2 * ROI_MAX_GRID];
    float weight[2 * ROI_MAX_GRID];
};

/* Scratch of a thread. */
struct lists {
    struct taps y, x;
};

struct job {
    const struct tensor *maps;
    const float *rois;
    const struct roi_align_params *params;
    struct lists *lists; /* one a thread */
    float *cells;        /* [cap,p,p,c]: out, or its gradient */
    int64_t rows, channels;
    int pooled;
    bool avx2;
};

/* A roi on its level. */
struct place {
    float *map; /* the image's part: [height,width,channels] */
    int64_t height, width, channels;
    struct roi_axis y, x;
};

/* false: the row belongs to no image. */
static bool place_roi(struct place *out, const struct job *job, const float roi[5])
{
    const struct roi_align_params *p = job->params;
    if (!(roi[0] >= 0 && roi[0] < (float)job->maps[0].shape.dims[0]))
        return false;
    int level = roi_level(roi + 1, p->canonical_size, p->canonical_level, p->min_level, p->levels);
    const int64_t *dims = job->maps[level].shape.dims;
    float scale = p->scales[level];
    *out = (struct place){(float *)job->maps[level].data +
                              (int64_t)roi[0] * dims[1] * dims[2] * dims[3],
                          dims[1],
                          dims[2],
                          dims[3],
                          roi_axis(roi[2], roi[4], scale, job->pooled, p->sampling_ratio),
                          roi_axis(roi[1], roi[3], scale, job->pooled, p->sampling_ratio)};
    return true;
}

static void add_tap(struct taps *taps, int64_t pixel, float weight)
{
    for (int i = taps->count - 1; i >= 0 && i >= taps->count - 2; i--) {
        if (taps->at[i] == pixel) {
            taps->weight[i] += weight;
            return;
        }
    }
    taps->at[taps->count] = (int)pixel;
    taps->weight[taps->count++] = weight;
}

static void find_taps(struct taps *taps, struct roi_axis axis, int cell, int64_t size)
{
    taps->count = 0;
    for (int sample = 0; sample < axis.grid; sample++) {
        struct bilinear_axis b = bilinear_axis(roi_axis_at(axis, cell, sample), size);
        if (!b.inside)
            continue;
        add_tap(taps, b.low, b.low_weight);
        add_tap(taps, b.high, b.high_weight);
    }
    for (int i = 0; i < taps->count; i++)
        taps->weight[i] /= (float)axis.grid;
}

/* ---- forward ------------------------------------------------------------------------------ */

enum { CHUNK = 64 }; /* channels whose sums stay in registers */

SIMD_BODY void pool_cell(float *out, const struct place *place, const struct lists *lists)
{
    int64_t channels = place->channels;
    int64_t c = 0;
    for (; c + CHUNK <= channels; c += CHUNK) {
        float sum[CHUNK] = {0};
        for (int i = 0; i < lists->y.count; i++) {
            const float *row = place->map + lists->y.at[i] * place->width * channels + c;
            for (int j = 0; j < lists->x.count; j++) {
                const float *pixel = row + lists->x.at[j] * channels;
                float weight = lists->y.weight[i] * lists->x.weight[j];
                for (int k = 0; k < CHUNK; k++)
                    sum[k] += weight * pixel[k];
            }
        }
        for (int k = 0; k < CHUNK; k++)
            out[c + k] = sum[k];
    }
    for (; c < channels; c++) {
        float sum = 0;
        for (int i = 0; i < lists->y.count; i++)
            for (int j = 0; j < lists->x.count; j++)
                sum += lists->y.weight[i] * lists->x.weight[j] *
                       place->map[(lists->y.at[i] * place->width + lists->x.at[j]) * channels + c];
        out[c] = sum;
    }
}

static void pool_cell_plain(float *out, const struct place *place, const struct lists *lists)
{
    pool_cell(out, place, lists);
}

SIMD_AVX2 static void pool_cell_avx2(float *out, const struct place *place,
                                     const struct lists *lists)
{
    pool_cell(out, place, lists);
}

static void pool_rois(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    struct lists *lists = &job->lists[thread];
    int64_t roi_floats = job->pooled * job->pooled * job->channels;
    for (int64_t r = first; r < last; r++) {
        float *out = job->cells + r * roi_floats;
        struct place place;
        if (r >= job->rows || !place_roi(&place, job, job->rois + r * 5)) {
            for (int64_t i = 0; i < roi_floats; i++)
                out[i] = 0;
            continue;
        }
        for (int i = 0; i < job->pooled; i++) {
            find_taps(&lists->y, place.y, i, place.height);
            for (int j = 0; j < job->pooled; j++, out += job->channels) {
                find_taps(&lists->x, place.x, j, place.width);
                (job->avx2 ? pool_cell_avx2 : pool_cell_plain)(out, &place, lists);
            }
        }
    }
}

static md_status begin(struct job *job, struct stream *stream, const struct tensor *maps,
                       const struct tensor *cells, const struct tensor *rois,
                       const struct tensor *rows)
{
    void *lists = NULL;
    md_status st =
        stream_scratch(stream, &lists, (size_t)stream->device->threads * sizeof *job->lists);
    int64_t cap = cells->shape.dims[0];
    int64_t count = tensor_given(rows) ? *(const int32_t *)rows->data : cap;
    job->maps = maps;
    job->rois = rois->data;
    job->lists = lists;
    job->cells = cells->data;
    job->rows = count < 0 ? 0 : count < cap ? count : cap;
    job->channels = cells->shape.dims[3];
    job->pooled = (int)cells->shape.dims[1];
    job->avx2 = simd_has_avx2();
    return st;
}

md_status cpu_roi_align_forward(struct stream *stream, struct tensor *out,
                                const struct tensor *features, const struct tensor *rois,
                                const struct tensor *rows, const struct roi_align_params *params)
{
    struct job job = {.params = params};
    md_status st = begin(&job, stream, features, out, rois, rows);
    if (st == MD_OK)
        parallel(stream->device, out->shape.dims[0], 4, pool_rois, &job);
    return st;
}

/* ---- backward ----------------------------------------------------------------------------- */

SIMD_BODY void spread_cell(const float *restrict grad, const struct place *place,
                           const struct lists *lists, int64_t first, int64_t last)
{
    for (int i = 0; i < lists->y.count; i++)
        for (int j = 0; j < lists->x.count; j++) {
            float weight = lists->y.weight[i] * lists->x.weight[j];
            float *restrict pixel =
                place->map + (lists->y.at[i] * place->width + lists->x.at[j]) * place->channels;
            for (int64_t c = first; c < last; c++)
                pixel[c] += weight * grad[c];
        }
}

static void spread_cell_plain(const float *grad, const struct place *place,
                              const struct lists *lists, int64_t first, int64_t last)
{
    spread_cell(grad, place, lists, first, last);
}

SIMD_AVX2 static void spread_cell_avx2(const float *grad, const struct place *place,
                                       const struct lists *lists, int64_t first, int64_t last)
{
    spread_cell(grad, place, lists, first, last);
}

static void spread_channels(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    struct lists *lists = &job->lists[thread];
    for (int64_t r = 0; r < job->rows; r++) {
        const float *grad = job->cells + r * job->pooled * job->pooled * job->channels;
        struct place place;
        if (!place_roi(&place, job, job->rois + r * 5))
            continue;
        for (int i = 0; i < job->pooled; i++) {
            find_taps(&lists->y, place.y, i, place.height);
            for (int j = 0; j < job->pooled; j++, grad += job->channels) {
                find_taps(&lists->x, place.x, j, place.width);
                (job->avx2 ? spread_cell_avx2 : spread_cell_plain)(grad, &place, lists, first,
                                                                   last);
            }
        }
    }
}

md_status cpu_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                 const struct tensor *out_grad, const struct tensor *rois,
                                 const struct tensor *rows, const struct roi_align_params *params)
{
    enum { LINE = 16 }; /* floats of a cache line: no two threads write to one */
    struct job job = {.params = params};
    md_status st = begin(&job, stream, feature_grads, out_grad, rois, rows);
    if (st < 0)
        return st;
    int64_t share = (job.channels + stream->device->threads - 1) / stream->device->threads;
    parallel(stream->device, job.channels, (share + LINE - 1) / LINE * LINE, spread_channels, &job);
    return MD_OK;
}
