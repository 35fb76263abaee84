/* pool.c - max-pooling and upsampling: unpacked and launched. */
#include "backend/cuda/cuda.h"

md_status cuda_maxpool_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                               struct pool_geometry geometry)
{
    const int64_t *from = in->shape.dims, *to = out->shape.dims;
    const struct launch_pool pool = {.images = from[0],
                                     .channels = from[3],
                                     .height = (int)from[1],
                                     .width = (int)from[2],
                                     .out_height = (int)to[1],
                                     .out_width = (int)to[2],
                                     .kernel = geometry.kernel,
                                     .stride = geometry.stride,
                                     .pad = geometry.pad};
    return cuda_check(
        stream->device,
        launch_maxpool(out->data, in->data, &pool, cuda_type(in->type), cuda_raw(stream)),
        "maxpool_forward");
}

md_status cuda_upsample_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    const int64_t *dims = in->shape.dims;
    const struct launch_map map = {dims[0], dims[3], (int)dims[1], (int)dims[2]};
    return cuda_check(
        stream->device,
        launch_upsample_add(out->data, in->data, &map, cuda_type(in->type), cuda_raw(stream)),
        "upsample_add");
}
