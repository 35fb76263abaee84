/* ops.c - front doors of the network's primitives and of the optimiser: check, then dispatch. */
#include "core/error.h"
#include "tensor/checks.h"

void op_weight_release(struct device *device, struct weight *weight)
{
    device->backend->ops->weight_release(device, weight);
}

/* ---- elementwise -------------------------------------------------------------------------- */

md_status op_fill(struct stream *stream, struct tensor *out, float value)
{
    md_status st = MD_OK;
    TRY(REQUIRE(tensor_given(out)));
    if (out->type == TENSOR_I32)
        TRY(EXPECT_LIKE(out, out));
    else
        TRY(check_activation(stream, __func__, "out", out, out->shape));
    if (!stream->measuring)
        TRY(ENTRY(stream)->fill(stream, out, value));
fail:
    return st;
}

md_status op_copy(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    md_status st = MD_OK;
    TRY(EXPECT_LIKE(out, out));
    TRY(EXPECT_LIKE(in, in));
    if (out->type != in->type || tensor_count(out) != tensor_count(in))
        TRY(EXPECT_LIKE(out, in)); /* says both shapes */
    if (!stream->measuring)
        TRY(ENTRY(stream)->copy(stream, out, in));
fail:
    return st;
}

md_status op_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    md_status st = MD_OK;
    TRY(check_activation(stream, __func__, "in", in, in->shape));
    TRY(EXPECT_LIKE(out, in));
    if (!stream->measuring)
        TRY(ENTRY(stream)->add(stream, out, in));
fail:
    return st;
}

md_status op_scale(struct stream *stream, struct tensor *out, float factor)
{
    md_status st = MD_OK;
    TRY(check_activation(stream, __func__, "out", out, out->shape));
    if (!stream->measuring)
        TRY(ENTRY(stream)->scale(stream, out, factor));
fail:
    return st;
}

md_status op_blend(struct stream *stream, struct tensor *out, float out_factor,
                   const struct tensor *in, float in_factor)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(in));
    TRY(EXPECT_LIKE(out, in));
    if (!stream->measuring)
        TRY(ENTRY(stream)->blend(stream, out, out_factor, in, in_factor));
fail:
    return st;
}

md_status op_relu_backward(struct stream *stream, struct tensor *grad, const struct tensor *out)
{
    md_status st = MD_OK;
    TRY(check_activation(stream, __func__, "out", out, out->shape));
    TRY(EXPECT_LIKE(grad, out));
    if (!stream->measuring)
        TRY(ENTRY(stream)->relu_backward(stream, grad, out));
fail:
    return st;
}

/* ---- convolution -------------------------------------------------------------------------- */

/* in [n,h,w,c], out [n,oh,ow,o] and the weight fit each other. */
static md_status check_conv(const struct stream *stream, const char *op, const struct tensor *in,
                            const struct tensor *out, const struct weight *weight,
                            struct conv_geometry geometry)
{
    md_status st = MD_OK;
    const int64_t *dims = in->shape.dims;
    const int64_t *kernel = weight->value.shape.dims;
    const int groups = geometry.groups;
    const enum tensor_type f32 = TENSOR_F32;
    TRY(check_that(op, geometry.stride >= 1 && geometry.pad >= 0 && groups >= 1,
                   "stride >= 1, pad >= 0, groups >= 1"));
    TRY(check_activation(stream, op, "in", in, SHAPE(SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY)));
    TRY(check_that(op, dims[3] % groups == 0, "groups divide the channels of in"));
    TRY(check_tensor(stream, op, "weight", &weight->value, f32,
                     SHAPE(SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, dims[3] / groups)));
    TRY(check_that(op, kernel[0] % groups == 0, "groups divide the channels of out"));
    TRY(check_that(op, kernel[1] >= 1 && kernel[2] >= 1, "the kernel has pixels"));
    TRY(check_optional(stream, op, "scale", &weight->scale, f32, SHAPE(kernel[0])));
    TRY(check_optional(stream, op, "bias", &weight->bias, f32, SHAPE(kernel[0])));
    struct shape wanted =
        SHAPE(dims[0], window_count(dims[1], kernel[1], geometry.stride, geometry.pad),
              window_count(dims[2], kernel[2], geometry.stride, geometry.pad), kernel[0]);
    TRY(check_tensor(stream, op, "out", out, tensor_given(out) && out->type == f32 ? f32 : in->type,
                     wanted));
fail:
    return st;
}

md_status op_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                            struct weight *weight, struct conv_geometry geometry,
                            const struct tensor *residual, bool relu)
{
    md_status st = MD_OK;
    TRY(check_conv(stream, __func__, in, out, weight, geometry));
    TRY(OPTIONAL_LIKE(residual, out));
    if (!stream->measuring)
        TRY(ENTRY(stream)->conv2d_forward(stream, out, in, weight, geometry, residual, relu));
fail:
    return st;
}

md_status op_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                   const struct tensor *out_grad, struct weight *weight,
                                   struct conv_geometry geometry, bool accumulate)
{
    md_status st = MD_OK;
    TRY(check_conv(stream, __func__, in_grad, out_grad, weight, geometry));
    TRY(REQUIRE(in_grad->type == out_grad->type));
    if (!stream->measuring)
        TRY(ENTRY(stream)->conv2d_backward_input(stream, in_grad, out_grad, weight, geometry,
                                                 accumulate));
fail:
    return st;
}

md_status op_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                    struct tensor *bias_grad, const struct tensor *in,
                                    const struct tensor *out_grad, struct weight *weight,
                                    struct conv_geometry geometry)
{
    md_status st = MD_OK;
    TRY(check_conv(stream, __func__, in, out_grad, weight, geometry));
    TRY(REQUIRE(in->type == out_grad->type));
    TRY(OPTIONAL_LIKE(weight_grad, &weight->value));
    TRY(OPTIONAL(bias_grad, TENSOR_F32, weight->value.shape.dims[0]));
    if (!stream->measuring)
        TRY(ENTRY(stream)->conv2d_backward_weight(stream, weight_grad, bias_grad, in, out_grad,
                                                  weight, geometry));
fail:
    return st;
}

/* ---- linear ------------------------------------------------------------------------------- */

static md_status check_linear(const struct stream *stream, const char *op, const struct tensor *in,
                              const struct tensor *out, const struct weight *weight,
                              const struct tensor *rows)
{
    md_status st = MD_OK;
    const int64_t *dims = weight->value.shape.dims;
    const enum tensor_type f32 = TENSOR_F32;
    TRY(check_tensor(stream, op, "weight", &weight->value, f32, SHAPE(SHAPE_ANY, SHAPE_ANY)));
    TRY(check_that(op, !tensor_given(&weight->scale), "a linear weight has no scale"));
    TRY(check_optional(stream, op, "bias", &weight->bias, f32, SHAPE(dims[0])));
    TRY(check_activation(stream, op, "in", in, SHAPE(SHAPE_ANY, dims[1])));
    TRY(check_tensor(stream, op, "out", out, tensor_given(out) && out->type == f32 ? f32 : in->type,
                     SHAPE(in->shape.dims[0], dims[0])));
    TRY(check_optional(stream, op, "rows", rows, TENSOR_I32, SHAPE(1)));
fail:
    return st;
}

md_status op_linear_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                            struct weight *weight, bool relu, const struct tensor *rows)
{
    md_status st = MD_OK;
    TRY(check_linear(stream, __func__, in, out, weight, rows));
    if (!stream->measuring)
        TRY(ENTRY(stream)->linear_forward(stream, out, in, weight, relu, rows));
fail:
    return st;
}

md_status op_linear_backward_input(struct stream *stream, struct tensor *in_grad,
                                   const struct tensor *out_grad, struct weight *weight,
                                   bool accumulate, const struct tensor *rows)
{
    md_status st = MD_OK;
    TRY(check_linear(stream, __func__, in_grad, out_grad, weight, rows));
    TRY(REQUIRE(in_grad->type == out_grad->type));
    if (!stream->measuring)
        TRY(ENTRY(stream)->linear_backward_input(stream, in_grad, out_grad, weight, accumulate,
                                                 rows));
fail:
    return st;
}

md_status op_linear_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                    struct tensor *bias_grad, const struct tensor *in,
                                    const struct tensor *out_grad, const struct tensor *rows)
{
    md_status st = MD_OK;
    TRY(EXPECT_ACTIVATION(in, SHAPE_ANY, SHAPE_ANY));
    TRY(EXPECT(out_grad, in->type, in->shape.dims[0], SHAPE_ANY));
    TRY(OPTIONAL(weight_grad, TENSOR_F32, out_grad->shape.dims[1], in->shape.dims[1]));
    TRY(OPTIONAL(bias_grad, TENSOR_F32, out_grad->shape.dims[1]));
    TRY(OPTIONAL(rows, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->linear_backward_weight(stream, weight_grad, bias_grad, in, out_grad,
                                                  rows));
fail:
    return st;
}

/* ---- pooling and upsampling --------------------------------------------------------------- */

static md_status check_pool(const struct stream *stream, const char *op, const struct tensor *in,
                            const struct tensor *out, struct pool_geometry geometry)
{
    md_status st = MD_OK;
    const int64_t *dims = in->shape.dims;
    const int kernel = geometry.kernel, stride = geometry.stride, pad = geometry.pad;
    TRY(check_that(op, stride >= 1 && pad >= 0 && kernel > pad, "stride >= 1, kernel > pad >= 0"));
    TRY(check_activation(stream, op, "in", in, SHAPE(SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY)));
    TRY(check_tensor(stream, op, "out", out, in->type,
                     SHAPE(dims[0], window_count(dims[1], kernel, stride, pad),
                           window_count(dims[2], kernel, stride, pad), dims[3])));
fail:
    return st;
}

md_status op_maxpool_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                             struct pool_geometry geometry)
{
    md_status st = MD_OK;
    TRY(check_pool(stream, __func__, in, out, geometry));
    if (!stream->measuring)
        TRY(ENTRY(stream)->maxpool_forward(stream, out, in, geometry));
fail:
    return st;
}

md_status op_conv2d_maxpool_forward(struct stream *stream, struct tensor *out,
                                    const struct tensor *in, struct weight *weight,
                                    struct conv_geometry geometry, struct pool_geometry pool)
{
    md_status st = MD_OK;
    const int64_t *dims = in->shape.dims, *kernel = weight->value.shape.dims;
    const int stride = geometry.stride, pad = geometry.pad;
    TRY(REQUIRE(stride >= 1));
    /* What lies between the two parts, for the checks alone. */
    struct tensor between = {in->data, in->type,
                             SHAPE(dims[0], window_count(dims[1], kernel[1], stride, pad),
                                   window_count(dims[2], kernel[2], stride, pad), kernel[0])};
    TRY(check_conv(stream, __func__, in, &between, weight, geometry));
    TRY(check_pool(stream, __func__, &between, out, pool));
    if (!stream->measuring)
        TRY(ENTRY(stream)->conv2d_maxpool_forward(stream, out, in, weight, geometry, pool));
fail:
    return st;
}

md_status op_maxpool_backward(struct stream *stream, struct tensor *in_grad,
                              const struct tensor *out_grad, const struct tensor *in,
                              struct pool_geometry geometry)
{
    md_status st = MD_OK;
    TRY(check_pool(stream, __func__, in, out_grad, geometry));
    TRY(EXPECT_LIKE(in_grad, in));
    if (!stream->measuring)
        TRY(ENTRY(stream)->maxpool_backward(stream, in_grad, out_grad, in, geometry));
fail:
    return st;
}

md_status op_upsample_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    md_status st = MD_OK;
    const int64_t *dims = in->shape.dims;
    TRY(EXPECT_ACTIVATION(in, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY));
    TRY(EXPECT(out, in->type, dims[0], 2 * dims[1], 2 * dims[2], dims[3]));
    if (!stream->measuring)
        TRY(ENTRY(stream)->upsample_add(stream, out, in));
fail:
    return st;
}

md_status op_upsample_backward(struct stream *stream, struct tensor *in_grad,
                               const struct tensor *out_grad)
{
    md_status st = MD_OK;
    const int64_t *dims = in_grad->shape.dims;
    TRY(EXPECT_ACTIVATION(in_grad, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY));
    TRY(EXPECT(out_grad, in_grad->type, dims[0], 2 * dims[1], 2 * dims[2], dims[3]));
    if (!stream->measuring)
        TRY(ENTRY(stream)->upsample_backward(stream, in_grad, out_grad));
fail:
    return st;
}

/* ---- optimiser ---------------------------------------------------------------------------- */

md_status op_sgd_step(struct stream *stream, struct tensor *value, struct tensor *momentum,
                      const struct tensor *grad, const struct tensor *step,
                      const struct tensor *apply, const struct sgd_params *params)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(grad));
    TRY(EXPECT_LIKE(value, grad));
    TRY(EXPECT_LIKE(momentum, grad));
    TRY(EXPECT(step, TENSOR_I32, STEP_WORDS));
    TRY(OPTIONAL(apply, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->sgd_step(stream, value, momentum, grad, step, apply, params));
fail:
    return st;
}

md_status op_average(struct stream *stream, struct tensor *average, const struct tensor *in,
                     const struct tensor *step, const struct tensor *apply)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(in));
    TRY(EXPECT_LIKE(average, in));
    TRY(EXPECT(step, TENSOR_I32, STEP_WORDS));
    TRY(OPTIONAL(apply, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->average(stream, average, in, step, apply));
fail:
    return st;
}

md_status op_unscale(struct stream *stream, struct tensor *grad, const struct tensor *scale)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(grad));
    TRY(EXPECT(scale, TENSOR_F32, 2));
    if (!stream->measuring)
        TRY(ENTRY(stream)->unscale(stream, grad, scale));
fail:
    return st;
}

md_status op_adjust_scale(struct stream *stream, struct tensor *scale, const struct tensor *finite,
                          int patience)
{
    md_status st = MD_OK;
    TRY(EXPECT(scale, TENSOR_F32, 2));
    TRY(EXPECT(finite, TENSOR_I32, 1));
    TRY(REQUIRE(patience >= 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->adjust_scale(stream, scale, finite, patience));
fail:
    return st;
}

md_status op_sum_squares(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(in));
    TRY(EXPECT(out, TENSOR_F32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->sum_squares(stream, out, in));
fail:
    return st;
}

md_status op_all_finite(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(in));
    TRY(EXPECT(out, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->all_finite(stream, out, in));
fail:
    return st;
}

md_status op_clip_value(struct stream *stream, struct tensor *grad, float limit)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(grad));
    if (!stream->measuring)
        TRY(ENTRY(stream)->clip_value(stream, grad, limit));
fail:
    return st;
}

md_status op_clip_norm(struct stream *stream, struct tensor *grad, float limit, float order)
{
    md_status st = MD_OK;
    TRY(EXPECT_F32(grad));
    if (!(order > 0))
        FAIL(MD_EINVAL, "a norm of order %g; it must be above 0", (double)order);
    if (!stream->measuring)
        TRY(ENTRY(stream)->clip_norm(stream, grad, limit, order));
fail:
    return st;
}
