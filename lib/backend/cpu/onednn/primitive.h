/* primitive.h - oneDNN primitives made once for each shape and kept. */
#ifndef BACKEND_CPU_ONEDNN_PRIMITIVE_H
#define BACKEND_CPU_ONEDNN_PRIMITIVE_H

#include <dnnl.h>

#include "tensor/ops.h"

/* What a primitive is for: everything that its code depends on. */
enum { PRIMITIVE_KEY_VALUES = 16 };
struct primitive_key {
    int64_t values[PRIMITIVE_KEY_VALUES];
};

struct primitive {
    struct primitive_key key;
    uint64_t             hash, last_use;
    int                  users; /* executing now: not to be evicted */
    dnnl_primitive_t     handle;
    dnnl_memory_desc_t   weights; /* in the arrangement that the primitive asked for */
    dnnl_memory_desc_t   scratchpad;
};

/* At most this many stay; the least recently used one goes. */
enum { PRIMITIVE_CACHE_CAPACITY = 512 };

struct onednn {
    dnnl_engine_t     engine;
    uint64_t          clock;
    int               count;
    struct primitive *entries[PRIMITIVE_CACHE_CAPACITY]; /* guarded by device->lock */
};

/* A oneDNN status as ours; `what` is named in the error's text. */
md_status onednn_check(dnnl_status_t status, const char *what);

/* Makes the primitive's descriptor, with post-operations in `attributes`. */
typedef md_status primitive_describe_fn(const void *arg, struct onednn *onednn,
                                        dnnl_primitive_attr_t attributes,
                                        dnnl_primitive_desc_t *out);

/* The primitive for this key, made now if need be. It stays until primitive_put. */
md_status primitive_get(struct primitive **out, struct device *device,
                        const struct primitive_key *key, primitive_describe_fn *describe,
                        const void *arg);
void      primitive_put(struct device *device, struct primitive *primitive);

struct primitive_argument {
    int                       index; /* DNNL_ARG_... */
    const dnnl_memory_desc_t *layout;
    void                     *data;
};
enum { PRIMITIVE_MAX_ARGUMENTS = 8 };
md_status primitive_execute(struct stream *stream, dnnl_primitive_t handle,
                            const struct primitive_argument *arguments, int count);

/* Copies `from` into the arrangement of `to`. */
md_status onednn_reorder(struct stream *stream, const dnnl_memory_desc_t *to_layout, void *to,
                         const dnnl_memory_desc_t *from_layout, const void *from);
/* The same number for equal arrangements. */
uint64_t onednn_layout_hash(const dnnl_memory_desc_t *layout);

#endif
