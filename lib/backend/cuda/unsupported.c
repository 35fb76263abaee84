/* unsupported.c - the primitives of training, which this device has not got yet. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

static md_status no_training(const char *op)
{
    return ERROR(MD_EUNSUPPORTED,
                 "%s: device cuda runs networks and does not train them; train with "
                 "--device cpu",
                 op);
}

md_status cuda_blend(struct stream *stream, struct tensor *out, float out_factor,
                     const struct tensor *in, float in_factor)
{
    (void)stream, (void)out, (void)out_factor, (void)in, (void)in_factor;
    return no_training("blend");
}

md_status cuda_relu_backward(struct stream *stream, struct tensor *grad, const struct tensor *out)
{
    (void)stream, (void)grad, (void)out;
    return no_training("relu_backward");
}

md_status cuda_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                     const struct tensor *out_grad, struct weight *weight,
                                     struct conv_geometry geometry, bool accumulate)
{
    (void)stream, (void)in_grad, (void)out_grad, (void)weight, (void)geometry, (void)accumulate;
    return no_training("conv2d_backward_input");
}

md_status cuda_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                      struct tensor *bias_grad, const struct tensor *in,
                                      const struct tensor *out_grad, struct weight *weight,
                                      struct conv_geometry geometry)
{
    (void)stream, (void)weight_grad, (void)bias_grad, (void)in, (void)out_grad, (void)weight;
    (void)geometry;
    return no_training("conv2d_backward_weight");
}

md_status cuda_linear_backward_input(struct stream *stream, struct tensor *in_grad,
                                     const struct tensor *out_grad, struct weight *weight,
                                     bool accumulate, const struct tensor *rows)
{
    (void)stream, (void)in_grad, (void)out_grad, (void)weight, (void)accumulate, (void)rows;
    return no_training("linear_backward_input");
}

md_status cuda_linear_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                      struct tensor *bias_grad, const struct tensor *in,
                                      const struct tensor *out_grad, const struct tensor *rows)
{
    (void)stream, (void)weight_grad, (void)bias_grad, (void)in, (void)out_grad, (void)rows;
    return no_training("linear_backward_weight");
}

md_status cuda_maxpool_backward(struct stream *stream, struct tensor *in_grad,
                                const struct tensor *out_grad, const struct tensor *in,
                                struct pool_geometry geometry)
{
    (void)stream, (void)in_grad, (void)out_grad, (void)in, (void)geometry;
    return no_training("maxpool_backward");
}

md_status cuda_upsample_backward(struct stream *stream, struct tensor *in_grad,
                                 const struct tensor *out_grad)
{
    (void)stream, (void)in_grad, (void)out_grad;
    return no_training("upsample_backward");
}

md_status cuda_match(struct stream *stream, struct tensor *match, struct tensor *label,
                     const struct tensor *boxes, const struct tensor *counts,
                     const struct tensor *gt, const struct tensor *gt_counts,
                     const struct match_params *params)
{
    (void)stream, (void)match, (void)label, (void)boxes, (void)counts, (void)gt, (void)gt_counts;
    (void)params;
    return no_training("match");
}

md_status cuda_sample(struct stream *stream, struct tensor *index, struct tensor *counts,
                      const struct tensor *label, const struct tensor *step,
                      const struct sample_params *params)
{
    (void)stream, (void)index, (void)counts, (void)label, (void)step, (void)params;
    return no_training("sample");
}

md_status cuda_append_boxes(struct stream *stream, struct tensor *out, struct tensor *out_counts,
                            const struct tensor *a, const struct tensor *a_counts,
                            const struct tensor *b, const struct tensor *b_counts)
{
    (void)stream, (void)out, (void)out_counts, (void)a, (void)a_counts, (void)b, (void)b_counts;
    return no_training("append_boxes");
}

md_status cuda_roi_targets(struct stream *stream, struct tensor *rois, struct tensor *classes,
                           struct tensor *targets, struct tensor *rows,
                           const struct roi_target_inputs *in)
{
    (void)stream, (void)rois, (void)classes, (void)targets, (void)rows, (void)in;
    return no_training("roi_targets");
}

md_status cuda_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                  const struct tensor *out_grad, const struct tensor *rois,
                                  const struct tensor *rows, const struct roi_align_params *params)
{
    (void)stream, (void)feature_grads, (void)out_grad, (void)rois, (void)rows, (void)params;
    return no_training("roi_align_backward");
}

md_status cuda_rpn_loss(struct stream *stream, struct tensor *loss, struct tensor *logits_grad,
                        struct tensor *deltas_grad, const struct rpn_loss_inputs *in,
                        const struct rpn_loss_params *params)
{
    (void)stream, (void)loss, (void)logits_grad, (void)deltas_grad, (void)in, (void)params;
    return no_training("rpn_loss");
}

md_status cuda_softmax_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                            struct tensor *stats, const struct tensor *logits,
                            const struct tensor *classes, const struct tensor *rows,
                            const struct tensor *scale)
{
    (void)stream, (void)loss, (void)grad, (void)stats, (void)logits, (void)classes, (void)rows;
    (void)scale;
    return no_training("softmax_loss");
}

md_status cuda_box_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                        const struct box_loss_inputs *in, const struct box_loss_params *params)
{
    (void)stream, (void)loss, (void)grad, (void)in, (void)params;
    return no_training("box_loss");
}

md_status cuda_sgd_step(struct stream *stream, struct tensor *value, struct tensor *momentum,
                        const struct tensor *grad, const struct tensor *step,
                        const struct tensor *apply, const struct sgd_params *params)
{
    (void)stream, (void)value, (void)momentum, (void)grad, (void)step, (void)apply, (void)params;
    return no_training("sgd_step");
}

md_status cuda_average(struct stream *stream, struct tensor *average, const struct tensor *in,
                       const struct tensor *step, const struct tensor *apply)
{
    (void)stream, (void)average, (void)in, (void)step, (void)apply;
    return no_training("average");
}

md_status cuda_unscale(struct stream *stream, struct tensor *grad, const struct tensor *scale)
{
    (void)stream, (void)grad, (void)scale;
    return no_training("unscale");
}

md_status cuda_adjust_scale(struct stream *stream, struct tensor *scale,
                            const struct tensor *finite, int patience)
{
    (void)stream, (void)scale, (void)finite, (void)patience;
    return no_training("adjust_scale");
}

md_status cuda_sum_squares(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream, (void)out, (void)in;
    return no_training("sum_squares");
}

md_status cuda_all_finite(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream, (void)out, (void)in;
    return no_training("all_finite");
}

md_status cuda_clip_value(struct stream *stream, struct tensor *grad, float limit)
{
    (void)stream, (void)grad, (void)limit;
    return no_training("clip_value");
}

md_status cuda_clip_norm(struct stream *stream, struct tensor *grad, float limit, float order)
{
    (void)stream, (void)grad, (void)limit, (void)order;
    return no_training("clip_norm");
}
