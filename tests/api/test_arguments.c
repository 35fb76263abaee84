/* test_arguments.c - what callers must not pass: NULL, counts, sizes. Every call is refused with
 * MD_EINVAL whose text names function and argument. */
#include "api/api_case.h"

/* Everything that a call needs, so that one argument at a time can be wrong. */
struct world {
    struct book book;
    md_context *context;
    md_config *config;
    md_model *model;
    md_predictor *predictor;
    md_dataset *dataset;
    md_evaluator *evaluator;
    md_image image;
    md_detections *found;
};

static void world_open(struct world *w)
{
    OK(book_context(&w->context, &w->book, SIZE_MAX));
    OK(tiny_config(&w->config, w->context));
    OK(md_dataset_open(&w->dataset, w->context, "toy:2:1", NULL));
    OK(md_config_follow_dataset(w->config, w->dataset));
    OK(md_model_create(&w->model, w->context, w->config));
    OK(md_predictor_create(&w->predictor, w->model, NULL));
    OK(md_evaluator_create(&w->evaluator, w->dataset, NULL));
    OK(md_image_alloc(&w->image, w->context, 40, 30, MD_RGB8));
    memset(w->image.data, 90, 40 * 30 * 3);
    OK(md_predict(w->predictor, &w->image, 1, &w->found));
}

static void world_close(struct world *w)
{
    md_detections_free(w->found);
    md_image_free(&w->image);
    md_evaluator_free(w->evaluator);
    md_dataset_free(w->dataset);
    md_predictor_free(w->predictor);
    md_model_free(w->model);
    md_config_free(w->config);
    md_context_free(w->context);
    ck_assert_uint_eq(atomic_load(&w->book.live), 0);
}

#define NEEDS(argument, call) FAILS(MD_EINVAL, argument " is NULL", call)

START_TEST(images_need_their_arguments)
{
    struct world w;
    md_image out = {.width = -7};
    world_open(&w);
    NEEDS("md_image_alloc: out", md_image_alloc(NULL, w.context, 1, 1, MD_RGB8));
    NEEDS("md_image_alloc: context", md_image_alloc(&out, NULL, 1, 1, MD_RGB8));
    FAILS(MD_EINVAL, "0 x 4", md_image_alloc(&out, w.context, 0, 4, MD_RGB8));
    FAILS(MD_EINVAL, "area", md_image_alloc(&out, w.context, 1 << 20, 1 << 20, MD_RGB8));
    FAILS(MD_EINVAL, "format is 17", md_image_alloc(&out, w.context, 4, 4, (md_pixel_format)17));
    NEEDS("md_image_load: path", md_image_load(&out, w.context, NULL));
    NEEDS("md_image_decode: bytes", md_image_decode(&out, w.context, NULL, 4));
    FAILS(MD_EFORMAT, "image in memory", md_image_decode(&out, w.context, "GIF89a", 6));
    NEEDS("md_image_copy: image", md_image_copy(&out, w.context, NULL));
    NEEDS("md_image_save: context", md_image_save(&w.image, NULL, "x.png"));
    NEEDS("md_image_save: path", md_image_save(&w.image, w.context, NULL));
    md_image narrow = w.image;
    narrow.stride = -100;
    FAILS(MD_EINVAL, "md_image_copy: image.stride is -100, but a row has 120 bytes",
          md_image_copy(&out, w.context, &narrow));
    ck_assert_int_eq(out.width, -7);
    md_image_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(configurations_need_their_arguments)
{
    struct world w;
    md_config *out = NULL;
    int64_t number = 5;
    char text[4] = "abc";
    world_open(&w);
    NEEDS("md_config_create: preset", md_config_create(&out, w.context, NULL));
    NEEDS("md_config_create: context", md_config_create(&out, NULL, "tiny"));
    FAILS(MD_ENOTFOUND, "did you mean tiny", md_config_create(&out, w.context, "tinny"));
    FAILS(MD_ENOTFOUND, "md_config_load", md_config_create(&out, w.context, "some.yaml"));
    NEEDS("md_config_load: path", md_config_load(&out, w.context, NULL));
    NEEDS("md_config_copy: config", md_config_copy(&out, NULL));
    NEEDS("md_config_set: value", md_config_set(w.config, "SEED", NULL));
    NEEDS("md_config_get_int: key", md_config_get_int(w.config, NULL, &number));
    NEEDS("md_config_get_int: out", md_config_get_int(w.config, "SEED", NULL));
    FAILS(MD_EINVAL, "has 8 bytes with its zero, size is 4",
          md_config_get_text(w.config, "INPUT.MASK_FORMAT", text, sizeof text));
    size_t needed = 0;
    NEEDS("md_config_dump: config", md_config_dump(NULL, text, sizeof text, NULL));
    NEEDS("md_config_dump: out", md_config_dump(w.config, NULL, 1, NULL));
    FAILS(MD_EINVAL, "with its zero, size is 4",
          md_config_dump(w.config, text, sizeof text, &needed));
    ck_assert_uint_gt(needed, 1000);
    ck_assert_str_eq(text, "abc");
    ck_assert_int_eq(number, 5);
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(md_preset_name(md_preset_count()));
    md_config_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(models_need_their_arguments)
{
    struct world w;
    md_model *out = NULL;
    md_param_info info;
    float value = 3;
    world_open(&w);
    NEEDS("md_model_create: config", md_model_create(&out, w.context, NULL));
    NEEDS("md_model_create: out", md_model_create(NULL, w.context, w.config));
    NEEDS("md_model_load: path", md_model_load(&out, w.context, NULL));
    NEEDS("md_model_save: model", md_model_save(NULL, "x"));
    NEEDS("md_model_import: path", md_model_import(w.model, NULL, NULL));
    NEEDS("md_model_param: out", md_model_param(w.model, 0, NULL));
    NEEDS("md_model_param: model", md_model_param(NULL, 0, &info));
    NEEDS("md_model_read_param: name", md_model_read_param(w.model, NULL, &value, 1));
    NEEDS("md_model_write_param: values", md_model_write_param(w.model, "x", NULL, 1));
    ck_assert(!out && value == 3);
    ck_assert_ptr_null(md_model_config(NULL));
    ck_assert_uint_eq(md_model_param_count(NULL), 0);
    md_model_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(predictors_need_their_arguments)
{
    static const struct {
        size_t offset;
        int value;
        const char *name;
    } wrong[] = {
        {offsetof(md_predict_options, max_detections), -1, "max_detections is -1"},
        {offsetof(md_predict_options, max_batch), 0, "max_batch is 0"},
        {offsetof(md_predict_options, queue_depth), 0, "queue_depth is 0"},
        {offsetof(md_predict_options, min_side), 1 << 20, "min_side is 1048576"},
        {offsetof(md_predict_options, max_side), -4, "max_side is -4"},
    };
    struct world w;
    md_predictor *out = NULL;
    world_open(&w);
    md_detections *mark = w.found;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        md_predict_options options = md_predict_options_default();
        memcpy((char *)&options + wrong[i].offset, &wrong[i].value, sizeof wrong[i].value);
        FAILS(MD_EINVAL, wrong[i].name, md_predictor_create(&out, w.model, &options));
    }
    md_predict_options options = md_predict_options_default();
    options.score_threshold = 1.5f;
    FAILS(MD_EINVAL, "score_threshold is 1.5", md_predictor_create(&out, w.model, &options));
    NEEDS("md_predictor_create: model", md_predictor_create(&out, NULL, NULL));
    NEEDS("md_predict: images", md_predict(w.predictor, NULL, 1, &mark));
    NEEDS("md_predict: out", md_predict(w.predictor, &w.image, 1, NULL));
    NEEDS("md_predict_file: path", md_predict_file(w.predictor, NULL, &mark));
    NEEDS("md_predictor_times: out", md_predictor_times(w.predictor, NULL));
    NEEDS("md_predictor_send: image", md_predictor_send(w.predictor, NULL, NULL));
    NEEDS("md_predictor_finish: predictor", md_predictor_finish(NULL));
    NEEDS("md_predictor_receive: out", md_predictor_receive(w.predictor, NULL, NULL, 0));
    ck_assert(!out && mark == w.found);
    ck_assert_uint_eq(md_detections_count(NULL), 0);
    md_predictor_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(data_sets_need_their_arguments)
{
    struct world w;
    md_dataset *out = NULL;
    md_annotation annotation = {.class_id = 9};
    world_open(&w);
    NEEDS("md_dataset_open: spec", md_dataset_open(&out, w.context, NULL, NULL));
    FAILS(MD_EINVAL, "no known kind", md_dataset_open(&out, w.context, "zip:x", NULL));
    NEEDS("md_dataset_split: second", md_dataset_split(w.dataset, 0.5, 1, &out, NULL));
    FAILS(MD_EINVAL, "fraction", md_dataset_split(w.dataset, 1.5, 1, &out, &out));
    FAILS(MD_EINVAL, "index is 2", md_dataset_image(w.dataset, 2, &w.image));
    FAILS(MD_EINVAL, "no annotation", md_dataset_annotation(w.dataset, 0, 999, &annotation));
    NEEDS("md_config_follow_dataset: dataset", md_config_follow_dataset(w.config, NULL));
    NEEDS("md_dataset_open_source: source", md_dataset_open_source(&out, w.context, NULL));
    md_dataset_source source = {.size = sizeof source};
    FAILS(MD_EINVAL, "lacks read_image", md_dataset_open_source(&out, w.context, &source));
    ck_assert(!out && annotation.class_id == 9);
    ck_assert_ptr_null(md_dataset_image_name(w.dataset, 2));
    ck_assert_ptr_null(md_dataset_class_name(w.dataset, 2));
    md_dataset_free(NULL);
    world_close(&w);
}
END_TEST

START_TEST(training_evaluation_and_drawing_need_their_arguments)
{
    struct world w;
    md_trainer *trainer = NULL;
    md_report *report = NULL;
    md_color red = {255, 0, 0, 255};
    md_box box = {1, 1, 9, 9};
    world_open(&w);
    NEEDS("md_trainer_create: train", md_trainer_create(&trainer, w.model, NULL, NULL, NULL, NULL));
    NEEDS("md_trainer_step: trainer", md_trainer_step(NULL));
    OK(md_config_set(w.config, "MODEL.FPN.OUT_CHANNELS", "24"));
    FAILS(MD_EMISMATCH, "MODEL.FPN.OUT_CHANNELS is 16 in the model, 24 in config",
          md_trainer_create(&trainer, w.model, w.config, w.dataset, NULL, NULL));
    NEEDS("md_evaluate: predictor", md_evaluate(&report, NULL, w.dataset, NULL));
    FAILS(MD_EINVAL, "image_index is 2", md_evaluator_add(w.evaluator, 2, w.found));
    OK(md_evaluator_add(w.evaluator, 1, w.found));
    FAILS(MD_EINVAL, "added before", md_evaluator_add(w.evaluator, 1, w.found));
    NEEDS("md_evaluator_finish: out", md_evaluator_finish(w.evaluator, NULL));
    NEEDS("md_draw_detections: detections", md_draw_detections(&w.image, NULL, NULL, NULL));
    FAILS(MD_EINVAL, "index is 2", md_draw_annotations(&w.image, w.dataset, 2, NULL));
    FAILS(MD_EINVAL, "line_width is 0", md_draw_box(&w.image, box, red, 0));
    NEEDS("md_draw_text: utf8", md_draw_text(&w.image, 0, 0, NULL, 9, red));
    ck_assert(!trainer && !report);
    ck_assert_ptr_null(md_report_confusion(NULL, NULL));
    md_trainer_stop(NULL);
    world_close(&w);
}
END_TEST

SUITE("api/arguments", TEST(images_need_their_arguments), TEST(configurations_need_their_arguments),
      TEST(models_need_their_arguments), TEST(predictors_need_their_arguments),
      TEST(data_sets_need_their_arguments),
      TEST(training_evaluation_and_drawing_need_their_arguments))
