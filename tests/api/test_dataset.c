/* test_dataset.c - data sets: opened by SPEC, split, the caller's own; evaluation; training on them. */
#include "api/api_case.h"

#include <math.h>

enum { SIDE = 48 };

/* A source of three images with `i` boxes each; its images alternate between lent and allocated. */
struct own {
    uint8_t pixels[SIDE * SIDE * 3];
    int closed;
    int bad_class;
};

static md_status own_image(void *user, size_t index, md_context *context, md_image *out)
{
    struct own *own = user;
    if (index % 2)
        return md_image_alloc(out, context, SIDE, SIDE, MD_GRAY8);
    *out = pattern_image(own->pixels, SIDE, SIDE, 1);
    return MD_OK;
}

static md_status own_annotations(void *user, size_t index, md_annotation *out, size_t capacity,
                                 size_t *count)
{
    const struct own *own = user;
    *count = index;
    for (size_t i = 0; i < index && i < capacity; i++)
        out[i] = (md_annotation){.box = {(float)i, 0, 20, 30},
                                 .class_id = own->bad_class ? 2 : (int)(i % 2),
                                 .crowd = i == 1};
    return MD_OK;
}

static void own_close(void *user)
{
    ((struct own *)user)->closed++;
}

static const char *const NAMES[] = {"cup", "plate"};

static md_dataset_source own_source(struct own *own)
{
    *own = (struct own){.closed = 0};
    return (md_dataset_source){.size = sizeof(md_dataset_source),
                               .user = own,
                               .image_count = 3,
                               .class_count = 2,
                               .class_names = NAMES,
                               .read_image = own_image,
                               .read_annotations = own_annotations,
                               .close = own_close};
}

START_TEST(own_source_is_closed_once_with_its_last_part)
{
    struct book book;
    struct own own;
    md_dataset_source source = own_source(&own);
    md_context *context = NULL;
    md_dataset *all = NULL, *first = NULL, *second = NULL;
    md_image image;
    md_annotation annotation;
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open_source(&all, context, &source));
    md_context_free(context);
    ck_assert_uint_eq(md_dataset_count(all), 3);
    ck_assert_str_eq(md_dataset_class_name(all, 1), "plate");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(md_dataset_annotation_count(all, i), i);
        OK(md_dataset_image(all, i, &image));
        ck_assert(image.width == SIDE && image.format == MD_RGB8 && image.owner);
        md_image_free(&image);
    }
    OK(md_dataset_annotation(all, 2, 1, &annotation));
    ck_assert(annotation.crowd && annotation.class_id == 1 && annotation.box.x0 == 1);
    OK(md_dataset_split(all, 0.34, 3, &first, &second));
    ck_assert_uint_eq(md_dataset_count(first), 1);
    ck_assert_uint_eq(md_dataset_count(second), 2);
    md_dataset_free(all);
    md_dataset_free(first);
    ck_assert_int_eq(own.closed, 0);
    OK(md_dataset_image(second, 1, &image));
    md_image_free(&image);
    md_dataset_free(second);
    ck_assert_int_eq(own.closed, 1);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(own_source_with_bad_annotations_is_refused)
{
    struct book book;
    struct own own;
    md_dataset_source source = own_source(&own);
    md_context *context = NULL;
    md_dataset *out = NULL;
    OK(book_context(&context, &book, SIZE_MAX));
    own.bad_class = 1;
    FAILS(MD_EINVAL, "image 1: class_id is 2", md_dataset_open_source(&out, context, &source));
    ck_assert_ptr_null(out);
    ck_assert_int_eq(own.closed, 0); /* still the caller's */
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(configuration_follows_the_data)
{
    struct own own;
    md_dataset_source source = own_source(&own);
    md_context *context = NULL;
    md_dataset *data = NULL;
    md_config *config = NULL;
    char text[64];
    int64_t count = 0;
    OK(md_context_create(&context, NULL));
    OK(md_dataset_open_source(&data, context, &source));
    OK(md_config_create(&config, context, "tiny"));
    OK(md_config_follow_dataset(config, data));
    OK(md_config_get_int(config, "MODEL.ROI_HEADS.NUM_CLASSES", &count));
    OK(md_config_get_text(config, "MDET.CLASSES", text, sizeof text));
    ck_assert_int_eq(count, 2);
    ck_assert_str_eq(text, "['cup', 'plate']");
    OK(md_config_set(config, "MODEL.ROI_HEADS.NUM_CLASSES", "5"));
    FAILS(MD_EMISMATCH, "NUM_CLASSES is 5", md_config_follow_dataset(config, data));
    md_config_free(config);
    md_dataset_free(data);
    md_context_free(context);
}
END_TEST

/* ---- evaluation --------------------------------------------------------------------------- */

START_TEST(nothing_found_is_all_missed)
{
    struct own own;
    md_dataset_source source = own_source(&own);
    md_context *context = NULL;
    md_dataset *data = NULL;
    md_evaluator *evaluator = NULL;
    md_report *report = NULL;
    size_t n = 0;
    OK(md_context_create(&context, NULL));
    OK(md_dataset_open_source(&data, context, &source));
    OK(md_evaluator_create(&evaluator, data, NULL));
    OK(md_evaluator_finish(evaluator, &report));
    ck_assert_double_eq(md_report_metrics(report)->ap, -1.0); /* as Detectron2 has it */
    ck_assert_double_eq(md_report_class_ap(report, 0), -1.0);
    ck_assert_double_eq(md_report_class_ap50(report, 7), -1.0);
    const uint64_t *matrix = md_report_confusion(report, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(matrix[0 * 3 + 2], 2); /* both cups missed */
    md_evaluator_free(evaluator);
    md_dataset_free(data);
    md_context_free(context);
    md_report_free(report);
}
END_TEST

/* ---- training ----------------------------------------------------------------------------- */

struct seen {
    int64_t steps;
    double loss;
};

static md_status watch(void *user, const md_train_info *info)
{
    struct seen *seen = user;
    ck_assert_int_eq(info->iteration, ++seen->steps);
    seen->loss = info->total_loss;
    return info->iteration == 1 && info->max_iter == 9 ? MD_EINVAL : MD_OK;
}

static void train_toy(const char *max_iter, md_status expected)
{
    struct book book;
    md_context *context = NULL;
    md_dataset *data = NULL;
    md_config *config = NULL;
    md_model *model = NULL, *best = NULL;
    md_trainer *trainer = NULL;
    md_report *report = NULL;
    md_predictor *predictor = NULL;
    struct seen seen = {0, NAN};
    md_train_options options = md_train_options_default();
    options.output_dir = temp_path("run%s", max_iter);
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&data, context, "toy:4:1", NULL));
    OK(tiny_config(&config, context));
    OK(md_config_follow_dataset(config, data));
    OK(md_config_set(config, "SOLVER.MAX_ITER", max_iter));
    OK(md_model_create(&model, context, config));
    OK(md_trainer_create(&trainer, model, NULL, data, data, &options));
    ck_assert_int_eq(md_trainer_run(trainer, watch, &seen), expected);
    ck_assert(isfinite(seen.loss) && seen.loss > 0);
    if (expected == MD_OK) { /* what was written is a model */
        ck_assert_int_eq(seen.steps, 2);
        OK(md_model_load(&best, context,
                         temp_path("run%s/checkpoints/best.safetensors", max_iter)));
        ck_assert_str_eq(md_model_class_name(best, 0), md_dataset_class_name(data, 0));
        OK(md_model_import(best, temp_path("run%s/checkpoints/last.safetensors", max_iter), NULL));
        OK(md_predictor_create(&predictor, best, NULL));
        OK(md_evaluate(&report, predictor, data, NULL));
        ck_assert(md_report_metrics(report)->ap >= 0 && md_report_metrics(report)->ap <= 1);
    }
    md_context_free(context);
    md_config_free(config);
    md_dataset_free(data);
    md_model_free(model);
    md_model_free(best);
    md_predictor_free(predictor);
    md_report_free(report);
    md_trainer_free(trainer);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}

START_TEST(a_run_writes_models_that_load)
{
    train_toy("2", MD_OK);
}
END_TEST

START_TEST(a_callback_stops_the_run)
{
    train_toy("9", MD_ESTOPPED);
}
END_TEST

SUITE("api/dataset", TEST(own_source_is_closed_once_with_its_last_part),
      TEST(own_source_with_bad_annotations_is_refused), TEST(configuration_follows_the_data),
      TEST(nothing_found_is_all_missed), TEST(a_run_writes_models_that_load),
      TEST(a_callback_stops_the_run))
