/* targets.c - matching, sampling and the rows that are trained on: unpacked and launched. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

md_status cuda_match(struct stream *stream, struct tensor *match, struct tensor *label,
                     const struct tensor *boxes, const struct tensor *counts,
                     const struct tensor *gt, const struct tensor *gt_counts,
                     const struct match_params *params)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    const struct launch_match matching = {.match = match->data,
                                          .label = label->data,
                                          .boxes = boxes->data,
                                          .counts = tensor_given(counts) ? counts->data : NULL,
                                          .gt = gt->data,
                                          .gt_counts = gt_counts->data,
                                          .images = match->shape.dims[0],
                                          .capacity = match->shape.dims[1],
                                          .gt_capacity = gt->shape.dims[1],
                                          .low = params->low,
                                          .high = params->high,
                                          .shared_boxes = boxes->shape.rank == 2,
                                          .low_quality = params->low_quality,
                                          .zero_iou_matches = params->zero_iou_matches};
    const size_t bytes = launch_match_scratch(&matching);
    if (bytes > 0)
        TRY(stream_scratch(stream, &scratch, bytes));
    TRY(cuda_check(stream->device, launch_match(&matching, scratch, cuda_raw(stream)), "match"));
fail:
    return st;
}

md_status cuda_sample(struct stream *stream, struct tensor *index, struct tensor *counts,
                      const struct tensor *label, const struct tensor *step,
                      const struct sample_params *params)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    _Static_assert(offsetof(struct step_numbers, index) == sizeof(uint64_t),
                   "launch_sample reads seed and index one after the other");
    const struct launch_sample sample = {.index = index->data,
                                         .counts = counts->data,
                                         .label = label->data,
                                         .numbers = step->data,
                                         .stream = params->stream,
                                         .images = label->shape.dims[0],
                                         .capacity = label->shape.dims[1],
                                         .index_capacity = index->shape.dims[1],
                                         .size = params->size,
                                         .max_foreground = params->max_foreground,
                                         .image_step = params->image_step};
    const size_t bytes = launch_sample_scratch(&sample);
    if (bytes > 0)
        TRY(stream_scratch(stream, &scratch, bytes));
    TRY(cuda_check(stream->device, launch_sample(&sample, scratch, cuda_raw(stream)), "sample"));
fail:
    return st;
}

md_status cuda_append_boxes(struct stream *stream, struct tensor *out, struct tensor *out_counts,
                            const struct tensor *a, const struct tensor *a_counts,
                            const struct tensor *b, const struct tensor *b_counts)
{
    const struct launch_append append = {.out = out->data,
                                         .out_counts = out_counts->data,
                                         .a = a->data,
                                         .b = b->data,
                                         .a_counts = a_counts->data,
                                         .b_counts = b_counts->data,
                                         .images = a->shape.dims[0],
                                         .a_capacity = a->shape.dims[1],
                                         .b_capacity = b->shape.dims[1]};
    return cuda_check(stream->device, launch_append_boxes(&append, cuda_raw(stream)),
                      "append_boxes");
}

md_status cuda_roi_targets(struct stream *stream, struct tensor *rois, struct tensor *classes,
                           struct tensor *targets, struct tensor *rows,
                           const struct roi_target_inputs *in)
{
    const struct launch_roi_targets made = {.rois = rois->data,
                                            .targets = targets->data,
                                            .classes = classes->data,
                                            .rows = rows->data,
                                            .boxes = in->boxes->data,
                                            .gt = in->gt->data,
                                            .index = in->index->data,
                                            .index_counts = in->index_counts->data,
                                            .match = in->match->data,
                                            .gt_classes = in->gt_classes->data,
                                            .gt_counts = in->gt_counts->data,
                                            .images = in->boxes->shape.dims[0],
                                            .capacity = in->boxes->shape.dims[1],
                                            .gt_capacity = in->gt->shape.dims[1],
                                            .sampled = in->index->shape.dims[1],
                                            .num_classes = in->num_classes};
    return cuda_check(stream->device, launch_roi_targets(&made, cuda_raw(stream)), "roi_targets");
}
