/* test_eval_bootstrap.c - md_bootstrap: intervals of a report, a comparison, refusals, memory. */
#include "api/internal.h"

#include <math.h>

#include "api_case.h"

enum { IMAGES = 40 };

/* Detections of the truths, each but every `missed`-th, somewhat off. */
static md_status add_all(md_evaluator *evaluator, md_dataset *data, size_t missed)
{
    md_status st = MD_OK;
    size_t number = 0;
    for (size_t i = 0; i < md_dataset_count(data) && st == MD_OK; i++) {
        const struct dataset_image *image = &data->dataset->images[i];
        md_detections *found = NULL;
        md_detection *items = NULL;
        st = detections_create(&found, data->context, image->count, &items);
        for (size_t k = 0; k < image->count && st == MD_OK; k++) {
            const struct annotation *truth = &data->dataset->annotations[image->first + k];
            float off = (float)(++number % 5) * 0.06F * (truth->box[2] - truth->box[0]);
            if (number % missed == 0)
                off = 1000;
            items[k] = (md_detection){
                .box = {truth->box[0] + off, truth->box[1], truth->box[2] + off, truth->box[3]},
                .class_id = truth->class_id,
                .score = 0.1F + (float)(number * 37 % 90) / 100};
        }
        if (st == MD_OK)
            st = md_evaluator_add(evaluator, i, found);
        md_detections_free(found);
    }
    return st;
}

static md_status make_report(md_report **out, md_context *context, const char *spec, size_t missed)
{
    md_dataset *data = NULL;
    md_evaluator *evaluator = NULL;
    md_status st = md_dataset_open(&data, context, spec, NULL);
    if (st == MD_OK)
        st = md_evaluator_create(&evaluator, data, NULL);
    if (st == MD_OK)
        st = add_all(evaluator, data, missed);
    if (st == MD_OK)
        st = md_evaluator_finish(evaluator, out);
    md_evaluator_free(evaluator);
    md_dataset_free(data);
    return st;
}

struct pair {
    struct book book;
    md_context *context;
    md_report *report[2];
    md_bootstrap *bootstrap[2];
};

static void make_pair(struct pair *p, const char *other_spec)
{
    md_bootstrap_options options = md_bootstrap_options_default();
    options.resamples = 200;
    OK(book_context(&p->context, &p->book, SIZE_MAX));
    OK(make_report(&p->report[0], p->context, "toy:40:1", 9));
    OK(make_report(&p->report[1], p->context, other_spec, 4));
    for (int i = 0; i < 2; i++)
        OK(md_report_bootstrap(&p->bootstrap[i], p->report[i], &options));
}

static void free_pair(struct pair *p)
{
    md_context_free(p->context);
    for (int i = 0; i < 2; i++) {
        md_report_free(p->report[i]);
        md_bootstrap_free(p->bootstrap[i]);
    }
    ck_assert_uint_eq(atomic_load(&p->book.live), 0);
}

START_TEST(intervals_are_around_the_metrics)
{
    static struct pair p;
    md_interval interval;
    make_pair(&p, "toy:40:1");
    const md_metrics *metrics = md_report_metrics(p.report[0]);
    OK(md_bootstrap_interval(&interval, p.bootstrap[0], MD_MEASURE_AP, -1));
    ck_assert_double_eq(interval.value, metrics->ap);
    ck_assert(interval.low < metrics->ap && metrics->ap < interval.high);
    ck_assert_uint_eq(interval.resamples, 200);
    OK(md_bootstrap_interval(&interval, p.bootstrap[0], MD_MEASURE_AP50, -1));
    ck_assert_double_eq(interval.value, metrics->ap50);
    for (int c = 0; c < 2; c++) {
        OK(md_bootstrap_interval(&interval, p.bootstrap[0], MD_MEASURE_AP, c));
        /* a mean of ten */
        ck_assert_double_eq_tol(interval.value, md_report_class_ap(p.report[0], c), 1e-12);
        OK(md_bootstrap_interval(&interval, p.bootstrap[0], MD_MEASURE_AP50, c));
        ck_assert_double_eq_tol(interval.value, md_report_class_ap50(p.report[0], c), 1e-12);
    }
    free_pair(&p);
}
END_TEST

START_TEST(the_better_report_is_found)
{
    static struct pair p;
    md_difference difference;
    make_pair(&p, "toy:40:1");
    OK(md_bootstrap_compare(&difference, p.bootstrap[0], p.bootstrap[1], MD_MEASURE_AP50, -1));
    ck_assert_double_eq(difference.value, md_report_metrics(p.report[0])->ap50 -
                                              md_report_metrics(p.report[1])->ap50);
    ck_assert_double_gt(difference.low, 0);
    ck_assert_double_gt(difference.a_better, 0.95);
    OK(md_bootstrap_compare(&difference, p.bootstrap[1], p.bootstrap[0], MD_MEASURE_AP50, -1));
    ck_assert_double_lt(difference.high, 0);
    ck_assert_double_gt(difference.b_better, 0.95);
    free_pair(&p);
}
END_TEST

START_TEST(reports_of_other_data_are_not_compared)
{
    static const char *const specs[] = {"toy:41:1", "toy:40:2"};
    static struct pair p;
    md_difference difference;
    md_bootstrap *other = NULL;
    md_bootstrap_options options = md_bootstrap_options_default();
    make_pair(&p, specs[_i]);
    FAILS(MD_EMISMATCH, "annotations",
          md_bootstrap_compare(&difference, p.bootstrap[0], p.bootstrap[1], MD_MEASURE_AP, -1));
    options.resamples = 200;
    options.level = 0.9;
    OK(md_report_bootstrap(&other, p.report[0], &options));
    FAILS(MD_EMISMATCH, "level of a",
          md_bootstrap_compare(&difference, p.bootstrap[0], other, MD_MEASURE_AP, -1));
    md_bootstrap_free(other);
    options.level = 0.95;
    options.seed = 5;
    OK(md_report_bootstrap(&other, p.report[0], &options));
    FAILS(MD_EMISMATCH, "not paired",
          md_bootstrap_compare(&difference, p.bootstrap[0], other, MD_MEASURE_AP, -1));
    md_bootstrap_free(other);
    free_pair(&p);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    static struct pair p;
    md_bootstrap *bootstrap = NULL;
    md_interval interval;
    md_difference difference;
    md_bootstrap_options options = md_bootstrap_options_default();
    make_pair(&p, "toy:40:1");
    FAILS(MD_EINVAL, "out is NULL", md_report_bootstrap(NULL, p.report[0], NULL));
    FAILS(MD_EINVAL, "report is NULL", md_report_bootstrap(&bootstrap, NULL, NULL));
    options.resamples = 0;
    FAILS(MD_EINVAL, "resamples is 0", md_report_bootstrap(&bootstrap, p.report[0], &options));
    options.resamples = 1000001;
    FAILS(MD_EINVAL, "resamples is 1000001",
          md_report_bootstrap(&bootstrap, p.report[0], &options));
    options.resamples = 10;
    options.level = 1;
    FAILS(MD_EINVAL, "level is 1", md_report_bootstrap(&bootstrap, p.report[0], &options));
    options.size = 0;
    FAILS(MD_EINVAL, "md_bootstrap_options",
          md_report_bootstrap(&bootstrap, p.report[0], &options));
    const md_bootstrap *b = p.bootstrap[0];
    FAILS(MD_EINVAL, "out is NULL", md_bootstrap_interval(NULL, b, MD_MEASURE_AP, -1));
    FAILS(MD_EINVAL, "bootstrap is NULL",
          md_bootstrap_interval(&interval, NULL, MD_MEASURE_AP, -1));
    FAILS(MD_EINVAL, "class_id is -2", md_bootstrap_interval(&interval, b, MD_MEASURE_AP, -2));
    FAILS(MD_EINVAL, "measure is 2", md_bootstrap_interval(&interval, b, (md_measure)2, -1));
    FAILS(MD_EINVAL, "out is NULL", md_bootstrap_compare(NULL, b, b, MD_MEASURE_AP, -1));
    FAILS(MD_EINVAL, "a is NULL", md_bootstrap_compare(&difference, NULL, b, MD_MEASURE_AP, -1));
    FAILS(MD_EINVAL, "b is NULL", md_bootstrap_compare(&difference, b, NULL, MD_MEASURE_AP, -1));
    FAILS(MD_EINVAL, "class_id is 99", md_bootstrap_compare(&difference, b, b, MD_MEASURE_AP, 99));
    md_bootstrap_free(NULL);
    free_pair(&p);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    static struct pair p;
    make_pair(&p, "toy:40:1");
    md_bootstrap_options options = md_bootstrap_options_default();
    options.resamples = 3;
    size_t alive = atomic_load(&p.book.live);
    for (size_t k = 0;; k++) {
        md_bootstrap *bootstrap = NULL;
        md_interval interval;
        atomic_store(&p.book.failed, false);
        p.book.fail_at = atomic_load(&p.book.calls) + k;
        md_status st = md_report_bootstrap(&bootstrap, p.report[0], &options);
        if (st == MD_OK)
            st = md_bootstrap_interval(&interval, bootstrap, MD_MEASURE_AP, 0);
        md_bootstrap_free(bootstrap);
        ck_assert_uint_eq(atomic_load(&p.book.live), alive);
        ck_assert_int_eq(st, atomic_load(&p.book.failed) ? MD_ENOMEM : MD_OK);
        if (st == MD_OK)
            break;
    }
    p.book.fail_at = SIZE_MAX;
    free_pair(&p);
}
END_TEST

SUITE("api/eval_bootstrap", TEST(intervals_are_around_the_metrics),
      TEST(the_better_report_is_found), LOOP(reports_of_other_data_are_not_compared, 0, 2),
      TEST(bad_arguments_are_refused), TEST(no_failed_allocation_leaks))
