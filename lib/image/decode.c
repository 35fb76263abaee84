/* decode.c - image files to upright RGB pixels: header first, then the decoder of the kind. */
#include "core/error.h"
#include "core/file.h"
#include "image/codec.h"

enum { LARGEST_FILE = 512 << 20 }; /* the pixel budget at 4 bytes each, and then as much again */

static md_status decode_pixels(md_image *out, struct memory *memory, enum image_kind kind,
                               const struct encoded *file)
{
    (void)memory;
    switch (kind) {
    case IMAGE_BMP:
        return decode_bmp(out, file);
    case IMAGE_JPEG:
#ifdef MD_WITH_JPEG
        return decode_jpeg(out, memory, file);
#else
        return decode_stb(out, file);
#endif
    case IMAGE_PNG:
#ifdef MD_WITH_PNG
        return decode_png(out, memory, file);
#else
        return decode_stb(out, file);
#endif
    }
    return ERROR(MD_EINTERNAL, "%s: image kind %d", file->name, (int)kind);
}

md_status image_decode(md_image *out, struct memory *memory, const char *name, const void *bytes,
                       size_t size)
{
    md_status st = MD_OK;
    md_image image = {0};
    struct encoded file = {name, bytes, size};
    struct image_header header;
    TRY(header_read(&header, &file));
    TRY(image_create(&image, memory, header.width, header.height, MD_RGB8));
    TRY(decode_pixels(&image, memory, header.kind, &file));
    TRY(image_orient(&image, memory, header.orientation));
    *out = image;
    return MD_OK;
fail:
    image_release(&image);
    return st;
}

md_status image_load(md_image *out, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct file_bytes bytes = {0};
    TRY(file_read(&bytes, memory, path, LARGEST_FILE));
    st = image_decode(out, memory, path, bytes.data, bytes.size);
fail:
    file_bytes_free(&bytes);
    return st;
}

md_status image_probe(int *width, int *height, const char *name, const void *bytes, size_t size)
{
    struct image_header header;
    struct encoded file = {name, bytes, size};
    md_status st = header_read(&header, &file);
    if (st < 0)
        return st;
    bool turned = header.orientation >= 5;
    *width = turned ? header.height : header.width;
    *height = turned ? header.width : header.height;
    return MD_OK;
}
