/* anchors.cu - all anchors of one level.
 *
 * Mapping: a thread writes one anchor. Bound by the 16 bytes that each is. Twin: ref_anchors in
 * lib/backend/ref/proposals.c, whose bits come out. Only training needs them all: detection computes
 * those of its candidates in decode.cu. */
#include "boxes.cuh"

enum { THREADS = 256 };

/* ---- kernels ------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS)
    anchors_kernel(float *out, struct launch_anchor_level level, int64_t count)
{
    cu_pdl_wait();
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count)
        return;
    const int64_t place = i / level.cell_count;
    float anchor[4];
    box_anchor(anchor, level.cells[i % level.cell_count], level.stride, level.offset,
               (int)(place % level.width), (int)(place / level.width));
    for (int d = 0; d < 4; d++)
        out[4 * i + d] = anchor[d];
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_anchors(float *out, const struct launch_anchor_level *level, launch_stream stream)
{
    const int64_t count = (int64_t)level->height * level->width * level->cell_count;
    if (count <= 0)
        return 0;
    return CU_LAUNCH(anchors_kernel, dim3((unsigned)cu_ceil_div(count, THREADS)), dim3(THREADS), 0,
                     stream, out, *level, count);
}
