/* merge.cu - the best proposals of an image over its levels.
 *
 * Mapping: a thread per kept box. Scores of a segment descend, so a box's place among all is found by a
 * binary search in each other level: nothing is sorted. Bound by latency. Order: score, then level,
 * then position. Twin: ref_merge_proposals in lib/backend/ref/proposals.c, whose bits come out. */
#include "boxes.cuh"

enum { THREADS = 256 };

/* ---- kernels ------------------------------------------------------------------------------- */

/* How many kept boxes of a segment come before one of `score`; equal ones do when `ties`. */
static __device__ int64_t before(const struct launch_merge &m, int64_t segment, float score, bool ties)
{
    const int32_t *keep = m.keep + segment * m.capacity;
    const float *scores = m.from_scores + segment * m.capacity;
    int64_t low = 0, high = clamp_count(m.keep_count[segment], m.capacity);
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        const float other = scores[keep[middle]];
        if (other > score || (ties && other == score))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static __global__ void __launch_bounds__(THREADS) merge_kernel(struct launch_merge m)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.y, i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    int64_t total = 0;
    for (int level = 0; level < m.levels; level++)
        total += clamp_count(m.keep_count[level * m.images + image], m.capacity);
    if (i < m.levels * m.capacity) {
        const int64_t level = i / m.capacity, position = i % m.capacity;
        const int64_t segment = level * m.images + image;
        if (position < clamp_count(m.keep_count[segment], m.capacity)) {
            const int64_t from = segment * m.capacity + m.keep[segment * m.capacity + position];
            const float score = m.from_scores[from];
            int64_t rank = position;
            for (int other = 0; other < m.levels; other++)
                if (other != level)
                    rank += before(m, other * m.images + image, score, other < level);
            if (rank < m.post) {
                m.scores[image * m.post + rank] = score;
                for (int d = 0; d < 4; d++)
                    m.boxes[4 * (image * m.post + rank) + d] = m.from_boxes[4 * from + d];
            }
        }
    }
    if (i >= total && i < m.post) { /* places that nobody takes */
        m.scores[image * m.post + i] = 0;
        for (int d = 0; d < 4; d++)
            m.boxes[4 * (image * m.post + i) + d] = 0;
    }
    if (i == 0)
        m.counts[image] = (int32_t)min(total, m.post);
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_merge_proposals(const struct launch_merge *merge, launch_stream stream)
{
    const int64_t boxes = merge->levels * merge->capacity;
    const int64_t threads = boxes > merge->post ? boxes : merge->post;
    if (merge->images <= 0)
        return 0;
    return CU_LAUNCH(merge_kernel, dim3((unsigned)cu_ceil_div(threads > 0 ? threads : 1, THREADS),
                                        (unsigned)merge->images),
                     dim3(THREADS), 0, stream, *merge);
}
