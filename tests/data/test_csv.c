/* test_csv.c - data sets from CSV: spellings, quoting, clipping, and one clear error for each mistake. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/dataset.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

/* Two images of 40 x 30 in the folder "images". */
static const char *image_folder(void)
{
    const char *folder = temp_path("images");
    const char *const names[] = {"a.png", "b, 2.png"};
    memory_init(&memory, NULL);
    ck_assert_int_eq(directory_make(folder), MD_OK);
    for (int i = 0; i < 2; i++) {
        md_image image;
        ck_assert_int_eq(image_create(&image, &memory, 40, 30, MD_RGB8), MD_OK);
        memset(image.data, 90, 40 * 30 * 3);
        ck_assert_int_eq(image_save(&image, &memory, temp_path("images/%s", names[i])), MD_OK);
        image_release(&image);
    }
    return folder;
}

static void collect(void *user, md_log_level level, const char *message)
{
    char *all = user;
    (void)level;
    strncat(all, message, 500);
    strncat(all, "\n", 2);
}

static md_status open_text(struct dataset **out, const char *text, const struct log *log)
{
    const char *folder = image_folder();
    return dataset_open_csv(out, &memory, log, temp_file("data.csv", text, strlen(text)), folder,
                            NULL, 0);
}

static struct dataset *opened(const char *text)
{
    struct dataset *dataset = NULL;
    md_status st = open_text(&dataset, text, NULL);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return dataset;
}

static void done(struct dataset *dataset)
{
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

static void check_box(const struct annotation *annotation, float x0, float y0, float x1, float y1)
{
    const float want[4] = {x0, y0, x1, y1};
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(annotation->box[i], want[i]);
}

/* The same two boxes, written in many ways. */
static const char *const spellings[] = {
    "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,11,22,x\na.png,3,4,5,6,a\n",
    "class,ymax,xmax,ymin,xmin,file\nx,22,11,2,1,a.png\na,6,5,4,3,a.png\n",
    "image,x1,y1,x2,y2,label\r\na.png,1,2,11,22,x\r\na.png,3,4,5,6,a",
    "path,left,top,right,bottom,name\ra.png,1,2,11,22,x\ra.png,3,4,5,6,a\r",
    "filename,x,y,w,h,class\na.png,1,2,10,20,x\na.png,3,4,2,2,a\n",
    "\xef\xbb\xbf"
    "filename,XMIN,yMin,xmax,ymax,class\na.png,1,2,11,22,x\na.png,3,4,5,6,a\n",
    "filename, xmin ,ymin,xmax,ymax,class\n\na.png,1.0, 2 ,1.1e1,22,x \n  \na.png,3,4,5,6,a\n\n",
    "\"filename\",\"xmin\",ymin,xmax,ymax,class\n\"a.png\",\"1\",2,11,22,\"x\"\na.png,3,4,5,6,a\n",
    "filename,width,height,class,xmin,ymin,xmax,ymax,note\n"
    "a.png,40,30,x,1,2,11,22,\"two\nlines\"\na.png,,,a,3,4,5,6,\n",
};
enum { SPELLINGS = sizeof spellings / sizeof spellings[0] };

START_TEST(columns_and_quotes_as_people_write_them)
{
    struct dataset *dataset = opened(spellings[_i]);
    ck_assert_uint_eq(dataset->image_count, 1);
    ck_assert_uint_eq(dataset->annotation_count, 2);
    ck_assert_int_eq(dataset->class_count, 2);
    ck_assert_str_eq(dataset->class_names[0], "a");
    ck_assert_str_eq(dataset->class_names[1], "x");
    ck_assert_int_eq(dataset->images[0].width, 40);
    ck_assert_int_eq(dataset->images[0].height, 30);
    check_box(&dataset->annotations[0], 1, 2, 11, 22);
    check_box(&dataset->annotations[1], 3, 4, 5, 6);
    ck_assert_int_eq(dataset->annotations[0].class_id, 1);
    ck_assert_double_eq(dataset->annotations[0].area, 200);
    ck_assert_int_eq(dataset->annotations[1].id, 2);
    done(dataset);
}
END_TEST

/* Rows of one image need not be neighbours; one without a box is an image without objects. */
START_TEST(rows_in_any_order_and_images_without_objects)
{
    struct dataset *dataset =
        opened("filename,xmin,ymin,xmax,ymax,class\na.png,1,2,3,4,k\n\"b, 2.png\",,,,,\n"
               "a.png,5,6,7,8,\"say \"\"k\"\"\"\n");
    ck_assert_uint_eq(dataset->image_count, 2);
    ck_assert_uint_eq(dataset->images[0].count, 2);
    ck_assert_uint_eq(dataset->images[1].count, 0);
    ck_assert_str_eq(dataset->images[1].name, "b, 2.png");
    check_box(&dataset->annotations[dataset->images[0].first + 1], 5, 6, 7, 8);
    ck_assert_str_eq(dataset->class_names[1], "say \"k\"");
    done(dataset);
}
END_TEST

START_TEST(milder_faults_are_told_once_with_a_count)
{
    char told[2000] = "";
    const struct log log = {collect, told, MD_LOG_WARN};
    struct dataset *dataset = NULL;
    ck_assert_int_eq(
        open_text(&dataset,
                  "filename,xmin,ymin,xmax,ymax,class\na.png,-1,2,3,4,k\na.png,30,20,99,99,k\n"
                  "a.png,30,20,99,99,k\na.png,1,1,1.5,9,k\ngone.png,1,1,2,2,k\n",
                  &log),
        MD_OK);
    ck_assert_ptr_nonnull(strstr(told, "3 boxes reach partly out"));
    ck_assert_ptr_nonnull(strstr(told, "1 annotations repeat"));
    ck_assert_ptr_nonnull(strstr(told, "1 boxes have a side below 1 pixel"));
    ck_assert_ptr_nonnull(strstr(told, "1 image files do not exist, the first at \"gone.png\""));
    check_box(&dataset->annotations[0], 0, 2, 3, 4);
    check_box(&dataset->annotations[1], 30, 20, 40, 30);
    ck_assert_double_eq(dataset->annotations[1].area, 100);
    ck_assert_int_eq(dataset->images[1].width, 0);
    done(dataset);
}
END_TEST

#define HEADER "filename,xmin,ymin,xmax,ymax,class\n"
static const struct {
    const char *text;
    md_status status;
    const char *told; /* a part of the message */
} mistakes[] = {
    {"", MD_EFORMAT, "empty"},
    {"\n\n", MD_EFORMAT, "empty"},
    {HEADER, MD_EFORMAT, "no rows"},
    {"\xff\xfe"
     "f\0i\0",
     MD_EFORMAT, "UTF-16"},
    {"xmin,ymin,xmax,ymax,class\n1,2,3,4,k\n", MD_EFORMAT, "data.csv:1: no column filename"},
    {"filename;xmin;ymin;xmax;ymax;class\n", MD_EFORMAT, "separate them by commas"},
    {"filename,xmin,ymin,xmax,ymax\n", MD_EFORMAT, "no column class"},
    {"filename,xmin,ymin,xmax,class\n", MD_EFORMAT, "no column ymax"},
    {"filename,x,y,width,height,class\n", MD_EFORMAT, "no column w"},
    {"filename,class\n", MD_EFORMAT, "no column x, y, w, h"},
    {"filename,file,xmin,ymin,xmax,ymax,class\n", MD_EFORMAT, "mean the same"},
    {HEADER "a.png,1,2,3,4\n", MD_EFORMAT, "data.csv:2: the row has 5 fields, the header 6"},
    {HEADER "a.png,1,2,3,4,k\na.png,1,2,3,4,k,\n", MD_EFORMAT, "data.csv:3: the row has 7"},
    {HEADER "a.png,1,2,3,4,\"k\n\n", MD_EFORMAT, "data.csv:2: the quote opened here"},
    {HEADER "a.png,1,2,3,4,\"k\"k\n", MD_EFORMAT, "after a closing quote"},
    {HEADER "a.png,1,2,3,4,k\"k\"\n", MD_EFORMAT, "a quote inside"},
    {HEADER "\"a.png\",\"1\n\",2,3,4,k\n", MD_EFORMAT, "not a number"},
    {HEADER "a.png,1,2,3px,4,k\n", MD_EFORMAT, "data.csv:2: xmax is \"3px\""},
    {HEADER "a.png,1,,3,4,k\n", MD_EFORMAT, "ymin is \"\""},
    {HEADER "a.png,1,nan,3,4,k\n", MD_EFORMAT, "finite"},
    {HEADER "a.png,1,2,inf,4,k\n", MD_EFORMAT, "finite"},
    {HEADER "a.png,1,2,1e300,4,k\n", MD_EFORMAT, "finite"},
    {HEADER "a.png,9,2,3,4,k\n", MD_EFORMAT, "turned round"},
    {HEADER "a.png,1,2,1,4,k\n", MD_EFORMAT, "no area"},
    {HEADER "a.png,1,2,3,4,k\na.png,50,2,60,4,k\n", MD_EFORMAT,
     "data.csv:3: the box 50,2,60,4 lies outside of a.png"},
    {HEADER "a.png,1,-9,3,-4,k\n", MD_EFORMAT, "lies outside"},
    {HEADER "a.png,1,2,3,4, \n", MD_EFORMAT, "no class"},
    {HEADER ",1,2,3,4,k\n", MD_EFORMAT, "names no image"},
    {HEADER "../a.png,1,2,3,4,k\n", MD_EFORMAT, "leads out of"},
    {HEADER "/etc/passwd,1,2,3,4,k\n", MD_EFORMAT, "leads out of"},
    {HEADER "x/../../a.png,,,,,\n", MD_EFORMAT, "leads out of"},
    {HEADER "gone.png,1,2,3,4,k\n", MD_ENOTFOUND, "none of the 1 images"},
};
enum { MISTAKES = sizeof mistakes / sizeof mistakes[0] };

START_TEST(each_mistake_is_named_with_its_line)
{
    struct dataset *dataset = NULL;
    md_status st = open_text(&dataset, mistakes[_i].text, NULL);
    ck_assert_msg(st == mistakes[_i].status, "status %d: %s", (int)st, error_text());
    ck_assert_msg(strstr(error_text(), mistakes[_i].told) != NULL, "\"%s\" lacks \"%s\"",
                  error_text(), mistakes[_i].told);
    ck_assert_ptr_nonnull(strstr(error_text(), "data.csv"));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(given_classes_fix_the_order)
{
    const char *const classes[] = {"x", "y", "a"};
    const char *text = spellings[0];
    const char *folder = image_folder();
    const char *path = temp_file("data.csv", text, strlen(text));
    struct dataset *dataset = NULL;
    ck_assert_int_eq(dataset_open_csv(&dataset, &memory, NULL, path, folder, classes, 3), MD_OK);
    ck_assert_int_eq(dataset->class_count, 3);
    ck_assert_int_eq(dataset->annotations[0].class_id, 0);
    ck_assert_int_eq(dataset->annotations[1].class_id, 2);
    dataset_free(dataset);
    ck_assert_int_eq(dataset_open_csv(&dataset, &memory, NULL, path, folder, classes, 2),
                     MD_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error_text(), "data.csv:3: class \"a\""));
}
END_TEST

START_TEST(zero_bytes_are_refused)
{
    static const char text[] = "filename,xmin,ymin,xmax,ymax,class\na\0.png,1,2,3,4,k\n";
    struct dataset *dataset = NULL;
    const char *folder = image_folder();
    ck_assert_int_eq(dataset_open_csv(&dataset, &memory, NULL,
                                      temp_file("data.csv", text, sizeof text - 1), folder, NULL,
                                      0),
                     MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "data.csv:2: a zero byte"));
}
END_TEST

/* Cut anywhere, the file is read or refused, and nothing leaks. */
START_TEST(truncated_everywhere)
{
    const char *text = spellings[SPELLINGS - 1];
    const char *folder = image_folder();
    for (size_t size = 0; size <= strlen(text); size++) {
        struct dataset *dataset = NULL;
        if (dataset_open_csv(&dataset, &memory, NULL, temp_file("cut.csv", text, size), folder,
                             NULL, 0) == MD_OK)
            dataset_free(dataset);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    const char *folder = image_folder();
    const char *path = temp_file("data.csv", spellings[0], strlen(spellings[0]));
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        failing_memory_init(&failing, k);
        md_status st = dataset_open_csv(&dataset, &failing.memory, NULL, path, folder, NULL, 0);
        if (st == MD_OK)
            dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/csv", LOOP(columns_and_quotes_as_people_write_them, 0, SPELLINGS),
      TEST(rows_in_any_order_and_images_without_objects),
      TEST(milder_faults_are_told_once_with_a_count),
      LOOP(each_mistake_is_named_with_its_line, 0, MISTAKES), TEST(given_classes_fix_the_order),
      TEST(zero_bytes_are_refused), TEST(truncated_everywhere), TEST(no_failed_allocation_leaks))
