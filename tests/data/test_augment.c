/* test_augment.c - sizes drawn, boxes carried along, and which annotations survive. */
#include <string.h>

#include "core/error.h"
#include "data/augment.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;

static md_image make_image(int width, int height)
{
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_int_eq(image_create(&image, &memory, width, height, MD_RGB8), MD_OK);
    for (int i = 0; i < width * height * 3; i++)
        image.data[i] = (uint8_t)(i * 7);
    return image;
}

/* Detectron2's own result for this box: 480 x 640 to 800 x 1067, then flipped. */
START_TEST(box_follows_resize_and_flip_as_in_detectron2)
{
    const float box[4] = {600, 10.5F, 660, 110.75F};
    double out[4];
    augment_box(out, box, (int[]){640, 480}, (int[]){1067, 800}, true);
    const double want[4] = {0, 17.5, 66.6875, 184.58333333333333};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(out[i], want[i], 1e-12); /* a few roundings of numbers near 1000 */
}
END_TEST

/* Integer boxes keep their fractions, where Detectron2 cuts them off. */
START_TEST(whole_numbers_are_scaled_as_fractions)
{
    const float box[4] = {10, 20, 41, 61};
    double out[4];
    augment_box(out, box, (int[]){600, 600}, (int[]){1000, 1000}, false);
    const double want[4] = {16.0 + 2.0 / 3, 33.0 + 1.0 / 3, 68.0 + 1.0 / 3, 101.0 + 2.0 / 3};
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol(out[i], want[i], 1e-12);
}
END_TEST

START_TEST(crowds_and_empty_boxes_are_dropped)
{
    const struct annotation annotations[] = {
        {.box = {1, 1, 5, 5}, .class_id = 3, .id = 9},
        {.box = {1, 1, 5, 5}, .crowd = true},
        {.box = {7, 1, 7, 5}},
        {.box = {21, 1, 25, 5}},        /* outside */
        {.box = {1, 1, 1.0000005F, 5}}, /* too narrow after scaling by 2 */
        {.box = {18, 8, 26, 14}, .class_id = 1},
    };
    const struct augment_options options = {
        .min_sizes = (int[]){20}, .min_size_count = 1, .max_size = 1000};
    md_image image = make_image(20, 10);
    struct sample sample = {0};
    ck_assert_int_eq(augment_sample(&sample, &memory, &image, annotations, 6, &options,
                                    (struct augment_choice){20, false}),
                     MD_OK);
    ck_assert_int_eq(sample.image.width, 40);
    ck_assert_int_eq(sample.image.height, 20);
    ck_assert_int_eq(sample.original_width, 20);
    ck_assert_uint_eq(sample.annotation_count, 2);
    ck_assert_int_eq(sample.annotations[0].class_id, 3);
    ck_assert_float_eq(sample.annotations[0].box[2], 10);
    ck_assert_float_eq(sample.annotations[1].box[2], 40); /* clipped */
    ck_assert_float_eq(sample.annotations[1].box[3], 20);
    sample_release(&sample, &memory);
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(flip_mirrors_pixels_and_boxes)
{
    const struct annotation annotation = {.box = {2, 1, 5, 4}};
    const struct augment_options options = {
        .min_sizes = (int[]){0}, .min_size_count = 1, .max_size = 1000};
    md_image image = make_image(8, 6);
    struct sample sample = {0};
    ck_assert_int_eq(augment_sample(&sample, &memory, &image, &annotation, 1, &options,
                                    (struct augment_choice){0, true}),
                     MD_OK);
    ck_assert(sample.flipped);
    ck_assert_float_eq(sample.annotations[0].box[0], 3);
    ck_assert_float_eq(sample.annotations[0].box[2], 6);
    for (int x = 0; x < 8; x++)
        ck_assert_mem_eq(sample.image.data + 3 * x, image.data + (ptrdiff_t)3 * (7 - x), 3);
    sample_release(&sample, &memory);
    image_release(&image);
}
END_TEST

/* A range yields both of its ends, a list only its members; about half are flipped. */
START_TEST(choices_cover_what_is_allowed)
{
    const struct augment_options range = {
        .min_sizes = (int[]){10, 13}, .min_size_count = 2, .range = true, .flip_probability = 0.5};
    const struct augment_options list = {.min_sizes = (int[]){10, 13}, .min_size_count = 2};
    struct random random = {.seed = 1, .stream = random_stream(RANDOM_TEST, 0)};
    int seen[4] = {0}, flips = 0;
    for (int i = 0; i < 1000; i++) {
        struct augment_choice choice = augment_choose(&range, &random);
        ck_assert(choice.short_side >= 10 && choice.short_side <= 13);
        seen[choice.short_side - 10]++;
        flips += choice.flip;
        choice = augment_choose(&list, &random);
        ck_assert(choice.short_side == 10 || choice.short_side == 13);
        ck_assert(!choice.flip);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_gt(seen[i], 180); /* 250 expected, deviation 14 */
    ck_assert_int_gt(flips, 420);       /* 500 expected, deviation 16 */
    ck_assert_int_lt(flips, 580);
    ck_assert_int_eq(augment_choose(&range, NULL).short_side, 10);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    const struct annotation annotation = {.box = {2, 1, 5, 4}};
    const struct augment_options options = {
        .min_sizes = (int[]){12}, .min_size_count = 1, .max_size = 1000};
    md_image image = make_image(8, 6);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct sample sample = {0};
        failing_memory_init(&failing, k);
        md_status st = augment_sample(&sample, &failing.memory, &image, &annotation, 1, &options,
                                      (struct augment_choice){12, true});
        if (st == MD_OK)
            sample_release(&sample, &failing.memory);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    image_release(&image);
}
END_TEST

SUITE("data/augment", TEST(box_follows_resize_and_flip_as_in_detectron2),
      TEST(whole_numbers_are_scaled_as_fractions), TEST(crowds_and_empty_boxes_are_dropped),
      TEST(flip_mirrors_pixels_and_boxes), TEST(choices_cover_what_is_allowed),
      TEST(no_failed_allocation_leaks))
