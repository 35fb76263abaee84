/* test_encode.c - what is saved can be read again: exactly, or nearly for JPEG. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "image/codec.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

/* Smooth, so that JPEG keeps it well; rows of 17 pixels are padded in BMP. */
static void make_picture(md_image *out, struct memory *memory, md_pixel_format format)
{
    md_image rgb;
    ck_assert_int_eq(image_create(&rgb, memory, 17, 200, MD_RGB8), MD_OK);
    for (int y = 0; y < 200; y++)
        for (int x = 0; x < 17; x++) {
            uint8_t *pixel = rgb.data + y * rgb.stride + x * 3;
            pixel[0] = (uint8_t)(x * 12);
            pixel[1] = (uint8_t)(y + 20);
            pixel[2] = (uint8_t)(250 - x * 5 - y / 2);
        }
    ck_assert_int_eq(image_convert(out, memory, &rgb, format), MD_OK);
    image_release(&rgb);
}

static const md_pixel_format formats[5] = {MD_RGB8, MD_BGR8, MD_RGBA8, MD_BGRA8, MD_GRAY8};

static void check_round_trip(md_pixel_format format, const char *suffix, int most)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    md_image wanted;
    md_image got;
    make_picture(&image, &memory, format);
    ck_assert_int_eq(image_convert(&wanted, &memory, &image, MD_RGB8), MD_OK);
    const char *path = temp_path("picture-%d%s", (int)format, suffix);
    ck_assert_msg(image_save(&image, &memory, path) == MD_OK, "%s", error_text());
    ck_assert_msg(image_load(&got, &memory, path) == MD_OK, "%s", error_text());
    ck_assert_int_eq(got.width, 17);
    ck_assert_int_eq(got.height, 200);
    for (int i = 0; i < 17 * 200 * 3; i++)
        ck_assert_int_le(abs(got.data[i] - wanted.data[i]), most);
    image_release(&image);
    image_release(&wanted);
    image_release(&got);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(png_and_bmp_keep_every_byte)
{
    check_round_trip(formats[_i], ".png", 0);
    check_round_trip(formats[_i], ".BMP", 0);
}
END_TEST

START_TEST(jpeg_keeps_colours_nearly)
{
#ifndef MD_WITH_JPEG
    SKIP("this build has no libjpeg and writes no JPEG");
#endif
    /* Quality 92 quantises the lowest frequencies by 3 to 5 levels and the conversion to YCbCr
     * rounds; on this smooth picture 6 was the most. */
    check_round_trip(formats[_i], ".jpg", 8);
}
END_TEST

/* The frame header of the file says so: 1 x 1 samples for the luma as for the others. */
START_TEST(jpeg_keeps_chroma_whole)
{
#ifndef MD_WITH_JPEG
    SKIP("this build has no libjpeg and writes no JPEG");
#endif
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    struct file_bytes bytes;
    make_picture(&image, &memory, MD_RGB8);
    const char *path = temp_path("chroma.jpeg");
    ck_assert_int_eq(image_save(&image, &memory, path), MD_OK);
    ck_assert_int_eq(file_read(&bytes, &memory, path, 1 << 20), MD_OK);
    size_t frame = 0;
    while (!(bytes.data[frame] == 0xff && bytes.data[frame + 1] == 0xc0))
        ck_assert_uint_lt(++frame, bytes.size - 20);
    ck_assert_uint_eq(bytes.data[frame + 11], 0x11);
    ck_assert_uint_eq(bytes.data[frame + 14], 0x11);
    file_bytes_free(&bytes);
    image_release(&image);
}
END_TEST

START_TEST(long_pictures_span_several_blocks)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    md_image got;
    ck_assert_int_eq(image_create(&image, &memory, 301, 233, MD_RGB8),
                     MD_OK); /* over 3 * 65535 bytes */
    uint32_t state = 1;
    for (int i = 0; i < 301 * 233 * 3; i++) {
        state = state * 1664525u + 1013904223u;
        image.data[i] = (uint8_t)(state >> 24);
    }
    const char *path = temp_path("noise.png");
    ck_assert_int_eq(image_save(&image, &memory, path), MD_OK);
    ck_assert_int_eq(image_load(&got, &memory, path), MD_OK);
    ck_assert_mem_eq(got.data, image.data, 301 * 233 * 3);
    image_release(&image);
    image_release(&got);
}
END_TEST

START_TEST(other_suffixes_are_refused)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    make_picture(&image, &memory, MD_RGB8);
    ck_assert_int_eq(image_save(&image, &memory, temp_path("a.gif")), MD_EINVAL);
    ck_assert_int_eq(image_save(&image, &memory, temp_path("noending")), MD_EINVAL);
    ck_assert(!file_exists(temp_path("a.gif")));
    ck_assert_int_eq(image_save(&image, &memory, temp_path("no/such/folder/a.png")), MD_EIO);
#ifndef MD_WITH_JPEG
    ck_assert_int_eq(image_save(&image, &memory, temp_path("a.jpg")), MD_EUNSUPPORTED);
#endif
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failure_of_memory_leaks)
{
    static const char *const suffixes[] = {"f.png", "f.bmp", "f.jpg"};
#ifndef MD_WITH_JPEG
    if (_i == 2)
        SKIP("this build has no libjpeg and writes no JPEG");
#endif
    struct memory plain;
    memory_init(&plain, NULL);
    md_image image;
    make_picture(&image, &plain, MD_BGR8);
    const char *path = temp_path("%s", suffixes[_i]);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_status st = image_save(&image, &failing.memory, path);
        failing_memory_check(&failing, st);
        ck_assert(file_exists(path) == (st == MD_OK));
        if (st == MD_OK)
            break;
    }
    image_release(&image);
}
END_TEST

SUITE("image/encode", LOOP(png_and_bmp_keep_every_byte, 0, 5),
      LOOP(jpeg_keeps_colours_nearly, 0, 5), TEST(jpeg_keeps_chroma_whole),
      TEST(long_pictures_span_several_blocks), TEST(other_suffixes_are_refused),
      LOOP(no_failure_of_memory_leaks, 0, 3))
