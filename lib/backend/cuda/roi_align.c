/* roi_align.c - RoIAlign over a pyramid: unpacked and launched. */
#include "backend/cuda/cuda.h"

md_status cuda_roi_align_forward(struct stream *stream, struct tensor *out,
                                 const struct tensor *features, const struct tensor *rois,
                                 const struct tensor *rows, const struct roi_align_params *params)
{
    struct launch_roi_align align = {.out = out->data,
                                     .rois = rois->data,
                                     .rows = tensor_given(rows) ? rows->data : NULL,
                                     .images = features[0].shape.dims[0],
                                     .capacity = out->shape.dims[0],
                                     .channels = out->shape.dims[3],
                                     .levels = params->levels,
                                     .min_level = params->min_level,
                                     .pooled = (int)out->shape.dims[1],
                                     .sampling_ratio = params->sampling_ratio,
                                     .canonical_level = params->canonical_level,
                                     .canonical_size = params->canonical_size,
                                     .type = cuda_type(out->type)};
    for (int k = 0; k < params->levels; k++) {
        align.features[k] = features[k].data;
        align.height[k] = (int)features[k].shape.dims[1];
        align.width[k] = (int)features[k].shape.dims[2];
        align.scale[k] = params->scales[k];
    }
    return cuda_check(stream->device, launch_roi_align(&align, cuda_raw(stream)),
                      "roi_align_forward");
}
