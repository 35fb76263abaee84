/* test_image.c - pixels to a batch: Pillow's resize, normalisation, channel order, padding. */
#include "suite.h"
#include "support/ops_random.h"

/* Row 0,10,...,70 as an image of `height` equal rows, all channels alike. */
static struct tensor ramp(struct lab *lab, int height)
{
    uint8_t pixels[4 * 8 * 3];
    for (int i = 0; i < height * 8 * 3; i++)
        pixels[i] = (uint8_t)(i / 3 % 8 * 10);
    return lab_u8(lab, SHAPE(height, 8, 3), pixels);
}

/* Golden values of Pillow 9, bilinear: 8 pixels to 5 and to 12. */
static const int SHRUNK[5] = {4, 19, 35, 51, 66};
static const int GROWN[12] = {0, 5, 12, 18, 25, 32, 38, 45, 52, 58, 65, 70};

START_TEST(resizes_as_pillow_does)
{
    struct lab lab;
    lab_open_ref(&lab);
    const int width = _i ? 12 : 5, *want = _i ? GROWN : SHRUNK;
    struct tensor in = ramp(&lab, 4), out = lab_f32(&lab, SHAPE(1, 4, 12, 3), NULL);
    struct image_params params = {4, width, {0, 0, 0}, {1, 1, 1}, false};
    LAB_OK(op_image_to_tensor(lab.stream, &out, 0, &in, &params));
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
    struct tensor in = lab_u8(&lab, SHAPE(1, 2, 3), (uint8_t[]){10, 20, 30, 40, 50, 60});
    struct tensor out = lab_f32(&lab, SHAPE(2, 2, 3, 3), NULL);
    struct image_params params = {1, 2, {1, 2, 3}, {2, 3, 7}, true};
    LAB_OK(op_fill(lab.stream, &out, 5)); /* stands where nothing is written: image 0 */
    LAB_OK(op_image_to_tensor(lab.stream, &out, 1, &in, &params));
    const float *got = lab_floats(&lab, &out);
    const float want[6] = {(30 - 1.f) / 2, (20 - 2.f) / 3, (10 - 3.f) / 7,
                           (60 - 1.f) / 2, (50 - 2.f) / 3, (40 - 3.f) / 7};
    for (int i = 0; i < 18; i++)
        ck_assert_float_eq(got[i], 5);
    for (int i = 0; i < 18; i++)
        ck_assert_float_eq(got[18 + i], i < 6 ? want[i] : 0); /* one float division each: exact */
    lab_close(&lab);
}
END_TEST

START_TEST(bad_sizes_are_refused)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = ramp(&lab, 4), out = lab_f32(&lab, SHAPE(1, 4, 12, 3), NULL);
    struct image_params good = {4, 12, {0}, {1, 1, 1}, false}, tall = good, flat = good;
    tall.height = 5;
    flat.std[1] = 0;
    ck_assert_int_eq(op_image_to_tensor(lab.stream, &out, 0, &in, &tall), MD_EINVAL);
    ck_assert_int_eq(op_image_to_tensor(lab.stream, &out, 0, &in, &flat), MD_EINVAL);
    ck_assert_int_eq(op_image_to_tensor(lab.stream, &out, 1, &in, &good), MD_EINVAL);
    LAB_OK(op_image_to_tensor(lab.stream, &out, 0, &in, &good));
    lab_close(&lab);
}
END_TEST

SUITE("ops/image", LOOP(resizes_as_pillow_does, 0, 2), TEST(normalises_reverses_and_pads),
      TEST(bad_sizes_are_refused))
