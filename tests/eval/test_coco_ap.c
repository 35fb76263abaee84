/* test_coco_ap.c - average precision: a worked example, ties, crowds, sizes, and nothing to measure. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"
#include "eval/coco_ap.h"
#include "suite.h"
#include "support/failing_memory.h"

/* Sums of some hundred doubles near 1. */
static const double exact = 1e-12;

static struct memory memory;

struct truth {
    int64_t id;
    int image, class_id;
    float x, y, w, h;
    bool crowd;
    float area; /* 0: that of the box */
};

static struct dataset *make_dataset(struct memory *from, int images, int classes,
                                    const struct truth *truths, int count)
{
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    md_status st = MD_OK;
    builder_init(&builder, from);
    for (int i = 0; i < images && st == MD_OK; i++)
        st = builder_add_image(&builder, "image", i + 1, 400, 400);
    for (int i = 0; i < classes && st == MD_OK; i++)
        st = builder_add_class(&builder, "class", i + 1);
    for (int i = 0; i < count && st == MD_OK; i++) {
        const struct truth *t = &truths[i];
        struct annotation annotation = {.box = {t->x, t->y, t->x + t->w, t->y + t->h},
                                        .class_id = t->class_id,
                                        .crowd = t->crowd,
                                        .area = (double)(t->area > 0 ? t->area : t->w * t->h),
                                        .id = t->id};
        st = builder_add_annotation(&builder, (size_t)t->image, &annotation);
    }
    if (st == MD_OK)
        st = builder_finish(&builder, "/nowhere", NULL, &dataset);
    builder_free(&builder);
    return dataset;
}

static struct eval_detection detection(uint32_t image, int class_id, float x, float y, float w,
                                       float h, float score)
{
    return (struct eval_detection){.image = image,
                                   .class_id = class_id,
                                   .box = {(double)x, (double)y, (double)w, (double)h},
                                   .score = (double)score};
}

static struct coco_result evaluate(const struct dataset *dataset,
                                   const struct eval_detection *detections, size_t count)
{
    struct coco_result result;
    memory_init(&memory, NULL);
    ck_assert_int_eq(coco_evaluate(&result, &memory, dataset, detections, count), MD_OK);
    return result;
}

static void done(struct coco_result *result, struct dataset *dataset)
{
    coco_result_free(result, &memory);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    dataset_free(dataset);
}

static const struct truth example_truths[] = {
    {1, 0, 0, 10, 10, 40, 40, false, 0},  {2, 0, 0, 100, 100, 120, 110, false, 0},
    {3, 0, 1, 200, 30, 20, 25, false, 0}, {4, 0, 0, 0, 0, 300, 300, true, 0},
    {5, 1, 1, 30, 30, 60, 60, false, 0},  {6, 1, 0, 5, 5, 31, 31, false, 0},
};

static size_t example_detections(struct eval_detection out[16])
{
    const struct eval_detection all[] = {
        detection(0, 0, 12, 11, 38, 41, .9F),   detection(0, 0, 10, 10, 40, 40, .9F),
        detection(0, 0, 90, 95, 140, 120, .8F), detection(0, 0, 250, 250, 40, 40, .7F),
        detection(0, 1, 198, 28, 24, 28, .6F),  detection(0, 1, 0, 0, 10, 10, .65F),
        detection(1, 1, 30, 30, 60, 66, .5F),   detection(1, 0, 7, 6, 30, 30, .95F),
        detection(1, 0, 300, 300, 20, 20, .3F), detection(2, 2, 1, 1, 4, 4, .99F),
        detection(2, 0, 0, 0, 9, 9, .2F),
    };
    memcpy(out, all, sizeof all);
    return sizeof all / sizeof all[0];
}

/* Figures of pycocotools on the same boxes, printed with six digits. */
START_TEST(worked_example_gives_the_figures_of_pycocotools)
{
    static struct memory own;
    memory_init(&own, NULL);
    struct eval_detection detections[16];
    size_t count = example_detections(detections);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    struct coco_result result = evaluate(dataset, detections, count);
    const struct coco_metrics *m = &result.metrics;
    const double got[12] = {m->ap,  m->ap50, m->ap75,  m->ap_small, m->ap_medium, m->ap_large,
                            m->ar1, m->ar10, m->ar100, m->ar_small, m->ar_medium, m->ar_large};
    const double want[12] = {0.583498, 0.833333, 0.584158, 0.525, 0.95, 0.6,
                             0.491667, 0.75,     0.75,     0.65,  0.95, 0.6};
    for (int i = 0; i < 12; i++)
        ck_assert_msg(fabs(got[i] - want[i]) < 1e-6, "figure %d: %.8f, want %.8f", i, got[i],
                      want[i]);
    ck_assert_double_eq_tol(result.class_ap[0], 0.76633663, 1e-8);
    ck_assert_double_eq_tol(result.class_ap[1], 0.40066007, 1e-8);
    ck_assert_double_eq(result.class_ap[2], -1);
    done(&result, dataset);
}
END_TEST

START_TEST(nothing_to_measure_is_minus_one)
{
    static struct memory own;
    memory_init(&own, NULL);
    struct dataset *dataset = make_dataset(&own, 2, 1, NULL, 0);
    const struct eval_detection one = detection(0, 0, 1, 1, 10, 10, .5F);
    struct coco_result result = evaluate(dataset, &one, 1);
    ck_assert_double_eq(result.metrics.ap, -1);
    ck_assert_double_eq(result.metrics.ar100, -1);
    ck_assert_double_eq(result.class_ap50[0], -1);
    done(&result, dataset);
}
END_TEST

START_TEST(no_detections_at_all_is_minus_one)
{
    static struct memory own;
    memory_init(&own, NULL);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    struct coco_result result = evaluate(dataset, NULL, 0);
    ck_assert_double_eq(result.metrics.ap, -1);
    ck_assert_double_eq(result.metrics.ar100, -1);
    ck_assert_double_eq(result.class_ap[0], -1);
    done(&result, dataset);
}
END_TEST

START_TEST(a_class_that_nothing_was_found_of_is_zero)
{
    static struct memory own;
    memory_init(&own, NULL);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    const struct eval_detection other = detection(0, 1, 200, 30, 20, 25, .5F);
    struct coco_result result = evaluate(dataset, &other, 1);
    ck_assert_double_eq(result.class_ap[0], 0);
    ck_assert_double_gt(result.class_ap[1], 0.4);
    ck_assert_double_eq(result.class_ap[2], -1);
    done(&result, dataset);
}
END_TEST

/* Precision 1 / (1 + epsilon) at all recalls. */
START_TEST(perfect_detections_are_one)
{
    static struct memory own;
    memory_init(&own, NULL);
    const struct truth truths[] = {{0, 0, 0, 10, 10, 40, 40, false, 0},
                                   {1, 1, 0, 50, 60, 70, 80, false, 0}};
    const struct eval_detection found[] = {detection(0, 0, 10, 10, 40, 40, .5F),
                                           detection(1, 0, 50, 60, 70, 80, .5F)};
    struct dataset *dataset = make_dataset(&own, 2, 1, truths, 2);
    struct coco_result result = evaluate(dataset, found, 2);
    ck_assert_double_eq_tol(result.metrics.ap, 1,
                            exact); /* also for the annotation whose id is 0 */
    ck_assert_double_eq_tol(result.metrics.ar1, 1, exact);
    done(&result, dataset);
}
END_TEST

/* A crowd takes any number of detections, and none of them is a mistake. */
START_TEST(crowd_absorbs_detections)
{
    static struct memory own;
    memory_init(&own, NULL);
    const struct truth truths[] = {{1, 0, 0, 0, 0, 40, 40, false, 0},
                                   {2, 0, 0, 100, 100, 200, 200, true, 0}};
    const struct eval_detection found[] = {detection(0, 0, 110, 110, 20, 20, .9F),
                                           detection(0, 0, 150, 150, 20, 20, .8F),
                                           detection(0, 0, 0, 0, 40, 40, .1F)};
    struct dataset *dataset = make_dataset(&own, 1, 1, truths, 2);
    struct coco_result result = evaluate(dataset, found, 3);
    ck_assert_double_eq_tol(result.metrics.ap, 1, exact);
    done(&result, dataset);
}
END_TEST

/* 32 x 32 belongs to small and to medium; the area of the file decides, not the box. */
START_TEST(ends_of_the_size_ranges_are_inclusive)
{
    static struct memory own;
    memory_init(&own, NULL);
    const struct truth truths[] = {{1, 0, 0, 0, 0, 32, 32, false, 0},
                                   {2, 1, 0, 0, 0, 32, 32, false, 9216}};
    const struct eval_detection found[] = {detection(0, 0, 0, 0, 32, 32, .9F)};
    struct dataset *dataset = make_dataset(&own, 2, 1, truths, 2);
    struct coco_result result = evaluate(dataset, found, 1);
    ck_assert_double_eq_tol(result.metrics.ar_small, 1, exact);
    ck_assert_double_eq_tol(result.metrics.ar_medium, 0.5, exact);
    ck_assert_double_eq_tol(result.metrics.ar_large, 0, exact);
    done(&result, dataset);
}
END_TEST

/* Of 101 detections in one image the last by score is not looked at, though only it is right. */
START_TEST(at_most_a_hundred_detections_count)
{
    static struct memory own;
    memory_init(&own, NULL);
    const struct truth truth = {1, 0, 0, 0, 0, 40, 40, false, 0};
    struct eval_detection found[101];
    for (int i = 0; i < 100; i++)
        found[i] = detection(0, 0, 200, 200, 10, 10, .9F);
    found[100] = detection(0, 0, 0, 0, 40, 40, .8F);
    struct dataset *dataset = make_dataset(&own, 1, 1, &truth, 1);
    struct coco_result result = evaluate(dataset, found, 101);
    ck_assert_double_eq(result.metrics.ar100, 0);
    coco_result_free(&result, &memory);
    result = evaluate(dataset, found + 1, 100);
    ck_assert_double_eq_tol(result.metrics.ar100, 1, exact);
    ck_assert_double_eq(result.metrics.ar10, 0);
    done(&result, dataset);
}
END_TEST

START_TEST(bad_detections_are_refused)
{
    static struct memory own;
    memory_init(&own, NULL);
    memory_init(&memory, NULL);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    struct eval_detection bad[4];
    for (int i = 0; i < 4; i++)
        bad[i] = detection(0, 0, 1, 1, 5, 5, .5F);
    bad[0].image = 3;
    bad[1].class_id = 3;
    bad[2].score = NAN;
    bad[3].box[2] = INFINITY;
    for (int i = 0; i < 4; i++) {
        struct coco_result result;
        ck_assert_int_eq(coco_evaluate(&result, &memory, dataset, &bad[i], 1), MD_EINVAL);
        ck_assert_ptr_nonnull(strstr(error_text(), "detection 0"));
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    dataset_free(dataset);
}
END_TEST

/* A truth of id 0 is found; pycocotools takes that for a miss, and the truth is gone all the same. */
START_TEST(id_zero_is_an_id_unless_pycocotools_is_asked_for)
{
    static struct memory own;
    memory_init(&own, NULL);
    const struct truth truths[] = {{0, 0, 0, 10, 10, 40, 40, false, 0},
                                   {7, 0, 0, 100, 10, 40, 40, false, 0}};
    const struct eval_detection found[] = {detection(0, 0, 100, 10, 40, 40, .9F),
                                           detection(0, 0, 10, 10, 40, 40, .8F)};
    struct dataset *dataset = make_dataset(&own, 1, 1, truths, 2);
    struct coco_options options = coco_options_default();
    for (int strict = 0; strict < 2; strict++) {
        struct coco_result result;
        options.strict_ids = strict == 1;
        memory_init(&memory, NULL);
        ck_assert_int_eq(coco_evaluate_as(&result, &memory, dataset, found, 2, &options), MD_OK);
        ck_assert_double_eq(result.metrics.ar100, strict ? 0.5 : 1.0);
        /* Of 101 recalls the 51 up to one half are reached. */
        ck_assert_double_eq_tol(result.metrics.ap, strict ? 51.0 / 101 : 1.0, exact);
        coco_result_free(&result, &memory);
    }
    dataset_free(dataset);
}
END_TEST

START_TEST(thresholds_and_limits_are_the_callers)
{
    static struct memory own;
    memory_init(&own, NULL);
    memory_init(&memory, NULL);
    const struct truth truths[] = {{1, 0, 0, 0, 0, 100, 100, false, 0},
                                   {2, 0, 0, 200, 0, 100, 100, false, 0}};
    /* IoU 0.4 and 0.8 */
    const struct eval_detection found[] = {detection(0, 0, 0, 0, 40, 100, .9F),
                                           detection(0, 0, 200, 0, 100, 80, .8F)};
    struct dataset *dataset = make_dataset(&own, 1, 1, truths, 2);
    struct coco_options options = {
        .thresholds = {0.25, 0.75, 1.0}, .threshold_count = 3, .limits = {1, 1, 2}, .threads = 1};
    struct coco_result result;
    ck_assert_int_eq(coco_evaluate_as(&result, &memory, dataset, found, 2, &options), MD_OK);
    ck_assert_double_eq(result.metrics.ap50, -1);
    ck_assert_double_eq(result.class_ap50[0], -1);
    /* At 0.75 the second is the only hit: precision 1/2 up to recall 1/2. */
    ck_assert_double_eq_tol(result.metrics.ap75, 51.0 / 101 / 2, exact);
    ck_assert_double_eq_tol(result.metrics.ap, (1 + 51.0 / 101 / 2) / 3, exact);
    ck_assert_double_eq_tol(result.metrics.ar100, (1 + 0.5 + 0) / 3, exact);
    ck_assert_double_eq_tol(result.metrics.ar1, 0.5 / 3, exact); /* the first, at 0.25 */
    ck_assert_double_eq(result.figures[COCO_AR * 3 + 1], 0.5);
    ck_assert_double_eq(result.figures[COCO_AP_SMALL * 3], -1);
    coco_result_free(&result, &memory);
    dataset_free(dataset);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    static struct memory own;
    memory_init(&own, NULL);
    memory_init(&memory, NULL);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    struct coco_options bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = coco_options_default();
    bad[0].threshold_count = 0;
    bad[1].threshold_count = COCO_MOST_THRESHOLDS + 1;
    bad[2].thresholds[0] = 0;
    bad[3].thresholds[9] = 1.01;
    bad[4].thresholds[4] = bad[4].thresholds[3];
    bad[5].thresholds[0] = NAN;
    bad[6].limits[0] = 0;
    bad[7].limits[2] = 9;
    for (int i = 0; i < 8; i++) {
        struct coco_result result;
        ck_assert_int_eq(coco_evaluate_as(&result, &memory, dataset, NULL, 0, &bad[i]), MD_EINVAL);
        ck_assert_ptr_nonnull(strstr(error_text(), i < 6 ? "IoU threshold" : "at most"));
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    dataset_free(dataset);
}
END_TEST

/* Classes are averaged in their order, whoever measured them. */
START_TEST(threads_change_nothing)
{
    static struct memory own;
    memory_init(&own, NULL);
    struct eval_detection detections[16];
    size_t count = example_detections(detections);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    struct coco_result one = evaluate(dataset, detections, count);
    struct coco_options options = coco_options_default();
    for (options.threads = 2; options.threads < 9; options.threads++) {
        struct coco_result many;
        ck_assert_int_eq(coco_evaluate_as(&many, &memory, dataset, detections, count, &options),
                         MD_OK);
        ck_assert_mem_eq(&many.metrics, &one.metrics, sizeof one.metrics);
        ck_assert_mem_eq(many.figures, one.figures,
                         3 * COCO_FIGURES * (size_t)options.threshold_count * sizeof(double));
        coco_result_free(&many, &memory);
    }
    done(&one, dataset);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    static struct memory own;
    struct coco_options options = coco_options_default();
    options.threads = 1 + _i;
    memory_init(&own, NULL);
    struct eval_detection detections[16];
    size_t count = example_detections(detections);
    struct dataset *dataset = make_dataset(&own, 3, 3, example_truths, 6);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct coco_result result;
        failing_memory_init(&failing, k);
        md_status st =
            coco_evaluate_as(&result, &failing.memory, dataset, detections, count, &options);
        if (st == MD_OK)
            coco_result_free(&result, &failing.memory);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("eval/coco_ap", TEST(worked_example_gives_the_figures_of_pycocotools),
      TEST(nothing_to_measure_is_minus_one), TEST(no_detections_at_all_is_minus_one),
      TEST(a_class_that_nothing_was_found_of_is_zero), TEST(perfect_detections_are_one),
      TEST(crowd_absorbs_detections), TEST(ends_of_the_size_ranges_are_inclusive),
      TEST(at_most_a_hundred_detections_count), TEST(bad_detections_are_refused),
      TEST(id_zero_is_an_id_unless_pycocotools_is_asked_for),
      TEST(thresholds_and_limits_are_the_callers), TEST(bad_options_are_refused),
      TEST(threads_change_nothing), LOOP(no_failed_allocation_leaks, 0, 2))
