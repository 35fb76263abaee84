/* weights.h - a weight as the kernels read it: folded, and in the type of the activations. */
#ifndef BACKEND_CUDA_WEIGHTS_H
#define BACKEND_CUDA_WEIGHTS_H

#include "tensor/ops.h"

/* On the device; valid until the weight changes or weight_release. */
struct folded_weight {
    const void  *value;       /* value * scale, layout as struct weight's */
    const float *bias;        /* NULL: none */
    const void  *narrow_bias; /* the same in the type of the activations */
};

/* Made now if need be, on this stream; later streams of the device wait for it. While operations
 * are being recorded nothing can be made: MD_EUNSUPPORTED. */
md_status weights_get(struct folded_weight *out, struct stream *stream, struct weight *weight);

weight_release_fn cuda_weight_release;

#endif
