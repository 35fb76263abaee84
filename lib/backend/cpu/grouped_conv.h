/* grouped_conv.h - 3x3 convolutions of 8, 16 or 32 channels a group, by hand for AVX-512. */
#ifndef BACKEND_CPU_GROUPED_CONV_H
#define BACKEND_CPU_GROUPED_CONV_H

#include "backend/cpu/conv.h"

/* Whether this processor and these kernels do the convolution: 3x3, pad 1, stride 1 or 2, as many
 * channels out as in. */
bool grouped_conv_suits(const struct conv_shape *shape);

struct grouped_conv {
    struct conv_shape shape;
    float            *out;
    const float      *in;
    const float      *weights; /* as grouped_pack leaves them */
    const float      *bias;    /* or NULL */
    bool              relu, accumulate;
};

/* Floats of packed weights. */
size_t grouped_weight_floats(const struct conv_shape *shape);
/* packed = the effective weight; `transposed`: as the gradient of the input wants it. */
void grouped_pack(float *packed, const struct conv_shape *shape, const struct weight *weight,
                  bool transposed);

/* out = act(bias + in * w), or out += when accumulate. With transposed weights and stride 1, out is
 * the gradient of the input when in is that of the output. */
md_status grouped_conv_run(struct stream *stream, const struct grouped_conv *conv);

/* grad [like weight->value] += times scale. */
md_status grouped_conv_weight_gradient(struct stream *stream, struct tensor *grad,
                                       const struct tensor *in, const struct tensor *out_grad,
                                       const struct weight *weight,
                                       const struct conv_shape *shape);

#endif
