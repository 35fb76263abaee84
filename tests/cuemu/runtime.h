/* runtime.h - what the files of the emulated runtime share: streams as queues, and captures. */
#ifndef TESTS_CUEMU_RUNTIME_H
#define TESTS_CUEMU_RUNTIME_H

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "control.h"
#include "cuda_runtime_api.h"

/* Work runs when somebody waits for it and not before: whoever forgets to wait sees that it has not
 * happened. One lock for all; kernels run under it, so host threads take turns. */
struct task {
    std::function<void()> run;
    cudaEvent_t wait = nullptr; /* first this event's position must be reached */
    unsigned long position = 0;
};

struct capture {
    std::vector<std::function<void()>> nodes;
    CUstream_st *origin = nullptr;
    std::set<CUstream_st *> unjoined; /* have work that the origin does not wait for */
    bool invalid = false;
};

struct CUstream_st {
    std::deque<task> queue;
    unsigned long enqueued = 0, done = 0;
    std::shared_ptr<capture> recording;
};

struct CUevent_st {
    CUstream_st *stream = nullptr;
    unsigned long position = 0;
    double seconds = 0;
    std::shared_ptr<capture> recording; /* recorded in a stream that is being captured */
};

struct CUgraph_st {
    std::vector<std::function<void()>> nodes;
};

struct CUgraphExec_st {
    std::vector<std::function<void()>> nodes;
};

namespace cuemu {

struct state {
    std::recursive_mutex lock;
    struct cuemu_counts counts = {};
    struct cuemu_faults faults = {0, 0, 0, -1, 0, 0};
    cudaError_t sticky = cudaSuccess; /* a kernel's fault: nothing works any more */
    std::set<CUstream_st *> streams;
};

struct state &shared_state();
typedef std::lock_guard<std::recursive_mutex> guard;

/* Keeps the thread's last error, as CUDA does. */
cudaError_t answer(cudaError_t error);
/* Appends to the stream, or to the capture it is in. */
cudaError_t enqueue(cudaStream_t stream, std::function<void()> run);
void run_until(cudaStream_t stream, unsigned long position);
void run_all(cudaStream_t stream);
/* Refuses what may not be done while any stream of this thread is being captured. */
bool capture_forbids();
void thread_captures(int by);

} /* namespace cuemu */

#endif
