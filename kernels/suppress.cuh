/* suppress.cuh - greedy suppression by one block, exact and in order, 64 candidates a round.
 *
 * In a round, all threads fill a matrix of who would suppress whom among the 64, one thread goes
 * through it in order, and then all threads test what is left against the newly kept boxes. So the
 * sequential part is 64 steps on bits, and a box is tested against kept ones only, as in the loop that
 * this replaces. */
#ifndef KERNELS_SUPPRESS_CUH
#define KERNELS_SUPPRESS_CUH

#include "boxes.cuh"

enum { ROUND = 64 };

struct suppress_shared {
    float    boxes[ROUND][4];
    uint32_t over[ROUND][2]; /* bit j: candidate j of the round lies too much over this one */
    uint32_t kept[2];
    int      kept_count;
};

/* Who of the round lies too much over whom. */
static __device__ void fill_matrix(struct suppress_shared *s, int size, float threshold)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (int row = warp; row < size; row += warps)
        for (int half = 0; half < 2; half++) {
            const int column = 32 * half + lane;
            const bool over = column > row && column < size &&
                              box_iou_nms(s->boxes[row], s->boxes[column]) > threshold;
            const uint32_t bits = __ballot_sync(0xffffffffu, over);
            if (lane == 0)
                s->over[row][half] = bits;
        }
}

/* One thread: through the round in order. */
static __device__ void resolve(struct suppress_shared *s, const uint32_t *removed, int32_t *keep, int base,
                               int count, int max_keep)
{
    const int size = min(count - base, (int)ROUND);
    uint32_t gone[2] = {removed[base / 32], base + 32 < count ? removed[base / 32 + 1] : 0};
    uint32_t kept[2] = {0, 0};
    int number = s->kept_count;
    for (int row = 0; row < size && number < max_keep; row++)
        if (!(gone[row / 32] >> (row & 31) & 1)) {
            kept[row / 32] |= 1u << (row & 31);
            keep[number++] = base + row;
            gone[0] |= s->over[row][0];
            gone[1] |= s->over[row][1];
        }
    s->kept[0] = kept[0];
    s->kept[1] = kept[1];
    s->kept_count = number;
}

/* Whether a box kept in this round suppresses box i. */
static __device__ bool falls(const struct suppress_shared *s, const float *boxes, int i, float threshold)
{
    const float *from = boxes + 4 * (int64_t)i;
    const float box[4] = {from[0], from[1], from[2], from[3]};
    bool gone = false;
    for (int half = 0; half < 2 && !gone; half++)
        for (uint32_t left = s->kept[half]; left && !gone; left &= left - 1)
            gone = box_iou_nms(s->boxes[32 * half + __ffs((int)left) - 1], box) > threshold;
    return gone;
}

/* `boxes` [count,4] in order, anywhere; removed [(count+31)/32] in shared memory. Kept positions go to
 * keep[0..], at most max_keep; the number is in s->kept_count. All threads of the block call it. */
static __device__ void suppress(struct suppress_shared *s, uint32_t *removed, int32_t *keep,
                                const float *boxes, int count, float threshold, int max_keep)
{
    for (int i = threadIdx.x; i < (count + 31) / 32; i += blockDim.x)
        removed[i] = 0;
    if (threadIdx.x == 0)
        s->kept_count = 0;
    __syncthreads();
    for (int base = 0; base < count && s->kept_count < max_keep; base += ROUND) {
        const int size = min(count - base, (int)ROUND);
        for (int i = threadIdx.x; i < 4 * size; i += blockDim.x)
            s->boxes[i / 4][i % 4] = boxes[4 * (int64_t)base + i];
        __syncthreads();
        fill_matrix(s, size, threshold);
        __syncthreads();
        if (threadIdx.x == 0)
            resolve(s, removed, keep, base, count, max_keep);
        __syncthreads();
        if (s->kept_count >= max_keep)
            break; /* the same for all threads */
        for (int first = base + ROUND; first < count; first += blockDim.x) {
            const int i = first + threadIdx.x;
            const bool left = i < count && !(removed[i / 32] >> (i & 31) & 1);
            const uint32_t bits = __ballot_sync(0xffffffffu, left && falls(s, boxes, i, threshold));
            /* A warp's candidates are a word: `first` is a multiple of 64. */
            if ((threadIdx.x & 31) == 0 && bits)
                removed[i / 32] |= bits;
        }
        __syncthreads();
    }
    __syncthreads();
}

#endif
