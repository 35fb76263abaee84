/* test_bootstrap.c - resamples, their percentiles, pairing, and how often an interval holds the truth. */
#include "eval/bootstrap.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/random_boxes.h"

enum { ALL = 2 * AP_KINDS }; /* AP of both classes */

static struct memory memory;

static const struct random_boxes usual = {.seed = 3,
                                          .images = 60,
                                          .classes = 2,
                                          .truths = 5,
                                          .others = 5,
                                          .found = 0.8,
                                          .wobble = 0.12,
                                          .crowds = 0.05};

struct case_of {
    struct boxes boxes;
    struct ap_table table;
    struct bootstrap bootstrap;
};

static struct bootstrap_options options(uint32_t resamples, uint64_t seed, int threads)
{
    return (struct bootstrap_options){resamples, seed, threads};
}

static void begin(struct case_of *c, const struct random_boxes *make,
                  struct bootstrap_options asked)
{
    boxes_make(&c->boxes, &memory, make);
    ck_assert_int_eq(
        boxes_table(&c->table, &memory, c->boxes.dataset, c->boxes.detections, c->boxes.count),
        MD_OK);
    ck_assert_int_eq(bootstrap_create(&c->bootstrap, &c->table, &asked), MD_OK);
}

static void end(struct case_of *c)
{
    bootstrap_free(&c->bootstrap);
    ap_table_free(&c->table);
    boxes_free(&c->boxes);
}

static void setup(void)
{
    memory_init(&memory, NULL);
}

static void nothing_left(void)
{
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

static struct bootstrap_interval interval_of(const struct case_of *c, size_t value, double level)
{
    struct bootstrap_interval interval;
    ck_assert_int_eq(bootstrap_interval(&interval, &c->bootstrap, value, level), MD_OK);
    return interval;
}

static struct bootstrap_difference difference_of(const struct case_of *a, const struct case_of *b,
                                                 size_t value)
{
    struct bootstrap_difference difference;
    ck_assert_int_eq(bootstrap_difference(&difference, &a->bootstrap, &b->bootstrap, value, 0.95),
                     MD_OK);
    return difference;
}

/* ---- resamples -------------------------------------------------------------------------------- */

/* Each is drawn as often as another: how often is binomial with mean 1 and variance 1 - 1/n. */
START_TEST(weights_are_draws_with_replacement)
{
    enum { IMAGES = 200, RESAMPLES = 200 };
    uint32_t weights[IMAGES], again[IMAGES];
    double squares = 0;
    size_t never = 0;
    for (uint32_t b = 0; b < RESAMPLES; b++) {
        uint32_t sum = 0;
        bootstrap_weights(weights, IMAGES, 11, b);
        for (int i = 0; i < IMAGES; i++) {
            sum += weights[i];
            never += weights[i] == 0;
            squares += (weights[i] - 1.0) * (weights[i] - 1.0);
        }
        ck_assert_uint_eq(sum, IMAGES);
    }
    /* 40,000 of them: standard errors are .007 and .0016; four of each. */
    ck_assert_double_eq_tol(squares / (IMAGES * RESAMPLES), 1, 0.03);
    ck_assert_double_eq_tol((double)never / (IMAGES * RESAMPLES), exp(-1), 0.007);
    bootstrap_weights(weights, IMAGES, 11, 5);
    bootstrap_weights(again, IMAGES, 11, 5);
    ck_assert_mem_eq(weights, again, sizeof weights);
    bootstrap_weights(again, IMAGES, 11, 6);
    ck_assert_mem_ne(weights, again, sizeof weights);
    bootstrap_weights(again, IMAGES, 12, 5);
    ck_assert_mem_ne(weights, again, sizeof weights);
}
END_TEST

START_TEST(samples_are_those_of_the_repeated_images)
{
    struct case_of c;
    uint32_t weights[60];
    setup();
    begin(&c, &usual, options(5, 9, 2));
    for (uint32_t b = 0; b < 5; b++) {
        struct boxes repeated;
        struct coco_result want;
        bootstrap_weights(weights, 60, 9, b);
        boxes_repeat(&repeated, &c.boxes, weights);
        ck_assert_int_eq(
            coco_evaluate(&want, &memory, repeated.dataset, repeated.detections, repeated.count),
            MD_OK);
        ck_assert_double_eq_tol(c.bootstrap.samples[(ALL + AP_MEAN) * 5 + b], want.metrics.ap,
                                1e-12);
        ck_assert_double_eq_tol(c.bootstrap.samples[(ALL + AP_50) * 5 + b], want.metrics.ap50,
                                1e-12);
        coco_result_free(&want, &memory);
        boxes_free(&repeated);
    }
    end(&c);
    nothing_left();
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
    struct case_of one, other;
    setup();
    begin(&one, &usual, options(50, 1, 1));
    begin(&other, &usual, options(50, 1, _i)); /* 64: more threads than resamples */
    ck_assert_mem_eq(one.bootstrap.samples, other.bootstrap.samples,
                     50 * ap_table_values(&one.table) * sizeof(double));
    ck_assert_mem_eq(one.bootstrap.point, other.bootstrap.point,
                     ap_table_values(&one.table) * sizeof(double));
    end(&one);
    end(&other);
    nothing_left();
}
END_TEST

/* ---- intervals -------------------------------------------------------------------------------- */

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Five resamples: the middle half is from the second to the fourth; the middle 30 % from 40 %
 * of the way from the second to the third to the same from the other end. */
START_TEST(interval_is_between_percentiles_less_the_bias)
{
    struct case_of c;
    double sorted[5], mean = 0;
    setup();
    begin(&c, &usual, options(5, 4, 1));
    memcpy(sorted, c.bootstrap.samples + (ptrdiff_t)ALL * 5, sizeof sorted);
    for (int i = 0; i < 5; i++)
        mean += sorted[i] / 5;
    qsort(sorted, 5, sizeof *sorted, ascending);
    double bias = mean - c.bootstrap.point[ALL];
    struct bootstrap_interval half = interval_of(&c, ALL, 0.5);
    ck_assert_double_eq(half.value, c.bootstrap.point[ALL]);
    ck_assert_double_eq_tol(half.bias, bias, 1e-15); /* sums in another order */
    ck_assert_double_eq_tol(half.low, sorted[1] - bias, 1e-15);
    ck_assert_double_eq_tol(half.high, sorted[3] - bias, 1e-15);
    ck_assert_uint_eq(half.resamples, 5);
    struct bootstrap_interval third = interval_of(&c, ALL, 0.3);
    ck_assert_double_eq_tol(third.low, sorted[1] + 0.4 * (sorted[2] - sorted[1]) - bias, 1e-15);
    ck_assert_double_eq_tol(third.high, sorted[2] + 0.6 * (sorted[3] - sorted[2]) - bias, 1e-15);
    end(&c);
    nothing_left();
}
END_TEST

START_TEST(interval_narrows_with_the_root_of_the_images)
{
    struct case_of few, many;
    struct random_boxes make = usual;
    setup();
    make.images = 50;
    begin(&few, &make, options(400, 1, 2));
    make.images = 800;
    begin(&many, &make, options(400, 1, 2));
    struct bootstrap_interval wide = interval_of(&few, ALL, 0.95);
    struct bootstrap_interval narrow = interval_of(&many, ALL, 0.95);
    double ratio = (wide.high - wide.low) / (narrow.high - narrow.low);
    /* 4, but for how well 50 images know their own spread and 400 resamples the percentiles */
    ck_assert_msg(ratio > 2.6 && ratio < 6, "%g", ratio);
    ck_assert(narrow.low < narrow.value && narrow.value < narrow.high);
    end(&few);
    end(&many);
    nothing_left();
}
END_TEST

START_TEST(bad_questions_are_refused)
{
    struct case_of c;
    struct bootstrap_interval interval;
    struct bootstrap_difference difference;
    struct bootstrap bootstrap;
    static const double levels[] = {0, 1, -1, 2, NAN};
    setup();
    begin(&c, &usual, options(5, 4, 1));
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        ck_assert_int_eq(bootstrap_interval(&interval, &c.bootstrap, ALL, levels[i]), MD_EINVAL);
        ck_assert_int_eq(
            bootstrap_difference(&difference, &c.bootstrap, &c.bootstrap, ALL, levels[i]),
            MD_EINVAL);
    }
    ck_assert_int_eq(bootstrap_interval(&interval, &c.bootstrap, ALL + AP_KINDS, 0.5), MD_EINVAL);
    const struct bootstrap_options none = {0, 1, 1}, threadless = {1, 1, 0};
    ck_assert_int_eq(bootstrap_create(&bootstrap, &c.table, &none), MD_EINVAL);
    ck_assert_int_eq(bootstrap_create(&bootstrap, &c.table, &threadless), MD_EINVAL);
    end(&c);
    nothing_left();
}
END_TEST

/* Of one image all resamples are the same: that is no certainty. */
START_TEST(too_few_images_give_no_interval)
{
    struct case_of c;
    struct random_boxes make = usual;
    setup();
    make.images = (size_t)_i;
    make.seed = 6; /* whose one image has truths and detections */
    begin(&c, &make, options(20, 1, 1));
    struct bootstrap_interval interval = interval_of(&c, ALL, 0.95);
    struct bootstrap_difference difference = difference_of(&c, &c, ALL);
    if (_i == 0)
        ck_assert_double_eq(interval.value, -1);
    else
        ck_assert_double_gt(interval.value, 0);
    ck_assert_uint_eq(interval.resamples, 0);
    ck_assert_double_eq(interval.low, -1);
    ck_assert_double_eq(interval.high, -1);
    ck_assert_uint_eq(difference.resamples, 0);
    ck_assert(isnan(difference.low) && isnan(difference.high));
    ck_assert_double_eq(difference.a_better, 0);
    end(&c);
    nothing_left();
}
END_TEST

/* A class with truths in one image of ten is in about 1 - (9/10)^10 = .651 of the resamples. */
START_TEST(resamples_without_the_class_are_left_out)
{
    struct boxes boxes;
    struct ap_table table;
    struct bootstrap bootstrap;
    struct bootstrap_interval interval;
    const struct bootstrap_options asked = {1000, 1, 1};
    const struct random_boxes make = {.images = 10, .classes = 1, .truths = 0};
    setup();
    boxes_make(&boxes, &memory, &make);
    struct annotation one = {.box = {0, 0, 9, 9}, .xywh = {0, 0, 9, 9}, .area = 81, .id = 1};
    struct dataset_image images[10];
    memcpy(images, boxes.dataset->images, sizeof images);
    struct dataset with_one = *boxes.dataset;
    images[4].count = 1;
    images[4].first = 0;
    with_one.images = images;
    with_one.annotations = &one;
    with_one.annotation_count = 1;
    ck_assert_int_eq(boxes_table(&table, &memory, &with_one, NULL, 0), MD_OK);
    ck_assert_int_eq(bootstrap_create(&bootstrap, &table, &asked), MD_OK);
    ck_assert_int_eq(bootstrap_interval(&interval, &bootstrap, AP_50, 0.95), MD_OK);
    ck_assert_double_eq(interval.value, 0);
    ck_assert_double_eq(interval.high, 0);
    /* standard error .015 */
    ck_assert_double_eq_tol(interval.resamples / 1000.0, 0.651, 0.06);
    bootstrap_free(&bootstrap);
    ap_table_free(&table);
    boxes_free(&boxes);
    nothing_left();
}
END_TEST

/* ---- two sets of results ---------------------------------------------------------------------- */

/* The same data set with every `each`-th detection left out. */
static void thin_out(struct case_of *out, const struct case_of *from, size_t each,
                     struct bootstrap_options asked)
{
    struct eval_detection *kept = NULL;
    size_t count = 0;
    ck_assert_int_eq(memory_alloc(&memory, &kept, from->boxes.count, sizeof *kept), MD_OK);
    for (size_t i = 0; i < from->boxes.count; i++)
        if (i % each != 0)
            kept[count++] = from->boxes.detections[i];
    out->boxes = (struct boxes){0};
    ck_assert_int_eq(boxes_table(&out->table, &memory, from->boxes.dataset, kept, count), MD_OK);
    ck_assert_int_eq(bootstrap_create(&out->bootstrap, &out->table, &asked), MD_OK);
    memory_free(&memory, kept);
}

static void end_thin(struct case_of *c)
{
    bootstrap_free(&c->bootstrap);
    ap_table_free(&c->table);
}

START_TEST(results_do_not_differ_from_themselves)
{
    struct case_of c;
    setup();
    begin(&c, &usual, options(50, 2, 2));
    struct bootstrap_difference difference = difference_of(&c, &c, ALL);
    ck_assert_double_eq(difference.value, 0);
    ck_assert_double_eq(difference.low, 0);
    ck_assert_double_eq(difference.high, 0);
    ck_assert_double_eq(difference.a_better, 0);
    ck_assert_double_eq(difference.b_better, 0);
    ck_assert_uint_eq(difference.resamples, 50);
    end(&c);
    nothing_left();
}
END_TEST

/* What both share drops out: far narrower than the interval of either, and of known sign. */
START_TEST(pairing_shows_a_small_difference)
{
    struct case_of a, b;
    setup();
    begin(&a, &usual, options(300, 2, 2));
    thin_out(&b, &a, 12, options(300, 2, 1));
    struct bootstrap_interval alone = interval_of(&a, ALL + AP_50, 0.95);
    struct bootstrap_interval other = interval_of(&b, ALL + AP_50, 0.95);
    struct bootstrap_difference difference = difference_of(&a, &b, ALL + AP_50);
    struct bootstrap_difference turned = difference_of(&b, &a, ALL + AP_50);
    ck_assert_double_eq(difference.value, alone.value - other.value);
    ck_assert_double_lt(other.low, alone.high);
    ck_assert_double_gt(other.high, alone.low); /* alone they say nothing */
    ck_assert_double_gt(difference.low, 0);
    ck_assert_double_gt(difference.a_better, 0.95);
    ck_assert_double_lt(difference.high - difference.low, (alone.high - alone.low) * 0.8);
    ck_assert_double_eq_tol(turned.low, -difference.high, 1e-15);
    ck_assert_double_eq(turned.b_better, difference.a_better);
    end_thin(&b);
    end(&a);
    nothing_left();
}
END_TEST

START_TEST(unpaired_resamples_are_not_compared)
{
    struct case_of a, b;
    struct bootstrap_difference difference;
    struct random_boxes fewer = usual;
    struct random_boxes classes = usual;
    const struct random_boxes *makes[] = {&fewer, &classes, &usual, &usual};
    const struct bootstrap_options asked[] = {{20, 2, 1}, {20, 2, 1}, {21, 2, 1}, {20, 3, 1}};
    static const char *const words[] = {"59 images", "of 3 classes", "paired with 21", "of seed 3"};
    fewer.images = 59;
    classes.classes = 3;
    setup();
    begin(&a, &usual, options(20, 2, 1));
    for (size_t i = 0; i < 4; i++) {
        begin(&b, makes[i], asked[i]);
        ck_assert_int_eq(bootstrap_difference(&difference, &a.bootstrap, &b.bootstrap, ALL, 0.95),
                         MD_EMISMATCH);
        ck_assert_msg(strstr(error_text(), words[i]), "%s", error_text());
        end(&b);
    }
    end(&a);
    nothing_left();
}
END_TEST

/* ---- coverage --------------------------------------------------------------------------------- */

/* Twelve classes leave 15 truths to each: the percentiles as they stand are too high and hold the mean
 * in 88 % of the sets. */
static const struct random_boxes worlds[] = {
    {.images = 60, .classes = 2, .truths = 5, .others = 5, .found = 0.8, .wobble = 0.12},
    {.images = 60, .classes = 12, .truths = 6, .others = 12, .found = 0.8, .wobble = 0.12},
};

/* 200 data sets of 60 images: how many intervals hold the mean over all the data sets, which is what
 * such a data set measures in the long run. Of 95 % promised, a standard error is .015; the bootstrap
 * of so few images is known to promise a little too much. */
START_TEST(intervals_hold_the_truth_as_often_as_they_say)
{
    enum { SETS = 200, RESAMPLES = 200 };
    struct bootstrap_interval intervals[SETS];
    struct bootstrap_difference differences[SETS];
    struct random_boxes make = worlds[_i];
    const size_t all = AP_KINDS * (size_t)make.classes;
    double mean = 0, mean_difference = 0;
    int held = 0, held_difference = 0;
    if (SANITIZED)
        SKIP("statistics of what other cases run");
    setup();
    for (int i = 0; i < SETS; i++) {
        struct case_of a, b;
        make.seed = 5000 + (uint64_t)i;
        begin(&a, &make, options(RESAMPLES, 1, 1));
        thin_out(&b, &a, 7, options(RESAMPLES, 1, 1));
        intervals[i] = interval_of(&a, all, 0.95);
        differences[i] = difference_of(&a, &b, all);
        mean += intervals[i].value / SETS;
        mean_difference += differences[i].value / SETS;
        end_thin(&b);
        end(&a);
    }
    for (int i = 0; i < SETS; i++) {
        held += intervals[i].low <= mean && mean <= intervals[i].high;
        held_difference +=
            differences[i].low <= mean_difference && mean_difference <= differences[i].high;
    }
    ck_assert_msg(held >= 0.89 * SETS && held <= 0.985 * SETS, "AP: %d of %d", held, SETS);
    ck_assert_msg(held_difference >= 0.89 * SETS && held_difference <= 0.985 * SETS,
                  "difference: %d of %d", held_difference, SETS);
    nothing_left();
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct case_of c;
    setup();
    begin(&c, &usual, options(4, 1, 1));
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct ap_table table;
        struct bootstrap bootstrap;
        struct bootstrap_interval interval;
        struct bootstrap_difference difference;
        const struct bootstrap_options asked = {4, 1, 2};
        failing_memory_init(&failing, k);
        md_status st = boxes_table(&table, &failing.memory, c.boxes.dataset, c.boxes.detections,
                                   c.boxes.count);
        if (st == MD_OK) {
            st = bootstrap_create(&bootstrap, &table, &asked);
            if (st == MD_OK) {
                st = bootstrap_interval(&interval, &bootstrap, ALL, 0.9);
                if (st == MD_OK)
                    st = bootstrap_difference(&difference, &bootstrap, &bootstrap, ALL, 0.9);
                bootstrap_free(&bootstrap);
            }
            ap_table_free(&table);
        }
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    end(&c);
}
END_TEST

SUITE("eval/bootstrap", TEST(weights_are_draws_with_replacement),
      TEST(samples_are_those_of_the_repeated_images), LOOP(threads_do_not_change_a_bit, 2, 4),
      LOOP(threads_do_not_change_a_bit, 64, 65),
      TEST(interval_is_between_percentiles_less_the_bias),
      TEST(interval_narrows_with_the_root_of_the_images), TEST(bad_questions_are_refused),
      LOOP(too_few_images_give_no_interval, 0, 2), TEST(resamples_without_the_class_are_left_out),
      TEST(results_do_not_differ_from_themselves), TEST(pairing_shows_a_small_difference),
      TEST(unpaired_resamples_are_not_compared),
      LOOP(intervals_hold_the_truth_as_often_as_they_say, 0, 2), TEST(no_failed_allocation_leaks))
