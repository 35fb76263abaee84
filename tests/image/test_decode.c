/* test_decode.c - every kind of file against Pillow's pixels, and every way to break one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MD_WITH_JPEG
#include <jpeglib.h>
#endif

#include "core/error.h"
#include "core/file.h"
#include "image/codec.h"
#include "suite.h"
#include "support/failing_memory.h"

#define SAMPLES "tests/image/samples/"

/* CRC-32 of the bytes of Pillow 12.0's convert("RGB"), and their mean. The 16-bit gray file is the
 * exception: Pillow saturates it, here the high bytes are wanted. */
static const struct sample {
    const char *name;
    int width, height;
    uint32_t crc;
    double mean;
} samples[] = {
    {"baseline420.jpg", 21, 13, 0x82f56c6d, 132.3},
    {"baseline422.jpg", 21, 13, 0xbb95f01e, 132.5},
    {"baseline444.jpg", 21, 13, 0x1ad65cd4, 132.3},
    {"cmyk.jpg", 21, 13, 0xdc1efa95, 81.7},
    {"gray.jpg", 21, 13, 0xe1f8f2fd, 135.5},
    {"progressive.jpg", 21, 13, 0x82f56c6d, 132.3},
    {"restarts.jpg", 21, 13, 0x8548c893, 132.3},
    {"bits1.bmp", 21, 13, 0x1ff03e2e, 136.4},
    {"palette4.bmp", 21, 13, 0x45591b23, 122.0},
    {"palette8.bmp", 21, 13, 0x29e1660a, 132.2},
    {"rgb24.bmp", 21, 13, 0x30bc1126, 132.4},
    {"rgb565.bmp", 21, 13, 0x642b8ca8, 132.3},
    {"rgba32.bmp", 21, 13, 0x30bc1126, 132.4},
    {"bits1.png", 21, 13, 0x1ff03e2e, 136.4},
    {"gray16.png", 21, 13, 0x97a5e9ec, 140.0},
    {"gray2.png", 21, 13, 0x04d818b5, 127.0},
    {"gray4.png", 21, 13, 0x21854d3f, 128.5},
    {"gray8.png", 21, 13, 0x1cabc2ce, 135.5},
    {"grayalpha8.png", 21, 13, 0x97a5e9ec, 140.0},
    {"interlaced.png", 21, 13, 0x30bc1126, 132.4},
    {"interlaced1.png", 21, 13, 0x91bdf486, 127.0},
    {"palette4.png", 21, 13, 0x379eb516, 132.3},
    {"palette8.png", 21, 13, 0x29e1660a, 132.2},
    {"rgb16.png", 21, 13, 0x30bc1126, 132.4},
    {"rgb8.png", 21, 13, 0x30bc1126, 132.4},
    {"rgba16.png", 21, 13, 0x30bc1126, 132.4},
    {"rgba8.png", 21, 13, 0x30bc1126, 132.4},
    {"tiny_interlaced.png", 1, 1, 0x092ac779, 129.3},
};
enum { SAMPLE_COUNT = sizeof samples / sizeof samples[0] };

static struct file_bytes read_sample(struct memory *memory, const char *name)
{
    char path[128];
    struct file_bytes bytes;
    snprintf(path, sizeof path, SAMPLES "%s", name);
    ck_assert_msg(file_read(&bytes, memory, path, 1 << 20) == MD_OK, "%s", error_text());
    return bytes;
}

/* Without libjpeg another inverse DCT and upsampling is at work. */
static bool is_exact(const char *name)
{
#ifdef MD_WITH_JPEG
    return name != NULL;
#else
    return strstr(name, ".jpg") == NULL;
#endif
}

START_TEST(pixels_as_pillow)
{
    const struct sample *sample = &samples[_i];
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(&memory, sample->name);
    md_image image;
    int width;
    int height;
    ck_assert_msg(image_decode(&image, &memory, sample->name, bytes.data, bytes.size) == MD_OK,
                  "%s", error_text());
    ck_assert_int_eq(image_probe(&width, &height, sample->name, bytes.data, bytes.size), MD_OK);
    ck_assert_int_eq(width, sample->width);
    ck_assert_int_eq(height, sample->height);
    ck_assert_int_eq(image.width, width);
    ck_assert_int_eq(image.height, height);
    ck_assert_int_eq(image.format, MD_RGB8);
    bool exact = is_exact(sample->name);
    size_t size = (size_t)image.stride * (size_t)image.height;
    double sum = 0.0;
    for (size_t i = 0; i < size; i++)
        sum += image.data[i];
    if (exact)
        ck_assert_msg(png_crc(0, image.data, size) == sample->crc, "%s: other pixels",
                      sample->name);
    /* Decoders differ by a few levels up and down; on average by less than one, and rounding of
     * the table adds 0.05. */
    ck_assert_double_eq_tol(sum / (double)size, sample->mean, exact ? 0.051 : 1.0);
    image_release(&image);
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* A copy of the exact size, so that the address sanitizer sees a read past the end. */
static md_status decode_copy(struct memory *memory, const void *bytes, size_t size)
{
    unsigned char *copy = NULL;
    md_image image = {.data = NULL};
    ck_assert_int_eq(memory_alloc(memory, &copy, size, 1), MD_OK);
    memcpy(copy, bytes, size);
    md_status st = image_decode(&image, memory, "broken", copy, size);
    if (st == MD_OK)
        image_release(&image);
    else
        ck_assert_ptr_null(image.data);
    memory_free(memory, copy);
    return st;
}

START_TEST(cut_off_at_every_byte)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(&memory, samples[_i].name);
    size_t blocks = atomic_load(&memory.live_blocks);
    for (size_t size = 0; size < bytes.size; size++)
        ck_assert_msg(decode_copy(&memory, bytes.data, size) == MD_EFORMAT,
                      "%s cut to %zu of %zu bytes", samples[_i].name, size, bytes.size);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), blocks);
    file_bytes_free(&bytes);
}
END_TEST

/* Any result is fine, but for a crash, a leak, and a failure without a reason. */
START_TEST(any_byte_changed)
{
    static const unsigned char changes[] = {0x01, 0x80, 0xff};
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(&memory, samples[_i].name);
    size_t blocks = atomic_load(&memory.live_blocks);
    unsigned char copy[2048];
    ck_assert_uint_le(bytes.size, sizeof copy);
    for (size_t at = 0; at < bytes.size; at++)
        for (size_t c = 0; c < sizeof changes; c++) {
            memcpy(copy, bytes.data, bytes.size);
            copy[at] ^= changes[c];
            md_status st = decode_copy(&memory, copy, bytes.size);
            ck_assert_msg(st == MD_OK || st == MD_EFORMAT || st == MD_EUNSUPPORTED ||
                              st == MD_ENOMEM,
                          "%s, byte %zu ^ %02x: %d", samples[_i].name, at, changes[c], (int)st);
        }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), blocks);
    file_bytes_free(&bytes);
}
END_TEST

START_TEST(no_failure_of_memory_leaks)
{
    struct memory plain;
    memory_init(&plain, NULL);
    struct file_bytes bytes = read_sample(&plain, samples[_i].name);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_image image;
        md_status st =
            image_decode(&image, &failing.memory, samples[_i].name, bytes.data, bytes.size);
        if (st == MD_OK)
            image_release(&image);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    file_bytes_free(&bytes);
}
END_TEST

/* libjpeg only warns about data it cannot follow, and makes pixels up. */
START_TEST(damaged_scans_give_no_picture)
{
#ifndef MD_WITH_JPEG
    SKIP("this build has no libjpeg; stb_image does not notice damage inside a scan");
#endif
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes jpeg = read_sample(&memory, "restarts.jpg");
    unsigned char copy[2048];
    memcpy(copy, jpeg.data, jpeg.size);
    size_t restart = jpeg.size - 2;
    while (!(copy[restart] == 0xff && copy[restart + 1] == 0xd0))
        restart--;
    copy[restart + 1] = 0xd4; /* the fifth restart instead of the first */
    ck_assert_int_eq(decode_copy(&memory, copy, jpeg.size), MD_EFORMAT);

    /* Stray bytes after the last pixel are harmless, and cameras write them. */
    memcpy(copy, jpeg.data, jpeg.size - 2);
    memcpy(copy + jpeg.size - 2, "\0\0\xff\xd9", 4);
    ck_assert_int_eq(decode_copy(&memory, copy, jpeg.size + 2), MD_OK);
    file_bytes_free(&jpeg);
}
END_TEST

/* ---- sizes ---------------------------------------------------------------------------------- */

static void put_little(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

START_TEST(sizes_in_headers_are_judged_before_pixels)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes png = read_sample(&memory, "rgb8.png");
    struct file_bytes bmp = read_sample(&memory, "rgb24.bmp");
    struct file_bytes jpeg = read_sample(&memory, "baseline444.jpg");
    size_t calls = atomic_load(&memory.total_calls);
    unsigned char copy[2048];

    memcpy(copy, png.data, png.size);
    memcpy(copy + 16, "\x00\x01\x00\x00\x00\x01\x00\x00", 8); /* 65536 x 65536 */
    md_image image;
    ck_assert_int_eq(image_decode(&image, &memory, "a", copy, png.size), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "over the limit"));
    memcpy(copy + 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    ck_assert_int_eq(image_decode(&image, &memory, "a", copy, png.size), MD_EFORMAT);
    memcpy(copy + 16, "\0\0\0\0\0\0\x10\0", 8);
    ck_assert_int_eq(image_decode(&image, &memory, "a", copy, png.size), MD_EFORMAT);

    static const uint32_t sides[][2] = {{0, 4096},       {4096, 0},      {0x80000000, 1},
                                        {1, 0x80000000}, {65536, 65536}, {0x7fffffff, 0x7fffffff},
                                        {21, 14},        {40, 13}};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        memcpy(copy, bmp.data, bmp.size);
        put_little(copy + 18, sides[i][0]);
        put_little(copy + 22, sides[i][1]);
        ck_assert_int_eq(image_decode(&image, &memory, "a", copy, bmp.size), MD_EFORMAT);
    }

    memcpy(copy, jpeg.data, jpeg.size);
    for (size_t i = 0; i + 9 < jpeg.size; i++)
        if (copy[i] == 0xff && copy[i + 1] == 0xc0)
            memcpy(copy + i + 5, "\xff\xff\xff\xff", 4);
    ck_assert_int_eq(image_decode(&image, &memory, "a", copy, jpeg.size), MD_EFORMAT);
    ck_assert_uint_eq(atomic_load(&memory.total_calls), calls);
    file_bytes_free(&png);
    file_bytes_free(&bmp);
    file_bytes_free(&jpeg);
}
END_TEST

START_TEST(other_content_is_named)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    ck_assert_int_eq(image_decode(&image, &memory, "empty.jpg", "", 0), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "empty.jpg"));
    ck_assert_int_eq(image_decode(&image, &memory, "a.jpg", "GIF89a", 6), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "neither JPEG"));
    ck_assert_int_eq(image_load(&image, &memory, SAMPLES "absent.png"), MD_EIO);
    ck_assert_int_eq(image_load(&image, &memory, "tests"), MD_EIO);
    ck_assert_int_eq(image_load(&image, &memory, SAMPLES "gray.jpg"), MD_OK);
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- endless scans ----------------------------------------------------------------------------- */

#ifdef MD_WITH_JPEG

/* A progressive gray picture of two whole scans, the second of which may be repeated by the rules. */
static void make_two_scans(unsigned char **out, unsigned long *size)
{
    static const jpeg_scan_info scans[2] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, out, size);
    jpeg.image_width = 16;
    jpeg.image_height = 2;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg.scan_info = scans;
    jpeg.num_scans = 2;
    jpeg_start_compress(&jpeg, TRUE);
    JSAMPLE row[16] = {0, 30, 60, 90, 120, 150, 180, 210, 240};
    JSAMPROW rows[1] = {row};
    while (jpeg.next_scanline < 2)
        jpeg_write_scanlines(&jpeg, rows, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

START_TEST(endless_scans_are_bounded)
{
    struct memory memory;
    memory_init(&memory, NULL);
    unsigned char *jpeg = NULL;
    unsigned long size = 0;
    make_two_scans(&jpeg, &size);
    size_t scan = size - 2;
    while (!(jpeg[scan] == 0xff && jpeg[scan + 1] == 0xda))
        scan--;
    for (int repeats = 400; repeats <= 600; repeats += 200) {
        struct buffer file;
        md_image image;
        buffer_init(&file, &memory);
        ck_assert_int_eq(buffer_append(&file, jpeg, scan), MD_OK);
        for (int i = 0; i < repeats; i++)
            ck_assert_int_eq(buffer_append(&file, jpeg + scan, size - 2 - scan), MD_OK);
        ck_assert_int_eq(buffer_append(&file, "\xff\xd9", 2), MD_OK);
        md_status st = image_decode(&image, &memory, "bomb", file.data, file.length);
        ck_assert_int_eq(st, repeats == 400 ? MD_OK : MD_EFORMAT);
        if (st == MD_OK)
            image_release(&image);
        else
            ck_assert_ptr_nonnull(strstr(error_text(), "more than 500 scans"));
        buffer_free(&file);
    }
    free(jpeg);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

#else

START_TEST(endless_scans_are_bounded)
{
    SKIP("this build has no libjpeg, and scans are bounded there");
}
END_TEST

#endif

/* ---- formats --------------------------------------------------------------------------------- */

START_TEST(formats_convert_and_rows_flip)
{
    struct memory memory;
    memory_init(&memory, NULL);
    static uint8_t pixels[12] = {10, 20, 30, 0, 40, 50, 60, 1, 70, 80, 90, 2};
    const md_image rgba = {
        .data = pixels, .width = 3, .height = 1, .stride = 12, .format = MD_RGBA8};
    md_image bgr;
    md_image gray;
    md_image back;
    ck_assert_int_eq(image_convert(&bgr, &memory, &rgba, MD_BGR8), MD_OK);
    ck_assert_mem_eq(bgr.data, ((uint8_t[]){30, 20, 10, 60, 50, 40, 90, 80, 70}), 9);
    ck_assert_int_eq(image_convert(&gray, &memory, &bgr, MD_GRAY8), MD_OK);
    /* 0.299 r + 0.587 g + 0.114 b, rounded: 18.15, 48.15, 78.15 */
    ck_assert_mem_eq(gray.data, ((uint8_t[]){18, 48, 78}), 3);
    image_flip_horizontal(&bgr);
    ck_assert_mem_eq(bgr.data, ((uint8_t[]){90, 80, 70, 60, 50, 40, 30, 20, 10}), 9);
    ck_assert_int_eq(image_convert(&back, &memory, &gray, MD_BGRA8), MD_OK);
    ck_assert_mem_eq(back.data, ((uint8_t[]){18, 18, 18, 255, 48, 48, 48, 255}), 8);
    image_release(&bgr);
    image_release(&gray);
    image_release(&back);
    ck_assert_int_eq(image_create(&bgr, &memory, 0, 5, MD_RGB8), MD_EINVAL);
    ck_assert_int_eq(image_create(&bgr, &memory, 1 << 15, 1 << 15, MD_RGB8), MD_EINVAL);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static void *alloc_little(void *user, size_t bytes, size_t alignment)
{
    size_t *most = user;
    *most = bytes > *most ? bytes : *most;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return bytes > 1 << 20 ? NULL : aligned_alloc(alignment, rounded ? rounded : alignment);
}

static void free_little(void *user, void *memory, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(memory);
}

/* A find of the fuzzer: 114 bytes whose eXIf chunk claims 1.4 GB, which libpng then allocated. */
START_TEST(png_exif_longer_than_the_file)
{
    size_t most = 0;
    struct memory memory;
    struct file_bytes bytes;
    md_image image = {0};
    memory_init(&memory, &(md_allocator){alloc_little, free_little, &most});
    ck_assert_int_eq(file_read(&bytes, &memory,
                               "tests/fuzz/corpus/image/png_exif_longer_than_the_file.png", 1024),
                     MD_OK);
    ck_assert_int_eq(image_decode(&image, &memory, "x.png", bytes.data, bytes.size), MD_EFORMAT);
    ck_assert_uint_le(most, 1 << 20);
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("image/decode", TEST(png_exif_longer_than_the_file), LOOP(pixels_as_pillow, 0, SAMPLE_COUNT),
      LOOP(cut_off_at_every_byte, 0, SAMPLE_COUNT), LOOP(any_byte_changed, 0, SAMPLE_COUNT),
      LOOP(no_failure_of_memory_leaks, 0, SAMPLE_COUNT), TEST(damaged_scans_give_no_picture),
      TEST(sizes_in_headers_are_judged_before_pixels), TEST(other_content_is_named),
      TEST(endless_scans_are_bounded), TEST(formats_convert_and_rows_flip))
