/* pool.c - max-pooling and upsampling: unpacked and launched. */
#include "backend/cuda/cuda.h"

/* From a tensor in to its pooled one. */
static struct launch_pool pool_of(const struct tensor *in, const struct tensor *out,
                                  struct pool_geometry geometry)
{
    const int64_t *from = in->shape.dims, *to = out->shape.dims;
    return (struct launch_pool){.images = from[0],
                                .channels = from[3],
                                .height = (int)from[1],
                                .width = (int)from[2],
                                .out_height = (int)to[1],
                                .out_width = (int)to[2],
                                .kernel = geometry.kernel,
                                .stride = geometry.stride,
                                .pad = geometry.pad};
}

md_status cuda_maxpool_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                               struct pool_geometry geometry)
{
    const struct launch_pool pool = pool_of(in, out, geometry);
    return cuda_check(
        stream->device,
        launch_maxpool(out->data, in->data, &pool, cuda_type(in->type), cuda_raw(stream)),
        "maxpool_forward");
}

md_status cuda_maxpool_backward(struct stream *stream, struct tensor *in_grad,
                                const struct tensor *out_grad, const struct tensor *in,
                                struct pool_geometry geometry)
{
    const struct launch_pool pool = pool_of(in, out_grad, geometry);
    return cuda_check(stream->device,
                      launch_maxpool_backward(in_grad->data, out_grad->data, in->data, &pool,
                                              cuda_type(in->type), cuda_raw(stream)),
                      "maxpool_backward");
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

md_status cuda_upsample_backward(struct stream *stream, struct tensor *in_grad,
                                 const struct tensor *out_grad)
{
    const int64_t *dims = in_grad->shape.dims;
    const struct launch_map map = {dims[0], dims[3], (int)dims[1], (int)dims[2]};
    return cuda_check(stream->device,
                      launch_upsample_backward(in_grad->data, out_grad->data, &map,
                                               cuda_type(in_grad->type), cuda_raw(stream)),
                      "upsample_backward");
}
