/* test_report_save.c - md_report_save: the folder agrees with the report, whatever is asked for. */
#include <string.h>

#include "api/report.h"
#include "api_case.h"
#include "core/file.h"
#include "md/report.h"

enum { FOUND_MOST = 64 };

struct world {
    struct book book;
    md_context *context;
    md_dataset *data;
    md_report *report;
};

/* Every second face of toy scenes, a little off, and something where there is nothing. */
static md_status open_world(struct world *w, size_t fail_at)
{
    const md_eval_options options = md_eval_options_default();
    struct eval_detection found[FOUND_MOST];
    size_t count = 0;
    *w = (struct world){.context = NULL};
    md_status st = book_context(&w->context, &w->book, fail_at);
    if (st >= 0)
        st = md_dataset_open(&w->data, w->context, "toy:6:2", NULL);
    if (st < 0)
        return st;
    const struct dataset *dataset = w->data->dataset;
    for (size_t i = 0; i < dataset->image_count; i++)
        for (size_t k = 0; k < dataset->images[i].count && count + 2 < FOUND_MOST; k++) {
            const struct annotation *truth = &dataset->annotations[dataset->images[i].first + k];
            const double *box = truth->xywh;
            double off = k % 2 ? 200.0 : 1.0;
            found[count++] = (struct eval_detection){(uint32_t)i,
                                                     truth->class_id,
                                                     {box[0] + off, box[1], box[2], box[3]},
                                                     0.9 - 0.01 * (double)count};
        }
    return report_create(&w->report, w->data, found, count, &options);
}

static void close_world(struct world *w)
{
    md_report_free(w->report);
    md_dataset_free(w->data);
    md_context_free(w->context);
    ck_assert_uint_eq(atomic_load(&w->book.live), 0);
}

static char *whole(const char *path)
{
    static char text[4 << 20];
    FILE *in = fopen(path, "rb");
    ck_assert_msg(in != NULL, "%s", path);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

/* Of "name": NUMBER. */
static double number(const char *text, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(text, key);
    ck_assert_msg(at != NULL, "%s", key);
    return atof(at + strlen(key) + (at[strlen(key)] == '['));
}

static int times(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

START_TEST(the_folder_says_what_the_report_says)
{
    static const char *const facts[] = {"Weights", "a <b>", NULL};
    struct world w;
    OK(open_world(&w, SIZE_MAX));
    md_report_options options = md_report_options_default();
    ck_assert_uint_eq(options.pictures, 24);
    ck_assert_int_eq(options.resamples, 1000);
    options.title = "Toys & <faces>";
    options.facts = facts;
    options.pictures = 2;
    options.resamples = 50;
    OK(md_report_save(w.report, temp_path("out/deep"), &options));

    md_bootstrap *bootstrap = NULL;
    md_bootstrap_options resampling = md_bootstrap_options_default();
    resampling.resamples = 50;
    md_interval interval;
    OK(md_report_bootstrap(&bootstrap, w.report, &resampling));
    OK(md_bootstrap_interval(&interval, bootstrap, MD_MEASURE_AP, MD_ALL_CLASSES));
    md_bootstrap_free(bootstrap);
    md_curves *curves = NULL;
    OK(md_curves_create(&curves, w.report));

    const md_metrics *metrics = md_report_metrics(w.report);
    const char *text = whole(temp_path("out/deep/metrics.json"));
    ck_assert_double_eq(number(text, "bbox/AP"), 100.0 * metrics->ap);
    ck_assert_double_eq(number(text, "bbox/AP50"), 100.0 * metrics->ap50);
    ck_assert_double_eq(number(text, "bbox/AR10"), 100.0 * metrics->ar10);
    ck_assert_double_eq(number(text, "bbox/AP-with_mask"), 100.0 * md_report_class_ap(w.report, 0));
    ck_assert_double_eq(number(text, "threshold"), md_curves_best(curves, MD_ALL_CLASSES));
    double low = interval.low < 0.0 ? 0.0 : interval.low;
    ck_assert_double_eq(number(strstr(text, "intervals"), "bbox/AP"), 100.0 * low);
    md_curves_free(curves);

    text = whole(temp_path("out/deep/report.html"));
    ck_assert_ptr_nonnull(strstr(text, "<h1>Toys &amp; &lt;faces&gt;</h1>"));
    ck_assert_ptr_nonnull(strstr(text, "<dt>Weights</dt><dd><bdi>a &lt;b&gt;</bdi></dd>"));
    ck_assert_int_eq(times(text, "src=\"data:image/"), 4); /* two of each kind */
    ck_assert(file_exists(temp_path("out/deep/coco_instances_results.json")));
    ck_assert(file_exists(temp_path("out/deep/plots/f1_curve.png")));
    close_world(&w);
}
END_TEST

START_TEST(less_may_be_asked_for)
{
    struct world w;
    OK(open_world(&w, SIZE_MAX));
    md_report_options options = md_report_options_default();
    options.pictures = 0;
    options.resamples = 0;
    OK(md_report_save(w.report, temp_path("less"), &options));
    const char *text = whole(temp_path("less/report.html"));
    ck_assert_ptr_nonnull(strstr(text, "<h1>Evaluation</h1>"));
    ck_assert_int_eq(times(text, "<img"), 0);
    ck_assert_int_eq(times(text, "sure: "), 0);
    ck_assert_ptr_nonnull(strstr(whole(temp_path("less/metrics.json")),
                                 "\"intervals\": {\"bbox/AP\": null, \"bbox/AP50\": null"));
    OK(md_report_save(w.report, temp_path("less"), NULL)); /* once more, in its place */
    ck_assert_int_gt(times(whole(temp_path("less/report.html")), "<img"), 0);
    close_world(&w);
}
END_TEST

START_TEST(wrong_arguments_are_told)
{
    static const char *const odd[] = {"Weights", "a", "Data", NULL};
    struct world w;
    OK(open_world(&w, SIZE_MAX));
    md_report_options options = md_report_options_default();
    FAILS(MD_EINVAL, "report is NULL", md_report_save(NULL, temp_dir(), NULL));
    FAILS(MD_EINVAL, "folder is NULL", md_report_save(w.report, NULL, NULL));
    options.facts = odd;
    FAILS(MD_EINVAL, "\"Data\" has no value", md_report_save(w.report, temp_path("odd"), &options));
    options = md_report_options_default();
    options.resamples = -1;
    FAILS(MD_EINVAL, "resamples is -1", md_report_save(w.report, temp_path("odd"), &options));
    FAILS(MD_EIO, "out.txt", md_report_save(w.report, temp_file("out.txt", "x", 1), NULL));
    close_world(&w);
}
END_TEST

/* Nothing was found at all. */
START_TEST(an_empty_report)
{
    struct world w;
    const md_eval_options options = md_eval_options_default();
    OK(open_world(&w, SIZE_MAX));
    md_report *none = NULL;
    OK(report_create(&none, w.data, NULL, 0, &options));
    OK(md_report_save(none, temp_path("none"), NULL));
    ck_assert_ptr_nonnull(strstr(whole(temp_path("none/metrics.json")), "\"bbox/AP\": null"));
    md_report_free(none);
    close_world(&w);
}
END_TEST

/* With one allocation after the other failing, in steps: each life writes a whole folder. */
START_TEST(no_failure_of_memory_leaks)
{
    md_report_options options = md_report_options_default();
    options.pictures = 1;
    options.resamples = 3;
    for (size_t k = 0;; k += k < 100 ? 7 : 151) {
        struct world w;
        md_status st = open_world(&w, k);
        if (st == MD_OK)
            st = md_report_save(w.report, temp_path("failing"), &options);
        bool failed = atomic_load(&w.book.failed);
        ck_assert_msg(st == MD_OK || (failed && st == MD_ENOMEM), "%zu: %s", k, md_last_error());
        close_world(&w);
        if (!failed)
            break;
    }
}
END_TEST

SUITE("api/report_save", TEST(the_folder_says_what_the_report_says), TEST(less_may_be_asked_for),
      TEST(wrong_arguments_are_told), TEST(an_empty_report), SLOW(no_failure_of_memory_leaks, 120))
