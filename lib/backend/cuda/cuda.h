/* cuda.h - the cuda backend's devices and streams, as its files see them.
 *
 * The same sources serve a real device, over NVIDIA's runtime, and the emulated one of the tests,
 * over a shim of it: they see nothing of the difference. */
#ifndef BACKEND_CUDA_CUDA_H
#define BACKEND_CUDA_CUDA_H

#include <cuda_runtime_api.h>
#include <stdatomic.h>

#include "backend/cuda/plan.h"
#include "kernels/launch.h"
#include "kernels/launch_train.h"
#include "tensor/ops.h"

struct cuda_device {
    char          name[256]; /* "NVIDIA H200" */
    int           driver;    /* version, e.g. 13000 */
    int           capability; /* e.g. 90 */
    int           multiprocessors;
    struct plans *plans;     /* engines of dense convolutions */
    atomic_bool   dying, dead; /* a kernel faulted: nothing works on it any more */
    char          death[128]; /* written once, by who sets dying first, before dead */
};

struct cuda_stream {
    cudaStream_t raw[STREAM_MAX_BRANCHES]; /* 0 is the stream itself; the others are made when forked */
    cudaEvent_t  forked, joined[STREAM_MAX_BRANCHES];
    bool         recording;
    /* Pinned memory that uploads are copied to first; what is used is free after a wait. */
    char        *staging;
    size_t       staging_bytes, staging_used;
};

static inline struct cuda_device *cuda_device_of(const struct device *device)
{
    return device->state;
}

static inline struct cuda_stream *cuda_stream_of(const struct stream *stream)
{
    return stream->state;
}

/* Where the present branch's operations go; makes the device the thread's. */
cudaStream_t cuda_raw(struct stream *stream);
/* What a launcher or a call of the runtime said, as a status. A fault of a kernel marks the device as
 * dead; after that all is MD_EDEVICE with the same reason. */
md_status cuda_check(const struct device *device, int error, const char *what);
static inline md_status cuda_called(const struct device *device, cudaError_t error, const char *what)
{
    return cuda_check(device, (int)error, what);
}

enum launch_type cuda_type(enum tensor_type type);

/* ---- the backend's entries: stream.c, graph.c ----------------------------------------------- */

md_status cuda_stream_open(struct stream *stream);
void      cuda_stream_close(struct stream *stream);
md_status cuda_upload(struct stream *stream, void *to, const void *from_host, size_t bytes);
md_status cuda_download(struct stream *stream, void *to_host, const void *from, size_t bytes);
md_status cuda_download_later(struct stream *stream, void *to_host, const void *from, size_t bytes);
md_status cuda_synchronise(struct stream *stream);

md_status cuda_fork(struct stream *stream, int branches);
md_status cuda_join(struct stream *stream, int branches);
md_status cuda_capture_begin(struct stream *stream);
md_status cuda_capture_end(struct stream *stream, struct graph **out);
md_status cuda_graph_launch(struct stream *stream, struct graph *graph);
void      cuda_graph_free(struct device *device, struct graph *graph);

#define X(name) name##_fn cuda_##name;
OPS_LIST(X)
#undef X
weight_release_fn cuda_weight_release;
weight_ready_fn cuda_weight_ready;
weight_refold_fn cuda_weight_refold;

#endif
