/* test_report.c - the folder of a report: files that parse and say what was computed, whatever the
 * names, how many classes there are, and what fails. */
#include "report/report.h"

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "image/image.h"
#include "report/page.h"
#include "suite.h"
#include "support/evaluated.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

#define OK(call) ck_assert_msg((call) == MD_OK, "%s", error_text())

static const char *const hostile[5] = {"<script>alert(1)</script>", "\"></svg><b>", "it's & 'that'",
                                       "back\\slash\nline", "\xff\xfe not UTF-8 \xe2\x82"};

static void make(struct evaluated *out, size_t images, const char *const *names, size_t classes)
{
    memory_init(&memory, NULL);
    evaluated_make(out, &memory, evaluated_boxes(&memory, images, names, classes));
}

static char *read_whole(struct file_bytes *bytes, const char *path)
{
    OK(file_read(bytes, &memory, path, 1 << 26));
    return (char *)(uintptr_t)bytes->data;
}

static bool exists(const char *folder, const char *name)
{
    return file_exists(temp_path("%s/%s", folder, name));
}

/* ---- pages that are well formed ------------------------------------------------------------ */

/* Tags nest, attributes are quoted, no '<' or '>' stands alone, and there are no other elements than
 * a report's own. */
static void check_markup(const char *at)
{
    static const char known[] =
        " html head meta title style body header h1 h2 h3 p nav a main section div table caption "
        "thead tbody tfoot tr th td em strong b i span bdi figure figcaption svg rect polyline "
        "circle text dl dt dd ul li img code ";
    char stack[64][24];
    int depth = 0;
    while ((at = strpbrk(at, "<>")) != NULL) {
        ck_assert_msg(*at == '<', "a lone '>': %.60s", at - 20);
        if (strncmp(at, "<!DOCTYPE html>", 15) == 0) {
            at += 15;
            continue;
        }
        bool closes = at[1] == '/';
        const char *name = at + 1 + closes;
        int length = (int)strcspn(name, " />");
        char padded[24];
        snprintf(padded, sizeof padded, " %.*s ", length < 15 ? length : 15, name);
        ck_assert_msg(strstr(known, padded), "an element %.40s", at);
        const char *end = name + length;
        for (; *end != '>'; end++) {
            ck_assert_msg(*end && *end != '<', "within a tag: %.60s", at);
            if (*end == '"')
                end = strchr(end + 1, '"');
        }
        if (closes) {
            ck_assert_msg(depth > 0 && strncmp(stack[depth - 1], padded, sizeof *stack) == 0,
                          "%.40s closes%s", at, depth ? stack[depth - 1] : " nothing");
            depth--;
        } else if (end[-1] != '/' && strcmp(padded, " meta ") != 0 &&
                   strcmp(padded, " img ") != 0) {
            ck_assert_int_lt(depth, 64);
            snprintf(stack[depth++], sizeof *stack, "%s", padded);
        }
        at = strcmp(padded, " style ") == 0 && !closes ? strstr(end, "</style>") : end + 1;
    }
    ck_assert_int_eq(depth, 0);
}

static void check_page(const char *folder)
{
    struct file_bytes bytes;
    const char *page = read_whole(&bytes, temp_path("%s/report.html", folder));
    check_markup(page);
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "http://www.w3.org/1999/xlink"));
    ck_assert_ptr_null(strstr(page, "nan"));
    for (const char *at = page; (at = strstr(at, "src=\"")) != NULL; at++)
        ck_assert_msg(strncmp(at + 5, "data:", 5) == 0, "%.40s", at);
    for (const char *at = page; (at = strstr(at, "href=\"")) != NULL; at++) {
        char target[64];
        ck_assert_msg(at[6] == '#', "%.40s", at);
        snprintf(target, sizeof target, "<section id=\"%.*s\"", (int)strcspn(at + 7, "\""), at + 7);
        ck_assert_msg(strstr(page, target), "a link without its section: %.40s", at);
    }
    file_bytes_free(&bytes);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static struct json json;
static struct file_bytes json_bytes;

static void open_json(const char *path)
{
    read_whole(&json_bytes, path);
    json_open(&json, &memory, path, json_bytes.data, json_bytes.size);
    OK(json_next(&json));
}

static void close_json(void)
{
    OK(json_next(&json));
    ck_assert_int_eq(json.token, JSON_END);
    json_close(&json);
    file_bytes_free(&json_bytes);
}

static void expect_key(const char *name)
{
    OK(json_next(&json));
    ck_assert_int_eq(json.token, JSON_KEY);
    ck_assert_str_eq(json.text.data, name);
    OK(json_next(&json));
}

/* The same double, or null. */
static void expect_value(double wanted, bool defined)
{
    ck_assert_int_eq(json.token, defined ? JSON_NUMBER : JSON_NULL);
    if (defined)
        ck_assert_double_eq(json.number, wanted);
}

static void check_metrics(const struct evaluated *evaluated, const char *path)
{
    struct report_metric metrics[REPORT_METRICS];
    summary_metrics(metrics, &evaluated->coco.metrics, evaluated->content.rules);
    open_json(path);
    for (int i = 0; i < REPORT_METRICS; i++) {
        char name[32];
        snprintf(name, sizeof name, "bbox/%s", metrics[i].name);
        expect_key(name);
        expect_value(100.0 * metrics[i].value, metrics[i].value >= 0.0);
    }
    for (int i = 0; i < evaluated->dataset->class_count; i++) {
        OK(json_next(&json));
        ck_assert(strncmp(json.text.data, "bbox/AP-", 8) == 0);
        OK(json_next(&json));
        expect_value(100.0 * evaluated->coco.class_ap[i], evaluated->coco.class_ap[i] >= 0.0);
    }
    expect_key("intervals");
    OK(json_skip(&json));
    expect_key("confusion_matrix");
    expect_key("score");
    expect_value(0.5, true);
    expect_key("iou");
    expect_value(0.5, true);
    expect_key("names");
    OK(json_skip(&json));
    expect_key("counts");
    size_t n = (size_t)evaluated->dataset->class_count + 1;
    for (size_t i = 0; i < n; i++) {
        OK(json_next(&json));
        ck_assert_int_eq(json.token, JSON_ARRAY_BEGIN);
        for (size_t j = 0; j < n; j++) {
            OK(json_next(&json));
            ck_assert_int_eq(json.integer, (int64_t)evaluated->confusion[i * n + j]);
        }
        OK(json_next(&json));
        ck_assert_int_eq(json.token, JSON_ARRAY_END);
    }
    OK(json_next(&json)); /* counts */
    OK(json_next(&json)); /* the matrix */
    expect_key("thresholds");
    for (size_t i = 0; i + 1 < n; i++) {
        OK(json_next(&json));
        ck_assert_int_eq(json.token, JSON_KEY);
        OK(json_next(&json));
        expect_value(evaluated->curves.best[i], evaluated->curves.best[i] >= 0.0);
    }
    OK(json_next(&json));
    expect_key("threshold");
    expect_value(evaluated->curves.best[n - 1], evaluated->curves.best[n - 1] >= 0.0);
    expect_key("errors");
    for (int i = 0; i < ERROR_TYPES; i++) {
        expect_key(error_type_name((enum error_type)i));
        expect_key("count");
        ck_assert_int_eq(json.integer, (int64_t)evaluated->errors.counts[i]);
        expect_key("cost");
        expect_value(100.0 * evaluated->errors.cost[i], evaluated->errors.cost[i] >= 0.0);
        OK(json_next(&json));
    }
    OK(json_next(&json));
    OK(json_next(&json));
    ck_assert_int_eq(json.token, JSON_OBJECT_END);
    close_json();
}

static void check_results(const struct evaluated *evaluated, const char *path)
{
    open_json(path);
    ck_assert_int_eq(json.token, JSON_ARRAY_BEGIN);
    for (size_t i = 0; i < evaluated->count; i++) {
        const struct eval_detection *wanted = &evaluated->detections[i];
        OK(json_next(&json));
        expect_key("image_id");
        ck_assert_int_eq(json.integer, evaluated->dataset->images[wanted->image].id);
        expect_key("category_id");
        ck_assert_int_eq(json.integer, evaluated->dataset->class_ids[wanted->class_id]);
        expect_key("bbox");
        for (int k = 0; k < 4; k++) {
            OK(json_next(&json));
            expect_value(wanted->box[k], true);
        }
        OK(json_next(&json));
        expect_key("score");
        expect_value(wanted->score, true);
        OK(json_next(&json));
    }
    OK(json_next(&json));
    ck_assert_int_eq(json.token, JSON_ARRAY_END);
    close_json();
}

/* ---- cases --------------------------------------------------------------------------------- */

static void check_folder(const struct evaluated *evaluated, const char *folder)
{
    static const char *const plots[] = {"confusion_matrix", "pr_curve", "f1_curve", "p_curve",
                                        "r_curve",          "sizes",    "scores"};
    OK(report_save(&evaluated->content, &memory, temp_path("%s", folder)));
    check_page(folder);
    check_metrics(evaluated, temp_path("%s/metrics.json", folder));
    check_results(evaluated, temp_path("%s/coco_instances_results.json", folder));
    for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++) {
        bool curve = strstr(plots[i], "_curve") != NULL;
        bool wanted = !curve || evaluated->dataset->class_count > 0;
        ck_assert_msg(
            exists(folder, temp_path("plots/%s.svg", plots[i]) + strlen(temp_dir()) + 1) == wanted,
            "%s.svg", plots[i]);
        if (!wanted)
            continue;
        struct file_bytes bytes;
        md_image image;
        check_markup(read_whole(&bytes, temp_path("%s/plots/%s.svg", folder, plots[i])));
        file_bytes_free(&bytes);
        OK(image_load(&image, &memory, temp_path("%s/plots/%s.png", folder, plots[i])));
        image_release(&image);
    }
}

START_TEST(hostile_names_stay_text)
{
    struct evaluated evaluated;
    make(&evaluated, 12, hostile, 5);
    evaluated.content.title = "<img src=x onerror=alert(1)> \xff";
    const struct report_fact facts[2] = {{"<b>", "</dd><script>"}, {"&", "\"' onload=x \x01"}};
    evaluated.content.facts = facts;
    evaluated.content.fact_count = 2;
    check_folder(&evaluated, "hostile");
    struct file_bytes bytes;
    const char *page = read_whole(&bytes, temp_path("hostile/report.html"));
    ck_assert_ptr_nonnull(strstr(page, "&lt;img src=x onerror=alert(1)&gt; \xef\xbf\xbd</h1>"));
    ck_assert_ptr_nonnull(strstr(page, "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"));
    ck_assert_ptr_nonnull(strstr(page, "<dd><bdi>&lt;/dd&gt;&lt;script&gt;</bdi></dd>"));
    file_bytes_free(&bytes);
    evaluated_free(&evaluated);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(any_number_of_classes)
{
    static const struct {
        size_t images, classes;
    } sizes[] = {{0, 0}, {3, 0}, {0, 2}, {6, 1}, {40, 80}};
    static char texts[80][24];
    const char *names[80];
    for (int i = 0; i < 80; i++) {
        snprintf(texts[i], sizeof texts[i], "class %d", i);
        names[i] = texts[i];
    }
    struct evaluated evaluated;
    make(&evaluated, sizes[_i].images, names, sizes[_i].classes);
    check_folder(&evaluated, "sizes");
    evaluated_free(&evaluated);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* What was not computed is left out, and nothing refers to it. */
START_TEST(parts_may_be_missing)
{
    struct evaluated evaluated;
    make(&evaluated, 8, hostile, 3);
    evaluated.content.curves = NULL;
    evaluated.content.errors = NULL;
    OK(report_save(&evaluated.content, &memory, temp_path("parts")));
    check_page("parts");
    ck_assert(exists("parts", "plots/scores.svg"));
    ck_assert(!exists("parts", "plots/f1_curve.svg"));
    struct file_bytes bytes;
    const char *text = read_whole(&bytes, temp_path("parts/metrics.json"));
    ck_assert_ptr_nonnull(strstr(text, "\"bbox/AP\": null"));
    ck_assert_ptr_null(strstr(text, "thresholds"));
    ck_assert_ptr_null(strstr(text, "errors"));
    file_bytes_free(&bytes);
    evaluated_free(&evaluated);
}
END_TEST

START_TEST(intervals_are_told)
{
    struct evaluated evaluated;
    make(&evaluated, 8, hostile, 2);
    evaluated.content.ap = (struct report_interval){0.25, 0.5};
    evaluated.content.resamples = 1000;
    OK(report_save(&evaluated.content, &memory, temp_path("intervals")));
    struct file_bytes bytes;
    const char *text = read_whole(&bytes, temp_path("intervals/metrics.json"));
    ck_assert_ptr_nonnull(strstr(text, "\"bbox/AP\": [25, 50], \"bbox/AP50\": null, "
                                       "\"level\": 95, \"resamples\": 1000"));
    file_bytes_free(&bytes);
    text = read_whole(&bytes, temp_path("intervals/report.html"));
    ck_assert_ptr_nonnull(strstr(text, "sure: 25.0 to 50.0<"));
    ck_assert_ptr_null(strstr(strstr(text, "sure: ") + 1, "sure: "));
    file_bytes_free(&bytes);
    evaluated_free(&evaluated);
}
END_TEST

/* The same content, byte for byte the same page: no date, no address. */
START_TEST(pages_are_reproducible)
{
    struct file_bytes bytes[2];
    for (int i = 0; i < 2; i++) {
        struct evaluated evaluated;
        make(&evaluated, 5, hostile, 2);
        OK(report_save(&evaluated.content, &memory, temp_path("again%d", i)));
        read_whole(&bytes[i], temp_path("again%d/report.html", i));
        evaluated_free(&evaluated);
    }
    ck_assert_uint_eq(bytes[0].size, bytes[1].size);
    ck_assert(memcmp(bytes[0].data, bytes[1].data, bytes[0].size) == 0);
    for (int i = 0; i < 2; i++)
        file_bytes_free(&bytes[i]);
}
END_TEST

START_TEST(the_disk_may_refuse)
{
    struct evaluated evaluated;
    make(&evaluated, 5, hostile, 2);
    const char *file = temp_file("file", "x", 1);
    ck_assert_int_lt(report_save(&evaluated.content, &memory, file), 0);
    ck_assert_ptr_nonnull(strstr(error_text(), "file"));
    ck_assert_int_lt(report_save(&evaluated.content, &memory, "/proc/no/report"), 0);
    /* A folder where a file should be; what came before it is whole. */
    ck_assert_int_eq(mkdir(temp_path("taken"), 0777), 0);
    ck_assert_int_eq(mkdir(temp_path("taken/report.html"), 0777), 0);
    ck_assert_int_lt(report_save(&evaluated.content, &memory, temp_path("taken")), 0);
    ck_assert_ptr_nonnull(strstr(error_text(), "report.html"));
    check_metrics(&evaluated, temp_path("taken/metrics.json"));
    evaluated_free(&evaluated);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Files may have so many bytes and no more, as on a full disk: what is there is whole. */
START_TEST(the_disk_may_be_full)
{
    struct evaluated evaluated;
    signal(SIGXFSZ, SIG_IGN);
    make(&evaluated, 5, hostile, 2);
    for (rlim_t most = 100; most < 100000; most *= 5) {
        const struct rlimit limit = {most, RLIM_INFINITY};
        const char *folder = temp_path("full%lu", (unsigned long)most);
        setrlimit(RLIMIT_FSIZE, &limit);
        ck_assert_int_eq(report_save(&evaluated.content, &memory, folder), MD_EIO);
        const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_FSIZE, &none);
        struct path_list left;
        OK(directory_list(&left, &memory, folder, NULL));
        for (size_t i = 0; i < left.count; i++)
            ck_assert_msg(strstr(left.items[i], ".tmp") == NULL, "%s", left.items[i]);
        path_list_free(&left);
        ck_assert(!exists(temp_path("full%lu", (unsigned long)most) + strlen(temp_dir()) + 1,
                          "report.html"));
        if (file_exists(temp_path("full%lu/metrics.json", (unsigned long)most)))
            check_metrics(&evaluated, temp_path("full%lu/metrics.json", (unsigned long)most));
    }
    evaluated_free(&evaluated);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* The page and the JSON with every allocation failing, the plots' files with some. */
START_TEST(no_failure_of_memory_leaks)
{
    struct evaluated evaluated;
    make(&evaluated, 4, hostile, 2);
    const char *folder = temp_path("failing");
    OK(directory_make(folder));
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct report_plots plots = {.arena = {.memory = NULL}};
        failing_memory_init(&failing, k);
        md_status st = report_plots_create(&plots, &evaluated.content, &failing.memory);
        if (st == MD_OK)
            st = page_save(&evaluated.content, &plots, &failing.memory, folder);
        if (st == MD_OK)
            st = report_save_metrics(&evaluated.content, &failing.memory, temp_path("f.json"));
        report_plots_free(&plots);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    for (size_t k = 0;; k += 97) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_status st = report_save(&evaluated.content, &failing.memory, folder);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    evaluated_free(&evaluated);
}
END_TEST

SUITE("report/report", TEST(hostile_names_stay_text), LOOP(any_number_of_classes, 0, 5),
      TEST(parts_may_be_missing), TEST(intervals_are_told), TEST(pages_are_reproducible),
      TEST(the_disk_may_refuse), TEST(the_disk_may_be_full), SLOW(no_failure_of_memory_leaks, 120))
