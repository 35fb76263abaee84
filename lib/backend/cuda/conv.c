/* conv.c - convolutions and linear layers: the problem in numbers, its operands, its engine. */
#include "backend/cuda/cuda.h"
#include "backend/cuda/weights.h"
#include "core/error.h"

enum { MOST_ALIGNMENT = 64 };

static int alignment_of(const struct conv_buffers *buffers)
{
    const uintptr_t bits =
        (uintptr_t)buffers->in | (uintptr_t)buffers->out | (uintptr_t)buffers->residual;
    int alignment = 1;
    while (alignment < MOST_ALIGNMENT && (bits & (uintptr_t)alignment) == 0)
        alignment *= 2;
    return alignment;
}

static uint64_t flags_of(const struct device *device, const struct conv_buffers *buffers, bool relu)
{
    uint64_t flags = 0;
    if (buffers->bias)
        flags |= CONV_BIAS;
    if (buffers->residual)
        flags |= CONV_RESIDUAL;
    if (buffers->residual == buffers->out)
        flags |= CONV_IN_PLACE;
    if (relu)
        flags |= CONV_RELU;
    if (device->tf32)
        flags |= CONV_TF32;
    return flags;
}

/* `problem` has the sizes; the rest of it is seen from the operands. */
static md_status run(struct stream *stream, struct conv_problem *problem, struct tensor *out,
                     const struct tensor *in, struct weight *weight, const struct tensor *residual,
                     bool relu)
{
    md_status st = MD_OK;
    struct folded_weight folded;
    if (tensor_count(out) == 0)
        return MD_OK;
    TRY(weights_get(&folded, stream, weight));
    const struct conv_buffers buffers = {.in = in->data,
                                         .weight = folded.value,
                                         .residual = tensor_given(residual) ? residual->data : NULL,
                                         .bias = folded.bias,
                                         .narrow_bias = folded.narrow_bias,
                                         .out = out->data};
    problem->in = in->type;
    problem->out = out->type;
    problem->alignment = alignment_of(&buffers);
    problem->flags = flags_of(stream->device, &buffers, relu);
    st = plans_run(cuda_device_of(stream->device)->plans, stream, problem, &buffers);
fail:
    return st;
}

md_status cuda_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct weight *weight, struct conv_geometry geometry,
                              const struct tensor *residual, bool relu)
{
    const int64_t *dims = in->shape.dims, *kernel = weight->value.shape.dims;
    struct conv_problem problem = {.n = dims[0],
                                   .h = dims[1],
                                   .w = dims[2],
                                   .c = dims[3],
                                   .o = kernel[0],
                                   .kh = (int)kernel[1],
                                   .kw = (int)kernel[2],
                                   .stride = geometry.stride,
                                   .pad = geometry.pad,
                                   .groups = geometry.groups};
    return run(stream, &problem, out, in, weight, residual, relu);
}

/* Rows beyond the count are computed too: how many there are is known on the device alone. */
md_status cuda_linear_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct weight *weight, bool relu, const struct tensor *rows)
{
    (void)rows;
    struct conv_problem problem = {.n = 1,
                                   .h = 1,
                                   .w = in->shape.dims[0],
                                   .c = in->shape.dims[1],
                                   .o = weight->value.shape.dims[0],
                                   .kh = 1,
                                   .kw = 1,
                                   .stride = 1,
                                   .groups = 1};
    return run(stream, &problem, out, in, weight, NULL, relu);
}
