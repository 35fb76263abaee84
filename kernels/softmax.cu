/* softmax.cu - softmax over the rows of a list.
 *
 * Mapping: a warp has a row, its lanes every 32nd value; the row is read three times, from the first
 * level's cache after the first. Bound by latency: a thousand rows of 81 are 0.3 MB. Rows beyond the
 * list's count are zero. Twin: lib/backend/ref/losses.c; expf and the order of the sum differ
 * from it in the last places. */
#include "common.cuh"

enum { WARPS = 8 };

/* ---- kernels ------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(WARPS * 32)
    softmax_kernel(float *out, const float *in, const int32_t *rows, int64_t capacity, int64_t classes)
{
    cu_pdl_wait();
    const int lane = threadIdx.x & 31;
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int64_t count = rows ? min((int64_t)*rows, capacity) : capacity;
    const float *from = in + row * classes;
    float *to = out + row * classes;
    if (row >= count) {
        for (int64_t k = lane; k < classes && row < capacity; k += 32)
            to[k] = 0;
        return;
    }
    float most = -INFINITY, sum = 0;
    for (int64_t k = lane; k < classes; k += 32)
        most = fmaxf(most, from[k]);
    most = cu_warp_max(most);
    for (int64_t k = lane; k < classes; k += 32)
        sum += expf(from[k] - most);
    sum = cu_warp_sum(sum);
    for (int64_t k = lane; k < classes; k += 32)
        to[k] = expf(from[k] - most) / sum;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_softmax(float *out, const float *in, const int32_t *rows, int64_t capacity,
                              int64_t classes, launch_stream stream)
{
    if (capacity <= 0 || classes <= 0)
        return 0;
    return CU_LAUNCH(softmax_kernel, dim3((unsigned)cu_ceil_div(capacity, WARPS)), dim3(WARPS * 32), 0,
                     stream, out, in, rows, capacity, classes);
}
