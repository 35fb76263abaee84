/* encode_jpeg.c - JPEG by libjpeg, without chroma subsampling. */
#include "core/error.h"
#include "image/codec.h"

#ifdef MD_WITH_JPEG

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

enum { LARGEST_SIDE = 65500 }; /* JPEG_MAX_DIMENSION */

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr target;
    jmp_buf back;
    struct buffer *out;
    md_status status;
    JOCTET chunk[16384];
};

static void stop(j_common_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    encoder->errors.format_message(jpeg, text);
    encoder->status = ERROR(MD_ENOMEM, "JPEG is not written: %s", text);
    longjmp(encoder->back, 1);
}

static void drop_text(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void flush(struct encoder *encoder, size_t bytes)
{
    encoder->status = buffer_append(encoder->out, encoder->chunk, bytes);
    if (encoder->status < 0)
        longjmp(encoder->back, 1);
    encoder->target.next_output_byte = encoder->chunk;
    encoder->target.free_in_buffer = sizeof encoder->chunk;
}

static void target_open(j_compress_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    encoder->target.next_output_byte = encoder->chunk;
    encoder->target.free_in_buffer = sizeof encoder->chunk;
}

static boolean target_full(j_compress_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    flush(encoder, sizeof encoder->chunk);
    return TRUE;
}

static void target_close(j_compress_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    flush(encoder, sizeof encoder->chunk - encoder->target.free_in_buffer);
}

static void encode_all(struct encoder *encoder, const md_image *rgb, int quality)
{
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg_create_compress(jpeg);
    jpeg->dest = &encoder->target;
    jpeg->image_width = (JDIMENSION)rgb->width;
    jpeg->image_height = (JDIMENSION)rgb->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = 1; /* 4:4:4: thin coloured lines stay sharp */
    jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = rgb->data + (ptrdiff_t)jpeg->next_scanline * rgb->stride;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

/* Apart, so that no object that changes is local to the function that calls setjmp. */
static void encode_guarded(struct encoder *encoder, const md_image *rgb, int quality)
{
    if (setjmp(encoder->back) == 0)
        encode_all(encoder, rgb, quality);
}

md_status encode_jpeg(struct buffer *out, const md_image *rgb, int quality)
{
    if (rgb->width > LARGEST_SIDE || rgb->height > LARGEST_SIDE)
        return ERROR(MD_EINVAL,
                     "a JPEG has sides of at most %d pixels, not %d x %d; save it as .png",
                     LARGEST_SIDE, rgb->width, rgb->height);
    struct encoder encoder;
    memset(&encoder, 0, sizeof encoder);
    encoder.out = out;
    encoder.jpeg.err = jpeg_std_error(&encoder.errors);
    encoder.jpeg.client_data = &encoder;
    encoder.errors.error_exit = stop;
    encoder.errors.output_message = drop_text;
    encoder.target.init_destination = target_open;
    encoder.target.empty_output_buffer = target_full;
    encoder.target.term_destination = target_close;
    encode_guarded(&encoder, rgb, quality);
    jpeg_destroy_compress(&encoder.jpeg);
    return encoder.status;
}

#else

md_status encode_jpeg(struct buffer *out, const md_image *rgb, int quality)
{
    (void)out;
    (void)rgb;
    (void)quality;
    return ERROR(MD_EUNSUPPORTED, "this build has no libjpeg and writes no JPEG; save it as .png");
}

#endif
