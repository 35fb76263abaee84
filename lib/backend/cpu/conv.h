/* conv.h - the sizes of a convolution, as its tensors give them. */
#ifndef BACKEND_CPU_CONV_H
#define BACKEND_CPU_CONV_H

#include "tensor/ops.h"

struct conv_shape {
    int64_t n, h, w, c;     /* input */
    int64_t oh, ow, o;      /* output */
    int64_t kh, kw;
    int64_t stride, pad, groups;
};

static inline struct conv_shape conv_shape_of(const struct tensor *in, const struct tensor *out,
                                              const struct weight *weight,
                                              struct conv_geometry geometry)
{
    const int64_t *i = in->shape.dims;
    const int64_t *o = out->shape.dims;
    const int64_t *k = weight->value.shape.dims;
    return (struct conv_shape){i[0], i[1], i[2], i[3], o[1], o[2], o[3], k[1], k[2],
                               geometry.stride, geometry.pad, geometry.groups};
}

/* folded [like value] = the effective weight. */
void conv_fold_scale(const struct device *device, float *folded, const struct weight *weight);
/* grad += scale * fresh, both like value; scale may be absent. */
void conv_add_scaled(const struct device *device, struct tensor *grad, const float *fresh,
                     const struct weight *weight);

#endif
