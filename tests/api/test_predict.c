/* test_predict.c - prediction: formats, batches, allocations, threads, pipeline. */
#include "api/api_case.h"

#include <pthread.h>

enum { WIDTH = 80, HEIGHT = 64, IMAGES = 5 };

struct rig {
    struct book book;
    md_context *context;
    md_model *model;
    md_predictor *predictor;
    uint8_t pixels[IMAGES][WIDTH * HEIGHT * 3];
    md_image images[IMAGES];
};

static void rig_open(struct rig *rig, const md_predict_options *options)
{
    OK(book_context(&rig->context, &rig->book, SIZE_MAX));
    OK(tiny_model(&rig->model, rig->context));
    OK(md_predictor_create(&rig->predictor, rig->model, options));
    for (int i = 0; i < IMAGES; i++)
        rig->images[i] = pattern_image(rig->pixels[i], WIDTH, HEIGHT, (unsigned)i);
}

static void rig_close(struct rig *rig)
{
    md_predictor_free(rig->predictor);
    md_model_free(rig->model);
    md_context_free(rig->context);
    ck_assert_uint_eq(atomic_load(&rig->book.live), 0);
}

/* ---- prediction --------------------------------------------------------------------------- */

START_TEST(results_are_sorted_and_inside)
{
    struct rig rig;
    md_detections *found = NULL;
    rig_open(&rig, NULL);
    OK(md_predict(rig.predictor, rig.images, 1, &found));
    size_t count = md_detections_count(found);
    ck_assert_uint_gt(count, 3);
    ck_assert_uint_le(count, 100);
    for (size_t i = 0; i < count; i++) {
        const md_detection *d = md_detections_get(found, i);
        ck_assert(d->score >= 0 && d->score <= 1 && d->class_id >= 0 && d->class_id < 2);
        ck_assert(d->box.x0 >= 0 && d->box.x1 <= WIDTH && d->box.y0 >= 0 && d->box.y1 <= HEIGHT);
        ck_assert(i == 0 || d->score <= md_detections_get(found, i - 1)->score);
    }
    ck_assert_ptr_null(md_detections_get(found, count));
    md_predict_times times;
    OK(md_predictor_times(rig.predictor, &times));
    ck_assert(times.preprocess > 0 && times.network > 0 && times.postprocess > 0);
    md_detections_free(found);
    rig_close(&rig);
}
END_TEST

/* Five images in groups of two: each result is that of the image alone. The reference loops are
 * exact; here the same size keeps the same order of every sum. */
START_TEST(a_batch_gives_what_single_images_give)
{
    struct rig rig;
    md_predict_options options = md_predict_options_default();
    md_detections *alone = NULL;
    md_detections *found[IMAGES];
    options.max_batch = 2;
    rig_open(&rig, &options);
    OK(md_predict(rig.predictor, rig.images, IMAGES, found));
    for (int i = 0; i < IMAGES; i++) {
        OK(md_predict(rig.predictor, &rig.images[i], 1, &alone));
        ck_assert_msg(same_detections(alone, found[i]), "image %d", i);
        ck_assert(i == 0 || !same_detections(found[i], found[i - 1]));
        md_detections_free(alone);
        alone = NULL;
    }
    for (int i = 0; i < IMAGES; i++)
        md_detections_free(found[i]);
    OK(md_predict(rig.predictor, NULL, 0, NULL)); /* nothing to do */
    rig_close(&rig);
}
END_TEST

/* The same picture as BGR, RGBA, with gaps between rows, and from the bottom up. */
START_TEST(every_pixel_format_gives_the_same)
{
    struct rig rig;
    md_detections *expected = NULL, *found = NULL;
    static uint8_t other[HEIGHT][WIDTH + 9][4];
    rig_open(&rig, NULL);
    OK(md_predict(rig.predictor, rig.images, 1, &expected));
    for (int form = 0; form < 4; form++) {
        int channels = form == 1 ? 4 : 3;
        bool blue_first = form == 0;
        bool upside_down = form == 3;
        uint8_t *bytes = &other[0][0][0];
        ptrdiff_t stride = (WIDTH + 9) * 4;
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++)
                for (int c = 0; c < 3; c++)
                    bytes[(upside_down ? HEIGHT - 1 - y : y) * stride + x * channels +
                          (blue_first ? 2 - c : c)] = rig.pixels[0][(y * WIDTH + x) * 3 + c];
        md_image image = {.data = upside_down ? bytes + (HEIGHT - 1) * stride : bytes,
                          .width = WIDTH,
                          .height = HEIGHT,
                          .stride = upside_down ? -stride : stride,
                          .format = blue_first      ? MD_BGR8
                                    : channels == 4 ? MD_RGBA8
                                                    : MD_RGB8};
        OK(md_predict(rig.predictor, &image, 1, &found));
        ck_assert_msg(same_detections(expected, found), "form %d", form);
        md_detections_free(found);
        found = NULL;
    }
    md_detections_free(expected);
    rig_close(&rig);
}
END_TEST

START_TEST(options_override_the_configuration)
{
    struct rig rig;
    md_predict_options options = md_predict_options_default();
    md_detections *found = NULL;
    options.max_detections = 3;
    rig_open(&rig, &options);
    OK(md_predict(rig.predictor, rig.images, 1, &found));
    ck_assert_uint_eq(md_detections_count(found), 3);
    float third = md_detections_get(found, 2)->score;
    md_detections_free(found);
    md_predictor_free(rig.predictor);
    options.score_threshold = third; /* at the threshold is dropped */
    OK(md_predictor_create(&rig.predictor, rig.model, &options));
    OK(md_predict(rig.predictor, rig.images, 1, &found));
    ck_assert_uint_lt(md_detections_count(found), 3);
    md_detections_free(found);
    rig_close(&rig);
}
END_TEST

START_TEST(steady_state_allocates_the_result_alone)
{
    struct rig rig;
    md_detections *found = NULL;
    rig_open(&rig, NULL);
    rig.images[0].format = MD_BGR8; /* needs the predictor's own copy */
    for (int i = 0; i < 3; i++) {
        size_t before = atomic_load(&rig.book.calls);
        OK(md_predict(rig.predictor, rig.images, 1, &found));
        if (i == 2)
            ck_assert_uint_eq(atomic_load(&rig.book.calls) - before, 1);
        md_detections_free(found);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(failures_leave_out_alone)
{
    struct rig rig;
    md_detections *mark = (md_detections *)&rig;
    md_detections *found[2] = {mark, mark};
    rig_open(&rig, NULL);
    rig.images[1].data = NULL;
    FAILS(MD_EINVAL, "image.data is NULL", md_predict(rig.predictor, rig.images, 2, found));
    FAILS(MD_EIO, "absent", md_predict_file(rig.predictor, temp_path("absent.png"), found));
    rig.images[1].data = rig.pixels[1];
    /* The result of the second image cannot be allocated: the first one's is freed again. */
    for (size_t k = 0;; k++) {
        atomic_store(&rig.book.failed, false);
        rig.book.fail_at = atomic_load(&rig.book.calls) + k;
        md_status st = md_predict(rig.predictor, rig.images, 2, found);
        if (st == MD_OK)
            break;
        ck_assert_int_eq(st, MD_ENOMEM);
        ck_assert(found[0] == mark && found[1] == mark);
    }
    md_detections_free(found[0]);
    md_detections_free(found[1]);
    rig_close(&rig);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

struct worker {
    const struct rig *rig;
    md_detections *expected;
    int wrong;
};

static void *predict_often(void *arg)
{
    struct worker *worker = arg;
    md_predictor *predictor = NULL;
    worker->wrong = md_predictor_create(&predictor, worker->rig->model, NULL) != MD_OK;
    for (int i = 0; i < 4 && !worker->wrong; i++) {
        md_detections *found = NULL;
        if (md_predict(predictor, worker->rig->images, 1, &found) != MD_OK ||
            !same_detections(found, worker->expected))
            worker->wrong = 1;
        md_detections_free(found);
    }
    md_predictor_free(predictor);
    return NULL;
}

START_TEST(two_predictors_share_a_model)
{
    struct rig rig;
    md_detections *expected = NULL;
    pthread_t threads[2];
    struct worker workers[2];
    rig_open(&rig, NULL);
    OK(md_predict(rig.predictor, rig.images, 1, &expected));
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){&rig, expected, 0};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, predict_often, &workers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(workers[i].wrong, 0);
    }
    md_detections_free(expected);
    rig_close(&rig);
}
END_TEST

/* ---- pipeline ----------------------------------------------------------------------------- */

static void *send_all(void *arg)
{
    struct rig *rig = arg;
    for (int i = 0; i < 3 * IMAGES;) {
        md_status st =
            md_predictor_send(rig->predictor, &rig->images[i % IMAGES], &rig->images[i % IMAGES]);
        if (st < 0)
            return rig;
        i += st == MD_OK;
    }
    return md_predictor_finish(rig->predictor) == MD_OK ? NULL : rig;
}

START_TEST(one_thread_sends_and_another_receives)
{
    struct rig rig;
    md_detections *expected[IMAGES], *found = NULL;
    pthread_t sender;
    void *failed = NULL;
    void *tag = NULL;
    rig_open(&rig, NULL);
    OK(md_predict(rig.predictor, rig.images, IMAGES, expected));
    for (int round = 0; round < 2; round++) { /* drained, it starts anew */
        ck_assert_int_eq(pthread_create(&sender, NULL, send_all, &rig), 0);
        for (int i = 0; i < 3 * IMAGES; i++) {
            md_status st = MD_END;
            while (i == 0 && st == MD_END) /* of the last round, until the first image is sent */
                st = md_predictor_receive(rig.predictor, &found, &tag, -1);
            if (i > 0)
                st = md_predictor_receive(rig.predictor, &found, &tag, -1);
            OK(st);
            ck_assert_ptr_eq(tag, &rig.images[i % IMAGES]);
            ck_assert(same_detections(found, expected[i % IMAGES]));
            md_detections_free(found);
        }
        ck_assert_int_eq(md_predictor_receive(rig.predictor, &found, &tag, -1), MD_END);
        ck_assert_int_eq(md_predictor_receive(rig.predictor, &found, &tag, 0), MD_END);
        pthread_join(sender, &failed);
        ck_assert_ptr_null(failed);
    }
    for (int i = 0; i < IMAGES; i++)
        md_detections_free(expected[i]);
    rig_close(&rig);
}
END_TEST

START_TEST(a_full_queue_says_again)
{
    struct rig rig;
    md_predict_options options = md_predict_options_default();
    md_detections *found = NULL;
    options.queue_depth = 2;
    rig_open(&rig, &options);
    ck_assert_int_eq(md_predictor_receive(rig.predictor, &found, NULL, 0), MD_AGAIN);
    ck_assert_int_eq(md_predictor_receive(rig.predictor, &found, NULL, 20), MD_AGAIN);
    OK(md_predictor_send(rig.predictor, &rig.images[0], NULL));
    OK(md_predictor_send(rig.predictor, &rig.images[1], NULL));
    ck_assert_int_eq(md_predictor_send(rig.predictor, &rig.images[2], NULL), MD_AGAIN);
    FAILS(MD_EINVAL, "not drained", md_predict(rig.predictor, rig.images, 1, &found));
    OK(md_predictor_receive(rig.predictor, &found, NULL, -1));
    md_detections_free(found);
    OK(md_predictor_send(rig.predictor, &rig.images[2], NULL));
    OK(md_predictor_finish(rig.predictor));
    FAILS(MD_EINVAL, "finish", md_predictor_send(rig.predictor, &rig.images[2], NULL));
    rig_close(&rig); /* what was not received is not leaked */
}
END_TEST

/* The failure comes with its own image; the next ones are fine. */
START_TEST(a_failure_belongs_to_its_image)
{
    struct rig rig;
    md_detections *found = NULL;
    void *tag = NULL;
    rig_open(&rig, NULL);
    for (int i = 0; i < 2; i++) {
        OK(md_predictor_send(rig.predictor, &rig.images[i], &rig.images[i]));
        OK(md_predictor_receive(rig.predictor, &found, &tag, -1));
        md_detections_free(found);
    }
    found = NULL;
    OK(md_predictor_send(rig.predictor, &rig.images[0], &rig.images[0]));
    OK(md_predictor_receive(rig.predictor, &found, &tag, -1));
    md_detections_free(found);
    found = NULL;
    rig.book.fail_at = atomic_load(&rig.book.calls); /* the slot's pixels, then its result */
    md_status st = md_predictor_send(rig.predictor, &rig.images[2], &rig.images[2]);
    if (st == MD_ENOMEM) {
        rig.book.fail_at = atomic_load(&rig.book.calls) + 1;
        OK(md_predictor_send(rig.predictor, &rig.images[2], &rig.images[2]));
    }
    FAILS(MD_ENOMEM, "memory", md_predictor_receive(rig.predictor, &found, &tag, -1));
    ck_assert_ptr_eq(tag, &rig.images[2]);
    ck_assert_ptr_null(found);
    OK(md_predictor_send(rig.predictor, &rig.images[3], &rig.images[3]));
    OK(md_predictor_receive(rig.predictor, &found, &tag, -1));
    ck_assert_ptr_eq(tag, &rig.images[3]);
    md_detections_free(found);
    rig_close(&rig);
}
END_TEST

SUITE("api/predict", TEST(results_are_sorted_and_inside),
      TEST(a_batch_gives_what_single_images_give), TEST(every_pixel_format_gives_the_same),
      TEST(options_override_the_configuration), TEST(steady_state_allocates_the_result_alone),
      TEST(failures_leave_out_alone), TEST(two_predictors_share_a_model),
      TEST(one_thread_sends_and_another_receives), TEST(a_full_queue_says_again),
      TEST(a_failure_belongs_to_its_image))
