/* ops_norm.c - front doors of the normalisations: check, then dispatch. */
#include "core/error.h"
#include "tensor/checks.h"

static md_status check_norm(const struct stream *stream, const char *op, const struct tensor *in,
                            const struct norm *norm)
{
    md_status st = MD_OK;
    const int64_t c = in->shape.dims[3];
    const enum tensor_type f32 = TENSOR_F32;
    TRY(check_activation(stream, op, "in", in, SHAPE(SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY)));
    TRY(check_that(op, norm->groups >= 0, "groups >= 0"));
    TRY(check_that(op, norm->groups == 0 || c % norm->groups == 0, "groups divide the channels"));
    TRY(check_tensor(stream, op, "weight", &norm->weight, f32, SHAPE(c)));
    TRY(check_tensor(stream, op, "bias", &norm->bias, f32, SHAPE(c)));
    if (norm->groups > 0)
        return MD_OK;
    TRY(check_tensor(stream, op, "running_mean", &norm->running_mean, f32, SHAPE(c)));
    TRY(check_tensor(stream, op, "running_var", &norm->running_var, f32, SHAPE(c)));
fail:
    return st;
}

md_status op_norm_forward(struct stream *stream, struct tensor *out, struct tensor *stats,
                          const struct tensor *in, const struct norm *norm,
                          const struct tensor *residual, bool relu)
{
    md_status st = MD_OK;
    TRY(check_norm(stream, __func__, in, norm));
    TRY(EXPECT_LIKE(out, in));
    TRY(OPTIONAL_LIKE(residual, in));
    TRY(REQUIRE(tensor_given(stats) || norm->groups == 0));
    TRY(check_optional(stream, __func__, "stats", stats, TENSOR_F32,
                       norm_stats_shape(norm, in->shape)));
    if (!stream->measuring)
        TRY(ENTRY(stream)->norm_forward(stream, out, stats, in, norm, residual, relu));
fail:
    return st;
}

md_status op_norm_backward(struct stream *stream, struct tensor *in_grad,
                           struct tensor *weight_grad, struct tensor *bias_grad,
                           const struct tensor *out_grad, const struct tensor *in,
                           const struct tensor *stats, const struct norm *norm)
{
    md_status st = MD_OK;
    TRY(check_norm(stream, __func__, in, norm));
    TRY(EXPECT_LIKE(in_grad, in));
    TRY(EXPECT_LIKE(out_grad, in));
    TRY(OPTIONAL_LIKE(weight_grad, &norm->weight));
    TRY(OPTIONAL_LIKE(bias_grad, &norm->weight));
    TRY(check_tensor(stream, __func__, "stats", stats, TENSOR_F32,
                     norm_stats_shape(norm, in->shape)));
    if (!stream->measuring)
        TRY(ENTRY(stream)->norm_backward(stream, in_grad, weight_grad, bias_grad, out_grad, in,
                                         stats, norm));
fail:
    return st;
}
