/* proposals.c - anchors, the best of each level, suppression, the merge: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "core/error.h"

_Static_assert((int)LAUNCH_MAX_LEVELS == (int)OPS_MAX_LEVELS, "levels of ops.h and launch.h");
_Static_assert((int)LAUNCH_MAX_CELLS == (int)OPS_MAX_CELLS, "cells of ops.h and launch.h");

static struct launch_anchor_level level_of(const struct anchor_params *params, int64_t first,
                                           int64_t count)
{
    struct launch_anchor_level level = {.first = first,
                                        .count = count,
                                        .cell_count = params->cell_count,
                                        .height = params->height,
                                        .width = params->width,
                                        .stride = params->stride,
                                        .offset = params->offset};
    memcpy(level.cells, params->cells, sizeof level.cells);
    return level;
}

md_status cuda_anchors(struct stream *stream, struct tensor *out,
                       const struct anchor_params *params)
{
    const struct launch_anchor_level level = level_of(params, 0, out->shape.dims[0]);
    return cuda_check(stream->device, launch_anchors(out->data, &level, cuda_raw(stream)),
                      "anchors");
}

md_status cuda_topk(struct stream *stream, struct tensor *index, struct tensor *value,
                    struct tensor *count, const struct tensor *values,
                    const struct level_layout *layout)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    struct launch_topk topk = {.index = index->data,
                               .value = value->data,
                               .count = count->data,
                               .values = values->data,
                               .images = count->shape.dims[0] / layout->levels,
                               .k = index->shape.dims[1],
                               .levels = layout->levels};
    memcpy(topk.first, layout->first, sizeof topk.first);
    memcpy(topk.level_count, layout->count, sizeof topk.level_count);
    const size_t bytes = launch_topk_scratch(&topk);
    if (bytes > 0)
        TRY(stream_scratch(stream, &scratch, bytes));
    TRY(cuda_check(stream->device, launch_topk(&topk, scratch, cuda_raw(stream)), "topk"));
fail:
    return st;
}

md_status cuda_rpn_decode(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                          struct tensor *counts, const struct decode_inputs *in,
                          const struct decode_params *params)
{
    const struct level_layout *layout = in->layout;
    struct launch_rpn_decode decode = {.boxes = boxes->data,
                                       .scores = scores->data,
                                       .counts = counts->data,
                                       .deltas = in->deltas->data,
                                       .index = in->index->data,
                                       .value = in->value->data,
                                       .index_count = in->index_count->data,
                                       .image_sizes = in->image_sizes->data,
                                       .images = in->image_sizes->shape.dims[0],
                                       .capacity = boxes->shape.dims[1],
                                       .k = in->index->shape.dims[1],
                                       .levels = layout->levels,
                                       .min_size = params->min_size};
    memcpy(decode.weights, params->weights, sizeof decode.weights);
    for (int k = 0; k < layout->levels; k++)
        decode.level[k] = level_of(&in->anchors[k], layout->first[k], layout->count[k]);
    return cuda_check(stream->device, launch_rpn_decode(&decode, cuda_raw(stream)), "rpn_decode");
}

md_status cuda_nms(struct stream *stream, struct tensor *keep, struct tensor *keep_count,
                   const struct tensor *boxes, const struct tensor *counts, float threshold,
                   int max_keep)
{
    const struct launch_nms nms = {.keep = keep->data,
                                   .keep_count = keep_count->data,
                                   .boxes = boxes->data,
                                   .counts = counts->data,
                                   .segments = boxes->shape.dims[0],
                                   .capacity = boxes->shape.dims[1],
                                   .threshold = threshold,
                                   .max_keep = max_keep};
    return cuda_check(stream->device, launch_nms(&nms, cuda_raw(stream)), "nms");
}

md_status cuda_merge_proposals(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                               struct tensor *counts, const struct merge_inputs *in)
{
    const struct launch_merge merge = {.boxes = boxes->data,
                                       .scores = scores->data,
                                       .counts = counts->data,
                                       .from_boxes = in->boxes->data,
                                       .from_scores = in->scores->data,
                                       .keep = in->keep->data,
                                       .keep_count = in->keep_count->data,
                                       .images = boxes->shape.dims[0],
                                       .capacity = in->boxes->shape.dims[1],
                                       .post = boxes->shape.dims[1],
                                       .levels = in->levels};
    return cuda_check(stream->device, launch_merge_proposals(&merge, cuda_raw(stream)),
                      "merge_proposals");
}
