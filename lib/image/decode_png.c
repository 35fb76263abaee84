/* decode_png.c - PNG of every colour type by libpng, its memory taken from ours. */
#ifdef MD_WITH_PNG

#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "core/error.h"
#include "image/codec.h"

struct decoder {
    png_structp png;
    png_infop info;
    const struct encoded *file;
    struct memory *memory;
    size_t at; /* bytes read */
    md_status status;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct decoder *decoder = png_get_error_ptr(png);
    if (decoder->status == MD_OK)
        decoder->status =
            ERROR(MD_EFORMAT, "%s: PNG: %s, near byte %zu; copy or write the file anew",
                  decoder->file->name, text, decoder->at);
    png_longjmp(png, 1);
}

/* Warnings are about chunks beside the picture, such as a colour profile. */
static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t size)
{
    struct decoder *decoder = png_get_mem_ptr(png);
    void *block = NULL;
    md_status st = memory_alloc(decoder->memory, &block, size, 1);
    if (st < 0)
        decoder->status = st;
    return block;
}

static void on_free(png_structp png, png_voidp block)
{
    struct decoder *decoder = png_get_mem_ptr(png);
    memory_free(decoder->memory, block);
}

static void on_read(png_structp png, png_bytep out, size_t count)
{
    struct decoder *decoder = png_get_io_ptr(png);
    if (count > decoder->file->size - decoder->at)
        png_error(png, "the file is cut off");
    memcpy(out, decoder->file->bytes + decoder->at, count);
    decoder->at += count;
}

/* Whatever the file holds, 8-bit RGB comes out; alpha is dropped and not blended, and of 16 bits
 * the high byte is kept. */
static void ask_for_rgb(struct decoder *decoder)
{
    png_structp png = decoder->png;
    int color = png_get_color_type(png, decoder->info);
    png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(png);
    if (color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA)
        png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
}

/* Returns early with status set; libpng's own errors jump out. */
static void decode_all(struct decoder *decoder, md_image *out)
{
    png_structp png = decoder->png;
    png_set_read_fn(png, decoder, on_read);
    png_set_user_limits(png, IMAGE_MAX_PIXELS, IMAGE_MAX_PIXELS);
    /* All but the picture is passed over: libpng would allocate the length that an eXIf chunk
     * claims before it looks whether the file is that long. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, decoder->info);
    ask_for_rgb(decoder);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    if (png_get_rowbytes(png, decoder->info) != (size_t)out->stride ||
        png_get_image_height(png, decoder->info) != (png_uint_32)out->height) {
        decoder->status = ERROR(MD_EFORMAT, "%s: the PNG names two sizes; write the file anew",
                                decoder->file->name);
        return;
    }
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < out->height; y++)
            png_read_row(png, out->data + y * out->stride, NULL);
    png_read_end(png, NULL);
}

/* Apart, so that no object that changes is local to the function that calls setjmp. */
static void decode_guarded(struct decoder *decoder, md_image *out)
{
    if (setjmp(png_jmpbuf(decoder->png)) != 0)
        return;
    decoder->info = png_create_info_struct(decoder->png);
    if (decoder->info)
        decode_all(decoder, out);
}

md_status decode_png(md_image *out, struct memory *memory, const struct encoded *file)
{
    struct decoder decoder = {.file = file, .memory = memory};
    decoder.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning,
                                           &decoder, on_alloc, on_free);
    if (!decoder.png)
        return decoder.status < 0 ? decoder.status
                                  : ERROR(MD_ENOMEM, "%s: libpng does not start", file->name);
    decode_guarded(&decoder, out);
    png_destroy_read_struct(&decoder.png, &decoder.info, NULL);
    return decoder.status;
}

#else
typedef int decode_png_is_empty; /* a translation unit must declare something */
#endif
