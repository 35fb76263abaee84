/* decode_jpeg.c - JPEG by libjpeg, with the settings under which Pillow gives the same bytes. */
#ifdef MD_WITH_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "core/error.h"
#include "image/codec.h"

/* libjpeg allocates by malloc on its own; this caps it. A progressive file of the largest size
 * needs 6 bytes a pixel for its coefficients. */
enum { LIBJPEG_MEMORY = 512 << 20 };

/* A progressive file of a few kilobytes can ask for thousands of passes over a large picture.
 * Real ones have about ten. */
enum { MOST_SCANS = 500 };
static const uint64_t most_scanned_pixels = (uint64_t)IMAGE_MAX_PIXELS * 32;

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_source_mgr source;
    jmp_buf back;
    const struct encoded *file;
    md_status status;
    uint8_t *cmyk_row;
};

/* ---- what libjpeg calls ---------------------------------------------------------- */

static void stop(j_common_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    decoder->errors.format_message(jpeg, text);
    int code = decoder->errors.msg_code;
    bool memory = code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE;
    decoder->status =
        error_set(memory ? MD_ENOMEM : MD_EFORMAT, __FILE__, __LINE__,
                  "%s: JPEG: %s; copy or write the file anew", decoder->file->name, text);
    longjmp(decoder->back, 1);
}

/* A warning means that pixels were made up, so it is an error; but for three that are harmless. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    int code = jpeg->err->msg_code;
    bool padded = code == JWRN_EXTRANEOUS_DATA && jpeg->err->msg_parm.i[1] == JPEG_EOI;
    if (!padded && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR)
        stop(jpeg);
}

static void drop_text(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    uint64_t scans = (uint64_t)decoder->jpeg.input_scan_number;
    uint64_t pixels = (uint64_t)decoder->jpeg.image_width * decoder->jpeg.image_height;
    if (scans <= MOST_SCANS && scans * pixels <= most_scanned_pixels)
        return;
    decoder->status = ERROR(MD_EFORMAT, "%s: JPEG with more than %d scans; save it anew",
                            decoder->file->name, (int)scans - 1);
    longjmp(decoder->back, 1);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

/* All bytes are there from the start: to ask for more is to have run off the end. */
static boolean source_fill(j_decompress_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    decoder->status = ERROR(MD_EFORMAT, "%s: the JPEG is cut off at byte %zu; copy it again",
                            decoder->file->name, decoder->file->size);
    longjmp(decoder->back, 1);
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    struct jpeg_source_mgr *source = jpeg->src;
    if (count <= 0)
        return;
    if ((size_t)count > source->bytes_in_buffer)
        source_fill(jpeg);
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

/* ---- decoding ---------------------------------------------------------------------- */

static void open_decoder(struct decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg->err = jpeg_std_error(&decoder->errors);
    decoder->errors.error_exit = stop;
    decoder->errors.emit_message = on_message;
    decoder->errors.output_message = drop_text;
    jpeg->client_data = decoder;
    jpeg_create_decompress(jpeg);
    jpeg->mem->max_memory_to_use = LIBJPEG_MEMORY;
    decoder->progress.progress_monitor = on_progress;
    jpeg->progress = &decoder->progress;
    decoder->source = (struct jpeg_source_mgr){
        .next_input_byte = decoder->file->bytes,
        .bytes_in_buffer = decoder->file->size,
        .init_source = source_nothing,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    jpeg->src = &decoder->source;
}

/* Adobe's inverted CMYK, which everybody writes, by Pillow's formula. */
static void cmyk_to_rgb(uint8_t *out, const uint8_t *cmyk, int width)
{
    for (int x = 0; x < width; x++, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            int light = cmyk[3];
            int product = (255 - cmyk[c]) * light + 128;
            *out++ = (uint8_t)(light - ((product + (product >> 8)) >> 8));
        }
}

static void read_rows(struct decoder *decoder, md_image *out)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = out->data + (ptrdiff_t)jpeg->output_scanline * out->stride;
        JSAMPROW target = decoder->cmyk_row ? decoder->cmyk_row : row;
        jpeg_read_scanlines(jpeg, &target, 1);
        if (decoder->cmyk_row)
            cmyk_to_rgb(row, decoder->cmyk_row, out->width);
    }
}

static void decode_all(struct decoder *decoder, md_image *out, struct memory *memory)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    open_decoder(decoder);
    jpeg_read_header(jpeg, TRUE);
    if ((int)jpeg->image_width != out->width || (int)jpeg->image_height != out->height) {
        decoder->status = ERROR(MD_EFORMAT, "%s: the JPEG names two sizes; write the file anew",
                                decoder->file->name);
        return;
    }
    jpeg->out_color_space = JCS_RGB;
    if (jpeg->num_components == 4) {
        jpeg->out_color_space = JCS_CMYK;
        decoder->status = memory_alloc(memory, &decoder->cmyk_row, (size_t)out->width, 4);
        if (decoder->status < 0)
            return;
    }
    jpeg_start_decompress(jpeg);
    read_rows(decoder, out);
    jpeg_finish_decompress(jpeg);
}

/* Apart, so that no object that changes is local to the function that calls setjmp. */
static void decode_guarded(struct decoder *decoder, md_image *out, struct memory *memory)
{
    if (setjmp(decoder->back) == 0)
        decode_all(decoder, out, memory);
}

md_status decode_jpeg(md_image *out, struct memory *memory, const struct encoded *file)
{
    struct decoder decoder;
    memset(&decoder, 0, sizeof decoder);
    decoder.file = file;
    decode_guarded(&decoder, out, memory);
    jpeg_destroy_decompress(&decoder.jpeg);
    memory_free(memory, decoder.cmyk_row);
    return decoder.status;
}

#else
typedef int decode_jpeg_is_empty; /* a translation unit must declare something */
#endif
