/* test_out_of_memory.c - allocation k fails, for every k, over a model's whole life.
 *
 * Each time the failure must come back as MD_ENOMEM, nothing may be left alive, and nothing may
 * crash: the proof of every `fail:` below. The allocator fills blocks with rubbish, before and
 * after. A case takes every STRIDE-th k, so that the cases can share the work. */
#include "api/api_case.h"

enum { STRIDE = 8, WIDTH = 48, HEIGHT = 40 };

/* ---- a model's life ----------------------------------------------------------------------- */

static md_status live_as_model(md_context *context)
{
    static uint8_t pixels[WIDTH * HEIGHT * 3];
    const char *path = temp_path("life.safetensors");
    md_image image = pattern_image(pixels, WIDTH, HEIGHT, 3);
    md_model *made = NULL, *loaded = NULL;
    md_predictor *predictor = NULL;
    md_detections *found = NULL;
    md_import_report report;
    md_status st = tiny_model(&made, context);
    if (st == MD_OK)
        st = md_model_save(made, path);
    if (st == MD_OK)
        st = md_model_load(&loaded, context, path);
    if (st == MD_OK)
        st = md_model_import(loaded, path, &report);
    if (st == MD_OK)
        st = md_predictor_create(&predictor, loaded, NULL);
    if (st == MD_OK)
        st = md_predict(predictor, &image, 1, &found);
    md_detections_free(found);
    found = NULL;
    if (st == MD_OK)
        st = md_predictor_send(predictor, &image, NULL);
    if (st == MD_OK)
        st = md_predictor_receive(predictor, &found, NULL, -1);
    md_detections_free(found);
    md_predictor_free(predictor);
    md_model_free(loaded);
    md_model_free(made);
    return st;
}

/* ---- a training's life -------------------------------------------------------------------- */

static md_status live_as_training(md_context *context)
{
    md_train_options options = md_train_options_default();
    md_dataset *all = NULL, *train = NULL, *val = NULL;
    md_config *config = NULL;
    md_model *model = NULL;
    md_trainer *trainer = NULL;
    options.output_dir = temp_path("run");
    options.overwrite = true;
    md_status st = md_dataset_open(&all, context, "toy:4:1", NULL);
    if (st == MD_OK)
        st = md_dataset_split(all, 0.5, 1, &train, &val);
    if (st == MD_OK)
        st = tiny_config(&config, context);
    if (st == MD_OK)
        st = md_config_follow_dataset(config, all);
    if (st == MD_OK)
        st = md_model_create(&model, context, config);
    if (st == MD_OK)
        st = md_trainer_create(&trainer, model, NULL, train, val, &options);
    if (st == MD_OK)
        st = md_trainer_run(trainer, NULL, NULL);
    if (st == MD_OK && md_trainer_info(trainer)->save_failures > 0)
        st = MD_ENOMEM; /* a checkpoint that cannot be written does not end the training */
    md_trainer_free(trainer);
    md_model_free(model);
    md_config_free(config);
    md_dataset_free(val);
    md_dataset_free(train);
    md_dataset_free(all);
    return st;
}

/* ---- every k ------------------------------------------------------------------------------ */

typedef md_status life_fn(md_context *context);

static md_status try_life(life_fn *life, size_t fail_at, size_t *calls)
{
    struct book book;
    md_context *context = NULL;
    md_status st = book_context(&context, &book, fail_at);
    if (st == MD_OK)
        st = life(context);
    md_context_free(context);
    size_t live = atomic_load(&book.live);
    ck_assert_msg(live == 0, "allocation %zu failed: %zu blocks left", fail_at, live);
    if (atomic_load(&book.failed))
        ck_assert_msg(st == MD_ENOMEM, "allocation %zu failed: %s: %s", fail_at, md_status_name(st),
                      md_last_error());
    else
        ck_assert_msg(st == MD_OK, "%s", md_last_error());
    *calls = atomic_load(&book.calls);
    return st;
}

/* k = first, first + step, ... up to the number of allocations that a run without failure takes. */
static void try_every(life_fn *life, size_t first, size_t step)
{
    size_t total, calls;
    try_life(life, SIZE_MAX, &total);
    for (size_t k = first; k < total; k += step)
        try_life(life, k, &calls);
}

START_TEST(a_model_survives_every_failure)
{
    try_every(live_as_model, (size_t)_i, STRIDE);
}
END_TEST

/* A step of training takes much longer than the allocations before it: a sample of them. */
START_TEST(a_training_survives_failures)
{
    try_every(live_as_training, (size_t)_i, 61);
}
END_TEST

SUITE("api/out_of_memory", LOOP(a_model_survives_every_failure, 0, STRIDE),
      LOOP(a_training_survives_failures, 0, 2))
