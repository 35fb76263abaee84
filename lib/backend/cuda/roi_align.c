/* roi_align.c - RoIAlign over a pyramid, and its gradient: unpacked and launched. */
#include "backend/cuda/cuda.h"

/* `pooled` is what rois are pooled to, or the gradient of that. */
static struct launch_roi_align unpack(const struct tensor *maps, const struct tensor *pooled,
                                      const struct tensor *rois, const struct tensor *rows,
                                      const struct roi_align_params *params)
{
    struct launch_roi_align align = {.rois = rois->data,
                                     .rows = tensor_given(rows) ? rows->data : NULL,
                                     .images = maps[0].shape.dims[0],
                                     .capacity = pooled->shape.dims[0],
                                     .channels = pooled->shape.dims[3],
                                     .levels = params->levels,
                                     .min_level = params->min_level,
                                     .pooled = (int)pooled->shape.dims[1],
                                     .sampling_ratio = params->sampling_ratio,
                                     .canonical_level = params->canonical_level,
                                     .canonical_size = params->canonical_size,
                                     .type = cuda_type(pooled->type)};
    for (int k = 0; k < params->levels; k++) {
        align.height[k] = (int)maps[k].shape.dims[1];
        align.width[k] = (int)maps[k].shape.dims[2];
        align.scale[k] = params->scales[k];
    }
    return align;
}

md_status cuda_roi_align_forward(struct stream *stream, struct tensor *out,
                                 const struct tensor *features, const struct tensor *rois,
                                 const struct tensor *rows, const struct roi_align_params *params)
{
    struct launch_roi_align align = unpack(features, out, rois, rows, params);
    align.out = out->data;
    for (int k = 0; k < params->levels; k++)
        align.features[k] = features[k].data;
    return cuda_check(stream->device, launch_roi_align(&align, cuda_raw(stream)),
                      "roi_align_forward");
}

md_status cuda_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                  const struct tensor *out_grad, const struct tensor *rois,
                                  const struct tensor *rows, const struct roi_align_params *params)
{
    struct launch_roi_align_backward backward = {
        .align = unpack(feature_grads, out_grad, rois, rows, params), .out_grad = out_grad->data};
    for (int k = 0; k < params->levels; k++)
        backward.grads[k] = feature_grads[k].data;
    return cuda_check(stream->device, launch_roi_align_backward(&backward, cuda_raw(stream)),
                      "roi_align_backward");
}
