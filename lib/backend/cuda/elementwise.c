/* elementwise.c - fill, copy, add, scale, blend, ReLU's gradient: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"

md_status cuda_fill(struct stream *stream, struct tensor *out, float value)
{
    const int64_t count = tensor_count(out);
    const bool narrow = out->type == TENSOR_BF16 || out->type == TENSOR_F16;
    uint32_t bits = (uint32_t)(int32_t)value;
    if (out->type != TENSOR_I32)
        memcpy(&bits, &value, sizeof bits);
    return cuda_check(
        stream->device,
        narrow ? launch_fill_narrow(out->data, bits, cuda_type(out->type), count, cuda_raw(stream))
               : launch_fill(out->data, bits, count, cuda_raw(stream)),
        "fill");
}

md_status cuda_copy(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    const size_t bytes = tensor_bytes(in);
    if (bytes == 0)
        return MD_OK;
    return cuda_called(
        stream->device,
        cudaMemcpyAsync(out->data, in->data, bytes, cudaMemcpyDeviceToDevice, cuda_raw(stream)),
        "copy");
}

md_status cuda_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    return cuda_check(
        stream->device,
        launch_add(out->data, in->data, tensor_count(in), cuda_type(in->type), cuda_raw(stream)),
        "add");
}

md_status cuda_scale(struct stream *stream, struct tensor *out, float factor)
{
    return cuda_check(
        stream->device,
        launch_scale(out->data, factor, tensor_count(out), cuda_type(out->type), cuda_raw(stream)),
        "scale");
}

md_status cuda_blend(struct stream *stream, struct tensor *out, float out_factor,
                     const struct tensor *in, float in_factor)
{
    return cuda_check(stream->device,
                      launch_blend(out->data, out_factor, in->data, in_factor, tensor_count(out),
                                   cuda_raw(stream)),
                      "blend");
}

md_status cuda_relu_backward(struct stream *stream, struct tensor *grad, const struct tensor *out)
{
    return cuda_check(stream->device,
                      launch_relu_backward(grad->data, out->data, tensor_count(out),
                                           cuda_type(out->type), cuda_raw(stream)),
                      "relu_backward");
}
