/* test_voc_ap.c - VOC's average precision: worked by hand, and figures of a second implementation. */
#include <math.h>

#include "core/error.h"
#include "eval/voc_ap.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/truth_set.h"

/* Sums of some hundred doubles near 1. */
static const double exact = 1e-12;

static struct memory memory;

static const double half[] = {0.5};
static const struct voc_options at_half = {.thresholds = half, .threshold_count = 1};

static struct voc_result evaluate(const struct dataset *dataset,
                                  const struct eval_detection *detections, size_t count,
                                  const struct voc_options *options)
{
    struct voc_result result;
    ck_assert_int_eq(voc_evaluate(&result, &memory, dataset, detections, count, options), MD_OK);
    return result;
}

/* Three truths. By falling score: a hit, a box beside everything, a second look at the first truth,
 * a hit. Recall 1/3, 1/3, 1/3, 2/3; precision 1, 1/2, 1/3, 2/4. */
START_TEST(worked_example)
{
    const struct truth truths[] = {{.w = 40, .h = 40},
                                   {.x = 100, .w = 40, .h = 40},
                                   {.image = 1, .w = 40, .h = 40},
                                   {.image = 1, .class_id = 1, .w = 9, .h = 9}};
    const struct eval_detection found[] = {
        {0, 0, {100, 0, 40, 38}, .6},
        {1, 0, {200, 200, 40, 40}, .8},
        {0, 0, {0, 0, 40, 38}, .9},
        {0, 0, {0, 0, 40, 40}, .7},
    };
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 2, 3, truths, 4);
    struct voc_result result = evaluate(dataset, found, 4, &at_half);
    /* recalls 0, .1, .2, .3 see precision 1; .4, .5, .6 see 1/2 */
    ck_assert_double_eq_tol(result.ap[MD_VOC_2007][0], (4 + 1.5) / 11, exact);
    ck_assert_double_eq_tol(result.ap[MD_VOC_2012][0], 1.0 / 3 + 0.5 / 3, exact);
    ck_assert_double_eq(result.ap[MD_VOC_2007][1], 0); /* nothing found */
    ck_assert_double_eq(result.ap[MD_VOC_2012][1], 0);
    ck_assert_double_eq(result.ap[MD_VOC_2012][2], -1); /* no truth */
    ck_assert_double_eq_tol(result.ap[MD_VOC_2007][3], (4 + 1.5) / 22, exact);
    ck_assert_double_eq_tol(result.ap[MD_VOC_2012][3], 0.25, exact);
    voc_result_free(&result, &memory);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static double ap_of_one(const struct truth *truths, size_t truth_count,
                        const struct eval_detection *found, size_t count, bool rounded)
{
    struct voc_options options = at_half;
    options.rounded = rounded;
    struct dataset *dataset = truth_set(&memory, 1, 1, truths, truth_count);
    struct voc_result result = evaluate(dataset, found, count, &options);
    double ap = result.ap[MD_VOC_2012][0];
    voc_result_free(&result, &memory);
    dataset_free(dataset);
    return ap;
}

START_TEST(overlap_must_exceed_the_threshold)
{
    const struct truth truth = {.w = 40, .h = 40};
    const struct eval_detection at = {0, 0, {0, 0, 40, 20}, .9};
    const struct eval_detection above = {0, 0, {0, 0, 40, 20.5}, .9};
    memory_init(&memory, NULL);
    ck_assert_double_eq(ap_of_one(&truth, 1, &at, 1, false), 0);
    ck_assert_double_eq(ap_of_one(&truth, 1, &above, 1, false), 1);
}
END_TEST

/* The truth overlapped most decides, taken or not, and a difficult one does not fall back on the
 * other; what looks at a difficult truth or a crowd counts neither way. */
START_TEST(difficult_truths_count_neither_way)
{
    const struct truth truths[] = {{.w = 40, .h = 40},
                                   {.x = 100, .w = 40, .h = 40, .difficult = true},
                                   {.x = 200, .w = 40, .h = 40, .crowd = true}};
    const struct eval_detection found[] = {{0, 0, {100, 0, 40, 40}, .9},
                                           {0, 0, {100, 0, 40, 39}, .8},
                                           {0, 0, {200, 0, 40, 39}, .7},
                                           {0, 0, {0, 0, 40, 40}, .6}};
    memory_init(&memory, NULL);
    ck_assert_double_eq(ap_of_one(truths, 3, found, 4, false), 1);
    ck_assert_double_eq(ap_of_one(truths + 1, 2, found, 4, false), -1);
}
END_TEST

/* .9004 is a false positive and .9001 a hit; with three decimals they are equal and the hit, which
 * stands first, goes first. Then 20.04 x 40 of 40 x 40: above one half, and at it with one decimal. */
START_TEST(rounding_as_detectron2_writes)
{
    const struct truth truth = {.w = 40, .h = 40};
    const struct eval_detection scores[] = {{0, 0, {0, 0, 40, 40}, .9001},
                                            {0, 0, {90, 90, 40, 40}, .9004}};
    const struct eval_detection corner = {0, 0, {0, 0, 40, 20.04}, .9};
    memory_init(&memory, NULL);
    ck_assert_double_eq(ap_of_one(&truth, 1, scores, 2, false), 0.5);
    ck_assert_double_eq(ap_of_one(&truth, 1, scores, 2, true), 1);
    ck_assert_double_eq(ap_of_one(&truth, 1, &corner, 1, false), 1);
    ck_assert_double_eq(ap_of_one(&truth, 1, &corner, 1, true), 0);
}
END_TEST

/* truth_case_draw(seed, 6 images, 3 classes), evaluated by a script in plain Python that counts
 * pixels from 1, widths with + 1, and prints boxes with %.1f and scores with %.3f where `rounded`.
 * The means of 2007 and 2012 at IoU .50, .75 and .85. */
static const struct {
    uint32_t seed;
    bool rounded;
    double want[6];
} drawn[] = {
    {2,
     true,
     {0.6357307908900353, 0.641757508280389, 0.3082275609968505, 0.3070474593265528,
      0.04374534821903243, 0.04275418660287081}},
    {5,
     false,
     {0.32648355209852536, 0.29876658209860824, 0.08234028597664961, 0.07439329394884951,
      0.021184062850729518, 0.0098559670781893}},
    {6,
     true,
     {0.7575757575757577, 0.75, 0.7251082251082254, 0.7142857142857143, 0.17626262626262623,
      0.17588383838383836}},
    {8,
     false,
     {0.1787878787878788, 0.1653409090909091, 0.14646464646464646, 0.1254419191919192,
      0.030303030303030304, 0.030303030303030304}},
    {14,
     false,
     {0.43319890635680114, 0.42556303442429605, 0.10036614154471492, 0.0962490268431338,
      0.014013492228595206, 0.009291855313190621}},
    {14,
     true,
     {0.43319890635680114, 0.42556303442429605, 0.10036614154471492, 0.0962490268431338,
      0.01410209758035845, 0.00934600302815705}},
    {15,
     false,
     {0.4542208278963236, 0.4416051953553291, 0.22094516099863692, 0.211526141897729,
      0.054668534080298786, 0.05056468353518367}},
    {15,
     true,
     {0.4542208278963236, 0.4416051953553291, 0.2153818354353114, 0.2034982849809832,
      0.054668534080298786, 0.05056468353518367}},
};
enum { DRAWN = sizeof drawn / sizeof drawn[0] };

START_TEST(drawn_cases_give_the_figures_of_the_script)
{
    static struct truth_case all;
    static const double ious[3] = {0.5, 0.75, 0.85};
    const struct voc_options options = {
        .thresholds = ious, .threshold_count = 3, .rounded = drawn[_i].rounded};
    memory_init(&memory, NULL);
    truth_case_draw(&all, drawn[_i].seed, 6, 3);
    struct dataset *dataset = truth_set(&memory, 6, 3, all.truths, all.truth_count);
    struct voc_result result = evaluate(dataset, all.found, all.found_count, &options);
    for (int t = 0; t < 3; t++)
        for (int rule = 0; rule < VOC_RULES; rule++)
            ck_assert_double_eq_tol(result.ap[rule][t * 4 + 3], drawn[_i].want[2 * t + rule],
                                    exact);
    voc_result_free(&result, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(bad_thresholds_and_detections_are_refused)
{
    static const double bad[] = {1.5};
    struct voc_result result;
    const struct truth truth = {.w = 40, .h = 40};
    const struct eval_detection good = {0, 0, {0, 0, 40, 20}, .9};
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 1, 1, &truth, 1);
    struct voc_options options = {.thresholds = bad, .threshold_count = 1};
    ck_assert_int_eq(voc_evaluate(&result, &memory, dataset, &good, 1, &options), MD_EINVAL);
    options.threshold_count = VOC_MAX_THRESHOLDS + 1;
    ck_assert_int_eq(voc_evaluate(&result, &memory, dataset, &good, 1, &options), MD_EINVAL);
    const struct eval_detection wrong[] = {
        {1, 0, {0, 0, 1, 1}, .5},  {0, 1, {0, 0, 1, 1}, .5},        {0, -1, {0, 0, 1, 1}, .5},
        {0, 0, {0, 0, 1, 1}, NAN}, {0, 0, {0, INFINITY, 1, 1}, .5},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(voc_evaluate(&result, &memory, dataset, &wrong[i], 1, &at_half),
                         MD_EINVAL);
    dataset_free(dataset);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    const struct truth truth = {.w = 40, .h = 40};
    const struct eval_detection found = {0, 0, {0, 0, 40, 39}, .9};
    const struct voc_options options = {
        .thresholds = voc_thresholds, .threshold_count = VOC_THRESHOLDS, .rounded = true};
    memory_init(&memory, NULL);
    struct dataset *dataset = truth_set(&memory, 1, 1, &truth, 1);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct voc_result result;
        failing_memory_init(&failing, k);
        md_status st = voc_evaluate(&result, &failing.memory, dataset, &found, 1, &options);
        if (st == MD_OK)
            voc_result_free(&result, &failing.memory);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("eval/voc_ap", TEST(worked_example), TEST(overlap_must_exceed_the_threshold),
      TEST(difficult_truths_count_neither_way), TEST(rounding_as_detectron2_writes),
      LOOP(drawn_cases_give_the_figures_of_the_script, 0, DRAWN),
      TEST(bad_thresholds_and_detections_are_refused), TEST(no_failed_allocation_leaks))
