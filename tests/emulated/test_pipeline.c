/* test_pipeline.c - send and receive on the emulated device, where two images are at work at once. */
#include "../cuemu/control.h"
#include "api/api_case.h"
#include "api/predictor.h"

enum { WIDTH = 80, HEIGHT = 64, IMAGES = 3, SENT = 12 };

struct rig {
    struct book book;
    md_context *context;
    md_model *model;
    md_predictor *predictor;
    uint8_t pixels[IMAGES][WIDTH * HEIGHT * 3];
    md_image images[IMAGES];
    md_detections *expected[IMAGES];
};

/* False: this build has no cuda. */
static bool rig_open(struct rig *rig)
{
    md_context_options options = md_context_options_default();
    options.device = "cuda";
    if (md_context_create(&rig->context, &options) < 0)
        return false;
    OK(tiny_model(&rig->model, rig->context));
    OK(md_predictor_create(&rig->predictor, rig->model, NULL));
    for (int i = 0; i < IMAGES; i++) {
        rig->images[i] = pattern_image(rig->pixels[i], WIDTH, HEIGHT, (unsigned)i);
        OK(md_predict(rig->predictor, &rig->images[i], 1, &rig->expected[i]));
        ck_assert_uint_gt(md_detections_count(rig->expected[i]), 3);
    }
    return true;
}

static void rig_close(struct rig *rig)
{
    for (int i = 0; i < IMAGES; i++)
        md_detections_free(rig->expected[i]);
    md_predictor_free(rig->predictor);
    md_model_free(rig->model);
    md_context_free(rig->context);
    ck_assert_uint_eq(cuemu_counts().live_bytes, 0);
}

static void receive(struct rig *rig, int image)
{
    md_detections *found = NULL;
    void *tag = NULL;
    OK(md_predictor_receive(rig->predictor, &found, &tag, -1));
    ck_assert_ptr_eq(tag, &rig->images[image % IMAGES]);
    ck_assert(same_detections(found, rig->expected[image % IMAGES]));
    md_detections_free(found);
}

static void send_and_receive(struct rig *rig)
{
    int received = 0;
    for (int i = 0; i < SENT; i++) {
        md_image *image = &rig->images[i % IMAGES];
        while (md_predictor_send(rig->predictor, image, image) == MD_AGAIN)
            receive(rig, received++);
    }
    while (received < SENT)
        receive(rig, received++);
}

START_TEST(two_lanes_find_what_one_does_and_allocate_nothing_in_the_end)
{
    struct rig rig;
    if (!rig_open(&rig))
        SKIP("this build has no cuda");
    send_and_receive(&rig);
    ck_assert_ptr_nonnull(rig.predictor->lanes[1].session);
    send_and_receive(&rig);
    const struct cuemu_counts before = cuemu_counts();
    send_and_receive(&rig);
    const struct cuemu_counts after = cuemu_counts();
    ck_assert_int_eq(after.allocations, before.allocations);
    ck_assert_int_eq(after.host_allocations, before.host_allocations);
    ck_assert_int_eq(after.graph_launches - before.graph_launches, SENT);
    ck_assert_int_eq(after.waits - before.waits, SENT); /* one an image: for its detections */
    rig_close(&rig);
}
END_TEST

/* One lane's memory is there, two lanes' is not: images then take turns. */
START_TEST(lanes_without_memory_take_turns)
{
    struct rig rig;
    if (!rig_open(&rig))
        SKIP("this build has no cuda");
    const struct cuemu_faults faults = {.device_count = -1,
                                        .memory_limit = cuemu_counts().live_bytes + 4096};
    cuemu_inject(&faults);
    send_and_receive(&rig);
    cuemu_reset();
    send_and_receive(&rig);
    rig_close(&rig);
}
END_TEST

SUITE("emulated/pipeline", TEST(two_lanes_find_what_one_does_and_allocate_nothing_in_the_end),
      TEST(lanes_without_memory_take_turns))
