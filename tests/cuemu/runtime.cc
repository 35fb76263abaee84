/* runtime.cc - the emulated runtime's devices, streams, events, launches and captures. */
#include "runtime.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cuemu.h"

namespace cuemu {

void run_grid(dim3 grid, dim3 size, size_t shared, const std::function<void()> &body,
              const char *name);

struct state &shared_state()
{
    static struct state state;
    return state;
}

static thread_local cudaError_t last_error;
static thread_local int captures;

cudaError_t answer(cudaError_t error)
{
    const cudaError_t sticky = shared_state().sticky;
    if (sticky != cudaSuccess)
        error = sticky;
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

bool capture_forbids() { return captures > 0; }
void thread_captures(int by) { captures += by; }

/* ---- streams ------------------------------------------------------------------------------- */

/* The capture that the stream is in. An ended one has no origin: its side streams leave it so. */
static struct capture *recording_of(cudaStream_t stream)
{
    if (stream->recording && !stream->recording->origin)
        stream->recording.reset();
    return stream->recording.get();
}

cudaError_t enqueue(cudaStream_t stream, std::function<void()> run)
{
    if (!stream)
        return answer(cudaErrorInvalidResourceHandle); /* the default stream is not for us */
    if (struct capture *recording = recording_of(stream)) {
        recording->nodes.push_back(std::move(run));
        if (stream != recording->origin)
            recording->unjoined.insert(stream);
        return answer(cudaSuccess);
    }
    task next;
    next.run = std::move(run);
    stream->queue.push_back(std::move(next));
    stream->enqueued++;
    return answer(cudaSuccess);
}

void run_until(cudaStream_t stream, unsigned long position)
{
    while (stream->done < position && !stream->queue.empty()) {
        task next = std::move(stream->queue.front());
        stream->queue.pop_front();
        if (next.wait && next.wait->stream)
            run_until(next.wait->stream, next.position);
        if (next.run && shared_state().sticky == cudaSuccess)
            next.run();
        stream->done++;
    }
}

void run_all(cudaStream_t stream) { run_until(stream, stream->enqueued); }

/* ---- launches ------------------------------------------------------------------------------ */

static cudaError_t check_launch(dim3 grid, dim3 block, size_t shared)
{
    const unsigned long threads = (unsigned long)block.x * block.y * block.z;
    if (threads < 1 || threads > 1024 || block.z > 64 || grid.x < 1 || grid.y < 1 || grid.z < 1 ||
        grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return cudaErrorInvalidConfiguration;
    return shared > 227u << 10 ? cudaErrorInvalidValue : cudaSuccess;
}

void enqueue_grid(launch_stream stream, dim3 grid, dim3 block, size_t shared,
                  std::function<void()> body, const char *name, int *status)
{
    struct state &s = shared_state();
    guard lock(s.lock);
    cudaError_t checked = check_launch(grid, block, shared);
    if (checked != cudaSuccess) {
        *status = (int)answer(checked);
        return;
    }
    s.counts.launches++;
    const bool fault = s.faults.fail_launch > 0 && --s.faults.fail_launch == 0;
    *status = (int)enqueue(stream, [=]() {
        if (fault)
            shared_state().sticky = cudaErrorIllegalAddress;
        else
            run_grid(grid, block, shared, body, name);
    });
}

} /* namespace cuemu */

using namespace cuemu;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    guard lock(shared_state().lock);
    if (shared_state().sticky != cudaSuccess)
        return answer(cudaSuccess);
    *stream = new CUstream_st;
    shared_state().streams.insert(*stream);
    return answer(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    guard lock(shared_state().lock);
    run_all(stream);
    shared_state().streams.erase(stream);
    delete stream;
    return answer(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    guard lock(shared_state().lock);
    if (recording_of(stream)) {
        stream->recording->invalid = true;
        return answer(cudaErrorStreamCaptureUnsupported);
    }
    shared_state().counts.waits++;
    run_all(stream);
    return answer(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    guard lock(shared_state().lock);
    return stream->done < stream->enqueued ? cudaErrorNotReady : answer(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    guard lock(shared_state().lock);
    /* The stream joins the capture, or what it did is part of the whole again. */
    if (event->recording && event->recording->origin) {
        if (!recording_of(stream))
            stream->recording = event->recording;
        if (stream == event->recording->origin)
            event->recording->unjoined.erase(event->stream);
        return answer(cudaSuccess);
    }
    if (recording_of(stream))
        return answer(cudaErrorStreamCaptureIsolation);
    task next;
    next.wait = event;
    next.position = event->position;
    stream->queue.push_back(std::move(next));
    stream->enqueued++;
    return answer(cudaSuccess);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *user)
{
    guard lock(shared_state().lock);
    return enqueue(stream, [=]() { function(user); });
}

/* ---- events -------------------------------------------------------------------------------- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    guard lock(shared_state().lock);
    *event = new CUevent_st;
    return answer(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    guard lock(shared_state().lock);
    delete event;
    return answer(cudaSuccess);
}

static double seconds_now()
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    guard lock(shared_state().lock);
    event->stream = stream;
    recording_of(stream);
    event->recording = stream->recording;
    if (stream->recording)
        return answer(cudaSuccess);
    cudaError_t enqueued = enqueue(stream, [event]() { event->seconds = seconds_now(); });
    event->position = stream->enqueued;
    return enqueued;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    guard lock(shared_state().lock);
    shared_state().counts.waits++;
    if (event->recording && event->recording->origin)
        return answer(cudaErrorStreamCaptureUnsupported);
    if (event->stream)
        run_until(event->stream, event->position);
    return answer(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    guard lock(shared_state().lock);
    return event->stream && event->stream->done < event->position ? cudaErrorNotReady
                                                                  : answer(cudaSuccess);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    guard lock(shared_state().lock);
    if (cudaEventQuery(start) != cudaSuccess || cudaEventQuery(end) != cudaSuccess)
        return answer(cudaErrorNotReady);
    *milliseconds = (float)((end->seconds - start->seconds) * 1e3);
    return answer(cudaSuccess);
}

/* ---- captures ------------------------------------------------------------------------------ */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode)
{
    guard lock(shared_state().lock);
    if (recording_of(stream))
        return answer(cudaErrorStreamCaptureUnsupported);
    stream->recording = std::make_shared<capture>();
    stream->recording->origin = stream;
    thread_captures(1);
    return answer(cudaSuccess);
}

/* The side streams of a capture leave it with it: they share it and nothing else does. */
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    guard lock(shared_state().lock);
    *graph = nullptr;
    if (!stream->recording || stream->recording->origin != stream)
        return answer(cudaErrorStreamCaptureUnmatched);
    std::shared_ptr<capture> ended = stream->recording;
    stream->recording.reset();
    thread_captures(-1);
    if (ended->invalid)
        return answer(cudaErrorStreamCaptureInvalidated);
    if (!ended->unjoined.empty())
        return answer(cudaErrorStreamCaptureUnjoined);
    ended->origin = nullptr;
    *graph = new CUgraph_st{std::move(ended->nodes)};
    return answer(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status)
{
    guard lock(shared_state().lock);
    recording_of(stream);
    *status = !stream->recording            ? cudaStreamCaptureStatusNone
              : stream->recording->invalid ? cudaStreamCaptureStatusInvalidated
                                           : cudaStreamCaptureStatusActive;
    return answer(cudaSuccess);
}

cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *)
{
    return answer(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long)
{
    guard lock(shared_state().lock);
    *executable = new CUgraphExec_st{graph->nodes};
    return answer(cudaSuccess);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void *, size_t *count)
{
    *count = graph->nodes.size();
    return answer(cudaSuccess);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return answer(cudaSuccess); }

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    guard lock(shared_state().lock);
    shared_state().counts.graph_launches++;
    for (const std::function<void()> &node : executable->nodes)
        enqueue(stream, node);
    return answer(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return answer(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    delete executable;
    return answer(cudaSuccess);
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;
    last_error = shared_state().sticky;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return last_error; }

struct cuemu_counts cuemu_counts(void)
{
    guard lock(shared_state().lock);
    return shared_state().counts;
}

void cuemu_inject(const struct cuemu_faults *faults)
{
    guard lock(shared_state().lock);
    shared_state().faults = *faults;
}

void cuemu_reset(void)
{
    guard lock(shared_state().lock);
    shared_state().faults = {0, 0, 0, -1, 0, 0};
    shared_state().sticky = cudaSuccess;
    last_error = cudaSuccess;
}

} /* extern "C" */
