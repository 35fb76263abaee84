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
            const bool inside = y < pixels->height && x < pixels->width;
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

static bool side_fits(int32_t side, int64_t limit)
{
    return side >= 1 && side <= limit && side <= IMAGE_MAX_SIDE;
}

md_status image_sizes_read(struct image_sizes *found, const struct tensor *out,
                           const struct tensor *pixels, const struct tensor *from_sizes,
                           const struct tensor *sizes, int64_t i)
{
    const int32_t *from = i32(from_sizes) + 2 * i, *to = i32(sizes) + 2 * i;
    *found = (struct image_sizes){from[0], from[1], to[0], to[1]};
    if (side_fits(from[0], INT32_MAX) && side_fits(from[1], INT32_MAX) &&
        (int64_t)from[0] * from[1] * 3 <= pixels->shape.dims[1] &&
        side_fits(to[0], out->shape.dims[1]) && side_fits(to[1], out->shape.dims[2]))
        return MD_OK;
    return ERROR(MD_EINVAL,
                 "op_images_to_tensor: image %d is %dx%d and to be %dx%d (height x width); that "
                 "does not fit",
                 (int)i, from[0], from[1], to[0], to[1]);
}

/* Room for two axes, the image between the passes and the result, each with its owner. */
static size_t resize_bytes(const md_image *in, int width, int height)
{
    size_t between = (size_t)width * (size_t)in->height * 3;
    size_t result = (size_t)width * (size_t)height * 3;
    return resize_axis_bytes(in->width, width) + resize_axis_bytes(in->height, height) +
           FIXED_MEMORY_TAKES(between) + FIXED_MEMORY_TAKES(result) + 4 * FIXED_MEMORY_TAKES(256);
}

/* Image `i` of the batch. */
static md_status convert_image(struct stream *stream, struct tensor *out,
                               const struct tensor *pixels, struct image_sizes sizes, int64_t i,
                               const struct image_params *params)
{
    md_status st = MD_OK;
    const int64_t height = out->shape.dims[1], width = out->shape.dims[2];
    struct fixed_memory fixed;
    void *scratch;
    md_image resized = {0};
    md_image image = {.data = (uint8_t *)pixels->data + i * pixels->shape.dims[1],
                      .width = sizes.from_width,
                      .height = sizes.from_height,
                      .stride = (ptrdiff_t)3 * sizes.from_width,
                      .format = MD_RGB8};
    if (image.width != sizes.width || image.height != sizes.height) {
        size_t bytes = resize_bytes(&image, sizes.width, sizes.height);
        TRY(stream_scratch(stream, &scratch, bytes));
        fixed_memory_init(&fixed, scratch, bytes);
        TRY(image_resize(&resized, &fixed.memory, &image, sizes.width, sizes.height));
        image = resized;
    }
    normalise(f32(out) + i * height * width * 3, height, width, &image, params);
fail:
    image_release(&resized);
    return st;
}

md_status ref_images_to_tensor(struct stream *stream, struct tensor *out,
                               const struct tensor *pixels, const struct tensor *from_sizes,
                               const struct tensor *sizes, const struct image_params *params)
{
    md_status st = MD_OK;
    struct image_sizes found;
    for (int64_t i = 0; i < out->shape.dims[0]; i++) {
        TRY(image_sizes_read(&found, out, pixels, from_sizes, sizes, i));
        TRY(convert_image(stream, out, pixels, found, i, params));
    }
fail:
    return st;
}
