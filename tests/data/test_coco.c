/* test_coco.c - data sets from COCO JSON: any order of lists, joins by id, and hostile files. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/dataset.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

/* Files of no content: sizes come from the JSON, and nobody reads pixels here. */
static const char *image_folder(void)
{
    const char *folder = temp_path("images");
    memory_init(&memory, NULL);
    if (file_is_directory(folder))
        return folder;
    ck_assert_int_eq(directory_make(folder), MD_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(file_write(&memory, temp_path("images/%d.jpg", i), "", 0), MD_OK);
    return folder;
}

static md_status open_bytes(struct dataset **out, struct memory *from, const char *text,
                            size_t size)
{
    const char *folder = image_folder();
    return dataset_open_coco(out, from, NULL, temp_file("ann.json", text, size), folder, NULL, 0);
}

static const char example[] =
    "{\"info\": {\"year\": 2020, \"list\": [1, [2], {\"a\": null}]},\n"
    " \"annotations\": [\n"
    "  {\"id\": 0, \"image_id\": 30, \"category_id\": 7, \"bbox\": [1.5, 2, 10, 20.25], \"area\": 100.5,\n"
    "   \"iscrowd\": 0, \"segmentation\": [[1, 2, 3, 4, 5, 6]]},\n"
    "  {\"category_id\": 2, \"id\": 12, \"bbox\": [0, 0, 5, 5], \"image_id\": 10, \"iscrowd\": 1,\n"
    "   \"segmentation\": {\"counts\": [3, 4], \"size\": [7, 7]}},\n"
    "  {\"id\": 5, \"image_id\": 30, \"category_id\": 2, \"bbox\": [30.1, 30, 100.07, 5],\n"
    "   \"area\": 499.99999999}\n"
    " ],\n"
    " \"images\": [\n"
    "  {\"id\": 30, \"file_name\": \"0.jpg\", \"width\": 64, \"height\": 48, \"license\": 1},\n"
    "  {\"file_name\": \"1.jpg\", \"id\": 20, \"width\": 64.0, \"height\": 48},\n"
    "  {\"id\": 10, \"file_name\": \"2\\u002ejpg\", \"width\": 10, \"height\": 10}\n"
    " ],\n"
    " \"categories\": [{\"id\": 7, \"name\": \"cat\", \"supercategory\": \"animal\"},\n"
    "  {\"id\": 2, \"name\": \"dog\"}]\n"
    "}\n";

START_TEST(lists_are_joined_and_sorted_by_id)
{
    struct dataset *dataset = NULL;
    md_status st = open_bytes(&dataset, &memory, example, sizeof example - 1);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_uint_eq(dataset->image_count, 3);
    ck_assert_int_eq(dataset->images[0].id, 10);
    ck_assert_str_eq(dataset->images[0].name, "2.jpg");
    ck_assert_int_eq(dataset->images[1].id, 20);
    ck_assert_uint_eq(dataset->images[1].count, 0);
    ck_assert_int_eq(dataset->images[2].id, 30);
    ck_assert_int_eq(dataset->images[2].width, 64);
    ck_assert_int_eq(dataset->class_count, 2);
    ck_assert_str_eq(dataset->class_names[0], "dog");
    ck_assert_int_eq(dataset->class_ids[0], 2);
    ck_assert_int_eq(dataset->class_ids[1], 7);
    const struct annotation *first = &dataset->annotations[dataset->images[2].first];
    ck_assert_uint_eq(dataset->images[2].count, 2);
    ck_assert_int_eq(first[0].id, 0);
    ck_assert_int_eq(first[0].class_id, 1);
    ck_assert_float_eq(first[0].box[2], 11.5F);
    ck_assert_float_eq(first[0].box[3], 22.25F);
    ck_assert_double_eq(first[0].area, 100.5);
    ck_assert_int_eq(first[1].id, 5);
    ck_assert_float_eq(first[1].box[2], 130.17F); /* as in the file, beyond the image */
    ck_assert_double_eq(first[1].xywh[0], 30.1);  /* evaluation needs the very numbers */
    ck_assert_double_eq(first[1].xywh[2], 100.07);
    ck_assert_double_eq(first[1].area, 499.99999999);
    ck_assert(dataset->annotations[dataset->images[0].first].crowd);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(given_classes_are_found_by_name)
{
    const char *const classes[] = {"cat", "bird", "dog"};
    const char *folder = image_folder();
    const char *path = temp_file("ann.json", example, sizeof example - 1);
    struct dataset *dataset = NULL;
    ck_assert_int_eq(dataset_open_coco(&dataset, &memory, NULL, path, folder, classes, 3), MD_OK);
    ck_assert_int_eq(dataset->class_count, 3);
    ck_assert_int_eq(dataset->class_ids[0], 7);
    ck_assert_int_eq(dataset->class_ids[1], 8); /* free in the file */
    ck_assert_int_eq(dataset->class_ids[2], 2);
    ck_assert_int_eq(dataset->annotations[0].class_id, 2);
    dataset_free(dataset);
    ck_assert_int_eq(dataset_open_coco(&dataset, &memory, NULL, path, folder, classes, 2),
                     MD_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error_text(), "ann.json:5: class \"dog\""));
}
END_TEST

#define IMAGES "\"images\": [{\"id\": 1, \"file_name\": \"0.jpg\", \"width\": 64, \"height\": 48}]"
#define CATEGORIES "\"categories\": [{\"id\": 1, \"name\": \"a\"}]"
#define ANNOTATION(fields) "{" IMAGES ", " CATEGORIES ",\n\"annotations\": [{" fields "}]}"
static const struct {
    const char *text;
    const char *told;
} mistakes[] = {
    {"[]", "is an object"},
    {"{}", "no \"images\""},
    {"{" IMAGES ", " CATEGORIES "}", "no \"annotations\""},
    {"{\"images\": [], " CATEGORIES ", \"annotations\": []}", "\"images\" is empty"},
    {"{" IMAGES ", " IMAGES ", " CATEGORIES ", \"annotations\": []}", "a second time"},
    {"{\"images\": {}, " CATEGORIES ", \"annotations\": []}", "must be a list"},
    {"{\"images\": [3], " CATEGORIES ", \"annotations\": []}", "list of objects"},
    {"{\"images\": [{\"id\": \"1\"}]}", "\"id\" must be a whole number"},
    {"{\"images\": [{\"id\": 1.5}]}", "\"id\" must be a whole number"},
    {"{\"images\": [{\"id\": 1e30}]}", "\"id\" must be a whole number"},
    {"{\"images\": [{\"id\": 1}]}", "no \"file_name\""},
    {"{\"images\": [{\"file_name\": \"0.jpg\"}]}", "no \"id\""},
    {"{\"images\": [{\"file_name\": 5}]}", "must be a text"},
    {"{\"images\": [{\"width\": -5}]}", "number of pixels"},
    {"{\"images\": [{\"width\": 99999999999}]}", "number of pixels"},
    {"{\"images\": [{\"id\": 1, \"file_name\": \"../0.jpg\"}], " CATEGORIES
     ", \"annotations\": []}",
     "leads out of"},
    {"{\"images\": [{\"id\": 1, \"file_name\": \"/etc/passwd\"}], " CATEGORIES
     ", \"annotations\": []}",
     "leads out of"},
    {"{\"images\": [{\"id\": 1, \"file_name\": \"0.jpg\"},\n"
     "{\"id\": 1, \"file_name\": \"1.jpg\"}], " CATEGORIES ", \"annotations\": []}",
     "two images have id 1"},
    {"{" IMAGES
     ", \"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 1, \"name\": \"b\"}], \"annotations\": []}",
     "two categories have id 1"},
    {"{" IMAGES
     ", \"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"a\"}], \"annotations\": []}",
     "named \"a\""},
    {"{" IMAGES ", \"categories\": [{\"id\": 1}], \"annotations\": []}",
     "the category has no \"name\""},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1"), ":2:"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1"), "no \"bbox\""},
    {ANNOTATION("\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"), "no \"id\""},
    {ANNOTATION("\"id\": 1, \"image_id\": 9, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
     "ann.json:2: annotation 1 is of image 9"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 9, \"bbox\": [1, 2, 3, 4]"),
     "of category 9"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": []"), "four numbers"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3]"),
     "four numbers"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4, 5]"),
     "not more"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, -3, 4]"),
     "negative size"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 1e200, 4]"),
     "must be pixels"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": \"1 2 3 4\""),
     "must be a list"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [70, 2, 3, 4]"),
     "lies outside"},
    {ANNOTATION("\"id\": 1, \"iscrowd\": 2"), "must be 0 or 1"},
    {ANNOTATION("\"id\": 1, \"area\": -1"), "square pixels"},
    {ANNOTATION("\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]}, "
                "{\"id\": 1, \"image_id\": 1, "
                "\"category_id\": 1, \"bbox\": [1, 2, 3, 4]"),
     "two annotations have id 1"},
    {"{" IMAGES ", " CATEGORIES ", \"annotations\": []} x", "ann.json:1"},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(each_mistake_is_named)
{
    struct dataset *dataset = NULL;
    md_status st = open_bytes(&dataset, &memory, mistakes[_i].text, strlen(mistakes[_i].text));
    ck_assert_msg(st == MD_EFORMAT, "status %d: %s", (int)st, error_text());
    ck_assert_msg(strstr(error_text(), mistakes[_i].told) != NULL, "\"%s\" lacks \"%s\"",
                  error_text(), mistakes[_i].told);
    ck_assert_ptr_nonnull(strstr(error_text(), "ann.json"));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(truncated_everywhere)
{
    for (size_t size = 0; size < sizeof example - 3; size++) {
        struct dataset *dataset = NULL;
        ck_assert_int_eq(open_bytes(&dataset, &memory, example, size), MD_EFORMAT);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

/* Any one byte replaced: read or refused, never more. */
START_TEST(damaged_everywhere)
{
    char text[sizeof example];
    memcpy(text, example, sizeof text);
    const char *folder = image_folder();
    for (size_t i = 0; i < sizeof example - 1; i++) {
        struct dataset *dataset = NULL;
        text[i] = "[]{}\",:-9\\\xff"[i % 11];
        if (dataset_open_coco(&dataset, &memory, NULL, temp_file("ann.json", text, sizeof text - 1),
                              folder, NULL, 0) == MD_OK)
            dataset_free(dataset);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
        text[i] = example[i];
    }
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        failing_memory_init(&failing, k);
        md_status st = open_bytes(&dataset, &failing.memory, example, sizeof example - 1);
        if (st == MD_OK)
            dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/coco", TEST(lists_are_joined_and_sorted_by_id), TEST(given_classes_are_found_by_name),
      LOOP(each_mistake_is_named, 0, MISTAKES), TEST(truncated_everywhere),
      TEST(damaged_everywhere), TEST(no_failed_allocation_leaks))
