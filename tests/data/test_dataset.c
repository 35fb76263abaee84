/* test_dataset.c - SPECs, reading pixels, sizes, splitting, and who owns what. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/builder.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

static const char *spec(const char *kind, const char *file)
{
    static char text[600];
    snprintf(text, sizeof text, "%s:%s:%s", kind, file, temp_dir());
    return text;
}

START_TEST(specs_are_told_apart)
{
    static const struct {
        const char *spec;
        md_status status;
        const char *told;
    } cases[] = {
        {"", MD_EINVAL, "no known kind"},
        {"xml:x:y", MD_EINVAL, "voc:ROOT:SPLIT, yolo:DATA.yaml:SPLIT or toy:COUNT:SEED"},
        {"voc:/nowhere:train", MD_ENOTFOUND, "\"/nowhere\" is not a folder"},
        {"voc:/tmp:../x", MD_EINVAL, "no name of a split"},
        {"yolo:/nowhere/data.yaml", MD_EIO, "/nowhere/data.yaml"},
        {"csv:a.csv", MD_EINVAL, "lacks a part"},
        {"csv:a.csv:", MD_EINVAL, "lacks a part"},
        {"coco::/tmp", MD_EINVAL, "lacks a part"},
        {"coco:/nowhere/a.json:/nowhere", MD_ENOTFOUND, "\"/nowhere\" is not a folder"},
        {"toy:5", MD_EINVAL, "toy:200:1"},
        {"toy:5:", MD_EINVAL, "not a whole number"},
        {"toy:5:1:2", MD_EINVAL, "toy:200:1"},
        {"toy:x:1", MD_EINVAL, "\"x\" is not a whole number"},
        {"toy:-1:1", MD_EINVAL, "not a whole number"},
        {"toy:0:1", MD_EINVAL, "toy data set of 0 images"},
        {"toy:99999999999:1", MD_EINVAL, "1 to 1048576"},
        {"toy:111111111111111111111111111111111111111111:1", MD_EINVAL, "toy:200:1"},
    };
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dataset *dataset = NULL;
        ck_assert_int_eq(dataset_open(&dataset, &memory, NULL, cases[i].spec, NULL, 0),
                         cases[i].status);
        ck_assert_msg(strstr(error_text(), cases[i].told) != NULL, "%s: %s", cases[i].spec,
                      error_text());
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static void write_picture(const char *name, int width, int height)
{
    md_image image;
    ck_assert_int_eq(image_create(&image, &memory, width, height, MD_RGB8), MD_OK);
    memset(image.data, 120, (size_t)width * (size_t)height * 3);
    ck_assert_int_eq(image_save(&image, &memory, temp_path("%s", name)), MD_OK);
    image_release(&image);
}

START_TEST(pixels_come_from_the_folder_and_must_have_the_size)
{
    static const char json[] =
        "{\"images\": [{\"id\": 1, \"file_name\": \"a.png\", \"width\": 30, \"height\": 20},"
        "{\"id\": 2, \"file_name\": \"b.png\", \"width\": 30, \"height\": 20},"
        "{\"id\": 3, \"file_name\": \"gone.png\", \"width\": 30, \"height\": 20}],"
        "\"categories\": [], \"annotations\": []}";
    struct dataset *dataset = NULL;
    md_image image = {0};
    memory_init(&memory, NULL);
    write_picture("a.png", 30, 20);
    write_picture("b.png", 20, 30);
    const char *path = temp_file("ann.json", json, strlen(json));
    md_status st = dataset_open(&dataset, &memory, NULL, spec("coco", path), NULL, 0);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(dataset_read_image(dataset, 0, &memory, &image), MD_OK);
    ck_assert_int_eq(image.width, 30);
    image_release(&image);
    ck_assert_int_eq(dataset_read_image(dataset, 1, &memory, &image), MD_EMISMATCH);
    ck_assert_ptr_nonnull(
        strstr(error_text(), "b.png is 20x30, but its annotations are for 30x20"));
    ck_assert_int_lt(dataset_read_image(dataset, 2, &memory, &image), 0);
    ck_assert_ptr_nonnull(strstr(error_text(), "gone.png"));
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Threads find the same sizes; what is no picture keeps 0. */
START_TEST(sizes_are_probed_by_threads)
{
    memory_init(&memory, NULL);
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    builder_init(&builder, &memory);
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%d.png", i);
        write_picture(name, 10 + i, 5);
        ck_assert_int_eq(builder_add_image(&builder, name, i, 0, 0), MD_OK);
    }
    temp_file("broken.png", "not a picture", 13);
    ck_assert_int_eq(builder_add_image(&builder, "broken.png", 12, 0, 0), MD_OK);
    ck_assert_int_eq(builder_finish(&builder, temp_dir(), NULL, &dataset), MD_OK);
    ck_assert_int_eq(dataset_probe_sizes(dataset, _i), MD_OK);
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(dataset->images[i].width, 10 + i);
    ck_assert_int_eq(dataset->images[12].width, 0);
    dataset_free(dataset);
    builder_free(&builder);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* The parts are disjoint, complete, and outlive the whole. */
START_TEST(split_parts_stand_on_their_own)
{
    struct dataset *whole = NULL, *first = NULL, *second = NULL;
    bool seen[10] = {false};
    memory_init(&memory, NULL);
    ck_assert_int_eq(dataset_open_toy(&whole, &memory, 10, 3), MD_OK);
    size_t annotations = whole->annotation_count;
    md_image want, got;
    ck_assert_int_eq(dataset_split(whole, 0.75, 1, &first, &second), MD_OK);
    ck_assert_uint_eq(first->image_count, 8);
    ck_assert_uint_eq(second->image_count, 2);
    ck_assert_uint_eq(first->annotation_count + second->annotation_count, annotations);
    size_t source = second->images[1].source_index;
    ck_assert_int_eq(dataset_read_image(whole, source, &memory, &want), MD_OK);
    dataset_free(whole);
    dataset_free(first);
    ck_assert_int_eq(dataset_read_image(second, 1, &memory, &got), MD_OK);
    ck_assert_int_eq(got.width, want.width);
    ck_assert_mem_eq(got.data, want.data, (size_t)want.stride * (size_t)want.height);
    image_release(&want);
    image_release(&got);
    dataset_free(second);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);

    ck_assert_int_eq(dataset_open_toy(&whole, &memory, 10, 3), MD_OK);
    ck_assert_int_eq(dataset_split(whole, 0.5, 9, &first, &second), MD_OK);
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!seen[first->images[i].source_index] && !seen[second->images[i].source_index]);
        seen[first->images[i].source_index] = seen[second->images[i].source_index] = true;
    }
    dataset_free(first);
    dataset_free(second);
    ck_assert_int_eq(dataset_split(whole, 1.5, 9, &first, &second), MD_EINVAL);
    dataset_free(whole);
}
END_TEST

static void count_close(void *user)
{
    ++*(int *)user;
}

START_TEST(source_is_closed_once_with_its_last_user)
{
    struct dataset *whole = NULL, *first = NULL, *second = NULL;
    struct dataset_builder builder;
    int closed = 0;
    memory_init(&memory, NULL);
    builder_init(&builder, &memory);
    ck_assert_int_eq(builder_add_image(&builder, "x", 1, 5, 5), MD_OK);
    const struct dataset_source source = {.user = &closed, .close = count_close};
    ck_assert_int_eq(builder_finish(&builder, NULL, &source, &whole), MD_OK);
    ck_assert_int_eq(dataset_split(whole, 0.5, 1, &first, &second), MD_OK);
    dataset_free(whole);
    dataset_free(second);
    ck_assert_int_eq(closed, 0);
    dataset_free(first);
    ck_assert_int_eq(closed, 1);
    builder_free(&builder);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *whole = NULL, *first = NULL, *second = NULL;
        failing_memory_init(&failing, k);
        md_status st = dataset_open_toy(&whole, &failing.memory, 3, 3);
        if (st == MD_OK)
            st = dataset_split(whole, 0.5, 1, &first, &second);
        dataset_free(whole);
        dataset_free(first);
        dataset_free(second);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/dataset", TEST(specs_are_told_apart),
      TEST(pixels_come_from_the_folder_and_must_have_the_size),
      LOOP(sizes_are_probed_by_threads, 0, 4), TEST(split_parts_stand_on_their_own),
      TEST(source_is_closed_once_with_its_last_user), TEST(no_failed_allocation_leaks))
