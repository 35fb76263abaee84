/* weight.h - what the primitives of tensor/ops.h know of a layer, and of a training step. */
#ifndef TENSOR_WEIGHT_H
#define TENSOR_WEIGHT_H

#include "tensor/device.h"

struct op_cache; /* what a backend made of a weight: packed copies, keyed by use and shape */

/* A layer's weight as the operations see it. `scale` and `bias` are a folded FrozenBN, or scale is
 * absent and bias the layer's own. The effective weight is value[o,...] * scale[o]. */
struct weight {
    struct tensor    value;   /* convolution [out, kh, kw, in/groups]; linear [out, in] */
    struct tensor    scale;   /* [out], may be absent; a linear layer has none */
    struct tensor    bias;    /* [out], may be absent */
    const uint64_t  *version; /* changes whenever value, scale or bias do */
    struct op_cache *cache;   /* the backend's; starts NULL */
    struct weight   *next;    /* for whoever keeps a list of them */
};

/* Frees what the backend keeps for this weight. */
typedef void weight_release_fn(struct device *device, struct weight *weight);
/* A backend whose operations may be recorded keeps its copy of a weight, if it has one, in one place
 * and has these; they are NULL elsewhere. Ready: the copy is that of the present version, for all
 * streams; nothing is done if it is so already. Refold: it is made anew in this stream's order, also
 * as part of a recording; this is how the copy follows a training step, without a new version. */
typedef md_status weight_ready_fn(struct stream *stream, struct weight *weight);
typedef md_status weight_refold_fn(struct stream *stream, struct weight *weight);

/* ---- numbers of a training step ------------------------------------------------------------ */

/* What changes from one step to the next is read when an operation runs, not when it is called, so
 * that a recorded step serves again. An I32 [STEP_WORDS] tensor, called `step`, holds one of these. */
struct step_numbers {
    uint64_t seed, index; /* of random numbers; the index is of the first image */
    float    lr;
    float    average_kept, average_added; /* shares of op_average */
    uint32_t unused;
};
enum { STEP_WORDS = sizeof(struct step_numbers) / sizeof(int32_t) };

/* Small gradients vanish in F16, so those of the losses may be multiplied by a number: an F32 [2]
 * tensor `scale` holds it, and for how many steps all gradients have been finite with it. */
#define OPS_MOST_SCALE 16777216.0f

#endif
