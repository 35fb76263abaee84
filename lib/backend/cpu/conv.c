/* conv.c - convolution: who serves it, and the folded scale.
 *
 * Grouped 3x3 convolutions of few channels a group go to our own kernels where the processor has
 * AVX-512; everything else goes to the dense engine. */
#include "backend/cpu/conv.h"

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"

enum { ROWS_GRAIN_ELEMENTS = 1 << 15 };

static int64_t row_grain(int64_t row)
{
    return row >= ROWS_GRAIN_ELEMENTS ? 1 : ROWS_GRAIN_ELEMENTS / (row > 0 ? row : 1);
}

struct scaled_rows {
    float       *out;
    const float *in, *scale; /* scale [rows] or NULL */
    int64_t      row;        /* elements */
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

md_status cpu_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                             struct weight *weight, struct conv_geometry geometry,
                             const struct tensor *residual, bool relu)
{
    return DENSE(conv2d_forward)(stream, out, in, weight, geometry, residual, relu);
}

md_status cpu_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                    const struct tensor *out_grad, struct weight *weight,
                                    struct conv_geometry geometry, bool accumulate)
{
    return DENSE(conv2d_backward_input)(stream, in_grad, out_grad, weight, geometry, accumulate);
}

md_status cpu_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                     struct tensor *bias_grad, const struct tensor *in,
                                     const struct tensor *out_grad, struct weight *weight,
                                     struct conv_geometry geometry)
{
    return DENSE(conv2d_backward_weight)(stream, weight_grad, bias_grad, in, out_grad, weight,
                                         geometry);
}
