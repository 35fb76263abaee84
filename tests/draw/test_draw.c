/* test_draw.c - fills, lines, boxes and labels: coverage, formats, and coordinates of any size. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "draw/draw.h"
#include "image/image.h"
#include "suite.h"

static const struct draw_color white = {255, 255, 255, 255};

static void make_black(md_image *out, struct memory *memory, int width, int height,
                       md_pixel_format format)
{
    ck_assert_int_eq(image_create(out, memory, width, height, format), MD_OK);
    memset(out->data, 0, (size_t)out->stride * (size_t)height);
}

static int at(const md_image *image, int x, int y)
{
    return image->data[y * image->stride + x * image_channels(image->format)];
}

static double sum_of(const md_image *image)
{
    double sum = 0.0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            sum += at(image, x, y);
    return sum / 255.0;
}

START_TEST(fill_covers_parts_of_pixels)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    make_black(&image, &memory, 8, 8, MD_GRAY8);
    draw_fill(&image, 2.5f, 3.0f, 5.25f, 4.5f, white);
    ck_assert_int_eq(at(&image, 2, 3), 128); /* half a pixel */
    ck_assert_int_eq(at(&image, 3, 3), 255);
    ck_assert_int_eq(at(&image, 5, 3), 64); /* a quarter */
    ck_assert_int_eq(at(&image, 3, 4), 128);
    ck_assert_int_eq(at(&image, 2, 4), 64);
    ck_assert_int_eq(at(&image, 1, 3), 0);
    ck_assert_int_eq(at(&image, 6, 3), 0);
    ck_assert_int_eq(at(&image, 3, 5), 0);
    draw_fill(&image, 0, 0, 1, 1, (struct draw_color){255, 255, 255, 51}); /* a fifth */
    ck_assert_int_eq(at(&image, 0, 0), 51);
    image_release(&image);
}
END_TEST

START_TEST(channels_follow_the_format)
{
    static const md_pixel_format formats[5] = {MD_RGB8, MD_BGR8, MD_RGBA8, MD_BGRA8, MD_GRAY8};
    /* gray: 0.299 * 10 + 0.587 * 20 + 0.114 * 200 = 37.5 */
    static const uint8_t wanted[5][4] = {
        {10, 20, 200}, {200, 20, 10}, {10, 20, 200, 255}, {200, 20, 10, 255}, {38}};
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    make_black(&image, &memory, 2, 2, formats[_i]);
    draw_fill(&image, 0, 0, 2, 2, (struct draw_color){10, 20, 200, 255});
    ck_assert_mem_eq(image.data, wanted[_i], (size_t)image_channels(formats[_i]));
    image_release(&image);
}
END_TEST

START_TEST(lines_have_their_area)
{
    static const float ends[][4] = {
        {20, 20, 80, 20}, {20, 20, 20, 80}, {20, 25, 83, 61}, {80, 30, 25, 77}};
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        for (float width = 1.0f; width < 6.0f; width += 1.5f) {
            md_image image;
            make_black(&image, &memory, 100, 100, MD_GRAY8);
            draw_line(&image, ends[i][0], ends[i][1], ends[i][2], ends[i][3], width, white);
            double length = hypot((double)ends[i][2] - (double)ends[i][0],
                                  (double)ends[i][3] - (double)ends[i][1]);
            double area = length * (double)width + 3.14159 / 4.0 * (double)width * (double)width;
            /* Coverage by distance is exact for straight edges only on average; the round ends of
             * thin lines come out up to a pixel larger. */
            ck_assert_double_eq_tol(sum_of(&image), area, 1.0 + 0.02 * area);
            image_release(&image);
        }
}
END_TEST

START_TEST(a_line_is_the_same_from_both_ends_and_clipped_like_a_window)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image whole;
    md_image part;
    make_black(&whole, &memory, 90, 90, MD_GRAY8);
    make_black(&part, &memory, 30, 30, MD_GRAY8);
    draw_line(&whole, -40, 10, 100, 75, 3, white);
    draw_line(&part, 100 - 30, 75 - 30, -40 - 30, 10 - 30, 3, white); /* the window at (30, 30) */
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 30; x++) /* clipping moves the ends, which rounds */
            ck_assert_int_le(abs(at(&part, x, y) - at(&whole, x + 30, y + 30)), 1);
    ck_assert_double_gt(sum_of(&part), 50.0);
    image_release(&whole);
    image_release(&part);
}
END_TEST

START_TEST(box_is_an_outline_painted_once)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    make_black(&image, &memory, 40, 40, MD_GRAY8);
    draw_box(&image, 30, 25, 10, 5, 2,
             (struct draw_color){255, 255, 255, 128}); /* corners in any order */
    ck_assert_int_eq(at(&image, 20, 15), 0);
    for (int i = 9; i <= 30; i++) {
        ck_assert_int_eq(at(&image, i, 4), 128);
        ck_assert_int_eq(at(&image, i, 25), 128);
    }
    for (int i = 4; i <= 25; i++) { /* the corners too: nothing is blended twice */
        ck_assert_int_eq(at(&image, 9, i), 128);
        ck_assert_int_eq(at(&image, 30, i), 128);
    }
    ck_assert_int_eq(at(&image, 8, 15), 0);
    ck_assert_int_eq(at(&image, 11, 15), 0);
    image_release(&image);
}
END_TEST

static void draw_everything(md_image *image, float x0, float y0, float x1, float y1, float size)
{
    draw_fill(image, x0, y0, x1, y1, white);
    draw_line(image, x0, y0, x1, y1, size, white);
    draw_box(image, x0, y0, x1, y1, size, white);
    draw_text(image, x0, y0, "text", size, white);
    draw_labelled_box(image, x0, y0, x1, y1, "label", &(struct draw_style){.color = white});
}

/* One value in each of the five places, the others plain: inside an image lent in the middle of a
 * guard zone, that nothing may touch. */
START_TEST(any_float_is_safe)
{
    static const float values[] = {0.0f,           -0.5f, 1e9f,  -1e9f,    FLT_MAX,   -FLT_MAX,
                                   FLT_MIN,        NAN,   -NAN,  INFINITY, -INFINITY, 2147483648.0f,
                                   -2147483649.0f, 9.99f, 10.01f};
    struct memory memory;
    memory_init(&memory, NULL);
    md_image guard;
    make_black(&guard, &memory, 30, 30, MD_RGB8);
    md_image image = guard;
    image.data += 10 * guard.stride + 10 * 3;
    image.width = 10;
    image.height = 10;
    enum { VALUES = sizeof values / sizeof values[0] };
    for (int a = 0; a < VALUES; a++)
        for (int b = 0; b < VALUES; b++)
            for (int place = 0; place < 5; place++) {
                float v[5] = {2, 3, 7, 8, 2};
                v[place] = values[a];
                v[(place + 2) % 5] = values[b];
                draw_everything(&image, v[0], v[1], v[2], v[3], v[4]);
            }
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 30; x++)
            if (x < 10 || x >= 20 || y < 10 || y >= 20)
                ck_assert_int_eq(at(&guard, x, y), 0);
    image_release(&guard);
}
END_TEST

START_TEST(what_is_not_finite_is_not_drawn)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image image;
    make_black(&image, &memory, 20, 20, MD_RGB8);
    for (int place = 0; place < 4; place++) {
        float v[4] = {2, 3, 17, 18};
        v[place] = place % 2 ? NAN : INFINITY;
        draw_fill(&image, v[0], v[1], v[2], v[3], white);
        draw_line(&image, v[0], v[1], v[2], v[3], 2, white);
        draw_box(&image, v[0], v[1], v[2], v[3], 2, white);
        draw_labelled_box(&image, v[0], v[1], v[2], v[3], "x",
                          &(struct draw_style){.color = white});
    }
    draw_text(&image, NAN, 2, "text", 12, white);
    draw_line(&image, 2, 2, 9, 9, NAN, white);
    draw_fill(&image, 30, 30, 90, 90, white); /* beside the picture */
    draw_fill(&image, -30, -30, -1, -1, white);
    draw_line(&image, -5, 40, 50, 41, 3, white);
    ck_assert(sum_of(&image) == 0.0);
    image_release(&image);
}
END_TEST

/* The tag of a box at any place, also far outside, lies wholly inside the picture. */
START_TEST(tags_stay_inside)
{
    static const float corners[][2] = {{50, 40},   {-30, -30}, {280, 180},
                                       {280, -20}, {-20, 180}, {0, 0}};
    const struct draw_style style = {.line_width = 2, .text_height = 16, .color = {0, 200, 0, 255}};
    struct memory memory;
    memory_init(&memory, NULL);
    int area = 0;
    for (size_t i = 0; i < sizeof corners / sizeof corners[0]; i++) {
        md_image image;
        make_black(&image, &memory, 300, 200, MD_RGB8);
        draw_labelled_box(&image, corners[i][0], corners[i][1], corners[i][0] + 40,
                          corners[i][1] + 30, "mask 97%", &style);
        int dark = 0; /* pixels of the dark letters have neither much green nor are untouched */
        for (int y = 0; y < 200; y++)
            for (int x = 0; x < 300; x++)
                dark += image.data[y * image.stride + x * 3] > 10;
        if (i == 0)
            area = dark;
        ck_assert_int_gt(area, 50);
        ck_assert_int_eq(dark, area); /* all letters are there */
        image_release(&image);
    }
}
END_TEST

START_TEST(class_colors_differ)
{
    for (int a = 0; a < 21; a++)
        for (int b = 0; b < a; b++) {
            struct draw_color p = draw_class_color(a);
            struct draw_color q = draw_class_color(b);
            ck_assert_int_gt(abs(p.r - q.r) + abs(p.g - q.g) + abs(p.b - q.b), 30);
            ck_assert_int_eq(p.a, 255);
        }
    struct draw_color first = draw_class_color(0);
    struct draw_color again = draw_class_color(21);
    ck_assert_mem_eq(&first, &again, sizeof first);
    draw_class_color(-1);
    draw_class_color(INT32_MIN);
}
END_TEST

SUITE("draw/draw", TEST(fill_covers_parts_of_pixels), LOOP(channels_follow_the_format, 0, 5),
      TEST(lines_have_their_area),
      TEST(a_line_is_the_same_from_both_ends_and_clipped_like_a_window),
      TEST(box_is_an_outline_painted_once), TEST(any_float_is_safe),
      TEST(what_is_not_finite_is_not_drawn), TEST(tags_stay_inside), TEST(class_colors_differ))
