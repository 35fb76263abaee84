/* gradients.cu - ReLU's gradient, and blends of two tensors.
 *
 * Mapping: a thread takes 16 bytes at a time where the addresses allow it. Bound by the memory's
 * bandwidth: ReLU's gradient reads two values and writes one. Twin: lib/backend/ref/elementwise.c. */
#include "elementwise.cuh"

enum { THREADS = ELEMENTWISE_THREADS };

/* ---- kernels ------------------------------------------------------------------------------- */

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS) relu_backward_kernel(T *grad, const T *out, int64_t count)
{
    typedef cu_vector<T, VECTOR> vector;
    cu_pdl_wait();
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            if (!(cu_to_float(out[i]) > 0))
                grad[i] = cu_from_float<T>(0);
            return;
        }
        const vector seen = reinterpret_cast<const vector *>(out)[i];
        vector values = reinterpret_cast<vector *>(grad)[i];
        for (int k = 0; k < VECTOR; k++)
            if (!(cu_to_float(seen.at[k]) > 0))
                values.at[k] = cu_from_float<T>(0);
        reinterpret_cast<vector *>(grad)[i] = values;
    });
}

__device__ __forceinline__ float blended(float out, float out_factor, float in, float in_factor)
{
    const float kept = out_factor == 0 ? 0 : __fmul_rn(out_factor, out);
    return __fadd_rn(kept, __fmul_rn(in_factor, in));
}

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    blend_kernel(float *out, float out_factor, const float *in, float in_factor, int64_t count)
{
    typedef cu_vector<float, VECTOR> vector;
    cu_pdl_wait();
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            out[i] = blended(out[i], out_factor, in[i], in_factor);
            return;
        }
        vector values = reinterpret_cast<vector *>(out)[i];
        const vector added = reinterpret_cast<const vector *>(in)[i];
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = blended(values.at[k], out_factor, added.at[k], in_factor);
        reinterpret_cast<vector *>(out)[i] = values;
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

template <typename T>
static int relu_backward(void *grad, const void *out, int64_t count, launch_stream stream)
{
    enum { VECTOR = 16 / sizeof(T) };
    auto whole = relu_backward_kernel<T, VECTOR>;
    auto single = relu_backward_kernel<T, 1>;
    if (count <= 0)
        return 0;
    if (elementwise_aligned(grad) && elementwise_aligned(out))
        return CU_LAUNCH(whole, elementwise_blocks(cu_ceil_div(count, VECTOR)), dim3(THREADS), 0, stream,
                         (T *)grad, (const T *)out, count);
    return CU_LAUNCH(single, elementwise_blocks(count), dim3(THREADS), 0, stream, (T *)grad,
                     (const T *)out, count);
}

extern "C" int launch_relu_backward(void *grad, const void *out, int64_t count, enum launch_type type,
                                    launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return relu_backward<cu_bf16>(grad, out, count, stream);
    case LAUNCH_F16: return relu_backward<cu_fp16>(grad, out, count, stream);
    default: return relu_backward<float>(grad, out, count, stream);
    }
}

extern "C" int launch_blend(float *out, float out_factor, const float *in, float in_factor, int64_t count,
                            launch_stream stream)
{
    if (count <= 0)
        return 0;
    if (elementwise_aligned(out) && elementwise_aligned(in))
        return CU_LAUNCH(blend_kernel<4>, elementwise_blocks(cu_ceil_div(count, 4)), dim3(THREADS), 0,
                         stream, out, out_factor, in, in_factor, count);
    return CU_LAUNCH(blend_kernel<1>, elementwise_blocks(count), dim3(THREADS), 0, stream, out, out_factor,
                     in, in_factor, count);
}
