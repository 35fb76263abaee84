/* columns.cu - sums over the rows of a matrix, and a matrix added to another row by row.
 *
 * column_sum: a block has 32 columns and a stretch of rows, of which each of its 8 warps takes every
 * eighth; the sums of stretches go to scratch and a second kernel adds them. The order depends on the
 * sizes alone. accumulate: a thread has an element. Both are bound by the memory's bandwidth; sums are
 * in 32 bits. Checked against lib/backend/ref/conv.c, whose sums are in double. */
#include "elementwise.cuh"

enum { COLUMNS = 32, WARPS = 8, STRETCH = 512, MOST_PARTS = 256 };

/* ---- kernels ------------------------------------------------------------------------------- */

struct column_shared {
    float sum[WARPS][COLUMNS];
};

/* Of `warps` sums of each column, in their order. */
static __device__ __forceinline__ float join_warps(column_shared *s, float mine)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    s->sum[warp][lane] = mine;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < WARPS; w++)
        sum += s->sum[w][lane];
    return sum;
}

template <typename T>
static __global__ void __launch_bounds__(32 * WARPS)
    column_part_kernel(float *parts, const T *in, int64_t rows, int64_t columns, int64_t stretch)
{
    cu_pdl_wait();
    CU_SMEM(column_shared, s);
    const int64_t column = (int64_t)blockIdx.x * COLUMNS + (threadIdx.x & 31);
    const int64_t first = (int64_t)blockIdx.y * stretch, last = min(first + stretch, rows);
    float sum = 0;
    for (int64_t row = first + threadIdx.x / 32; row < last && column < columns; row += WARPS)
        sum += cu_to_float(in[row * columns + column]);
    sum = join_warps(s, sum);
    if (threadIdx.x < COLUMNS && column < columns)
        parts[blockIdx.y * columns + column] = sum;
}

static __global__ void __launch_bounds__(32 * WARPS)
    column_join_kernel(float *out, const float *parts, int64_t count, int64_t columns)
{
    cu_pdl_wait();
    CU_SMEM(column_shared, s);
    const int64_t column = (int64_t)blockIdx.x * COLUMNS + (threadIdx.x & 31);
    float sum = 0;
    for (int64_t part = threadIdx.x / 32; part < count && column < columns; part += WARPS)
        sum += parts[part * columns + column];
    sum = join_warps(s, sum);
    if (threadIdx.x < COLUMNS && column < columns)
        out[column] += sum;
}

template <typename T, typename IN>
static __global__ void __launch_bounds__(ELEMENTWISE_THREADS)
    accumulate_kernel(T *out, const IN *in, const float *scale, int64_t count, uint32_t columns)
{
    cu_pdl_wait();
    for_each<1>(count, [&](int64_t i, bool) {
        const float factor = scale ? scale[(uint32_t)i / columns] : 1;
        out[i] = cu_from_float<T>(__fmaf_rn(factor, cu_to_float(in[i]), cu_to_float(out[i])));
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

static int64_t stretch_of(int64_t rows)
{
    const int64_t most = cu_ceil_div(rows, MOST_PARTS);
    return most > STRETCH ? most : (int64_t)STRETCH;
}

extern "C" size_t launch_column_sum_scratch(int64_t rows, int64_t columns)
{
    return (size_t)(cu_ceil_div(rows, stretch_of(rows)) * columns) * sizeof(float);
}

template <typename T>
static int column_parts(float *parts, const void *in, int64_t rows, int64_t columns, launch_stream stream)
{
    const int64_t stretch = stretch_of(rows);
    const dim3 grid((unsigned)cu_ceil_div(columns, COLUMNS), (unsigned)cu_ceil_div(rows, stretch));
    return CU_LAUNCH(column_part_kernel<T>, grid, dim3(32 * WARPS), sizeof(column_shared), stream, parts,
                     (const T *)in, rows, columns, stretch);
}

extern "C" int launch_column_sum(float *out, const void *in, enum launch_type type, int64_t rows,
                                 int64_t columns, void *scratch, launch_stream stream)
{
    float *parts = (float *)scratch;
    if (rows <= 0 || columns <= 0)
        return 0;
    const int error = type == LAUNCH_BF16  ? column_parts<cu_bf16>(parts, in, rows, columns, stream)
                      : type == LAUNCH_F16 ? column_parts<cu_fp16>(parts, in, rows, columns, stream)
                                           : column_parts<float>(parts, in, rows, columns, stream);
    if (error)
        return error;
    return CU_LAUNCH(column_join_kernel, dim3((unsigned)cu_ceil_div(columns, COLUMNS)), dim3(32 * WARPS),
                     sizeof(column_shared), stream, out, (const float *)parts,
                     cu_ceil_div(rows, stretch_of(rows)), columns);
}

template <typename T, typename IN>
static int accumulate(const struct launch_accumulate *a, launch_stream stream)
{
    const int64_t count = a->rows * a->columns;
    auto kernel = accumulate_kernel<T, IN>;
    if (count <= 0)
        return 0;
    if (a->scale && count > UINT32_MAX)
        return cudaErrorInvalidValue;
    return CU_LAUNCH(kernel, elementwise_blocks(count), dim3(ELEMENTWISE_THREADS), 0, stream, (T *)a->out,
                     (const IN *)a->in, a->scale, count, (uint32_t)a->columns);
}

extern "C" int launch_accumulate(const struct launch_accumulate *a, launch_stream stream)
{
    if (a->type == LAUNCH_BF16 && a->in_type == LAUNCH_BF16)
        return accumulate<cu_bf16, cu_bf16>(a, stream);
    if (a->type == LAUNCH_F16 && a->in_type == LAUNCH_F16)
        return accumulate<cu_fp16, cu_fp16>(a, stream);
    if (a->type != LAUNCH_F32)
        return cudaErrorInvalidValue;
    switch (a->in_type) {
    case LAUNCH_BF16: return accumulate<float, cu_bf16>(a, stream);
    case LAUNCH_F16: return accumulate<float, cu_fp16>(a, stream);
    default: return accumulate<float, float>(a, stream);
    }
}
