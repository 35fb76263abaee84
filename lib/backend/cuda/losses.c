/* losses.c - the losses of RPN and box head: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "core/error.h"

/* The memory of a tensor that may be absent. */
static void *data_of(const struct tensor *t)
{
    return tensor_given(t) ? t->data : NULL;
}

/* Gradients have the activations' type. */
static enum launch_type gradient_type(const struct stream *stream)
{
    return cuda_type(stream->device->activations);
}

md_status cuda_rpn_loss(struct stream *stream, struct tensor *loss, struct tensor *logits_grad,
                        struct tensor *deltas_grad, const struct rpn_loss_inputs *in,
                        const struct rpn_loss_params *params)
{
    struct launch_rpn_loss rpn = {.loss = loss->data,
                                  .logits_grad = data_of(logits_grad),
                                  .deltas_grad = data_of(deltas_grad),
                                  .logits = in->logits->data,
                                  .deltas = in->deltas->data,
                                  .anchors = in->anchors->data,
                                  .index = in->index->data,
                                  .index_counts = in->index_counts->data,
                                  .match = in->match->data,
                                  .gt = in->gt->data,
                                  .scale = data_of(in->scale),
                                  .images = in->match->shape.dims[0],
                                  .sampled = in->index->shape.dims[1],
                                  .total = in->layout->total,
                                  .gt_capacity = in->gt->shape.dims[1],
                                  .levels = in->layout->levels,
                                  .kind = (int)params->kind,
                                  .smooth_l1_beta = params->smooth_l1_beta,
                                  .class_scale = params->class_scale,
                                  .box_scale = params->box_scale,
                                  .type = gradient_type(stream)};
    memcpy(rpn.first, in->layout->first, sizeof rpn.first);
    memcpy(rpn.level_count, in->layout->count, sizeof rpn.level_count);
    memcpy(rpn.weights, params->weights, sizeof rpn.weights);
    return cuda_check(stream->device, launch_rpn_loss(&rpn, cuda_raw(stream)), "rpn_loss");
}

md_status cuda_softmax_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                            struct tensor *stats, const struct tensor *logits,
                            const struct tensor *classes, const struct tensor *rows,
                            const struct tensor *scale)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    const struct launch_softmax_loss softmax = {.loss = loss->data,
                                                .stats = stats->data,
                                                .grad = data_of(grad),
                                                .logits = logits->data,
                                                .wanted = classes->data,
                                                .rows = data_of(rows),
                                                .scale = data_of(scale),
                                                .capacity = logits->shape.dims[0],
                                                .classes = logits->shape.dims[1],
                                                .type = gradient_type(stream)};
    const size_t bytes = launch_softmax_loss_scratch(softmax.capacity);
    if (bytes > 0)
        TRY(stream_scratch(stream, &scratch, bytes));
    TRY(cuda_check(stream->device, launch_softmax_loss(&softmax, scratch, cuda_raw(stream)),
                   "softmax_loss"));
fail:
    return st;
}

md_status cuda_box_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                        const struct box_loss_inputs *in, const struct box_loss_params *params)
{
    struct launch_box_loss box = {.loss = loss->data,
                                  .grad = data_of(grad),
                                  .deltas = in->deltas->data,
                                  .rois = in->rois->data,
                                  .targets = in->targets->data,
                                  .classes = in->classes->data,
                                  .rows = data_of(in->rows),
                                  .scale = data_of(in->scale),
                                  .capacity = in->deltas->shape.dims[0],
                                  .num_classes = params->num_classes,
                                  .class_agnostic = params->class_agnostic,
                                  .kind = (int)params->kind,
                                  .smooth_l1_beta = params->smooth_l1_beta,
                                  .loss_scale = params->scale,
                                  .type = gradient_type(stream)};
    memcpy(box.weights, params->weights, sizeof box.weights);
    return cuda_check(stream->device, launch_box_loss(&box, cuda_raw(stream)), "box_loss");
}
