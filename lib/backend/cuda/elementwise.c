/* elementwise.c - fill, copy, add, scale: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"

md_status cuda_fill(struct stream *stream, struct tensor *out, float value)
{
    uint32_t bits = (uint32_t)(int32_t)value;
    if (out->type == TENSOR_F32)
        memcpy(&bits, &value, sizeof bits);
    return cuda_check(stream->device,
                      launch_fill(out->data, bits, tensor_count(out), cuda_raw(stream)), "fill");
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
