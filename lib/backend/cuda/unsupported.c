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

md_status cuda_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                  const struct tensor *out_grad, const struct tensor *rois,
                                  const struct tensor *rows, const struct roi_align_params *params)
{
    (void)stream, (void)feature_grads, (void)out_grad, (void)rois, (void)rows, (void)params;
    return no_training("roi_align_backward");
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
