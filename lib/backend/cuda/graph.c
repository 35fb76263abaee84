/* graph.c - branches of a stream, and recordings of what is enqueued. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

struct graph {
    cudaGraphExec_t executable;
};

/* ---- branches ----------------------------------------------------------------------------- */

/* Streams and events of the first `branches`; they stay for the next time. */
static md_status make_branches(struct stream *stream, int branches)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = cuda_stream_of(stream);
    if (!state->forked)
        TRY(cuda_called(device, cudaEventCreateWithFlags(&state->forked, cudaEventDisableTiming),
                        "making an event"));
    for (int i = 1; i < branches; i++) {
        if (!state->raw[i])
            TRY(cuda_called(device,
                            cudaStreamCreateWithFlags(&state->raw[i], cudaStreamNonBlocking),
                            "making a branch"));
        if (!state->joined[i])
            TRY(cuda_called(device,
                            cudaEventCreateWithFlags(&state->joined[i], cudaEventDisableTiming),
                            "making an event"));
    }
fail:
    return st;
}

md_status cuda_fork(struct stream *stream, int branches)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = cuda_stream_of(stream);
    (void)cudaSetDevice(device->index);
    TRY(make_branches(stream, branches));
    TRY(cuda_called(device, cudaEventRecord(state->forked, state->raw[0]), "a fork"));
    for (int i = 1; i < branches; i++)
        TRY(cuda_called(device, cudaStreamWaitEvent(state->raw[i], state->forked, 0), "a fork"));
fail:
    return st;
}

md_status cuda_join(struct stream *stream, int branches)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = cuda_stream_of(stream);
    (void)cudaSetDevice(device->index);
    for (int i = 1; i < branches; i++) {
        TRY(cuda_called(device, cudaEventRecord(state->joined[i], state->raw[i]), "a join"));
        TRY(cuda_called(device, cudaStreamWaitEvent(state->raw[0], state->joined[i], 0), "a join"));
    }
fail:
    return st;
}

/* ---- recordings --------------------------------------------------------------------------- */

/* What cannot be recorded is run as it is. */
static md_status unrecorded(const struct device *device, cudaError_t error)
{
    if ((int)error >= 900 && (int)error <= 910) { /* CUDA's errors of a capture */
        (void)cudaGetLastError();
        return ERROR(MD_EUNSUPPORTED, "cuda:%d: this cannot be recorded: %s", device->index,
                     cudaGetErrorString(error));
    }
    return cuda_called(device, error, "recording");
}

md_status cuda_capture_begin(struct stream *stream)
{
    struct cuda_stream *state = cuda_stream_of(stream);
    (void)cudaSetDevice(stream->device->index);
    md_status st = unrecorded(
        stream->device, cudaStreamBeginCapture(state->raw[0], cudaStreamCaptureModeThreadLocal));
    state->recording = st >= 0;
    return st;
}

md_status cuda_capture_end(struct stream *stream, struct graph **out)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = cuda_stream_of(stream);
    struct graph *graph = NULL;
    cudaGraph_t recorded = NULL;
    *out = NULL;
    state->recording = false;
    TRY(unrecorded(device, cudaStreamEndCapture(state->raw[0], &recorded)));
    TRY(memory_zeroed(device->memory, &graph, 1, sizeof *graph));
    TRY(unrecorded(device, cudaGraphInstantiate(&graph->executable, recorded, 0)));
    (void)cudaGraphDestroy(recorded);
    *out = graph;
    return MD_OK;
fail:
    if (recorded)
        (void)cudaGraphDestroy(recorded);
    memory_free(device->memory, graph);
    return st;
}

md_status cuda_graph_launch(struct stream *stream, struct graph *graph)
{
    return cuda_called(stream->device, cudaGraphLaunch(graph->executable, cuda_raw(stream)),
                       "starting a recording");
}

void cuda_graph_free(struct device *device, struct graph *graph)
{
    if (!graph)
        return;
    (void)cudaSetDevice(device->index);
    (void)cudaGraphExecDestroy(graph->executable);
    memory_free(device->memory, graph);
}
