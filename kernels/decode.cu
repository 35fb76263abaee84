/* decode.cu - the best anchors of each segment as boxes, those that cannot be proposals left out.
 *
 * Mapping: a block per segment; its threads take the candidates in order, decide, and find their places
 * by counting the survivors before them, so the order stays. The anchor is computed from its index.
 * Bound by latency. Twin: ref_rpn_decode in lib/backend/ref/proposals.c; the same operations, but for
 * expf, whose last bit may differ on a real device. */
#include "boxes.cuh"

enum { THREADS = 512, WARPS = THREADS / 32 };

struct decode_shared {
    int kept, warp_kept[WARPS];
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ bool decode_candidate(float box[4], const struct launch_rpn_decode &d, int64_t level,
                                        int64_t image, int64_t r)
{
    const struct launch_anchor_level &a = d.level[level];
    const int64_t place = r / a.cell_count;
    float anchor[4], deltas[4];
    box_anchor(anchor, a.cells[r % a.cell_count], a.stride, a.offset, (int)(place % a.width),
               (int)(place / a.width));
    for (int i = 0; i < 4; i++)
        deltas[i] = d.deltas[4 * (d.images * a.first + image * a.count + r) + i];
    box_decode(box, anchor, deltas, d.weights);
    if (!box_is_finite(box))
        return false;
    box_clip(box, d.image_sizes + 2 * image);
    return box[2] - box[0] > d.min_size && box[3] - box[1] > d.min_size;
}

static __global__ void __launch_bounds__(THREADS) rpn_decode_kernel(struct launch_rpn_decode d)
{
    cu_pdl_wait();
    CU_SMEM(decode_shared, s);
    const int64_t segment = blockIdx.x, level = segment / d.images, image = segment % d.images;
    const int64_t candidates = clamp_count(d.index_count[segment], d.k);
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    float *boxes = d.boxes + segment * d.capacity * 4, *scores = d.scores + segment * d.capacity;
    if (threadIdx.x == 0)
        s->kept = 0;
    __syncthreads();
    for (int64_t first = 0; first < candidates; first += THREADS) {
        const int64_t i = first + threadIdx.x;
        float box[4], score = 0;
        bool keep = i < candidates;
        if (keep) {
            score = d.value[segment * d.k + i];
            keep = isfinite(score) && decode_candidate(box, d, level, image, d.index[segment * d.k + i]);
        }
        const unsigned kept = __ballot_sync(0xffffffffu, keep);
        if (lane == 0)
            s->warp_kept[warp] = __popc(kept);
        __syncthreads();
        int64_t at = s->kept + __popc(kept & ((1u << lane) - 1));
        for (int w = 0; w < warp; w++)
            at += s->warp_kept[w];
        if (keep) {
            for (int c = 0; c < 4; c++)
                boxes[4 * at + c] = box[c];
            scores[at] = score;
        }
        __syncthreads();
        if (threadIdx.x == 0)
            for (int w = 0; w < WARPS; w++)
                s->kept += s->warp_kept[w];
        __syncthreads();
    }
    for (int64_t i = s->kept + threadIdx.x; i < d.capacity; i += THREADS) {
        for (int c = 0; c < 4; c++)
            boxes[4 * i + c] = 0;
        scores[i] = 0;
    }
    if (threadIdx.x == 0)
        d.counts[segment] = s->kept;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_rpn_decode(const struct launch_rpn_decode *decode, launch_stream stream)
{
    const int64_t segments = decode->levels * decode->images;
    if (segments <= 0)
        return 0;
    return CU_LAUNCH(rpn_decode_kernel, dim3((unsigned)segments), dim3(THREADS),
                     sizeof(struct decode_shared), stream, *decode);
}
