/* test_font.c - the built-in letters: each one there, distinct, inside its line, at any height. */
#include <math.h>
#include <string.h>

#include "draw/draw.h"
#include "image/codec.h"
#include "suite.h"

static const struct draw_color ink = {255, 255, 255, 255};

enum { SIDE = 128 };

/* Gray, black ground, the text at (32, 32). */
static void draw_alone(md_image *out, struct memory *memory, const char *text, float height)
{
    ck_assert_int_eq(image_create(out, memory, SIDE, SIDE, MD_GRAY8), MD_OK);
    memset(out->data, 0, SIDE * SIDE);
    draw_text(out, 32, 32, text, height, ink);
}

static uint32_t picture_of(struct memory *memory, const char *text, float height)
{
    md_image image;
    draw_alone(&image, memory, text, height);
    uint32_t crc = png_crc(0, image.data, SIDE * SIDE);
    image_release(&image);
    return crc;
}

START_TEST(every_character_looks_different)
{
    static const float heights[] = {10, 14, 20, 40};
    struct memory memory;
    memory_init(&memory, NULL);
    uint32_t missing = picture_of(&memory, "\x01", heights[_i]);
    uint32_t seen[128] = {0};
    for (int c = ' '; c <= '~'; c++) {
        seen[c] = picture_of(&memory, (char[]){(char)c, '\0'}, heights[_i]);
        ck_assert_msg(seen[c] != missing, "no shape for '%c'", c);
        for (int d = ' '; d < c; d++)
            ck_assert_msg(seen[d] != seen[c], "'%c' and '%c' look the same at %g", c, d,
                          (double)heights[_i]);
    }
}
END_TEST

/* The top left of "L" is ink, and its top right is not; and so on: catches a table out of order. */
START_TEST(shapes_stand_for_their_characters)
{
    static const struct {
        char text[2];
        bool top_left, top_right, bottom_left, bottom_right;
    } shapes[] = {{"L", true, false, true, true},  {"F", true, true, true, false},
                  {"T", true, true, false, false}, {"H", true, true, true, true},
                  {"7", true, true, false, false}, {"b", true, false, true, false},
                  {"d", false, true, false, true}, {"V", true, true, false, false},
                  {"Z", true, true, true, true},   {"_", false, false, false, false},
                  {"[", true, true, false, false}};
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        md_image image;
        draw_alone(&image, &memory, shapes[i].text, 44); /* one pixel a unit */
        int left = SIDE;
        int right = 0;
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                if (image.data[y * SIDE + x] > 128) {
                    left = x < left ? x : left;
                    right = x > right ? x : right;
                }
        int top = 32 + 7; /* of capitals */
        int bottom = top + 28;
        const bool got[4] = {image.data[top * SIDE + left + 1] > 128,
                             image.data[top * SIDE + right - 1] > 128,
                             image.data[bottom * SIDE + left + 1] > 128,
                             image.data[bottom * SIDE + right - 1] > 128};
        if (shapes[i].text[0] != '[')
            ck_assert_msg(got[0] == shapes[i].top_left && got[1] == shapes[i].top_right &&
                              got[2] == shapes[i].bottom_left && got[3] == shapes[i].bottom_right,
                          "'%s': %d %d %d %d", shapes[i].text, got[0], got[1], got[2], got[3]);
        image_release(&image);
    }
}
END_TEST

START_TEST(letters_stay_in_their_line)
{
    struct memory memory;
    memory_init(&memory, NULL);
    for (float height = 8; height <= 60; height += 3.7f)
        for (int c = '!'; c <= '~'; c++) {
            md_image image;
            const char text[2] = {(char)c, '\0'};
            draw_alone(&image, &memory, text, height);
            float width = draw_text_width(text, height);
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++)
                    if (image.data[y * SIDE + x] > 0) { /* one pixel for the edge of a stroke */
                        ck_assert_msg((float)y >= 31 && (float)y < 33 + height, "'%c' at %g", c,
                                      (double)height);
                        ck_assert_msg((float)x >= 31 && (float)x < 34 + width, "'%c' at %g", c,
                                      (double)height);
                    }
            image_release(&image);
        }
}
END_TEST

/* At one pixel a unit: the strokes reach across the width that the character takes. */
START_TEST(letters_fill_their_width)
{
    struct memory memory;
    memory_init(&memory, NULL);
    for (int c = '!'; c <= '~'; c++) {
        md_image image;
        const char text[2] = {(char)c, '\0'};
        draw_alone(&image, &memory, text, 44);
        int left = SIDE;
        int right = 0;
        for (int i = 0; i < SIDE * SIDE; i++)
            if (image.data[i] > 128) {
                left = i % SIDE < left ? i % SIDE : left;
                right = i % SIDE > right ? i % SIDE : right;
            }
        /* 8 units between strokes, of which a stroke of 3.7 takes half at each side; shapes whose
         * curves do not reach their corners or that keep to digit width take less. */
        int spare = (int)draw_text_width(text, 44) - (right - left + 1);
        ck_assert_msg(spare >= 2 && spare <= (c == '1' ? 16 : 8), "'%c': %d spare", c, spare);
        image_release(&image);
    }
}
END_TEST

START_TEST(width_is_the_sum_of_the_characters)
{
    for (float height = 8; height < 50; height += 5.3f) {
        float sum = draw_text_width("m", height) + draw_text_width("i", height) +
                    draw_text_width("1", height);
        ck_assert_float_eq(draw_text_width("mi1", height), sum);
        for (char digit = '1'; digit <= '9'; digit++) /* columns of numbers stay straight */
            ck_assert_float_eq(draw_text_width((char[]){digit, '\0'}, height),
                               draw_text_width("0", height));
        ck_assert_float_gt(draw_text_width("m", height), draw_text_width("i", height));
        ck_assert_float_gt(draw_text_width(" ", height), 0);
    }
    ck_assert_float_eq(draw_text_width("", 20), 0);
    ck_assert_float_eq(draw_text_width("abc", NAN), 0);
    ck_assert_float_eq(draw_text_width("abc", -1), 0);
}
END_TEST

/* A broken sequence is one unknown character for each byte, and never reads past the zero. */
START_TEST(utf8_whole_and_broken)
{
    struct memory memory;
    memory_init(&memory, NULL);
    float box = draw_text_width("\x01", 20);
    uint32_t missing = picture_of(&memory, "\x01", 20);
    ck_assert_uint_ne(picture_of(&memory, "\xc3\xa4", 20), missing); /* a with two dots */
    ck_assert_uint_ne(picture_of(&memory, "\xc3\xa4", 20), picture_of(&memory, "a", 20));
    ck_assert_uint_eq(picture_of(&memory, "\xe4\xb8\xad", 20), missing); /* a Chinese character */
    ck_assert_float_eq(draw_text_width("\xe4\xb8\xad", 20), box);
    ck_assert_float_eq(draw_text_width("\xf0\x9f\x98\x80", 20), box); /* beyond 16 bits */
    static const char *const broken[] = {"\xc3", "\xff", "\x80", "\xe4", "\xf0", "\xc0"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        ck_assert_float_eq(draw_text_width(broken[i], 20), box);
    ck_assert_float_eq(draw_text_width("\xe4\xb8", 20), 2 * box);
    ck_assert_float_eq(draw_text_width("\xe4"
                                       "a",
                                       20),
                       box + draw_text_width("a", 20));
}
END_TEST

/* Text cut by an edge is the window of the whole text. */
START_TEST(clipped_text_is_a_window)
{
    struct memory memory;
    memory_init(&memory, NULL);
    md_image whole;
    md_image part;
    ck_assert_int_eq(image_create(&whole, &memory, 300, 60, MD_GRAY8), MD_OK);
    ck_assert_int_eq(image_create(&part, &memory, 40, 13, MD_GRAY8), MD_OK);
    memset(whole.data, 0, 300 * 60);
    memset(part.data, 0, 40 * 13);
    draw_text(&whole, 10, 10, "Hamburgefonstiv 0123", 24, ink);
    draw_text(&part, 10 - 61, 10 - 17, "Hamburgefonstiv 0123", 24, ink);
    for (int y = 0; y < 13; y++)
        for (int x = 0; x < 40; x++) /* distances at other coordinates round differently */
            ck_assert_int_le(abs(part.data[y * 40 + x] - whole.data[(y + 17) * 300 + x + 61]), 1);
    image_release(&whole);
    image_release(&part);
}
END_TEST

SUITE("draw/font", LOOP(every_character_looks_different, 0, 4),
      TEST(shapes_stand_for_their_characters), TEST(letters_stay_in_their_line),
      TEST(letters_fill_their_width), TEST(width_is_the_sum_of_the_characters),
      TEST(utf8_whole_and_broken), TEST(clipped_text_is_a_window))
