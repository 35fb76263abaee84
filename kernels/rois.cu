/* rois.cu - the boxes of all images as one list, and such a list cut into parts.
 *
 * Mapping: a block per image finds where its rows begin by adding the counts before it, and its threads
 * copy a row each. Some thousand rows: bound by latency. Twin: lib/backend/ref/targets.c. */
#include "common.cuh"

enum { THREADS = 256 };

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ __forceinline__ int64_t clamp_count(int64_t count, int64_t limit)
{
    return count < 0 ? 0 : count < limit ? count : limit;
}

static __global__ void __launch_bounds__(THREADS)
    rois_from_boxes_kernel(float *rois, int32_t *rows, const float *boxes, const int32_t *counts,
                           int64_t images, int64_t capacity)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.x;
    int64_t first = 0, total = 0;
    for (int64_t i = 0; i < images; i++) {
        const int64_t count = clamp_count(counts[i], capacity);
        first += i < image ? count : 0;
        total += count;
    }
    const int64_t mine = clamp_count(counts[image], capacity);
    for (int64_t k = threadIdx.x; k < mine; k += THREADS) {
        float *to = rois + 5 * (first + k);
        const float *from = boxes + 4 * (image * capacity + k);
        to[0] = (float)image;
        for (int d = 0; d < 4; d++)
            to[1 + d] = from[d];
    }
    /* The rows that nobody has, an equal share for each block. */
    for (int64_t k = total + image * THREADS + threadIdx.x; k < images * capacity; k += images * THREADS) {
        rois[5 * k] = -1;
        for (int d = 1; d < 5; d++)
            rois[5 * k + d] = 0;
    }
    if (image == 0 && threadIdx.x == 0)
        *rows = (int32_t)total;
}

static __global__ void __launch_bounds__(THREADS)
    part_rows_kernel(int32_t *counts, const int32_t *rows, int64_t parts, int64_t size)
{
    cu_pdl_wait();
#pragma unroll 1
    for (int64_t i = threadIdx.x; i < parts; i += THREADS)
        counts[i] = (int32_t)clamp_count(*rows - i * size, size);
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_rois_from_boxes(float *rois, int32_t *rows, const float *boxes,
                                      const int32_t *counts, int64_t images, int64_t capacity,
                                      launch_stream stream)
{
    if (images <= 0) /* a list of nothing has a count, too */
        return launch_fill(rows, 0, 1, stream);
    return CU_LAUNCH(rois_from_boxes_kernel, dim3((unsigned)images), dim3(THREADS), 0, stream, rois, rows,
                     boxes, counts, images, capacity);
}

extern "C" int launch_part_rows(int32_t *counts, const int32_t *rows, int64_t parts, int64_t size,
                                launch_stream stream)
{
    if (parts <= 0)
        return 0;
    return CU_LAUNCH(part_rows_kernel, dim3(1), dim3(THREADS), 0, stream, counts, rows, parts, size);
}
