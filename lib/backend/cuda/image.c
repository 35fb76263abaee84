/* image.c - a batch of pictures to the network's input: unpacked and launched. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "core/error.h"

md_status cuda_images_to_tensor(struct stream *stream, struct tensor *out,
                                const struct tensor *pixels, const struct tensor *from_sizes,
                                const struct tensor *sizes, const struct image_params *params)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    const int64_t *dims = out->shape.dims;
    struct launch_images images = {.out = out->data,
                                   .pixels = pixels->data,
                                   .from_sizes = from_sizes->data,
                                   .sizes = sizes->data,
                                   .images = dims[0],
                                   .capacity = pixels->shape.dims[1],
                                   .height = (int)dims[1],
                                   .width = (int)dims[2],
                                   .reverse_channels = params->reverse_channels,
                                   .type = cuda_type(out->type)};
    memcpy(images.mean, params->mean, sizeof images.mean);
    memcpy(images.std, params->std, sizeof images.std);
    TRY(stream_scratch(stream, &scratch, launch_images_scratch(&images)));
    TRY(cuda_check(stream->device, launch_images_to_tensor(&images, scratch, cuda_raw(stream)),
                   "images_to_tensor"));
fail:
    return st;
}
