/* test_color.c - colour blends against what numpy 1.24 makes of Detectron2's formulas: of uint8 pixels
 * as float32, source * source_weight + image * weight, clipped to 0..255, astype(uint8). */
#include "data/color.h"

#include <string.h>

#include "suite.h"

enum { WIDTH = 5, HEIGHT = 3, VALUES = WIDTH * HEIGHT * 3, STRIDE = 17 };

static uint8_t bytes[HEIGHT * STRIDE];

/* The rows lie apart, so that what is between them shows who writes there. */
static md_image make_image(void)
{
    memset(bytes, 0xEE, sizeof bytes);
    for (int i = 0; i < VALUES; i++)
        bytes[i / (3 * WIDTH) * STRIDE + i % (3 * WIDTH)] = (uint8_t)(i * 37 + 11);
    return (md_image){bytes, WIDTH, HEIGHT, STRIDE, MD_RGB8, NULL};
}

static void check(const uint8_t want[VALUES])
{
    for (int i = 0; i < VALUES; i++)
        ck_assert_msg(bytes[i / (3 * WIDTH) * STRIDE + i % (3 * WIDTH)] == want[i],
                      "value %d is %d, not %d", i,
                      bytes[i / (3 * WIDTH) * STRIDE + i % (3 * WIDTH)], want[i]);
    for (int y = 0; y < HEIGHT; y++)
        ck_assert(bytes[y * STRIDE + 15] == 0xEE && bytes[y * STRIDE + 16] == 0xEE);
}

START_TEST(brightness)
{
    static const uint8_t BRIGHT[] = {14,  62,  110, 158, 206, 254, 255, 18,  66,  114, 162, 210,
                                     255, 255, 22,  70,  118, 166, 214, 255, 255, 26,  74,  122,
                                     170, 218, 255, 255, 29,  78,  126, 174, 222, 255, 255, 33,
                                     81,  130, 178, 226, 255, 255, 37,  85,  133};
    static const uint8_t DARK[] = {6,   26,  46,  67,  87,  107, 128, 7,   28,  48,  68,  89,
                                   109, 129, 9,   29,  50,  70,  90,  111, 131, 11,  31,  51,
                                   72,  92,  112, 133, 12,  33,  53,  73,  94,  114, 134, 14,
                                   34,  55,  75,  95,  116, 136, 15,  36,  56};
    md_image image = make_image();
    color_brightness(&image, 1.3);
    check(BRIGHT);
    image = make_image();
    color_brightness(&image, 0.55);
    check(DARK);
}
END_TEST

START_TEST(contrast)
{
    static const uint8_t MORE[] = {0,   0,   56,  119, 182, 245, 255, 0,   0,   61,  124, 187,
                                   250, 255, 0,   4,   67,  129, 192, 255, 255, 0,   9,   72,
                                   135, 197, 255, 255, 0,   14,  77,  140, 203, 255, 255, 0,
                                   19,  82,  145, 208, 255, 255, 0,   24,  87};
    static const uint8_t LESS[] = {79,  94,  109, 123, 138, 153, 168, 80,  95,  110, 125, 139,
                                   154, 169, 81,  96,  111, 126, 141, 155, 170, 83,  97,  112,
                                   127, 142, 157, 171, 84,  99,  113, 128, 143, 158, 173, 85,
                                   100, 115, 129, 144, 159, 174, 86,  101, 116};
    md_image image = make_image();
    color_contrast(&image, 1.7);
    check(MORE);
    image = make_image();
    color_contrast(&image, 0.4);
    check(LESS);
}
END_TEST

START_TEST(saturation)
{
    static const uint8_t MORE[] = {0,   53,  120, 97,  164, 231, 255, 0,   24,  63,  130, 197,
                                   198, 255, 0,   29,  96,  163, 140, 207, 255, 0,   62,  129,
                                   106, 173, 240, 255, 0,   33,  72,  139, 206, 207, 255, 0,
                                   38,  105, 172, 149, 216, 255, 4,   71,  138};
    static const uint8_t LESS[] = {33,  42,  52,  144, 153, 163, 121, 66,  75,  110, 119, 129,
                                   199, 208, 154, 76,  85,  95,  187, 196, 206, 42,  51,  61,
                                   153, 162, 172, 130, 75,  84,  119, 128, 138, 208, 217, 163,
                                   85,  94,  104, 196, 205, 215, 51,  60,  70};
    md_image image = make_image();
    color_saturation(&image, 1.8);
    check(MORE);
    image = make_image();
    color_saturation(&image, 0.25);
    check(LESS);
}
END_TEST

/* Weights of 30, -120 and 75 levels. */
START_TEST(lighting)
{
    static const uint8_t SHIFTED[] = {5,   43,  82,  116, 154, 193, 227, 9,   48,  82,  120, 159,
                                      193, 231, 14,  48,  86,  125, 159, 197, 236, 14,  52,  91,
                                      125, 163, 202, 236, 18,  57,  91,  129, 168, 202, 240, 23,
                                      57,  95,  134, 168, 206, 245, 23,  61,  100};
    md_image image = make_image();
    color_lighting(&image, (double[]){30, -120, 75});
    check(SHIFTED);
}
END_TEST

START_TEST(extremes_stay_within_the_levels)
{
    md_image image = make_image();
    color_brightness(&image, 1e6);
    ck_assert(bytes[0] == 255 && bytes[1] == 255);
    image = make_image();
    color_contrast(&image, 1e6);
    ck_assert(bytes[0] == 0 && bytes[5] == 255);
    image = make_image();
    color_saturation(&image, 1e6);
    ck_assert(bytes[0] == 0 && bytes[2] == 255);
    image = make_image();
    color_lighting(&image, (double[]){1e9, 0, 0}); /* all three components of it are negative */
    ck_assert(bytes[0] == 0 && bytes[5] == 0);
    image = make_image();
    color_brightness(&image, 0);
    ck_assert(bytes[0] == 0 && bytes[5] == 0);
}
END_TEST

SUITE("data/color", TEST(brightness), TEST(contrast), TEST(saturation), TEST(lighting),
      TEST(extremes_stay_within_the_levels))
