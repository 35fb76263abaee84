/* test_gallery.c - which errors are shown, under which names, and what may go wrong on the way. */
#include "report/gallery.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/builder.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

enum { UNREADABLE = 2 };

/* Gray pictures of 200 x 100 pixels; the third is broken. */
static md_status read_image(void *user, size_t index, struct memory *memory, md_image *out)
{
    if (index == UNREADABLE || user)
        return ERROR(MD_EFORMAT, "broken");
    md_status st = image_create(out, memory, 200, 100, MD_RGB8);
    if (st >= 0)
        memset(out->data, 100, (size_t)out->stride * (size_t)out->height);
    return st;
}

static const struct {
    size_t image;
    struct annotation annotation;
} truths[] = {
    {0, {.class_id = 0, .xywh = {0, 0, 20, 20}}},   /* found */
    {0, {.class_id = 0, .xywh = {50, 0, 20, 20}}},  /* taken for class 1 */
    {0, {.class_id = 1, .xywh = {100, 0, 10, 10}}}, /* missed, small */
    {1, {.class_id = 1, .xywh = {100, 0, 30, 30}}}, /* missed, large */
    {1, {.class_id = 0, .xywh = {0, 0, 40, 40}}},   /* found badly */
};

static const struct eval_detection found[] = {
    {0, 0, {0, 0, 20, 20}, .9},    {0, 1, {50, 0, 20, 20}, .8},  {1, 0, {0, 0, 40, 15}, .7},
    {0, 0, {0, 1, 20, 20}, .6},    {1, 0, {150, 60, 9, 9}, .85}, {2, 0, {0, 0, 10, 10}, .99},
    {0, 0, {50, 5, 12, 12}, -1.5},
};

enum { FOUND = sizeof found / sizeof found[0] };

static struct dataset *make_dataset(struct memory *memory, const char *first, const char *second)
{
    const struct dataset_source source = {.read_image = read_image};
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    builder_init(&builder, memory);
    ck_assert_int_eq(builder_add_class(&builder, first, 1), MD_OK);
    ck_assert_int_eq(builder_add_class(&builder, second, 2), MD_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(builder_add_image(&builder, (const char *[]){"a.png", "b.png", "c.png"}[i],
                                           i, 200, 100),
                         MD_OK);
    for (size_t i = 0; i < sizeof truths / sizeof truths[0]; i++) {
        struct annotation annotation = truths[i].annotation;
        annotation.area = annotation.xywh[2] * annotation.xywh[3];
        ck_assert_int_eq(builder_add_annotation(&builder, truths[i].image, &annotation), MD_OK);
    }
    ck_assert_int_eq(builder_finish(&builder, NULL, &source, &dataset), MD_OK);
    return dataset;
}

static struct error_analysis analyse(struct memory *memory, const struct dataset *dataset)
{
    struct error_analysis errors;
    ck_assert_int_eq(error_analyse(&errors, memory, dataset, found, FOUND, &error_options_usual),
                     MD_OK);
    return errors;
}

static struct gallery write_gallery(struct memory *memory, const struct log *log,
                                    const struct dataset *dataset, const char *folder, size_t limit)
{
    struct error_analysis errors = analyse(memory, dataset);
    const struct gallery_source source = {dataset, found, FOUND, &errors};
    struct gallery gallery;
    md_status st = gallery_write(&gallery, memory, log, &source, folder, limit);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    error_analysis_free(&errors);
    return gallery;
}

/* A build without libjpeg writes another format under the same stem. */
static void check_path(const char *folder, const char *path, const char *stem)
{
    struct memory memory;
    md_image image;
    memory_init(&memory, NULL);
    ck_assert_msg(strncmp(path, stem, strlen(stem)) == 0 && path[strlen(stem)] == '.', "%s, not %s",
                  path, stem);
    ck_assert_int_eq(image_load(&image, &memory, temp_path("%s/%s", folder, path)), MD_OK);
    ck_assert_int_eq(image.width, GALLERY_SIDE);
    image_release(&image);
}

static void done(struct memory *memory, struct dataset *dataset, struct gallery *gallery)
{
    gallery_free(gallery);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory->live_blocks), 0);
}

static void keep_line(void *user, md_log_level level, const char *message)
{
    ck_assert_int_eq(level, MD_LOG_WARN);
    snprintf(user, 200, "%s", message);
}

START_TEST(worst_errors_come_first)
{
    static const struct {
        const char *stem, *caption;
        enum error_type type;
        double score;
    } fp[] =
        {
            {"errors/fp/0002_cat_0.85_background",
             "background; detection: cat 0.85; no truth here; b.png", ERROR_BACKGROUND, .85},
            {"errors/fp/0003_dog_0.80_class",
             "class; detection: dog 0.80; truth: cat, IoU 1.00; a.png", ERROR_CLASS, .8},
            {"errors/fp/0004_cat_0.70_localisation",
             "localisation; detection: cat 0.70; truth: cat, IoU 0.38; b.png", ERROR_LOCALISATION,
             .7},
            {"errors/fp/0005_cat_0.60_duplicate",
             "duplicate; detection: cat 0.60; truth: cat, IoU 0.90, taken by 0.90; a.png",
             ERROR_DUPLICATE, .6},
            {"errors/fp/0006_cat_-1.5_localisation",
             "localisation; detection: cat -1.5; truth: cat, IoU 0.36; a.png", ERROR_LOCALISATION,
             -1.5},
        },
      fn[] = {
          {"errors/fn/0001_dog_missed",
           "missed; truth: dog, 30 x 30 pixels; no detection fits; b.png", ERROR_MISSED, 0},
          {"errors/fn/0002_dog_missed",
           "missed; truth: dog, 10 x 10 pixels; no detection fits; a.png", ERROR_MISSED, 0},
          {"errors/fn/0003_cat_localisation",
           "localisation; truth: cat, IoU 0.38; detection: cat 0.70; b.png", ERROR_LOCALISATION,
           .7},
          {"errors/fn/0004_cat_class", "class; truth: cat, IoU 1.00; detection: dog 0.80; a.png",
           ERROR_CLASS, .8},
      };
    struct memory memory;
    memory_init(&memory, NULL);
    char logged[200] = "";
    const struct log log = {keep_line, logged, MD_LOG_WARN};
    struct dataset *dataset = make_dataset(&memory, "cat", "dog");
    struct gallery gallery = write_gallery(&memory, &log, dataset, temp_path("worst"), 10);
    /* the first is in the broken image */
    ck_assert_str_eq(strtok(logged, ":"), "not shown among the errors");
    ck_assert_uint_eq(gallery.fp_count, 5);
    for (size_t i = 0; i < 5; i++) {
        check_path("worst", gallery.fp[i].path, fp[i].stem);
        ck_assert_str_eq(gallery.fp[i].caption, fp[i].caption);
        ck_assert_int_eq(gallery.fp[i].type, fp[i].type);
        ck_assert_double_eq(gallery.fp[i].score, fp[i].score);
        ck_assert_int_eq(gallery.fp[i].class_id, fp[i].type == ERROR_CLASS);
    }
    ck_assert_uint_eq(gallery.fn_count, 4);
    for (size_t i = 0; i < 4; i++) {
        check_path("worst", gallery.fn[i].path, fn[i].stem);
        ck_assert_str_eq(gallery.fn[i].caption, fn[i].caption);
        ck_assert_int_eq(gallery.fn[i].type, fn[i].type);
        ck_assert_double_eq(gallery.fn[i].score, fn[i].score);
        ck_assert_int_eq(gallery.fn[i].class_id, i < 2);
        ck_assert_uint_eq(gallery.fn[i].image, i == 0 || i == 2);
    }
    done(&memory, dataset, &gallery);
}
END_TEST

static size_t files_in(const char *folder)
{
    struct memory memory;
    struct path_list list;
    memory_init(&memory, NULL);
    ck_assert_int_eq(directory_list(&list, &memory, folder, NULL), MD_OK);
    size_t count = list.count;
    path_list_free(&list);
    return count;
}

/* Nothing of a longer gallery stays behind; what it did not write does. */
START_TEST(number_is_bounded_also_the_second_time)
{
    struct memory memory;
    memory_init(&memory, NULL);
    const char *const foreign[] = {"notes.txt", "holiday.jpg", "0001.jpg", "2024-a_b.jpg",
                                   "12_a.jpg"};
    struct dataset *dataset = make_dataset(&memory, "cat", "dog");
    struct gallery gallery = write_gallery(&memory, NULL, dataset, temp_path("bound"), 10);
    gallery_free(&gallery);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(file_write(&memory, temp_path("bound/errors/fp/%s", foreign[i]), "x", 1),
                         MD_OK);
    gallery = write_gallery(&memory, NULL, dataset, temp_path("bound"), 2);
    ck_assert_uint_eq(gallery.fp_count, 1); /* the other one cannot be read */
    ck_assert_uint_eq(gallery.fn_count, 2);
    ck_assert_uint_eq(files_in(temp_path("bound/errors/fp")), 1 + 5);
    ck_assert_uint_eq(files_in(temp_path("bound/errors/fn")), 2);
    gallery_free(&gallery);
    gallery = write_gallery(&memory, NULL, dataset, temp_path("bound"), 0);
    ck_assert_uint_eq(files_in(temp_path("bound/errors/fn")), 0);
    done(&memory, dataset, &gallery);
}
END_TEST

START_TEST(names_of_classes_cannot_lead_anywhere)
{
    struct memory memory;
    memory_init(&memory, NULL);
    char name[400];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct dataset *dataset = make_dataset(&memory, "../../a\n/b*?", "\xE9\xFF..");
    struct gallery gallery = write_gallery(&memory, NULL, dataset, temp_path("hostile"), 10);
    check_path("hostile", gallery.fp[0].path, "errors/fp/0002_______a__b___0.85_background");
    check_path("hostile", gallery.fn[0].path, "errors/fn/0001_class1_missed");
    gallery_free(&gallery);
    dataset_free(dataset);
    dataset = make_dataset(&memory, name, "");
    gallery = write_gallery(&memory, NULL, dataset, temp_path("hostile"), 10);
    check_path("hostile", gallery.fp[0].path,
               "errors/fp/0002_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_0.85_background");
    check_path("hostile", gallery.fn[0].path, "errors/fn/0001_class1_missed");
    done(&memory, dataset, &gallery);
}
END_TEST

/* The data set may have been opened without its images: that is one warning, and a number. */
START_TEST(images_that_cannot_be_read_are_not_all_named)
{
    struct memory memory;
    memory_init(&memory, NULL);
    char logged[200] = "";
    const struct log log = {keep_line, logged, MD_LOG_WARN};
    struct dataset *dataset = make_dataset(&memory, "cat", "dog");
    dataset->source.user = logged; /* all of them */
    struct gallery gallery = write_gallery(&memory, &log, dataset, temp_path("blind"), 10);
    ck_assert_uint_eq(gallery.fp_count + gallery.fn_count, 0);
    /* three for false positives, then one of these and one other for those not found */
    ck_assert_str_eq(logged, "not shown among the errors: 4 more images");
    done(&memory, dataset, &gallery);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_an_error)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct dataset *dataset = make_dataset(&memory, "cat", "dog");
    struct error_analysis errors = analyse(&memory, dataset);
    const struct gallery_source source = {dataset, found, FOUND, &errors};
    struct gallery gallery;
    const char *file = temp_file("file", "x", 1);
    ck_assert_int_eq(gallery_write(&gallery, &memory, NULL, &source, file, 3), MD_EIO);
    error_analysis_free(&errors);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct dataset *dataset = make_dataset(&memory, "cat", "dog");
    struct error_analysis errors = analyse(&memory, dataset);
    const struct gallery_source source = {dataset, found, FOUND, &errors};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct gallery gallery;
        failing_memory_init(&failing, k);
        md_status st =
            gallery_write(&gallery, &failing.memory, NULL, &source, temp_path("failing"), 2);
        if (st == MD_OK)
            gallery_free(&gallery);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    error_analysis_free(&errors);
    dataset_free(dataset);
}
END_TEST

SUITE("report/gallery", TEST(worst_errors_come_first), TEST(number_is_bounded_also_the_second_time),
      TEST(names_of_classes_cannot_lead_anywhere),
      TEST(images_that_cannot_be_read_are_not_all_named),
      TEST(a_folder_that_cannot_be_written_is_an_error), TEST(no_failed_allocation_leaks))
