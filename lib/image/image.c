/* image.c - 8-bit images: allocate, convert, flip, turn upright. */
#include "image/image.h"

#include <string.h>

#include "core/error.h"
#include "image/codec.h"

/* ---- ownership ------------------------------------------------------------ */

/* The block that `owner` points to; the pixels follow at PIXELS_AT, so that they stay aligned. */
struct image_block {
    struct memory *memory;
};

enum { PIXELS_AT = 64 };

int image_channels(md_pixel_format format)
{
    switch (format) {
    case MD_RGBA8:
    case MD_BGRA8:
        return 4;
    case MD_GRAY8:
        return 1;
    case MD_RGB8:
    case MD_BGR8:
        break;
    }
    return 3;
}

md_status image_create(md_image *out, struct memory *memory, int width, int height,
                       md_pixel_format format)
{
    if (width < 1 || height < 1 || width > IMAGE_MAX_PIXELS / height)
        return ERROR(MD_EINVAL,
                     "an image of %d x %d pixels: sides are at least 1 and the area at most %d",
                     width, height, IMAGE_MAX_PIXELS);
    size_t stride = (size_t)width * (size_t)image_channels(format);
    struct image_block *block = NULL;
    md_status st = memory_alloc(memory, &block, PIXELS_AT + stride * (size_t)height, 1);
    if (st < 0)
        return st;
    block->memory = memory;
    *out = (md_image){.data = (uint8_t *)block + PIXELS_AT,
                      .width = width,
                      .height = height,
                      .stride = (ptrdiff_t)stride,
                      .format = format,
                      .owner = block};
    return MD_OK;
}

struct memory *image_memory(const md_image *image)
{
    const struct image_block *block = image->owner;
    return block->memory;
}

void image_release(md_image *image)
{
    struct image_block *block = image->owner;
    if (block)
        memory_free(block->memory, block);
    memset(image, 0, sizeof *image);
}

/* ---- formats -------------------------------------------------------------- */

/* Where each channel stands in a pixel; -1: absent. */
struct layout {
    int r, g, b, a;
};

static struct layout layout_of(md_pixel_format format)
{
    switch (format) {
    case MD_BGR8:
        return (struct layout){2, 1, 0, -1};
    case MD_RGBA8:
        return (struct layout){0, 1, 2, 3};
    case MD_BGRA8:
        return (struct layout){2, 1, 0, 3};
    case MD_GRAY8:
        return (struct layout){0, 0, 0, -1};
    case MD_RGB8:
        break;
    }
    return (struct layout){0, 1, 2, -1};
}

/* Pillow's luma: ITU-R 601-2 in 16-bit fixed point. */
static uint8_t luma(const uint8_t *pixel, struct layout from)
{
    uint32_t sum =
        pixel[from.r] * 19595u + pixel[from.g] * 38470u + pixel[from.b] * 7471u + 0x8000u;
    return (uint8_t)(sum >> 16);
}

void image_convert_row(uint8_t *out, md_pixel_format to_format, const uint8_t *in,
                       md_pixel_format from_format, int width)
{
    struct layout from = layout_of(from_format);
    struct layout to = layout_of(to_format);
    int step_in = image_channels(from_format);
    int step_out = image_channels(to_format);
    for (int x = 0; x < width; x++, in += step_in, out += step_out) {
        if (step_out == 1) {
            out[0] = luma(in, from);
            continue;
        }
        out[to.r] = in[from.r];
        out[to.g] = in[from.g];
        out[to.b] = in[from.b];
        if (to.a >= 0)
            out[to.a] = from.a >= 0 ? in[from.a] : 255;
    }
}

md_status image_convert(md_image *out, struct memory *memory, const md_image *image,
                        md_pixel_format format)
{
    md_image result;
    md_status st = image_create(&result, memory, image->width, image->height, format);
    if (st < 0)
        return st;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *in = image->data + y * image->stride;
        uint8_t *row = result.data + y * result.stride;
        if (format == image->format)
            memcpy(row, in, (size_t)result.stride);
        else
            image_convert_row(row, format, in, image->format, image->width);
    }
    *out = result;
    return MD_OK;
}

/* ---- mirror and turn ------------------------------------------------------ */

void image_flip_horizontal(md_image *image)
{
    int channels = image_channels(image->format);
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->data + y * image->stride;
        uint8_t *right = left + (ptrdiff_t)(image->width - 1) * channels;
        for (; left < right; left += channels, right -= channels) {
            uint8_t pixel[4];
            memcpy(pixel, left, (size_t)channels);
            memcpy(left, right, (size_t)channels);
            memcpy(right, pixel, (size_t)channels);
        }
    }
}

void image_flip_vertical(md_image *image)
{
    size_t bytes = (size_t)image->width * (size_t)image_channels(image->format);
    uint8_t *top = image->data;
    uint8_t *bottom = image->data + (image->height - 1) * image->stride;
    for (int y = 0; y < image->height / 2; y++, top += image->stride, bottom -= image->stride) {
        for (size_t i = 0; i < bytes; i++) {
            uint8_t value = top[i];
            top[i] = bottom[i];
            bottom[i] = value;
        }
    }
}

/* Where the first pixel of the upright picture comes from, and whether its rows were columns. */
static const struct turn {
    bool from_right, from_bottom, transposed;
} turns[9] = {
    [2] = {true, false, false}, [3] = {true, true, false}, [4] = {false, true, false},
    [5] = {false, false, true}, [6] = {false, true, true}, [7] = {true, true, true},
    [8] = {true, false, true},
};

/* Copies `in` into `out` from its corner on, by signed steps to the next column and row. */
static void copy_turned(md_image *out, const md_image *in, const struct turn *turn)
{
    ptrdiff_t channels = image_channels(in->format);
    ptrdiff_t along = turn->from_right ? -channels : channels;
    ptrdiff_t down = turn->from_bottom ? -in->stride : in->stride;
    const uint8_t *corner = in->data + (turn->from_right ? (in->width - 1) * channels : 0) +
                            (turn->from_bottom ? (in->height - 1) * in->stride : 0);
    ptrdiff_t next_pixel = turn->transposed ? down : along;
    ptrdiff_t next_row = turn->transposed ? along : down;
    for (int y = 0; y < out->height; y++) {
        uint8_t *pixel = out->data + y * out->stride;
        for (int x = 0; x < out->width; x++, pixel += channels)
            memcpy(pixel, corner + y * next_row + x * next_pixel, (size_t)channels);
    }
}

md_status image_orient(md_image *image, struct memory *memory, int orientation)
{
    if (orientation < 2 || orientation > 8)
        return MD_OK;
    const struct turn *turn = &turns[orientation];
    md_image out;
    md_status st = image_create(&out, memory, turn->transposed ? image->height : image->width,
                                turn->transposed ? image->width : image->height, image->format);
    if (st < 0)
        return st;
    copy_turned(&out, image, turn);
    image_release(image);
    *image = out;
    return MD_OK;
}
