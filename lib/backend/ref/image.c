/* image.c - 8-bit pixels to a resized, normalised, zero-padded image of a batch. */
#include "backend/ref/common.h"
#include "core/error.h"
#include "core/fixed_memory.h"
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

/* Room for two axes, the image between the passes and the result, each with its owner. */
static size_t resize_bytes(const md_image *in, int width, int height)
{
    size_t between = (size_t)width * (size_t)in->height * 3;
    size_t result = (size_t)width * (size_t)height * 3;
    return resize_axis_bytes(in->width, width) + resize_axis_bytes(in->height, height) +
           FIXED_MEMORY_TAKES(between) + FIXED_MEMORY_TAKES(result) + 4 * FIXED_MEMORY_TAKES(256);
}

md_status ref_image_to_tensor(struct stream *stream, struct tensor *out, int index,
                              const struct tensor *pixels, const struct image_params *params)
{
    md_status st = MD_OK;
    const int64_t height = out->shape.dims[1], width = out->shape.dims[2];
    struct fixed_memory fixed;
    void *scratch;
    md_image resized = {0};
    md_image image = {.data = pixels->data,
                      .width = (int)pixels->shape.dims[1],
                      .height = (int)pixels->shape.dims[0],
                      .stride = (ptrdiff_t)(3 * pixels->shape.dims[1]),
                      .format = MD_RGB8};
    if (image.width != params->width || image.height != params->height) {
        size_t bytes = resize_bytes(&image, params->width, params->height);
        TRY(stream_scratch(stream, &scratch, bytes));
        fixed_memory_init(&fixed, scratch, bytes);
        TRY(image_resize(&resized, &fixed.memory, &image, params->width, params->height));
        image = resized;
    }
    normalise(f32(out) + index * height * width * 3, height, width, &image, params);
fail:
    image_release(&resized);
    return st;
}
