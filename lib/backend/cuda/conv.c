/* conv.c - convolutions, linear layers and their gradients: the problem in numbers, its operands, its
 * engine. */
#include "backend/cuda/cuda.h"
#include "backend/cuda/weights.h"
#include "core/error.h"

enum { MOST_ALIGNMENT = 64 };

static int alignment_of(const struct conv_buffers *buffers, uint64_t flags)
{
    uintptr_t bits =
        (uintptr_t)buffers->in | (uintptr_t)buffers->out | (uintptr_t)buffers->residual;
    if (flags & CONV_FILTER) /* elsewhere it is our own copy */
        bits |= (uintptr_t)buffers->weight;
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
    problem->flags = flags_of(stream->device, &buffers, relu);
    problem->alignment = alignment_of(&buffers, problem->flags);
    st = plans_run(cuda_device_of(stream->device)->plans, stream, problem, &buffers);
fail:
    return st;
}

static struct conv_problem conv_problem_of(const struct tensor *in, const struct weight *weight,
                                           struct conv_geometry geometry)
{
    const int64_t *dims = in->shape.dims, *kernel = weight->value.shape.dims;
    return (struct conv_problem){.n = dims[0],
                                 .h = dims[1],
                                 .w = dims[2],
                                 .c = dims[3],
                                 .o = kernel[0],
                                 .kh = (int)kernel[1],
                                 .kw = (int)kernel[2],
                                 .stride = geometry.stride,
                                 .pad = geometry.pad,
                                 .groups = geometry.groups};
}

static struct conv_problem linear_problem_of(const struct tensor *in, int64_t outputs)
{
    return (struct conv_problem){.n = 1,
                                 .h = 1,
                                 .w = in->shape.dims[0],
                                 .c = in->shape.dims[1],
                                 .o = outputs,
                                 .kh = 1,
                                 .kw = 1,
                                 .stride = 1,
                                 .groups = 1};
}

md_status cuda_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct weight *weight, struct conv_geometry geometry,
                              const struct tensor *residual, bool relu)
{
    struct conv_problem problem = conv_problem_of(in, weight, geometry);
    return run(stream, &problem, out, in, weight, residual, relu);
}

/* Rows beyond the count are computed too: how many there are is known on the device alone. */
md_status cuda_linear_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct weight *weight, bool relu, const struct tensor *rows)
{
    (void)rows;
    struct conv_problem problem = linear_problem_of(in, weight->value.shape.dims[0]);
    return run(stream, &problem, out, in, weight, NULL, relu);
}

/* ---- gradients ---------------------------------------------------------------------------- */

static md_status run_gradient(struct stream *stream, struct conv_problem *problem,
                              const struct conv_buffers *buffers)
{
    if (stream->device->tf32)
        problem->flags |= CONV_TF32;
    problem->alignment = alignment_of(buffers, problem->flags);
    return plans_run(cuda_device_of(stream->device)->plans, stream, problem, buffers);
}

static md_status backward_input(struct stream *stream, struct conv_problem *problem,
                                struct tensor *in_grad, const struct tensor *out_grad,
                                struct weight *weight, bool accumulate)
{
    md_status st = MD_OK;
    struct folded_weight folded;
    if (tensor_count(in_grad) == 0)
        return MD_OK;
    if (tensor_count(out_grad) == 0)
        return accumulate ? MD_OK : cuda_fill(stream, in_grad, 0.0f);
    TRY(weights_get(&folded, stream, weight));
    const struct conv_buffers buffers = {.in = out_grad->data,
                                         .weight = folded.value,
                                         .residual = accumulate ? in_grad->data : NULL,
                                         .out = in_grad->data};
    problem->in = out_grad->type;
    problem->out = in_grad->type;
    problem->flags = accumulate ? CONV_DATA | CONV_RESIDUAL | CONV_IN_PLACE : CONV_DATA;
    st = run_gradient(stream, problem, &buffers);
fail:
    return st;
}

static md_status add_columns(struct stream *stream, struct tensor *bias_grad,
                             const struct tensor *out_grad)
{
    md_status st = MD_OK;
    const int64_t columns = tensor_count(bias_grad), rows = tensor_count(out_grad) / columns;
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, launch_column_sum_scratch(rows, columns)));
    TRY(cuda_check(stream->device,
                   launch_column_sum(bias_grad->data, out_grad->data, cuda_type(out_grad->type),
                                     rows, columns, scratch, cuda_raw(stream)),
                   "a bias's gradient"));
fail:
    return st;
}

static md_status backward_weight(struct stream *stream, struct conv_problem *problem,
                                 struct tensor *weight_grad, struct tensor *bias_grad,
                                 const struct tensor *in, const struct tensor *out_grad,
                                 const struct tensor *scale)
{
    md_status st = MD_OK;
    if (tensor_count(out_grad) == 0)
        return MD_OK;
    if (tensor_given(weight_grad)) {
        const bool scaled = scale && tensor_given(scale);
        const struct conv_buffers buffers = {.in = in->data,
                                             .weight = out_grad->data,
                                             .residual = scaled ? NULL : weight_grad->data,
                                             .scale = scaled ? scale->data : NULL,
                                             .out = weight_grad->data};
        problem->in = in->type;
        problem->out = TENSOR_F32;
        problem->flags = CONV_FILTER | CONV_IN_PLACE | (scaled ? 0 : CONV_RESIDUAL);
        TRY(run_gradient(stream, problem, &buffers));
    }
    if (tensor_given(bias_grad))
        TRY(add_columns(stream, bias_grad, out_grad));
fail:
    return st;
}

md_status cuda_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                     const struct tensor *out_grad, struct weight *weight,
                                     struct conv_geometry geometry, bool accumulate)
{
    struct conv_problem problem = conv_problem_of(in_grad, weight, geometry);
    return backward_input(stream, &problem, in_grad, out_grad, weight, accumulate);
}

md_status cuda_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                      struct tensor *bias_grad, const struct tensor *in,
                                      const struct tensor *out_grad, struct weight *weight,
                                      struct conv_geometry geometry)
{
    struct conv_problem problem = conv_problem_of(in, weight, geometry);
    return backward_weight(stream, &problem, weight_grad, bias_grad, in, out_grad, &weight->scale);
}

md_status cuda_linear_backward_input(struct stream *stream, struct tensor *in_grad,
                                     const struct tensor *out_grad, struct weight *weight,
                                     bool accumulate, const struct tensor *rows)
{
    (void)rows;
    struct conv_problem problem = linear_problem_of(in_grad, weight->value.shape.dims[0]);
    return backward_input(stream, &problem, in_grad, out_grad, weight, accumulate);
}

/* Rows beyond the count are zeros in out_grad. */
md_status cuda_linear_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                      struct tensor *bias_grad, const struct tensor *in,
                                      const struct tensor *out_grad, const struct tensor *rows)
{
    (void)rows;
    struct conv_problem problem = linear_problem_of(in, out_grad->shape.dims[1]);
    return backward_weight(stream, &problem, weight_grad, bias_grad, in, out_grad, NULL);
}
