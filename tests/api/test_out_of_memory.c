/* test_out_of_memory.c - allocation k fails, for every k, over a model's whole life.
 *
 * Each time the failure must come back as MD_ENOMEM, nothing may be left alive, and nothing may
 * crash: the proof of every `fail:` below. The allocator fills blocks with rubbish, before and
 * after. The work is shared out: a case takes every k that leaves its number by SHARES. Under a
 * sanitizer, ten times slower, it leaves out some of these k; it says so. */
#include "api/api_case.h"

enum { SHARES = 8, PART = SANITIZED ? 5 : 1, WIDTH = 48, HEIGHT = 40, IMAGES = 4 };

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

static md_status read_pattern(void *user, size_t index, md_context *context, md_image *out)
{
    (void)user;
    md_status st = md_image_alloc(out, context, WIDTH, HEIGHT, MD_RGB8);
    if (st == MD_OK)
        pattern_image(out->data, WIDTH, HEIGHT, (unsigned)index);
    return st;
}

static md_status read_box(void *user, size_t index, md_annotation *out, size_t capacity,
                          size_t *count)
{
    (void)user;
    if (capacity > 0)
        *out = (md_annotation){{5.0f, 6.0f, 25.0f + (float)index, 30.0f}, (int)index % 2, false};
    *count = 1;
    return MD_OK;
}

/* Small images that are quick to make. */
static md_status open_patterns(md_dataset **out, md_context *context)
{
    static const char *const names[] = {"with", "without"};
    const md_dataset_source source = {.size = sizeof source,
                                      .image_count = IMAGES,
                                      .class_count = 2,
                                      .class_names = names,
                                      .read_image = read_pattern,
                                      .read_annotations = read_box};
    return md_dataset_open_source(out, context, &source);
}

static md_status live_as_training(md_context *context)
{
    md_train_options options = md_train_options_default();
    md_dataset *all = NULL, *train = NULL, *val = NULL;
    md_config *config = NULL;
    md_model *model = NULL;
    md_trainer *trainer = NULL;
    options.output_dir = temp_path("run");
    options.overwrite = true;
    md_status st = open_patterns(&all, context);
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

/* k = first, first + SHARES, ... up to the number of allocations that a life without failure takes. */
static void try_share(life_fn *life, size_t first)
{
    size_t total, calls, tried = 0;
    try_life(life, SIZE_MAX, &total);
    for (size_t k = first; k < total; k += (size_t)SHARES * PART, tried++)
        try_life(life, k, &calls);
    ck_assert_uint_ge(tried, total / ((size_t)SHARES * PART));
    if (PART > 1 && first == 0)
        printf("one of %d of the %zu allocations fails here: a sanitizer\n", PART, total);
}

START_TEST(a_model_survives_every_failure)
{
    try_share(live_as_model, (size_t)_i);
}
END_TEST

START_TEST(a_training_survives_every_failure)
{
    try_share(live_as_training, (size_t)_i);
}
END_TEST

SUITE("api/out_of_memory", LOOP(a_model_survives_every_failure, 0, SHARES),
      LOOP(a_training_survives_every_failure, 0, SHARES))
