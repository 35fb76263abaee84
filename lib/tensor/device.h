/* device.h - a device, a stream of operations on it, and a workspace of its memory.
 *
 * A backend (lib/backend) fills in struct backend; nothing above knows which one it is.
 *
 * Measuring. Everything between an image's upload and its results' download has shapes that depend
 * on the padded size alone. So a pass can be run once in measuring mode: the workspace hands out
 * tensors without memory and counts, the front doors check shapes and compute nothing. Then
 * workspace_measure_end takes the peak in one block, and a steady state allocates nothing. */
#ifndef TENSOR_DEVICE_H
#define TENSOR_DEVICE_H

#include <pthread.h>

#include "core/memory.h"
#include "tensor/tensor.h"

struct op_table; /* tensor/ops.h */
struct stream;

struct device {
    const struct backend *backend;
    struct memory        *memory;  /* host memory; also the cpu and ref devices' own */
    int                   threads; /* for the cpu backend's loops and libraries, >= 1 */
    bool                  deterministic;
    int                   index;   /* of "cuda:1" */
    enum tensor_type      activations; /* F32, BF16 or F16: of images, feature maps and hidden layers */
    bool                  tf32;    /* products of F32 activations may round their factors to TF32 */
    pthread_mutex_t       lock;    /* guards op caches */
    void                 *state;   /* the backend's */
};

struct graph; /* a recorded sequence of operations, of the backend */

/* One of these for each kind of device. Functions return MD_EDEVICE or MD_ENOMEM with text. */
struct backend {
    const char *name; /* "ref", "cpu", "cuda" */
    md_status (*device_open)(struct device *device);
    void (*device_close)(struct device *device);
    md_status (*stream_open)(struct stream *stream);
    void (*stream_close)(struct stream *stream);
    md_status (*alloc)(struct device *device, void **out, size_t bytes); /* 64-byte aligned */
    void (*free)(struct device *device, void *memory, size_t bytes);
    md_status (*upload)(struct stream *stream, void *to, const void *from_host, size_t bytes);
    md_status (*download)(struct stream *stream, void *to_host, const void *from, size_t bytes); /* waits */
    md_status (*synchronise)(struct stream *stream);
    const struct op_table *ops;

    /* What follows is NULL, false or 0 where a device has no such thing. */
    const char *toolkit;                                       /* "13.0": what it was built with */
    int (*device_count)(void);                                /* NULL: one. Never fails. */
    md_status (*device_query)(md_device_info *out, int index); /* NULL: the host itself */
    bool reduced_precision; /* activations may be BF16 or F16, and tf32 true */
    bool fused_stem;        /* in 16 bits conv2d_maxpool_forward is faster than its parts */
    int  lanes;             /* streams that a sequence of images is best computed on; 0: one */
    int  roi_part;          /* rois that are pooled and classified at once; 0: a few hundred */
    /* Host memory that transfers need not copy first; the allocator's when NULL. */
    md_status (*host_alloc)(struct device *device, void **out, size_t bytes);
    void (*host_free)(struct device *device, void *memory, size_t bytes);
    /* As download, but does not wait: to_host (of host_alloc) holds it after synchronise. */
    md_status (*download_later)(struct stream *stream, void *to_host, const void *from, size_t bytes);
    /* See stream_fork; stream->branch is set by the caller. */
    md_status (*fork)(struct stream *stream, int branches);
    md_status (*join)(struct stream *stream, int branches);
    /* Between begin and end operations are recorded, not run. End must follow begin, also after an
     * error, and then gives no graph. MD_EUNSUPPORTED: it must be run without recording. */
    md_status (*capture_begin)(struct stream *stream);
    md_status (*capture_end)(struct stream *stream, struct graph **out);
    md_status (*graph_launch)(struct stream *stream, struct graph *graph);
    void (*graph_free)(struct device *device, struct graph *graph);
};

struct device_options {
    int              index;   /* of "cuda:1" */
    int              threads; /* 0: one for each core this process may use */
    bool             deterministic, tf32;
    enum tensor_type activations; /* TENSOR_F32 is zero */
};

/* Activations that the backend cannot have: MD_EUNSUPPORTED. */
md_status device_create(struct device **out, const struct backend *backend, struct memory *memory,
                        const struct device_options *options);
void device_free(struct device *device);

/* ---- stream: operations in order, by one host thread at a time ---------------------------- */

enum { STREAM_MAX_BRANCHES = 5 };

/* Device memory of one operation at a time; see stream_scratch. */
struct stream_scratch {
    void  *memory;
    size_t bytes;
};

struct stream {
    struct device *device;
    bool           measuring;
    int            branch; /* 0, or which of the forked ones operations go to */
    struct stream_scratch scratch[STREAM_MAX_BRANCHES];
    void          *state; /* the backend's */
};

md_status stream_create(struct stream **out, struct device *device);
void      stream_free(struct stream *stream);
/* Device memory that the next call of it may overwrite. Grows when a larger one is asked for. */
md_status stream_scratch(struct stream *stream, void **out, size_t bytes);

/* Work that does not depend on each other: after stream_fork(stream, n), operations go to the branch
 * last chosen, 0 to n - 1, until stream_join; what comes after waits for all of them. Where branches
 * run at the same time, memory that one has given back must not be used by another: see
 * stream_branches_overlap. A join follows a fork also after an error. */
md_status stream_fork(struct stream *stream, int branches);
void      stream_branch(struct stream *stream, int branch);
md_status stream_join(struct stream *stream, int branches);
bool      stream_branches_overlap(const struct stream *stream);

/* The whole tensor. Nothing happens while measuring (downloads give zeros). */
md_status tensor_upload(struct stream *stream, const struct tensor *to, const void *from_host);
md_status tensor_download(struct stream *stream, void *to_host, const struct tensor *from);
/* to_host, which is of host_memory_alloc, holds it after the next synchronise. */
md_status tensor_download_later(struct stream *stream, void *to_host, const struct tensor *from);

/* Host memory for uploads and downloads; where the device has none of its own, the allocator's. */
md_status host_memory_alloc(struct device *device, void **out, size_t bytes);
void      host_memory_free(struct device *device, void *memory, size_t bytes);

/* Device memory that lives longer than a pass: parameters. Zeroed. */
md_status tensor_create(struct device *device, struct tensor *out, enum tensor_type type, struct shape shape);
void      tensor_destroy(struct device *device, struct tensor *tensor); /* clears *tensor; rank 0 is fine */

/* ---- workspace: device memory with mark and rewind ---------------------------------------- */

/* Tensors are stacked from both ends: what lives between two others of one stack, and is needed
 * for a shorter time than either, goes to the far end. */
struct workspace {
    struct device *device;
    char          *base;
    size_t         capacity, peak; /* bytes; the peak is of both ends together */
    size_t         used, far;      /* from the front, from the far end */
    bool           measuring;
};

void workspace_init(struct workspace *workspace, struct device *device);
void workspace_free(struct workspace *workspace);
/* 64-byte aligned, content undefined. Beyond the reserve: MD_EINTERNAL. */
md_status workspace_tensor(struct workspace *workspace, struct tensor *out, enum tensor_type type,
                           struct shape shape);
/* Of the device's type for activations. */
md_status workspace_activation(struct workspace *workspace, struct tensor *out, struct shape shape);
size_t workspace_mark(const struct workspace *workspace);
void   workspace_rewind(struct workspace *workspace, size_t mark);
/* The same at the far end. */
md_status workspace_tensor_far(struct workspace *workspace, struct tensor *out, enum tensor_type type,
                               struct shape shape);
size_t workspace_mark_far(const struct workspace *workspace);
void   workspace_rewind_far(struct workspace *workspace, size_t mark);
void   workspace_clear(struct workspace *workspace); /* all is given back, at both ends */
/* Starts measuring on both, with nothing used. */
void workspace_measure_begin(struct workspace *workspace, struct stream *stream);
/* Ends it without taking anything; the peak is workspace->peak. */
void workspace_measure_abandon(struct workspace *workspace, struct stream *stream);
/* Ends it, and grows the block to the measured peak if it is smaller (its content is lost). */
md_status workspace_measure_end(struct workspace *workspace, struct stream *stream);

#endif
