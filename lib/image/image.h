/* image.h - 8-bit images: allocate, decode, encode, orient, flip. Pixels are md_image's. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "core/memory.h"
#include "md/image.h"

enum { IMAGE_MAX_PIXELS = 64 << 20 }; /* the budget: 64 Mpx */

int image_channels(md_pixel_format format); /* 3, 3, 4, 4, 1 */

/* Rows without padding (stride = width * channels). `owner` is set; image_release frees it.
 * width or height < 1 or more pixels than the budget: MD_EINVAL. */
md_status image_create(md_image *out, struct memory *memory, int width, int height, md_pixel_format format);
void      image_release(md_image *image); /* clears *image */
/* Where the pixels of an image with an owner lie. */
struct memory *image_memory(const md_image *image);

/* JPEG, PNG or BMP, told by the content. The result is RGB8 with the EXIF orientation applied,
 * as Pillow's convert("RGB") would give: alpha dropped, palette, gray and CMYK converted. Of 16-bit
 * samples the high byte is kept, also of gray ones, which Pillow saturates. Sizes are checked
 * before pixels are allocated. `name` is for messages. A truncated or broken file is MD_EFORMAT;
 * never a partial picture. */
md_status image_decode(md_image *out, struct memory *memory, const char *name, const void *bytes,
                       size_t size);
md_status image_load(md_image *out, struct memory *memory, const char *path);
/* Width and height after orientation, from the header alone. */
md_status image_probe(int *width, int *height, const char *name, const void *bytes, size_t size);

/* By suffix: .png, .jpg / .jpeg (quality 92, 4:4:4), .bmp. Written atomically. */
md_status image_save(const md_image *image, struct memory *memory, const char *path);

/* One row of `width` pixels from one format to another; gray by Pillow's luma, new alpha 255. */
void      image_convert_row(uint8_t *out, md_pixel_format to, const uint8_t *in,
                            md_pixel_format from, int width);
md_status image_convert(md_image *out, struct memory *memory, const md_image *image, md_pixel_format format);
void      image_flip_horizontal(md_image *image); /* in place */
void      image_flip_vertical(md_image *image);

#endif
