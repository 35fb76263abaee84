/* test_yolo.c - YOLO: data.yaml in its spellings, labels, outlines, plain folders, and each mistake. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/dataset.h"
#include "data/yolo_text.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/pictures.h"
#include "support/temp_dir.h"

static struct memory memory;

static void make_folder(void)
{
    memory_init(&memory, NULL);
    ck_assert_int_eq(directory_make(temp_path("images/train/deep")), MD_OK);
    ck_assert_int_eq(directory_make(temp_path("labels/train/deep")), MD_OK);
    put_picture("images/train/a.png");
    put_picture("images/train/b.png");
    put_picture("images/train/deep/c.png");
    put_text("labels/train/a.txt", "1 0.5 0.5 1 1\r\n0 0.25 0.5 0.1 0.2\n\n");
    put_text("labels/train/deep/c.txt", "0.0 0.1 0.2 0.5 0.2 0.3 0.9");
}

static md_status open_rest(struct dataset **out, const char *rest)
{
    char spec[512];
    snprintf(spec, sizeof spec, "yolo:%s%s", temp_dir(), rest);
    return dataset_open(out, &memory, NULL, spec, NULL, 0);
}

static struct dataset *opened(const char *rest)
{
    struct dataset *dataset = NULL;
    md_status st = open_rest(&dataset, rest);
    ck_assert_msg(st == MD_OK, "%s: %s", rest, error_text());
    return dataset;
}

static void check_set(const struct dataset *dataset)
{
    static const float want[3][4] = {{0, 0, 40, 30}, {8, 12, 12, 18}, {4, 6, 20, 27}};
    ck_assert_uint_eq(dataset->image_count, 3);
    ck_assert_uint_eq(dataset->annotation_count, 3);
    ck_assert_uint_eq(dataset->images[1].count, 0); /* b.png has no file of labels */
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 4; k++) /* one step of a float at 40 is 3.8e-6 */
            ck_assert_float_eq_tol(dataset->annotations[i].box[k], want[i][k], 4e-6f);
    ck_assert_int_eq(dataset->annotations[0].class_id, 1);
    ck_assert_str_eq(dataset->class_names[0], "zebra");
    ck_assert_str_eq(dataset->class_names[1], "7");
}

/* The same set, named in many ways. */
static const struct {
    const char *yaml, *spec;
} spellings[] = {
    {"train: images/train\nnames: [zebra, 7]\n", "/data.yaml:train"},
    {"train: ./images/train/\nnc: 2\nnames: {1: 7, 0: zebra}\n", "/data.yaml"},
    {"path: .\nval: images/train\nnames:\n  0: zebra\n  1: '7'\ndownload: |\n  some\n  text\n",
     ":val"},
    {"train: ../images/train\nnames: ['zebra', '7']\n", "/data.yaml:train"},
    {"train: list.txt\nnames: [zebra, 7]\n", ":train"},
    {"train: [images/train/deep, list2.txt]\nnames: [zebra, 7]\n", ":train"},
};
enum { SPELLINGS = sizeof spellings / sizeof spellings[0] };

START_TEST(data_yaml_as_people_write_it)
{
    make_folder();
    put_text("list.txt", "./images/train/a.png\nimages/train/b.png\nimages/train/deep/c.png\n");
    put_text("list2.txt", "images/train/a.png\nimages/train/b.png\nimages/train/a.png\n");
    put_text("data.yaml", spellings[_i].yaml);
    struct dataset *dataset = opened(spellings[_i].spec);
    if (_i != SPELLINGS - 1)
        check_set(dataset);
    ck_assert_uint_eq(dataset->image_count, 3);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(folders_without_data_yaml)
{
    make_folder();
    put_text("classes.txt", "zebra\n7\n");
    struct dataset *dataset = opened(":train");
    check_set(dataset);
    dataset_free(dataset);
    dataset = opened("");
    ck_assert_str_eq(dataset->images[0].name, "train/a.png");
    ck_assert_uint_eq(dataset->annotation_count, 3);
    dataset_free(dataset);
}
END_TEST

static const struct {
    const char *line, *told;
} mistakes[] = {
    {"0", "a.txt:3: 1 numbers"},
    {"0 0.5 0.5 0.1", "4 numbers"},
    {"x 0.5 0.5 0.1 0.1", "\"x\" is no number"},
    {"0 0.5 nan 0.1 0.1", "\"nan\" is no number"},
    {"0 0.5 0.5 0.1 1e999", "is no number"},
    {"2 0.5 0.5 0.1 0.1", "class 2 is none of the 2"},
    {"-1 0.5 0.5 0.1 0.1", "class -1 is none"},
    {"0.5 0.5 0.5 0.1 0.1", "class 0.5 is none"},
    {"0 320 240 20 20", "parts of the image, not in pixels"},
    {"0 0.5 0.5 0 0.1", "no area"},
    {"0 0.5 0.5 -0.005 0.1", "no area"},
    {"0 0.5 0.5 0.1 0.1 0.9", "5 numbers behind the class"},
    {"0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "7 numbers behind the class"},
    {"0 0.1 0.1 0.1 0.2 0.1 0.3", "no area"},
    {"0 0.1 0.1 0.1 0.2 0.1 5", "not in pixels"},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(each_mistake_is_named_with_its_line)
{
    char text[256];
    struct dataset *dataset = NULL;
    make_folder();
    put_text("data.yaml", "train: images/train\nnames: [zebra, 7]\n");
    snprintf(text, sizeof text, "1 0.5 0.5 1 1\n\n%s\n", mistakes[_i].line);
    put_text("labels/train/a.txt", text);
    ck_assert_int_eq(open_rest(&dataset, ""), MD_EFORMAT);
    ck_assert_msg(strstr(error_text(), mistakes[_i].told) != NULL, "\"%s\" lacks \"%s\"",
                  error_text(), mistakes[_i].told);
    ck_assert_ptr_nonnull(strstr(error_text(), "labels/train/a.txt:3: "));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static const struct {
    const char *yaml;
    md_status status;
    const char *told;
} bad_yamls[] = {
    {"train: images/train\n", MD_EFORMAT, "no names"},
    {"names: [a, b]\n", MD_ENOTFOUND, "has no entry train"},
    {"train: images/train\nnames: [a, a]\n", MD_EFORMAT, "data.yaml:2: the class \"a\" stands"},
    {"train: images/train\nnames: [a, true]\n", MD_EFORMAT, "put it in quotes"},
    {"train: images/train\nnames: {0: a, 2: b}\n", MD_EFORMAT, "count from 0"},
    {"train: images/train\nnames: {0: a, 00: b}\n", MD_EFORMAT, "names has 2 classes"},
    {"train: images/train\nnames: {1: a, 01: b}\n", MD_EFORMAT, "no class of number 0"},
    {"train: images/train\nnames: {a: b}\n", MD_EFORMAT, "stands a number and a name"},
    {"train: images/train\nnc: 3\nnames: [a, b]\n", MD_EFORMAT, "data.yaml:2: nc is not 2"},
    {"train: nowhere\nnames: [a, b]\n", MD_ENOTFOUND, "neither a folder nor a list"},
    {"path: nowhere\ntrain: x\nnames: [a, b]\n", MD_ENOTFOUND, "is not a folder"},
    {"train: [images/train, ../..]\nnames: [a, b]\n", MD_EFORMAT, "leads out of"},
    {"train: bad.txt\nnames: [a, b]\n", MD_EFORMAT, "bad.txt:1: \"/etc/passwd\" leads out of"},
    {"train: labels\nnames: [a, b]\n", MD_ENOTFOUND, "no images in"},
    {"train: [\n", MD_EFORMAT, "not YAML"},
};
enum { BAD_YAMLS = sizeof bad_yamls / sizeof bad_yamls[0] };

START_TEST(each_mistake_in_data_yaml)
{
    struct dataset *dataset = NULL;
    make_folder();
    put_text("bad.txt", "/etc/passwd\n");
    put_text("data.yaml", bad_yamls[_i].yaml);
    md_status st = open_rest(&dataset, "");
    ck_assert_msg(st == bad_yamls[_i].status, "status %d: %s", (int)st, error_text());
    ck_assert_msg(strstr(error_text(), bad_yamls[_i].told) != NULL, "\"%s\" lacks \"%s\"",
                  error_text(), bad_yamls[_i].told);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(where_labels_are)
{
    static const char *const pairs[][2] = {
        {"images/a.jpg", "labels/a.txt"},
        {"/x/images/train/a.b.png", "/x/labels/train/a.b.txt"},
        {"/images/images/a.jpg", "/images/labels/a.txt"},
        {"/x/myimages/a.jpg", "/x/myimages/a.txt"},
        {"a", "a.txt"},
    };
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *path = NULL;
        ck_assert_int_eq(yolo_label_path(&memory, &path, pairs[i][0]), MD_OK);
        ck_assert_str_eq(path, pairs[i][1]);
        memory_free(&memory, path);
    }
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    char spec[512];
    make_folder();
    put_text("list.txt", "./images/train/a.png\nimages/train/deep/c.png\n");
    put_text("data.yaml", _i ? "train: list.txt\nnames: [zebra, 7]\n"
                             : "train: images/train\nnames: {0: zebra, 1: 7}\n");
    snprintf(spec, sizeof spec, "yolo:%s:train", temp_dir());
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        failing_memory_init(&failing, k);
        md_status st = dataset_open(&dataset, &failing.memory, NULL, spec, NULL, 0);
        if (st == MD_OK)
            dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/yolo", LOOP(data_yaml_as_people_write_it, 0, SPELLINGS),
      TEST(folders_without_data_yaml), LOOP(each_mistake_is_named_with_its_line, 0, MISTAKES),
      LOOP(each_mistake_in_data_yaml, 0, BAD_YAMLS), TEST(where_labels_are),
      LOOP(no_failed_allocation_leaks, 0, 2))
