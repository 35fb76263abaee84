/* test_data.c - data sets looked after: problems, statistics, stratified parts, contact sheets. */
#include "api/api_case.h"

#include <sys/stat.h>

#define NEEDS(argument, call) FAILS(MD_EINVAL, argument " is NULL", call)

static bool is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_size > 100;
}

START_TEST(arguments_are_needed)
{
    struct book book;
    md_context *context = NULL;
    md_dataset *data = NULL, *parts[2] = {NULL, NULL};
    md_problems *problems = NULL;
    md_stats *stats = NULL;
    md_image sheet;
    const char *const specs[] = {"toy:2:1", NULL};
    const double halves[] = {0.5, 0.5}, wrong[] = {0.5, 0.6};
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&data, context, "toy:2:1", NULL));
    NEEDS("md_check: out", md_check(NULL, context, specs, 1, NULL));
    NEEDS("md_check: context", md_check(&problems, NULL, specs, 1, NULL));
    NEEDS("md_check: specs", md_check(&problems, context, NULL, 1, NULL));
    NEEDS("md_check: specs[i]", md_check(&problems, context, specs, 2, NULL));
    md_check_options check = md_check_options_default();
    check.near_bits = 12;
    FAILS(MD_EINVAL, "near_bits is 12", md_check(&problems, context, specs, 1, &check));
    NEEDS("md_dataset_stats: out", md_dataset_stats(NULL, data));
    NEEDS("md_dataset_stats: dataset", md_dataset_stats(&stats, NULL));
    NEEDS("md_stats_plot: stats", md_stats_plot(NULL, temp_dir()));
    NEEDS("md_dataset_split_stratified: dataset",
          md_dataset_split_stratified(NULL, halves, 2, NULL, parts));
    NEEDS("md_dataset_split_stratified: fractions",
          md_dataset_split_stratified(data, NULL, 2, NULL, parts));
    NEEDS("md_dataset_split_stratified: parts",
          md_dataset_split_stratified(data, halves, 2, NULL, NULL));
    FAILS(MD_EINVAL, "add up to 1.1", md_dataset_split_stratified(data, wrong, 2, NULL, parts));
    FAILS(MD_EINVAL, "0 parts", md_dataset_split_stratified(data, halves, 0, NULL, parts));
    NEEDS("md_draw_sheet: out", md_draw_sheet(NULL, data, NULL));
    NEEDS("md_draw_sheet: dataset", md_draw_sheet(&sheet, NULL, NULL));
    md_sheet_options large = md_sheet_options_default();
    large.cell = 5000;
    FAILS(MD_EINVAL, "cell is 5000", md_draw_sheet(&sheet, data, &large));
    ck_assert(!problems && !stats && !parts[0] && !parts[1]);
    ck_assert_uint_eq(md_problems_count(NULL), 0);
    ck_assert_ptr_null(md_problems_get(NULL, 0));
    ck_assert_ptr_null(md_problem_kind_name(MD_PROBLEM_KIND_COUNT));
    ck_assert_str_eq(md_problem_kind_name(MD_PROBLEM_LEAK), "leak");
    md_problems_free(NULL);
    md_stats_free(NULL);
    md_dataset_free(data);
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(problems_outlive_their_context)
{
    struct book book;
    md_context *context = NULL;
    md_problems *problems = NULL;
    const char *const specs[] = {"toy:3:1", "toy:5:1"}; /* the second begins with the first */
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_check(&problems, context, specs, 2, NULL));
    md_context_free(context);
    ck_assert_uint_eq(md_problems_count(problems), 3);
    for (size_t i = 0; i < 3; i++) {
        const md_problem *problem = md_problems_get(problems, i);
        ck_assert_int_eq(problem->kind, MD_PROBLEM_LEAK);
        ck_assert_int_eq(problem->level, MD_LOG_ERROR);
        ck_assert_uint_eq(problem->set, 1);
        ck_assert_ptr_nonnull(strstr(problem->text, "very same"));
    }
    ck_assert_ptr_null(md_problems_get(problems, 3));
    md_problems_free(problems);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(statistics_and_their_plots)
{
    static const char *const plots[] = {"class_balance", "boxes_per_image", "box_sizes",
                                        "aspect_ratios", "image_sizes"};
    struct book book;
    md_context *context = NULL;
    md_dataset *data = NULL;
    md_stats *stats = NULL;
    size_t boxes = 0;
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&data, context, "toy:6:1", NULL));
    OK(md_dataset_stats(&stats, data));
    for (size_t i = 0; i < 6; i++)
        boxes += md_dataset_annotation_count(data, i);
    md_dataset_free(data);
    md_context_free(context);
    ck_assert_uint_eq(stats->images, 6);
    ck_assert_uint_eq(stats->boxes, boxes);
    ck_assert_uint_eq(stats->classes[0].boxes + stats->classes[1].boxes, boxes);
    ck_assert_str_eq(stats->classes[1].name, "without_mask");
    OK(md_stats_plot(stats, temp_path("plots/new")));
    for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++) {
        ck_assert(is_file(temp_path("plots/new/%s.svg", plots[i])));
        ck_assert(is_file(temp_path("plots/new/%s.png", plots[i])));
    }
    md_stats_free(stats);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

/* Pictures 0 to 3 twice: both copies stay in one part, however the boxes would go. */
static md_status twin_image(void *user, size_t index, md_context *context, md_image *out)
{
    return md_dataset_image(user, index % 4, out) < 0 || !context ? MD_EIO : MD_OK;
}

static md_status twin_annotations(void *user, size_t index, md_annotation *out, size_t capacity,
                                  size_t *count)
{
    (void)user;
    *count = 1;
    if (capacity > 0)
        out[0] = (md_annotation){.box = {1, 1, 9, 9}, .class_id = index < 4 ? 0 : 1};
    return MD_OK;
}

START_TEST(near_pictures_stay_in_one_part)
{
    static const char *const names[] = {"a", "b"};
    const double halves[] = {0.5, 0.5};
    struct book book;
    md_context *context = NULL;
    md_dataset *toy = NULL, *twins = NULL, *parts[2] = {NULL, NULL};
    md_split_options options = md_split_options_default();
    options.near_bits = 8;
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&toy, context, "toy:4:7", NULL));
    const md_dataset_source source = {.size = sizeof source,
                                      .user = toy,
                                      .image_count = 8,
                                      .class_count = 2,
                                      .class_names = names,
                                      .read_image = twin_image,
                                      .read_annotations = twin_annotations};
    OK(md_dataset_open_source(&twins, context, &source));
    OK(md_dataset_split_stratified(twins, halves, 2, &options, parts));
    for (int p = 0; p < 2; p++) {
        ck_assert_uint_eq(md_dataset_count(parts[p]), 4);
        for (size_t i = 0; i < 2; i++) { /* named by their numbers: n with n + 4 */
            int first = atoi(md_dataset_image_name(parts[p], i));
            int second = atoi(md_dataset_image_name(parts[p], i + 2));
            ck_assert_int_eq(first + 4, second);
        }
        md_dataset_free(parts[p]);
    }
    md_dataset_free(twins);
    md_dataset_free(toy);
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(a_sheet_shows_what_was_asked_for)
{
    struct book book;
    md_context *context = NULL;
    md_dataset *data = NULL;
    md_image sheet = {0}, again = {0};
    md_sheet_options options = md_sheet_options_default();
    OK(book_context(&context, &book, SIZE_MAX));
    OK(md_dataset_open(&data, context, "toy:9:3", NULL));
    options.count = 5;
    options.columns = 2;
    options.cell = 100;
    OK(md_draw_sheet(&sheet, data, &options));
    ck_assert_int_eq(sheet.format, MD_RGB8);
    ck_assert_int_eq(sheet.width, 2 * 16 + 2 * 100 + 12); /* edges, cells, the gap between */
    ck_assert_int_gt(sheet.height, 3 * 60);
    OK(md_draw_sheet(&again, data, &options));
    size_t bytes = (size_t)sheet.stride * (size_t)sheet.height;
    ck_assert_int_eq(again.height, sheet.height);
    ck_assert_mem_eq(again.data, sheet.data, bytes);
    md_image_free(&again);
    options.seed = 2;
    OK(md_draw_sheet(&again, data, &options));
    ck_assert(again.height != sheet.height || memcmp(again.data, sheet.data, bytes) != 0);
    md_image_free(&again);
    md_image_free(&sheet);
    md_dataset_free(data);
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

static md_status live_as_data(md_context *context)
{
    static const char *const specs[] = {"toy:2:1", "toy:1:1"};
    static const double halves[] = {0.5, 0.5};
    md_problems *problems = NULL;
    md_dataset *data = NULL, *parts[2] = {NULL, NULL};
    md_stats *stats = NULL;
    md_image sheet = {0};
    md_sheet_options options = md_sheet_options_default();
    md_split_options split = md_split_options_default();
    options.cell = 64;
    split.near_bits = 8;
    md_status st = md_check(&problems, context, specs, 2, NULL);
    if (st == MD_OK)
        st = md_dataset_open(&data, context, specs[0], NULL);
    if (st == MD_OK)
        st = md_dataset_stats(&stats, data);
    if (st == MD_OK)
        st = md_dataset_split_stratified(data, halves, 2, &split, parts);
    if (st == MD_OK)
        st = md_draw_sheet(&sheet, data, &options);
    md_problems_free(problems);
    md_image_free(&sheet);
    md_dataset_free(parts[0]);
    md_dataset_free(parts[1]);
    md_stats_free(stats);
    md_dataset_free(data);
    return st;
}

START_TEST(no_memory_is_told)
{
    for (size_t k = 0;; k++) {
        struct book book;
        md_context *context = NULL;
        md_status st = book_context(&context, &book, k);
        if (st == MD_OK)
            st = live_as_data(context);
        md_context_free(context);
        ck_assert_uint_eq(atomic_load(&book.live), 0);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("api/data", TEST(arguments_are_needed), TEST(problems_outlive_their_context),
      TEST(statistics_and_their_plots), TEST(near_pictures_stay_in_one_part),
      TEST(a_sheet_shows_what_was_asked_for), TEST(no_memory_is_told))
