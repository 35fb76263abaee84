/* norm.cu - normalisation with statistics of the batch itself, and its gradients.
 *
 * Sums: a block has 32 channels of a stretch of an image's pixels, each of its 8 warps every eighth
 * pixel; sums of stretches go to scratch. Values are taken relative to the first of their image and
 * channel, so that a mean far from zero costs no digits. Then a warp joins what a set (a group of an
 * image, or a channel) is made of, in double, and a thread a channel the parameters' gradients. Values
 * and gradients: a thread 16 bytes of channels of a pixel (pixels.cuh). All sums have an order that
 * depends on the sizes alone. Bound by the memory's bandwidth: each pass reads once. Checked against
 * lib/backend/ref/norm.c, whose sums are in another order. */
#include "pixels.cuh"

enum { COLUMNS = 32, WARPS = 8, THREADS = 32 * WARPS, STRETCH = 256, MOST_PARTS = 128 };

/* ---- sums ---------------------------------------------------------------------------------- */

struct norm_shared {
    float sum[2][WARPS][COLUMNS];
};

/* The warps' sums of each column, by the first warp, to parts[0] and parts[channels]. */
static __device__ __forceinline__ void join_warps(norm_shared *s, float *parts, float a, float b,
                                                  int64_t column, int64_t channels)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    s->sum[0][warp][lane] = a;
    s->sum[1][warp][lane] = b;
    __syncthreads();
    if (warp != 0 || column >= channels)
        return;
    for (int w = 1; w < WARPS; w++) {
        a += s->sum[0][w][lane];
        b += s->sum[1][w][lane];
    }
    parts[column] = a;
    parts[channels + column] = b;
}

static __device__ __forceinline__ int64_t set_of(const struct launch_norm &p, int64_t image, int64_t channel)
{
    return p.groups > 0 ? image * p.groups + channel / (p.channels / p.groups) : channel;
}

/* parts [images, gridDim.y, 2, channels]: of x - x0 and its square; GRADIENT: of g and g (x - mean). */
template <typename T, bool GRADIENT>
static __global__ void __launch_bounds__(THREADS)
    norm_sums_kernel(float *parts, const T *in, const T *out_grad, struct launch_norm p, int64_t stretch)
{
    cu_pdl_wait();
    CU_SMEM(norm_shared, s);
    const int64_t column = (int64_t)blockIdx.x * COLUMNS + (threadIdx.x & 31), image = blockIdx.z;
    const int64_t pixels = (int64_t)p.height * p.width, first = blockIdx.y * stretch;
    const int64_t last = min(first + stretch, pixels);
    const T *from = in + image * pixels * p.channels + column;
    float a = 0, b = 0;
    if (column < p.channels) {
        const float origin = GRADIENT ? p.stats[2 * set_of(p, image, column)] : cu_to_float(from[0]);
        for (int64_t pixel = first + threadIdx.x / 32; pixel < last; pixel += WARPS) {
            const float away = cu_to_float(from[pixel * p.channels]) - origin;
            const float value =
                GRADIENT ? cu_to_float(out_grad[(image * pixels + pixel) * p.channels + column]) : away;
            a += value;
            b = __fmaf_rn(value, away, b);
        }
    }
    join_warps(s, parts + (image * gridDim.y + blockIdx.y) * 2 * p.channels, a, b, column, p.channels);
}

static __device__ __forceinline__ double warp_sum(double value)
{
    for (int step = 16; step > 0; step /= 2)
        value += __shfl_xor_sync(0xffffffffu, value, step);
    return value;
}

/* What a set is made of: entry i is part `part` of channel `channel` of an image. */
struct entry {
    int64_t image, channel, part, pixels;
    const float *sums; /* [0] and [channels] */
};

static __device__ __forceinline__ entry entry_of(const struct launch_norm &p, const float *parts, int64_t set,
                                                 int64_t i, int count, int64_t stretch)
{
    const int64_t width = p.groups > 0 ? p.channels / p.groups : 1, all = (int64_t)p.height * p.width;
    entry e;
    e.part = i / width % count;
    e.image = p.groups > 0 ? set / p.groups : i / width / count;
    e.channel = (p.groups > 0 ? set % p.groups * width : set) + i % width;
    e.pixels = min(stretch, all - e.part * stretch);
    e.sums = parts + (e.image * count + e.part) * 2 * p.channels + e.channel;
    return e;
}

static __device__ __forceinline__ int64_t entries_of(const struct launch_norm &p, int count)
{
    return p.groups > 0 ? p.channels / p.groups * count : p.images * count;
}

template <typename T>
static __global__ void __launch_bounds__(32)
    norm_stats_kernel(float *stats, const float *parts, const T *in, struct launch_norm p, int count,
                      int64_t stretch)
{
    cu_pdl_wait();
    const int64_t set = blockIdx.x, entries = entries_of(p, count), all = (int64_t)p.height * p.width;
    const double values = (double)all * (double)(entries / count);
    double sum = 0, squares = 0;
    for (int64_t i = threadIdx.x; i < entries; i += 32) {
        const entry e = entry_of(p, parts, set, i, count, stretch);
        const double origin = cu_to_float(in[e.image * all * p.channels + e.channel]);
        sum += (double)e.sums[0] + (double)e.pixels * origin;
    }
    const double mean = warp_sum(sum) / values;
    for (int64_t i = threadIdx.x; i < entries; i += 32) {
        const entry e = entry_of(p, parts, set, i, count, stretch);
        const double off = (double)cu_to_float(in[e.image * all * p.channels + e.channel]) - mean;
        squares += (double)e.sums[p.channels] + 2 * off * (double)e.sums[0] + (double)e.pixels * off * off;
    }
    squares = warp_sum(squares);
    if (threadIdx.x != 0)
        return;
    const double variance = squares > 0 ? squares / values : 0;
    stats[2 * set] = (float)mean;
    stats[2 * set + 1] = (float)(1 / sqrt(variance + (double)p.epsilon));
    if (p.running_mean) { /* of what is kept for when there is no batch, the variance is unbiased */
        const double unbiased = values > 1 ? variance * values / (values - 1) : variance;
        p.running_mean[set] = (float)((1 - (double)p.momentum) * (double)p.running_mean[set] +
                                      (double)p.momentum * mean);
        p.running_variance[set] = (float)((1 - (double)p.momentum) * (double)p.running_variance[set] +
                                          (double)p.momentum * unbiased);
    }
}

/* slopes [sets, 2]: mean of w g over the deviation, and mean of w g (x - mean) over its cube. */
static __global__ void __launch_bounds__(32)
    norm_slopes_kernel(float *slopes, const float *parts, struct launch_norm p, int count, int64_t stretch)
{
    cu_pdl_wait();
    const int64_t set = blockIdx.x, entries = entries_of(p, count);
    const double values = (double)p.height * (double)p.width * (double)(entries / count);
    const double factor = p.stats[2 * set + 1];
    double sum = 0, along = 0;
    for (int64_t i = threadIdx.x; i < entries; i += 32) {
        const entry e = entry_of(p, parts, set, i, count, stretch);
        sum += (double)p.weight[e.channel] * (double)e.sums[0];
        along += (double)p.weight[e.channel] * (double)e.sums[p.channels];
    }
    sum = warp_sum(sum);
    along = warp_sum(along);
    if (threadIdx.x == 0) {
        slopes[2 * set] = (float)(sum / values * factor);
        slopes[2 * set + 1] = (float)(along / values * factor * factor * factor);
    }
}

static __global__ void __launch_bounds__(THREADS)
    norm_parameters_kernel(float *weight_grad, float *bias_grad, const float *parts, struct launch_norm p,
                           int count)
{
    cu_pdl_wait();
    const int64_t channel = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (channel >= p.channels)
        return;
    double sum = 0, along = 0;
    for (int64_t image = 0; image < p.images; image++) {
        double here = 0;
        for (int part = 0; part < count; part++) {
            const float *sums = parts + (image * count + part) * 2 * p.channels + channel;
            sum += (double)sums[0];
            here += (double)sums[p.channels];
        }
        along += here * (double)p.stats[2 * set_of(p, image, channel) + 1];
    }
    if (bias_grad)
        bias_grad[channel] += (float)sum;
    if (weight_grad)
        weight_grad[channel] += (float)along;
}

/* ---- values -------------------------------------------------------------------------------- */

/* factors [images, 3, channels]: what in, out_grad and nothing are multiplied with. Forward (slopes NULL):
 * out = in * [0] + [2]. Backward: in_grad = in * [0] + out_grad * [1] + [2]. */
static __global__ void __launch_bounds__(THREADS)
    norm_factors_kernel(float *factors, const float *bias, const float *slopes, struct launch_norm p)
{
    cu_pdl_wait();
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= p.images * p.channels)
        return;
    const int64_t image = i / p.channels, channel = i % p.channels, set = set_of(p, image, channel);
    double mean, by;
    if (p.stats) {
        mean = p.stats[2 * set];
        by = (double)p.weight[channel] * (double)p.stats[2 * set + 1];
    } else {
        mean = p.running_mean[channel];
        by = (double)p.weight[channel] / sqrt((double)p.running_variance[channel] + (double)p.epsilon);
    }
    float *to = factors + image * 3 * p.channels + channel;
    if (slopes) {
        to[0] = -slopes[2 * set + 1];
        to[p.channels] = (float)by;
        to[2 * p.channels] = (float)(mean * (double)slopes[2 * set + 1] - (double)slopes[2 * set]);
    } else {
        to[0] = (float)by;
        to[2 * p.channels] = (float)((double)bias[channel] - mean * by);
    }
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS)
    norm_apply_kernel(cu_vector<T, VECTOR> *out, const cu_vector<T, VECTOR> *in,
                      const cu_vector<T, VECTOR> *residual, const float *factors, struct launch_norm p)
{
    cu_pdl_wait();
    for_each_pixel(p.images, p.height, p.width, (int)(p.channels / VECTOR), [&](const pixel &at) {
        const float *factor = factors + at.image * 3 * p.channels + at.group * VECTOR;
        const cu_vector<T, VECTOR> values = in[at.index];
        cu_vector<T, VECTOR> added = {}, result;
        if (residual)
            added = residual[at.index];
        for (int k = 0; k < VECTOR; k++) {
            const float value = __fmaf_rn(cu_to_float(values.at[k]), factor[k], factor[2 * p.channels + k]) +
                                cu_to_float(added.at[k]);
            result.at[k] = cu_from_float<T>(p.relu && value < 0 ? 0 : value);
        }
        out[at.index] = result;
    });
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS)
    norm_gradient_kernel(cu_vector<T, VECTOR> *in_grad, const cu_vector<T, VECTOR> *in,
                         const cu_vector<T, VECTOR> *out_grad, const float *factors, struct launch_norm p)
{
    cu_pdl_wait();
    for_each_pixel(p.images, p.height, p.width, (int)(p.channels / VECTOR), [&](const pixel &at) {
        const float *factor = factors + at.image * 3 * p.channels + at.group * VECTOR;
        const cu_vector<T, VECTOR> values = in[at.index], grads = out_grad[at.index];
        cu_vector<T, VECTOR> result;
        for (int k = 0; k < VECTOR; k++) {
            const float added = __fmaf_rn(cu_to_float(values.at[k]), factor[k], factor[2 * p.channels + k]);
            result.at[k] = cu_from_float<T>(
                __fmaf_rn(cu_to_float(grads.at[k]), factor[p.channels + k], added));
        }
        in_grad[at.index] = result;
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

static int64_t stretch_of(const struct launch_norm *p)
{
    const int64_t least = cu_ceil_div((int64_t)p->height * p->width, MOST_PARTS);
    return least > STRETCH ? least : (int64_t)STRETCH;
}

static int parts_of(const struct launch_norm *p)
{
    return (int)cu_ceil_div((int64_t)p->height * p->width, stretch_of(p));
}

static size_t part_values(const struct launch_norm *p)
{
    return (size_t)(p->images * parts_of(p) * 2 * p->channels);
}

extern "C" size_t launch_norm_scratch(const struct launch_norm *p)
{
    return (part_values(p) + 2 * (size_t)p->sets + 3 * (size_t)(p->images * p->channels)) * sizeof(float);
}

static bool empty(const struct launch_norm *p)
{
    return p->images <= 0 || p->height <= 0 || p->width <= 0 || p->channels <= 0;
}

template <typename T, bool GRADIENT>
static int sums(float *parts, const void *in, const void *out_grad, const struct launch_norm *p,
                launch_stream stream)
{
    const dim3 grid((unsigned)cu_ceil_div(p->channels, COLUMNS), (unsigned)parts_of(p), (unsigned)p->images);
    auto kernel = norm_sums_kernel<T, GRADIENT>;
    if (p->images > 65535)
        return cudaErrorInvalidValue;
    return CU_LAUNCH(kernel, grid, dim3(THREADS), sizeof(norm_shared), stream, parts, (const T *)in,
                     (const T *)out_grad, *p, stretch_of(p));
}

template <typename T>
static int statistics(float *stats, const void *in, const struct launch_norm *p, float *parts,
                      launch_stream stream)
{
    const int error = sums<T, false>(parts, in, nullptr, p, stream);
    auto kernel = norm_stats_kernel<T>;
    if (error)
        return error;
    return CU_LAUNCH(kernel, dim3((unsigned)p->sets), dim3(32), 0, stream, stats, (const float *)parts,
                     (const T *)in, *p, parts_of(p), stretch_of(p));
}

/* Behind parts and slopes. */
static int make_factors(float **factors, float *parts, const float *bias, const float *slopes,
                        const struct launch_norm *p, launch_stream stream)
{
    *factors = parts + part_values(p) + 2 * p->sets;
    return CU_LAUNCH(norm_factors_kernel, dim3((unsigned)cu_ceil_div(p->images * p->channels, THREADS)),
                     dim3(THREADS), 0, stream, *factors, bias, slopes, *p);
}

static bool aligned(const void *a, const void *b, const void *c, int64_t channels, int values)
{
    return (((uintptr_t)a | (uintptr_t)b | (uintptr_t)c) & 15) == 0 && channels % values == 0;
}

template <typename T, int VECTOR>
static int apply(void *out, const void *in, const void *residual, const float *factors,
                 const struct launch_norm *p, launch_stream stream)
{
    typedef cu_vector<T, VECTOR> vector;
    auto kernel = norm_apply_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, p->images, p->height, p->width, p->channels / VECTOR))
        return cudaErrorInvalidValue;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (vector *)out, (const vector *)in,
                     (const vector *)residual, factors, *p);
}

template <typename T>
static int forward(const struct launch_norm_forward *f, float *scratch, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const struct launch_norm *p = &f->norm;
    float *factors = nullptr;
    int error = p->stats ? statistics<T>(f->stats, f->in, p, scratch, stream) : 0;
    if (!error)
        error = make_factors(&factors, scratch, f->bias, nullptr, p, stream);
    if (error)
        return error;
    return aligned(f->out, f->in, f->residual, p->channels, WHOLE)
               ? apply<T, WHOLE>(f->out, f->in, f->residual, factors, p, stream)
               : apply<T, 1>(f->out, f->in, f->residual, factors, p, stream);
}

extern "C" int launch_norm_forward(const struct launch_norm_forward *f, void *scratch,
                                   launch_stream stream)
{
    if (empty(&f->norm))
        return 0;
    switch (f->norm.type) {
    case LAUNCH_BF16: return forward<cu_bf16>(f, (float *)scratch, stream);
    case LAUNCH_F16: return forward<cu_fp16>(f, (float *)scratch, stream);
    default: return forward<float>(f, (float *)scratch, stream);
    }
}

template <typename T, int VECTOR>
static int gradient(const struct launch_norm_backward *b, const float *factors, launch_stream stream)
{
    typedef cu_vector<T, VECTOR> vector;
    const struct launch_norm *p = &b->norm;
    auto kernel = norm_gradient_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, p->images, p->height, p->width, p->channels / VECTOR))
        return cudaErrorInvalidValue;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (vector *)b->in_grad,
                     (const vector *)b->in, (const vector *)b->out_grad, factors, *p);
}

template <typename T>
static int backward(const struct launch_norm_backward *b, float *parts, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const struct launch_norm *p = &b->norm;
    float *slopes = parts + part_values(p), *factors = nullptr;
    int error = sums<T, true>(parts, b->in, b->out_grad, p, stream);
    if (!error && (b->weight_grad || b->bias_grad))
        error = CU_LAUNCH(norm_parameters_kernel, dim3((unsigned)cu_ceil_div(p->channels, THREADS)),
                          dim3(THREADS), 0, stream, b->weight_grad, b->bias_grad, (const float *)parts, *p,
                          parts_of(p));
    if (!error)
        error = CU_LAUNCH(norm_slopes_kernel, dim3((unsigned)p->sets), dim3(32), 0, stream, slopes,
                          (const float *)parts, *p, parts_of(p), stretch_of(p));
    if (!error)
        error = make_factors(&factors, parts, nullptr, slopes, p, stream);
    if (error)
        return error;
    const bool whole = aligned(b->in_grad, b->in, b->out_grad, p->channels, WHOLE);
    return whole ? gradient<T, WHOLE>(b, factors, stream) : gradient<T, 1>(b, factors, stream);
}

extern "C" int launch_norm_backward(const struct launch_norm_backward *b, void *scratch,
                                    launch_stream stream)
{
    if (empty(&b->norm))
        return 0;
    switch (b->norm.type) {
    case LAUNCH_BF16: return backward<cu_bf16>(b, (float *)scratch, stream);
    case LAUNCH_F16: return backward<cu_fp16>(b, (float *)scratch, stream);
    default: return backward<float>(b, (float *)scratch, stream);
    }
}
