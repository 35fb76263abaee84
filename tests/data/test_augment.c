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
    augment_box(out, box, &(struct augment_view){0, 0, 640, 480, 1067, 800, .mirror = true});
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
    augment_box(
        out, box,
        &(struct augment_view){.width = 600, .height = 600, .out_width = 1000, .out_height = 1000});
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
                                    (struct augment_choice){.short_side = 20}),
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
                                    (struct augment_choice){.flip = true}),
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

/* ---- crops ---------------------------------------------------------------------- */

static const int keep_size[] = {0};

static struct augment_options cropping(bool absolute, bool range, double height, double width)
{
    return (struct augment_options){.min_sizes = keep_size,
                                    .min_size_count = 1,
                                    .max_size = 10000,
                                    .crop = {true, absolute, range, {height, width}}};
}

/* Sizes as numpy has them for these draws: int(h * ch + 0.5) with ch, cw = size + u * (1 - size) in
 * 32 and 64 bits as Detectron2 mixes them; min(size, image); size[0] + u of the numbers up to size[1]. */
START_TEST(crop_sizes_are_detectron2s)
{
    static const struct {
        int height, width;
        bool absolute, range;
        double size[2], draws[2];
        int want[2];
    } cases[] = {
        {480, 640, false, true, {0.9, 0.6}, {0.25, 0.75}, {444, 576}},
        {101, 77, false, true, {0.9, 0.6}, {0.5, 0.999}, {96, 77}},
        {480, 641, false, false, {0.35, 0.8}, {0.9, 0.9}, {168, 513}},
        {3, 3, false, false, {0.01, 1}, {0, 0}, {1, 3}}, /* where Detectron2 keeps nothing */
        {480, 641, true, false, {500, 300}, {0.5, 0.5}, {480, 300}},
        {700, 500, true, true, {384, 600}, {0, 0.999999}, {384, 500}},
        {300, 500, true, true, {384, 600}, {0.3, 0}, {300, 384}},
        {700, 900, true, true, {384, 600}, {0.5, 0.999999}, {492, 600}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct augment_options options =
            cropping(cases[i].absolute, cases[i].range, cases[i].size[0], cases[i].size[1]);
        const struct augment_choice choice = {.crop_size = {cases[i].draws[0], cases[i].draws[1]},
                                              .crop_place = {0.9999999, 0}};
        struct augment_view view;
        augment_view(&view, cases[i].width, cases[i].height, &options, &choice);
        ck_assert_msg(view.height == cases[i].want[0] && view.width == cases[i].want[1],
                      "case %zu: %d x %d", i, view.height, view.width);
        ck_assert_int_eq(view.top, cases[i].height - view.height); /* the last place there is */
        ck_assert_int_eq(view.left, 0);
        ck_assert(view.out_width == view.width && view.out_height == view.height);
    }
}
END_TEST

/* A white object on black, at pixels 30..49, 20..39 of 80 x 60. */
static md_image paint_object(void)
{
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_int_eq(image_create(&image, &memory, 80, 60, MD_RGB8), MD_OK);
    for (int y = 0; y < 60; y++)
        for (int x = 0; x < 80; x++)
            memset(image.data + y * image.stride + (ptrdiff_t)3 * x,
                   x >= 30 && x < 50 && y >= 20 && y < 40 ? 255 : 0, 3);
    return image;
}

/* The extent of what is more white than black; false: nothing is. */
static bool find_object(const md_image *image, int box[4])
{
    box[0] = box[1] = 1 << 20;
    box[2] = box[3] = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++) {
            if (image->data[y * image->stride + (ptrdiff_t)3 * x] < 128)
                continue;
            box[0] = x < box[0] ? x : box[0];
            box[1] = y < box[1] ? y : box[1];
            box[2] = x + 1 > box[2] ? x + 1 : box[2];
            box[3] = y + 1 > box[3] ? y + 1 : box[3];
        }
    return box[2] > 0;
}

/* Over crops, sizes and flips: a box is kept exactly where its object is to be seen, and lies on it. */
START_TEST(boxes_stay_on_their_objects)
{
    const struct annotation annotation = {.box = {30, 20, 50, 40}};
    struct random random = {.seed = 3, .stream = random_stream(RANDOM_TEST, 0)};
    struct augment_options options = cropping(true, true, 15, 55);
    md_image image = paint_object();
    int seen = 0, gone = 0;
    options.min_sizes = (int[]){30, 90};
    options.min_size_count = 2;
    options.range = true;
    options.flip_probability = 0.5;
    for (int i = 0; i < 400; i++) {
        struct sample sample = {0};
        int found[4];
        options.flip_vertical = i % 2;
        ck_assert_int_eq(augment_sample(&sample, &memory, &image, &annotation, 1, &options,
                                        augment_choose(&options, &random)),
                         MD_OK);
        const float *box = sample.annotations[0].box;
        bool visible = find_object(&sample.image, found);
        /* A sliver of the object may be too thin for a bright pixel, when it is made smaller. */
        if (visible)
            ck_assert_uint_eq(sample.annotation_count, 1);
        else if (sample.annotation_count == 1)
            ck_assert(box[2] - box[0] < 1 || box[3] - box[1] < 1);
        for (int k = 0; visible && k < 4; k++)
            ck_assert_msg(box[k] - (float)found[k] < 1 && box[k] - (float)found[k] > -1,
                          "round %d, side %d: the box says %g, the picture %d", i, k,
                          (double)box[k], found[k]); /* edges fall within a pixel */
        seen += visible;
        gone += sample.annotation_count == 0;
        sample_release(&sample, &memory);
    }
    ck_assert_int_gt(seen, 200);
    ck_assert_int_gt(gone, 20);
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(crops_reach_every_place)
{
    const struct augment_options options = cropping(true, false, 3, 4);
    struct random random = {.seed = 4, .stream = random_stream(RANDOM_TEST, 0)};
    int rows[3] = {0}, columns[4] = {0};
    for (int i = 0; i < 1200; i++) {
        struct augment_view view;
        const struct augment_choice choice = augment_choose(
            &(struct augment_options){.min_sizes = keep_size, .min_size_count = 1}, &random);
        augment_view(&view, 7, 5, &options, &choice);
        ck_assert(view.top >= 0 && view.top <= 2 && view.left >= 0 && view.left <= 3);
        rows[view.top]++;
        columns[view.left]++;
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_gt(rows[i], 330); /* 400 expected, deviation 16 */
    for (int i = 0; i < 4; i++)
        ck_assert_int_gt(columns[i], 230); /* 300 expected, deviation 15 */
}
END_TEST

/* ---- draws and colours ---------------------------------------------------------- */

/* What is switched on must not change what the others draw, nor where the next sample's draws begin. */
START_TEST(draws_are_independent_of_each_other)
{
    const struct augment_options plain = {
        .min_sizes = (int[]){10, 900}, .min_size_count = 2, .range = true, .flip_probability = 0.5};
    struct augment_options all = cropping(false, true, 0.5, 0.5);
    all.min_sizes = plain.min_sizes;
    all.min_size_count = 2;
    all.range = true;
    all.flip_probability = 0.5;
    all.color = (struct color_options){true, {0.5, 1.5}, {0.5, 1.5}, {0.5, 1.5}, 10};
    struct random one = {.seed = 5, .stream = random_stream(RANDOM_TEST, 0)}, other = one;
    double contrast = 0, lighting = 0;
    for (int i = 0; i < 500; i++) {
        const struct augment_choice a = augment_choose(&plain, &one);
        const struct augment_choice b = augment_choose(&all, &other);
        ck_assert(a.short_side == b.short_side && a.flip == b.flip);
        ck_assert(b.brightness >= 0.5 && b.brightness < 1.5 && b.brightness != b.contrast);
        contrast += b.contrast / 500;
        lighting += b.lighting[i % 3] * b.lighting[i % 3] / 500;
        ck_assert_uint_eq(one.index, other.index);
    }
    ck_assert_double_eq_tol(contrast, 1, 0.05); /* deviation 0.013 */
    ck_assert_double_eq_tol(lighting, 100, 25); /* a variance; deviation 6.3 */
}
END_TEST

START_TEST(colors_change_pixels_when_enabled)
{
    struct augment_options options = {.min_sizes = keep_size, .min_size_count = 1, .max_size = 100};
    options.color = (struct color_options){false, {2, 2}, {1, 1}, {1, 1}, 0};
    const struct augment_choice choice = {.brightness = 2, .contrast = 5, .saturation = 5};
    md_image image = make_image(8, 6);
    for (int i = 0; i < 2; i++) {
        struct sample sample = {0};
        options.color.enabled = i == 1;
        ck_assert_int_eq(augment_sample(&sample, &memory, &image, NULL, 0, &options, choice),
                         MD_OK);
        ck_assert_uint_eq(sample.image.data[1], i == 1 ? 14 : 7); /* contrast 1 to 1 is off */
        sample_release(&sample, &memory);
    }
    image_release(&image);
}
END_TEST

START_TEST(impossible_options_are_refused)
{
    const struct augment_options good = cropping(false, true, 0.9, 0.9);
    struct augment_options bad[6];
    for (int i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].crop.size[0] = 1.5;
    bad[1].crop.size[1] = -0.1;
    bad[2].crop = (struct crop_options){true, true, true, {600, 384}};
    bad[3].color = (struct color_options){true, {1, 0.5}, {1, 1}, {1, 1}, 0};
    bad[4].color = (struct color_options){true, {1, 1}, {1, 1}, {-1, 1}, 0};
    bad[5].color = (struct color_options){true, {1, 1}, {1, 1}, {1, 1}, -3};
    ck_assert_int_eq(augment_check(&good), MD_OK);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(augment_check(&bad[i]), MD_EINVAL);
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
                                      (struct augment_choice){.short_side = 12, .flip = true});
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
      TEST(crop_sizes_are_detectron2s), TEST(boxes_stay_on_their_objects),
      TEST(crops_reach_every_place), TEST(draws_are_independent_of_each_other),
      TEST(colors_change_pixels_when_enabled), TEST(impossible_options_are_refused),
      TEST(no_failed_allocation_leaks))
