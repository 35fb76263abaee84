/* test_eval_errors.c - md_errors: counts, costs, the list and the pictures of what went wrong. */
#include <math.h>
#include <string.h>

#include "api/report.h"
#include "api_case.h"
#include "core/file.h"

/* Image 0: cups at 0 and 60. Image 1: a plate of 40 and one of 20 pixels. Image 2: nothing. */
static md_status read_image(void *user, size_t index, md_context *context, md_image *out)
{
    (void)user;
    (void)index;
    md_status st = md_image_alloc(out, context, 100, 80, MD_RGB8);
    if (st >= 0)
        memset(out->data, 90, (size_t)out->stride * (size_t)out->height);
    return st;
}

static md_status read_annotations(void *user, size_t index, md_annotation *out, size_t capacity,
                                  size_t *count)
{
    static const md_annotation all[2][2] = {
        {{.box = {0, 0, 20, 20}}, {.box = {60, 0, 80, 20}}},
        {{.box = {0, 0, 20, 20}, .class_id = 1}, {.box = {50, 0, 90, 40}, .class_id = 1}}};
    (void)user;
    *count = index < 2 ? 2 : 0;
    for (size_t i = 0; i < *count && i < capacity; i++)
        out[i] = all[index][i];
    return MD_OK;
}

static const char *const NAMES[] = {"cup", "plate"};

static const md_dataset_source SOURCE = {.size = sizeof(md_dataset_source),
                                         .image_count = 3,
                                         .class_count = 2,
                                         .class_names = NAMES,
                                         .read_image = read_image,
                                         .read_annotations = read_annotations};

static const struct eval_detection FOUND[] = {
    {0, 0, {0, 0, 20, 20}, .9},  /* right */
    {2, 0, {5, 5, 10, 10}, .95}, /* nothing there */
    {0, 1, {60, 0, 20, 20}, .8}, /* a cup taken for a plate */
    {0, 0, {0, 0, 20, 16}, .7},  /* again */
};

struct world {
    struct book book;
    md_context *context;
    md_dataset *data;
    md_report *report;
};

static md_status open_world(struct world *w, size_t fail_at)
{
    const md_eval_options options = md_eval_options_default();
    *w = (struct world){.context = NULL};
    md_status st = book_context(&w->context, &w->book, fail_at);
    if (st >= 0)
        st = md_dataset_open_source(&w->data, w->context, &SOURCE);
    return st < 0 ? st : report_create(&w->report, w->data, FOUND, 4, &options);
}

static void close_world(struct world *w)
{
    md_report_free(w->report);
    md_dataset_free(w->data);
    md_context_free(w->context);
}

START_TEST(every_mistake_is_listed_and_counted)
{
    struct world w;
    md_errors *errors = NULL;
    OK(open_world(&w, SIZE_MAX));
    OK(md_errors_create(&errors, w.report));
    close_world(&w); /* it lives on its own */
    static const struct {
        md_error_type type;
        uint64_t cups, plates;
    } counts[] = {{MD_ERROR_CLASS, 0, 1},          {MD_ERROR_LOCALISATION, 0, 0},
                  {MD_ERROR_BOTH, 0, 0},           {MD_ERROR_DUPLICATE, 1, 0},
                  {MD_ERROR_BACKGROUND, 1, 0},     {MD_ERROR_MISSED, 0, 2},
                  {MD_ERROR_FALSE_POSITIVE, 2, 1}, {MD_ERROR_FALSE_NEGATIVE, 1, 2}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        ck_assert_uint_eq(md_errors_count(errors, counts[i].type, 0), counts[i].cups);
        ck_assert_uint_eq(md_errors_count(errors, counts[i].type, 1), counts[i].plates);
        ck_assert_uint_eq(md_errors_count(errors, counts[i].type, MD_ALL_CLASSES),
                          counts[i].cups + counts[i].plates);
    }
    size_t count = 0;
    const md_error *list = md_errors_list(errors, &count);
    ck_assert_uint_eq(count, 5);
    static const md_error want[] = {
        {MD_ERROR_BACKGROUND, 2, 0, {5, 5, 15, 15}, .95, -1, {0, 0, 0, 0}, 0},
        {MD_ERROR_CLASS, 0, 1, {60, 0, 80, 20}, .8, 0, {60, 0, 80, 20}, 1},
        {MD_ERROR_DUPLICATE, 0, 0, {0, 0, 20, 16}, .7, 0, {0, 0, 20, 20}, .8},
        {MD_ERROR_MISSED, 1, -1, {0, 0, 0, 0}, 0, 1, {50, 0, 90, 40}, 0},
        {MD_ERROR_MISSED, 1, -1, {0, 0, 0, 0}, 0, 1, {0, 0, 20, 20}, 0}};
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(md_error_type_name(list[i].type), md_error_type_name(want[i].type));
        ck_assert_uint_eq(list[i].image, want[i].image);
        ck_assert_int_eq(list[i].class_id, want[i].class_id);
        ck_assert_int_eq(list[i].truth_class_id, want[i].truth_class_id);
        ck_assert_mem_eq(&list[i].box, &want[i].box, sizeof want[i].box);
        ck_assert_mem_eq(&list[i].truth, &want[i].truth, sizeof want[i].truth);
        ck_assert_double_eq(list[i].score, want[i].score);
        ck_assert_double_eq_tol(list[i].iou, want[i].iou, 1e-15); /* one division */
    }
    md_errors_free(errors);
    ck_assert_uint_eq(atomic_load(&w.book.live), 0);
}
END_TEST

/* Cups: background, then one of two, 51 of 101 recalls at a precision of 1/2; plates: none. */
START_TEST(costs_are_gains_of_ap50)
{
    struct world w;
    md_errors *errors = NULL;
    const double part = 51 / 101. / 2 / 2;
    OK(open_world(&w, SIZE_MAX));
    OK(md_errors_create(&errors, w.report));
    ck_assert_double_eq_tol(md_report_metrics(w.report)->ap50, part, 1e-12);
    ck_assert_double_eq_tol(md_errors_cost(errors, MD_ERROR_BACKGROUND), part, 1e-12);
    ck_assert_double_eq_tol(md_errors_cost(errors, MD_ERROR_FALSE_POSITIVE), part, 1e-12);
    ck_assert_double_eq(md_errors_cost(errors, MD_ERROR_MISSED), 0);
    /* the second cup is then found third: a precision of 2/3 up to a recall of 1 */
    ck_assert_double_eq_tol(md_errors_cost(errors, MD_ERROR_CLASS), 2 / 3. / 2 - part, 1e-12);
    /* one cup is asked for; of plates none, and one detection is left */
    ck_assert_double_eq_tol(md_errors_cost(errors, MD_ERROR_FALSE_NEGATIVE), .25 - part, 1e-12);
    md_errors_free(errors);
    close_world(&w);
}
END_TEST

START_TEST(pictures_are_drawn)
{
    struct world w;
    md_errors *errors = NULL;
    OK(open_world(&w, SIZE_MAX));
    OK(md_errors_create(&errors, w.report));
    OK(md_errors_draw(errors, temp_path("drawn"), 2));
    ck_assert(file_is_directory(temp_path("drawn/errors/fp")));
    ck_assert(!directory_is_empty(temp_path("drawn/errors/fp")));
    ck_assert(!directory_is_empty(temp_path("drawn/errors/fn")));
    md_errors_free(errors);
    close_world(&w);
}
END_TEST

START_TEST(what_makes_no_sense_is_nothing)
{
    struct world w;
    md_errors *errors = NULL;
    size_t count = 7;
    const md_error_type none = (md_error_type)99;
    OK(open_world(&w, SIZE_MAX));
    FAILS(MD_EINVAL, "md_errors_create: out is NULL", md_errors_create(NULL, w.report));
    FAILS(MD_EINVAL, "md_errors_create: report is NULL", md_errors_create(&errors, NULL));
    FAILS(MD_EINVAL, "md_errors_draw: errors is NULL", md_errors_draw(NULL, "x", 1));
    OK(md_errors_create(&errors, w.report));
    FAILS(MD_EINVAL, "md_errors_draw: folder is NULL", md_errors_draw(errors, NULL, 1));
    ck_assert_uint_eq(md_errors_count(errors, MD_ERROR_CLASS, 2), 0);
    ck_assert_uint_eq(md_errors_count(errors, MD_ERROR_CLASS, -2), 0);
    ck_assert_uint_eq(md_errors_count(errors, none, 0), 0);
    ck_assert_uint_eq(md_errors_count(NULL, MD_ERROR_CLASS, 0), 0);
    ck_assert_double_eq(md_errors_cost(errors, none), -1);
    ck_assert_double_eq(md_errors_cost(NULL, MD_ERROR_CLASS), -1);
    ck_assert_ptr_null(md_error_type_name(none));
    ck_assert_str_eq(md_error_type_name(MD_ERROR_FALSE_POSITIVE), "false positive");
    ck_assert_str_eq(md_error_type_name(MD_ERROR_FALSE_NEGATIVE), "false negative");
    ck_assert_ptr_null(md_errors_list(NULL, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_nonnull(md_errors_list(errors, NULL));
    md_errors_free(NULL);
    md_errors_free(errors);
    close_world(&w);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    for (size_t k = 0;; k++) {
        struct world w;
        md_errors *errors = NULL;
        md_status st = open_world(&w, k);
        if (st >= 0)
            st = md_errors_create(&errors, w.report);
        if (st >= 0)
            st = md_errors_draw(errors, temp_path("failing"), 1);
        md_errors_free(errors);
        close_world(&w);
        ck_assert_uint_eq(atomic_load(&w.book.live), 0);
        ck_assert_int_eq(st, atomic_load(&w.book.failed) ? MD_ENOMEM : MD_OK);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("api/eval_errors", TEST(every_mistake_is_listed_and_counted), TEST(costs_are_gains_of_ap50),
      TEST(pictures_are_drawn), TEST(what_makes_no_sense_is_nothing),
      TEST(no_failed_allocation_leaks))
