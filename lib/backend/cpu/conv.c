/* conv.c - convolution: who serves it, and the folded scale.
 *
 * Where the processor has AVX-512, our own kernels do 3x3 convolutions: Winograd's for large images,
 * the direct ones for few channels a group. Everything else goes to the dense engine. */
#include "backend/cpu/conv.h"

#include "backend/cpu/cpu.h"
#include "backend/cpu/grouped_conv.h"
#include "backend/cpu/threads.h"
#include "backend/cpu/weight_cache.h"
#include "backend/cpu/winograd.h"
#include "core/error.h"

enum { ROWS_GRAIN_ELEMENTS = 1 << 15 };

static int64_t row_grain(int64_t row)
{
    return row >= ROWS_GRAIN_ELEMENTS ? 1 : ROWS_GRAIN_ELEMENTS / (row > 0 ? row : 1);
}

struct scaled_rows {
    float *out;
    const float *in, *scale; /* scale [rows] or NULL */
    int64_t row;             /* elements */
};

static void fold_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct scaled_rows *a = arg;
    (void)thread;
    for (int64_t o = first; o < last; o++) {
        float s = a->scale ? a->scale[o] : 1.0f;
        for (int64_t i = o * a->row; i < (o + 1) * a->row; i++)
            a->out[i] = a->in[i] * s;
    }
}

void conv_fold_scale(const struct device *device, float *folded, const struct weight *weight)
{
    int64_t rows = weight->value.shape.dims[0];
    struct scaled_rows args = {folded, weight->value.data,
                               tensor_given(&weight->scale) ? weight->scale.data : NULL,
                               tensor_count(&weight->value) / rows};
    parallel(device, rows, row_grain(args.row), fold_rows, &args);
}

static void add_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct scaled_rows *a = arg;
    (void)thread;
    for (int64_t o = first; o < last; o++) {
        float s = a->scale ? a->scale[o] : 1.0f;
        for (int64_t i = o * a->row; i < (o + 1) * a->row; i++)
            a->out[i] += a->in[i] * s;
    }
}

void conv_add_scaled(const struct device *device, struct tensor *grad, const float *fresh,
                     const struct weight *weight)
{
    int64_t rows = weight->value.shape.dims[0];
    struct scaled_rows args = {grad->data, fresh,
                               tensor_given(&weight->scale) ? weight->scale.data : NULL,
                               tensor_count(&weight->value) / rows};
    parallel(device, rows, row_grain(args.row), add_rows, &args);
}

/* ---- who serves it ------------------------------------------------------------------------ */

struct own_packing {
    const struct conv_shape *shape;
    bool transposed;
};

static md_status pack_grouped(void *arg, struct stream *stream, const struct weight *weight,
                              float *packed)
{
    const struct own_packing *p = arg;
    (void)stream;
    grouped_pack(packed, p->shape, weight, p->transposed);
    return MD_OK;
}

static md_status run_grouped(struct stream *stream, struct grouped_conv *conv,
                             struct weight *weight, bool transposed)
{
    md_status st = MD_OK;
    struct own_packing packing = {&conv->shape, transposed};
    const struct pack_request request = {transposed ? PACKED_GROUPED_BACKWARD : PACKED_GROUPED, 0,
                                         grouped_weight_floats(&conv->shape) * sizeof(float),
                                         pack_grouped, &packing};
    TRY(weight_cache_get(&conv->weights, stream, weight, &request));
    st = grouped_conv_run(stream, conv);
fail:
    return st;
}

static md_status pack_winograd(void *arg, struct stream *stream, const struct weight *weight,
                               float *packed)
{
    const struct own_packing *p = arg;
    winograd_pack(stream->device, packed, p->shape, weight, p->transposed);
    return MD_OK;
}

static md_status run_winograd(struct stream *stream, struct winograd_conv *conv,
                              struct weight *weight, bool transposed)
{
    md_status st = MD_OK;
    struct own_packing packing = {&conv->shape, transposed};
    const struct pack_request request = {transposed ? PACKED_WINOGRAD_BACKWARD : PACKED_WINOGRAD, 0,
                                         winograd_weight_floats(&conv->shape) * sizeof(float),
                                         pack_winograd, &packing};
    TRY(weight_cache_get(&conv->weights, stream, weight, &request));
    st = winograd_run(stream, conv);
fail:
    return st;
}

md_status cpu_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                             struct weight *weight, struct conv_geometry geometry,
                             const struct tensor *residual, bool relu)
{
    const struct conv_shape shape = conv_shape_of(in, out, weight, geometry);
    const float *bias = tensor_given(&weight->bias) ? weight->bias.data : NULL;
    if (winograd_suits(&shape)) {
        struct winograd_conv conv = {
            .shape = shape, .out = out->data, .in = in->data, .bias = bias, .relu = relu};
        conv.residual = tensor_given(residual) ? residual->data : NULL;
        return run_winograd(stream, &conv, weight, false);
    }
    if (!tensor_given(residual) && grouped_conv_suits(&shape)) {
        struct grouped_conv conv = {
            .shape = shape, .out = out->data, .in = in->data, .bias = bias, .relu = relu};
        return run_grouped(stream, &conv, weight, false);
    }
    return DENSE(conv2d_forward)(stream, out, in, weight, geometry, residual, relu);
}

/* With stride 1 the gradient of the input is a convolution with the windows turned round. */
md_status cpu_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                    const struct tensor *out_grad, struct weight *weight,
                                    struct conv_geometry geometry, bool accumulate)
{
    struct conv_shape shape = conv_shape_of(in_grad, out_grad, weight, geometry);
    struct conv_shape turned = shape;
    turned.c = shape.o;
    turned.o = shape.c;
    if (winograd_suits(&turned)) {
        struct winograd_conv conv = {.shape = turned,
                                     .out = in_grad->data,
                                     .in = out_grad->data,
                                     .residual = accumulate ? in_grad->data : NULL};
        return run_winograd(stream, &conv, weight, true);
    }
    if (geometry.stride == 1 && grouped_conv_suits(&shape)) {
        struct grouped_conv conv = {
            .shape = shape, .out = in_grad->data, .in = out_grad->data, .accumulate = accumulate};
        return run_grouped(stream, &conv, weight, true);
    }
    return DENSE(conv2d_backward_input)(stream, in_grad, out_grad, weight, geometry, accumulate);
}

md_status cpu_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                     struct tensor *bias_grad, const struct tensor *in,
                                     const struct tensor *out_grad, struct weight *weight,
                                     struct conv_geometry geometry)
{
    md_status st = MD_OK;
    struct conv_shape shape = conv_shape_of(in, out_grad, weight, geometry);
    if (!tensor_given(weight_grad) || !grouped_conv_suits(&shape))
        return DENSE(conv2d_backward_weight)(stream, weight_grad, bias_grad, in, out_grad, weight,
                                             geometry);
    TRY(grouped_conv_weight_gradient(stream, weight_grad, in, out_grad, weight, &shape));
    if (tensor_given(bias_grad))
        st = cpu_sum_rows(stream, bias_grad, out_grad);
fail:
    return st;
}
