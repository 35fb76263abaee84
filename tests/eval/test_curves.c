/* test_curves.c - curves and thresholds: worked by hand, and against counting anew for each score. */
#include "eval/curves.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/truth_set.h"

/* Sums of some hundred doubles near 1. */
static const double exact = 1e-12;

static struct memory memory;

static struct curves make_curves(const struct dataset *dataset, const struct eval_detection *found,
                                 size_t count)
{
    struct curves curves;
    ck_assert_int_eq(curves_create(&curves, &memory, dataset, found, count, 100), MD_OK);
    return curves;
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Class 0 has two truths and a crowd, class 1 one, class 2 none.
 *   class 0  .90 hit   .80 in the crowd   .60 beside all   .40 hit   .40 a second look
 *   class 1  .70 beside all   .30 hit
 *   class 2  .50 beside all */
static const struct truth truths[] = {
    {.w = 40, .h = 40},
    {.x = 100, .w = 40, .h = 40},
    {.x = 200, .w = 100, .h = 100, .crowd = true},
    {.image = 1, .class_id = 1, .w = 40, .h = 40},
};
static const struct eval_detection found[] = {
    {0, 0, {0, 0, 40, 40}, .9},   {0, 0, {210, 10, 20, 20}, .8}, {0, 0, {0, 200, 40, 40}, .6},
    {0, 0, {100, 0, 40, 30}, .4}, {0, 0, {100, 0, 40, 29}, .4},  {1, 1, {0, 200, 40, 40}, .7},
    {1, 1, {0, 0, 40, 40}, .3},   {0, 2, {0, 200, 40, 40}, .5},
};
enum { TRUTHS = sizeof truths / sizeof truths[0], FOUND = sizeof found / sizeof found[0], ALL = 3 };

static void check_counts(const struct curves *curves, size_t class_id, double score, uint64_t hits,
                         uint64_t false_positives, uint64_t misses)
{
    md_counts counts;
    curves_count(&counts, curves, class_id, score);
    ck_assert_uint_eq(counts.true_positives, hits);
    ck_assert_uint_eq(counts.false_positives, false_positives);
    ck_assert_uint_eq(counts.false_negatives, misses);
}

START_TEST(worked_example_counts)
{
    md_counts counts;
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 2, 3, truths, TRUTHS);
    struct curves curves = make_curves(dataset, found, FOUND);
    check_counts(&curves, 0, 1, 0, 0, 2);
    check_counts(&curves, 0, .8, 1, 0, 1);
    check_counts(&curves, 0, .6, 1, 1, 1);
    check_counts(&curves, 0, .4, 2, 2, 0);
    check_counts(&curves, 1, 0, 1, 1, 0);
    check_counts(&curves, 2, 0, 0, 1, 0);
    check_counts(&curves, ALL, .5, 1, 3, 2);
    check_counts(&curves, ALL, 0, 3, 4, 0);
    curves_count(&counts, &curves, ALL, .5);
    ck_assert_double_eq(counts.precision, 0.25);
    ck_assert_double_eq_tol(counts.recall, 1.0 / 3, exact);
    ck_assert_double_eq_tol(counts.f1, 2.0 / 7, exact);
    curves_count(&counts, &curves, 2, .9);
    ck_assert_double_eq(counts.precision, -1);
    ck_assert_double_eq(counts.recall, -1);
    ck_assert_double_eq(counts.f1, -1);
    curves_free(&curves, &memory);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Class 0: F1 is 2/3 from .9 on (1 hit of 1, 2 truths) and again from .4 on (2 hits of 4): the higher
 * score wins. All: 2/4 from .9 on, 2/7 from .5 on, 4/9 from .4 on, 6/10 from .3 on. */
START_TEST(worked_example_best_thresholds)
{
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 2, 3, truths, TRUTHS);
    struct curves curves = make_curves(dataset, found, FOUND);
    ck_assert_double_eq(curves.best[0], .9);
    ck_assert_double_eq(curves.best[1], .3);
    ck_assert_double_eq(curves.best[2], -1);
    ck_assert_double_eq(curves.best[ALL], .3);
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(worked_example_curves)
{
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 2, 3, truths, TRUTHS);
    struct curves curves = make_curves(dataset, found, FOUND);
    const double *precision = curves_values(&curves, MD_CURVE_PR50, 0);
    ck_assert_double_eq_tol(precision[0], 1, exact);
    ck_assert_double_eq_tol(precision[50], 1, exact);
    ck_assert_double_eq_tol(precision[51], 2.0 / 3, exact); /* before the second look */
    ck_assert_double_eq_tol(precision[100], 2.0 / 3, exact);
    ck_assert_double_eq_tol(curves_values(&curves, MD_CURVE_PR50, 1)[100], 0.5, exact);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PR50, 2)[0], -1);
    ck_assert_double_eq_tol(curves_values(&curves, MD_CURVE_PR50, ALL)[0], 0.75, exact);
    /* 40 x 30 of 40 x 40 is 0.75 exactly: at the threshold */
    ck_assert_double_eq_tol(curves_values(&curves, MD_CURVE_PR75, 0)[100], 2.0 / 3, exact);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, 0)[95], -1);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, 0)[90], 1);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_RECALL, 0)[90], 0.5);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_F1, 0)[100], 0);
    ck_assert_double_eq_tol(curves_values(&curves, MD_CURVE_F1, 0)[40], 2.0 / 3, exact);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, 2)[50], 0);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_RECALL, 2)[50], -1);
    /* of all, class 2 has no truth and is left out; at .95 no class has a precision */
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, ALL)[95], -1);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, ALL)[70], 0.5);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_RECALL, ALL)[0], 1);
    size_t count = 0;
    const md_curve_step *steps = curves_steps(&curves, false, 0, &count);
    ck_assert_uint_eq(count, 4); /* .9 .8 .6 .4 */
    ck_assert_double_eq(steps[3].score, .4);
    ck_assert_double_eq(steps[3].precision, 0.5);
    ck_assert_double_eq(steps[3].recall, 1);
    curves_steps(&curves, false, 2, &count);
    ck_assert_uint_eq(count, 0);
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(nothing_at_all)
{
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 1, 0, NULL, 0);
    struct curves curves = make_curves(dataset, NULL, 0);
    ck_assert_double_eq(curves.best[0], -1);
    ck_assert_double_eq(curves_values(&curves, MD_CURVE_F1, 0)[0], -1);
    check_counts(&curves, 0, 0, 0, 0, 0);
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

/* A crowd comes first in the file and overlaps more: the truth that counts is taken all the same,
 * and only what is left over is the crowd's. */
START_TEST(truths_go_before_crowds)
{
    const struct truth pair[] = {{.w = 60, .h = 60, .crowd = true}, {.w = 40, .h = 40}};
    const struct eval_detection twice[] = {{0, 0, {0, 0, 40, 39}, .9}, {0, 0, {0, 0, 40, 38}, .8}};
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 1, 1, pair, 2);
    struct curves curves = make_curves(dataset, twice, 2);
    check_counts(&curves, 0, 0, 1, 0, 0);
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(steps_are_bounded_with_both_ends)
{
    enum { COUNT = 3 * CURVE_MAX_STEPS };
    static struct eval_detection many[COUNT];
    size_t count = 0;
    memory_init(&memory, NULL);
    for (int i = 0; i < COUNT; i++)
        many[i] = (struct eval_detection){.box = {i % 2 ? 200 : 0, 0, 40, 40},
                                          .score = 1 - i / (2.0 * COUNT)};
    struct dataset *dataset = truth_set(&memory, 1, 1, truths, 2);
    struct curves curves;
    ck_assert_int_eq(curves_create(&curves, &memory, dataset, many, COUNT, 0), MD_OK);
    const md_curve_step *steps = curves_steps(&curves, true, 0, &count);
    ck_assert_uint_eq(count, CURVE_MAX_STEPS);
    ck_assert_double_eq(steps[0].score, 1);
    ck_assert_double_eq(steps[count - 1].score, many[COUNT - 1].score);
    for (size_t i = 1; i < count; i++)
        ck_assert_double_lt(steps[i].score, steps[i - 1].score);
    curves_free(&curves, &memory);
    ck_assert_int_eq(curves_create(&curves, &memory, dataset, many, COUNT, 100), MD_OK);
    check_counts(&curves, 0, 0, 1, 99, 1); /* of an image and class the best 100 alone */
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

/* ---- against counting anew ------------------------------------------------------------------- */

static double slow_iou(const double a[4], const struct truth *b)
{
    double w = fmin(a[0] + a[2], b->x + b->w) - fmax(a[0], b->x);
    double h = fmin(a[1] + a[3], b->y + b->h) - fmax(a[1], b->y);
    double inside = w > 0 && h > 0 ? w * h : 0;
    return inside / (b->crowd ? a[2] * a[3] : a[2] * a[3] + b->w * b->h - inside);
}

static size_t slow_best(const struct truth_case *all, const bool *used,
                        const struct eval_detection *detection, double iou, bool crowd)
{
    size_t best = all->truth_count;
    for (size_t i = 0; i < all->truth_count; i++) {
        const struct truth *t = &all->truths[i];
        if (t->image != detection->image || t->class_id != detection->class_id || used[i] ||
            t->crowd != crowd || slow_iou(detection->box, t) < iou)
            continue;
        if (best == all->truth_count ||
            slow_iou(detection->box, t) >= slow_iou(detection->box, &all->truths[best]))
            best = i;
    }
    return best;
}

/* Matches the detections of that class from the score on, all anew. */
static md_counts slow_count(const struct truth_case *all, int class_id, double iou, double score)
{
    md_counts counts = {0};
    bool used[TRUTH_MOST] = {false}, done[TRUTH_MOST] = {false};
    for (;;) {
        size_t next = all->found_count;
        for (size_t i = 0; i < all->found_count; i++)
            if (!done[i] && all->found[i].class_id == class_id && all->found[i].score >= score &&
                (next == all->found_count || all->found[i].score > all->found[next].score))
                next = i;
        if (next == all->found_count)
            break;
        done[next] = true;
        size_t truth = slow_best(all, used, &all->found[next], iou, false);
        if (truth < all->truth_count) {
            used[truth] = true;
            counts.true_positives++;
        } else if (slow_best(all, used, &all->found[next], iou, true) == all->truth_count) {
            counts.false_positives++;
        }
    }
    for (size_t i = 0; i < all->truth_count; i++)
        counts.false_negatives += all->truths[i].class_id == class_id && !all->truths[i].crowd;
    counts.false_negatives -= counts.true_positives;
    return counts;
}

static void add(md_counts *sum, const md_counts *more)
{
    sum->true_positives += more->true_positives;
    sum->false_positives += more->false_positives;
    sum->false_negatives += more->false_negatives;
}

enum { CLASSES = 3 };

/* Class CLASSES: all of them. */
static md_counts slow_counts(const struct truth_case *all, int class_id, double score)
{
    md_counts counts = {0};
    for (int c = 0; c < CLASSES; c++) {
        md_counts own = slow_count(all, c, 0.5, score);
        if (c == class_id || class_id == CLASSES)
            add(&counts, &own);
    }
    double hits = (double)counts.true_positives;
    double found_truths = hits + (double)counts.false_negatives,
           kept = hits + (double)counts.false_positives;
    counts.precision = kept > 0 ? hits / kept : -1;
    counts.recall = found_truths > 0 ? hits / found_truths : -1;
    counts.f1 = kept + found_truths > 0 ? 2 * hits / (kept + found_truths) : -1;
    return counts;
}

static struct truth_case drawn;

static struct dataset *draw_case(int loop)
{
    memory_init(&memory, NULL);
    truth_case_draw(&drawn, (uint32_t)loop + 100, 4, CLASSES);
    return truth_set(&memory, 4, CLASSES, drawn.truths, drawn.truth_count);
}

START_TEST(confidence_curves_are_those_of_counting_anew)
{
    struct dataset *dataset = draw_case(_i);
    struct curves curves = make_curves(dataset, drawn.found, drawn.found_count);
    for (int c = 0; c <= CLASSES; c++) {
        for (int i = 0; i < MD_CURVE_POINTS; i += 7) {
            md_counts want = slow_counts(&drawn, c, i / 100.0);
            md_counts got;
            curves_count(&got, &curves, (size_t)c, i / 100.0);
            ck_assert_uint_eq(got.true_positives, want.true_positives);
            ck_assert_uint_eq(got.false_positives, want.false_positives);
            ck_assert_uint_eq(got.false_negatives, want.false_negatives);
            if (c == CLASSES)
                continue; /* their curves are means, not sums */
            ck_assert_double_eq(curves_values(&curves, MD_CURVE_PRECISION, (size_t)c)[i],
                                want.precision);
            ck_assert_double_eq(curves_values(&curves, MD_CURVE_RECALL, (size_t)c)[i], want.recall);
            ck_assert_double_eq(curves_values(&curves, MD_CURVE_F1, (size_t)c)[i], want.f1);
        }
    }
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(no_score_gives_a_better_f1)
{
    struct dataset *dataset = draw_case(_i);
    struct curves curves = make_curves(dataset, drawn.found, drawn.found_count);
    for (int c = 0; c <= CLASSES; c++) {
        double best = 0, best_score = -1;
        for (size_t i = 0; i < drawn.found_count; i++) {
            double score = drawn.found[i].score;
            double f1 =
                c == CLASSES || drawn.found[i].class_id == c ? slow_counts(&drawn, c, score).f1 : 0;
            if (f1 > best || (f1 > 0 && f1 >= best && score > best_score)) {
                best = f1;
                best_score = score;
            }
        }
        ck_assert_double_eq(curves.best[c], best_score);
    }
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

/* Interpolated by definition: the best precision of all scores that reach the recall. Scores differ,
 * so that each detection is a step. */
START_TEST(precision_recall_by_definition)
{
    static const double ious[2] = {0.5, 0.75};
    struct dataset *dataset = draw_case(_i);
    for (size_t i = 0; i < drawn.found_count; i++)
        drawn.found[i].score += (double)i * 1e-7;
    struct curves curves = make_curves(dataset, drawn.found, drawn.found_count);
    for (int c = 0; c < CLASSES; c++)
        for (int t = 0; t < 2; t++) {
            double want[MD_CURVE_POINTS] = {0};
            bool any = false;
            for (size_t k = 0; k < drawn.found_count; k++) {
                md_counts own = slow_count(&drawn, c, ious[t], drawn.found[k].score);
                double hits = (double)own.true_positives,
                       positives = hits + (double)own.false_negatives;
                any = positives > 0;
                for (int i = 0; i < MD_CURVE_POINTS && own.true_positives > 0; i++)
                    if (hits / positives >= i * 0.01)
                        want[i] = fmax(want[i], hits / (hits + (double)own.false_positives));
            }
            for (int i = 0; i < MD_CURVE_POINTS && any; i++)
                ck_assert_double_eq_tol(
                    curves_values(&curves, t ? MD_CURVE_PR75 : MD_CURVE_PR50, (size_t)c)[i],
                    want[i], exact);
        }
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

static double mean_of(const double *values)
{
    double sum = 0;
    for (int i = 0; i < MD_CURVE_POINTS; i++)
        sum += values[i];
    return sum / MD_CURVE_POINTS;
}

START_TEST(means_are_the_average_precisions_of_coco)
{
    struct coco_result coco;
    struct dataset *dataset = draw_case(_i);
    struct curves curves = make_curves(dataset, drawn.found, drawn.found_count);
    ck_assert_int_eq(coco_evaluate(&coco, &memory, dataset, drawn.found, drawn.found_count), MD_OK);
    for (size_t c = 0; c < CLASSES; c++)
        ck_assert_double_eq_tol(mean_of(curves_values(&curves, MD_CURVE_PR50, c)),
                                coco.class_ap50[c], exact);
    ck_assert_double_eq_tol(mean_of(curves_values(&curves, MD_CURVE_PR50, CLASSES)),
                            coco.metrics.ap50, exact);
    ck_assert_double_eq_tol(mean_of(curves_values(&curves, MD_CURVE_PR75, CLASSES)),
                            coco.metrics.ap75, exact);
    coco_result_free(&coco, &memory);
    curves_free(&curves, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 2, 3, truths, TRUTHS);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct curves curves;
        failing_memory_init(&failing, k);
        md_status st = curves_create(&curves, &failing.memory, dataset, found, FOUND, 100);
        if (st == MD_OK)
            curves_free(&curves, &failing.memory);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("eval/curves", TEST(worked_example_counts), TEST(worked_example_best_thresholds),
      TEST(worked_example_curves), TEST(nothing_at_all), TEST(truths_go_before_crowds),
      TEST(steps_are_bounded_with_both_ends),
      LOOP(confidence_curves_are_those_of_counting_anew, 0, 30),
      LOOP(no_score_gives_a_better_f1, 0, 30), LOOP(precision_recall_by_definition, 0, 12),
      LOOP(means_are_the_average_precisions_of_coco, 0, 40), TEST(no_failed_allocation_leaks))
