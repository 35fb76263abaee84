/* test_results.c - COCO results: by ids and names, what is refused and with what words, and written back. */
#include "eval/results.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"
#include "eval/image_index.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

static md_status make_data(struct dataset **out, struct memory *from)
{
    struct dataset_builder builder;
    md_status st = MD_OK;
    builder_init(&builder, from);
    TRY(builder_add_image(&builder, "a/one.jpg", 70, 0, 0));
    TRY(builder_add_image(&builder, "b/two.png", 0, 0, 0));
    TRY(builder_add_image(&builder, "c/one.jpg", -5, 0, 0));
    TRY(builder_add_image(&builder, "c/four.v2.jpg", 9000000000, 0, 0));
    TRY(builder_add_class(&builder, "cat", 90));
    TRY(builder_add_class(&builder, "dog", 0));
    TRY(builder_finish(&builder, "/nowhere", NULL, out));
fail:
    builder_free(&builder);
    return st;
}

struct said {
    char text[2048];
    int lines;
};

static void hear(void *user, md_log_level level, const char *message)
{
    struct said *said = user;
    (void)level;
    said->lines++;
    snprintf(said->text, sizeof said->text, "%s", message);
}

/* The data set is gone when it returns: nothing of it is kept. */
static md_status read_text(struct results *out, const char *text, bool ignore, struct said *said)
{
    struct dataset *dataset = NULL;
    const struct log log = {said ? hear : NULL, said, MD_LOG_INFO};
    memory_init(&memory, NULL);
    *out = (struct results){0};
    ck_assert_int_eq(make_data(&dataset, &memory), MD_OK);
    const struct results_source source = {
        .name = "r.json", .dataset = dataset, .log = &log, .ignore_unknown = ignore};
    md_status st = results_read(out, &memory, &source, text, strlen(text));
    dataset_free(dataset);
    return st;
}

static void done(struct results *results)
{
    results_free(results);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

#define GOOD "\"bbox\": [1.5, 2, 3, 4.25], \"score\": 0.5}"

START_TEST(ids_are_the_data_sets)
{
    struct results results;
    ck_assert_int_eq(read_text(&results,
                               "[{\"image_id\": 70, \"category_id\": 0, " GOOD ","
                               "{\"image_id\": 9000000000, \"category_id\": 90.0, " GOOD ","
                               "{\"score\": 1e-3, \"bbox\": [0,0,0,0], \"category_id\": 90,"
                               " \"image_id\": 0, \"segmentation\": {\"counts\": [1, [2]]}}]",
                               false, NULL),
                     MD_OK);
    ck_assert_uint_eq(results.read, 3);
    ck_assert_uint_eq(results.count, 3);
    const struct eval_detection *found = results.detections;
    ck_assert_uint_eq(found[0].image, 0);
    ck_assert_int_eq(found[0].class_id, 1);
    ck_assert_double_eq(found[0].box[0], 1.5);
    ck_assert_double_eq(found[0].box[3], 4.25);
    ck_assert_double_eq(found[0].score, 0.5);
    ck_assert_uint_eq(found[1].image, 3);
    ck_assert_int_eq(found[1].class_id, 0);
    ck_assert_uint_eq(found[2].image, 1);
    ck_assert_double_eq(found[2].score, 1e-3);
    done(&results);
}
END_TEST

/* How an image is named, and which one that is; -1: none. */
static const struct naming {
    const char *text;
    int image;
} namings[] = {
    {"\"image_id\": \"a/one.jpg\"", 0},
    {"\"image_id\": \"c/one.jpg\"", 2},
    {"\"image_id\": \"two.png\"", 1},
    {"\"image_id\": \"/elsewhere/two.png\"", 1},
    {"\"image_id\": \"two\"", 1},
    {"\"image_id\": \"four.v2\"", 3},
    {"\"image_id\": \"two.jpg\"", -1},
    {"\"image_id\": \"70\"", -1},
    {"\"file_name\": \"c/four.v2.jpg\"", 3},
    {"\"image_id\": 70, \"file_name\": \"b/two.png\"", 1},
    {"\"file_name\": \"b/two.png\", \"image_id\": 70", 1},
    {"\"file_name\": \"b/two.png\", \"image_id\": \"a/one.jpg\"", 1},
};

START_TEST(images_may_be_named)
{
    char text[512];
    struct results results;
    const struct naming *naming = &namings[_i];
    snprintf(text, sizeof text, "[{%s, \"category_id\": 0, " GOOD "]", naming->text);
    ck_assert_int_eq(read_text(&results, text, true, NULL), MD_OK);
    ck_assert_uint_eq(results.count, naming->image >= 0);
    ck_assert_uint_eq(results.images.count, naming->image < 0);
    if (naming->image >= 0)
        ck_assert_int_eq((int)results.detections[0].image, naming->image);
    done(&results);
}
END_TEST

START_TEST(classes_may_be_named)
{
    struct results results;
    ck_assert_int_eq(
        read_text(&results,
                  "[{\"image_id\": 70, \"category_id\": 0, \"category\": \"cat\", " GOOD
                  ",{\"image_id\": 70, \"category\": \"dog\", " GOOD
                  ",{\"image_id\": 70, \"category\": \"cow\", " GOOD "]",
                  true, NULL),
        MD_OK);
    ck_assert_uint_eq(results.count, 2);
    ck_assert_int_eq(results.detections[0].class_id, 0);
    ck_assert_int_eq(results.detections[1].class_id, 1);
    ck_assert_uint_eq(results.classes.count, 1);
    ck_assert_str_eq(results.classes.first[0], "cow");
    done(&results);
}
END_TEST

#define ONE "{\"image_id\": 70, \"category_id\": 0, "

static const struct refusal {
    const char *text, *message;
} refusals[] = {
    {"", "r.json:1:1: a value expected"},
    {"[", "the text ends"},
    {"{\"images\": []}", "r.json:1:1: a file of COCO results is a list"},
    {"[] []", "r.json:1:4"},
    {"[7]", "r.json:1:2: result 1: an object is wanted"},
    {"[" ONE GOOD ",\n " ONE "\"bbox\": [1, 2, 3, -4], \"score\": 1}]",
     "r.json:2:55: result 2: \"bbox\" has a negative size, 3 x -4; it is x, y, width, height"},
    {"[" ONE "\"bbox\": [1, 2, -1e-9, 4], \"score\": 1}]", "negative size"},
    {"[" ONE "\"bbox\": [1, 2, NaN, 4], \"score\": 1}]", "result 1: NaN and Infinity"},
    {"[" ONE "\"bbox\": [1, 2, 3, 4], \"score\": -Infinity}]", "result 1: NaN and Infinity"},
    {"[" ONE "\"bbox\": [1, 2, 1e300, 4], \"score\": 1}]", "beyond 1e9"},
    {"[" ONE "\"bbox\": [1, 2, 3], \"score\": 1}]", "must be four numbers"},
    {"[" ONE "\"bbox\": [1, 2, 3, 4, 5], \"score\": 1}]", "must be four numbers"},
    {"[" ONE "\"bbox\": [1, 2, \"3\", 4], \"score\": 1}]", "must be four numbers"},
    {"[" ONE "\"bbox\": 5, \"score\": 1}]", "must be four numbers"},
    {"[" ONE "\"bbox\": [1, 2, 3, 4], \"score\": \"1\"}]", "\"score\" must be a number"},
    {"[" ONE "\"bbox\": [1, 2, 3, 4], \"score\": null}]", "\"score\" must be a number"},
    {"[" ONE "\"bbox\": [1, 2, 3, 4]}]", "it has no \"score\""},
    {"[" ONE "\"score\": 1}]", "it has no \"bbox\""},
    {"[{\"category_id\": 0, " GOOD "]", "it has no \"image_id\""},
    {"[{\"image_id\": 70, " GOOD "]", "it has no \"category_id\""},
    {"[{\"image_id\": 1.5, \"category_id\": 0, " GOOD "]", "\"image_id\" must be a whole number"},
    {"[{\"image_id\": null, \"category_id\": 0, " GOOD "]", "\"image_id\" must be a whole number"},
    {"[{\"image_id\": 70, \"category_id\": \"0\", " GOOD "]", "\"category_id\" must be a whole"},
    {"[{\"image_id\": 70, \"category\": 3, " GOOD "]", "\"category\" must be a text"},
    {"[{\"file_name\": 3, \"category_id\": 0, " GOOD "]", "\"file_name\" must be a text"},
    {"[{\"image_id\": \"one.jpg\", \"category_id\": 0, " GOOD "]",
     "several images are named \"one.jpg\""},
};

START_TEST(bad_files_are_refused)
{
    struct results results;
    const struct refusal *refusal = &refusals[_i];
    ck_assert_int_eq(read_text(&results, refusal->text, true, NULL), MD_EFORMAT);
    ck_assert_msg(strstr(error_text(), refusal->message), "says: %s", error_text());
    done(&results);
}
END_TEST

#define UNKNOWN                                                                                    \
    "[" ONE GOOD ",{\"image_id\": 8, \"category_id\": 0, " GOOD                                    \
    ",{\"image_id\": 8, \"category_id\": 7, " GOOD ",{\"image_id\": -1, \"category_id\": 0, " GOOD \
    "]"

START_TEST(unknown_ids_are_counted_and_listed)
{
    struct results results;
    struct said said = {.lines = 0};
    ck_assert_int_eq(read_text(&results, UNKNOWN, false, &said), MD_EMISMATCH);
    ck_assert_msg(strstr(error_text(), "of 4 results 3 of images that the data set does not have "
                                       "(8, -1, ...), 1 of categories that the data set does not "
                                       "have (7);"),
                  "says: %s", error_text());
    ck_assert_int_eq(said.lines, 0);
    done(&results);
    ck_assert_int_eq(read_text(&results, UNKNOWN, true, &said), MD_OK);
    ck_assert_uint_eq(results.count, 1);
    ck_assert_uint_eq(results.images.count, 3);
    ck_assert_uint_eq(results.classes.count, 1);
    ck_assert_int_eq(said.lines, 1);
    ck_assert_ptr_nonnull(strstr(said.text, "passed over, of 4 results: 3 of images"));
    done(&results);
}
END_TEST

START_TEST(many_unknown_names_are_cut)
{
    char text[20000] = "[";
    struct results results;
    for (int i = 0; i < 100; i++) /* beyond what is kept of a name, and of names */
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%s{\"image_id\": \"%03d-%0100d\", \"category_id\": 0, " GOOD, i > 0 ? "," : "", i,
                 i);
    strcat(text, "]");
    ck_assert_int_eq(read_text(&results, text, false, NULL), MD_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error_text(), "of 100 results 100 of images"));
    ck_assert_ptr_nonnull(strstr(error_text(), "(000-"));
    ck_assert_ptr_nonnull(strstr(error_text(), "004-"));
    ck_assert_ptr_null(strstr(error_text(), "005-"));
    done(&results);
}
END_TEST

START_TEST(odd_scores_are_warned_of)
{
    struct results results;
    struct said said = {.lines = 0};
    ck_assert_int_eq(read_text(&results,
                               "[" ONE GOOD "," ONE "\"bbox\": [1, 2, 3, 4], \"score\": 1.5}"
                               "," ONE "\"bbox\": [1, 2, 3, 4], \"score\": -3}]",
                               false, &said),
                     MD_OK);
    ck_assert_uint_eq(results.count, 3);
    ck_assert_double_eq(results.detections[1].score, 1.5);
    ck_assert_int_eq(said.lines, 1);
    ck_assert_ptr_nonnull(
        strstr(said.text, "2 scores lie outside of 0 to 1, the first in result 2"));
    done(&results);
}
END_TEST

START_TEST(an_empty_list_is_fine)
{
    struct results results;
    ck_assert_int_eq(read_text(&results, " [ ] \n", false, NULL), MD_OK);
    ck_assert_uint_eq(results.count, 0);
    done(&results);
}
END_TEST

/* Far more than fit a page, in a file whose pages are given back behind the reader: all are there,
 * and memory holds little more than them. */
START_TEST(large_files_cost_their_detections)
{
    enum { COUNT = 120000 };
    struct dataset *dataset = NULL;
    struct results results;
    const char *path = temp_path("large.json");
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < COUNT; i++)
        fprintf(file, "%s{\"image_id\":70,\"category_id\":90,\"bbox\":[%d,0,1,1],\"score\":0.5}",
                i > 0 ? ",\n" : "[", i);
    fputs("]", file);
    ck_assert_int_eq(fclose(file), 0);
    memory_init(&memory, NULL);
    ck_assert_int_eq(make_data(&dataset, &memory), MD_OK);
    const struct results_source source = {.name = path, .dataset = dataset};
    ck_assert_int_eq(results_read_file(&results, &memory, &source), MD_OK);
    ck_assert_uint_eq(results.count, COUNT);
    for (int i = 0; i < COUNT; i++)
        ck_assert(fabs(results.detections[i].box[0] - i) < 0.5);
    ck_assert_uint_lt(results.capacity, COUNT + COUNT / 10); /* an estimate from equal elements */
    dataset_free(dataset);
    done(&results);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
    struct dataset *dataset = NULL;
    struct results results;
    const char *path = temp_path("written.json");
    const struct eval_detection found[] = {
        {3, 0, {0.1, 1.0 / 3, 5e-324, 123456789.123}, 0.30000000000000004},
        {1, 1, {-7.5, (double)10.1F, 3, 4}, (double)0.9F}};
    memory_init(&memory, NULL);
    ck_assert_int_eq(make_data(&dataset, &memory), MD_OK);
    ck_assert_int_eq(results_write(&memory, path, dataset, found, 2), MD_OK);
    const struct results_source source = {.name = path, .dataset = dataset};
    ck_assert_int_eq(results_read_file(&results, &memory, &source), MD_OK);
    ck_assert_uint_eq(results.count, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(results.detections[i].image, found[i].image);
        ck_assert_int_eq(results.detections[i].class_id, found[i].class_id);
        ck_assert_mem_eq(results.detections[i].box, found[i].box, sizeof found[i].box);
        ck_assert_double_eq(results.detections[i].score, found[i].score);
    }
    results_free(&results);
    ck_assert_int_eq(results_write(&memory, path, dataset, NULL, 0), MD_OK);
    ck_assert_int_eq(results_read_file(&results, &memory, &source), MD_OK);
    ck_assert_uint_eq(results.count, 0);
    ck_assert_int_eq(results_write(&memory, "/nowhere/at/all.json", dataset, found, 2), MD_EIO);
    ck_assert_int_eq(results_read_file(&results, &memory,
                                       &(struct results_source){.name = "/nowhere/at/all.json",
                                                                .dataset = dataset}),
                     MD_EIO);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Enough to be written in two pieces. */
START_TEST(no_failed_allocation_leaks)
{
    static struct eval_detection many[1200];
    static struct memory plain;
    struct dataset *dataset = NULL;
    const char *path = temp_path("failing.json");
    memory_init(&plain, NULL);
    ck_assert_int_eq(make_data(&dataset, &plain), MD_OK);
    for (size_t i = 0; i < 1200; i++)
        many[i] = (struct eval_detection){(uint32_t)i % 4, 0, {1.0 / 3, 2.0 / 3, 1, 1}, 0.5};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_status st = results_write(&failing.memory, path, dataset, many, 1200);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    static const char named[] =
        "[{\"image_id\": \"two\", \"category_id\": 0, " GOOD "," ONE GOOD "]";
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct results results = {0};
        failing_memory_init(&failing, k);
        const struct results_source source = {.name = "r.json", .dataset = dataset};
        md_status st = results_read(&results, &failing.memory, &source, named, strlen(named));
        results_free(&results);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("eval/results", TEST(ids_are_the_data_sets),
      LOOP(images_may_be_named, 0, sizeof namings / sizeof namings[0]), TEST(classes_may_be_named),
      LOOP(bad_files_are_refused, 0, sizeof refusals / sizeof refusals[0]),
      TEST(unknown_ids_are_counted_and_listed), TEST(many_unknown_names_are_cut),
      TEST(odd_scores_are_warned_of), TEST(an_empty_list_is_fine),
      TEST(large_files_cost_their_detections), TEST(what_is_written_reads_back),
      TEST(no_failed_allocation_leaks))
