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

md_status cuda_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                  const struct tensor *out_grad, const struct tensor *rois,
                                  const struct tensor *rows, const struct roi_align_params *params)
{
    (void)stream, (void)feature_grads, (void)out_grad, (void)rois, (void)rows, (void)params;
    return no_training("roi_align_backward");
}
