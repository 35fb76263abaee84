/* proposals.c - anchors, the best of each level, their boxes, and the best over all levels. */
#include <string.h>

#include "backend/ref/common.h"
#include "core/error.h"
#include "tensor/box_math.h"

md_status ref_anchors(struct stream *stream, struct tensor *out, const struct anchor_params *params)
{
    (void)stream;
    float *anchor = f32(out);
    for (int y = 0; y < params->height; y++)
        for (int x = 0; x < params->width; x++)
            for (int a = 0; a < params->cell_count; a++, anchor += 4)
                box_anchor(anchor, params->cells[a], params->stride, params->offset, x, y);
    return MD_OK;
}

static bool value_before(const void *context, int32_t a, int32_t b)
{
    const float *values = context;
    return score_before(values[a], a, values[b], b);
}

/* The k best of `from` [m] into a row of each output. */
static void topk_row(int32_t *index, float *value, int32_t *count, int64_t k, const float *from,
                     int64_t m)
{
    struct selection best = {index, 0, k, value_before, from}; /* index is the heap, too */
    for (int64_t i = 0; i < m; i++)
        selection_offer(&best, (int32_t)i);
    selection_sort(&best);
    for (int64_t i = 0; i < k; i++) {
        value[i] = i < best.count ? from[index[i]] : 0;
        index[i] = i < best.count ? index[i] : 0;
    }
    *count = (int32_t)best.count;
}

md_status ref_topk(struct stream *stream, struct tensor *index, struct tensor *value,
                   struct tensor *count, const struct tensor *values,
                   const struct level_layout *layout)
{
    (void)stream;
    const int64_t n = count->shape.dims[0] / layout->levels, k = index->shape.dims[1];
    for (int64_t segment = 0; segment < n * layout->levels; segment++) {
        const int64_t level = segment / n, image = segment % n, m = layout->count[level];
        topk_row(i32(index) + segment * k, f32(value) + segment * k, i32(count) + segment, k,
                 f32(values) + n * layout->first[level] + image * m, m);
    }
    return MD_OK;
}

/* The proposal of anchor `r` of a level of an image; false when it is to be dropped. */
static bool decode_proposal(float box[4], const struct decode_inputs *in,
                            const struct decode_params *params, int64_t level, int64_t image,
                            int64_t r)
{
    const struct anchor_params *a = &in->anchors[level];
    const struct level_layout *layout = in->layout;
    const int64_t n = in->image_sizes->shape.dims[0], place = r / a->cell_count;
    float anchor[4];
    box_anchor(anchor, a->cells[r % a->cell_count], a->stride, a->offset, (int)(place % a->width),
               (int)(place / a->width));
    box_decode(box, anchor,
               f32(in->deltas) + 4 * (n * layout->first[level] + image * layout->count[level] + r),
               params->weights);
    if (!box_is_finite(box))
        return false;
    box_clip(box, i32(in->image_sizes) + 2 * image);
    return box[2] - box[0] > params->min_size && box[3] - box[1] > params->min_size;
}

md_status ref_rpn_decode(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                         struct tensor *counts, const struct decode_inputs *in,
                         const struct decode_params *params)
{
    (void)stream;
    const int64_t segments = boxes->shape.dims[0], cap = boxes->shape.dims[1],
                  k = in->index->shape.dims[1], n = in->image_sizes->shape.dims[0];
    for (int64_t segment = 0; segment < segments; segment++) {
        const int64_t candidates = clamp_count(i32(in->index_count)[segment], k);
        float *to_boxes = f32(boxes) + segment * cap * 4, *to_scores = f32(scores) + segment * cap;
        int64_t count = 0;
        for (int64_t i = 0; i < candidates; i++) {
            const float score = f32(in->value)[segment * k + i];
            float box[4];
            if (!isfinite(score) || !decode_proposal(box, in, params, segment / n, segment % n,
                                                     i32(in->index)[segment * k + i]))
                continue;
            memcpy(to_boxes + 4 * count, box, sizeof box);
            to_scores[count++] = score;
        }
        i32(counts)[segment] = (int32_t)count;
        for (int64_t i = 4 * count; i < 4 * cap; i++)
            to_boxes[i] = 0;
        for (int64_t i = count; i < cap; i++)
            to_scores[i] = 0;
    }
    return MD_OK;
}

/* Whether a kept box lies too much over `box`. */
static bool suppressed(const float *boxes, const int32_t *keep, int64_t kept, const float box[4],
                       float threshold)
{
    for (int64_t i = 0; i < kept; i++)
        if (box_iou_nms(boxes + 4 * (int64_t)keep[i], box) > threshold)
            return true;
    return false;
}

md_status ref_nms(struct stream *stream, struct tensor *keep, struct tensor *keep_count,
                  const struct tensor *boxes, const struct tensor *counts, float threshold,
                  int max_keep)
{
    (void)stream;
    const int64_t segments = boxes->shape.dims[0], cap = boxes->shape.dims[1];
    for (int64_t segment = 0; segment < segments; segment++) {
        const int64_t count = clamp_count(i32(counts)[segment], cap);
        const float *from = f32(boxes) + segment * cap * 4;
        int32_t *to = i32(keep) + segment * cap;
        int64_t kept = 0;
        for (int64_t i = 0; i < count && kept < max_keep; i++)
            if (!suppressed(from, to, kept, from + 4 * i, threshold))
                to[kept++] = (int32_t)i;
        i32(keep_count)[segment] = (int32_t)kept;
        for (int64_t i = kept; i < cap; i++)
            to[i] = 0;
    }
    return MD_OK;
}

/* The segments of one image. An item is level * cap + position. */
struct image_levels {
    const float *scores; /* [levels*n,cap] */
    int64_t n, cap, image;
};

static int64_t slab_row(const struct image_levels *levels, int32_t item)
{
    return (item / levels->cap * levels->n + levels->image) * levels->cap + item % levels->cap;
}

static bool proposal_before(const void *context, int32_t a, int32_t b)
{
    const struct image_levels *levels = context;
    return score_before(levels->scores[slab_row(levels, a)], a, levels->scores[slab_row(levels, b)],
                        b);
}

static void offer_levels(struct selection *best, const struct merge_inputs *in,
                         const struct image_levels *levels)
{
    for (int level = 0; level < in->levels; level++) {
        const int64_t segment = level * levels->n + levels->image;
        const int64_t kept = clamp_count(i32(in->keep_count)[segment], levels->cap);
        for (int64_t i = 0; i < kept; i++)
            selection_offer(
                best, (int32_t)(level * levels->cap + i32(in->keep)[segment * levels->cap + i]));
    }
}

md_status ref_merge_proposals(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                              struct tensor *counts, const struct merge_inputs *in)
{
    md_status st = MD_OK;
    const int64_t n = boxes->shape.dims[0], post = boxes->shape.dims[1];
    void *items = NULL;
    TRY(stream_scratch(stream, &items, (size_t)post * sizeof(int32_t)));
    for (int64_t image = 0; image < n; image++) {
        const struct image_levels levels = {f32(in->scores), n, in->boxes->shape.dims[1], image};
        struct selection best = {items, 0, post, proposal_before, &levels};
        offer_levels(&best, in, &levels);
        selection_sort(&best);
        for (int64_t i = 0; i < post; i++) {
            const int64_t row = i < best.count ? slab_row(&levels, best.items[i]) : -1;
            f32(scores)[image * post + i] = row >= 0 ? levels.scores[row] : 0;
            for (int d = 0; d < 4; d++)
                f32(boxes)[(image * post + i) * 4 + d] = row >= 0 ? f32(in->boxes)[4 * row + d] : 0;
        }
        i32(counts)[image] = (int32_t)best.count;
    }
fail:
    return st;
}
