/* detect.c - softmax and the detections of each image: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "core/error.h"

md_status cuda_softmax(struct stream *stream, struct tensor *out, const struct tensor *in,
                       const struct tensor *rows)
{
    return cuda_check(stream->device,
                      launch_softmax(out->data, in->data, tensor_given(rows) ? rows->data : NULL,
                                     in->shape.dims[0], in->shape.dims[1], cuda_raw(stream)),
                      "softmax");
}

md_status cuda_detect(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                      struct tensor *classes, struct tensor *counts, const struct detect_inputs *in,
                      const struct detect_params *params)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    struct launch_detect detect = {.boxes = boxes->data,
                                   .scores = scores->data,
                                   .classes = classes->data,
                                   .counts = counts->data,
                                   .probabilities = in->probabilities->data,
                                   .deltas = in->deltas->data,
                                   .rois = in->rois->data,
                                   .rows = tensor_given(in->rows) ? in->rows->data : NULL,
                                   .image_sizes = in->image_sizes->data,
                                   .images = boxes->shape.dims[0],
                                   .capacity = in->rois->shape.dims[0],
                                   .detections = boxes->shape.dims[1],
                                   .num_classes = params->num_classes,
                                   .class_agnostic = params->class_agnostic,
                                   .score_threshold = params->score_threshold,
                                   .nms_threshold = params->nms_threshold};
    memcpy(detect.weights, params->weights, sizeof detect.weights);
    TRY(stream_scratch(stream, &scratch, launch_detect_scratch(&detect)));
    TRY(cuda_check(stream->device, launch_detect(&detect, scratch, cuda_raw(stream)), "detect"));
fail:
    return st;
}
