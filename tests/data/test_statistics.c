/* test_statistics.c - counts and histograms against numbers counted by hand. */
#include "data/statistics.h"

#include <math.h>

#include "core/error.h"
#include "data/builder.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;

static md_status add(struct dataset_builder *builder, size_t image, float width, float height,
                     int class_id, bool crowd)
{
    const struct annotation annotation = {.box = {10, 20, 10 + width, 20 + height},
                                          .class_id = class_id,
                                          .crowd = crowd,
                                          .area = (double)(width * height)};
    return builder_add_annotation(builder, image, &annotation);
}

/* Four images of 100 x 50 (one of unknown size): 3 boxes, 1 box and a crowd, a crowd alone, none. */
static md_status small_set(struct dataset **out, struct memory *in)
{
    md_status st = MD_OK;
    struct dataset_builder builder;
    builder_init(&builder, in);
    TRY(builder_add_class(&builder, "a", 1));
    TRY(builder_add_class(&builder, "b", 2));
    TRY(builder_add_class(&builder, "none", 3));
    for (int i = 0; i < 4; i++)
        TRY(builder_add_image(&builder, "x", i + 1, i == 3 ? 0 : 100, i == 3 ? 0 : 50));
    TRY(add(&builder, 0, 8, 8, 0, false));    /* side 8: the bin from 8 on; small */
    TRY(add(&builder, 0, 16, 64, 0, false));  /* side 32, area 32^2: medium; aspect 0.25 */
    TRY(add(&builder, 0, 192, 48, 1, false)); /* side 96: large; aspect 4 */
    TRY(add(&builder, 1, 10, 40, 0, false));  /* side 20, small; aspect 0.25 */
    TRY(add(&builder, 1, 500, 500, 1, true));
    TRY(add(&builder, 2, 500, 500, 1, true));
    TRY(builder_finish(&builder, "somewhere", NULL, out));
fail:
    builder_free(&builder);
    return st;
}

static void check_counts(const md_histogram *histogram, size_t bin, size_t count)
{
    ck_assert_uint_lt(bin, histogram->bins);
    ck_assert_msg(histogram->counts[bin] == count, "%s: bin %zu from %g on holds %zu",
                  histogram->name, bin, histogram->edges[bin], histogram->counts[bin]);
}

START_TEST(counted_by_hand)
{
    struct dataset *dataset = NULL;
    struct statistics s;
    memory_init(&memory, NULL);
    ck_assert_int_eq(small_set(&dataset, &memory), MD_OK);
    ck_assert_int_eq(statistics_gather(&s, dataset), MD_OK);
    ck_assert_uint_eq(s.stats.images, 4);
    ck_assert_uint_eq(s.stats.empty_images, 2);
    ck_assert_uint_eq(s.stats.boxes, 4);
    ck_assert_uint_eq(s.stats.crowds, 2);
    ck_assert_uint_eq(s.stats.small, 2);
    ck_assert_uint_eq(s.stats.medium, 1);
    ck_assert_uint_eq(s.stats.large, 1);
    ck_assert_uint_eq(s.stats.class_count, 3);
    const size_t want[3][3] = {{3, 0, 2}, {1, 2, 1}, {0, 0, 0}};
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(s.stats.classes[i].boxes, want[i][0]);
        ck_assert_uint_eq(s.stats.classes[i].crowds, want[i][1]);
        ck_assert_uint_eq(s.stats.classes[i].images, want[i][2]);
    }

    const md_histogram *boxes = &s.stats.histograms[MD_HISTOGRAM_BOXES];
    check_counts(boxes, 0, 2);
    check_counts(boxes, 1, 1);
    check_counts(boxes, 2, 0);
    check_counts(boxes, 3, 1);
    ck_assert(boxes->min == 0 && boxes->max == 3 && boxes->median == 0.5 && boxes->mean == 1.0);

    const md_histogram *side = &s.stats.histograms[MD_HISTOGRAM_BOX_SIDE];
    check_counts(side, 1, 0);
    check_counts(side, 2, 1); /* 8 to 16 */
    check_counts(side, 3, 1);
    check_counts(side, 4, 1);                          /* 32 to 64 */
    check_counts(side, 6, 1);                          /* 96 to 128 */
    ck_assert(side->median == 26 && side->mean == 39); /* of 8, 20, 32, 96 */

    const md_histogram *aspect = &s.stats.histograms[MD_HISTOGRAM_BOX_ASPECT];
    check_counts(aspect, 1, 2); /* 0.2 to 0.33 */
    check_counts(aspect, 5, 1); /* the square */
    check_counts(aspect, 9, 1); /* 3 to 5 */

    const md_histogram *shorter = &s.stats.histograms[MD_HISTOGRAM_IMAGE_SHORT];
    ck_assert_uint_eq(shorter->count, 3);
    check_counts(shorter, 0, 3);
    ck_assert(s.stats.histograms[MD_HISTOGRAM_IMAGE_LONG].max == 100);
    statistics_free(&s);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(bins_follow_each_other_to_infinity)
{
    struct dataset *dataset = NULL;
    struct statistics s;
    memory_init(&memory, NULL);
    ck_assert_int_eq(small_set(&dataset, &memory), MD_OK);
    ck_assert_int_eq(statistics_gather(&s, dataset), MD_OK);
    for (int kind = 0; kind < MD_HISTOGRAM_COUNT; kind++) {
        const md_histogram *histogram = &s.stats.histograms[kind];
        size_t sum = 0;
        ck_assert(histogram->edges[0] == 0 && isinf(histogram->edges[histogram->bins]));
        for (size_t i = 0; i < histogram->bins; i++) {
            ck_assert(histogram->edges[i] < histogram->edges[i + 1]);
            sum += histogram->counts[i];
        }
        ck_assert_uint_eq(sum, histogram->count);
    }
    statistics_free(&s);
    dataset_free(dataset);
}
END_TEST

START_TEST(no_memory_is_told)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        struct statistics s = {0};
        failing_memory_init(&failing, k);
        md_status st = small_set(&dataset, &failing.memory);
        if (st == MD_OK)
            st = statistics_gather(&s, dataset);
        statistics_free(&s);
        dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/statistics", TEST(counted_by_hand), TEST(bins_follow_each_other_to_infinity),
      TEST(no_memory_is_told))
