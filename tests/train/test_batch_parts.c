/* test_batch_parts.c - a batch in parts is the whole batch: gradients, losses, random numbers. */
#include "train/batch_parts.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/tiny_run.h"

enum { IMAGES = 5 };

/* Square images of one size, so that none is padded in one batch and not in another; so few regions that
 * every image has them all. Then all differences are roundings. */
static const char *const SQUARE[] = {"INPUT.CROP.ENABLED",
                                     "True",
                                     "INPUT.CROP.TYPE",
                                     "absolute",
                                     "INPUT.CROP.SIZE",
                                     "[48, 48]",
                                     "INPUT.MIN_SIZE_TRAIN",
                                     "[48]",
                                     "SOLVER.IMS_PER_BATCH",
                                     "5",
                                     "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE",
                                     "8",
                                     "MDET.SOLVER.ACCUMULATE",
                                     "5",
                                     NULL};

struct result {
    struct step_losses losses;
    float *grads;
    size_t count;
};

static void run_parts(struct result *result, int parts)
{
    struct tiny_run run;
    struct loader *loader = NULL;
    const struct batch *batch = NULL;
    struct host_batch host;
    struct session *session = NULL;
    struct optimizer optimizer;
    const struct step_values values = {.seed = 3, .iteration = 11};
    const struct session_update nothing = {.kind = 0};
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = SQUARE, .images = IMAGES}));
    const struct loader_options options = {.batch_size = IMAGES,
                                           .training = true,
                                           .augment = {.min_sizes = (int[]){48},
                                                       .min_size_count = 1,
                                                       .max_size = 48,
                                                       .crop = {true, true, false, {48, 48}}}};
    struct param_set *set = run.detector->params;
    OK(loader_create(&loader, run.memory, NULL, run.train, &options, NULL));
    OK(loader_next(loader, &batch));
    host_batch_init(&host, run.memory);
    OK(host_batch_set(&host, batch));
    OK(session_create(&session, run.detector, true));
    OK(optimizer_create(&optimizer, set, &run.typed.solver));
    for (int round = 0; round < 2; round++) /* the second must not see the first */
        OK(batch_parts_losses(session, &optimizer, &result->losses, &host, parts, &values,
                              &nothing));
    result->count = (size_t)set->trainable_count;
    result->grads = malloc(result->count * sizeof *result->grads);
    OK(tensor_download(session_stream(session), result->grads, &set->grads));
    optimizer_free(&optimizer);
    session_free(session);
    host_batch_free(&host);
    loader_free(loader);
    tiny_run_close(&run);
}

static double largest_of(const struct result *result)
{
    double largest = 0;
    for (size_t i = 0; i < result->count; i++)
        largest = fmax(largest, fabs((double)result->grads[i]));
    return largest;
}

START_TEST(parts_are_the_whole_batch)
{
    struct result whole, parts;
    run_parts(&whole, 1);
    run_parts(&parts, (int[]){2, 3, 5}[_i]); /* 2: parts of 2 and 3 images */
    ck_assert_uint_eq(whole.count, parts.count);
    /* Sums of some 10^4 terms in 32 bits, cut in another place: 1e-5 of the largest. */
    double tolerance = 1e-5 * largest_of(&whole);
    ck_assert_double_gt(tolerance, 0);
    for (size_t i = 0; i < whole.count; i++)
        ck_assert_msg(fabs((double)(whole.grads[i] - parts.grads[i])) <= tolerance,
                      "gradient %zu: %.9g whole, %.9g in parts", i, (double)whole.grads[i],
                      (double)parts.grads[i]);
    const float *a = (const float *)&whole.losses, *b = (const float *)&parts.losses;
    ck_assert_float_eq(whole.losses.num_fg_samples + whole.losses.num_bg_samples, 8);
    for (size_t i = 0; i < sizeof whole.losses / sizeof *a; i++)
        ck_assert_msg((isnan(a[i]) && isnan(b[i])) ||
                          fabsf(a[i] - b[i]) <= 1e-5F * (1 + fabsf(a[i])),
                      "scalar %zu: %.9g whole, %.9g in parts", i, (double)a[i], (double)b[i]);
    free(whole.grads);
    free(parts.grads);
}
END_TEST

SUITE("train/batch_parts", LOOP(parts_are_the_whole_batch, 0, 3))
