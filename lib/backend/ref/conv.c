/* conv.c - grouped convolution and its two gradients, from the definition. */
#include <string.h>

#include "backend/ref/common.h"
#include "backend/ref/dot.h"
#include "core/error.h"

/* Everything about a convolution but the numbers. */
struct conv {
    int64_t n, h, w, c;     /* in */
    int64_t oh, ow, o;      /* out */
    int64_t kh, kw, gc, go; /* kernel; channels of a group, in and out */
    int64_t stride, pad;
    const float *weight, *scale, *bias; /* scale and bias may be NULL */
};

static struct conv conv_of(const struct tensor *in, const struct tensor *out,
                           const struct weight *weight, struct conv_geometry geometry)
{
    const int64_t *i = in->shape.dims, *o = out->shape.dims, *k = weight->value.shape.dims;
    return (struct conv){.n = i[0],
                         .h = i[1],
                         .w = i[2],
                         .c = i[3],
                         .oh = o[1],
                         .ow = o[2],
                         .o = o[3],
                         .kh = k[1],
                         .kw = k[2],
                         .gc = k[3],
                         .go = o[3] / geometry.groups,
                         .stride = geometry.stride,
                         .pad = geometry.pad,
                         .weight = f32(&weight->value),
                         .scale = f32(&weight->scale),
                         .bias = f32(&weight->bias)};
}

static double scale_of(const struct conv *conv, int64_t o)
{
    return conv->scale ? (double)conv->scale[o] : 1.0;
}

/* The sum over the window at output (y, x) of image n, without bias. */
static double window_sum(const struct conv *k, const float *in, int64_t n, int64_t y, int64_t x,
                         int64_t o)
{
    const int64_t first_channel = o / k->go * k->gc;
    double sum = 0;
    for (int64_t i = 0; i < k->kh; i++) {
        const int64_t row = y * k->stride - k->pad + i;
        for (int64_t j = 0; j < k->kw && row >= 0 && row < k->h; j++) {
            const int64_t column = x * k->stride - k->pad + j;
            if (column >= 0 && column < k->w)
                sum += dot(in + ((n * k->h + row) * k->w + column) * k->c + first_channel,
                           k->weight + ((o * k->kh + i) * k->kw + j) * k->gc, k->gc);
        }
    }
    return sum;
}

md_status ref_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                             struct weight *weight, struct conv_geometry geometry,
                             const struct tensor *residual, bool relu)
{
    (void)stream;
    const struct conv k = conv_of(in, out, weight, geometry);
    const float *added = tensor_given(residual) ? f32(residual) : NULL;
    const int64_t places = k.n * k.oh * k.ow;
    for (int64_t place = 0; place < places; place++) {
        const int64_t x = place % k.ow, y = place / k.ow % k.oh, n = place / k.ow / k.oh;
        for (int64_t o = 0; o < k.o; o++) {
            double sum = window_sum(&k, f32(in), n, y, x, o) * scale_of(&k, o);
            if (k.bias)
                sum += (double)k.bias[o];
            if (added)
                sum += (double)added[place * k.o + o];
            f32(out)[place * k.o + o] = (float)(relu && sum < 0 ? 0 : sum);
        }
    }
    return MD_OK;
}

/* sum[c] += what output pixel (y, x) sends through tap (i, j) of the kernel. */
static void add_tap(const struct conv *k, double *sum, const float *out_grad, int64_t i, int64_t j)
{
    for (int64_t o = 0; o < k->o; o++) {
        const double grad = (double)out_grad[o] * scale_of(k, o);
        if (grad != 0)
            add_scaled(sum + o / k->go * k->gc, grad,
                       k->weight + ((o * k->kh + i) * k->kw + j) * k->gc, k->gc);
    }
}

/* sum[c] = gradient of input pixel (y, x) of image n: over all windows that contain it. */
static void input_gradient(const struct conv *k, double *sum, const float *out_grad, int64_t n,
                           int64_t y, int64_t x)
{
    memset(sum, 0, (size_t)k->c * sizeof *sum);
    for (int64_t i = 0; i < k->kh; i++) {
        const int64_t row = y + k->pad - i;
        if (row < 0 || row % k->stride != 0 || row / k->stride >= k->oh)
            continue;
        for (int64_t j = 0; j < k->kw; j++) {
            const int64_t column = x + k->pad - j;
            if (column < 0 || column % k->stride != 0 || column / k->stride >= k->ow)
                continue;
            const int64_t place = (n * k->oh + row / k->stride) * k->ow + column / k->stride;
            add_tap(k, sum, out_grad + place * k->o, i, j);
        }
    }
}

md_status ref_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                    const struct tensor *out_grad, struct weight *weight,
                                    struct conv_geometry geometry, bool accumulate)
{
    md_status st = MD_OK;
    const struct conv k = conv_of(in_grad, out_grad, weight, geometry);
    const int64_t places = k.n * k.h * k.w;
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)k.c * sizeof(double)));
    double *sum = scratch; /* [c] */
    for (int64_t place = 0; place < places; place++) {
        float *grad = f32(in_grad) + place * k.c;
        input_gradient(&k, sum, f32(out_grad), place / k.w / k.h, place / k.w % k.h, place % k.w);
        for (int64_t c = 0; c < k.c; c++)
            grad[c] = (float)((accumulate ? (double)grad[c] : 0) + sum[c]);
    }
fail:
    return st;
}

/* sum[c] = over all places: out_grad of channel o times the input under tap (i, j). */
static void tap_gradient(const struct conv *k, double *sum, const float *in, const float *out_grad,
                         int64_t o, int64_t i, int64_t j)
{
    const int64_t first_channel = o / k->go * k->gc;
    const int64_t places = k->n * k->oh * k->ow;
    memset(sum, 0, (size_t)k->gc * sizeof *sum);
    for (int64_t place = 0; place < places; place++) {
        const int64_t n = place / k->ow / k->oh;
        const int64_t row = place / k->ow % k->oh * k->stride - k->pad + i;
        const int64_t column = place % k->ow * k->stride - k->pad + j;
        if (row >= 0 && row < k->h && column >= 0 && column < k->w)
            add_scaled(sum, (double)out_grad[place * k->o + o],
                       in + ((n * k->h + row) * k->w + column) * k->c + first_channel, k->gc);
    }
}

static void add_bias_gradient(const struct conv *k, float *bias_grad, const float *out_grad)
{
    for (int64_t o = 0; o < k->o; o++) {
        double sum = 0;
        for (int64_t place = 0; place < k->n * k->oh * k->ow; place++)
            sum += (double)out_grad[place * k->o + o];
        bias_grad[o] = (float)((double)bias_grad[o] + sum);
    }
}

md_status ref_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                     struct tensor *bias_grad, const struct tensor *in,
                                     const struct tensor *out_grad, struct weight *weight,
                                     struct conv_geometry geometry)
{
    md_status st = MD_OK;
    const struct conv k = conv_of(in, out_grad, weight, geometry);
    const int64_t taps = tensor_given(weight_grad) ? k.o * k.kh * k.kw : 0;
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)k.gc * sizeof(double)));
    double *sum = scratch; /* [gc] */
    for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t o = tap / k.kw / k.kh;
        float *grad = f32(weight_grad) + tap * k.gc;
        tap_gradient(&k, sum, f32(in), f32(out_grad), o, tap / k.kw % k.kh, tap % k.kw);
        for (int64_t c = 0; c < k.gc; c++)
            grad[c] = (float)((double)grad[c] + sum[c] * scale_of(&k, o));
    }
    if (tensor_given(bias_grad))
        add_bias_gradient(&k, f32(bias_grad), f32(out_grad));
fail:
    return st;
}
