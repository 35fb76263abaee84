/* elementwise.cu - fill, add, scale, casts, and folding a norm's scale into a weight.
 *
 * Mapping: a thread takes 16 bytes at a time where the addresses allow it (`count` values, VECTOR of
 * them), single values in the tail, in a loop over the grid. Bound by the memory's bandwidth. Twin:
 * lib/backend/ref/elementwise.c. Sums are made in 32 bits and rounded once. */
#include "elementwise.cuh"

enum { THREADS = ELEMENTWISE_THREADS };

/* ---- kernels ------------------------------------------------------------------------------- */

/* A value of type T from the bits of a float, or of a word that stays as it is. */
template <typename T> __device__ __forceinline__ T from_bits(uint32_t bits)
{
    return cu_from_float<T>(__uint_as_float(bits));
}

template <> __device__ __forceinline__ uint32_t from_bits<uint32_t>(uint32_t bits)
{
    return bits;
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS) fill_kernel(T *out, uint32_t bits, int64_t count)
{
    cu_pdl_wait();
    const T value = from_bits<T>(bits);
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            out[i] = value;
            return;
        }
        cu_vector<T, VECTOR> values;
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = value;
        reinterpret_cast<cu_vector<T, VECTOR> *>(out)[i] = values;
    });
}

/* out = out * factor, or out + in when there is an `in`. */
template <typename T, int VECTOR, bool ADDS>
static __global__ void __launch_bounds__(THREADS)
    combine_kernel(T *out, const T *in, float factor, int64_t count)
{
    cu_pdl_wait();
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
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
    for_each<1>(count, [&](int64_t i, bool) {
        const float value = cu_to_float(in[i]);
        out[i] = cu_from_float<O>(scale ? value * scale[i / columns] : value);
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

template <typename T> static int fill(void *out, uint32_t bits, int64_t count, launch_stream stream)
{
    enum { VECTOR = 16 / sizeof(T) };
    auto whole = fill_kernel<T, VECTOR>;
    auto single = fill_kernel<T, 1>;
    if (count <= 0)
        return 0;
    if (elementwise_aligned(out))
        return CU_LAUNCH(whole, elementwise_blocks(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream,
                         (T *)out, bits, count);
    return CU_LAUNCH(single, elementwise_blocks(count), dim3(THREADS), 0, stream, (T *)out, bits, count);
}

extern "C" int launch_fill(void *out, uint32_t bits, int64_t count, launch_stream stream)
{
    return fill<uint32_t>(out, bits, count, stream);
}

extern "C" int launch_fill_narrow(void *out, uint32_t bits, enum launch_type type, int64_t count,
                                  launch_stream stream)
{
    if (type == LAUNCH_BF16)
        return fill<cu_bf16>(out, bits, count, stream);
    return fill<cu_fp16>(out, bits, count, stream);
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
    if (elementwise_aligned(out) && elementwise_aligned(in))
        return CU_LAUNCH(whole, elementwise_blocks(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream, to,
                         from, factor, count);
    return CU_LAUNCH(single, elementwise_blocks(count), dim3(THREADS), 0, stream, to, from, factor, count);
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
    return CU_LAUNCH(kernel, elementwise_blocks(count), dim3(THREADS), 0, stream, (O *)out, (const I *)in,
                     scale, count, columns);
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
