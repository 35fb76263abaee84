/* test_validation.c - a pass over the validation set: average precision beside the loss. */
#include "train/validation.h"

#include <stdatomic.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/found_truth.h"

enum { IMAGES = 4, BROKEN = 1 };

/* The session and buffers that a trainer has, over a tiny network. */
struct bench {
    struct tiny_run run;
    struct session *session;
    struct host_batch host;
    struct detect_options detect;
    struct validation_options options;
};

/* The truth is every third of what the network finds, so that scores decide about precision. */
static void bench_open(struct bench *bench, size_t images)
{
    OK(tiny_run_open(&bench->run, &(struct tiny_setup){.val_images = images}));
    struct tiny_run *run = &bench->run;
    OK(tiny_run_steps(run, 2));
    found_truth_set(run->val, run, 3);
    OK(session_create(&bench->session, run->detector, run->typed.input.bgr));
    host_batch_init(&bench->host, run->memory);
    bench->detect =
        (struct detect_options){.score_threshold = run->typed.model.roi.score_thresh_test,
                                .nms_threshold = run->typed.model.roi.nms_thresh_test,
                                .max_detections = run->typed.model.detections_per_image};
    bench->options = (struct validation_options){.dataset = run->val,
                                                 .input = &run->typed.input,
                                                 .skip_broken = true,
                                                 .detect = &bench->detect};
}

static void bench_close(struct bench *bench)
{
    host_batch_free(&bench->host);
    session_free(bench->session);
    tiny_run_close(&bench->run);
    ck_assert_uint_eq(atomic_load(&bench->run.own.live_blocks), 0);
}

static void check_same(const struct coco_result *a, const struct coco_result *b)
{
    ck_assert_mem_eq(&a->metrics, &b->metrics, sizeof a->metrics);
    ck_assert_mem_eq(a->class_ap, b->class_ap, 2 * sizeof *a->class_ap);
}

/* What the network finds in images that nobody has resized before, measured from outside. */
static void evaluate_whole(const struct bench *bench, const struct dataset *dataset,
                           struct coco_result *out)
{
    static struct eval_detection detections[IMAGES * FOUND_MAX];
    size_t count = 0;
    for (size_t i = 0; i < dataset->image_count; i++) {
        struct session_detection found[FOUND_MAX];
        int here = found_in_image(found, &bench->run, dataset, i);
        for (int k = 0; k < here; k++) {
            const float *box = found[k].box;
            float width = box[2] - box[0], height = box[3] - box[1];
            detections[count++] = (struct eval_detection){
                .image = (uint32_t)i,
                .class_id = found[k].class_id,
                .box = {(double)box[0], (double)box[1], (double)width, (double)height},
                .score = (double)found[k].score};
        }
    }
    OK(coco_evaluate(out, bench->run.memory, dataset, detections, count));
}

START_TEST(precision_is_that_of_whole_images_and_the_loss_stays)
{
    struct bench bench;
    struct validation_result with, without;
    struct coco_result whole;
    bench_open(&bench, IMAGES);
    OK(validation_run(bench.session, &bench.host, &bench.options, &with));
    bench.options.detect = NULL;
    OK(validation_run(bench.session, &bench.host, &bench.options, &without));
    ck_assert(with.has_ap && !without.has_ap);
    ck_assert_double_eq(with.loss, without.loss);
    evaluate_whole(&bench, bench.run.val, &whole);
    check_same(&with.ap, &whole);
    ck_assert_double_gt(whole.metrics.ap50, 0);
    ck_assert_double_lt(whole.metrics.ap50, 1);
    coco_result_free(&whole, bench.run.memory);
    validation_result_free(&with, bench.run.memory);
    validation_result_free(&without, bench.run.memory);
    bench_close(&bench);
}
END_TEST

struct trap {
    struct dataset_source source;
    atomic_bool stop;
    bool stops; /* instead of being broken */
};

static md_status read_trapped(void *user, size_t index, struct memory *memory, md_image *out)
{
    struct trap *trap = user;
    if (index == BROKEN && !trap->stops)
        return ERROR(MD_EFORMAT, "broken on purpose");
    if (index == BROKEN)
        atomic_store(&trap->stop, true);
    return trap->source.read_image(trap->source.user, index, memory, out);
}

static void set_trap(struct trap *trap, struct dataset *dataset)
{
    trap->source = dataset->source;
    dataset->source.user = trap;
    dataset->source.read_image = read_trapped;
}

/* As if its objects were not in the set: else they would all be missed. */
START_TEST(an_image_that_cannot_be_read_counts_nowhere)
{
    static const uint32_t READABLE[] = {0, 2, 3};
    struct bench bench;
    struct trap trap = {.stops = false};
    struct dataset *readable = NULL;
    struct validation_result result;
    struct coco_result whole;
    bench_open(&bench, IMAGES);
    OK(dataset_take(bench.run.val, READABLE, 3, &readable));
    evaluate_whole(&bench, readable, &whole);
    set_trap(&trap, bench.run.val);
    OK(validation_run(bench.session, &bench.host, &bench.options, &result));
    ck_assert_uint_eq(result.skipped, 1);
    check_same(&result.ap, &whole);
    bench.run.val->source = trap.source;
    coco_result_free(&whole, bench.run.memory);
    validation_result_free(&result, bench.run.memory);
    dataset_free(readable);
    bench_close(&bench);
}
END_TEST

START_TEST(a_stop_breaks_it_off)
{
    struct bench bench;
    struct trap trap = {.stops = true};
    struct validation_result result = {.loss = -1};
    bench_open(&bench, IMAGES);
    set_trap(&trap, bench.run.val);
    bench.options.stop = &trap.stop;
    ck_assert_int_eq(validation_run(bench.session, &bench.host, &bench.options, &result), MD_AGAIN);
    ck_assert_double_eq(result.loss, -1);
    bench.run.val->source = trap.source;
    bench_close(&bench);
}
END_TEST

START_TEST(nothing_stays_allocated)
{
    struct bench bench;
    struct validation_result result;
    size_t bytes = 0;
    bench_open(&bench, IMAGES);
    for (int i = 0; i < 3; i++) {
        OK(validation_run(bench.session, &bench.host, &bench.options, &result));
        validation_result_free(&result, bench.run.memory);
        if (i > 0)
            ck_assert_uint_eq(atomic_load(&bench.run.memory->live_bytes), bytes);
        bytes = atomic_load(&bench.run.memory->live_bytes);
    }
    bench_close(&bench);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct bench bench;
    bench_open(&bench, 1);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct host_batch host;
        struct validation_result result = {.loss = 0};
        failing_memory_init(&failing, k);
        host_batch_init(&host, &failing.memory);
        md_status st = validation_run(bench.session, &host, &bench.options, &result);
        validation_result_free(&result, &failing.memory);
        host_batch_free(&host);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    bench_close(&bench);
}
END_TEST

SUITE("train/validation", TEST(precision_is_that_of_whole_images_and_the_loss_stays),
      TEST(an_image_that_cannot_be_read_counts_nowhere), TEST(a_stop_breaks_it_off),
      TEST(nothing_stays_allocated), TEST(no_failed_allocation_leaks))
