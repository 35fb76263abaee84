/* detect.cu - probabilities and deltas to the best detections of each image.
 *
 * Three launches. (1) A warp per row: a row with any number that is not finite is out, the others are
 * marked with their image. (2) A block per image and class: collects the rows above the threshold,
 * sorts them by score and row, decodes their boxes and suppresses, all in shared memory; at most
 * `detections` of a class can be among the best, so it stops there. More candidates than fit are taken
 * one by one, each time the best that is left: slow, and right. (3) A block per image: the best over
 * the classes by score, row and class, by radix selection on keys that are all different.
 *
 * Bound by latency; a thousand rows of 81 classes are 0.3 MB of probabilities. Nothing depends on
 * scheduling. Twin: lib/backend/ref/detect.c; the same decisions on the same boxes, whose last bit may
 * differ on a real device by expf. */
#include "suppress.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, FAST = 1024, BEST_THREADS = 256, MOST_DETECTIONS = 1024 };

/* One kept detection of a class. Keys descend: score, then row, then class. */
struct kept_box {
    float    box[4];
    uint64_t key;
};

/* What lies in scratch. */
struct detect_lists {
    int32_t         *image; /* [capacity], -1: out */
    int32_t         *count; /* [images, classes] */
    struct kept_box *kept;  /* [images, classes, detections] */
};

struct class_shared {
    struct suppress_shared suppress;
    uint32_t removed[FAST / 32];
    int32_t  keep[FAST];
    uint64_t keys[FAST];
    float    boxes[FAST][4];
    int      count;
    uint64_t best[WARPS];
    float    box[4];
    int      suppressed;
};

struct best_shared {
    uint32_t histogram[256];
    uint64_t prefix;
    int      wanted, total, taken;
    uint64_t keys[MOST_DETECTIONS];
    int32_t  where[MOST_DETECTIONS];
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ void decode_box(float box[4], const struct launch_detect &d, int64_t row, int64_t class_id)
{
    const int64_t columns = d.class_agnostic ? 1 : d.num_classes;
    const float *from = d.deltas + 4 * (row * columns + (d.class_agnostic ? 0 : class_id));
    const float roi[4] = {d.rois[5 * row + 1], d.rois[5 * row + 2], d.rois[5 * row + 3],
                          d.rois[5 * row + 4]};
    const float deltas[4] = {from[0], from[1], from[2], from[3]};
    box_decode(box, roi, deltas, d.weights);
}

/* What a lane sees of a row. */
static __device__ bool lane_finite(const struct launch_detect &d, int64_t row)
{
    const int lane = threadIdx.x & 31, boxes = d.class_agnostic ? 1 : d.num_classes;
    bool finite = true;
    for (int i = lane; i <= d.num_classes; i += 32)
        finite = finite && isfinite(d.probabilities[row * (d.num_classes + 1) + i]);
    for (int i = lane; i < boxes; i += 32) {
        float box[4];
        decode_box(box, d, row, i);
        finite = finite && box_is_finite(box);
    }
    return finite;
}

static __global__ void __launch_bounds__(THREADS)
    rows_kernel(struct launch_detect d, struct detect_lists lists)
{
    cu_pdl_wait();
    const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    if (row >= d.capacity)
        return;
    const int64_t rows = d.rows ? clamp_count(*d.rows, d.capacity) : d.capacity;
    const bool finite = __all_sync(0xffffffffu, row < rows && lane_finite(d, row));
    if ((threadIdx.x & 31) == 0) {
        const float image = row < rows ? d.rois[5 * row] : -1.0f;
        const bool whole = image >= 0 && image < (float)d.images && image == floorf(image);
        lists.image[row] = finite && whole ? (int32_t)image : -1;
    }
}

static __device__ float probability(const struct launch_detect &d, int64_t row, int64_t class_id)
{
    return d.probabilities[row * (d.num_classes + 1) + class_id];
}

/* Larger for a better candidate of a class; never 0. */
static __device__ uint64_t candidate_key(float score, int64_t row)
{
    return (uint64_t)order_key(score) << 32 | (uint32_t)~(uint32_t)row;
}

static __device__ int64_t row_of(uint64_t key)
{
    return (int64_t)(uint32_t)~(uint32_t)key;
}

/* Larger for a better detection of an image: score, then row, then class. */
static __device__ uint64_t detection_key(const struct launch_detect &d, uint64_t candidate, int64_t class_id)
{
    const uint32_t place = (uint32_t)(row_of(candidate) * d.num_classes + class_id);
    return (candidate >> 32) << 32 | (uint32_t)~place;
}

static __device__ void clipped_box(float box[4], const struct launch_detect &d, int64_t row,
                                   int64_t class_id, int64_t image)
{
    decode_box(box, d, row, class_id);
    box_clip(box, d.image_sizes + 2 * image);
}

/* The candidates of a class into s->keys, unless there are more than FAST: only their number then. */
static __device__ void collect(struct class_shared *s, const struct launch_detect &d,
                               const struct detect_lists &lists, int64_t image, int64_t class_id)
{
    const int64_t rows = d.rows ? clamp_count(*d.rows, d.capacity) : d.capacity;
    if (threadIdx.x == 0)
        s->count = 0;
    for (int i = threadIdx.x; i < FAST; i += THREADS)
        s->keys[i] = 0;
    __syncthreads();
    for (int64_t row = threadIdx.x; row < rows; row += THREADS) {
        const float score = lists.image[row] == image ? probability(d, row, class_id) : 0.0f;
        if (lists.image[row] == image && score > d.score_threshold) {
            const int at = atomicAdd(&s->count, 1); /* any order: they are sorted */
            if (at < FAST)
                s->keys[at] = candidate_key(score, row);
        }
    }
    __syncthreads();
}

static __device__ int suppress_fast(struct class_shared *s, struct kept_box *kept,
                                    const struct launch_detect &d, int64_t image, int64_t class_id)
{
    const int count = s->count, most = (int)min(d.detections, (int64_t)FAST);
    int size = 1;
    while (size < count)
        size *= 2;
    sort_descending(s->keys, size);
    for (int i = threadIdx.x; i < count; i += THREADS)
        clipped_box(s->boxes[i], d, row_of(s->keys[i]), class_id, image);
    __syncthreads();
    suppress(&s->suppress, s->removed, s->keep, &s->boxes[0][0], count, d.nms_threshold, most);
    for (int i = threadIdx.x; i < s->suppress.kept_count; i += THREADS) {
        const int from = s->keep[i];
        for (int c = 0; c < 4; c++)
            kept[i].box[c] = s->boxes[from][c];
        kept[i].key = detection_key(d, s->keys[from], class_id);
    }
    return s->suppress.kept_count;
}

/* The best candidate whose key is below `limit`, in s->best[0]; 0: none. */
static __device__ void next_candidate(struct class_shared *s, const struct launch_detect &d,
                                      const struct detect_lists &lists, int64_t image, int64_t class_id,
                                      uint64_t limit)
{
    const int64_t rows = d.rows ? clamp_count(*d.rows, d.capacity) : d.capacity;
    uint64_t best = 0;
    for (int64_t row = threadIdx.x; row < rows; row += THREADS) {
        const float score = probability(d, row, class_id);
        if (lists.image[row] != image || !(score > d.score_threshold))
            continue;
        const uint64_t key = candidate_key(score, row);
        best = key < limit && key > best ? key : best;
    }
    for (int step = 16; step > 0; step /= 2) {
        const uint64_t other = __shfl_xor_sync(0xffffffffu, best, step);
        best = other > best ? other : best;
    }
    if ((threadIdx.x & 31) == 0)
        s->best[threadIdx.x / 32] = best;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int w = 1; w < WARPS; w++)
            s->best[0] = s->best[w] > s->best[0] ? s->best[w] : s->best[0];
    __syncthreads();
}

static __device__ int suppress_slowly(struct class_shared *s, struct kept_box *kept,
                                      const struct launch_detect &d, const struct detect_lists &lists,
                                      int64_t image, int64_t class_id)
{
    int number = 0;
    uint64_t limit = ~(uint64_t)0;
    while (number < d.detections) {
        next_candidate(s, d, lists, image, class_id, limit);
        limit = s->best[0];
        if (limit == 0)
            break;
        if (threadIdx.x == 0) {
            s->suppressed = 0;
            clipped_box(s->box, d, row_of(limit), class_id, image);
        }
        __syncthreads();
        for (int i = threadIdx.x; i < number; i += THREADS)
            if (box_iou_nms(kept[i].box, s->box) > d.nms_threshold)
                s->suppressed = 1; /* whoever writes, writes the same */
        __syncthreads();
        if (!s->suppressed) {
            if (threadIdx.x == 0) {
                for (int c = 0; c < 4; c++)
                    kept[number].box[c] = s->box[c];
                kept[number].key = detection_key(d, limit, class_id);
            }
            number++;
        }
        __syncthreads();
    }
    return number;
}

static __global__ void __launch_bounds__(THREADS)
    classes_kernel(struct launch_detect d, struct detect_lists lists)
{
    cu_pdl_wait();
    CU_SMEM(class_shared, s);
    const int64_t class_id = blockIdx.x, image = blockIdx.y, list = image * d.num_classes + class_id;
    struct kept_box *kept = lists.kept + list * d.detections;
    collect(s, d, lists, image, class_id);
    int number = 0;
    if (s->count > FAST)
        number = suppress_slowly(s, kept, d, lists, image, class_id);
    else if (s->count > 0)
        number = suppress_fast(s, kept, d, image, class_id);
    if (threadIdx.x == 0)
        lists.count[list] = number;
}

/* Of the image's kept boxes, the key of the `wanted`-th: eight bits a pass. */
static __device__ void radix_pass(struct best_shared *s, const struct launch_detect &d,
                                  const struct detect_lists &lists, int64_t image, int shift)
{
    for (int i = threadIdx.x; i < 256; i += BEST_THREADS)
        s->histogram[i] = 0;
    __syncthreads();
    const uint64_t prefix = s->prefix, known = shift == 56 ? 0 : ~(uint64_t)0 << (shift + 8);
    const int each = (int)d.detections;
    for (int class_id = threadIdx.x / 32; class_id < d.num_classes; class_id += BEST_THREADS / 32) {
        const int64_t list = image * d.num_classes + class_id;
        const int count = lists.count[list];
        for (int i = threadIdx.x & 31; i < count; i += 32) {
            const uint64_t key = lists.kept[list * each + i].key;
            if ((key & known) == prefix)
                atomicAdd(&s->histogram[key >> shift & 255], 1u);
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        int digit = 255, left = s->wanted;
        while (digit > 0 && left > (int)s->histogram[digit])
            left -= (int)s->histogram[digit--];
        s->prefix = prefix | (uint64_t)digit << shift;
        s->wanted = left;
    }
    __syncthreads();
}

/* Keys from the threshold on, with where they are; then each writes its rank's place. */
static __device__ void write_best(struct best_shared *s, const struct launch_detect &d,
                                  const struct detect_lists &lists, int64_t image, int number)
{
    const int each = (int)d.detections;
    for (int class_id = threadIdx.x / 32; class_id < d.num_classes; class_id += BEST_THREADS / 32) {
        const int64_t list = image * d.num_classes + class_id;
        const int count = lists.count[list];
        for (int i = threadIdx.x & 31; i < count; i += 32) {
            const uint64_t key = lists.kept[list * each + i].key;
            if (key >= s->prefix) {
                const int at = atomicAdd(&s->taken, 1);
                s->keys[at] = key;
                s->where[at] = class_id * each + i;
            }
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < number; i += BEST_THREADS) {
        int rank = 0;
        for (int other = 0; other < number; other++)
            rank += s->keys[other] > s->keys[i];
        const uint32_t place = ~(uint32_t)s->keys[i];
        const struct kept_box *from = lists.kept + image * d.num_classes * each + s->where[i];
        const int64_t to = image * each + rank;
        for (int c = 0; c < 4; c++)
            d.boxes[4 * to + c] = from->box[c];
        d.classes[to] = (int32_t)(place % (uint32_t)d.num_classes);
        d.scores[to] = probability(d, place / (uint32_t)d.num_classes, d.classes[to]);
    }
}

static __global__ void __launch_bounds__(BEST_THREADS)
    best_kernel(struct launch_detect d, struct detect_lists lists)
{
    cu_pdl_wait();
    CU_SMEM(best_shared, s);
    const int64_t image = blockIdx.x;
    if (threadIdx.x == 0)
        s->total = s->taken = 0;
    __syncthreads();
    for (int64_t c = threadIdx.x; c < d.num_classes; c += BEST_THREADS)
        atomicAdd(&s->total, lists.count[image * d.num_classes + c]);
    __syncthreads();
    const int number = (int)min((int64_t)s->total, d.detections);
    if (threadIdx.x == 0) {
        s->prefix = 0;
        s->wanted = number;
    }
    __syncthreads();
    if (number > 0) {
        for (int shift = 56; shift >= 0; shift -= 8)
            radix_pass(s, d, lists, image, shift);
        write_best(s, d, lists, image, number);
    }
    for (int64_t i = number + threadIdx.x; i < d.detections; i += BEST_THREADS) {
        const int64_t to = image * d.detections + i;
        for (int c = 0; c < 4; c++)
            d.boxes[4 * to + c] = 0;
        d.scores[to] = 0;
        d.classes[to] = -1;
    }
    if (threadIdx.x == 0)
        d.counts[image] = number;
}

/* ---- launchers ----------------------------------------------------------------------------- */

static size_t padded(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

static size_t image_bytes(const struct launch_detect *d)
{
    return padded((size_t)d->capacity * sizeof(int32_t));
}

static size_t count_bytes(const struct launch_detect *d)
{
    return padded((size_t)(d->images * d->num_classes) * sizeof(int32_t));
}

extern "C" size_t launch_detect_scratch(const struct launch_detect *detect)
{
    return image_bytes(detect) + count_bytes(detect) +
           (size_t)(detect->images * detect->num_classes * detect->detections) *
               sizeof(struct kept_box);
}

extern "C" int launch_detect(const struct launch_detect *detect, void *scratch, launch_stream stream)
{
    char *memory = (char *)scratch;
    int status = 0;
    if (detect->images <= 0)
        return 0;
    const struct detect_lists lists = {
        (int32_t *)(void *)memory, (int32_t *)(void *)(memory + image_bytes(detect)),
        (struct kept_box *)(void *)(memory + image_bytes(detect) + count_bytes(detect))};
    if (detect->detections > MOST_DETECTIONS)
        return 1; /* cudaErrorInvalidValue */
    if (detect->capacity > 0)
        status = CU_LAUNCH(rows_kernel, dim3((unsigned)cu_ceil_div(detect->capacity, WARPS)),
                           dim3(THREADS), 0, stream, *detect, lists);
    if (!status)
        status = CU_LAUNCH(classes_kernel, dim3((unsigned)detect->num_classes, (unsigned)detect->images),
                           dim3(THREADS), sizeof(struct class_shared), stream, *detect, lists);
    if (!status)
        status = CU_LAUNCH(best_kernel, dim3((unsigned)detect->images), dim3(BEST_THREADS),
                           sizeof(struct best_shared), stream, *detect, lists);
    return status;
}
