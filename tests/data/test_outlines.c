/* test_outlines.c - polygons and runs of COCO files: kept where they stand, and written back. */
#include "data/outlines.h"

#include <string.h>

#include "core/error.h"
#include "data/write.h"
#include "suite.h"
#include "support/temp_dir.h"

static struct memory memory;

/* Polygons, runs as numbers and as a text with a blank and a quote in it, null, and none. */
static const char text[] =
    "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\", \"width\": 40, \"height\": 30},"
    " {\"id\": 2, \"file_name\": \"b.png\", \"width\": 40, \"height\": 30}],\n"
    "\"categories\": [{\"id\": 1, \"name\": \"cat\"}],\n"
    "\"annotations\": [\n"
    "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4], \"segmentation\":\n"
    "  [[1.50, 2,\t3, 4, 5e1, 6],\r\n  [7, 8, 9, 10, 11, 12]]},\n"
    "{\"segmentation\": {\"counts\": [5, 10, 1185], \"size\": [30, 40]}, \"id\": 2, \"image_id\": 2,"
    " \"category_id\": 1, \"bbox\": [1, 2, 3, 4], \"iscrowd\": 1},\n"
    "{\"id\": 3, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 2, 3, 5],"
    " \"segmentation\": {\"size\": [30, 40], \"counts\": \"a \\\" 5\\\\\"}},\n"
    "{\"id\": 4, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 2, 3, 6], \"segmentation\": null},\n"
    "{\"id\": 5, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 2, 3, 7]}]}";

static const char *const want[5] = {"[[1.50,2,3,4,5e1,6],[7,8,9,10,11,12]]",
                                    "{\"counts\":[5,10,1185],\"size\":[30,40]}",
                                    "{\"size\":[30,40],\"counts\":\"a \\\" 5\\\\\"}", "", ""};

static struct dataset *opened(const char *path)
{
    struct dataset *dataset = NULL;
    md_status st = dataset_open_coco(&dataset, &memory, NULL, path, temp_dir(), NULL, 0);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return dataset;
}

/* Two image files, so that the folder is not taken for the wrong one. */
static struct dataset *made(void)
{
    memory_init(&memory, NULL);
    temp_file("a.png", "", 0);
    return opened(temp_file("ann.json", text, sizeof text - 1));
}

static void check_outlines(const struct dataset *dataset)
{
    struct file_bytes file;
    struct buffer out;
    buffer_init(&out, &memory);
    ck_assert_int_eq(outlines_map(&file, dataset), MD_OK);
    for (size_t i = 0; i < dataset->annotation_count; i++) {
        const struct annotation *annotation = &dataset->annotations[i];
        buffer_clear(&out);
        ck_assert_int_eq(outline_put(&out, &file, annotation), MD_OK);
        ck_assert_str_eq(out.data ? out.data : "", want[annotation->id - 1]);
    }
    buffer_free(&out);
    file_bytes_free(&file);
}

START_TEST(outlines_are_found_and_written_back)
{
    const struct write_options how = {0};
    struct dataset *dataset = made();
    char spec[512];
    check_outlines(dataset);
    snprintf(spec, sizeof spec, "coco:%s", temp_path("back.json"));
    ck_assert_int_eq(dataset_write(dataset, spec, &how), MD_OK);
    struct dataset *back = opened(temp_path("back.json"));
    ck_assert_uint_eq(back->annotation_count, 5);
    ck_assert(back->annotations[1].crowd);
    check_outlines(back);
    dataset_free(back);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_split_keeps_them)
{
    struct dataset *dataset = made();
    struct dataset *parts[2];
    ck_assert_int_eq(dataset_split(dataset, 0.5, 1, &parts[0], &parts[1]), MD_OK);
    dataset_free(dataset);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_gt(parts[i]->annotation_count, 0);
        check_outlines(parts[i]);
        dataset_free(parts[i]);
    }
}
END_TEST

START_TEST(a_changed_file_is_not_read)
{
    const struct write_options how = {0};
    struct dataset *dataset = made();
    struct file_bytes file;
    char spec[512];
    temp_file("ann.json", text, sizeof text - 2);
    ck_assert_int_eq(outlines_map(&file, dataset), MD_EMISMATCH);
    snprintf(spec, sizeof spec, "coco:%s", temp_path("late.json"));
    ck_assert_int_eq(dataset_write(dataset, spec, &how), MD_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error_text(), "ann.json changed since"));
    ck_assert(!file_exists(temp_path("late.json")));
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("data/outlines", TEST(outlines_are_found_and_written_back), TEST(a_split_keeps_them),
      TEST(a_changed_file_is_not_read))
