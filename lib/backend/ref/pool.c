/* pool.c - maximum pooling, nearest upsampling by two, and their gradients. */
#include "backend/ref/common.h"
#include "core/error.h"

/* Index in `in` of the first maximum of the window at output (y, x), channel c. */
static int64_t window_maximum(const struct tensor *in, struct pool_geometry geometry, int64_t n,
                              int64_t y, int64_t x, int64_t c)
{
    const int64_t height = in->shape.dims[1], width = in->shape.dims[2],
                  channels = in->shape.dims[3];
    int64_t best = -1;
    for (int64_t i = 0; i < geometry.kernel; i++) {
        const int64_t row = y * geometry.stride - geometry.pad + i;
        for (int64_t j = 0; j < geometry.kernel && row >= 0 && row < height; j++) {
            const int64_t column = x * geometry.stride - geometry.pad + j;
            if (column < 0 || column >= width)
                continue;
            const int64_t at = ((n * height + row) * width + column) * channels + c;
            if (best < 0 || f32(in)[at] > f32(in)[best])
                best = at;
        }
    }
    return best;
}

md_status ref_maxpool_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct pool_geometry geometry)
{
    (void)stream;
    const int64_t *dims = out->shape.dims;
    const int64_t count = tensor_count(out);
    for (int64_t at = 0; at < count; at++) {
        const int64_t c = at % dims[3], x = at / dims[3] % dims[2];
        const int64_t y = at / dims[3] / dims[2] % dims[1], n = at / dims[3] / dims[2] / dims[1];
        f32(out)[at] = f32(in)[window_maximum(in, geometry, n, y, x, c)];
    }
    return MD_OK;
}

md_status ref_conv2d_maxpool_forward(struct stream *stream, struct tensor *out,
                                     const struct tensor *in, struct weight *weight,
                                     struct conv_geometry geometry, struct pool_geometry pool)
{
    md_status st = MD_OK;
    const int64_t *dims = in->shape.dims, *kernel = weight->value.shape.dims;
    const int64_t extra = 2 * geometry.pad;
    struct tensor between = {NULL, TENSOR_F32,
                             SHAPE(dims[0], (dims[1] + extra - kernel[1]) / geometry.stride + 1,
                                   (dims[2] + extra - kernel[2]) / geometry.stride + 1, kernel[0])};
    TRY(stream_scratch(stream, &between.data, tensor_bytes(&between)));
    TRY(ref_conv2d_forward(stream, &between, in, weight, geometry, NULL, true));
    TRY(ref_maxpool_forward(stream, out, &between, pool));
fail:
    return st;
}

md_status ref_maxpool_backward(struct stream *stream, struct tensor *in_grad,
                               const struct tensor *out_grad, const struct tensor *in,
                               struct pool_geometry geometry)
{
    (void)stream;
    const int64_t *dims = out_grad->shape.dims;
    const int64_t count = tensor_count(out_grad);
    for (int64_t at = 0; at < count; at++) {
        const int64_t c = at % dims[3], x = at / dims[3] % dims[2];
        const int64_t y = at / dims[3] / dims[2] % dims[1], n = at / dims[3] / dims[2] / dims[1];
        f32(in_grad)[window_maximum(in, geometry, n, y, x, c)] += f32(out_grad)[at];
    }
    return MD_OK;
}

/* Index in the half-sized image of element `at` of the image [n,h,w,c] of shape `dims`. */
static int64_t half_index(const int64_t *dims, int64_t at)
{
    const int64_t c = at % dims[3], x = at / dims[3] % dims[2];
    const int64_t y = at / dims[3] / dims[2] % dims[1], n = at / dims[3] / dims[2] / dims[1];
    return ((n * (dims[1] / 2) + y / 2) * (dims[2] / 2) + x / 2) * dims[3] + c;
}

md_status ref_upsample_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    (void)stream;
    const int64_t count = tensor_count(out);
    for (int64_t at = 0; at < count; at++)
        f32(out)[at] += f32(in)[half_index(out->shape.dims, at)];
    return MD_OK;
}

md_status ref_upsample_backward(struct stream *stream, struct tensor *in_grad,
                                const struct tensor *out_grad)
{
    (void)stream;
    const int64_t count = tensor_count(out_grad);
    for (int64_t at = 0; at < count; at++)
        f32(in_grad)[half_index(out_grad->shape.dims, at)] += f32(out_grad)[at];
    return MD_OK;
}
