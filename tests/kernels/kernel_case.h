/* kernel_case.h - device memory for tests that call launchers themselves. Failures end the case. */
#ifndef TESTS_KERNELS_KERNEL_CASE_H
#define TESTS_KERNELS_KERNEL_CASE_H

#include <check.h>
#include <cuda_runtime_api.h>

#include "kernels/launch.h"
#include "kernels/launch_train.h"

/* No case can be run: call SKIP. */
static inline bool no_device(void)
{
    int count = 0;
    return cudaGetDeviceCount(&count) != cudaSuccess || count == 0;
}

static inline int device_attribute(enum cudaDeviceAttr attribute)
{
    int value = 0;
    return cudaDeviceGetAttribute(&value, attribute, 0) == cudaSuccess ? value : 0;
}

/* 90 is 9.0. */
static inline int device_capability(void)
{
    return device_attribute(cudaDevAttrComputeCapabilityMajor) * 10 +
           device_attribute(cudaDevAttrComputeCapabilityMinor);
}

static inline void check_cuda(int error)
{
    ck_assert_msg(error == 0, "%s", cudaGetErrorString((cudaError_t)error));
}

/* All bits are set: NaN in every type, -1. */
static inline void *device_new(size_t bytes)
{
    void *memory = NULL;
    check_cuda((int)cudaMalloc(&memory, bytes));
    if (bytes)
        check_cuda((int)cudaMemset(memory, 0xff, bytes));
    return memory;
}

static inline void *device_copy(const void *host, size_t bytes)
{
    void *memory = device_new(bytes);
    if (bytes)
        check_cuda((int)cudaMemcpy(memory, host, bytes, cudaMemcpyHostToDevice));
    return memory;
}

static inline cudaStream_t stream_new(void)
{
    cudaStream_t stream = NULL;
    check_cuda((int)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}

/* Waits for the stream. */
static inline void device_read(void *host, const void *memory, size_t bytes, cudaStream_t stream)
{
    check_cuda((int)cudaStreamSynchronize(stream));
    if (bytes)
        check_cuda((int)cudaMemcpy(host, memory, bytes, cudaMemcpyDeviceToHost));
}

static inline void device_drop(void *memory)
{
    check_cuda((int)cudaFree(memory));
}

#endif
