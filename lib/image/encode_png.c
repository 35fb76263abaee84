/* encode_png.c - PNG by libpng; without it, PNG whose pixels are stored and not compressed. */
#include <string.h>

#include "core/error.h"
#include "image/codec.h"

enum { COLOR_GRAY = 0, COLOR_RGB = 2, COLOR_RGBA = 6 }; /* as in the file */

static int color_type(md_pixel_format format)
{
    return format == MD_GRAY8 ? COLOR_GRAY : format == MD_RGBA8 ? COLOR_RGBA : COLOR_RGB;
}

#ifdef MD_WITH_PNG

#include <setjmp.h>

#include <png.h>

struct encoder {
    png_structp png;
    png_infop info;
    struct buffer *out;
    md_status status;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct encoder *encoder = png_get_error_ptr(png);
    if (encoder->status == MD_OK)
        encoder->status = ERROR(MD_EINVAL, "PNG is not written: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t size)
{
    struct encoder *encoder = png_get_mem_ptr(png);
    void *block = NULL;
    md_status st = memory_alloc(encoder->out->memory, &block, size, 1);
    if (st < 0)
        encoder->status = st;
    return block;
}

static void on_free(png_structp png, png_voidp block)
{
    struct encoder *encoder = png_get_mem_ptr(png);
    memory_free(encoder->out->memory, block);
}

static void on_write(png_structp png, png_bytep bytes, size_t count)
{
    struct encoder *encoder = png_get_io_ptr(png);
    encoder->status = buffer_append(encoder->out, bytes, count);
    if (encoder->status < 0)
        png_error(png, "no memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Apart, so that no object that changes is local to the function that calls setjmp. */
static void encode_guarded(struct encoder *encoder, const md_image *image)
{
    png_structp png = encoder->png;
    if (setjmp(png_jmpbuf(png)) != 0)
        return;
    encoder->info = png_create_info_struct(png);
    if (!encoder->info)
        return;
    png_set_write_fn(png, encoder, on_write, on_flush);
    png_set_user_limits(png, IMAGE_MAX_PIXELS, IMAGE_MAX_PIXELS);
    png_set_IHDR(png, encoder->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 color_type(image->format), PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, encoder->info);
    for (int y = 0; y < image->height; y++)
        png_write_row(png, image->data + y * image->stride);
    png_write_end(png, NULL);
}

md_status encode_png(struct buffer *out, const md_image *image)
{
    struct encoder encoder = {.out = out};
    encoder.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &encoder, on_error, on_warning,
                                            &encoder, on_alloc, on_free);
    if (!encoder.png)
        return encoder.status < 0 ? encoder.status : ERROR(MD_ENOMEM, "libpng does not start");
    encode_guarded(&encoder, image);
    png_destroy_write_struct(&encoder.png, &encoder.info);
    return encoder.status;
}

#else

static void put_u32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static md_status put_chunk(struct buffer *out, const char *type, const void *bytes, size_t size)
{
    md_status st = MD_OK;
    unsigned char word[4];
    put_u32(word, (uint32_t)size);
    TRY(buffer_append(out, word, 4));
    size_t start = out->length;
    TRY(buffer_append(out, type, 4));
    TRY(buffer_append(out, bytes, size));
    put_u32(word, png_crc(0, out->data + start, size + 4));
    TRY(buffer_append(out, word, 4));
fail:
    return st;
}

static uint32_t adler32_of(const struct buffer *bytes)
{
    uint32_t low = 1;
    uint32_t high = 0;
    for (size_t i = 0; i < bytes->length; i++) {
        low = (low + (unsigned char)bytes->data[i]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

/* A zlib stream of stored blocks (RFC 1950 and 1951, section 3.2.4). */
static md_status store(struct buffer *out, const struct buffer *bytes)
{
    md_status st = MD_OK;
    unsigned char word[4];
    TRY(buffer_append(out, "\x78\x01", 2));
    for (size_t at = 0; at < bytes->length;) {
        size_t size = bytes->length - at < 65535 ? bytes->length - at : 65535;
        const unsigned char head[5] = {at + size == bytes->length, size & 255,
                                       (unsigned char)(size >> 8), ~size & 255,
                                       (unsigned char)(~size >> 8 & 255)};
        TRY(buffer_append(out, head, sizeof head));
        TRY(buffer_append(out, bytes->data + at, size));
        at += size;
    }
    put_u32(word, adler32_of(bytes));
    TRY(buffer_append(out, word, 4));
fail:
    return st;
}

md_status encode_png(struct buffer *out, const md_image *image)
{
    md_status st = MD_OK;
    unsigned char header[13] = {[8] = 8, [9] = (unsigned char)color_type(image->format)};
    struct buffer rows;
    struct buffer stream;
    buffer_init(&rows, out->memory);
    buffer_init(&stream, out->memory);
    put_u32(header, (uint32_t)image->width);
    put_u32(header + 4, (uint32_t)image->height);
    for (int y = 0; y < image->height; y++) {
        TRY(buffer_append(&rows, "\0", 1)); /* no filter */
        TRY(buffer_append(&rows, image->data + y * image->stride,
                          (size_t)image->width * (size_t)image_channels(image->format)));
    }
    TRY(store(&stream, &rows));
    TRY(buffer_append(out, "\x89PNG\r\n\x1a\n", 8));
    TRY(put_chunk(out, "IHDR", header, sizeof header));
    TRY(put_chunk(out, "IDAT", stream.data, stream.length));
    TRY(put_chunk(out, "IEND", "", 0));
fail:
    buffer_free(&rows);
    buffer_free(&stream);
    return st;
}

#endif
