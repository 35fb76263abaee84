/* test_exif.c - the orientation: parsed within bounds, applied in all eight ways. */
#include <string.h>

#include "core/file.h"
#include "image/codec.h"
#include "suite.h"

/* A TIFF block of one entry; big endian when `big`. */
static size_t make_tiff(unsigned char out[26], bool big, unsigned tag, unsigned type,
                        unsigned count, unsigned value)
{
    static const unsigned char head[2][8] = {{'I', 'I', 42, 0, 8, 0, 0, 0},
                                             {'M', 'M', 0, 42, 0, 0, 0, 8}};
    memset(out, 0, 26);
    memcpy(out, head[big], 8);
    unsigned char *entry = out + 10;
    out[big ? 9 : 8] = 1;
    entry[big ? 1 : 0] = (unsigned char)tag;
    entry[big ? 0 : 1] = (unsigned char)(tag >> 8);
    entry[big ? 3 : 2] = (unsigned char)type;
    entry[big ? 7 : 4] = (unsigned char)count;
    entry[big ? (type == 3 ? 9 : 11) : 8] = (unsigned char)value;
    return 26;
}

START_TEST(reads_the_tag)
{
    unsigned char tiff[26];
    for (unsigned value = 1; value <= 8; value++)
        for (int big = 0; big < 2; big++) {
            size_t size = make_tiff(tiff, big, 274, 3, 1, value);
            ck_assert_int_eq(exif_orientation(tiff, size), (int)value);
            make_tiff(tiff, big, 274, 4, 1, value);
            ck_assert_int_eq(exif_orientation(tiff, size), (int)value);
        }
}
END_TEST

START_TEST(anything_odd_is_upright)
{
    unsigned char tiff[26];
    size_t size = make_tiff(tiff, false, 274, 3, 1, 9);
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
    make_tiff(tiff, false, 274, 3, 1, 0);
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
    make_tiff(tiff, false, 274, 2, 1, 6); /* text */
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
    make_tiff(tiff, false, 274, 3, 2, 6); /* two values */
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
    make_tiff(tiff, false, 275, 3, 1, 6); /* another tag */
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
    make_tiff(tiff, false, 274, 3, 1, 6);
    tiff[0] = 'X';
    ck_assert_int_eq(exif_orientation(tiff, size), 1);
}
END_TEST

/* In blocks of the exact size, for the address sanitizer. */
START_TEST(every_cut_and_every_offset_stays_inside)
{
    struct memory memory;
    memory_init(&memory, NULL);
    unsigned char tiff[26];
    make_tiff(tiff, false, 274, 3, 1, 6);
    tiff[8] = 0xff; /* claims 65535 entries; the first one is found */
    tiff[9] = 0xff;
    for (size_t size = 0; size <= 26; size++) {
        unsigned char *copy = NULL;
        ck_assert_int_eq(memory_alloc(&memory, &copy, size, 1), MD_OK);
        memcpy(copy, tiff, size);
        ck_assert_int_eq(exif_orientation(copy, size), size >= 22 ? 6 : 1);
        memory_free(&memory, copy);
    }
    make_tiff(tiff, false, 274, 3, 1, 6);
    for (unsigned offset = 0; offset < 300; offset++) {
        unsigned char *copy = NULL;
        ck_assert_int_eq(memory_alloc(&memory, &copy, 26, 1), MD_OK);
        memcpy(copy, tiff, 26);
        memset(copy + 4, offset < 260 ? 0 : 0xff, 4);
        copy[4] = (unsigned char)offset;
        if (offset != 8)
            exif_orientation(copy, 26);
        memory_free(&memory, copy);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- in files ----------------------------------------------------------------------------------- */

static struct file_bytes read_sample(struct memory *memory, const char *path)
{
    struct file_bytes bytes;
    ck_assert_int_eq(file_read(&bytes, memory, path, 1 << 20), MD_OK);
    return bytes;
}

static void put_big(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* The sample with an eXIf chunk at byte `at`. */
static void insert_exif_chunk(struct buffer *out, const struct file_bytes *png, size_t at,
                              unsigned orientation)
{
    unsigned char chunk[12 + 26];
    put_big(chunk, 26);
    memcpy(chunk + 4, "eXIf", 4);
    make_tiff(chunk + 8, true, 274, 3, 1, orientation);
    put_big(chunk + 34, png_crc(0, chunk + 4, 30));
    ck_assert_int_eq(buffer_append(out, png->data, at), MD_OK);
    ck_assert_int_eq(buffer_append(out, chunk, sizeof chunk), MD_OK);
    ck_assert_int_eq(buffer_append(out, png->data + at, png->size - at), MD_OK);
}

/* CRC-32 of the pixels after Pillow's ImageOps.exif_transpose of the same picture. */
static const uint32_t turned_crc[8] = {0x30bc1126, 0x3c647cec, 0x4ce853d3, 0x0b167fcc,
                                       0x2bd4d6c7, 0xcd2772f0, 0xc1490be1, 0x0ac1bb27};

START_TEST(png_is_turned_as_by_pillow)
{
    unsigned orientation = (unsigned)_i / 2 + 1;
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes png = read_sample(&memory, "tests/image/samples/rgb8.png");
    struct buffer file;
    buffer_init(&file, &memory);
    /* after the header, or after the pixels, before the 12 bytes of IEND */
    insert_exif_chunk(&file, &png, _i % 2 ? 33 : png.size - 12, orientation);

    md_image image;
    int width;
    int height;
    ck_assert_int_eq(image_decode(&image, &memory, "turned", file.data, file.length), MD_OK);
    ck_assert_int_eq(image_probe(&width, &height, "turned", file.data, file.length), MD_OK);
    ck_assert_int_eq(image.width, orientation >= 5 ? 13 : 21);
    ck_assert_int_eq(image.width, width);
    ck_assert_int_eq(image.height, height);
    size_t size = (size_t)image.stride * (size_t)image.height;
    ck_assert_uint_eq(png_crc(0, image.data, size), turned_crc[orientation - 1]);
    image_release(&image);
    buffer_free(&file);
    file_bytes_free(&png);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(jpeg_is_turned_too)
{
    unsigned orientation = (unsigned)_i;
    struct memory memory;
    memory_init(&memory, NULL);
    struct file_bytes jpeg = read_sample(&memory, "tests/image/samples/baseline444.jpg");
    unsigned char segment[4 + 6 + 26] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0};
    make_tiff(segment + 10, false, 274, 3, 1, orientation);
    struct buffer file;
    buffer_init(&file, &memory);
    ck_assert_int_eq(buffer_append(&file, jpeg.data, 2), MD_OK);
    ck_assert_int_eq(buffer_append(&file, segment, sizeof segment), MD_OK);
    ck_assert_int_eq(buffer_append(&file, jpeg.data + 2, jpeg.size - 2), MD_OK);

    md_image upright;
    md_image turned;
    ck_assert_int_eq(image_decode(&upright, &memory, "plain", jpeg.data, jpeg.size), MD_OK);
    ck_assert_int_eq(image_decode(&turned, &memory, "turned", file.data, file.length), MD_OK);
    ck_assert_int_eq(image_orient(&upright, &memory, (int)orientation), MD_OK);
    ck_assert_int_eq(turned.width, upright.width);
    ck_assert_int_eq(turned.width, orientation >= 5 ? 13 : 21);
    ck_assert_mem_eq(turned.data, upright.data, (size_t)turned.stride * (size_t)turned.height);
    image_release(&upright);
    image_release(&turned);
    buffer_free(&file);
    file_bytes_free(&jpeg);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("image/exif", TEST(reads_the_tag), TEST(anything_odd_is_upright),
      TEST(every_cut_and_every_offset_stays_inside), LOOP(png_is_turned_as_by_pillow, 0, 16),
      LOOP(jpeg_is_turned_too, 1, 9))
