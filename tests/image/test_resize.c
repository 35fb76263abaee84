/* test_resize.c - the resize against Pillow's bytes, its weights, and Detectron2's output sizes. */
#include <string.h>

#include "image/codec.h"
#include "image/resize.h"
#include "suite.h"
#include "support/failing_memory.h"

/* The same formula made the pictures that Pillow resized. */
static void make_pattern(md_image *out, struct memory *memory, int width, int height, int channels)
{
    ck_assert_int_eq(image_create(out, memory, width, height, channels == 1 ? MD_GRAY8 : MD_RGB8),
                     MD_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                out->data[y * out->stride + x * channels + c] =
                    (uint8_t)((x * 37 + y * 101 + c * 59 + x * y * 7) & 255);
}

static uint32_t crc_of(const md_image *image)
{
    return png_crc(0, image->data, (size_t)image->stride * (size_t)image->height);
}

START_TEST(one_row_as_pillow)
{
    static const uint8_t row[8] = {0, 10, 20, 30, 40, 50, 60, 70};
    static const uint8_t to_5[5] = {4, 19, 35, 51, 66};
    static const uint8_t to_12[12] = {0, 5, 12, 18, 25, 32, 38, 45, 52, 58, 65, 70};
    struct memory memory;
    memory_init(&memory, NULL);
    struct resize_axis axis;
    uint8_t out[12];
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 8, 5), MD_OK);
    resize_row_horizontal(out, row, &axis, 1);
    ck_assert_mem_eq(out, to_5, 5);
    resize_axis_free(&axis);
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 8, 12), MD_OK);
    resize_row_horizontal(out, row, &axis, 1);
    ck_assert_mem_eq(out, to_12, 12);
    for (int y = 0; y < 12; y++) { /* a column one byte wide is the same problem */
        uint8_t one;
        resize_row_vertical(&one, row, 1, &axis, y, 1);
        ck_assert_uint_eq(one, to_12[y]);
    }
    resize_axis_free(&axis);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(weights_as_pillow)
{
    static const int first[5] = {0, 1, 2, 4, 6};
    static const int count[5] = {2, 3, 4, 3, 2};
    static const int32_t weight[5][4] = {{2478452, 1715852},
                                         {1087412, 2330169, 776723},
                                         {174763, 1922389, 1922389, 174763},
                                         {776723, 2330169, 1087412},
                                         {1715852, 2478452}};
    struct memory memory;
    memory_init(&memory, NULL);
    struct resize_axis axis;
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 8, 5), MD_OK);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(axis.first[i], first[i]);
        ck_assert_int_eq(axis.count[i], count[i]);
        for (int k = 0; k < count[i]; k++)
            ck_assert_int_eq(axis.weight[i * axis.width + k], weight[i][k]);
    }
    resize_axis_free(&axis);
}
END_TEST

/* CRC-32 of Image.resize((out_width, out_height), BILINEAR) of Pillow 12.0 on the same pattern. */
static const struct {
    int width, height, out_width, out_height, channels;
    uint32_t crc;
} goldens[] = {
    {64, 48, 96, 72, 3, 0xb88343ea},      {64, 48, 31, 23, 3, 0x24a0ef77},
    {100, 60, 37, 91, 3, 0xd045c611},     {37, 91, 100, 60, 3, 0x166f25d0},
    {200, 3, 7, 50, 3, 0x0821022c},       {3, 200, 50, 7, 1, 0x72a41af0},
    {1, 1, 5, 4, 3, 0x6d09b1e6},          {40, 50, 1, 1, 3, 0xf8812330},
    {97, 61, 97, 30, 3, 0x95ae3d35},      {97, 61, 30, 61, 1, 0x5755d9dd},
    {640, 427, 1199, 800, 3, 0x24b8d348}, {427, 640, 800, 1199, 3, 0xdb363575},
    {1333, 50, 900, 34, 3, 0x17a9b7f7},   {129, 65, 128, 64, 1, 0xd0593f56},
};

START_TEST(whole_images_as_pillow)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image in;
    md_image out;
    make_pattern(&in, &memory, goldens[_i].width, goldens[_i].height, goldens[_i].channels);
    ck_assert_int_eq(
        image_resize(&out, &memory, &in, goldens[_i].out_width, goldens[_i].out_height), MD_OK);
    ck_assert_int_eq(out.width, goldens[_i].out_width);
    ck_assert_int_eq(out.height, goldens[_i].out_height);
    ck_assert_uint_eq(crc_of(&out), goldens[_i].crc);
    image_release(&in);
    image_release(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(same_size_is_a_copy_and_strides_are_kept)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image whole;
    make_pattern(&whole, &memory, 64, 48, 3);
    md_image part = whole; /* lent pixels: a window into the picture */
    part.data += 5 * whole.stride + 7 * 3;
    part.width = 20;
    part.height = 30;
    part.owner = NULL;
    md_image packed;
    ck_assert_int_eq(image_resize(&packed, &memory, &part, 20, 30), MD_OK);
    ck_assert_int_eq((int)packed.stride, 60);
    for (int y = 0; y < 30; y++)
        ck_assert_mem_eq(packed.data + y * 60, part.data + y * part.stride, 60);
    md_image a;
    md_image b;
    ck_assert_int_eq(image_resize(&a, &memory, &part, 33, 17), MD_OK);
    ck_assert_int_eq(image_resize(&b, &memory, &packed, 33, 17), MD_OK);
    ck_assert_uint_eq(crc_of(&a), crc_of(&b));
    image_release(&a);
    image_release(&b);
    image_release(&packed);
    image_release(&part); /* lent: nothing to free */
    image_release(&whole);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_flat_picture_stays_flat)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image white;
    md_image out;
    ck_assert_int_eq(image_create(&white, &memory, 777, 13, MD_RGBA8), MD_OK);
    memset(white.data, 255, (size_t)white.stride * 13); /* the largest sums there are */
    ck_assert_int_eq(image_resize(&out, &memory, &white, 31, 29), MD_OK);
    for (int i = 0; i < 31 * 29 * 4; i++)
        ck_assert_uint_eq(out.data[i], 255);
    image_release(&white);
    image_release(&out);
}
END_TEST

START_TEST(absurd_lengths_are_refused)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct resize_axis axis;
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 0, 5), MD_EINVAL);
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 5, -1), MD_EINVAL);
    ck_assert_int_eq(resize_axis_create(&axis, &memory, 5, INT32_MAX), MD_EINVAL);
    md_image in;
    md_image out;
    make_pattern(&in, &memory, 4, 4, 3);
    ck_assert_int_eq(image_resize(&out, &memory, &in, 4, 0), MD_EINVAL);
    ck_assert_int_eq(image_resize(&out, &memory, &in, 70000, 70000), MD_EINVAL);
    image_release(&in);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failure_of_memory_leaks)
{
    struct memory plain;
    memory_init(&plain, NULL);
    md_image in;
    make_pattern(&in, &plain, 9, 7, 3);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_image out;
        md_status st = image_resize(&out, &failing.memory, &in, 5, 11);
        if (st == MD_OK)
            image_release(&out);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    image_release(&in);
}
END_TEST

/* Detectron2's ResizeShortestEdge, longest side 1333. */
START_TEST(sizes_as_detectron2)
{
    static const int sizes[][6] = {
        /* height, width, then height and width for 800 and for 640 */
        {480, 640, 800, 1067, 640, 853},    {640, 480, 1067, 800, 853, 640},
        {426, 640, 800, 1202, 640, 962},    {427, 640, 800, 1199, 640, 959},
        {333, 500, 800, 1201, 640, 961},    {375, 500, 800, 1067, 640, 853},
        {1080, 1920, 750, 1333, 640, 1138}, {2000, 600, 1333, 400, 1333, 400},
        {500, 500, 800, 800, 640, 640},     {100, 1000, 133, 1333, 133, 1333},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int s = 0; s < 2; s++) {
            int height;
            int width;
            resize_shortest_edge(&height, &width, sizes[i][0], sizes[i][1], s ? 640 : 800, 1333);
            ck_assert_int_eq(height, sizes[i][2 + 2 * s]);
            ck_assert_int_eq(width, sizes[i][3 + 2 * s]);
        }
    int height;
    int width;
    resize_shortest_edge(&height, &width, 123, 45, 0, 1333);
    ck_assert_int_eq(height, 123);
    ck_assert_int_eq(width, 45);
}
END_TEST

SUITE("image/resize", TEST(one_row_as_pillow), TEST(weights_as_pillow),
      LOOP(whole_images_as_pillow, 0, sizeof goldens / sizeof goldens[0]),
      TEST(same_size_is_a_copy_and_strides_are_kept), TEST(a_flat_picture_stays_flat),
      TEST(absurd_lengths_are_refused), TEST(no_failure_of_memory_leaks), TEST(sizes_as_detectron2))
