/* test_image.c - pixels to a batch: Pillow's resize, normalisation, channel order, padding. */
#include "suite.h"
#include "support/ops_random.h"

/* Row 0,10,...,70 as an image of 4 equal rows, all channels alike; and room behind it. */
static struct tensor ramp(struct lab *lab)
{
    uint8_t pixels[4 * 8 * 3 + 5] = {0};
    for (int i = 0; i < 4 * 8 * 3; i++)
        pixels[i] = (uint8_t)(i / 3 % 8 * 10);
    return lab_u8(lab, SHAPE(1, sizeof pixels), pixels);
}

static struct tensor sizes_of(struct lab *lab, int height, int width)
{
    return lab_i32(lab, SHAPE(1, 2), (int32_t[]){height, width});
}

/* Golden values of Pillow 9, bilinear: 8 pixels to 5 and to 12. */
static const int SHRUNK[5] = {4, 19, 35, 51, 66};
static const int GROWN[12] = {0, 5, 12, 18, 25, 32, 38, 45, 52, 58, 65, 70};

START_TEST(resizes_as_pillow_does)
{
    struct lab lab;
    lab_open_ref(&lab);
    const int width = _i ? 12 : 5, *want = _i ? GROWN : SHRUNK;
    struct tensor in = ramp(&lab), out = lab_f32(&lab, SHAPE(1, 4, 12, 3), NULL);
    struct tensor from = sizes_of(&lab, 4, 8), to = sizes_of(&lab, 4, width);
    struct image_params params = {{0, 0, 0}, {1, 1, 1}, false};
    LAB_OK(op_images_to_tensor(lab.stream, &out, &in, &from, &to, &params));
    const float *got = lab_floats(&lab, &out);
    for (int i = 0; i < 4 * 12 * 3; i++)
        ck_assert_float_eq(got[i], i / 3 % 12 < width ? (float)want[i / 3 % 12] : 0);
    lab_close(&lab);
}
END_TEST

START_TEST(normalises_reverses_and_pads)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Two images, 1x1 and 1x2, each in a row of 6 bytes. */
    struct tensor in =
        lab_u8(&lab, SHAPE(2, 6), (uint8_t[]){7, 8, 9, 0, 0, 0, 10, 20, 30, 40, 50, 60});
    struct tensor sizes = lab_i32(&lab, SHAPE(2, 2), (int32_t[]){1, 1, 1, 2});
    struct tensor out = lab_f32(&lab, SHAPE(2, 2, 3, 3), NULL);
    struct image_params params = {{1, 2, 3}, {2, 3, 7}, true};
    LAB_OK(op_fill(lab.stream, &out, 5)); /* stands where nothing is written */
    LAB_OK(op_images_to_tensor(lab.stream, &out, &in, &sizes, &sizes, &params));
    const float *got = lab_floats(&lab, &out);
    const float first[3] = {(9 - 1.f) / 2, (8 - 2.f) / 3, (7 - 3.f) / 7};
    const float want[6] = {(30 - 1.f) / 2, (20 - 2.f) / 3, (10 - 3.f) / 7,
                           (60 - 1.f) / 2, (50 - 2.f) / 3, (40 - 3.f) / 7};
    for (int i = 0; i < 18; i++)
        ck_assert_float_eq(got[i], i < 3 ? first[i] : 0);
    for (int i = 0; i < 18; i++)
        ck_assert_float_eq(got[18 + i], i < 6 ? want[i] : 0); /* one float division each: exact */
    lab_close(&lab);
}
END_TEST

/* from height, from width, height, width */
static const int BAD[][4] = {{4, 8, 5, 12}, {4, 8, 4, 13}, {4, 8, 0, 1},   {4, 8, 1, -1},
                             {0, 8, 1, 1},  {4, 9, 1, 1},  {-1, -1, 1, 1}, {65536, 65536, 1, 1}};

START_TEST(bad_sizes_are_refused)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = ramp(&lab), out = lab_f32(&lab, SHAPE(1, 4, 12, 3), NULL);
    struct image_params good = {{0}, {1, 1, 1}, false}, flat = good;
    struct tensor right = sizes_of(&lab, 4, 8), large = sizes_of(&lab, 4, 12);
    flat.std[1] = 0;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct tensor from = sizes_of(&lab, BAD[i][0], BAD[i][1]);
        struct tensor to = sizes_of(&lab, BAD[i][2], BAD[i][3]);
        ck_assert_int_eq(op_images_to_tensor(lab.stream, &out, &in, &from, &to, &good), MD_EINVAL);
    }
    ck_assert_int_eq(op_images_to_tensor(lab.stream, &out, &in, &right, &large, &flat), MD_EINVAL);
    LAB_OK(op_images_to_tensor(lab.stream, &out, &in, &right, &large, &good));
    lab_close(&lab);
}
END_TEST

SUITE("ops/image", LOOP(resizes_as_pillow_does, 0, 2), TEST(normalises_reverses_and_pads),
      TEST(bad_sizes_are_refused))
