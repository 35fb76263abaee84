/* reduce.cu - sums over a whole tensor: squares, norms, whether all is finite; clipping by a norm.
 *
 * Mapping: up to PIECES blocks, each over stretches of four values a thread, then one block over their
 * sums, which also makes the factor of a clipping: nothing goes by the host. The order of additions
 * depends on the count alone, not on alignment or schedule, and sums are in double: the same bits on
 * every run. Bound by the memory's bandwidth: each value is read once, for clipping a second time, and
 * written only when it is too much. Checked against lib/backend/ref/elementwise.c, whose double sums are
 * in another order. */
#include "elementwise.cuh"

enum { THREADS = ELEMENTWISE_THREADS, PIECES = 1024, VECTOR = 4 };

/* What comes after the pieces in scratch. */
enum { FACTOR = PIECES, WORDS };

/* ---- kernels ------------------------------------------------------------------------------- */

enum reduction { SQUARES, POWERS, LARGEST };

/* fmax of C: a NaN counts only when there is nothing else. */
template <enum reduction WHAT> static __device__ __forceinline__ double joined(double a, double b)
{
    return WHAT == LARGEST ? fmax(a, b) : a + b;
}

template <enum reduction WHAT> static __device__ __forceinline__ double term_of(float value, double order)
{
    const double size = fabs((double)value);
    return WHAT == SQUARES ? size * size : WHAT == POWERS ? pow(size, order) : size;
}

/* Of a block's threads, in a tree; thread 0 has it. */
template <enum reduction WHAT> static __device__ __forceinline__ double join_block(double *all, double mine)
{
    all[threadIdx.x] = mine;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half)
            all[threadIdx.x] = joined<WHAT>(all[threadIdx.x], all[threadIdx.x + half]);
    }
    return all[0];
}

/* Values [4i, 4i + 4) of `in`, zero behind the last: one access where they are whole and aligned. */
static __device__ __forceinline__ cu_vector<float, VECTOR> four_of(const float *in, int64_t i, int64_t count,
                                                                   bool aligned)
{
    if (aligned && VECTOR * (i + 1) <= count)
        return reinterpret_cast<const cu_vector<float, VECTOR> *>(in)[i];
    cu_vector<float, VECTOR> values;
    for (int k = 0; k < VECTOR; k++)
        values.at[k] = VECTOR * i + k < count ? in[VECTOR * i + k] : 0;
    return values;
}

template <enum reduction WHAT>
static __global__ void __launch_bounds__(THREADS)
    piece_kernel(double *pieces, const float *in, double order, int64_t count, bool aligned)
{
    cu_pdl_wait();
    CU_SMEM(double, all);
    const int64_t step = (int64_t)gridDim.x * THREADS;
    double sum = 0;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; VECTOR * i < count; i += step) {
        const cu_vector<float, VECTOR> values = four_of(in, i, count, aligned);
        for (int k = 0; k < VECTOR; k++)
            sum = joined<WHAT>(sum, term_of<WHAT>(values.at[k], order));
    }
    sum = join_block<WHAT>(all, sum);
    if (threadIdx.x == 0)
        pieces[blockIdx.x] = sum;
}

/* The whole sum to `out`, or what clipping by this norm multiplies with to scratch. */
template <enum reduction WHAT>
static __global__ void __launch_bounds__(THREADS)
    join_kernel(double *pieces, int count, float *out, double order, double limit)
{
    cu_pdl_wait();
    CU_SMEM(double, all);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < count; i += THREADS)
        sum = joined<WHAT>(sum, pieces[i]);
    sum = join_block<WHAT>(all, sum);
    if (threadIdx.x != 0)
        return;
    const double norm = WHAT == LARGEST ? sum : WHAT == SQUARES ? sqrt(sum) : pow(sum, 1 / order);
    if (out)
        *out = (float)sum;
    else
        pieces[FACTOR] = limit / (norm + 1e-6);
}

static __global__ void __launch_bounds__(THREADS)
    finite_kernel(int32_t *out, const float *in, int64_t count, bool aligned)
{
    cu_pdl_wait();
    const int64_t step = (int64_t)gridDim.x * THREADS;
    bool bad = false;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; VECTOR * i < count; i += step) {
        const cu_vector<float, VECTOR> values = four_of(in, i, count, aligned);
        for (int k = 0; k < VECTOR; k++)
            bad |= (__float_as_uint(values.at[k]) & 0x7f800000u) == 0x7f800000u;
    }
    if (__syncthreads_or(bad) && threadIdx.x == 0)
        atomicAnd(out, 0);
}

template <int WIDTH>
static __global__ void __launch_bounds__(THREADS)
    clip_kernel(float *grad, const double *factor, int64_t count)
{
    typedef cu_vector<float, WIDTH> vector;
    cu_pdl_wait();
    if (!(*factor < 1)) /* NaN clips nothing */
        return;
    const float by = (float)*factor;
    for_each<WIDTH>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            grad[i] = __fmul_rn(grad[i], by);
            return;
        }
        vector values = reinterpret_cast<vector *>(grad)[i];
        for (int k = 0; k < WIDTH; k++)
            values.at[k] = __fmul_rn(values.at[k], by);
        reinterpret_cast<vector *>(grad)[i] = values;
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_reduce_scratch(void)
{
    return WORDS * sizeof(double);
}

template <enum reduction WHAT>
static int reduce(double *pieces, float *out, const float *in, float order, float limit, int64_t count,
                  launch_stream stream)
{
    const size_t shared = THREADS * sizeof(double);
    const int64_t wanted = cu_ceil_div(count, THREADS * VECTOR);
    const int blocks = (int)(wanted < PIECES ? wanted : (int64_t)PIECES);
    auto piece = piece_kernel<WHAT>;
    auto join = join_kernel<WHAT>;
    int error = 0;
    if (blocks > 0)
        error = CU_LAUNCH(piece, dim3((unsigned)blocks), dim3(THREADS), shared, stream, pieces, in,
                          (double)order, count, elementwise_aligned(in));
    if (error)
        return error;
    return CU_LAUNCH(join, dim3(1), dim3(THREADS), shared, stream, pieces, blocks, out, (double)order,
                     (double)limit);
}

extern "C" int launch_sum_squares(float *out, const float *in, int64_t count, void *scratch,
                                  launch_stream stream)
{
    return reduce<SQUARES>((double *)scratch, out, in, 2, 0, count, stream);
}

extern "C" int launch_all_finite(int32_t *out, const float *in, int64_t count, launch_stream stream)
{
    const int error = launch_fill(out, 1, 1, stream);
    if (error || count <= 0)
        return error;
    return CU_LAUNCH(finite_kernel, elementwise_blocks(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream,
                     out, in, count, elementwise_aligned(in));
}

extern "C" int launch_clip_norm(float *grad, float limit, float order, int64_t count, void *scratch,
                                launch_stream stream)
{
    double *pieces = (double *)scratch;
    if (count <= 0)
        return 0;
    const int error = isinf(order)  ? reduce<LARGEST>(pieces, NULL, grad, order, limit, count, stream)
                      : order == 2 ? reduce<SQUARES>(pieces, NULL, grad, order, limit, count, stream)
                                   : reduce<POWERS>(pieces, NULL, grad, order, limit, count, stream);
    if (error)
        return error;
    auto clip = elementwise_aligned(grad) ? clip_kernel<VECTOR> : clip_kernel<1>;
    return CU_LAUNCH(clip, elementwise_blocks(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream, grad,
                     (const double *)(pieces + FACTOR), count);
}
