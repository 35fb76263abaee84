/* stem.c - the convolution that a network begins with, and its pool: unpacked and launched. */
#include "backend/cuda/cuda.h"
#include "backend/cuda/weights.h"
#include "core/error.h"

static int window_count(int64_t size, int64_t kernel, int stride, int pad)
{
    return (int)((size + 2 * pad - kernel) / stride + 1);
}

md_status cuda_conv2d_maxpool_forward(struct stream *stream, struct tensor *out,
                                      const struct tensor *in, struct weight *weight,
                                      struct conv_geometry geometry, struct pool_geometry pool)
{
    md_status st = MD_OK;
    const int64_t *from = in->shape.dims, *to = out->shape.dims, *kernel = weight->value.shape.dims;
    struct folded_weight folded;
    if (geometry.groups != 1)
        FAIL(MD_EUNSUPPORTED, "conv2d_maxpool_forward: groups are for conv2d_forward");
    TRY(weights_get(&folded, stream, weight));
    const struct launch_stem stem = {
        .out = out->data,
        .in = in->data,
        .weight = folded.value,
        .bias = folded.bias,
        .images = from[0],
        .height = (int)from[1],
        .width = (int)from[2],
        .in_channels = (int)from[3],
        .channels = (int)to[3],
        .conv_height = window_count(from[1], kernel[1], geometry.stride, geometry.pad),
        .conv_width = window_count(from[2], kernel[2], geometry.stride, geometry.pad),
        .out_height = (int)to[1],
        .out_width = (int)to[2],
        .kernel_height = (int)kernel[1],
        .kernel_width = (int)kernel[2],
        .stride = geometry.stride,
        .pad = geometry.pad,
        .pool_kernel = pool.kernel,
        .pool_stride = pool.stride,
        .pool_pad = pool.pad,
        .multiprocessors = cuda_device_of(stream->device)->multiprocessors,
        .type = cuda_type(in->type)};
    TRY(cuda_check(stream->device, launch_stem(&stem, cuda_raw(stream)), "conv2d_maxpool_forward"));
fail:
    return st;
}
