/* image.c - 8-bit pixels to a resized, normalised, zero-padded image of a batch. */
#include "backend/ref/common.h"
#include "core/error.h"
#include "image/image.h"
#include "image/resize.h"

/* One image of the batch [H,W,3] from pixels of its final size. */
static void normalise(float *out, int64_t full_height, int64_t full_width, const md_image *pixels,
                      const struct image_params *params)
{
    for (int64_t y = 0; y < full_height; y++) {
        for (int64_t x = 0; x < full_width; x++, out += 3) {
            const bool inside = y < params->height && x < params->width;
            for (int c = 0; c < 3; c++) {
                const int source = params->reverse_channels ? 2 - c : c;
                out[c] = 0;
                if (inside)
                    out[c] = ((float)pixels->data[y * pixels->stride + 3 * x + source] -
                              params->mean[c]) /
                             params->std[c];
            }
        }
    }
}

md_status ref_image_to_tensor(struct stream *stream, struct tensor *out, int index,
                              const struct tensor *pixels, const struct image_params *params)
{
    md_status st = MD_OK;
    const int64_t height = out->shape.dims[1], width = out->shape.dims[2];
    md_image resized = {0};
    md_image image = {.data = pixels->data,
                      .width = (int)pixels->shape.dims[1],
                      .height = (int)pixels->shape.dims[0],
                      .stride = (ptrdiff_t)(3 * pixels->shape.dims[1]),
                      .format = MD_RGB8};
    if (image.width != params->width || image.height != params->height) {
        TRY(image_resize(&resized, stream->device->memory, &image, params->width, params->height));
        image = resized;
    }
    normalise(f32(out) + index * height * width * 3, height, width, &image, params);
fail:
    image_release(&resized);
    return st;
}
