/* elementwise.c - fill, copy, add, scale, blend, ReLU's gradient, the SGD step, clipping, reductions. */
#include <math.h>
#include <string.h>

#include "backend/ref/common.h"

md_status ref_fill(struct stream *stream, struct tensor *out, float value)
{
    (void)stream;
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++) {
        if (out->type == TENSOR_I32)
            i32(out)[i] = (int32_t)value;
        else
            f32(out)[i] = value;
    }
    return MD_OK;
}

md_status ref_copy(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream;
    if (tensor_count(in) > 0)
        memcpy(out->data, in->data, tensor_bytes(in));
    return MD_OK;
}

md_status ref_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream;
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++)
        f32(out)[i] += f32(in)[i];
    return MD_OK;
}

md_status ref_scale(struct stream *stream, struct tensor *out, float factor)
{
    (void)stream;
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++)
        f32(out)[i] *= factor;
    return MD_OK;
}

md_status ref_blend(struct stream *stream, struct tensor *out, float out_factor,
                    const struct tensor *in, float in_factor)
{
    (void)stream;
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++) {
        float kept = out_factor == 0 ? 0 : out_factor * f32(out)[i];
        f32(out)[i] = kept + in_factor * f32(in)[i];
    }
    return MD_OK;
}

md_status ref_relu_backward(struct stream *stream, struct tensor *grad, const struct tensor *out)
{
    (void)stream;
    int64_t count = tensor_count(out);
    for (int64_t i = 0; i < count; i++)
        f32(grad)[i] = f32(out)[i] > 0 ? f32(grad)[i] : 0;
    return MD_OK;
}

md_status ref_sgd_step(struct stream *stream, struct tensor *value, struct tensor *momentum,
                       const struct tensor *grad, const struct tensor *step,
                       const struct tensor *apply, const struct sgd_params *params)
{
    (void)stream;
    const int64_t count = applies(apply) ? tensor_count(value) : 0;
    const float lr = step_numbers(step).lr * params->lr_factor;
    float *p = f32(value), *v = f32(momentum);
    for (int64_t i = 0; i < count; i++) {
        float g = f32(grad)[i] + params->weight_decay * p[i];
        v[i] = params->first ? g : params->momentum * v[i] + g;
        p[i] -= lr * (params->nesterov ? g + params->momentum * v[i] : v[i]);
    }
    return MD_OK;
}

md_status ref_average(struct stream *stream, struct tensor *average, const struct tensor *in,
                      const struct tensor *step, const struct tensor *apply)
{
    const struct step_numbers numbers = step_numbers(step);
    if (!applies(apply))
        return MD_OK;
    return ref_blend(stream, average, numbers.average_kept, in, numbers.average_added);
}

md_status ref_unscale(struct stream *stream, struct tensor *grad, const struct tensor *scale)
{
    (void)stream;
    const int64_t count = tensor_count(grad);
    for (int64_t i = 0; i < count; i++)
        f32(grad)[i] /= f32(scale)[0];
    return MD_OK;
}

md_status ref_adjust_scale(struct stream *stream, struct tensor *scale, const struct tensor *finite,
                           int patience)
{
    (void)stream;
    float *factor = f32(scale), *steps = factor + 1;
    if (i32(finite)[0] == 0) {
        *factor = fmaxf(*factor * 0.5f, 1);
        *steps = 0;
    } else if (++*steps >= (float)patience) {
        *factor = fminf(*factor * 2, OPS_MOST_SCALE);
        *steps = 0;
    }
    return MD_OK;
}

md_status ref_sum_squares(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream;
    const int64_t count = tensor_count(in);
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)f32(in)[i] * (double)f32(in)[i];
    f32(out)[0] = (float)sum;
    return MD_OK;
}

md_status ref_all_finite(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream;
    const int64_t count = tensor_count(in);
    bool finite = true;
    for (int64_t i = 0; i < count && finite; i++)
        finite = isfinite(f32(in)[i]);
    i32(out)[0] = finite;
    return MD_OK;
}

md_status ref_clip_value(struct stream *stream, struct tensor *grad, float limit)
{
    (void)stream;
    int64_t count = tensor_count(grad);
    float *g = f32(grad);
    for (int64_t i = 0; i < count; i++)
        g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
    return MD_OK;
}

md_status ref_clip_norm(struct stream *stream, struct tensor *grad, float limit, float order)
{
    const int64_t count = tensor_count(grad);
    double sum = 0, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        double size = fabs((double)f32(grad)[i]);
        sum += pow(size, (double)order);
        largest = fmax(largest, size);
    }
    double norm = isinf(order) ? largest : pow(sum, 1 / (double)order);
    double factor = (double)limit / (norm + 1e-6);
    return factor < 1 ? ref_scale(stream, grad, (float)factor) : MD_OK;
}
