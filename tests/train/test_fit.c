/* test_fit.c - what a training step is said to take is what it takes; failing memory. */
#include "train/fit.h"

#include <stdlib.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_run.h"
#include "train/host_batch.h"

enum { SIDE = 96 };

static const char *const SIZES[] = {"INPUT.MIN_SIZE_TRAIN", "(64, 96)", "INPUT.MAX_SIZE_TRAIN",
                                    "96", NULL};

static md_status give(void *context, uint64_t *bytes)
{
    *bytes = *(const uint64_t *)context;
    return MD_OK;
}

static md_status refuse(void *context, uint64_t *bytes)
{
    (void)context, (void)bytes;
    return ERROR(MD_EDEVICE, "nobody knows");
}

static void open_run(struct tiny_run *run, struct memory *memory)
{
    OK(tiny_run_open(run, &(struct tiny_setup){.images = 1, .settings = SIZES, .memory = memory}));
}

/* Bytes of workspace after one real step of `images` images of the largest size. */
static size_t workspace_of_step(struct tiny_run *run, int images)
{
    const int truths = 100; /* as many as fit.c reckons with */
    struct session *session = NULL;
    struct session_image batch[HOST_BATCH_IMAGES];
    struct session_truth truth[HOST_BATCH_IMAGES];
    struct step_losses losses;
    const struct step_values values = {.seed = 1};
    const struct session_update nothing = {.kind = 0};
    uint8_t *pixels = calloc((size_t)SIDE * SIDE, 3);
    float *boxes = calloc((size_t)truths, 4 * sizeof *boxes);
    int *classes = calloc((size_t)truths, sizeof *classes);
    for (int k = 0; k < truths; k++) {
        boxes[4 * k + 2] = 20;
        boxes[4 * k + 3] = 30;
    }
    for (int i = 0; i < images; i++) {
        batch[i] = (struct session_image){pixels, SIDE, SIDE, SIDE, SIDE};
        truth[i] = (struct session_truth){boxes, classes, truths};
    }
    OK(session_create(&session, run->detector, true));
    OK(session_losses(session, &losses, batch, truth, images, &values, &nothing));
    size_t bytes = session_workspace_bytes(session);
    session_free(session);
    free(pixels);
    free(boxes);
    free(classes);
    return bytes;
}

START_TEST(a_step_takes_what_was_said)
{
    struct tiny_run run;
    struct fit one, three;
    open_run(&run, NULL);
    uint64_t available = 0;
    OK(fit_find(&one, run.detector, &run.typed, give, &available));
    ck_assert_int_eq(one.images, 0); /* nothing is available: it says what one image takes */
    ck_assert_int_eq(one.height, SIDE);
    ck_assert_int_eq(one.width, SIDE);
    ck_assert_uint_eq(one.bytes, workspace_of_step(&run, 1));
    available = workspace_of_step(&run, 3);
    OK(fit_find(&three, run.detector, &run.typed, give, &available));
    ck_assert_int_eq(three.images, 3);
    ck_assert_uint_eq(three.bytes, available);
    available--;
    OK(fit_find(&three, run.detector, &run.typed, give, &available));
    ck_assert_int_eq(three.images, 2);
    available = UINT64_MAX;
    OK(fit_find(&three, run.detector, &run.typed, give, &available));
    ck_assert_int_eq(three.images, HOST_BATCH_IMAGES);
    ck_assert_int_eq(fit_find(&three, run.detector, &run.typed, refuse, NULL), MD_EDEVICE);
    tiny_run_close(&run);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    uint64_t available = (uint64_t)1 << 40;
    struct fit fit;
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct tiny_run run;
        failing_memory_init(&failing, SIZE_MAX);
        open_run(&run, &failing.memory);
        atomic_store(&failing.calls, 0);
        failing.fail_at = k;
        md_status st = fit_find(&fit, run.detector, &run.typed, give, &available);
        tiny_run_close(&run);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("train/fit", TEST(a_step_takes_what_was_said), TEST(no_failed_allocation_leaks))
