/* norm.h - what the primitives of tensor/ops.h know of a normalisation with learnt weight and bias.
 *
 * Group norm and batch norm are one formula over different sets of values. Group norm: all pixels of
 * one image, and of one group of neighbouring channels. Batch norm: all pixels of all images, of one
 * channel. Batch norm keeps running statistics for when there is no batch. */
#ifndef TENSOR_NORM_H
#define TENSOR_NORM_H

#include "tensor/device.h"

#define NORM_EPSILON 1e-5f  /* added to variances */
#define NORM_MOMENTUM 0.1f  /* share of a batch in the running statistics */

/* F32 vectors with an element for each of c channels. */
struct norm {
    struct tensor weight, bias;
    struct tensor running_mean, running_var; /* of a batch norm; absent in a group norm */
    int           groups;                    /* divides c; 0: a batch norm */
};

/* Of the statistics of `in` [n,h,w,c]: for each set mean and 1 / sqrt(variance + epsilon); [n,groups,2]
 * or [1,c,2]. */
static inline struct shape norm_stats_shape(const struct norm *norm, struct shape in)
{
    return norm->groups > 0 ? SHAPE(in.dims[0], norm->groups, 2) : SHAPE(1, in.dims[3], 2);
}

/* out = act((in - mean) * stats * weight + bias + residual), statistics with the variance divided by
 * the set's size. `in` [n,h,w,c], out and residual are activations; residual may be absent, out may be
 * `in` or residual. A batch norm with stats moves its running statistics towards the batch's, of which
 * the variance is then divided by the size less one; without stats it takes the running ones as they
 * are. A group norm always has stats. */
typedef md_status norm_forward_fn(struct stream *stream, struct tensor *out, struct tensor *stats,
                                  const struct tensor *in, const struct norm *norm,
                                  const struct tensor *residual, bool relu);
/* Of norm_forward with these stats, residual and activation aside. in_grad = the gradient of `in`, may
 * be out_grad; weight_grad and bias_grad [c] F32 +=, either may be absent. */
typedef md_status norm_backward_fn(struct stream *stream, struct tensor *in_grad,
                                   struct tensor *weight_grad, struct tensor *bias_grad,
                                   const struct tensor *out_grad, const struct tensor *in,
                                   const struct tensor *stats, const struct norm *norm);

#endif
