/* box_math.h - the scalar rules about boxes that every backend must compute alike.
 *
 * Which boxes survive, match or change level is decided by comparing float32 numbers. So these are
 * float32 operations in a fixed order, without contraction; the devices agree bit for bit wherever
 * expf, logf and log2f do. The backends of the host include this file, and so do the CUDA kernels,
 * compiled without contraction and with IEEE division (kernels/boxes.cuh). */
#ifndef TENSOR_BOX_MATH_H
#define TENSOR_BOX_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef BOX_FUNCTION
#define BOX_FUNCTION static inline
#endif

#define BOX_MAX_LOG_SCALE                                                                          \
    4.135166556742356f /* ln(1000/16): decoded sides grow 62.5 times at most */

/* The anchor of a cell at place (x, y) of a map. */
BOX_FUNCTION void box_anchor(float anchor[4], const float cell[4], float stride, float offset, int x,
                              int y)
{
    const float shift_x = (offset + (float)x) * stride, shift_y = (offset + (float)y) * stride;
    anchor[0] = cell[0] + shift_x;
    anchor[1] = cell[1] + shift_y;
    anchor[2] = cell[2] + shift_x;
    anchor[3] = cell[3] + shift_y;
}

BOX_FUNCTION float box_area(const float b[4])
{
    return (b[2] - b[0]) * (b[3] - b[1]);
}

/* A negative overlap counts as 0; NaN does too. */
BOX_FUNCTION float box_intersection(const float a[4], const float b[4])
{
    float width = (a[2] < b[2] ? a[2] : b[2]) - (a[0] > b[0] ? a[0] : b[0]);
    float height = (a[3] < b[3] ? a[3] : b[3]) - (a[1] > b[1] ? a[1] : b[1]);
    return (width > 0 ? width : 0) * (height > 0 ? height : 0);
}

/* As torchvision's NMS: 0/0 is NaN, which is above no threshold. */
BOX_FUNCTION float box_iou_nms(const float a[4], const float b[4])
{
    float intersection = box_intersection(a, b);
    return intersection / (box_area(a) + box_area(b) - intersection);
}

/* As Detectron2's pairwise_iou: 0 without intersection. */
BOX_FUNCTION float box_iou_match(const float a[4], const float b[4])
{
    float intersection = box_intersection(a, b);
    return intersection > 0 ? intersection / (box_area(a) + box_area(b) - intersection) : 0;
}

/* The deltas that move `source` onto `target`. */
BOX_FUNCTION void box_encode(float deltas[4], const float source[4], const float target[4],
                              const float weights[4])
{
    float width = source[2] - source[0], height = source[3] - source[1];
    float target_width = target[2] - target[0], target_height = target[3] - target[1];
    float x = source[0] + 0.5f * width, y = source[1] + 0.5f * height;
    float target_x = target[0] + 0.5f * target_width, target_y = target[1] + 0.5f * target_height;
    deltas[0] = weights[0] * (target_x - x) / width;
    deltas[1] = weights[1] * (target_y - y) / height;
    deltas[2] = weights[2] * logf(target_width / width);
    deltas[3] = weights[3] * logf(target_height / height);
}

/* `source` moved by deltas; NaN stays NaN. */
BOX_FUNCTION void box_decode(float box[4], const float source[4], const float deltas[4],
                              const float weights[4])
{
    float width = source[2] - source[0], height = source[3] - source[1];
    float x = source[0] + 0.5f * width, y = source[1] + 0.5f * height;
    float dw = deltas[2] / weights[2], dh = deltas[3] / weights[3];
    dw = dw > BOX_MAX_LOG_SCALE ? BOX_MAX_LOG_SCALE : dw;
    dh = dh > BOX_MAX_LOG_SCALE ? BOX_MAX_LOG_SCALE : dh;
    float new_x = deltas[0] / weights[0] * width + x, new_y = deltas[1] / weights[1] * height + y;
    float new_width = expf(dw) * width, new_height = expf(dh) * height;
    box[0] = new_x - 0.5f * new_width;
    box[1] = new_y - 0.5f * new_height;
    box[2] = new_x + 0.5f * new_width;
    box[3] = new_y + 0.5f * new_height;
}

BOX_FUNCTION bool box_is_finite(const float box[4])
{
    return isfinite(box[0]) && isfinite(box[1]) && isfinite(box[2]) && isfinite(box[3]);
}

BOX_FUNCTION float box_clamp(float value, float limit)
{
    return value < 0 ? 0 : value > limit ? limit : value;
}

/* size: height, width */
BOX_FUNCTION void box_clip(float box[4], const int32_t size[2])
{
    box[0] = box_clamp(box[0], (float)size[1]);
    box[1] = box_clamp(box[1], (float)size[0]);
    box[2] = box_clamp(box[2], (float)size[1]);
    box[3] = box_clamp(box[3], (float)size[0]);
}

/* Whether an entry (a, at i) comes before (b, at j): larger value first, then lower index; NaN
 * ranks below everything. A total order. */
BOX_FUNCTION bool score_before(float a, int64_t i, float b, int64_t j)
{
    if (isnan(a) || isnan(b))
        return isnan(a) == isnan(b) ? i < j : isnan(b);
    return a > b || (!(b > a) && i < j);
}

/* ---- RoIAlign ----------------------------------------------------------------------------- */

/* Index of the level that pools `box`: floor(canonical_level + log2(sqrt(area) / canonical_size)),
 * clamped. The sum is rounded to float32 before the floor, which lifts a side of 111.99999 to 112. */
BOX_FUNCTION int roi_level(const float box[4], float canonical_size, int canonical_level,
                            int min_level, int levels)
{
    float size = sqrtf(box_area(box));
    float level = floorf((float)canonical_level + log2f(size / canonical_size + 1e-8f));
    float last = (float)(min_level + levels - 1);
    if (!(level > (float)min_level)) /* also NaN, of an inverted box */
        return 0;
    return (int)(level < last ? level : last) - min_level;
}

/* More samples a cell than any box inside an image can ask for; keeps absurd boxes affordable. */
enum { ROI_MAX_GRID = 1024 };

/* One axis of a roi on its level: where its cells start, their size, the samples in each. */
struct roi_axis {
    float start, cell;
    int grid;
};

BOX_FUNCTION struct roi_axis roi_axis(float low, float high, float scale, int pooled,
                                       int sampling_ratio)
{
    struct roi_axis axis;
    axis.start = low * scale - 0.5f;
    float size = high * scale - 0.5f - axis.start;
    axis.cell = size / (float)pooled;
    float wanted = sampling_ratio > 0 ? (float)sampling_ratio : ceilf(axis.cell);
    axis.grid = !(wanted > 0) ? 0 : wanted < ROI_MAX_GRID ? (int)wanted : ROI_MAX_GRID;
    return axis;
}

/* Where sample `sample` of cell `cell` is. */
BOX_FUNCTION float roi_axis_at(struct roi_axis axis, int cell, int sample)
{
    return axis.start + (float)cell * axis.cell +
           ((float)sample + 0.5f) * axis.cell / (float)axis.grid;
}

/* The two pixels of an axis between which a sample lies, and their weights. */
struct bilinear_axis {
    int64_t low, high;
    float low_weight, high_weight;
    bool inside; /* of [-1, size]; a sample outside counts as 0 */
};

BOX_FUNCTION struct bilinear_axis bilinear_axis(float at, int64_t size)
{
    struct bilinear_axis axis = {0, 0, 0, 0, at >= -1 && at <= (float)size && size > 0};
    if (!axis.inside)
        return axis;
    at = at > 0 ? at : 0;
    axis.low = (int64_t)at;
    if (axis.low >= size - 1) {
        axis.low = axis.high = size - 1;
        at = (float)axis.low;
    } else {
        axis.high = axis.low + 1;
    }
    axis.high_weight = at - (float)axis.low;
    axis.low_weight = 1 - axis.high_weight;
    return axis;
}

#endif
