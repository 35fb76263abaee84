/* boxes.cuh - the rules about boxes and order that all devices share, as device functions. */
#ifndef KERNELS_BOXES_CUH
#define KERNELS_BOXES_CUH

#include "common.cuh"

#define BOX_FUNCTION static __device__ __forceinline__
#include "tensor/box_math.h"

/* Larger keys come first; equal values have equal keys (-0 and 0, too), NaN has the least. */
static __device__ __forceinline__ uint32_t order_key(float value)
{
    const uint32_t bits = __float_as_uint(value == 0 ? 0.0f : value);
    if (value != value)
        return 0;
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* A count from memory, held inside [0, limit]. */
static __device__ __forceinline__ int64_t clamp_count(int64_t count, int64_t limit)
{
    return count < 0 ? 0 : count < limit ? count : limit;
}

/* items[0..size) descending by all threads of the block; size is a power of two. In shared or global
 * memory: the barriers order both within a block. */
static __device__ __forceinline__ void sort_descending(uint64_t *items, int size)
{
    for (int run = 2; run <= size; run *= 2)
        for (int step = run / 2; step > 0; step /= 2) {
            __syncthreads();
            for (int i = threadIdx.x; i < size / 2; i += blockDim.x) {
                const int low = 2 * i - (i & (step - 1)), high = low + step;
                const uint64_t a = items[low], b = items[high];
                if ((a < b) == ((low & run) == 0)) {
                    items[low] = b;
                    items[high] = a;
                }
            }
        }
    __syncthreads();
}

static inline int power_of_two(int64_t least)
{
    int size = 1;
    while (size < least)
        size *= 2;
    return size;
}

#endif
