/* losses.cu - the losses of RPN and box head, with their gradients.
 *
 * rpn_loss, box_loss: gradients are zeroed by fills of whole vectors, then one block goes over the
 * sampled rows, a thread a row, writes the few gradients that are not zero and adds up the losses: some
 * thousand rows, bound by latency, and no sum needs a second kernel.
 * softmax_loss: a warp a row, whose lanes have every 32nd value; the row's loss and what it counts for go
 * to scratch, and one block adds them up.
 * Losses are in double, added in an order that depends on the sizes alone: the same bits on every run.
 * Gradients are rounded once, to the type of the activations. Twin: lib/backend/ref/losses.c, which
 * computes in double, too: exp, log, log1p and atan differ from it in the last place of a double, the
 * logf of a box's encoding in that of a float. */
#include "boxes.cuh"
#include "tensor/box_loss.h"

enum { THREADS = 512, ROW_WARPS = 8 };

/* ---- pieces -------------------------------------------------------------------------------- */

/* Of all threads of a block, in a tree; everybody has it. `all` is shared memory, [THREADS]. */
static __device__ double sum_block(double *all, double mine)
{
    __syncthreads(); /* nobody reads an earlier sum any more */
    all[threadIdx.x] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half)
            all[threadIdx.x] += all[threadIdx.x + half];
    }
    __syncthreads();
    return all[0];
}

static __device__ __forceinline__ double scale_of(const float *scale)
{
    return scale ? (double)*scale : 1;
}

static __device__ __forceinline__ int64_t row_count(const int32_t *rows, int64_t capacity)
{
    return rows ? clamp_count(*rows, capacity) : capacity;
}

/* The loss of one box; scale times its derivative where that is wanted. */
template <typename T>
static __device__ __forceinline__ double box_loss(int kind, float beta, const float *deltas,
                                                  const float *source, const float *target,
                                                  const float *weights, double scale, T *grad)
{
    double derivative[4];
    const double loss = box_regression_loss(derivative, kind, (double)beta, deltas, source, target, weights);
    if (grad)
        for (int d = 0; d < 4; d++)
            grad[d] = cu_from_float<T>((float)(scale * derivative[d]));
    return loss;
}

/* BCE with logits of one anchor; its gradient where it is wanted. */
template <typename T>
static __device__ __forceinline__ double binary_cross_entropy(double logit, double label, double scale,
                                                              T *grad)
{
    const double small = exp(-fabs(logit));
    const double sigmoid = logit >= 0 ? 1 / (1 + small) : small / (1 + small);
    if (grad)
        *grad = cu_from_float<T>((float)(scale * (sigmoid - label)));
    return (logit > 0 ? logit : logit < 0 ? 0 : logit) - logit * label + log1p(small);
}

/* ---- RPN ----------------------------------------------------------------------------------- */

/* Where anchor `r` of an image is in a slab. */
static __device__ __forceinline__ int64_t slab_index(const struct launch_rpn_loss &p, int64_t image,
                                                      int64_t r)
{
    int64_t first = 0, count = p.level_count[0];
    for (int level = 1; level < LAUNCH_MAX_LEVELS; level++)
        if (level < p.levels && r >= p.first[level]) {
            first = p.first[level];
            count = p.level_count[level];
        }
    return p.images * first + image * count + (r - first);
}

template <typename T>
static __global__ void __launch_bounds__(THREADS) rpn_loss_kernel(struct launch_rpn_loss p)
{
    cu_pdl_wait();
    CU_SMEM(double, all);
    const double scale = scale_of(p.scale), class_scale = (double)p.class_scale * scale;
    T *logits_grad = (T *)p.logits_grad, *deltas_grad = (T *)p.deltas_grad;
    double class_sum = 0, box_sum = 0;
    /* The last of an odd number of 16 bits has no word of its own, so no fill has zeroed it. */
    if (threadIdx.x == 0 && logits_grad && p.images * p.total > 0)
        logits_grad[p.images * p.total - 1] = cu_from_float<T>(0);
    __syncthreads();
    for (int64_t row = threadIdx.x; row < p.images * p.sampled; row += THREADS) {
        const int64_t image = row / p.sampled, k = row % p.sampled;
        const int64_t foreground = clamp_count(p.index_counts[2 * image], p.sampled);
        const int64_t background = clamp_count(p.index_counts[2 * image + 1], p.sampled - foreground);
        if (k >= foreground + background)
            continue;
        const int64_t anchor = p.index[row], at = slab_index(p, image, anchor);
        class_sum += binary_cross_entropy<T>((double)p.logits[at], k < foreground ? 1 : 0, class_scale,
                                             logits_grad ? logits_grad + at : NULL);
        if (k >= foreground)
            continue;
        const int64_t truth = image * p.gt_capacity + p.match[image * p.total + anchor];
        box_sum += box_loss<T>(p.kind, p.smooth_l1_beta, p.deltas + 4 * at, p.anchors + 4 * anchor,
                               p.gt + 4 * truth, p.weights, (double)p.box_scale * scale,
                               deltas_grad ? deltas_grad + 4 * at : NULL);
    }
    class_sum = sum_block(all, class_sum);
    box_sum = sum_block(all, box_sum);
    if (threadIdx.x == 0) {
        p.loss[0] = (float)(class_sum * (double)p.class_scale);
        p.loss[1] = (float)(box_sum * (double)p.box_scale);
    }
}

/* ---- boxes --------------------------------------------------------------------------------- */

template <typename T>
static __global__ void __launch_bounds__(THREADS) box_loss_kernel(struct launch_box_loss p)
{
    cu_pdl_wait();
    CU_SMEM(double, all);
    const int64_t count = row_count(p.rows, p.capacity);
    const int64_t columns = p.class_agnostic ? 4 : 4 * (int64_t)p.num_classes;
    const double share = (double)p.loss_scale / (double)(count > 0 ? count : 1);
    T *grad = (T *)p.grad;
    double sum = 0;
    for (int64_t row = threadIdx.x; row < count; row += THREADS) {
        const int32_t wanted = p.classes[row];
        if (wanted < 0 || wanted >= p.num_classes)
            continue;
        const int64_t at = row * columns + (p.class_agnostic ? 0 : 4 * (int64_t)wanted);
        sum += box_loss<T>(p.kind, p.smooth_l1_beta, p.deltas + at, p.rois + 5 * row + 1, p.targets + 4 * row,
                           p.weights, share * scale_of(p.scale), grad ? grad + at : NULL);
    }
    sum = sum_block(all, sum);
    if (threadIdx.x == 0)
        *p.loss = (float)(sum * share);
}

/* ---- classes ------------------------------------------------------------------------------- */

/* What a row adds to the loss and to the four counts, a bit each. */
struct row_result {
    double   loss;
    uint32_t counts, unused;
};

static __device__ __forceinline__ double warp_sum(double value)
{
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

/* The first of the row's largest values, by all lanes; 0 when the first is NaN, as in a loop that moves
 * on to what is larger. */
static __device__ __forceinline__ int64_t first_largest(const float *in, int64_t classes)
{
    uint64_t best = 0;
    for (int64_t k = threadIdx.x & 31; k < classes; k += 32) {
        const uint64_t item = (uint64_t)order_key(in[k]) << 32 | (uint32_t)~(uint32_t)k;
        best = item > best ? item : best;
    }
    for (int step = 16; step > 0; step /= 2) {
        const uint64_t other = __shfl_xor_sync(0xffffffffu, best, step);
        best = other > best ? other : best;
    }
    return in[0] != in[0] ? 0 : (int64_t)(uint32_t)~(uint32_t)best;
}

static __device__ __forceinline__ uint32_t counts_of(int64_t predicted, int64_t wanted, int64_t background)
{
    const uint32_t correct = predicted == wanted;
    if (wanted == background)
        return correct;
    return correct | 2u | correct << 2 | (predicted == background ? 8u : 0u);
}

template <typename T>
static __global__ void __launch_bounds__(ROW_WARPS * 32)
    softmax_rows_kernel(struct launch_softmax_loss p, struct row_result *results)
{
    cu_pdl_wait();
    const int lane = threadIdx.x & 31;
    const int64_t row = (int64_t)blockIdx.x * ROW_WARPS + threadIdx.x / 32;
    const int64_t count = row_count(p.rows, p.capacity);
    if (row >= p.capacity)
        return;
    const float *in = p.logits + row * p.classes;
    T *grad = p.grad ? (T *)p.grad + row * p.classes : NULL;
    const int64_t wanted = row < count ? p.wanted[row] : -1;
    if (wanted < 0 || wanted >= p.classes) {
        for (int64_t k = lane; grad && k < p.classes; k += 32)
            grad[k] = cu_from_float<T>(0);
        if (lane == 0)
            results[row] = {0, 0, 0};
        return;
    }
    const double share = scale_of(p.scale) / (double)count;
    const int64_t best = first_largest(in, p.classes);
    double sum = 0;
    for (int64_t k = lane; k < p.classes; k += 32)
        sum += exp((double)in[k] - (double)in[best]);
    const double total = (double)in[best] + log(warp_sum(sum));
    for (int64_t k = lane; grad && k < p.classes; k += 32)
        grad[k] = cu_from_float<T>((float)((exp((double)in[k] - total) - (k == wanted ? 1 : 0)) * share));
    if (lane == 0)
        results[row] = {total - (double)in[wanted], counts_of(best, wanted, p.classes - 1), 0};
}

static __global__ void __launch_bounds__(THREADS)
    softmax_sum_kernel(struct launch_softmax_loss p, const struct row_result *results)
{
    cu_pdl_wait();
    CU_SMEM(double, all);
    const int64_t count = row_count(p.rows, p.capacity);
    double sum = 0;
    int counts[4] = {0, 0, 0, 0};
    for (int64_t row = threadIdx.x; row < count; row += THREADS) {
        const struct row_result result = results[row];
        sum += result.loss;
        for (int i = 0; i < 4; i++)
            counts[i] += (int)(result.counts >> i & 1u);
    }
    sum = sum_block(all, sum);
    for (int i = 0; i < 4; i++) {
        const double counted = sum_block(all, (double)counts[i]);
        if (threadIdx.x == 0)
            p.stats[i] = (float)counted;
    }
    if (threadIdx.x == 0)
        *p.loss = count > 0 ? (float)(sum / (double)count) : 0;
}

/* ---- launchers ----------------------------------------------------------------------------- */

enum { SUM_BYTES = THREADS * sizeof(double) };

/* Zero in words: the last of an odd number of 16 bits stays. */
static int clear(void *grad, int64_t count, enum launch_type type, launch_stream stream)
{
    return grad ? launch_fill(grad, 0, type == LAUNCH_F32 ? count : count / 2, stream) : 0;
}

extern "C" int launch_rpn_loss(const struct launch_rpn_loss *loss, launch_stream stream)
{
    const int64_t anchors = loss->images * loss->total;
    int error = clear(loss->logits_grad, anchors, loss->type, stream);
    if (error == 0)
        error = clear(loss->deltas_grad, 4 * anchors, loss->type, stream);
    if (error)
        return error;
    auto kernel = loss->type == LAUNCH_BF16  ? rpn_loss_kernel<cu_bf16>
                  : loss->type == LAUNCH_F16 ? rpn_loss_kernel<cu_fp16>
                                             : rpn_loss_kernel<float>;
    return CU_LAUNCH(kernel, dim3(1), dim3(THREADS), SUM_BYTES, stream, *loss);
}

extern "C" int launch_box_loss(const struct launch_box_loss *loss, launch_stream stream)
{
    const int64_t columns = loss->class_agnostic ? 4 : 4 * (int64_t)loss->num_classes;
    int error = clear(loss->grad, loss->capacity * columns, loss->type, stream);
    if (error)
        return error;
    auto kernel = loss->type == LAUNCH_BF16  ? box_loss_kernel<cu_bf16>
                  : loss->type == LAUNCH_F16 ? box_loss_kernel<cu_fp16>
                                             : box_loss_kernel<float>;
    return CU_LAUNCH(kernel, dim3(1), dim3(THREADS), SUM_BYTES, stream, *loss);
}

extern "C" size_t launch_softmax_loss_scratch(int64_t capacity)
{
    return (size_t)capacity * sizeof(struct row_result);
}

extern "C" int launch_softmax_loss(const struct launch_softmax_loss *loss, void *scratch,
                                   launch_stream stream)
{
    struct row_result *results = (struct row_result *)scratch;
    auto kernel = loss->type == LAUNCH_BF16  ? softmax_rows_kernel<cu_bf16>
                  : loss->type == LAUNCH_F16 ? softmax_rows_kernel<cu_fp16>
                                             : softmax_rows_kernel<float>;
    int error = 0;
    if (loss->capacity > 0)
        error = CU_LAUNCH(kernel, dim3((unsigned)cu_ceil_div(loss->capacity, ROW_WARPS)),
                          dim3(ROW_WARPS * 32), 0, stream, *loss, results);
    if (error)
        return error;
    return CU_LAUNCH(softmax_sum_kernel, dim3(1), dim3(THREADS), SUM_BYTES, stream, *loss,
                     (const struct row_result *)results);
}
