/* elementwise.cu - fill, add, scale, casts, and folding a norm's scale into a weight.
 *
 * Mapping: a thread takes 16 bytes at a time where the addresses allow it (`count` values, VECTOR of
 * them), single values in the tail, in a loop over the grid. Bound by the memory's bandwidth. Twin:
 * lib/backend/ref/elementwise.c. Sums are made in 32 bits and rounded once. */
#include "common.cuh"

enum { THREADS = 256, BLOCKS = 2048 };

/* ---- kernels ------------------------------------------------------------------------------- */

template <typename T, int VECTOR, typename Operation>
__device__ __forceinline__ void for_each(int64_t count, Operation operation)
{
    const int64_t first = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const int64_t step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t i = first; i < count / VECTOR; i += step)
        operation(i, true);
    for (int64_t i = count / VECTOR * VECTOR + first; i < count; i += step)
        operation(i, false);
}

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS) fill_kernel(uint32_t *out, uint32_t bits, int64_t count)
{
    cu_pdl_wait();
    for_each<uint32_t, VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            out[i] = bits;
            return;
        }
        cu_vector<uint32_t, VECTOR> values;
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = bits;
        reinterpret_cast<cu_vector<uint32_t, VECTOR> *>(out)[i] = values;
    });
}

/* out = out * factor, or out + in when there is an `in`. */
template <typename T, int VECTOR, bool ADDS>
static __global__ void __launch_bounds__(THREADS)
    combine_kernel(T *out, const T *in, float factor, int64_t count)
{
    cu_pdl_wait();
    for_each<T, VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            const float value = cu_to_float(out[i]);
            out[i] = cu_from_float<T>(ADDS ? value + cu_to_float(in[i]) : value * factor);
            return;
        }
        cu_vector<T, VECTOR> values = reinterpret_cast<cu_vector<T, VECTOR> *>(out)[i], added = values;
        if (ADDS)
            added = reinterpret_cast<const cu_vector<T, VECTOR> *>(in)[i];
        for (int k = 0; k < VECTOR; k++) {
            const float value = cu_to_float(values.at[k]);
            values.at[k] = cu_from_float<T>(ADDS ? value + cu_to_float(added.at[k]) : value * factor);
        }
        reinterpret_cast<cu_vector<T, VECTOR> *>(out)[i] = values;
    });
}

/* out[r,c] = in[r,c] * scale[r]; a cast when there is no scale. */
template <typename O, typename I>
static __global__ void __launch_bounds__(THREADS) fold_kernel(O *out, const I *in, const float *scale,
                                                              int64_t count, int64_t columns)
{
    cu_pdl_wait();
    for_each<O, 1>(count, [&](int64_t i, bool) {
        const float value = cu_to_float(in[i]);
        out[i] = cu_from_float<O>(scale ? value * scale[i / columns] : value);
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

static bool aligned(const void *pointer)
{
    return ((uintptr_t)pointer & 15) == 0;
}

/* Blocks for `count` threads' worth of work. */
static dim3 blocks_for(int64_t count)
{
    const int64_t wanted = cu_ceil_div(count, THREADS);
    return dim3((unsigned)(wanted < BLOCKS ? wanted : (int64_t)BLOCKS));
}

extern "C" int launch_fill(void *out, uint32_t bits, int64_t count, launch_stream stream)
{
    if (count <= 0)
        return 0;
    uint32_t *words = (uint32_t *)out;
    if (aligned(out))
        return CU_LAUNCH(fill_kernel<4>, blocks_for(cu_ceil_div(count, 4)), dim3(THREADS), 0, stream,
                         words, bits, count);
    return CU_LAUNCH(fill_kernel<1>, blocks_for(count), dim3(THREADS), 0, stream, words, bits, count);
}

template <typename T, bool ADDS>
static int combine(void *out, const void *in, float factor, int64_t count, launch_stream stream)
{
    enum { VECTOR = 16 / sizeof(T) };
    T *to = (T *)out;
    const T *from = (const T *)in;
    if (count <= 0)
        return 0;
    auto whole = combine_kernel<T, VECTOR, ADDS>;
    auto single = combine_kernel<T, 1, ADDS>;
    if (aligned(out) && aligned(in))
        return CU_LAUNCH(whole, blocks_for(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream, to,
                         from, factor, count);
    return CU_LAUNCH(single, blocks_for(count), dim3(THREADS), 0, stream, to, from, factor, count);
}

template <bool ADDS>
static int combine_type(void *out, const void *in, float factor, int64_t count, enum launch_type type,
                        launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return combine<cu_bf16, ADDS>(out, in, factor, count, stream);
    case LAUNCH_F16: return combine<cu_fp16, ADDS>(out, in, factor, count, stream);
    default: return combine<float, ADDS>(out, in, factor, count, stream);
    }
}

extern "C" int launch_add(void *out, const void *in, int64_t count, enum launch_type type,
                          launch_stream stream)
{
    return combine_type<true>(out, in, 0, count, type, stream);
}

extern "C" int launch_scale(void *out, float factor, int64_t count, enum launch_type type,
                            launch_stream stream)
{
    return combine_type<false>(out, NULL, factor, count, type, stream);
}

template <typename O, typename I>
static int fold(void *out, const void *in, const float *scale, int64_t rows, int64_t columns,
                launch_stream stream)
{
    const int64_t count = rows * columns;
    auto kernel = fold_kernel<O, I>;
    if (count <= 0)
        return 0;
    return CU_LAUNCH(kernel, blocks_for(count), dim3(THREADS), 0, stream, (O *)out, (const I *)in, scale,
                     count, columns);
}

extern "C" int launch_fold_weight(void *out, enum launch_type type, const float *value,
                                  const float *scale, int64_t rows, int64_t columns,
                                  launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return fold<cu_bf16, float>(out, value, scale, rows, columns, stream);
    case LAUNCH_F16: return fold<cu_fp16, float>(out, value, scale, rows, columns, stream);
    default: return fold<float, float>(out, value, scale, rows, columns, stream);
    }
}

template <typename I>
static int cast_from(void *out, enum launch_type to, const void *in, int64_t count, launch_stream stream)
{
    switch (to) {
    case LAUNCH_BF16: return fold<cu_bf16, I>(out, in, NULL, 1, count, stream);
    case LAUNCH_F16: return fold<cu_fp16, I>(out, in, NULL, 1, count, stream);
    default: return fold<float, I>(out, in, NULL, 1, count, stream);
    }
}

extern "C" int launch_cast(void *out, enum launch_type to, const void *in, enum launch_type from,
                           int64_t count, launch_stream stream)
{
    switch (from) {
    case LAUNCH_BF16: return cast_from<cu_bf16>(out, to, in, count, stream);
    case LAUNCH_F16: return cast_from<cu_fp16>(out, to, in, count, stream);
    default: return cast_from<float>(out, to, in, count, stream);
    }
}
