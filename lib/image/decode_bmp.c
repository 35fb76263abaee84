/* decode_bmp.c - uncompressed Windows bitmaps: 1, 4, 8, 16, 24 and 32 bits, either way up. */
#include <string.h>

#include "core/error.h"
#include "image/codec.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, LARGEST_HEADER = 124 };
enum { PLAIN = 0, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

struct bmp {
    int width, height;
    bool top_down;
    uint32_t bits, compression;
    size_t palette_at, palette_count, palette_step;
    size_t pixels_at, stride;
    uint32_t mask[3];
};

/* Two generations of headers: 16-bit sizes, and 32-bit ones with a signed height. */
static md_status read_size(struct bmp *bmp, const struct encoded *file, bool core)
{
    const unsigned char *p = file->bytes + FILE_HEADER;
    int64_t width = core ? (int64_t)read_u16_little(p + 4) : (int32_t)read_u32_little(p + 4);
    int64_t height = core ? (int64_t)read_u16_little(p + 6) : (int32_t)read_u32_little(p + 8);
    bmp->top_down = height < 0;
    if (height < 0)
        height = -height;
    md_status st = header_check_size(file, width > 0 ? (uint64_t)width : 0, (uint64_t)height);
    if (st < 0)
        return st;
    bmp->width = (int)width;
    bmp->height = (int)height;
    return MD_OK;
}

static md_status read_fields(struct bmp *bmp, const struct encoded *file)
{
    const unsigned char *p = file->bytes;
    if (file->size < FILE_HEADER + CORE_HEADER)
        return ERROR(MD_EFORMAT, "%s: the file ends inside its header, at byte %zu; copy it again",
                     file->name, file->size);
    uint32_t header = read_u32_little(p + FILE_HEADER);
    bool core = header == CORE_HEADER;
    if (header > LARGEST_HEADER || header > file->size - FILE_HEADER ||
        (!core && header < INFO_HEADER))
        return ERROR(MD_EFORMAT,
                     "%s: a BMP header of %u bytes in a file of %zu; write the file anew",
                     file->name, header, file->size);
    md_status st = read_size(bmp, file, core);
    if (st < 0)
        return st;
    bmp->bits = read_u16_little(p + (core ? 24 : 28));
    bmp->compression = core ? PLAIN : read_u32_little(p + 30);
    bmp->palette_at = FILE_HEADER + header;
    bmp->palette_count = core ? 0 : read_u32_little(p + 46);
    bmp->palette_step = core ? 3 : 4;
    bmp->pixels_at = read_u32_little(p + 10);
    bmp->stride = ((size_t)bmp->width * bmp->bits + 31) / 32 * 4;
    return MD_OK;
}

/* Masks follow a header of 40 bytes, and stand at the same place inside a longer one. */
static md_status read_masks(struct bmp *bmp, const struct encoded *file)
{
    static const uint32_t plain_16[3] = {0x7c00, 0x03e0, 0x001f};
    static const uint32_t plain_32[3] = {0xff0000, 0x00ff00, 0x0000ff};
    if (bmp->compression == PLAIN) {
        memcpy(bmp->mask, bmp->bits == 16 ? plain_16 : plain_32, sizeof bmp->mask);
        return MD_OK;
    }
    if (file->size < FILE_HEADER + INFO_HEADER + 12)
        return ERROR(MD_EFORMAT, "%s: the file ends before its colour masks; copy it again",
                     file->name);
    for (size_t c = 0; c < 3; c++) {
        bmp->mask[c] = read_u32_little(file->bytes + FILE_HEADER + INFO_HEADER + 4 * c);
        uint32_t ones = bmp->mask[c] ? bmp->mask[c] >> __builtin_ctz(bmp->mask[c]) : 0;
        if (ones == 0 || (ones & (ones + 1)) != 0)
            return ERROR(MD_EFORMAT,
                         "%s: colour mask %08x is not one run of bits; write the file anew",
                         file->name, bmp->mask[c]);
    }
    return MD_OK;
}

static md_status read_palette(struct bmp *bmp, const struct encoded *file)
{
    size_t most = (size_t)1 << bmp->bits;
    if (bmp->palette_count == 0 || bmp->palette_count > most)
        bmp->palette_count = most;
    if (bmp->palette_count * bmp->palette_step > file->size - bmp->palette_at)
        return ERROR(MD_EFORMAT, "%s: the file ends inside its palette, at byte %zu; copy it again",
                     file->name, file->size);
    return MD_OK;
}

static bool is_indexed(const struct bmp *bmp)
{
    return bmp->bits == 1 || bmp->bits == 4 || bmp->bits == 8;
}

static bool is_supported(const struct bmp *bmp)
{
    bool wide = bmp->bits == 16 || bmp->bits == 32; /* where masks have a meaning */
    if (bmp->compression == BITFIELDS || bmp->compression == ALPHA_BITFIELDS)
        return wide;
    return bmp->compression == PLAIN && (wide || bmp->bits == 24 || is_indexed(bmp));
}

static md_status read_bmp(struct bmp *bmp, const struct encoded *file)
{
    md_status st = MD_OK;
    TRY(read_fields(bmp, file));
    if (!is_supported(bmp))
        FAIL(MD_EUNSUPPORTED,
             "%s: BMP with %u bits a pixel and compression %u; save it uncompressed or as PNG",
             file->name, bmp->bits, bmp->compression);
    TRY(is_indexed(bmp) ? read_palette(bmp, file) : read_masks(bmp, file));
    if (bmp->pixels_at < bmp->palette_at || bmp->pixels_at > file->size ||
        bmp->stride * (size_t)bmp->height > file->size - bmp->pixels_at)
        FAIL(MD_EFORMAT,
             "%s: %d rows of %zu bytes from byte %zu are beyond the %zu of the file; copy it again",
             file->name, bmp->height, bmp->stride, bmp->pixels_at, file->size);
    return MD_OK;
fail:
    return st;
}

md_status header_read_bmp(struct image_header *out, const struct encoded *file)
{
    struct bmp bmp = {0};
    md_status st = read_bmp(&bmp, file);
    if (st < 0)
        return st;
    *out = (struct image_header){
        .kind = IMAGE_BMP, .width = bmp.width, .height = bmp.height, .orientation = 1};
    return MD_OK;
}

/* ---- pixels -------------------------------------------------------------------- */

/* An index beyond the palette is black. */
static void indexed_row(uint8_t *out, const unsigned char *row, const struct bmp *bmp,
                        const unsigned char *palette)
{
    uint32_t per_byte = 8 / bmp->bits;
    for (uint32_t x = 0; x < (uint32_t)bmp->width; x++, out += 3) {
        uint32_t shift = (per_byte - 1 - x % per_byte) * bmp->bits;
        uint32_t index = (uint32_t)row[x / per_byte] >> shift & ((1u << bmp->bits) - 1);
        static const unsigned char black[3] = {0};
        const unsigned char *bgr =
            index < bmp->palette_count ? palette + index * bmp->palette_step : black;
        out[0] = bgr[2];
        out[1] = bgr[1];
        out[2] = bgr[0];
    }
}

static void masked_row(uint8_t *out, const unsigned char *row, const struct bmp *bmp)
{
    for (int x = 0; x < bmp->width; x++) {
        uint32_t pixel =
            bmp->bits == 16 ? read_u16_little(row + 2 * x) : read_u32_little(row + 4 * x);
        for (int c = 0; c < 3; c++) {
            int shift = __builtin_ctz(bmp->mask[c]);
            uint64_t value = (pixel & bmp->mask[c]) >> shift;
            *out++ = (uint8_t)(value * 255 / (bmp->mask[c] >> shift));
        }
    }
}

static void bgr_row(uint8_t *out, const unsigned char *row, int width)
{
    for (int x = 0; x < width; x++, out += 3, row += 3) {
        out[0] = row[2];
        out[1] = row[1];
        out[2] = row[0];
    }
}

md_status decode_bmp(md_image *out, const struct encoded *file)
{
    struct bmp bmp = {0};
    md_status st = read_bmp(&bmp, file);
    if (st < 0)
        return st;
    for (int y = 0; y < bmp.height; y++) {
        size_t line = (size_t)(bmp.top_down ? y : bmp.height - 1 - y);
        const unsigned char *row = file->bytes + bmp.pixels_at + line * bmp.stride;
        uint8_t *pixels = out->data + y * out->stride;
        if (is_indexed(&bmp))
            indexed_row(pixels, row, &bmp, file->bytes + bmp.palette_at);
        else if (bmp.bits == 24)
            bgr_row(pixels, row, bmp.width);
        else
            masked_row(pixels, row, &bmp);
    }
    return MD_OK;
}
