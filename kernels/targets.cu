/* targets.cu - which truth each box belongs to, boxes with truths behind them, the rows of the box head.
 *
 * match: a thread has a box and goes over its image's truths, which come through shared memory a tile
 * at a time; it keeps the best and writes match and label, so the matrix of IoUs is never stored. For
 * low-quality matches the largest IoU of each truth is gathered on the way, as a maximum over bits (no
 * IoU is negative), by warp, block and grid; that of the block's own tile in shared memory. A second
 * pass computes each IoU again, to the same bits, and marks all boxes that have the largest one. Bound
 * by arithmetic: some 30 operations an IoU, 0.27 million anchors for each truth at 800 x 1344.
 * append and roi_targets: a thread a row; bound by latency.
 * All decisions have the bits of the twin, lib/backend/ref/targets.c. */
#include "boxes.cuh"

enum { THREADS = 256, TILE = 128 };

struct match_shared {
    float    truth[TILE][4];
    uint32_t best[TILE]; /* bits of the largest IoU that a box of this block has with it */
};

/* ---- match --------------------------------------------------------------------------------- */

/* The image's truths [first, first + size) by all threads of the block. */
static __device__ __forceinline__ void load_truths(struct match_shared *s, const float *gt, int64_t first,
                                                   int size)
{
    __syncthreads(); /* nobody reads the tile before any more */
    for (int i = threadIdx.x; i < 4 * size; i += THREADS)
        s->truth[i / 4][i % 4] = gt[4 * first + i];
    for (int i = threadIdx.x; i < size; i += THREADS)
        s->best[i] = 0;
    __syncthreads();
}

static __device__ __forceinline__ void load_box(float box[4], const float *from)
{
    for (int d = 0; d < 4; d++)
        box[d] = from[d];
}

/* The box of this thread and how many the image has. */
struct matched_box {
    float   box[4];
    int64_t row, truths;
    bool    given; /* row is below the image's count */
};

static __device__ __forceinline__ struct matched_box box_of(const struct launch_match &p)
{
    struct matched_box b;
    const int64_t image = blockIdx.y;
    b.row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    b.truths = clamp_count(p.gt_counts[image], p.gt_capacity);
    b.given = b.row < (p.counts ? clamp_count(p.counts[image], p.capacity) : p.capacity);
    for (int d = 0; d < 4; d++)
        b.box[d] = 0;
    if (b.given)
        load_box(b.box, p.boxes + 4 * ((p.shared_boxes ? 0 : image * p.capacity) + b.row));
    return b;
}

/* The largest of a truth's IoUs with the warp's boxes into the block's. */
static __device__ __forceinline__ void raise_best(uint32_t *best, float iou)
{
    if (!__any_sync(0xffffffffu, iou > 0))
        return;
    const float most = cu_warp_max(iou > 0 ? iou : 0); /* NaN is no IoU */
    if ((threadIdx.x & 31) == 0)
        atomicMax(best, __float_as_uint(most));
}

static __global__ void __launch_bounds__(THREADS) match_kernel(struct launch_match p, uint32_t *best)
{
    cu_pdl_wait();
    CU_SMEM(match_shared, s);
    const int64_t image = blockIdx.y;
    const struct matched_box b = box_of(p);
    float most = 0;
    int32_t match = 0;
    for (int64_t first = 0; first < b.truths; first += TILE) {
        const int size = (int)min(b.truths - first, (int64_t)TILE);
        load_truths(s, p.gt + 4 * image * p.gt_capacity, first, size);
        for (int t = 0; t < size; t++) {
            const float iou = b.given ? box_iou_match(s->truth[t], b.box) : 0;
            if (iou > most) {
                most = iou;
                match = (int32_t)(first + t);
            }
            if (p.low_quality)
                raise_best(&s->best[t], iou);
        }
        __syncthreads();
        for (int t = threadIdx.x; p.low_quality && t < size; t += THREADS)
            if (s->best[t] > 0)
                atomicMax(&best[image * p.gt_capacity + first + t], s->best[t]);
    }
    if (b.row >= p.capacity)
        return;
    const int32_t label = b.truths == 0 || most < p.low ? 0 : most < p.high ? -1 : 1;
    p.match[image * p.capacity + b.row] = match;
    p.label[image * p.capacity + b.row] = b.given ? label : -1;
}

/* Label 1 for each box whose IoU with some truth is that truth's largest. */
static __global__ void __launch_bounds__(THREADS)
    low_quality_kernel(struct launch_match p, const uint32_t *best)
{
    cu_pdl_wait();
    CU_SMEM(match_shared, s);
    const int64_t image = blockIdx.y;
    const struct matched_box b = box_of(p);
    bool found = false;
    for (int64_t first = 0; first < b.truths; first += TILE) {
        const int size = (int)min(b.truths - first, (int64_t)TILE);
        load_truths(s, p.gt + 4 * image * p.gt_capacity, first, size);
        for (int t = 0; t < size && b.given; t++) {
            const float most = __uint_as_float(best[image * p.gt_capacity + first + t]);
            found |= (most > 0 || p.zero_iou_matches) && box_iou_match(s->truth[t], b.box) == most;
        }
    }
    if (found)
        p.label[image * p.capacity + b.row] = 1;
}

/* ---- lists --------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(THREADS) append_kernel(struct launch_append p)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.y, row = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const int64_t capacity = p.a_capacity + p.b_capacity;
    const int64_t a = clamp_count(p.a_counts[image], p.a_capacity);
    const int64_t b = clamp_count(p.b_counts[image], p.b_capacity);
    if (row == 0)
        p.out_counts[image] = (int32_t)(a + b);
    if (row >= capacity)
        return;
    const float *from = row < a ? p.a + 4 * (image * p.a_capacity + row)
                                : p.b + 4 * (image * p.b_capacity + row - a);
    for (int d = 0; d < 4; d++)
        p.out[4 * (image * capacity + row) + d] = row < a + b ? from[d] : 0;
}

static __device__ __forceinline__ int64_t sampled_of(const struct launch_roi_targets &p, int64_t image,
                                                     int64_t *foreground)
{
    *foreground = clamp_count(p.index_counts[2 * image], p.sampled);
    return *foreground + clamp_count(p.index_counts[2 * image + 1], p.sampled - *foreground);
}

/* Row `row` of the output is sampled row k of an image. */
static __device__ __forceinline__ void write_target(const struct launch_roi_targets &p, int64_t row,
                                                    int64_t image, int64_t k, bool foreground)
{
    const int64_t box = image * p.capacity + p.index[image * p.sampled + k];
    const int64_t truth = image * p.gt_capacity + p.match[box];
    const bool truths = p.gt_counts[image] > 0 && p.gt_capacity > 0;
    p.rois[5 * row] = (float)image;
    for (int d = 0; d < 4; d++) {
        p.rois[5 * row + 1 + d] = p.boxes[4 * box + d];
        p.targets[4 * row + d] = truths ? p.gt[4 * truth + d] : 0;
    }
    p.classes[row] = truths && foreground ? p.gt_classes[truth] : p.num_classes;
}

static __global__ void __launch_bounds__(THREADS) roi_targets_kernel(struct launch_roi_targets p)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.x;
    int64_t first = 0, total = 0, foreground = 0;
    for (int64_t i = 0; i < p.images; i++) {
        const int64_t count = sampled_of(p, i, &foreground);
        first += i < image ? count : 0;
        total += count;
    }
    const int64_t mine = sampled_of(p, image, &foreground);
    for (int64_t k = threadIdx.x; k < mine; k += THREADS)
        write_target(p, first + k, image, k, k < foreground);
    /* The rows that nobody has, an equal share for each block. */
    const int64_t step = p.images * THREADS;
    for (int64_t k = total + image * THREADS + threadIdx.x; k < p.images * p.sampled; k += step) {
        for (int d = 0; d < 5; d++)
            p.rois[5 * k + d] = d == 0 ? -1 : 0;
        for (int d = 0; d < 4; d++)
            p.targets[4 * k + d] = 0;
        p.classes[k] = -1;
    }
    if (image == 0 && threadIdx.x == 0)
        *p.rows = (int32_t)total;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_match_scratch(const struct launch_match *match)
{
    return match->low_quality ? (size_t)(match->images * match->gt_capacity) * sizeof(uint32_t) : 0;
}

extern "C" int launch_match(const struct launch_match *match, void *scratch, launch_stream stream)
{
    uint32_t *best = (uint32_t *)scratch;
    if (match->images <= 0 || match->capacity <= 0)
        return 0;
    const dim3 grid((unsigned)cu_ceil_div(match->capacity, THREADS), (unsigned)match->images);
    const bool second = match->low_quality && match->gt_capacity > 0;
    int error = second ? launch_fill(best, 0, match->images * match->gt_capacity, stream) : 0;
    if (error == 0)
        error = CU_LAUNCH(match_kernel, grid, dim3(THREADS), sizeof(struct match_shared), stream, *match,
                          best);
    if (error == 0 && second)
        error = CU_LAUNCH(low_quality_kernel, grid, dim3(THREADS), sizeof(struct match_shared), stream,
                          *match, (const uint32_t *)best);
    return error;
}

extern "C" int launch_append_boxes(const struct launch_append *append, launch_stream stream)
{
    const int64_t capacity = append->a_capacity + append->b_capacity;
    if (append->images <= 0)
        return 0;
    /* A block at least: an empty list has a count, too. */
    const int64_t blocks = capacity > 0 ? cu_ceil_div(capacity, THREADS) : 1;
    return CU_LAUNCH(append_kernel, dim3((unsigned)blocks, (unsigned)append->images), dim3(THREADS), 0,
                     stream, *append);
}

extern "C" int launch_roi_targets(const struct launch_roi_targets *targets, launch_stream stream)
{
    if (targets->images <= 0)
        return launch_fill(targets->rows, 0, 1, stream);
    return CU_LAUNCH(roi_targets_kernel, dim3((unsigned)targets->images), dim3(THREADS), 0, stream,
                     *targets);
}
