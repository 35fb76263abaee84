/* norm.c - group norm and batch norm: not on this device yet. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

static md_status refuse(void)
{
    return ERROR(MD_EUNSUPPORTED, "cuda: group norm and trainable batch norm are not available on "
                                  "this device; use MODEL.DEVICE cpu");
}

md_status cuda_norm_forward(struct stream *stream, struct tensor *out, struct tensor *stats,
                            const struct tensor *in, const struct norm *norm,
                            const struct tensor *residual, bool relu)
{
    (void)stream, (void)out, (void)stats, (void)in, (void)norm, (void)residual, (void)relu;
    return refuse();
}

md_status cuda_norm_backward(struct stream *stream, struct tensor *in_grad,
                             struct tensor *weight_grad, struct tensor *bias_grad,
                             const struct tensor *out_grad, const struct tensor *in,
                             const struct tensor *stats, const struct norm *norm)
{
    (void)stream, (void)in_grad, (void)weight_grad, (void)bias_grad;
    (void)out_grad, (void)in, (void)stats, (void)norm;
    return refuse();
}
