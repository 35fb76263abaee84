/* roi_align.cuh - where a roi lies on the pyramid: RoIAlign and its gradient agree on it. */
#ifndef KERNELS_ROI_ALIGN_CUH
#define KERNELS_ROI_ALIGN_CUH

#include "boxes.cuh"

struct placed_roi {
    int      level, height, width;
    int64_t  first; /* element of the level's map where the image begins */
    struct roi_axis x, y;
};

/* False: it is of no image, or beyond the count. */
static __device__ bool place_roi(struct placed_roi *out, const struct launch_roi_align &a, int64_t row)
{
    const int64_t rows = a.rows ? clamp_count(*a.rows, a.capacity) : a.capacity;
    const float *from = a.rois + 5 * row;
    if (row >= rows || !(from[0] >= 0 && from[0] < (float)a.images))
        return false;
    const float box[4] = {from[1], from[2], from[3], from[4]};
    const int level = roi_level(box, a.canonical_size, a.canonical_level, a.min_level, a.levels);
    const float scale = a.scale[level];
    out->level = level;
    out->height = a.height[level];
    out->width = a.width[level];
    out->first = (int64_t)from[0] * out->height * out->width * a.channels;
    out->x = roi_axis(box[0], box[2], scale, a.pooled, a.sampling_ratio);
    out->y = roi_axis(box[1], box[3], scale, a.pooled, a.sampling_ratio);
    return true;
}

#endif
