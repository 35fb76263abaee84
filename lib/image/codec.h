/* codec.h - private to lib/image: what the decoders and encoders of the formats share. */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include <stdbool.h>

#include "core/buffer.h"
#include "image/image.h"

/* ---- reading ---------------------------------------------------------------- */

struct encoded {
    const char          *name; /* for messages */
    const unsigned char *bytes;
    size_t               size;
};

enum image_kind { IMAGE_JPEG, IMAGE_PNG, IMAGE_BMP };

struct image_header {
    enum image_kind kind;
    int             width, height; /* as stored: before the orientation; within the budget */
    int             orientation;   /* EXIF, 1 to 8 */
};

/* Our own bounded walk over the markers or chunks. No decoder runs before it agreed. */
md_status header_read(struct image_header *out, const struct encoded *file);
md_status header_read_jpeg(struct image_header *out, const struct encoded *file);
md_status header_read_png(struct image_header *out, const struct encoded *file);
md_status header_read_bmp(struct image_header *out, const struct encoded *file);
md_status header_check_size(const struct encoded *file, uint64_t width, uint64_t height);

/* `tiff` is what follows "Exif\0\0" in a JPEG, or the content of a PNG's eXIf. Whatever is wrong
 * with it, the answer is 1. */
int exif_orientation(const unsigned char *tiff, size_t size);

/* Into `out`, RGB8 of the size in the header; pixels as stored. `memory` for temporaries. */
md_status decode_jpeg(md_image *out, struct memory *memory, const struct encoded *file);
md_status decode_png(md_image *out, struct memory *memory, const struct encoded *file);
md_status decode_bmp(md_image *out, const struct encoded *file);
/* JPEG and PNG where the build lacks their library. */
md_status decode_stb(md_image *out, const struct encoded *file);

/* Turns the picture upright; replaces *image unless the orientation is 1. */
md_status image_orient(md_image *image, struct memory *memory, int orientation);

/* ---- writing ---------------------------------------------------------------- */

md_status encode_jpeg(struct buffer *out, const md_image *rgb, int quality); /* RGB8 only */
md_status encode_png(struct buffer *out, const md_image *image);             /* RGB8, RGBA8, GRAY8 */
md_status encode_bmp(struct buffer *out, const md_image *rgb);               /* RGB8 only */

/* ---- numbers in files -------------------------------------------------------- */

static inline uint32_t read_u16_big(const unsigned char *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t read_u32_big(const unsigned char *p)
{
    return read_u16_big(p) << 16 | read_u16_big(p + 2);
}

static inline uint32_t read_u16_little(const unsigned char *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t read_u32_little(const unsigned char *p)
{
    return read_u16_little(p + 2) << 16 | read_u16_little(p);
}

/* Checksum of a PNG chunk, continued from `crc` (0 at the start). */
uint32_t png_crc(uint32_t crc, const void *bytes, size_t size);

#endif
