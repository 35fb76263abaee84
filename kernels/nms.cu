/* nms.cu - exact greedy non-maximum suppression of many segments at once.
 *
 * Mapping: a block per segment, see suppress.cuh. Bound by latency: a segment of 1000 boxes is 16 rounds
 * of three barriers. The number of blocks is levels times images, so most of the device is free for
 * other work meanwhile. Twin: ref_nms in lib/backend/ref/proposals.c, whose bits come out. */
#include "suppress.cuh"

enum { THREADS = 512, MOST_BOXES = 1 << 20 };

struct nms_shared {
    struct suppress_shared suppress;
    uint32_t removed[1]; /* and more, as the capacity asks for */
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS) nms_kernel(struct launch_nms n)
{
    cu_pdl_wait();
    CU_SMEM(nms_shared, s);
    const int64_t segment = blockIdx.x;
    const int count = (int)clamp_count(n.counts[segment], n.capacity);
    int32_t *keep = n.keep + segment * n.capacity;
    suppress(&s->suppress, s->removed, keep, n.boxes + 4 * segment * n.capacity, count, n.threshold,
             n.max_keep);
    for (int64_t i = s->suppress.kept_count + (int64_t)threadIdx.x; i < n.capacity; i += THREADS)
        keep[i] = 0;
    if (threadIdx.x == 0)
        n.keep_count[segment] = s->suppress.kept_count;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_nms(const struct launch_nms *nms, launch_stream stream)
{
    if (nms->segments <= 0)
        return 0;
    if (nms->capacity > MOST_BOXES)
        return 1; /* cudaErrorInvalidValue */
    const size_t words = (size_t)cu_ceil_div(nms->capacity, 32);
    return CU_LAUNCH(nms_kernel, dim3((unsigned)nms->segments), dim3(THREADS),
                     sizeof(struct nms_shared) + words * sizeof(uint32_t), stream, *nms);
}
