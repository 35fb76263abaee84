/* sample.cu - samples without replacement: of each label, the rows with the smallest random keys.
 *
 * Keys are Philox numbers of (seed, stream and image, row), so they are the host's (core/philox.h).
 * keys_kernel: a thread makes those of four rows, one block of the generator. sample_kernel: a block
 * has one label of one image: radix selection in three passes, 11, 11 and 10 bits from the top, with a
 * histogram in shared memory; then a pass in the order of rows, which writes what is below the k-th
 * key and as many equal ones as are wanted, each at its rank: ascending, whatever the schedule. The block
 * of label 0 counts label 1 itself, so that neither waits for the other. Bound by latency, and by one
 * multiprocessor's share of the second-level cache, since labels and keys are read four times. Twin:
 * ref_sample in lib/backend/ref/targets.c, whose bits come out. */
#include "boxes.cuh"

#define PHILOX_FUNCTION static __device__ __forceinline__
#include "core/philox.h"

enum { KEY_THREADS = 256, THREADS = 1024, WARPS = THREADS / 32, BINS = 2048 };

struct sample_shared {
    uint32_t histogram[BINS];
    int      warp_sum[WARPS], warp_less[WARPS], warp_equal[WARPS];
    uint32_t prefix; /* the bits of the k-th key that are known */
    int      wanted; /* how many of those that begin so */
};

/* ---- keys ---------------------------------------------------------------------------------- */

static __global__ void __launch_bounds__(KEY_THREADS) keys_kernel(uint32_t *keys, struct launch_sample p)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.y, block = (int64_t)blockIdx.x * KEY_THREADS + threadIdx.x;
    const uint64_t place = p.numbers[1] + (uint64_t)image * (uint64_t)p.image_step;
    uint32_t words[PHILOX_WORDS];
    if (PHILOX_WORDS * block >= p.capacity)
        return;
    philox_block_at(words, p.numbers[0], p.stream ^ place, (uint64_t)block);
    for (int i = 0; i < PHILOX_WORDS; i++)
        if (PHILOX_WORDS * block + i < p.capacity)
            keys[image * p.capacity + PHILOX_WORDS * block + i] = words[i];
}

/* ---- selection ----------------------------------------------------------------------------- */

/* The sum of `mine` over the threads before this one; *total over all of the block. */
static __device__ int sum_before(struct sample_shared *s, int mine, int *total)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    int sum = mine, before = 0;
    for (int step = 1; step < 32; step *= 2) {
        const int other = __shfl_up_sync(0xffffffffu, sum, step);
        sum += lane >= step ? other : 0;
    }
    __syncthreads(); /* nobody reads the sums before any more */
    if (lane == 31)
        s->warp_sum[warp] = sum;
    __syncthreads();
    *total = 0;
    for (int w = 0; w < WARPS; w++) {
        before += w < warp ? s->warp_sum[w] : 0;
        *total += s->warp_sum[w];
    }
    return before + sum - mine;
}

/* Rows of label `label` whose key begins with s->prefix, by their next `bits`. */
static __device__ void count_keys(struct sample_shared *s, const int32_t *labels, const uint32_t *keys,
                                  int count, int label, int shift, int bits)
{
    const uint32_t prefix = s->prefix, known = shift + bits == 32 ? 0 : 0xffffffffu << (shift + bits);
    for (int i = threadIdx.x; i < BINS; i += THREADS)
        s->histogram[i] = 0;
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += THREADS)
        if (labels[i] == label && (keys[i] & known) == prefix)
            atomicAdd(&s->histogram[keys[i] >> shift & ((1u << bits) - 1)], 1u);
    __syncthreads();
}

/* The bin in which the wanted key lies, from the bottom. */
static __device__ void choose_bin(struct sample_shared *s, int shift)
{
    const int bin = 2 * (int)threadIdx.x, low = (int)s->histogram[bin], high = (int)s->histogram[bin + 1];
    const int wanted = s->wanted;
    int total;
    const int before = sum_before(s, low + high, &total);
    __syncthreads();
    if (before < wanted && before + low + high >= wanted) {
        const bool second = before + low < wanted;
        s->prefix |= (uint32_t)(bin + second) << shift;
        s->wanted = wanted - before - (second ? low : 0);
    }
    __syncthreads();
}

/* How many rows have the label. */
static __device__ int count_label(struct sample_shared *s, const int32_t *labels, int count, int label)
{
    int mine = 0, total;
    for (int i = threadIdx.x; i < count; i += THREADS)
        mine += labels[i] == label;
    sum_before(s, mine, &total);
    return total;
}

/* The rows of the label that are below the k-th key, and the first `wanted` that equal it, to `out`
 * in order. */
static __device__ void write_rows(struct sample_shared *s, int32_t *out, const int32_t *labels,
                                  const uint32_t *keys, int count, int label)
{
    const uint32_t threshold = s->prefix;
    const int wanted = s->wanted, lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    const unsigned lower = (1u << lane) - 1;
    int less_before = 0, equal_before = 0;
    for (int first = 0; first < count; first += THREADS) {
        const int row = first + (int)threadIdx.x;
        const bool mine = row < count && labels[row] == label;
        const bool less = mine && keys[row] < threshold, equal = mine && keys[row] == threshold;
        if (!__syncthreads_or(less || equal))
            continue;
        const unsigned lesses = __ballot_sync(0xffffffffu, less);
        const unsigned equals = __ballot_sync(0xffffffffu, equal);
        if (lane == 0) {
            s->warp_less[warp] = __popc(lesses);
            s->warp_equal[warp] = __popc(equals);
        }
        __syncthreads();
        int less_rank = less_before + __popc(lesses & lower);
        int equal_rank = equal_before + __popc(equals & lower);
#pragma unroll 4 /* all 64 sums at once would not fit into the registers */
        for (int w = 0; w < WARPS; w++) {
            less_rank += w < warp ? s->warp_less[w] : 0;
            equal_rank += w < warp ? s->warp_equal[w] : 0;
            less_before += s->warp_less[w];
            equal_before += s->warp_equal[w];
        }
        if (less || (equal && equal_rank < wanted))
            out[less_rank + min(equal_rank, wanted)] = row;
    }
}

/* Blocks 2i and 2i + 1 have image i's labels 1 and 0. The 1: there are few blocks, and compilers that
 * make room for a second on a multiprocessor spill registers. */
static __global__ void __launch_bounds__(THREADS, 1)
    sample_kernel(struct launch_sample p, const uint32_t *all_keys)
{
    cu_pdl_wait();
    CU_SMEM(sample_shared, s);
    const int64_t image = blockIdx.x / 2;
    const int label = blockIdx.x % 2 == 0 ? 1 : 0, count = (int)p.capacity;
    const int32_t *labels = p.label + image * p.capacity;
    const uint32_t *keys = all_keys + image * p.capacity;
    int32_t *out = p.index + image * p.index_capacity;
    const int64_t size = min(p.size, p.index_capacity), quota = min(p.max_foreground, size);
    const int foreground = (int)min((int64_t)count_label(s, labels, count, 1), quota);
    const int all = label == 1 ? 0 : count_label(s, labels, count, 0);
    const int chosen = label == 1 ? foreground : (int)min((int64_t)all, size - foreground);
    out += label == 1 ? 0 : foreground;
    if (threadIdx.x == 0) {
        s->prefix = 0;
        s->wanted = chosen;
        p.counts[2 * image + 1 - label] = chosen;
    }
    __syncthreads();
    for (int shift = 21; chosen > 0 && shift >= 0; shift = shift == 21 ? 10 : shift - 10) {
        count_keys(s, labels, keys, count, label, shift, shift > 0 ? 11 : 10);
        choose_bin(s, shift);
    }
    if (chosen > 0)
        write_rows(s, out, labels, keys, count, label);
    for (int64_t i = foreground + chosen + threadIdx.x; label == 0 && i < p.index_capacity; i += THREADS)
        p.index[image * p.index_capacity + i] = 0;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_sample_scratch(const struct launch_sample *sample)
{
    return (size_t)(sample->images * sample->capacity) * sizeof(uint32_t);
}

extern "C" int launch_sample(const struct launch_sample *sample, void *scratch, launch_stream stream)
{
    const int64_t blocks = cu_ceil_div(cu_ceil_div(sample->capacity, PHILOX_WORDS), KEY_THREADS);
    uint32_t *keys = (uint32_t *)scratch;
    int error = 0;
    if (sample->images <= 0)
        return 0;
    if (blocks > 0)
        error = CU_LAUNCH(keys_kernel, dim3((unsigned)blocks, (unsigned)sample->images), dim3(KEY_THREADS),
                          0, stream, keys, *sample);
    if (error)
        return error;
    return CU_LAUNCH(sample_kernel, dim3(2 * (unsigned)sample->images), dim3(THREADS),
                     sizeof(struct sample_shared), stream, *sample, (const uint32_t *)keys);
}
