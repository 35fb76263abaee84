/* test_voc.c - Pascal VOC: boxes as Detectron2 takes them, lists, flat folders, and each mistake. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/dataset.h"
#include "data/reading.h"
#include "data/voc_xml.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/pictures.h"
#include "support/temp_dir.h"

static struct memory memory;

#define OBJECT(name, x0, y0, x1, y1)                                                               \
    "<object><name>" name "</name><bndbox><xmin>" x0 "</xmin><ymin>" y0 "</ymin><xmax>" x1         \
    "</xmax><ymax>" y1 "</ymax></bndbox></object>"
#define FILE_OF(objects) "<annotation><filename>a.png</filename>\n" objects "\n</annotation>"

static md_status parsed(struct voc_file *file, const char *text, struct problem_list *problems)
{
    memory_init(&memory, NULL);
    voc_file_init(file, &memory);
    return voc_file_parse(file, "a.xml", text, strlen(text), problems);
}

#ifdef MD_WITH_EXPAT

/* A folder as VOC has it, of three images; "b c" has a blank in its name and no <filename>. */
static void make_folder(void)
{
    memory_init(&memory, NULL);
    ck_assert_int_eq(directory_make(temp_path("Annotations")), MD_OK);
    ck_assert_int_eq(directory_make(temp_path("JPEGImages")), MD_OK);
    ck_assert_int_eq(directory_make(temp_path("ImageSets/Main")), MD_OK);
    put_picture("JPEGImages/a.png");
    put_picture("JPEGImages/b c.png");
    put_picture("JPEGImages/e.png");
    put_text("Annotations/a.xml",
             FILE_OF(OBJECT("dog", "1", "1", "40", "30") OBJECT("cat", "3", "4", "3.5", "8")));
    put_text("Annotations/b c.xml",
             "<annotation><size><width>40</width><height>30</height></size>"
             "<object><name>dog</name><difficult>1</difficult><part><name>head</name><bndbox>"
             "<xmin>9</xmin></bndbox></part><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>2</xmax>"
             "<ymax>2</ymax></bndbox></object></annotation>");
    put_text("Annotations/e.xml", "<annotation><filename>gone.jpg</filename></annotation>");
    put_text("ImageSets/Main/train.txt", "a\nb c\r\n\n");
    put_text("ImageSets/Main/dog_val.txt", "a  1\nb c -1\ne  0\n");
}

static struct dataset *opened(const char *rest)
{
    char spec[512];
    struct dataset *dataset = NULL;
    snprintf(spec, sizeof spec, "voc:%s%s", temp_dir(), rest);
    md_status st = dataset_open(&dataset, &memory, NULL, spec, NULL, 0);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return dataset;
}

/* 1 is taken from the first corner alone: 1..W inclusive becomes 0..W, one pixel has an area. */
START_TEST(boxes_are_as_detectron2_takes_them)
{
    static const float want[3][4] = {{0, 0, 40, 30}, {2, 3, 3.5f, 8}, {1, 1, 2, 2}};
    make_folder();
    struct dataset *dataset = opened(":train");
    ck_assert_uint_eq(dataset->image_count, 2);
    ck_assert_uint_eq(dataset->annotation_count, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_mem_eq(dataset->annotations[i].box, want[i], sizeof want[i]);
    ck_assert_str_eq(dataset->images[1].name, "b c.png");
    ck_assert_str_eq(dataset->class_names[0], "cat");
    ck_assert_int_eq(dataset->annotations[0].class_id, 1);
    ck_assert(dataset->annotations[2].difficult && !dataset->annotations[1].difficult);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(lists_of_a_class_and_all_files)
{
    make_folder();
    struct dataset *dataset = opened(":dog_val");
    ck_assert_uint_eq(dataset->image_count, 3);
    ck_assert_str_eq(dataset->images[2].name, "e.png"); /* <filename> does not exist, this does */
    dataset_free(dataset);
    dataset = opened("");
    ck_assert_uint_eq(dataset->image_count, 3);
    dataset_free(dataset);
}
END_TEST

START_TEST(a_flat_folder_and_a_list_of_classes)
{
    memory_init(&memory, NULL);
    put_picture("a.png");
    put_text("a.xml", FILE_OF(OBJECT("dog", "1", "1", "4", "3")));
    put_text("labels.txt", "zebra\ndog\nant\n");
    struct dataset *dataset = opened("");
    ck_assert_uint_eq(dataset->image_count, 1);
    ck_assert_int_eq(dataset->class_count, 3);
    ck_assert_str_eq(dataset->class_names[0], "zebra");
    ck_assert_int_eq(dataset->annotations[0].class_id, 1);
    dataset_free(dataset);
}
END_TEST

static const struct {
    const char *text, *told;
} mistakes[] = {
    {"", "a.xml:1: no XML"},
    {"<annotation>\n<object>", "a.xml:2: no XML"},
    {"<html/>", "a.xml:1: the file begins with <html>"},
    {"<html><annotation/></html>", "begins with <html>"},
    {FILE_OF("<object>\n</object>"), "a.xml:2: the object has no <name>"},
    {FILE_OF("<object><name> </name></object>"), "has no <name>"},
    {FILE_OF("<object><name>k</name></object>"), "no <bndbox>"},
    {FILE_OF(OBJECT("k", "1", "2", "x3", "4")), "xmax is \"x3\""},
    {FILE_OF(OBJECT("k", "1", "nan", "3", "4")), "ymin is \"nan\""},
    {FILE_OF(OBJECT("k", "1", "2", "1e300", "4")), "xmax is \"1e300\""},
    {FILE_OF(OBJECT("k", "9", "2", "3", "4")), "turned round"},
    {FILE_OF(OBJECT("k", "4", "2", "3", "4")), "no area"},
    {FILE_OF("<object><name>k</name><difficult>maybe</difficult></object>"), "it is 0 or 1"},
    {FILE_OF("<object><bndbox><xmin>1</xmin><xmin>1</xmin></bndbox></object>"), "a second time"},
    {"<annotation><size><width>-4</width></size></annotation>", "no number of pixels"},
    {"<!DOCTYPE annotation [<!ENTITY a \"b\">]><annotation>&a;</annotation>", "a DOCTYPE with"},
    {"<annotation>&a;</annotation>", "undefined entity"},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(each_mistake_is_named_with_its_line)
{
    struct voc_file file;
    ck_assert_int_eq(parsed(&file, mistakes[_i].text, NULL), MD_EFORMAT);
    ck_assert_msg(strstr(error_text(), mistakes[_i].told) != NULL, "\"%s\" lacks \"%s\"",
                  error_text(), mistakes[_i].told);
    voc_file_free(&file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* A thousand levels, a megabyte of text, and the entities by which 3 bytes become a billion. */
START_TEST(bombs_are_refused)
{
    enum { SIZE = 1 << 20 };
    struct voc_file file;
    char *text = calloc(1, SIZE + 64);
    strcpy(text, "<annotation>");
    for (int i = 0; i < 1000; i++)
        strcat(text, "<a>");
    ck_assert_int_eq(parsed(&file, text, NULL), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "elements inside each other"));
    voc_file_free(&file);
    memset(text, 'a', SIZE);
    memcpy(text, "<annotation><filename>", 22);
    ck_assert_int_eq(parsed(&file, text, NULL), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "a text longer than"));
    voc_file_free(&file);
    free(text);
    static const char laughs[] =
        "<!DOCTYPE annotation [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;\">"
        "<!ENTITY c \"&b;&b;&b;\">]><annotation>&c;</annotation>";
    ck_assert_int_eq(parsed(&file, laughs, NULL), MD_EFORMAT);
    voc_file_free(&file);
}
END_TEST

START_TEST(to_be_checked_objects_are_passed_over)
{
    struct voc_file file;
    struct problem_list problems;
    struct memory own;
    memory_init(&own, NULL);
    problem_list_init(&problems, &own);
    ck_assert_int_eq(parsed(&file,
                            FILE_OF(OBJECT("k", "9", "2", "3", "4") "\n" OBJECT("k", "1", "2", "3",
                                                                                "4") "\n<object/>"),
                            &problems),
                     MD_OK);
    ck_assert_uint_eq(file.count, 1);
    ck_assert_uint_eq(problems.count, 2);
    ck_assert_uint_eq(problems.items[0].line, 2);
    ck_assert_uint_eq(problems.items[1].line, 4);
    voc_file_free(&file);
    problem_list_free(&problems);
}
END_TEST

START_TEST(folders_that_are_wrong)
{
    static const struct {
        const char *list, *told;
    } cases[] = {
        {"a\n../../etc/passwd\n", "bad.txt:2: \"../../etc/passwd\" leads out of"},
        {"a\nnone\n", "bad.txt:2: \"none\" has no annotation file"},
        {"a\na\n", "that of another annotation file"},
        {"\n", "no annotation files"},
    };
    make_folder();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char spec[512];
        struct dataset *dataset = NULL;
        snprintf(spec, sizeof spec, "voc:%s:bad", temp_dir());
        put_text("ImageSets/Main/bad.txt", cases[i].list);
        ck_assert_int_eq(dataset_open(&dataset, &memory, NULL, spec, NULL, 0), MD_EFORMAT);
        ck_assert_msg(strstr(error_text(), cases[i].told) != NULL, "\"%s\" lacks \"%s\"",
                      error_text(), cases[i].told);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    make_folder();
    put_text("labels.txt", "dog\ncat\n");
    char spec[512];
    snprintf(spec, sizeof spec, "voc:%s:dog_val", temp_dir());
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

SUITE("data/voc", TEST(boxes_are_as_detectron2_takes_them), TEST(lists_of_a_class_and_all_files),
      TEST(a_flat_folder_and_a_list_of_classes),
      LOOP(each_mistake_is_named_with_its_line, 0, MISTAKES), TEST(bombs_are_refused),
      TEST(to_be_checked_objects_are_passed_over), TEST(folders_that_are_wrong),
      TEST(no_failed_allocation_leaks))

#else

START_TEST(without_expat_the_remedy_is_told)
{
    struct voc_file file;
    ck_assert_int_eq(parsed(&file, FILE_OF(OBJECT("k", "1", "2", "3", "4")), NULL),
                     MD_EUNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error_text(), "libexpat1-dev"));
    voc_file_free(&file);
}
END_TEST

SUITE("data/voc", TEST(without_expat_the_remedy_is_told))

#endif
