/* decode_stb.c - JPEG and PNG by stb_image, for builds without libjpeg or libpng.
 *
 * stb_image reads zeros past the end of a file and ignores checksums, so the structure is walked
 * here first: a file that is cut off or changed never reaches it. Its memory comes from malloc,
 * as it offers no way to pass an allocator along; the copy lives only inside decode_stb. */
#if !defined(MD_WITH_JPEG) || !defined(MD_WITH_PNG)

#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_FAILURE_STRINGS /* they are kept in static variables */
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS (64 << 20)
/* It declares functions that it then leaves out; the compiler notices at the end of this file. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>

#include "core/error.h"
#include "image/codec.h"

/* ---- structure ---------------------------------------------------------------------- */

/* Every chunk whole, with its checksum, up to IEND. */
static bool png_is_whole(const struct encoded *file)
{
    size_t at = 8;
    while (file->size - at >= 12) {
        const unsigned char *chunk = file->bytes + at;
        size_t length = read_u32_big(chunk);
        if (length > file->size - at - 12 ||
            read_u32_big(chunk + 8 + length) != png_crc(0, chunk + 4, length + 4))
            return false;
        if (memcmp(chunk + 4, "IEND", 4) == 0)
            return true;
        at += 12 + length;
    }
    return false;
}

/* Segments by their lengths, scans by their escapes, up to the end marker. */
static bool jpeg_is_whole(const struct encoded *file)
{
    size_t at = 2;
    while (file->size - at >= 2) {
        const unsigned char *p = file->bytes + at;
        bool data = p[0] != 0xff || p[1] == 0x00 || (p[1] >= 0xd0 && p[1] <= 0xd7);
        if (data || p[1] == 0xff) {
            at++;
            continue;
        }
        if (p[1] == 0xd9)
            return true;
        if (file->size - at < 4 || read_u16_big(p + 2) > file->size - at - 2)
            return false;
        at += 2 + (size_t)read_u16_big(p + 2);
    }
    return false;
}

/* ---- pixels ------------------------------------------------------------------------- */

md_status decode_stb(md_image *out, const struct encoded *file)
{
    bool png = file->bytes[0] == 0x89;
    if (file->size > INT_MAX || !(png ? png_is_whole(file) : jpeg_is_whole(file)))
        return ERROR(MD_EFORMAT, "%s: the file is cut off or damaged; copy it again", file->name);
    int width = 0;
    int height = 0;
    int channels = 0;
    stbi_uc *pixels =
        stbi_load_from_memory(file->bytes, (int)file->size, &width, &height, &channels, 3);
    if (!pixels)
        return ERROR(MD_EFORMAT, "%s: its pixels cannot be decoded; write the file anew",
                     file->name);
    bool same = width == out->width && height == out->height;
    if (same)
        memcpy(out->data, pixels, (size_t)out->stride * (size_t)height);
    stbi_image_free(pixels);
    if (!same)
        return ERROR(MD_EFORMAT, "%s: the file names two sizes; write it anew", file->name);
    return MD_OK;
}

#else
typedef int decode_stb_is_empty; /* a translation unit must declare something */
#endif
