/* test_error_picture.c - the crop around an error: what it shows, and boxes of any size. */
#include "report/error_picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { SIDE = 320, HEIGHT = 368 };

static md_image gray_image(struct memory *memory, int width, int height)
{
    md_image image;
    ck_assert_int_eq(image_create(&image, memory, width, height, MD_RGB8), MD_OK);
    memset(image.data, 128, (size_t)image.stride * (size_t)image.height);
    return image;
}

static md_image drawn(struct memory *memory, const md_image *image,
                      const struct error_picture *picture)
{
    md_image out;
    md_status st = error_picture_draw(&out, memory, image, picture, SIDE);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(out.width, SIDE);
    ck_assert_int_eq(out.height, HEIGHT);
    return out;
}

static void check_pixel(const md_image *image, int x, int y, int r, int g, int b)
{
    const uint8_t *pixel = image->data + y * image->stride + 3 * (ptrdiff_t)x;
    ck_assert_msg(pixel[0] == r && pixel[1] == g && pixel[2] == b, "(%d, %d) is %d, %d, %d", x, y,
                  pixel[0], pixel[1], pixel[2]);
}

/* 40 pixels with 35 % around them are 68: from 16 to 84, and 320 / 68 times as large. */
START_TEST(boxes_lie_where_they_should)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image = gray_image(&memory, 100, 100);
    const double detection[4] = {30, 30, 40, 40}, truth[4] = {40, 40, 20, 20};
    const struct annotation others[] = {{.xywh = {20, 20, 10, 10}}};
    const double scale = SIDE / 68.;
    struct error_picture picture = {.detection = detection,
                                    .truth = truth,
                                    .truths = others,
                                    .truth_count = 1,
                                    .detection_text = "a 0.50",
                                    .truth_text = "b",
                                    .type = "class"};
    md_image out = drawn(&memory, &image, &picture);
    check_pixel(&out, SIDE / 2, SIDE / 2, 128, 128, 128);
    check_pixel(&out, (int)((30 - 16) * scale), SIDE / 2, 213, 94, 0);
    check_pixel(&out, SIDE / 2, (int)((70 - 16) * scale), 213, 94, 0);
    check_pixel(&out, (int)((40 - 16) * scale), SIDE / 2, 0, 158, 115);
    check_pixel(&out, (int)((20 - 16) * scale), (int)((25 - 16) * scale), 0, 158, 115);
    /* the keys stand in their lines, whichever comes first */
    check_pixel(&out, 10, SIDE + 10, 213, 94, 0);
    check_pixel(&out, 10, SIDE + 31, 0, 158, 115);
    image_release(&out);
    picture.truth_first = true;
    out = drawn(&memory, &image, &picture);
    check_pixel(&out, 10, SIDE + 10, 0, 158, 115);
    check_pixel(&out, 10, SIDE + 31, 213, 94, 0);
    image_release(&out);
    picture.detection = NULL; /* without a box, no key */
    out = drawn(&memory, &image, &picture);
    check_pixel(&out, 10, SIDE + 31, 255, 255, 255);
    check_pixel(&out, (int)((50 - 26) * SIDE / 48.), SIDE / 2, 128, 128, 128);
    image_release(&out);
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* A corner of the image is shown without anything beyond it; a flat image leaves a field free. */
START_TEST(crops_stay_inside_the_image)
{
    struct memory memory;
    memory_init(&memory, NULL);
    const double corner[4] = {90, 90, 20, 20}, wide[4] = {0, 0, 100, 10};
    struct error_picture picture = {.detection = corner, .type = "background"};
    md_image image = gray_image(&memory, 100, 100);
    md_image out = drawn(&memory, &image, &picture);
    check_pixel(&out, 0, 0, 128, 128, 128);
    check_pixel(&out, SIDE - 8, SIDE - 8, 128, 128, 128);
    check_pixel(&out, (int)((90 - 52) * SIDE / 48.), SIDE - 30, 213, 94, 0); /* 52 to 100 */
    image_release(&out);
    image_release(&image);
    image = gray_image(&memory, 100, 20);
    picture.detection = wide;
    out = drawn(&memory, &image, &picture);
    check_pixel(&out, SIDE / 2, 100, 225, 225, 225); /* 100 x 20 are 320 x 64: from 128 to 192 */
    check_pixel(&out, SIDE / 2, 185, 128, 128, 128);
    check_pixel(&out, SIDE / 2, 128 + 32, 213, 94, 0); /* the lower edge, at 10 of 20 */
    image_release(&out);
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(any_box_and_image_gives_a_picture)
{
    static const double boxes[][4] = {{1e300, 1e300, 1e300, 1e300},
                                      {-1e300, -1e300, 1e300, 1e300},
                                      {-50, -50, 10, 10},
                                      {0, 0, 0, 0},
                                      {-1e9, -1e9, 2e9, 2e9},
                                      {5, 5, -3, -3},
                                      {1e6, 0, 1, 1e6},
                                      {0.2, 0.2, 1e-300, 1e-300}};
    static const int sizes[][2] = {{1, 1}, {1, 4000}, {4000, 1}, {50, 40}};
    struct memory memory;
    memory_init(&memory, NULL);
    struct error_picture picture = {.type = "localisation"};
    memset(picture.detection_text, 'W', ERROR_LINE_BYTES - 1); /* much too long a name */
    memset(picture.truth_text, 0xE9, ERROR_LINE_BYTES - 1);    /* and no UTF-8 */
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        md_image image = gray_image(&memory, sizes[s][0], sizes[s][1]);
        for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
            picture.detection = boxes[i];
            picture.truth = boxes[(i + 3) % (sizeof boxes / sizeof boxes[0])];
            md_image out = drawn(&memory, &image, &picture);
            image_release(&out);
        }
        image_release(&image);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image = gray_image(&memory, 100, 100);
    const double box[4] = {10, 10, 20, 20};
    const struct error_picture picture = {.truth = box, .type = "missed"};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        md_image out;
        failing_memory_init(&failing, k);
        md_status st = error_picture_draw(&out, &failing.memory, &image, &picture, SIDE);
        if (st == MD_OK)
            image_release(&out);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    image_release(&image);
}
END_TEST

SUITE("report/error_picture", TEST(boxes_lie_where_they_should), TEST(crops_stay_inside_the_image),
      TEST(any_box_and_image_gives_a_picture), TEST(no_failed_allocation_leaks))
