/* optimizer.cu - torch's SGD step, the running average of weights, and the scale of gradients.
 *
 * Mapping: a thread takes four values at a time where the addresses allow it. Bound by the memory's
 * bandwidth: a step reads three floats and writes two for each weight. Learning rate, shares and scale
 * come from device memory, so that a recorded step can be started again. Bits are those of
 * lib/backend/ref/elementwise.c: each operation is rounded, none contracted. */
#include "elementwise.cuh"

enum { THREADS = ELEMENTWISE_THREADS };

/* ---- kernels ------------------------------------------------------------------------------- */

__device__ __forceinline__ void sgd(float *value, float *momentum, float grad, float lr,
                                    const struct launch_sgd &p)
{
    const float g = __fadd_rn(grad, __fmul_rn(p.weight_decay, *value));
    const float v = p.first ? g : __fadd_rn(__fmul_rn(p.momentum_factor, *momentum), g);
    const float moved = p.nesterov ? __fadd_rn(g, __fmul_rn(p.momentum_factor, v)) : v;
    *momentum = v;
    *value = __fsub_rn(*value, __fmul_rn(lr, moved));
}

template <int VECTOR> static __global__ void __launch_bounds__(THREADS) sgd_kernel(struct launch_sgd p)
{
    typedef cu_vector<float, VECTOR> vector;
    cu_pdl_wait();
    if (p.apply && *p.apply == 0)
        return;
    const float lr = __fmul_rn(*p.lr, p.lr_factor);
    for_each<VECTOR>(p.count, [&](int64_t i, bool whole) {
        if (!whole) {
            sgd(p.value + i, p.momentum + i, p.grad[i], lr, p);
            return;
        }
        vector value = reinterpret_cast<vector *>(p.value)[i];
        vector momentum = reinterpret_cast<vector *>(p.momentum)[i];
        const vector grad = reinterpret_cast<const vector *>(p.grad)[i];
        for (int k = 0; k < VECTOR; k++)
            sgd(value.at + k, momentum.at + k, grad.at[k], lr, p);
        reinterpret_cast<vector *>(p.value)[i] = value;
        reinterpret_cast<vector *>(p.momentum)[i] = momentum;
    });
}

__device__ __forceinline__ float averaged(float average, float in, float kept, float added)
{
    return __fadd_rn(kept == 0 ? 0 : __fmul_rn(kept, average), __fmul_rn(added, in));
}

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS) average_kernel(float *average, const float *in,
                                                                 const float *shares,
                                                                 const int32_t *apply, int64_t count)
{
    typedef cu_vector<float, VECTOR> vector;
    cu_pdl_wait();
    if (apply && *apply == 0)
        return;
    const float kept = shares[0], added = shares[1];
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            average[i] = averaged(average[i], in[i], kept, added);
            return;
        }
        vector values = reinterpret_cast<vector *>(average)[i];
        const vector seen = reinterpret_cast<const vector *>(in)[i];
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = averaged(values.at[k], seen.at[k], kept, added);
        reinterpret_cast<vector *>(average)[i] = values;
    });
}

/* Each value divided by scale[0], or held within the limit when there is no scale. */
template <int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    change_kernel(float *grad, const float *scale, float limit, int64_t count)
{
    typedef cu_vector<float, VECTOR> vector;
    cu_pdl_wait();
    const float divisor = scale ? *scale : 1;
    auto changed = [&](float g) {
        return scale ? __fdiv_rn(g, divisor) : g > limit ? limit : g < -limit ? -limit : g;
    };
    for_each<VECTOR>(count, [&](int64_t i, bool whole) {
        if (!whole) {
            grad[i] = changed(grad[i]);
            return;
        }
        vector values = reinterpret_cast<vector *>(grad)[i];
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = changed(values.at[k]);
        reinterpret_cast<vector *>(grad)[i] = values;
    });
}

static __global__ void adjust_scale_kernel(float *scale, const int32_t *finite, int patience, float most)
{
    cu_pdl_wait();
    float factor = scale[0], steps = scale[1] + 1;
    if (*finite == 0) {
        factor = fmaxf(factor * 0.5f, 1);
        steps = 0;
    } else if (steps >= (float)patience) {
        factor = fminf(factor * 2, most);
        steps = 0;
    }
    scale[0] = factor;
    scale[1] = steps;
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" int launch_sgd_step(const struct launch_sgd *sgd, launch_stream stream)
{
    if (sgd->count <= 0)
        return 0;
    if (elementwise_aligned(sgd->value) && elementwise_aligned(sgd->momentum) &&
        elementwise_aligned(sgd->grad))
        return CU_LAUNCH(sgd_kernel<4>, elementwise_blocks(cu_ceil_div(sgd->count, 4)), dim3(THREADS), 0,
                         stream, *sgd);
    return CU_LAUNCH(sgd_kernel<1>, elementwise_blocks(sgd->count), dim3(THREADS), 0, stream, *sgd);
}

extern "C" int launch_average(float *average, const float *in, const float *shares, const int32_t *apply,
                              int64_t count, launch_stream stream)
{
    if (count <= 0)
        return 0;
    if (elementwise_aligned(average) && elementwise_aligned(in))
        return CU_LAUNCH(average_kernel<4>, elementwise_blocks(cu_ceil_div(count, 4)), dim3(THREADS), 0,
                         stream, average, in, shares, apply, count);
    return CU_LAUNCH(average_kernel<1>, elementwise_blocks(count), dim3(THREADS), 0, stream, average, in,
                     shares, apply, count);
}

static int change(float *grad, const float *scale, float limit, int64_t count, launch_stream stream)
{
    if (count <= 0)
        return 0;
    if (elementwise_aligned(grad))
        return CU_LAUNCH(change_kernel<4>, elementwise_blocks(cu_ceil_div(count, 4)), dim3(THREADS), 0,
                         stream, grad, scale, limit, count);
    return CU_LAUNCH(change_kernel<1>, elementwise_blocks(count), dim3(THREADS), 0, stream, grad, scale,
                     limit, count);
}

extern "C" int launch_unscale(float *grad, const float *scale, int64_t count, launch_stream stream)
{
    return change(grad, scale, 0, count, stream);
}

extern "C" int launch_clip_value(float *grad, float limit, int64_t count, launch_stream stream)
{
    return change(grad, NULL, limit, count, stream);
}

extern "C" int launch_adjust_scale(float *scale, const int32_t *finite, int patience, float most,
                                   launch_stream stream)
{
    return CU_LAUNCH(adjust_scale_kernel, dim3(1), dim3(1), 0, stream, scale, finite, patience, most);
}
