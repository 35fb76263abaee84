/* test_fingerprint.c - near for one picture scaled, encoded or lit otherwise; far for others; blank ones. */
#include <string.h>

#include "core/error.h"
#include "data/dataset.h"
#include "image/fingerprint.h"
#include "image/image.h"
#include "image/resize.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

enum { PICTURES = 24 };

static struct memory memory;

static uint64_t fingerprint(const md_image *image)
{
    uint64_t out = 0;
    ck_assert_msg(image_fingerprint(&out, &memory, image) == MD_OK, "%s", error_text());
    return out;
}

/* Drawn scenes: photographs cannot be part of the tests. */
static void draw_scenes(md_image out[PICTURES])
{
    struct dataset *toy = NULL;
    memory_init(&memory, NULL);
    ck_assert_int_eq(dataset_open_toy(&toy, &memory, PICTURES, 5), MD_OK);
    for (size_t i = 0; i < PICTURES; i++)
        ck_assert_int_eq(dataset_read_image(toy, i, &memory, &out[i]), MD_OK);
    dataset_free(toy);
}

static void done(md_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_release(&images[i]);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

/* What scaling, an encoder and light change: at most 6 of 64 bits here; unrelated pictures differ in
 * 32 on average and 12 is more than 5 standard deviations below that for independent bits. */
START_TEST(one_picture_stays_near_and_others_far)
{
    md_image images[PICTURES];
    uint64_t prints[PICTURES];
    draw_scenes(images);
    for (int i = 0; i < PICTURES; i++) {
        md_image half, again;
        prints[i] = fingerprint(&images[i]);
        ck_assert_int_eq(
            image_resize(&half, &memory, &images[i], images[i].width / 2, images[i].height * 3 / 5),
            MD_OK);
        ck_assert_int_le(fingerprint_distance(prints[i], fingerprint(&half)), 6);
        ck_assert_int_eq(image_save(&half, &memory, temp_path("half.jpg")), MD_OK);
        ck_assert_int_eq(image_load(&again, &memory, temp_path("half.jpg")), MD_OK);
        ck_assert_int_le(fingerprint_distance(prints[i], fingerprint(&again)), 6);
        for (ptrdiff_t k = 0; k < images[i].stride * images[i].height; k++)
            images[i].data[k] = (uint8_t)(images[i].data[k] * 3 / 4 + 20);
        ck_assert_int_le(fingerprint_distance(prints[i], fingerprint(&images[i])), 6);
        image_release(&half);
        image_release(&again);
    }
    for (int i = 0; i < PICTURES; i++)
        for (int k = 0; k < i; k++)
            ck_assert_int_ge(fingerprint_distance(prints[i], prints[k]), 12);
    done(images, PICTURES);
}
END_TEST

START_TEST(blank_pictures_have_no_bits)
{
    md_image image;
    memory_init(&memory, NULL);
    for (int value = 0; value <= 255; value += 51) {
        ck_assert_int_eq(image_create(&image, &memory, 50, 40, MD_RGB8), MD_OK);
        memset(image.data, value, 50 * 40 * 3);
        ck_assert(fingerprint(&image) == 0);
        done(&image, 1);
    }
}
END_TEST

/* The value was computed with numpy from the definition in the header. */
START_TEST(the_bits_are_those_of_the_definition)
{
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_int_eq(image_create(&image, &memory, 32, 32, MD_GRAY8), MD_OK);
    for (int y = 0; y < 32; y++)
        for (int x = 0; x < 32; x++)
            image.data[y * 32 + x] = (uint8_t)((x * 7 + y * 13 + x * y) % 256);
    ck_assert(fingerprint(&image) == UINT64_C(0xb666861efce0d0e8));
    done(&image, 1);
}
END_TEST

START_TEST(distance_counts_bits)
{
    ck_assert_int_eq(fingerprint_distance(0, 0), 0);
    ck_assert_int_eq(fingerprint_distance(0, ~UINT64_C(0)), 64);
    ck_assert_int_eq(fingerprint_distance(UINT64_C(0x8000000000000001), 2), 3);
}
END_TEST

START_TEST(no_memory_is_told)
{
    uint8_t pixels[40 * 36] = {0};
    const md_image image = {pixels, 40, 36, 40, MD_GRAY8, NULL};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        uint64_t out;
        failing_memory_init(&failing, k);
        md_status st = image_fingerprint(&out, &failing.memory, &image);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("image/fingerprint", TEST(one_picture_stays_near_and_others_far),
      TEST(blank_pictures_have_no_bits), TEST(the_bits_are_those_of_the_definition),
      TEST(distance_counts_bits), TEST(no_memory_is_told))
