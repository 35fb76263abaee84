/* linear.c - fully connected layers and their gradients. */
#include <string.h>

#include "backend/ref/common.h"
#include "backend/ref/dot.h"
#include "core/error.h"

md_status ref_linear_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                             struct weight *weight, bool relu, const struct tensor *rows)
{
    (void)stream;
    const int64_t inputs = in->shape.dims[1], outputs = out->shape.dims[1];
    const int64_t computed = row_count(rows, in->shape.dims[0]);
    const float *bias = f32(&weight->bias);
    for (int64_t r = 0; r < in->shape.dims[0]; r++) {
        for (int64_t o = 0; o < outputs; o++) {
            double sum = 0;
            if (r < computed)
                sum = dot(f32(in) + r * inputs, f32(&weight->value) + o * inputs, inputs) +
                      (bias ? (double)bias[o] : 0);
            f32(out)[r * outputs + o] = (float)(relu && sum < 0 ? 0 : sum);
        }
    }
    return MD_OK;
}

md_status ref_linear_backward_input(struct stream *stream, struct tensor *in_grad,
                                    const struct tensor *out_grad, struct weight *weight,
                                    bool accumulate, const struct tensor *rows)
{
    md_status st = MD_OK;
    const int64_t inputs = in_grad->shape.dims[1], outputs = out_grad->shape.dims[1];
    const int64_t computed = row_count(rows, in_grad->shape.dims[0]);
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)inputs * sizeof(double)));
    double *sum = scratch; /* [inputs] */
    for (int64_t r = 0; r < in_grad->shape.dims[0]; r++) {
        float *grad = f32(in_grad) + r * inputs;
        memset(sum, 0, (size_t)inputs * sizeof *sum);
        for (int64_t o = 0; o < outputs && r < computed; o++)
            add_scaled(sum, (double)f32(out_grad)[r * outputs + o],
                       f32(&weight->value) + o * inputs, inputs);
        for (int64_t i = 0; i < inputs; i++)
            grad[i] = (float)((accumulate ? (double)grad[i] : 0) + sum[i]);
    }
fail:
    return st;
}

md_status ref_linear_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                     struct tensor *bias_grad, const struct tensor *in,
                                     const struct tensor *out_grad, const struct tensor *rows)
{
    md_status st = MD_OK;
    const int64_t inputs = in->shape.dims[1], outputs = out_grad->shape.dims[1];
    const int64_t computed = row_count(rows, in->shape.dims[0]);
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)inputs * sizeof(double)));
    double *sum = scratch; /* [inputs] */
    for (int64_t o = 0; o < outputs; o++) {
        double bias_sum = 0;
        memset(sum, 0, (size_t)inputs * sizeof *sum);
        for (int64_t r = 0; r < computed; r++) {
            const double grad = (double)f32(out_grad)[r * outputs + o];
            add_scaled(sum, grad, f32(in) + r * inputs, inputs);
            bias_sum += grad;
        }
        for (int64_t i = 0; i < inputs && tensor_given(weight_grad); i++)
            f32(weight_grad)[o * inputs + i] += (float)sum[i];
        if (tensor_given(bias_grad))
            f32(bias_grad)[o] += (float)bias_sum;
    }
fail:
    return st;
}
