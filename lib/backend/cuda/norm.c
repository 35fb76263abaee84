/* norm.c - group norm and batch norm: unpacked and launched. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

static float *data_of(const struct tensor *tensor)
{
    return tensor && tensor_given(tensor) ? tensor->data : NULL;
}

static struct launch_norm unpack(const struct tensor *in, const struct tensor *stats,
                                 const struct norm *norm)
{
    const int64_t *d = in->shape.dims;
    return (struct launch_norm){.stats = data_of(stats),
                                .weight = norm->weight.data,
                                .running_mean = data_of(&norm->running_mean),
                                .running_variance = data_of(&norm->running_var),
                                .images = d[0],
                                .channels = d[3],
                                .sets = norm->groups > 0 ? d[0] * norm->groups : d[3],
                                .height = (int)d[1],
                                .width = (int)d[2],
                                .groups = norm->groups,
                                .epsilon = NORM_EPSILON,
                                .momentum = NORM_MOMENTUM,
                                .type = cuda_type(in->type)};
}

md_status cuda_norm_forward(struct stream *stream, struct tensor *out, struct tensor *stats,
                            const struct tensor *in, const struct norm *norm,
                            const struct tensor *residual, bool relu)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    struct launch_norm_forward forward = {.norm = unpack(in, stats, norm),
                                          .stats = data_of(stats),
                                          .out = out->data,
                                          .in = in->data,
                                          .residual = data_of(residual),
                                          .bias = norm->bias.data};
    forward.norm.relu = relu;
    TRY(stream_scratch(stream, &scratch, launch_norm_scratch(&forward.norm)));
    TRY(cuda_check(stream->device, launch_norm_forward(&forward, scratch, cuda_raw(stream)),
                   "norm_forward"));
fail:
    return st;
}

md_status cuda_norm_backward(struct stream *stream, struct tensor *in_grad,
                             struct tensor *weight_grad, struct tensor *bias_grad,
                             const struct tensor *out_grad, const struct tensor *in,
                             const struct tensor *stats, const struct norm *norm)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    const struct launch_norm_backward backward = {.norm = unpack(in, stats, norm),
                                                  .in_grad = in_grad->data,
                                                  .in = in->data,
                                                  .out_grad = out_grad->data,
                                                  .weight_grad = data_of(weight_grad),
                                                  .bias_grad = data_of(bias_grad)};
    TRY(stream_scratch(stream, &scratch, launch_norm_scratch(&backward.norm)));
    TRY(cuda_check(stream->device, launch_norm_backward(&backward, scratch, cuda_raw(stream)),
                   "norm_backward"));
fail:
    return st;
}
