/* header.c - kind, size and orientation of an image file, by a bounded walk of our own. */
#include <string.h>

#include "core/error.h"
#include "image/codec.h"

#define PNG_SIGNATURE "\x89PNG\r\n\x1a\n"

md_status header_check_size(const struct encoded *file, uint64_t width, uint64_t height)
{
    if (width < 1 || height < 1)
        return ERROR(MD_EFORMAT, "%s: the header says %llu x %llu pixels; write the file anew",
                     file->name, (unsigned long long)width, (unsigned long long)height);
    if (width > IMAGE_MAX_PIXELS || height > IMAGE_MAX_PIXELS || width * height > IMAGE_MAX_PIXELS)
        return ERROR(
            MD_EFORMAT, "%s: %llu x %llu pixels are over the limit of %d; shrink the picture first",
            file->name, (unsigned long long)width, (unsigned long long)height, IMAGE_MAX_PIXELS);
    return MD_OK;
}

static md_status ends_early(const struct encoded *file)
{
    return ERROR(MD_EFORMAT, "%s: the file ends inside its header, at byte %zu; copy it again",
                 file->name, file->size);
}

/* ---- JPEG ------------------------------------------------------------------- */

enum { MARKER_EOI = 0xd9, MARKER_SOS = 0xda, MARKER_APP1 = 0xe1 };

static bool is_frame(int marker) /* SOF0 to SOF15 without DHT, JPG and DAC */
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool stands_alone(int marker) /* TEM, RST0 to RST7, SOI */
{
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

/* The next marker from *at on, and its payload. A decoder skips stray bytes before a marker, so
 * this does too. */
static md_status next_segment(const struct encoded *file, size_t *at, int *marker,
                              const unsigned char **payload, size_t *length)
{
    size_t i = *at;
    do {
        while (i < file->size && file->bytes[i] != 0xff)
            i++;
        while (i < file->size && file->bytes[i] == 0xff)
            i++;
        if (i >= file->size)
            return ends_early(file);
        *marker = file->bytes[i++];
    } while (*marker == 0 || stands_alone(*marker));
    if (*marker == MARKER_EOI)
        return ERROR(MD_EFORMAT, "%s: the JPEG ends without a picture; write the file anew",
                     file->name);
    if (file->size - i < 2)
        return ends_early(file);
    size_t bytes = read_u16_big(file->bytes + i);
    if (bytes < 2)
        return ERROR(MD_EFORMAT,
                     "%s: marker 0xff%02x at byte %zu has length %zu; write the file anew",
                     file->name, (unsigned)*marker, i, bytes);
    if (bytes > file->size - i)
        return ends_early(file);
    *payload = file->bytes + i + 2;
    *length = bytes - 2;
    *at = i + bytes;
    return MD_OK;
}

md_status header_read_jpeg(struct image_header *out, const struct encoded *file)
{
    md_status st = MD_OK;
    struct image_header header = {.kind = IMAGE_JPEG, .orientation = 0};
    size_t at = 2;
    int marker = 0;
    while (marker != MARKER_SOS) {
        const unsigned char *payload = NULL;
        size_t length = 0;
        TRY(next_segment(file, &at, &marker, &payload, &length));
        if (is_frame(marker) && header.width == 0) {
            if (length < 6)
                FAIL(MD_EFORMAT,
                     "%s: the JPEG frame header has only %zu bytes; write the file anew",
                     file->name, length);
            TRY(header_check_size(file, read_u16_big(payload + 3), read_u16_big(payload + 1)));
            header.width = (int)read_u16_big(payload + 3);
            header.height = (int)read_u16_big(payload + 1);
        }
        if (marker == MARKER_APP1 && header.orientation == 0 && length > 6 &&
            memcmp(payload, "Exif\0", 6) == 0)
            header.orientation = exif_orientation(payload + 6, length - 6);
    }
    if (header.width == 0)
        FAIL(MD_EFORMAT, "%s: the JPEG has no frame header before its data; write the file anew",
             file->name);
    if (header.orientation == 0)
        header.orientation = 1;
    *out = header;
    return MD_OK;
fail:
    return st;
}

/* ---- PNG -------------------------------------------------------------------- */

/* eXIf may also come after the pixels, so the walk goes on to IEND; a broken chunk after the
 * header ends it quietly, as the decoder will say what is wrong. */
static int png_orientation(const struct encoded *file)
{
    size_t at = 8;
    while (file->size - at >= 12) {
        size_t length = read_u32_big(file->bytes + at);
        if (length > file->size - at - 12)
            return 1;
        if (memcmp(file->bytes + at + 4, "eXIf", 4) == 0)
            return exif_orientation(file->bytes + at + 8, length);
        at += 12 + length;
    }
    return 1;
}

md_status header_read_png(struct image_header *out, const struct encoded *file)
{
    if (file->size < 33)
        return ends_early(file);
    const unsigned char *chunk = file->bytes + 8;
    if (read_u32_big(chunk) != 13 || memcmp(chunk + 4, "IHDR", 4) != 0)
        return ERROR(MD_EFORMAT,
                     "%s: the PNG does not begin with its header chunk; write the file anew",
                     file->name);
    md_status st = header_check_size(file, read_u32_big(chunk + 8), read_u32_big(chunk + 12));
    if (st < 0)
        return st;
    *out = (struct image_header){.kind = IMAGE_PNG,
                                 .width = (int)read_u32_big(chunk + 8),
                                 .height = (int)read_u32_big(chunk + 12),
                                 .orientation = png_orientation(file)};
    return MD_OK;
}

/* ---- all ---------------------------------------------------------------------- */

md_status header_read(struct image_header *out, const struct encoded *file)
{
    if (file->size == 0)
        return ERROR(MD_EFORMAT, "%s: the file is empty; copy it again", file->name);
    if (file->size >= 2 && memcmp(file->bytes, "\xff\xd8", 2) == 0)
        return header_read_jpeg(out, file);
    if (file->size >= 8 && memcmp(file->bytes, PNG_SIGNATURE, 8) == 0)
        return header_read_png(out, file);
    if (file->size >= 2 && memcmp(file->bytes, "BM", 2) == 0)
        return header_read_bmp(out, file);
    return ERROR(
        MD_EFORMAT,
        "%s: neither JPEG, PNG nor BMP, judging by its first bytes; convert it to one of them",
        file->name);
}
