/* topk.cu - the k largest of each segment, in order.
 *
 * Mapping: a block per segment (level and image), all in one launch. The k-th key is found by radix
 * selection, eight bits a pass from the top, with a histogram in shared memory; a last pass collects
 * what is above it and, in order of index, as many equal ones as are wanted; a bitonic sort of (key,
 * index) puts them in order. Bound by latency and, for the largest level, by one multiprocessor's
 * share of the second-level cache, since it is read five times. Equal values go by lower index, so the
 * result does not depend on scheduling. Twin: ref_topk in lib/backend/ref/proposals.c, whose bits come
 * out. */
#include "boxes.cuh"

enum { THREADS = 1024, WARPS = THREADS / 32, SORTED_IN_SHARED = 2048 };

struct topk_shared {
    uint32_t histogram[256];
    uint32_t prefix;     /* the bits of the k-th key that are known */
    int      wanted;     /* how many of those that begin so */
    int      above, equal;
    int      warp_equal[WARPS];
    uint64_t items[SORTED_IN_SHARED];
};

/* ---- kernels ------------------------------------------------------------------------------- */

/* One pass: of the keys whose higher bits are s->prefix, the next eight bits of the wanted one. */
static __device__ void radix_pass(struct topk_shared *s, const float *values, int64_t count, int shift)
{
    for (int i = threadIdx.x; i < 256; i += THREADS)
        s->histogram[i] = 0;
    __syncthreads();
    const uint32_t prefix = s->prefix, known = shift == 24 ? 0 : 0xffffffffu << (shift + 8);
    for (int64_t i = threadIdx.x; i < count; i += THREADS) {
        const uint32_t key = order_key(values[i]);
        if ((key & known) == prefix)
            atomicAdd(&s->histogram[key >> shift & 255], 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        int digit = 255, left = s->wanted;
        while (digit > 0 && left > (int)s->histogram[digit])
            left -= (int)s->histogram[digit--];
        s->prefix = prefix | (uint32_t)digit << shift;
        s->wanted = left;
    }
    __syncthreads();
}

/* Items of keys above the k-th, in any order, and the first s->wanted equal ones by index. */
static __device__ void collect(struct topk_shared *s, uint64_t *items, const float *values, int64_t count,
                               int64_t k)
{
    const uint32_t threshold = s->prefix;
    const int wanted = s->wanted, lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    if (threadIdx.x == 0)
        s->above = s->equal = 0;
    __syncthreads();
    for (int64_t first = 0; first < count; first += THREADS) {
        const int64_t i = first + threadIdx.x;
        const uint32_t key = i < count ? order_key(values[i]) : 0;
        const bool above = i < count && key > threshold, equal = i < count && key == threshold;
        const uint64_t item = (uint64_t)key << 32 | (uint32_t)~(uint32_t)i;
        if (above)
            items[atomicAdd(&s->above, 1)] = item;
        const unsigned equals = __ballot_sync(0xffffffffu, equal);
        if (lane == 0)
            s->warp_equal[warp] = __popc(equals);
        if (!__syncthreads_or(equals != 0))
            continue;
        int before = s->equal + __popc(equals & ((1u << lane) - 1));
        for (int w = 0; w < warp; w++)
            before += s->warp_equal[w];
        if (equal && before < wanted)
            items[k - wanted + before] = item;
        __syncthreads();
        if (threadIdx.x == 0)
            for (int w = 0; w < WARPS; w++)
                s->equal += s->warp_equal[w];
        __syncthreads();
    }
    __syncthreads();
}

static __global__ void __launch_bounds__(THREADS)
    topk_kernel(struct launch_topk t, uint64_t *scratch, int size)
{
    cu_pdl_wait();
    CU_SMEM(topk_shared, s);
    const int64_t segment = blockIdx.x, level = segment / t.images, image = segment % t.images;
    const int64_t count = t.level_count[level], k = min(t.k, count);
    const float *values = t.values + t.images * t.first[level] + image * count;
    uint64_t *items = size <= SORTED_IN_SHARED ? s->items : scratch + segment * size;
    if (threadIdx.x == 0) {
        s->prefix = 0;
        s->wanted = (int)k;
    }
    for (int i = threadIdx.x; i < size; i += THREADS)
        items[i] = 0; /* comes last; no true item is zero, for its index is not 2^32 - 1 */
    __syncthreads();
    if (k > 0) {
        for (int shift = 24; shift >= 0; shift -= 8)
            radix_pass(s, values, count, shift);
        collect(s, items, values, count, k);
        sort_descending(items, size);
    }
    for (int64_t i = threadIdx.x; i < t.k; i += THREADS) {
        const int64_t at = i < k ? (int64_t)(uint32_t)~(uint32_t)items[i] : 0;
        t.index[segment * t.k + i] = (int32_t)at;
        t.value[segment * t.k + i] = i < k ? values[at] : 0;
    }
    if (threadIdx.x == 0)
        t.count[segment] = (int32_t)k;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_topk_scratch(const struct launch_topk *topk)
{
    const int size = power_of_two(topk->k);
    if (size <= SORTED_IN_SHARED)
        return 0;
    return (size_t)(topk->levels * topk->images) * (size_t)size * sizeof(uint64_t);
}

extern "C" int launch_topk(const struct launch_topk *topk, void *scratch, launch_stream stream)
{
    const int64_t segments = topk->levels * topk->images;
    if (segments <= 0)
        return 0;
    return CU_LAUNCH(topk_kernel, dim3((unsigned)segments), dim3(THREADS), sizeof(struct topk_shared),
                     stream, *topk, (uint64_t *)scratch, power_of_two(topk->k));
}
