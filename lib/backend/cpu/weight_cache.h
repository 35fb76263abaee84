/* weight_cache.h - packed copies of a weight, remade when the weight changes. */
#ifndef BACKEND_CPU_WEIGHT_CACHE_H
#define BACKEND_CPU_WEIGHT_CACHE_H

#include "tensor/ops.h"

enum packed_use {
    PACKED_FORWARD, PACKED_BACKWARD_INPUT,
    PACKED_GROUPED, PACKED_GROUPED_BACKWARD,
    PACKED_WINOGRAD, PACKED_WINOGRAD_BACKWARD
};

/* One copy. `layout` tells the arrangements of one use apart. */
struct packed {
    struct packed  *next;
    enum packed_use use;
    uint64_t        layout;
    bool            valid; /* holds `version` */
    uint64_t        version;
    size_t          bytes;
    float          *data;
};

/* Fills packed->data from the weight. */
typedef md_status pack_fn(void *arg, struct stream *stream, const struct weight *weight,
                          float *packed);

/* What to find, how large it is, and how it is made. */
struct pack_request {
    enum packed_use use;
    uint64_t        layout;
    size_t          bytes;
    pack_fn        *pack;
    void           *arg;
};

/* The copy for the weight's present version, made now if need be; it lives until weight_release.
 * In a steady state it allocates nothing: a changed weight is packed into the same memory. */
md_status weight_cache_get(const float **out, struct stream *stream, struct weight *weight,
                           const struct pack_request *request);

weight_release_fn cpu_weight_release;

#endif
