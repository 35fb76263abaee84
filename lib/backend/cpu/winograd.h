/* winograd.h - 3x3 convolutions of large images with a quarter of the multiplications.
 *
 * F(4x4, 3x3) after Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015:
 * a tile of 4x4 outputs takes 36 products a channel pair instead of 144. */
#ifndef BACKEND_CPU_WINOGRAD_H
#define BACKEND_CPU_WINOGRAD_H

#include "backend/cpu/conv.h"

/* Whether this processor does it and it pays: 3x3, stride 1, pad 1, whole vectors of channels, and
 * tiles enough to be worth packed weights that are four times as large. */
bool winograd_suits(const struct conv_shape *shape);

struct winograd_conv {
    struct conv_shape shape;    /* of what is computed: for a gradient, `c` are the output's channels */
    float            *out;
    const float      *in;
    const float      *weights;  /* as winograd_pack leaves them */
    const float      *bias;     /* or NULL */
    const float      *residual; /* like out, or out itself, or NULL */
    bool              relu;
};

/* Floats of packed weights. */
size_t winograd_weight_floats(const struct conv_shape *shape);
/* packed = the effective weight at all points; `transposed`: as the gradient of the input wants it. */
void winograd_pack(const struct device *device, float *packed, const struct conv_shape *shape,
                   const struct weight *weight, bool transposed);

/* out = act(bias + in * w + residual). */
md_status winograd_run(struct stream *stream, const struct winograd_conv *conv);

#endif
