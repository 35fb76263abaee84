/* test_context.c - version, status names, options of every size, devices, who keeps whom alive. */
#include "api/api_case.h"

START_TEST(every_status_has_its_name_and_text)
{
#define X(name, value, text)                                                                       \
    ck_assert_str_eq(md_status_name(name), #name);                                                 \
    ck_assert_str_eq(md_status_text(name), text);
    MD_STATUS_LIST(X)
#undef X
    ck_assert_str_eq(md_status_name((md_status)-999), "unknown status");
    ck_assert_int_eq(md_version_number(), MD_VERSION_NUMBER);
    ck_assert_str_eq(md_version_string(), "0.1.0");
    ck_assert_ptr_nonnull(strstr(md_build_info(), "cpu ("));
    ck_assert_ptr_nonnull(md_last_error());
}
END_TEST

START_TEST(devices_are_listed)
{
    md_device_info info = {.name = "untouched"};
    for (size_t i = 0; i < md_device_count(); i++) {
        OK(md_device_query(i, &info));
        md_context_options options = md_context_options_default();
        md_context *context = NULL;
        options.device = info.name;
        OK(md_context_create(&context, &options));
        ck_assert_str_eq(md_context_device(context), info.name);
        ck_assert_uint_gt(info.memory_total, 0);
        ck_assert_uint_ge(info.memory_total, info.memory_free);
        /* What else is there at run time is said of the devices that need it. */
        ck_assert_int_eq(info.libraries[0] != '\0', strncmp(info.name, "cuda", 4) == 0);
        md_context_free(context);
    }
    strcpy(info.name, "untouched");
    FAILS(MD_EINVAL, "index", md_device_query(md_device_count(), &info));
    FAILS(MD_EINVAL, "out is NULL", md_device_query(0, NULL));
    ck_assert_str_eq(info.name, "untouched");
}
END_TEST

START_TEST(bad_options_make_no_context)
{
    md_context *context = NULL;
    md_context_options options = md_context_options_default();
    FAILS(MD_EINVAL, "out is NULL", md_context_create(NULL, NULL));
    options.device = "gpu:0";
    FAILS(MD_EUNSUPPORTED, "gpu:0", md_context_create(&context, &options));
    options = md_context_options_default();
    options.threads = -1;
    FAILS(MD_EINVAL, "threads", md_context_create(&context, &options));
    options = md_context_options_default();
    options.log_level = (md_log_level)9;
    FAILS(MD_EINVAL, "log_level", md_context_create(&context, &options));
    options = md_context_options_default();
    options.allocator.alloc = book_alloc;
    FAILS(MD_EINVAL, "allocator", md_context_create(&context, &options));
    ck_assert_ptr_null(context);
    md_context_free(NULL);
    ck_assert_str_eq(md_context_device(NULL), "");
}
END_TEST

/* ---- options: size first ------------------------------------------------------------------ */

START_TEST(zeroed_options_are_refused)
{
    md_context *context = NULL;
    md_context_options options;
    memset(&options, 0, sizeof options);
    FAILS(MD_EINVAL, "start from md_context_options_default()",
          md_context_create(&context, &options));
    options.size = 3; /* not even the field itself */
    FAILS(MD_EINVAL, "size is 3", md_context_create(&context, &options));
}
END_TEST

START_TEST(options_of_a_newer_library_are_refused)
{
    struct {
        md_context_options options;
        double later;
    } newer;
    md_context *context = NULL;
    md_context_options_init(&newer.options, sizeof newer);
    ck_assert_uint_eq(newer.options.size, sizeof newer);
    ck_assert_double_eq(newer.later, 0.0);
    FAILS(MD_EVERSION, "md_context_options", md_context_create(&context, &newer.options));
    ck_assert_ptr_null(context);
}
END_TEST

static void log_counts(void *user, md_log_level level, const char *message)
{
    (void)level;
    (void)message;
    ++*(int *)user;
}

/* An older header knows the fields up to `threads`; what lies behind them is none of the library's
 * business, and the newer fields have their defaults. */
START_TEST(options_of_an_older_program_are_a_beginning)
{
    int lines = 0;
    md_context *context = NULL;
    md_config *config = NULL;
    md_context_options options;
    memset(&options, 0x77, sizeof options);
    md_context_options_init(&options, offsetof(md_context_options, deterministic));
    ck_assert_ptr_null(options.device);
    ck_assert_int_eq(((unsigned char *)&options.log)[0], 0x77); /* not written to either */
    options.device = "ref";
    OK(md_context_create(&context, &options));
    ck_assert_str_eq(md_context_device(context), "ref");
    OK(md_config_create(&config, context, "tiny"));
    OK(md_config_set(config, "VIS_PERIOD", "20")); /* would log, with a log function */
    md_config_free(config);
    md_context_free(context);

    options = md_context_options_default();
    options.device = "ref";
    options.log = log_counts;
    options.log_user = &lines;
    OK(md_context_create(&context, &options));
    OK(md_config_create(&config, context, "tiny"));
    OK(md_config_set(config, "VIS_PERIOD", "20"));
    ck_assert_int_eq(lines, 1);
    md_config_free(config);
    md_context_free(context);
}
END_TEST

START_TEST(all_defaults_are_the_documented_ones)
{
    md_predict_options predict = md_predict_options_default();
    md_train_options train = md_train_options_default();
    md_eval_options eval = md_eval_options_default();
    md_draw_options draw = md_draw_options_default();
    md_context_options context = md_context_options_default();
    ck_assert_uint_eq(predict.size, sizeof predict);
    ck_assert(predict.score_threshold == -1 && predict.nms_threshold == -1);
    ck_assert(predict.max_detections == 0 && predict.max_batch == 8 && predict.queue_depth == 4);
    ck_assert(predict.min_side == 0 && predict.max_side == 0);
    ck_assert(train.size == sizeof train && !train.output_dir && !train.resume && !train.overwrite);
    ck_assert(eval.size == sizeof eval);
    ck_assert(eval.confusion_score == 0.5f && eval.confusion_iou == 0.5f);
    ck_assert(draw.size == sizeof draw && draw.labels && !draw.palette && draw.line_width == 0);
    ck_assert(context.log_level == MD_LOG_WARN && !context.log && !context.device);
    md_draw_options_init(NULL, sizeof draw); /* nothing to fill in */
}
END_TEST

/* ---- who keeps whom alive ----------------------------------------------------------------- */

enum { HANDLES = 7, ORDERS = 12 };

struct handles {
    md_context *context;
    md_config *config;
    md_model *model;
    md_predictor *predictor;
    md_detections *found;
    md_dataset *dataset;
    md_image image;
};

static void free_one(struct handles *all, int which)
{
    switch (which) {
    case 0:
        md_context_free(all->context);
        break;
    case 1:
        md_config_free(all->config);
        break;
    case 2:
        md_model_free(all->model);
        break;
    case 3:
        md_predictor_free(all->predictor);
        break;
    case 4:
        md_detections_free(all->found);
        break;
    case 5:
        md_dataset_free(all->dataset);
        break;
    default:
        md_image_free(&all->image);
        break;
    }
}

/* Each order is another rotation, forwards or backwards. */
START_TEST(handles_are_freed_in_any_order)
{
    struct book book;
    struct handles all = {0};
    OK(book_context(&all.context, &book, SIZE_MAX));
    OK(tiny_config(&all.config, all.context));
    OK(md_model_create(&all.model, all.context, all.config));
    OK(md_predictor_create(&all.predictor, all.model, NULL));
    OK(md_dataset_open(&all.dataset, all.context, "toy:2:1", NULL));
    OK(md_dataset_image(all.dataset, 0, &all.image));
    OK(md_predict(all.predictor, &all.image, 1, &all.found));
    for (int i = 0; i < HANDLES; i++) {
        int step = _i % 2 ? HANDLES - 1 - i : i;
        free_one(&all, (step + _i / 2) % HANDLES);
    }
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

SUITE("api/context", TEST(every_status_has_its_name_and_text), TEST(devices_are_listed),
      TEST(bad_options_make_no_context), TEST(zeroed_options_are_refused),
      TEST(options_of_a_newer_library_are_refused),
      TEST(options_of_an_older_program_are_a_beginning), TEST(all_defaults_are_the_documented_ones),
      LOOP(handles_are_freed_in_any_order, 0, ORDERS))
