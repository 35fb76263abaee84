/* cuemu.h - the emulated device's side of kernels/common.cuh: CUDA's words as plain C++.
 *
 * Each thread of a block is a fiber; the blocks of a grid are spread over host threads. A fiber runs
 * until it waits at a barrier or a warp collective, so what a barrier should have ordered happens in
 * another order when it is missing. Shared memory starts as NaN, asynchronous copies land when they
 * are waited for and not before, and misuse that a device would answer with a hang or with garbage
 * ends the process with a line that says where. */
#ifndef TESTS_CUEMU_CUEMU_H
#define TESTS_CUEMU_CUEMU_H

#include <math.h>
#include <string.h>

#include <functional>
#include <tuple>

#include "cuda_runtime_api.h"
#include "launch.h"

#define __global__
#define __device__
#define __host__
#define __shared__ static_assert(false, "shared memory is dynamic here: CU_SMEM");
#define __forceinline__          inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes)         __attribute__((aligned(bytes)))

struct uint2 { uint32_t x, y; } __attribute__((aligned(8)));
struct uint4 { uint32_t x, y, z, w; } __attribute__((aligned(16)));
struct float2 { float x, y; } __attribute__((aligned(8)));
struct float4 { float x, y, z, w; } __attribute__((aligned(16)));
static inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace cuemu {

/* ---- threads: cuemu.cc ---------------------------------------------------------------------- */

const dim3 &thread_index();
const dim3 &block_index();
const dim3 &block_size();
const dim3 &grid_size();
int lane();
void *shared_memory();
void saw_pdl_wait();

/* Kinds of waiting. Line numbers tell places apart: all who meet must have come by the same one. */
void block_barrier(int line);
int block_vote(int line, int kind, int predicate); /* kind 0: count, 1: and, 2: or */

/* All lanes of `mask` hand in a value of up to 32 bytes; `all` points to what each lane gave. Valid
 * until the lane's next collective but one. */
const unsigned char (*warp_exchange(unsigned mask, const void *value, size_t bytes, int line))[32];
unsigned warp_lanes(); /* of the present warp, which may be short at a block's end */

void copy_async(void *shared, const void *global, int bytes);
void copy_commit();
void copy_wait(int groups);
void fail(const char *what, int line);

void enqueue_grid(launch_stream stream, dim3 grid, dim3 block, size_t shared,
                  std::function<void()> body, const char *name, int *status);

template <typename... Parameters, typename... Arguments>
int launch(const char *name, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
           launch_stream stream, Arguments... arguments)
{
    int status = 0;
    std::tuple<Parameters...> by_value(static_cast<Parameters>(arguments)...);
    enqueue_grid(stream, grid, block, shared,
                 [kernel, by_value]() { std::apply(kernel, by_value); }, name, &status);
    return status;
}

/* ---- warps ---------------------------------------------------------------------------------- */

template <typename T> T shuffle(unsigned mask, T value, int from, int line)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves 8 bytes at most");
    const unsigned char(*all)[32] = warp_exchange(mask, &value, sizeof value, line);
    if (from < 0 || from >= (int)warp_lanes() || !(mask >> from & 1))
        return value;
    memcpy(&value, all[from], sizeof value);
    return value;
}

unsigned ballot(unsigned mask, int predicate, int line);
unsigned reduce(unsigned mask, unsigned value, int kind, int line); /* 0 add 1 min 2 max 3 or 4 and */
unsigned match_any(unsigned mask, uint64_t value, int line);
void multiply_tile(float d[4], const uint32_t *a, const uint32_t *b, int depth, bool half, int line);
void load_matrices(uint32_t *r, const void *row, int count, bool transposed, int line);

template <typename T> T fetch_add(T *where, T value)
{
    T old, next;
    __atomic_load(where, &old, __ATOMIC_RELAXED);
    do
        next = old + value;
    while (!__atomic_compare_exchange(where, &old, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return old;
}

template <typename T> T fetch_max(T *where, T value)
{
    T old;
    __atomic_load(where, &old, __ATOMIC_RELAXED);
    while (old < value &&
           !__atomic_compare_exchange(where, &old, &value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}

template <typename T> T fetch_min(T *where, T value)
{
    T old;
    __atomic_load(where, &old, __ATOMIC_RELAXED);
    while (value < old &&
           !__atomic_compare_exchange(where, &old, &value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}

uint16_t half_bits(float value);
float half_value(uint16_t bits);

} /* namespace cuemu */

/* ---- CUDA's names --------------------------------------------------------------------------- */

#define threadIdx (cuemu::thread_index())
#define blockIdx  (cuemu::block_index())
#define blockDim  (cuemu::block_size())
#define gridDim   (cuemu::grid_size())

#define CU_LAUNCH(kernel, ...) cuemu::launch(#kernel, kernel, __VA_ARGS__)
#define CU_SMEM(type, name)    type *name = static_cast<type *>(cuemu::shared_memory())

static inline void cu_pdl_wait() { cuemu::saw_pdl_wait(); }
static inline void cu_pdl_trigger() {}

#define __syncthreads()           cuemu::block_barrier(__LINE__)
#define __syncthreads_count(p)    cuemu::block_vote(__LINE__, 0, (p))
#define __syncthreads_and(p)      cuemu::block_vote(__LINE__, 1, (p))
#define __syncthreads_or(p)       cuemu::block_vote(__LINE__, 2, (p))
#define CUEMU_MASK(...)           CUEMU_FIRST(__VA_ARGS__ __VA_OPT__(, ) 0xffffffffu)
#define CUEMU_FIRST(mask, ...)    (mask)
#define __syncwarp(...)           ((void)cuemu::ballot(CUEMU_MASK(__VA_ARGS__), 0, __LINE__))
#define __shfl_sync(m, v, from)   cuemu::shuffle((m), (v), (int)(from), __LINE__)
#define __shfl_xor_sync(m, v, x)  cuemu::shuffle((m), (v), cuemu::lane() ^ (int)(x), __LINE__)
#define __shfl_down_sync(m, v, d) cuemu::shuffle((m), (v), cuemu::lane() + (int)(d), __LINE__)
#define __shfl_up_sync(m, v, d)   cuemu::shuffle((m), (v), cuemu::lane() - (int)(d), __LINE__)
#define __ballot_sync(m, p)       cuemu::ballot((m), (p) != 0, __LINE__)
#define __any_sync(m, p)          (cuemu::ballot((m), (p) != 0, __LINE__) != 0)
#define __all_sync(m, p)          (cuemu::ballot((m), (p) == 0, __LINE__) == 0)
#define __reduce_add_sync(m, v)   cuemu::reduce((m), (v), 0, __LINE__)
#define __reduce_min_sync(m, v)   cuemu::reduce((m), (v), 1, __LINE__)
#define __reduce_max_sync(m, v)   cuemu::reduce((m), (v), 2, __LINE__)
#define __reduce_or_sync(m, v)    cuemu::reduce((m), (v), 3, __LINE__)
#define __match_any_sync(m, v)    cuemu::match_any((m), (v), __LINE__)
#define __threadfence()           __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define __threadfence_block()     __atomic_thread_fence(__ATOMIC_SEQ_CST)

template <typename T, typename V> static inline T atomicAdd(T *p, V v) { return cuemu::fetch_add(p, (T)v); }
template <typename T, typename V> static inline T atomicSub(T *p, V v)
{
    return cuemu::fetch_add(p, (T)(0 - (T)v));
}
template <typename T, typename V> static inline T atomicMax(T *p, V v) { return cuemu::fetch_max(p, (T)v); }
template <typename T, typename V> static inline T atomicMin(T *p, V v) { return cuemu::fetch_min(p, (T)v); }
template <typename T, typename V> static inline T atomicOr(T *p, V v)
{
    return __atomic_fetch_or(p, (T)v, __ATOMIC_RELAXED);
}
template <typename T, typename V> static inline T atomicAnd(T *p, V v)
{
    return __atomic_fetch_and(p, (T)v, __ATOMIC_RELAXED);
}
template <typename T, typename V> static inline T atomicExch(T *p, V v)
{
    return __atomic_exchange_n(p, (T)v, __ATOMIC_RELAXED);
}
template <typename T> static inline T atomicCAS(T *p, T expected, T desired)
{
    __atomic_compare_exchange_n(p, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline unsigned __float_as_uint(float v) { unsigned u; memcpy(&u, &v, 4); return u; }
static inline float __uint_as_float(unsigned u) { float v; memcpy(&v, &u, 4); return v; }
static inline int __float_as_int(float v) { return (int)__float_as_uint(v); }
static inline float __int_as_float(int i) { return __uint_as_float((unsigned)i); }
static inline int __popc(unsigned v) { return __builtin_popcount(v); }
static inline int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
static inline int __ffs(int v) { return __builtin_ffs(v); }
static inline int __ffsll(long long v) { return __builtin_ffsll(v); }
static inline int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
static inline int __clzll(long long v) { return v ? __builtin_clzll((unsigned long long)v) : 64; }
template <typename T> static inline T __ldg(const T *p) { return *p; }
template <typename A> static inline A min(A a, A b) { return b < a ? b : a; }
template <typename A> static inline A max(A a, A b) { return a < b ? b : a; }
#ifndef __clang__
using std::isfinite;
using std::isnan;
using std::isinf;
#endif

/* ---- common.cuh's names --------------------------------------------------------------------- */

static inline uint16_t cu_bf16_bits(float value)
{
    unsigned u = __float_as_uint(value);
    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
static inline uint16_t cu_fp16_bits(float value) { return cuemu::half_bits(value); }
static inline float cu_fp16_value(uint16_t bits) { return cuemu::half_value(bits); }

#define cu_mma_16816_bf16(d, a, b) cuemu::multiply_tile((d), (a), (b), 16, false, __LINE__)
#define cu_mma_1688_bf16(d, a, b)  cuemu::multiply_tile((d), (a), (b), 8, false, __LINE__)
#define cu_mma_16816_fp16(d, a, b) cuemu::multiply_tile((d), (a), (b), 16, true, __LINE__)
#define cu_mma_1688_fp16(d, a, b)  cuemu::multiply_tile((d), (a), (b), 8, true, __LINE__)
#define cu_ldmatrix_x4(r, row)     cuemu::load_matrices((r), (row), 4, false, __LINE__)
#define cu_ldmatrix_x2(r, row)     cuemu::load_matrices((r), (row), 2, false, __LINE__)
#define cu_ldmatrix_x4_turned(r, row) cuemu::load_matrices((r), (row), 4, true, __LINE__)
#define cu_ldmatrix_x2_turned(r, row) cuemu::load_matrices((r), (row), 2, true, __LINE__)

static inline void cu_cp_async16(void *shared, const void *global, int bytes)
{
    cuemu::copy_async(shared, global, bytes);
}
static inline void cu_cp_async_commit() { cuemu::copy_commit(); }
template <int COUNT> static inline void cu_cp_async_wait() { cuemu::copy_wait(COUNT); }

#endif
