/* common.cuh - what kernels are written with: launching, shared memory, tensor cores, 16-bit numbers.
 *
 * Under nvcc each of these is an instruction or two. With MD_CUEMU the same names come from the
 * emulated device (tests/cuemu), where g++ compiles the kernels for the tests. Kernels use nothing
 * else of CUDA but its plain C++: indices, barriers, shuffles, votes, atomics, rounding intrinsics. */
#ifndef KERNELS_COMMON_CUH
#define KERNELS_COMMON_CUH

#include <stddef.h>
#include <stdint.h>

#include "launch.h"
#include "launch_train.h"

/* Numbers of 16 bits, as they lie in memory. */
struct cu_bf16 {
    uint16_t bits;
};
struct cu_fp16 {
    uint16_t bits;
};

#ifdef MD_CUEMU
#include "cuemu.h"
#else
#include "common_nvcc.cuh"
#endif

/* ---- 16 bits ------------------------------------------------------------------------------- */

__device__ __forceinline__ float cu_to_float(float value)
{
    return value;
}

__device__ __forceinline__ float cu_to_float(cu_bf16 value)
{
    return __uint_as_float((unsigned)value.bits << 16);
}

/* To nearest, ties to even: cu_from_float<cu_bf16>(x). */
template <typename T> __device__ __forceinline__ T cu_from_float(float value);

template <> __device__ __forceinline__ float cu_from_float<float>(float value)
{
    return value;
}

template <> __device__ __forceinline__ cu_bf16 cu_from_float<cu_bf16>(float value)
{
    return cu_bf16{cu_bf16_bits(value)};
}

__device__ __forceinline__ float cu_to_float(cu_fp16 value)
{
    return cu_fp16_value(value.bits);
}

template <> __device__ __forceinline__ cu_fp16 cu_from_float<cu_fp16>(float value)
{
    return cu_fp16{cu_fp16_bits(value)};
}

/* Two neighbours in a word, the first in the low half. */
template <typename T> __device__ __forceinline__ uint32_t cu_pack(float low, float high)
{
    return (uint32_t)cu_from_float<T>(low).bits | (uint32_t)cu_from_float<T>(high).bits << 16;
}

/* `count` values as one access: COUNT * sizeof(T) is 4, 8 or 16, and the address a multiple of it. */
template <typename T, int COUNT> struct __align__(sizeof(T) * COUNT) cu_vector {
    T at[COUNT];
};

/* ---- tensor cores: d += a b, with a and b of 16 bits, d of 32 ------------------------------- */

template <typename T>
__device__ __forceinline__ void cu_mma_16816(float d[4], const uint32_t a[4], const uint32_t b[2]);
template <typename T>
__device__ __forceinline__ void cu_mma_1688(float d[4], const uint32_t a[2], const uint32_t b[1]);

template <>
__device__ __forceinline__ void cu_mma_16816<cu_bf16>(float d[4], const uint32_t a[4],
                                                      const uint32_t b[2])
{
    cu_mma_16816_bf16(d, a, b);
}

template <>
__device__ __forceinline__ void cu_mma_16816<cu_fp16>(float d[4], const uint32_t a[4],
                                                      const uint32_t b[2])
{
    cu_mma_16816_fp16(d, a, b);
}

template <>
__device__ __forceinline__ void cu_mma_1688<cu_bf16>(float d[4], const uint32_t a[2],
                                                     const uint32_t b[1])
{
    cu_mma_1688_bf16(d, a, b);
}

template <>
__device__ __forceinline__ void cu_mma_1688<cu_fp16>(float d[4], const uint32_t a[2],
                                                     const uint32_t b[1])
{
    cu_mma_1688_fp16(d, a, b);
}

/* ---- reductions ---------------------------------------------------------------------------- */

__device__ __forceinline__ float cu_warp_sum(float value)
{
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

__device__ __forceinline__ float cu_warp_max(float value)
{
    for (int step = 16; step > 0; step /= 2)
        value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
    return value;
}

/* ---- launchers ----------------------------------------------------------------------------- */

static inline int64_t cu_ceil_div(int64_t count, int64_t size)
{
    return (count + size - 1) / size;
}

#endif
