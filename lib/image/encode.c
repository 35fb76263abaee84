/* encode.c - pixels to an image file: format by suffix, written whole or not at all. */
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/file.h"
#include "image/codec.h"

enum { JPEG_QUALITY = 92 };

/* ---- BMP ------------------------------------------------------------------------------ */

static void put_u32(unsigned char *p, size_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> 8 * i);
}

md_status encode_bmp(struct buffer *out, const md_image *rgb)
{
    md_status st = MD_OK;
    size_t used = (size_t)rgb->width * 3;
    size_t stride = (used + 3) / 4 * 4;
    unsigned char header[54] = {'B', 'M'};
    put_u32(header + 2, sizeof header + stride * (size_t)rgb->height);
    put_u32(header + 10, sizeof header);
    put_u32(header + 14, 40);
    put_u32(header + 18, (size_t)rgb->width);
    put_u32(header + 22, (size_t)rgb->height);
    header[26] = 1;  /* planes */
    header[28] = 24; /* bits a pixel */
    TRY(buffer_append(out, header, sizeof header));
    for (int y = rgb->height - 1; y >= 0; y--) {
        const uint8_t *row = rgb->data + y * rgb->stride;
        for (int x = 0; x < rgb->width; x++, row += 3) {
            const uint8_t bgr[3] = {row[2], row[1], row[0]};
            TRY(buffer_append(out, bgr, 3));
        }
        TRY(buffer_append(out, "\0\0\0", stride - used));
    }
fail:
    return st;
}

/* ---- all ------------------------------------------------------------------------------ */

static md_status encode(struct buffer *out, const md_image *image, enum image_kind kind)
{
    switch (kind) {
    case IMAGE_JPEG:
        return encode_jpeg(out, image, JPEG_QUALITY);
    case IMAGE_PNG:
        return encode_png(out, image);
    case IMAGE_BMP:
        return encode_bmp(out, image);
    }
    return ERROR(MD_EINTERNAL, "image kind %d", (int)kind);
}

static md_status kind_of(enum image_kind *out, const char *path)
{
    static const struct {
        const char *suffix;
        enum image_kind kind;
    } known[] = {
        {".png", IMAGE_PNG}, {".jpg", IMAGE_JPEG}, {".jpeg", IMAGE_JPEG}, {".bmp", IMAGE_BMP}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasecmp(path_suffix(path), known[i].suffix) == 0) {
            *out = known[i].kind;
            return MD_OK;
        }
    return ERROR(MD_EINVAL, "%s: an image is saved as .png, .jpg, .jpeg or .bmp", path);
}

/* What the encoder takes: PNG keeps alpha and gray, the others are RGB. */
static md_pixel_format stored_format(md_pixel_format format, enum image_kind kind)
{
    bool alpha = format == MD_RGBA8 || format == MD_BGRA8;
    if (kind == IMAGE_PNG && (alpha || format == MD_GRAY8))
        return alpha ? MD_RGBA8 : MD_GRAY8;
    return MD_RGB8;
}

md_status image_save(const md_image *image, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    md_image stored = {0};
    struct buffer file;
    buffer_init(&file, memory);
    enum image_kind kind = IMAGE_PNG;
    TRY(kind_of(&kind, path));
    md_pixel_format format = stored_format(image->format, kind);
    if (format != image->format)
        TRY(image_convert(&stored, memory, image, format));
    TRY(encode(&file, stored.data ? &stored : image, kind));
    TRY(file_write(memory, path, file.data, file.length));
fail:
    buffer_free(&file);
    image_release(&stored);
    return st;
}
