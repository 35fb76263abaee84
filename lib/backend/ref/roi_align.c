/* roi_align.c - RoIAlign over the levels of a feature pyramid, and its gradient. */
#include <string.h>

#include "backend/ref/common.h"
#include "core/error.h"
#include "tensor/box_math.h"

/* Where a roi lies: its image on its level. */
struct placed_roi {
    int level;
    int64_t first; /* element of the level's map where the image begins */
    int64_t height, width, channels;
    struct roi_axis x, y;
};

/* false: the row belongs to no image. */
static bool place_roi(struct placed_roi *out, const struct tensor *maps, const float roi[5],
                      int pooled, const struct roi_align_params *params)
{
    if (!(roi[0] >= 0 && roi[0] < (float)maps[0].shape.dims[0]))
        return false;
    out->level = roi_level(roi + 1, params->canonical_size, params->canonical_level,
                           params->min_level, params->levels);
    const int64_t *dims = maps[out->level].shape.dims;
    const float scale = params->scales[out->level];
    out->height = dims[1];
    out->width = dims[2];
    out->channels = dims[3];
    out->first = (int64_t)roi[0] * dims[1] * dims[2] * dims[3];
    out->x = roi_axis(roi[1], roi[3], scale, pooled, params->sampling_ratio);
    out->y = roi_axis(roi[2], roi[4], scale, pooled, params->sampling_ratio);
    return true;
}

/* One of the four pixels around a sample. */
struct corner {
    int64_t at; /* element of its first channel */
    float weight;
};

/* false: the sample lies outside. */
static bool sample_corners(struct corner corners[4], const struct placed_roi *roi, int i, int j,
                           int sample_y, int sample_x)
{
    const struct bilinear_axis y = bilinear_axis(roi_axis_at(roi->y, i, sample_y), roi->height);
    const struct bilinear_axis x = bilinear_axis(roi_axis_at(roi->x, j, sample_x), roi->width);
    if (!y.inside || !x.inside)
        return false;
    const int64_t rows[2] = {y.low, y.high}, columns[2] = {x.low, x.high};
    const float row_weights[2] = {y.low_weight, y.high_weight};
    const float column_weights[2] = {x.low_weight, x.high_weight};
    for (int corner = 0; corner < 4; corner++) {
        const int64_t pixel = rows[corner / 2] * roi->width + columns[corner % 2];
        corners[corner].at = roi->first + pixel * roi->channels;
        corners[corner].weight = row_weights[corner / 2] * column_weights[corner % 2];
    }
    return true;
}

static double samples_in_cell(const struct placed_roi *roi)
{
    const int samples = roi->y.grid * roi->x.grid;
    return samples > 0 ? samples : 1;
}

/* sum[c] = the mean of the samples of cell (i, j). */
static void pool_cell(double *sum, const float *map, const struct placed_roi *roi, int i, int j)
{
    memset(sum, 0, (size_t)roi->channels * sizeof *sum);
    for (int sy = 0; sy < roi->y.grid; sy++) {
        for (int sx = 0; sx < roi->x.grid; sx++) {
            struct corner corners[4];
            if (!sample_corners(corners, roi, i, j, sy, sx))
                continue;
            for (int corner = 0; corner < 4; corner++)
                for (int64_t c = 0; c < roi->channels; c++)
                    sum[c] += (double)corners[corner].weight * (double)map[corners[corner].at + c];
        }
    }
    for (int64_t c = 0; c < roi->channels; c++)
        sum[c] /= samples_in_cell(roi);
}

md_status ref_roi_align_forward(struct stream *stream, struct tensor *out,
                                const struct tensor *features, const struct tensor *rois,
                                const struct tensor *rows, const struct roi_align_params *params)
{
    md_status st = MD_OK;
    const int pooled = (int)out->shape.dims[1];
    const int64_t channels = out->shape.dims[3], cap = out->shape.dims[0];
    const int64_t computed = row_count(rows, cap);
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)channels * sizeof(double)));
    double *sum = scratch; /* [channels] */
    for (int64_t row = 0; row < cap; row++) {
        struct placed_roi roi;
        const bool placed =
            row < computed && place_roi(&roi, features, f32(rois) + 5 * row, pooled, params);
        for (int cell = 0; cell < pooled * pooled; cell++) {
            float *to = f32(out) + (row * pooled * pooled + cell) * channels;
            if (placed)
                pool_cell(sum, f32(&features[roi.level]), &roi, cell / pooled, cell % pooled);
            for (int64_t c = 0; c < channels; c++)
                to[c] = placed ? (float)sum[c] : 0;
        }
    }
fail:
    return st;
}

/* Gives every sample of cell (i, j) its share of the cell's gradient. */
static void spread_cell(float *map_grad, const float *out_grad, const struct placed_roi *roi, int i,
                        int j)
{
    const double share = 1 / samples_in_cell(roi);
    for (int sy = 0; sy < roi->y.grid; sy++) {
        for (int sx = 0; sx < roi->x.grid; sx++) {
            struct corner corners[4];
            if (!sample_corners(corners, roi, i, j, sy, sx))
                continue;
            for (int corner = 0; corner < 4; corner++) {
                const double weight = (double)corners[corner].weight * share;
                float *to = map_grad + corners[corner].at;
                for (int64_t c = 0; c < roi->channels; c++)
                    to[c] = (float)((double)to[c] + weight * (double)out_grad[c]);
            }
        }
    }
}

md_status ref_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                 const struct tensor *out_grad, const struct tensor *rois,
                                 const struct tensor *rows, const struct roi_align_params *params)
{
    (void)stream;
    const int pooled = (int)out_grad->shape.dims[1];
    const int64_t channels = out_grad->shape.dims[3];
    const int64_t computed = row_count(rows, out_grad->shape.dims[0]);
    for (int64_t row = 0; row < computed; row++) {
        struct placed_roi roi;
        if (!place_roi(&roi, feature_grads, f32(rois) + 5 * row, pooled, params))
            continue;
        for (int cell = 0; cell < pooled * pooled; cell++)
            spread_cell(f32(&feature_grads[roi.level]),
                        f32(out_grad) + (row * pooled * pooled + cell) * channels, &roi,
                        cell / pooled, cell % pooled);
    }
    return MD_OK;
}
