/* test_stratify.c - small divisions worked out by hand, and what must hold for all of them. */
#include "data/stratify.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { MOST_IMAGES = 64 };

static struct memory memory;

/* counts[image][class] boxes; `classes` of them, at most 3. */
static md_status make_set(struct dataset **out, struct memory *in, int (*counts)[3], size_t images,
                          int classes)
{
    static const char *const names[] = {"a", "b", "c"};
    md_status st = MD_OK;
    struct dataset_builder builder;
    builder_init(&builder, in);
    for (int c = 0; c < classes; c++)
        TRY(builder_add_class(&builder, names[c], c + 1));
    for (size_t i = 0; i < images; i++) {
        TRY(builder_add_image(&builder, "x", (int64_t)i + 1, 10, 10));
        for (int c = 0; c < classes; c++)
            for (int k = 0; k < counts[i][c]; k++) {
                const struct annotation annotation = {.box = {1, 1, 2, 2}, .class_id = c};
                TRY(builder_add_annotation(&builder, i, &annotation));
            }
    }
    TRY(builder_finish(&builder, "somewhere", NULL, out));
fail:
    builder_free(&builder);
    return st;
}

struct division {
    int (*counts)[3];
    size_t images;
    int classes;
    const double *fractions;
    size_t parts;
    const uint32_t *group;
    uint64_t seed;
    uint32_t part_of[MOST_IMAGES];
};

static md_status divide(struct division *d)
{
    struct dataset *dataset = NULL;
    memory_init(&memory, NULL);
    ck_assert_int_eq(make_set(&dataset, &memory, d->counts, d->images, d->classes), MD_OK);
    const struct stratify_options options = {
        .fractions = d->fractions, .parts = d->parts, .group = d->group, .seed = d->seed};
    md_status st = stratify(dataset, &options, d->part_of);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    return st;
}

static int images_in(const struct division *d, uint32_t part)
{
    int count = 0;
    for (size_t i = 0; i < d->images; i++)
        count += d->part_of[i] == part;
    return count;
}

static int boxes_in(const struct division *d, uint32_t part, int class_id)
{
    int count = 0;
    for (size_t i = 0; i < d->images; i++)
        count += d->part_of[i] == part ? d->counts[i][class_id] : 0;
    return count;
}

static const double halves[] = {0.5, 0.5};
static const double fifth[] = {0.8, 0.2};

/* Class a is in two images only: whatever the seed, one each; b follows. */
START_TEST(the_rare_class_is_in_both)
{
    int counts[10][3];
    for (int i = 0; i < 10; i++)
        counts[i][0] = i < 2, counts[i][1] = 1;
    struct division d = {counts, 10, 2, halves, 2, NULL, (uint64_t)_i, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    ck_assert_int_eq(images_in(&d, 0), 5);
    ck_assert_int_eq(boxes_in(&d, 0, 0), 1);
    ck_assert_int_eq(boxes_in(&d, 1, 0), 1);
    ck_assert_int_eq(boxes_in(&d, 1, 1), 5);
}
END_TEST

/* 8, 4, 2, 1, 1 boxes in halves: 8 to the first (both lack all, it has room for 3 and the other for
 * 2), 4 and 2 to the second, which is full then; both 1 to the first. */
START_TEST(images_with_most_boxes_go_first)
{
    int counts[5][3] = {{1}, {8}, {2}, {1}, {4}};
    const uint32_t want[5] = {0, 0, 1, 0, 1};
    struct division d = {counts, 5, 1, halves, 2, NULL, (uint64_t)_i, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(d.part_of[i], want[i]);
}
END_TEST

/* 10, 9, ..., 1 boxes, four fifths and one: 44 and 11 are due. 10 to the first, which has more room;
 * then the second lacks the larger share and gets 9. The first gets 8, 7, 6, 5, now both lack 8 / 0.8 =
 * 2 / 0.2, and 4 as well; 3 to the second, which is full. By numbers of boxes, the second's largest
 * would be 6. */
START_TEST(shares_not_numbers_decide)
{
    int counts[10][3];
    for (int i = 0; i < 10; i++)
        counts[i][0] = 10 - i;
    struct division d = {counts, 10, 1, fifth, 2, NULL, (uint64_t)_i, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(d.part_of[i], counts[i][0] == 9 || counts[i][0] == 3);
}
END_TEST

/* Images without boxes are divided like a class; so are those of crowds alone. */
START_TEST(images_without_boxes_are_a_class)
{
    int counts[20][3];
    for (int i = 0; i < 20; i++)
        counts[i][0] = i < 10 ? 0 : 3;
    struct division d = {counts, 20, 1, fifth, 2, NULL, (uint64_t)_i, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    ck_assert_int_eq(images_in(&d, 1), 4);
    ck_assert_int_eq(boxes_in(&d, 1, 0), 6);
}
END_TEST

START_TEST(groups_stay_together)
{
    int counts[12][3];
    uint32_t group[12];
    for (int i = 0; i < 12; i++) {
        counts[i][0] = 1 + i % 3;
        group[i] = (uint32_t)(i < 6 ? 0 : i < 9 ? 7 : i); /* 6 images, 3 images, three alone */
    }
    struct division d = {counts, 12, 1, halves, 2, group, (uint64_t)_i, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    for (int i = 0; i < 12; i++)
        for (int k = 0; k < 12; k++)
            ck_assert(group[i] != group[k] || d.part_of[i] == d.part_of[k]);
    ck_assert_int_eq(images_in(&d, 0), 6);
}
END_TEST

/* Numbers of images are exact, nothing is lost, the seed alone decides. */
START_TEST(many_images_of_three_classes)
{
    static const double three[] = {0.7, 0.2, 0.1};
    int counts[60][3];
    uint32_t again[60];
    int differ = 0;
    for (int i = 0; i < 60; i++) {
        counts[i][0] = i % 2;
        counts[i][1] = i % 3 == 0 ? 2 : 0;
        counts[i][2] = i % 20 == 0 ? 1 : 0;
    }
    struct division d = {counts, 60, 3, three, 3, NULL, 5, {0}};
    ck_assert_int_eq(divide(&d), MD_OK);
    ck_assert_int_eq(images_in(&d, 0), 42);
    ck_assert_int_eq(images_in(&d, 1), 12);
    ck_assert_int_eq(images_in(&d, 2), 6);
    for (uint32_t p = 0; p < 3; p++)
        for (int c = 0; c < 2; c++) { /* 30 and 40 boxes; one image has at most 2 */
            int all = c == 0 ? 30 : 40;
            ck_assert_double_le(abs(boxes_in(&d, p, c) - (int)(three[p] * all)), 2);
        }
    memcpy(again, d.part_of, sizeof again);
    ck_assert_int_eq(divide(&d), MD_OK);
    ck_assert_mem_eq(again, d.part_of, sizeof again);
    d.seed = 6;
    ck_assert_int_eq(divide(&d), MD_OK);
    for (int i = 0; i < 60; i++)
        differ += again[i] != d.part_of[i];
    ck_assert_int_gt(differ, 0);
}
END_TEST

START_TEST(fractions_must_be_fractions)
{
    static const double bad[][2] = {{0.5, 0.4}, {1.0, 0.0}, {1.5, -0.5}, {0.0 / 1.0, 1.0}};
    int counts[3][3] = {{1}, {1}, {1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct division d = {counts, 3, 1, bad[i], 2, NULL, 1, {0}};
        ck_assert_int_eq(divide(&d), MD_EINVAL);
    }
}
END_TEST

START_TEST(no_memory_is_told)
{
    int counts[3][3] = {{1, 0, 2}, {0, 0, 0}, {2, 1, 0}};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        uint32_t part_of[3];
        const struct stratify_options options = {.fractions = halves, .parts = 2, .seed = 1};
        failing_memory_init(&failing, k);
        md_status st = make_set(&dataset, &failing.memory, counts, 3, 3);
        if (st == MD_OK)
            st = stratify(dataset, &options, part_of);
        dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/stratify", LOOP(the_rare_class_is_in_both, 0, 8),
      LOOP(images_with_most_boxes_go_first, 0, 8), LOOP(shares_not_numbers_decide, 0, 8),
      LOOP(images_without_boxes_are_a_class, 0, 8), LOOP(groups_stay_together, 0, 8),
      TEST(many_images_of_three_classes), TEST(fractions_must_be_fractions),
      TEST(no_memory_is_told))
