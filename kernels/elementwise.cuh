/* elementwise.cuh - loops over all elements of a tensor, 16 bytes at a time where addresses allow it. */
#ifndef KERNELS_ELEMENTWISE_CUH
#define KERNELS_ELEMENTWISE_CUH

#include "common.cuh"

enum { ELEMENTWISE_THREADS = 256, ELEMENTWISE_BLOCKS = 2048 };

/* operation(i, true) for each i of count / VECTOR vectors, then operation(i, false) for single values
 * i of the tail, over the whole grid. */
template <int VECTOR, typename Operation>
__device__ __forceinline__ void for_each(int64_t count, Operation operation)
{
    const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = first; i < count / VECTOR; i += step)
        operation(i, true);
    for (int64_t i = count / VECTOR * VECTOR + first; i < count; i += step)
        operation(i, false);
}

static inline bool elementwise_aligned(const void *pointer)
{
    return ((uintptr_t)pointer & 15) == 0;
}

/* Blocks for `count` threads' worth of work. */
static inline dim3 elementwise_blocks(int64_t count)
{
    const int64_t wanted = cu_ceil_div(count, ELEMENTWISE_THREADS);
    return dim3((unsigned)(wanted < ELEMENTWISE_BLOCKS ? wanted : (int64_t)ELEMENTWISE_BLOCKS));
}

#endif
