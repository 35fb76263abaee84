/* test_sheet.c - contact sheets: where pictures lie, odd captions and keys, sizes that cannot be. */
#include "draw/sheet.h"

#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "suite.h"

enum { WIDE = 60, TALL = 40 };

static uint8_t red[WIDE * TALL * 3];
static struct memory memory;

static struct sheet_cell cell_of(int width, int height, const char *caption)
{
    for (size_t i = 0; i < sizeof red; i++)
        red[i] = i % 3 == 0 ? 255 : 0;
    return (struct sheet_cell){.picture = {red, width, height, 3 * (ptrdiff_t)width, MD_RGB8, NULL},
                               .caption = caption};
}

static bool is_red(const md_image *image, int x, int y)
{
    const uint8_t *pixel = image->data + y * image->stride + 3 * (ptrdiff_t)x;
    return pixel[0] == 255 && pixel[1] == 0 && pixel[2] == 0;
}

/* Pure red is in no letter: of three pictures all pixels are there, in two columns. */
START_TEST(all_pixels_of_all_pictures)
{
    const struct sheet_cell cells[] = {
        cell_of(WIDE, TALL, "one"), cell_of(20, 10, NULL),
        cell_of(30, TALL, "a caption that is much too long \xc3\xa9")};
    const struct sheet_key keys[] = {{"a", {1, 2, 3, 255}},
                                     {"a name that has no room in the line", {1, 2, 3, 255}}};
    const struct sheet sheet = {.cells = cells,
                                .count = 3,
                                .columns = 2,
                                .cell = WIDE,
                                .title = "three",
                                .keys = keys,
                                .key_count = 2};
    md_image out = {0};
    int count = 0;
    int left = 1 << 20, right = -1;
    memory_init(&memory, NULL);
    ck_assert_int_eq(sheet_draw(&out, &memory, &sheet), MD_OK);
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++)
            if (is_red(&out, x, y)) {
                count++;
                left = x < left ? x : left;
                right = x > right ? x : right;
            }
    ck_assert_int_eq(count, WIDE * TALL + 20 * 10 + 30 * TALL);
    ck_assert_int_eq(left, 16);                             /* the edge */
    ck_assert_int_eq(right, 16 + WIDE + 12 + WIDE / 2 + 9); /* the small one is in its middle */
    image_release(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(nothing_to_show)
{
    const struct sheet sheet = {.columns = 3, .cell = 50};
    md_image out = {0};
    memory_init(&memory, NULL);
    ck_assert_int_eq(sheet_draw(&out, &memory, &sheet), MD_OK);
    image_release(&out);
}
END_TEST

START_TEST(sizes_that_cannot_be)
{
    const struct sheet_cell cell = cell_of(WIDE, TALL, "");
    md_image out = {.width = -7};
    memory_init(&memory, NULL);
    struct sheet sheet = {.cells = &cell, .count = 1, .columns = 0, .cell = WIDE};
    ck_assert_int_eq(sheet_draw(&out, &memory, &sheet), MD_EINVAL);
    sheet.columns = 1;
    sheet.cell = WIDE - 1;
    ck_assert_int_eq(sheet_draw(&out, &memory, &sheet), MD_EINVAL);
    sheet.columns = sheet.cell = 1 << 14;
    ck_assert_int_eq(sheet_draw(&out, &memory, &sheet), MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "too large"));
    ck_assert_int_eq(out.width, -7);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("draw/sheet", TEST(all_pixels_of_all_pictures), TEST(nothing_to_show),
      TEST(sizes_that_cannot_be))
