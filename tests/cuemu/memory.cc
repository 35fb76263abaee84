/* memory.cc - the emulated runtime's devices and memory: poisoned, exact, and checked on each copy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>

#include "runtime.h"

using namespace cuemu;

namespace {

struct region {
    size_t bytes;
    bool device; /* else pinned host memory */
};

std::map<char *, region> &regions()
{
    static std::map<char *, region> all;
    return all;
}

/* The region that holds [memory, memory + bytes), or NULL. */
const region *region_of(const void *memory, size_t bytes)
{
    char *at = (char *)memory;
    auto next = regions().upper_bound(at);
    if (next == regions().begin())
        return nullptr;
    --next;
    return at + bytes <= next->first + next->second.bytes ? &next->second : nullptr;
}

bool on_device(const void *memory, size_t bytes)
{
    const region *found = region_of(memory, bytes);
    return found && found->device;
}

int device_total()
{
    const int count = shared_state().faults.device_count;
    return count < 0 ? 1 : count;
}

thread_local int present_device;

cudaError_t allocate(void **memory, size_t bytes, bool device)
{
    struct state &s = shared_state();
    const size_t limit = s.faults.memory_limit ? s.faults.memory_limit : (size_t)8 << 30;
    *memory = nullptr;
    if (capture_forbids())
        return answer(cudaErrorStreamCaptureUnsupported);
    if (s.faults.fail_allocation > 0 && --s.faults.fail_allocation == 0)
        return answer(cudaErrorMemoryAllocation);
    if (device && (bytes > limit || s.counts.live_bytes > limit - bytes))
        return answer(cudaErrorMemoryAllocation);
    /* As large as asked for, so that a sanitizer finds what goes beyond; 256-byte aligned. */
    void *block = nullptr;
    if (posix_memalign(&block, 256, bytes ? bytes : 1) != 0)
        return answer(cudaErrorMemoryAllocation);
    memset(block, 0xff, bytes);
    regions()[(char *)block] = {bytes, device};
    (device ? s.counts.allocations : s.counts.host_allocations)++;
    if (device)
        s.counts.live_bytes += bytes;
    *memory = block;
    return answer(cudaSuccess);
}

cudaError_t release(void *memory, bool device)
{
    struct state &s = shared_state();
    if (!memory)
        return answer(cudaSuccess);
    auto found = regions().find((char *)memory);
    if (found == regions().end() || found->second.device != device)
        return answer(cudaErrorInvalidValue);
    if (device) {
        s.counts.frees++;
        s.counts.live_bytes -= found->second.bytes;
    }
    regions().erase(found);
    free(memory);
    return answer(cudaSuccess);
}

/* Whether the pointers are where the kind says. */
bool kind_holds(const void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    return kind == cudaMemcpyDefault ||
           (on_device(to, bytes) == to_device && on_device(from, bytes) == from_device);
}

} /* namespace */

extern "C" {

/* ---- devices ------------------------------------------------------------------------------- */

cudaError_t cudaGetDeviceCount(int *count)
{
    guard lock(shared_state().lock);
    *count = 0;
    if (shared_state().faults.count_error)
        return answer((cudaError_t)shared_state().faults.count_error);
    *count = device_total();
    return answer(*count ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device)
{
    guard lock(shared_state().lock);
    if (device < 0 || device >= device_total())
        return answer(cudaErrorInvalidDevice);
    present_device = device;
    return answer(cudaSuccess);
}

cudaError_t cudaGetDevice(int *device)
{
    *device = present_device;
    return answer(cudaSuccess);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    guard lock(shared_state().lock);
    const int capability = shared_state().faults.capability ? shared_state().faults.capability : 90;
    if (device < 0 || device >= device_total())
        return answer(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 << 10; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 227 << 10; break;
    case cudaDevAttrMultiProcessorCount: *value = 4; break;
    case cudaDevAttrComputeCapabilityMajor: *value = capability / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = capability % 10; break;
    default: return answer(cudaErrorInvalidValue);
    }
    return answer(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    guard lock(shared_state().lock);
    const int capability = shared_state().faults.capability ? shared_state().faults.capability : 90;
    if (device < 0 || device >= device_total())
        return answer(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "emulated device");
    properties->totalGlobalMem = (size_t)8 << 30;
    properties->sharedMemPerBlock = 48 << 10;
    properties->sharedMemPerBlockOptin = 227 << 10;
    properties->major = capability / 10;
    properties->minor = capability % 10;
    properties->multiProcessorCount = 4;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    return answer(cudaSuccess);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    guard lock(shared_state().lock);
    const size_t limit = shared_state().faults.memory_limit;
    *total_bytes = limit ? limit : (size_t)8 << 30;
    const size_t live = shared_state().counts.live_bytes;
    *free_bytes = live < *total_bytes ? *total_bytes - live : 0;
    return answer(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = shared_state().faults.count_error == cudaErrorInsufficientDriver ? 11000 : 13000;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* ---- memory -------------------------------------------------------------------------------- */

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    guard lock(shared_state().lock);
    return allocate(memory, bytes, true);
}

cudaError_t cudaFree(void *memory)
{
    guard lock(shared_state().lock);
    return release(memory, true);
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    guard lock(shared_state().lock);
    return allocate(memory, bytes, false);
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned)
{
    return cudaMallocHost(memory, bytes);
}

cudaError_t cudaFreeHost(void *memory)
{
    guard lock(shared_state().lock);
    return release(memory, false);
}

/* Pageable host memory is read at once and written only after a wait, as CUDA does; pinned memory
 * when the stream comes to it. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    guard lock(shared_state().lock);
    if (bytes == 0)
        return answer(cudaSuccess);
    if (!kind_holds(to, from, bytes, kind))
        return answer(cudaErrorInvalidValue);
    const bool pageable_source = !region_of(from, bytes), pageable_target = !region_of(to, bytes);
    if ((pageable_source || pageable_target) && stream->recording && stream->recording->origin)
        return answer(cudaErrorStreamCaptureUnsupported);
    if (pageable_source) {
        std::vector<char> copy((const char *)from, (const char *)from + bytes);
        return enqueue(stream, [to, copy]() { memcpy(to, copy.data(), copy.size()); });
    }
    cudaError_t enqueued = enqueue(stream, [=]() { memcpy(to, from, bytes); });
    if (pageable_target) {
        shared_state().counts.waits++;
        run_all(stream);
    }
    return enqueued;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    guard lock(shared_state().lock);
    if (bytes == 0)
        return answer(cudaSuccess);
    if (capture_forbids())
        return answer(cudaErrorStreamCaptureUnsupported);
    if (!kind_holds(to, from, bytes, kind))
        return answer(cudaErrorInvalidValue);
    shared_state().counts.waits++;
    memcpy(to, from, bytes);
    return answer(cudaSuccess);
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
    guard lock(shared_state().lock);
    if (bytes == 0)
        return answer(cudaSuccess);
    if (!on_device(memory, bytes))
        return answer(cudaErrorInvalidValue);
    return enqueue(stream, [=]() { memset(memory, value, bytes); });
}

cudaError_t cudaMemset(void *memory, int value, size_t bytes)
{
    guard lock(shared_state().lock);
    if (!on_device(memory, bytes))
        return answer(cudaErrorInvalidValue);
    memset(memory, value, bytes);
    return answer(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize(void)
{
    guard lock(shared_state().lock);
    shared_state().counts.waits++;
    for (CUstream_st *stream : shared_state().streams)
        run_all(stream);
    return answer(cudaSuccess);
}

/* ---- errors -------------------------------------------------------------------------------- */

static const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
};

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &e : errors)
        if (e.error == error)
            return e.name;
    return "cudaErrorUnknown";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &e : errors)
        if (e.error == error)
            return e.text;
    return "unknown error";
}

} /* extern "C" */
