/* test_check.c - every problem of a data set is found, with file, line and level, and nothing else. */
#include "data/check.h"

#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "image/image.h"
#include "image/resize.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

/* Drawn scenes 1.png to 6.png; "1 again.png" is the first to the byte, "1 small.jpg" the first at
 * half the size; cut.png is a part of one. */
static const char *image_folder(void)
{
    struct dataset *toy = NULL;
    struct file_bytes bytes;
    md_image image, half;
    ck_assert_int_eq(directory_make(temp_path("images")), MD_OK);
    ck_assert_int_eq(dataset_open_toy(&toy, &memory, 6, 9), MD_OK);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_int_eq(dataset_read_image(toy, i, &memory, &image), MD_OK);
        ck_assert_int_eq(image_save(&image, &memory, temp_path("images/%zu.png", i + 1)), MD_OK);
        if (i == 0) {
            ck_assert_int_eq(
                image_resize(&half, &memory, &image, image.width / 2, image.height / 2), MD_OK);
            ck_assert_int_eq(image_save(&half, &memory, temp_path("images/1 small.jpg")), MD_OK);
            image_release(&half);
        }
        image_release(&image);
    }
    dataset_free(toy);
    ck_assert_int_eq(file_read(&bytes, &memory, temp_path("images/1.png"), 1 << 24), MD_OK);
    ck_assert_int_eq(file_write(&memory, temp_path("images/1 again.png"), bytes.data, bytes.size),
                     MD_OK);
    ck_assert_int_eq(file_write(&memory, temp_path("images/cut.png"), bytes.data, bytes.size / 2),
                     MD_OK);
    file_bytes_free(&bytes);
    return temp_path("images");
}

enum { SPEC_BYTES = 1024 };

static const char *write_spec(char spec[SPEC_BYTES], const char *kind, const char *name,
                              const char *text)
{
    snprintf(spec, SPEC_BYTES, "%s:%s:%s", kind, temp_file(name, text, strlen(text)),
             temp_path("images"));
    return spec;
}

static const struct check_options careful = {.threads = 2, .near_bits = 8};

static void check_all(struct problem_list *problems, const char *const *specs, size_t count)
{
    problem_list_init(problems, &memory);
    md_status st = check_specs(problems, &memory, specs, count, &careful);
    ck_assert_msg(st == MD_OK, "%s", error_text());
}

struct expected {
    md_problem_kind kind;
    md_log_level level;
    size_t set, line;
    const char *image, *text;
};

/* Exactly these, in this order. */
static void check_found(struct problem_list *problems, const struct expected *expected,
                        size_t count)
{
    for (size_t i = 0; i < problems->count && i < count; i++) {
        const md_problem *found = &problems->items[i];
        ck_assert_msg(found->kind == expected[i].kind && found->level == expected[i].level &&
                          found->set == expected[i].set && found->line == expected[i].line &&
                          strstr(found->text, expected[i].text),
                      "entry %zu is kind %d, level %d, set %zu, line %zu: %s", i, found->kind,
                      found->level, found->set, found->line, found->text);
        ck_assert_pstr_eq(found->image, expected[i].image);
        ck_assert_ptr_null(strstr(found->text, ".c:"));
    }
    ck_assert_uint_eq(problems->count, count);
    problem_list_free(problems);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

#define CHECK_FOUND(problems, ...)                                                                 \
    do {                                                                                           \
        const struct expected expected[] = {__VA_ARGS__};                                          \
        check_found((problems), expected, sizeof expected / sizeof expected[0]);                   \
    } while (0)

/* ---- one set ------------------------------------------------------------------------------ */

START_TEST(csv_with_every_mistake)
{
    char spec[SPEC_BYTES];
    struct problem_list problems;
    memory_init(&memory, NULL);
    image_folder();
    const char *const specs[] = {write_spec(spec, "csv", "bad.csv",
                                            "filename,xmin,ymin,xmax,ymax,class\n"
                                            "1.png,1,2,30,40,face\n"   /* 2 */
                                            "1.png,30,2,10,40,face\n"  /* 3: turned round */
                                            "1.png,nan,2,10,40,face\n" /* 4 */
                                            "1.png,1,2,30,face\n"      /* 5: a field is missing */
                                            "1.png,5000,5000,5010,5010,face\n" /* 6 */
                                            "1.png,-3,2,30,41,face\n"          /* 7 */
                                            "1.png,1,2,30,40,face\n"           /* 8: line 2 again */
                                            "1.png,1,2,30,40,Face\n"  /* 9: and as another class */
                                            "2.png,1,2,1.5,40,face\n" /* 10 */
                                            "none.png,1,2,30,40,face\n"        /* 11 */
                                            "cut.png,1,2,30,40,face\n"         /* 12 */
                                            "../images/3.png,1,2,30,40,face\n" /* 13 */
                                            "4.png,,,,,\n"                     /* 14 */
                                            "1 again.png,1,2,30,40,face\n"     /* 15 */
                                            "5.png,1,2,30,40,\n" /* 16: no class */)};
    check_all(&problems, specs, 1);
    for (size_t i = 0; i < problems.count; i++)
        ck_assert(!problems.items[i].file || strstr(problems.items[i].file, "bad.csv"));
    CHECK_FOUND(
        &problems, {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 3, NULL, "turned round"},
        {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 4, NULL, "finite"},
        {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 5, NULL, "5 fields, the header 6"},
        {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 13, NULL, "leads out of"},
        {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 16, NULL, "no class"},
        {MD_PROBLEM_BOX_OUTSIDE, MD_LOG_ERROR, 0, 6, "1.png", "lies outside"},
        {MD_PROBLEM_BOX_OUTSIDE, MD_LOG_WARN, 0, 7, "1.png", "3 pixels out"},
        {MD_PROBLEM_BOX_REPEATED, MD_LOG_WARN, 0, 8, "1.png", "those of line 2"},
        {MD_PROBLEM_BOX_REPEATED, MD_LOG_WARN, 0, 9, "1.png", "there \"face\", here \"Face\""},
        {MD_PROBLEM_BOX_TINY, MD_LOG_WARN, 0, 10, "2.png", "0.5 x 38"},
        {MD_PROBLEM_IMAGE_MISSING, MD_LOG_ERROR, 0, 11, "none.png", "there is no file"},
        {MD_PROBLEM_IMAGE_BROKEN, MD_LOG_ERROR, 0, 12, "cut.png", ""},
        {MD_PROBLEM_IMAGE_EMPTY, MD_LOG_INFO, 0, 14, "4.png", "no boxes"},
        {MD_PROBLEM_IMAGE_EMPTY, MD_LOG_INFO, 0, 16, "5.png", "no boxes"},
        {MD_PROBLEM_CLASS_SPELLING, MD_LOG_WARN, 0, 0, NULL, "\"Face\" and \"face\""},
        {MD_PROBLEM_IMAGE_REPEATED, MD_LOG_WARN, 0, 15, "1 again.png", "\"1.png\""});
}
END_TEST

START_TEST(coco_with_every_mistake)
{
    char spec[SPEC_BYTES];
    struct problem_list problems;
    memory_init(&memory, NULL);
    image_folder();
    const char *const specs[] = {write_spec(
        spec, "coco", "bad.json",
        "{\"images\": [\n"
        "{\"id\": 1, \"file_name\": \"1.png\", \"width\": 7, \"height\": 9},\n" /* 2: the size */
        "{\"id\": 2, \"file_name\": \"2.png\"},\n"                              /* 3 */
        "{\"id\": 3, \"file_name\": \"2.png\"},\n"                              /* 4: 2.png again */
        "{\"id\": 4, \"file_name\": \"../images/3.png\"},\n"                    /* 5 */
        "{\"id\": 5}],\n"                                                       /* 6 */
        "\"categories\": [{\"id\": 1, \"name\": \"a\"}, {\"id\": 2, \"name\": \"b\"}],\n"
        "\"annotations\": [\n"
        "{\"id\": 1, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 5, 5]},\n"  /* 9 */
        "{\"id\": 2, \"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, -5, 5]},\n" /* 10 */
        "{\"id\": 3, \"image_id\": 9, \"category_id\": 1, \"bbox\": [1, 2, 5, 5]},\n"  /* 11 */
        "{\"id\": 4, \"image_id\": 1, \"category_id\": 9, \"bbox\": [1, 2, 5, 5]},\n"  /* 12 */
        "{\"id\": 5, \"image_id\": 2, \"category_id\": 1, \"bbox\": [1, 2, 0, 5]},\n"  /* 13 */
        "{\"id\": 1, \"image_id\": 3, \"category_id\": 1, \"bbox\": [9, 9, 5, 5]},\n"  /* 14 */
        "{\"id\": 6, \"image_id\": 4, \"category_id\": 1, \"bbox\": [1, 2, 5, 5]},\n"  /* 15 */
        "{\"id\": 7, \"image_id\": [1], \"category_id\": {\"x\": [1]}, \"bbox\": \"?\"}]}\n")};
    check_all(&problems, specs, 1);
    CHECK_FOUND(&problems, {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 6, NULL, "no \"file_name\""},
                {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 10, NULL, "negative size"},
                {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 16, NULL, "\"image_id\" must be"},
                {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 14, NULL, "two annotations have id 1"},
                {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 11, NULL, "image 9"},
                {MD_PROBLEM_ANNOTATION, MD_LOG_ERROR, 0, 12, NULL, "category 9"},
                {MD_PROBLEM_IMAGE_REPEATED, MD_LOG_ERROR, 0, 4, "2.png", "a second time"},
                {MD_PROBLEM_IMAGE_SIZE, MD_LOG_ERROR, 0, 2, "1.png", "annotations are for 7x9"},
                {MD_PROBLEM_BOX_TINY, MD_LOG_ERROR, 0, 13, "2.png", "no area"},
                {MD_PROBLEM_IMAGE_BROKEN, MD_LOG_ERROR, 0, 5, "../images/3.png", "leads out"},
                {MD_PROBLEM_CLASS_EMPTY, MD_LOG_WARN, 0, 0, NULL, "\"b\" has no boxes"});
}
END_TEST

/* From where the file stops being CSV or JSON, nothing more can be known: one entry, the rest of
 * the sets are looked at all the same. */
START_TEST(a_useless_file_is_one_entry)
{
    char first[SPEC_BYTES], second[SPEC_BYTES];
    struct problem_list problems;
    memory_init(&memory, NULL);
    image_folder();
    const char *const specs[] = {
        write_spec(first, "coco", "no.json", "{\"images\": [\n{\"id\": 1, \"file_name\": nul}\n"),
        write_spec(second, "csv", "few.csv", "filename,xmin,ymin,xmax,ymax,class\n1.png,,,,,\n")};
    check_all(&problems, specs, 2);
    ck_assert_ptr_nonnull(strstr(problems.items[0].file, "no.json"));
    CHECK_FOUND(&problems, {MD_PROBLEM_FILE, MD_LOG_ERROR, 0, 2, NULL, ""},
                {MD_PROBLEM_IMAGE_EMPTY, MD_LOG_INFO, 1, 2, "1.png", ""});
}
END_TEST

/* ---- several sets ------------------------------------------------------------------------- */

START_TEST(pictures_and_classes_of_two_sets)
{
    char train[SPEC_BYTES], val[SPEC_BYTES];
    struct problem_list problems;
    memory_init(&memory, NULL);
    image_folder();
    const char *const specs[] = {
        write_spec(train, "csv", "train.csv",
                   "filename,xmin,ymin,xmax,ymax,class\n1.png,1,2,30,40,a\n2.png,1,2,30,40,b\n"),
        write_spec(val, "csv", "val.csv",
                   "filename,xmin,ymin,xmax,ymax,class\n3.png,1,2,30,40,a\n"
                   "1 again.png,1,2,30,40,a\n1 small.jpg,1,2,30,40,c\n")};
    check_all(&problems, specs, 2);
    CHECK_FOUND(&problems, {MD_PROBLEM_CLASS_UNKNOWN, MD_LOG_ERROR, 1, 0, NULL, "\"c\" is none"},
                {MD_PROBLEM_CLASS_EMPTY, MD_LOG_WARN, 1, 0, NULL, "\"b\" has no boxes here"},
                {MD_PROBLEM_LEAK, MD_LOG_ERROR, 1, 3, "1 again.png", "\"1.png\" of set 1"},
                {MD_PROBLEM_LEAK, MD_LOG_WARN, 1, 4, "1 small.jpg", "\"1.png\" of set 1"});
}
END_TEST

START_TEST(drawn_data_have_no_problems)
{
    struct problem_list problems;
    memory_init(&memory, NULL);
    const char *const specs[] = {"toy:8:1", "toy:8:2"};
    check_all(&problems, specs, 2);
    for (size_t i = 0; i < problems.count; i++)
        ck_abort_msg("%s", problems.items[i].text);
    problem_list_free(&problems);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_memory_is_told)
{
    char spec[SPEC_BYTES];
    memory_init(&memory, NULL);
    image_folder();
    const char *const specs[] = {
        write_spec(spec, "csv", "few.csv",
                   "filename,xmin,ymin,xmax,ymax,class\n1 small.jpg,1,2,30,40,a\n"
                   "1 small.jpg,1,2,30,40,b\n2.png,x,,,,\nnone.png,,,,,\n"),
        "toy:1:1"};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct problem_list problems;
        failing_memory_init(&failing, k);
        problem_list_init(&problems, &failing.memory);
        md_status st = check_specs(&problems, &failing.memory, specs, 2, &careful);
        problem_list_free(&problems);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/check", TEST(csv_with_every_mistake), TEST(coco_with_every_mistake),
      TEST(a_useless_file_is_one_entry), TEST(pictures_and_classes_of_two_sets),
      TEST(drawn_data_have_no_problems), TEST(no_memory_is_told))
