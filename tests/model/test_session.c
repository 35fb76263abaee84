/* test_session.c - passes without allocations, batches, odd sizes, empty cases, failing memory. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_net.h"

static const char *const two_classes[] = {"MODEL.ROI_HEADS.NUM_CLASSES", "2", NULL};
static const struct detect_options options = {0.01f, 0.5f, 20};
static const float truth_boxes[8] = {10, 12, 40, 44, 30, 20, 60, 60};
static const int truth_classes[2] = {0, 1};
static const struct step_values fixed = {.seed = 1, .iteration = 2};
static const struct session_update gradients = {.kind = 0};

struct found {
    struct session_detection items[2][20];
    int counts[2];
};

static md_status detect(struct session *session, struct found *found,
                        const struct session_image *images, int count)
{
    memset(found, 0, sizeof *found);
    return session_detect(session, &found->items[0][0], found->counts, images, count, &options);
}

/* ---- steady state ------------------------------------------------------------------------- */

START_TEST(steady_state_allocates_nothing)
{
    struct tiny_net net;
    struct session *session;
    struct found found;
    struct step_losses losses;
    uint8_t *pixels = tiny_net_pixels(96, 64, 1);
    struct session_image image = {pixels, 96, 64, 144, 96};
    struct session_image seen = {pixels, 96, 64, 96, 64};
    struct session_truth truth = {truth_boxes, truth_classes, 2};
    NET_OK(tiny_net_open(&net, "tiny", _i ? "cpu" : "ref", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(detect(session, &found, &image, 1));
    size_t calls = atomic_load(&net.memory->total_calls);
    for (int i = 0; i < 3; i++)
        NET_OK(detect(session, &found, &image, 1));
    ck_assert_uint_eq(atomic_load(&net.memory->total_calls), calls);

    NET_OK(session_losses(session, &losses, &seen, &truth, 1, &fixed, &gradients));
    calls = atomic_load(&net.memory->total_calls);
    for (int i = 0; i < 3; i++) {
        param_set_trained(net.detector->params);
        NET_OK(session_losses(session, &losses, &seen, &truth, 1, &fixed, &gradients));
    }
    ck_assert_uint_eq(atomic_load(&net.memory->total_calls), calls);
    session_free(session);
    free(pixels);
    tiny_net_close(&net);
}
END_TEST

/* ---- sizes and batches -------------------------------------------------------------------- */

static void assert_same(const struct session_detection *a, int a_count,
                        const struct session_detection *b, int b_count, double tolerance)
{
    ck_assert_int_eq(a_count, b_count);
    for (int i = 0; i < a_count; i++) {
        ck_assert_int_eq(a[i].class_id, b[i].class_id);
        ck_assert_double_eq_tol((double)a[i].score, (double)b[i].score, tolerance);
        for (int c = 0; c < 4; c++)
            ck_assert_double_eq_tol((double)a[i].box[c], (double)b[i].box[c], 1e3 * tolerance);
    }
}

START_TEST(sizes_may_come_and_go)
{
    struct tiny_net net;
    struct session *session, *fresh;
    struct found first, again, other;
    uint8_t *pixels = tiny_net_pixels(96, 64, 1);
    struct session_image small = {pixels, 96, 64, 96, 64}, large = {pixels, 96, 64, 192, 128};
    NET_OK(tiny_net_open(&net, "tiny", "ref", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(session_create(&fresh, net.detector, false));
    NET_OK(detect(session, &first, &small, 1));
    NET_OK(detect(session, &other, &large, 1));
    NET_OK(detect(session, &again, &small, 1));
    ck_assert_int_gt(first.counts[0], 0);
    ck_assert_mem_eq(&first, &again, sizeof first);
    NET_OK(detect(fresh, &again, &large, 1));
    ck_assert_mem_eq(&other, &again, sizeof other);
    session_free(session);
    session_free(fresh);
    free(pixels);
    tiny_net_close(&net);
}
END_TEST

START_TEST(a_batch_is_its_images)
{
    struct tiny_net net;
    struct session *session;
    struct found one, two, batch;
    uint8_t *a = tiny_net_pixels(96, 64, 1), *b = tiny_net_pixels(96, 64, 2);
    struct session_image images[2] = {{a, 96, 64, 96, 64}, {b, 96, 64, 96, 64}};
    NET_OK(tiny_net_open(&net, "tiny", _i ? "cpu" : "ref", 2, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(detect(session, &one, &images[0], 1));
    NET_OK(detect(session, &two, &images[1], 1));
    NET_OK(detect(session, &batch, images, 2));
    /* oneDNN may sum in another order for another batch: last bits of float32 sums. */
    assert_same(one.items[0], one.counts[0], batch.items[0], batch.counts[0], 1e-5);
    assert_same(two.items[0], two.counts[0], batch.items[1], batch.counts[1], 1e-5);
    session_free(session);
    free(a);
    free(b);
    tiny_net_close(&net);
}
END_TEST

/* Boxes stay inside their own image although the batch is padded to the larger one. */
START_TEST(padding_is_not_part_of_the_image)
{
    struct tiny_net net;
    struct session *session;
    struct found found;
    uint8_t *a = tiny_net_pixels(50, 33, 1), *b = tiny_net_pixels(130, 100, 2);
    struct session_image images[2] = {{a, 50, 33, 50, 33}, {b, 130, 100, 130, 100}};
    NET_OK(tiny_net_open(&net, "tiny", "ref", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(detect(session, &found, images, 2));
    ck_assert_int_gt(found.counts[0], 0);
    for (int i = 0; i < found.counts[0]; i++) {
        ck_assert_float_le(found.items[0][i].box[2], 50.0f);
        ck_assert_float_le(found.items[0][i].box[3], 33.0f);
    }
    session_free(session);
    free(a);
    free(b);
    tiny_net_close(&net);
}
END_TEST

/* ---- empty cases -------------------------------------------------------------------------- */

START_TEST(an_image_without_truth_trains)
{
    struct tiny_net net;
    struct session *session;
    struct step_losses losses;
    uint8_t *pixels = tiny_net_pixels(64, 64, 1);
    struct session_image images[2] = {{pixels, 64, 64, 64, 64}, {pixels, 64, 64, 64, 64}};
    struct session_truth truth[2] = {{NULL, NULL, 0}, {truth_boxes, truth_classes, 2}};
    NET_OK(tiny_net_open(&net, "tiny", _i ? "cpu" : "ref", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(session_losses(session, &losses, images, truth, 1, &fixed, &gradients));
    ck_assert_float_eq(losses.box_reg, 0.0f);
    ck_assert_float_eq(losses.rpn_loc, 0.0f);
    ck_assert_float_eq(losses.num_fg_samples, 0.0f);
    ck_assert_float_gt(losses.cls, 0.0f);
    ck_assert(isnan(losses.fg_cls_accuracy));
    NET_OK(session_losses(session, &losses, images, truth, 2, &fixed, &gradients));
    ck_assert(isfinite(losses.total));
    ck_assert_float_gt(losses.num_fg_samples, 0.0f);
    session_free(session);
    free(pixels);
    tiny_net_close(&net);
}
END_TEST

START_TEST(no_proposals_no_detections)
{
    static const char *const none[] = {"MODEL.ROI_HEADS.NUM_CLASSES", "2",
                                       "MODEL.PROPOSAL_GENERATOR.MIN_SIZE", "4000", NULL};
    struct tiny_net net;
    struct session *session;
    struct found found;
    struct step_losses losses;
    uint8_t *pixels = tiny_net_pixels(20, 17, 1);
    struct session_image image = {pixels, 20, 17, 20, 17};
    struct session_truth truth = {NULL, NULL, 0};
    NET_OK(tiny_net_open(&net, "tiny", _i ? "cpu" : "ref", 1, none, NULL));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(detect(session, &found, &image, 1));
    ck_assert_int_eq(found.counts[0], 0);
    NET_OK(session_losses(session, &losses, &image, &truth, 1, &fixed, &gradients));
    ck_assert_float_eq(losses.cls, 0.0f);
    ck_assert(isfinite(losses.total));
    session_free(session);
    free(pixels);
    tiny_net_close(&net);
}
END_TEST

START_TEST(weights_that_are_not_finite_find_nothing)
{
    struct tiny_net net;
    struct session *session;
    struct found found;
    uint8_t *pixels = tiny_net_pixels(64, 64, 1);
    struct session_image image = {pixels, 64, 64, 64, 64};
    NET_OK(tiny_net_open(&net, "tiny", _i ? "cpu" : "ref", 1, two_classes, NULL));
    struct param *param = param_find(net.detector->params, "backbone.fpn_output2.bias");
    NET_OK(op_fill(net.stream, &param->value, NAN));
    NET_OK(detector_refresh(net.detector, net.stream));
    NET_OK(session_create(&session, net.detector, false));
    NET_OK(detect(session, &found, &image, 1));
    for (int i = 0; i < found.counts[0]; i++)
        for (int c = 0; c < 4; c++)
            ck_assert(isfinite(found.items[0][i].box[c]));
    session_free(session);
    free(pixels);
    tiny_net_close(&net);
}
END_TEST

START_TEST(sizes_out_of_range_are_refused)
{
    struct tiny_net net;
    struct session *session;
    struct found found;
    uint8_t pixel[3] = {0};
    struct session_image images[] = {
        {pixel, 0, 1, 8, 8}, {pixel, 1, 1, 0, 8}, {pixel, 1, 1, 8, 40000}};
    NET_OK(tiny_net_open(&net, "tiny", "ref", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        ck_assert_int_eq(detect(session, &found, &images[i], 1), MD_EINVAL);
    session_free(session);
    tiny_net_close(&net);
}
END_TEST

/* ---- threads and memory ------------------------------------------------------------------- */

struct worker {
    struct tiny_net *net;
    struct session_image image;
    struct found alone, found;
    md_status status;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct session *session = NULL;
    w->status = session_create(&session, w->net->detector, false);
    for (int i = 0; i < 5 && w->status >= 0; i++)
        w->status = detect(session, &w->found, &w->image, 1);
    session_free(session);
    return NULL;
}

START_TEST(sessions_share_a_detector)
{
    struct tiny_net net;
    struct worker workers[2];
    pthread_t threads[2];
    struct session *session;
    NET_OK(tiny_net_open(&net, "tiny", "cpu", 1, two_classes, NULL));
    NET_OK(session_create(&session, net.detector, false));
    for (int i = 0; i < 2; i++) {
        workers[i].net = &net;
        workers[i].image =
            (struct session_image){tiny_net_pixels(64, 64, (uint64_t)i), 64, 64, 64, 64};
        NET_OK(detect(session, &workers[i].alone, &workers[i].image, 1));
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(workers[i].status, MD_OK);
        ck_assert_mem_eq(&workers[i].alone, &workers[i].found, sizeof workers[i].found);
        free((void *)(uintptr_t)workers[i].image.pixels);
    }
    session_free(session);
    tiny_net_close(&net);
}
END_TEST

static md_status whole_life(struct memory *memory, const struct session_image *image)
{
    md_status st = MD_OK;
    struct tiny_net net = {0};
    struct session *session = NULL;
    struct found found;
    struct step_losses losses;
    struct session_truth truth = {truth_boxes, truth_classes, 2};
    TRY(tiny_net_open(&net, "tiny", "cpu", 1, two_classes, memory));
    TRY(session_create(&session, net.detector, false));
    TRY(detect(session, &found, image, 1));
    TRY(session_losses(session, &losses, image, &truth, 1, &fixed, &gradients));
fail:
    session_free(session);
    if (net.memory)
        tiny_net_close(&net);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    uint8_t *pixels = tiny_net_pixels(64, 64, 1);
    struct session_image image = {pixels, 64, 64, 64, 64};
    struct failing_memory failing;
    size_t k = 0;
    for (md_status st = MD_ENOMEM; st != MD_OK; k++) {
        failing_memory_init(&failing, k);
        st = whole_life(&failing.memory, &image);
        failing_memory_check(&failing, st);
    }
    ck_assert_uint_gt(k, 50);
    free(pixels);
}
END_TEST

SUITE("model/session", LOOP(steady_state_allocates_nothing, 0, 2), TEST(sizes_may_come_and_go),
      LOOP(a_batch_is_its_images, 0, 2), TEST(padding_is_not_part_of_the_image),
      LOOP(an_image_without_truth_trains, 0, 2), LOOP(no_proposals_no_detections, 0, 2),
      LOOP(weights_that_are_not_finite_find_nothing, 0, 2), TEST(sizes_out_of_range_are_refused),
      TEST(sessions_share_a_detector), SLOW(every_allocation_may_fail, 120))
