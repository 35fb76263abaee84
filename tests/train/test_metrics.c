/* test_metrics.c - smoothing, metrics.json lines, the log line. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/event_log.h"
#include "support/failing_memory.h"
#include "train/metrics.h"

static struct memory memory;
static struct metrics *metrics;
static struct buffer text;

static void setup(void)
{
    memory_init(&memory, NULL);
    buffer_init(&text, &memory);
    ck_assert_int_eq(metrics_create(&metrics, &memory), MD_OK);
}

static void teardown(void)
{
    metrics_free(metrics);
    buffer_free(&text);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

static void put(const char *name, double value, int64_t iteration, bool smoothed)
{
    ck_assert_int_eq(metrics_put(metrics, name, value, iteration, smoothed), MD_OK);
}

static double median(const char *name)
{
    double value = -1e9;
    ck_assert(metrics_median(metrics, name, &value));
    return value;
}

START_TEST(median_is_of_the_last_20_iterations)
{
    setup();
    double value = 5.0;
    ck_assert(!metrics_median(metrics, "x", &value));
    ck_assert_double_eq(value, 5.0);
    put("x", 4.0, 0, true);
    ck_assert_double_eq(median("x"), 4.0);
    put("x", 1.0, 1, true);
    ck_assert_double_eq(median("x"), 2.5);
    put("x", 100.0, 2, true);
    ck_assert_double_eq(median("x"), 4.0);
    for (int i = 3; i < 30; i++)
        put("x", i, i, true);
    ck_assert_double_eq(median("x"), 19.5); /* of 10..29 */
    put("x", 7.0, 1000, true);              /* far later: alone in its window */
    ck_assert_double_eq(median("x"), 7.0);
    put("x", NAN, 1001, true);
    ck_assert(isnan(median("x")));
    teardown();
}
END_TEST

START_TEST(means_and_latest)
{
    setup();
    double value = 0.0;
    for (int i = 0; i < 2500; i++)
        put("x", i, i, true);
    ck_assert(metrics_latest(metrics, "x", &value));
    ck_assert_double_eq(value, 2499.0);
    ck_assert(metrics_mean(metrics, "x", &value));
    ck_assert_double_eq(value, 2489.5); /* of 2480..2499 */
    ck_assert(metrics_total_mean(metrics, "x", &value));
    ck_assert_double_eq(value, 1249.5); /* of all, also those no longer kept */
    ck_assert_double_eq(median("x"), 2489.5);
    teardown();
}
END_TEST

START_TEST(misuse_is_refused)
{
    setup();
    put("x", 1.0, 5, true);
    ck_assert_int_eq(metrics_put(metrics, "x", 1.0, 6, false), MD_EINVAL);
    ck_assert_int_eq(metrics_put(metrics, "x", 1.0, 4, true), MD_EINVAL);
    ck_assert_int_eq(metrics_put(metrics, "x", 1.0, 5, true), MD_OK);
    teardown();
}
END_TEST

START_TEST(json_lines_have_sorted_keys_and_one_iteration_each)
{
    setup();
    for (int i = 0; i < 20; i++) {
        put("total_loss", i, i, true);
        put("lr", 0.001 * (i + 1), i, false);
        put("nan", NAN, i, true);
    }
    put("bbox/AP", 31.5, 20, false);
    put("jaccard", 0.25, 20, false);
    ck_assert_int_eq(metrics_put_json(metrics, &text), MD_OK);
    ck_assert_str_eq(text.data,
                     "{\"iteration\": 19, \"lr\": 0.02, \"nan\": null, \"total_loss\": 9.5}\n"
                     "{\"bbox/AP\": 31.5, \"iteration\": 20, \"jaccard\": 0.25}\n");
    buffer_clear(&text);
    ck_assert_int_eq(metrics_put_json(metrics, &text), MD_OK);
    ck_assert_uint_eq(text.length, 0);
    put("total_loss", 3.0, 39, true); /* alone in its window: 19 is 20 iterations ago */
    ck_assert_int_eq(metrics_put_json(metrics, &text), MD_OK);
    ck_assert_str_eq(text.data, "{\"iteration\": 39, \"total_loss\": 3}\n");
    teardown();
}
END_TEST

START_TEST(events_are_what_json_says)
{
    setup();
    struct event_log log = {.count = 0};
    for (int i = 0; i < 20; i++) {
        put("total_loss", i, i, true);
        put("nan", NAN, i, true);
    }
    put("bbox/AP", 31.5, 20, false);
    ck_assert_int_eq(metrics_put_json(metrics, &text), MD_OK);
    buffer_clear(&text); /* each of the two keeps its own place */
    ck_assert_int_eq(metrics_put_events(metrics, 1.5e9, &text), MD_OK);
    event_log_read(&log, text.data, text.length);
    ck_assert_int_eq(log.count, 3);
    ck_assert_str_eq(log.items[0].tag, "nan");
    ck_assert(isnan(log.items[0].value));
    ck_assert_str_eq(log.items[1].tag, "total_loss");
    ck_assert_double_eq((double)log.items[1].value, 9.5);
    ck_assert_int_eq(log.items[1].step, 19);
    ck_assert_str_eq(log.items[2].tag, "bbox/AP");
    ck_assert_int_eq(log.items[2].step, 20);
    buffer_clear(&text);
    ck_assert_int_eq(metrics_put_events(metrics, 1.5e9, &text), MD_OK);
    ck_assert_uint_eq(text.length, 0);
    teardown();
}
END_TEST

START_TEST(log_line_is_detectron2s)
{
    setup();
    put("data_time", 0.5, 18, true);
    put("total_loss", 1.23456, 18, true);
    put("loss_cls", 1000.06, 18, true);
    put("rpn/num_pos_anchors", 5.0, 18, true);
    put("lr", 0.00039962, 18, false);
    ck_assert_int_eq(metrics_put_line(metrics, 18, -1.0, &text), MD_OK);
    ck_assert_str_eq(text.data, " iter: 18  total_loss: 1.235  loss_cls: 1000    data_time: 0.5000"
                                "  last_data_time: 0.5000   lr: 0.00039962  ");
    buffer_clear(&text);
    put("time", 2.0, 18, true);
    put("time", 4.0, 19, true);
    put("data_time", 0.25, 19, true);
    put("[metric] x", 3.0, 19, true);
    ck_assert_int_eq(metrics_put_eta(metrics, 19, 40020), MD_OK);
    ck_assert_int_eq(metrics_put_line(metrics, 19, 1234.5678, &text), MD_OK);
    /* 3 s for each of 40000 iterations: 120000 s. */
    ck_assert_str_eq(text.data,
                     " eta: 1 day, 9:20:00  iter: 19  total_loss: 1.235  loss_cls: 1000"
                     "  [metric] x: 3  time: 3.0000  last_time: 4.0000  data_time: 0.3750"
                     "  last_data_time: 0.2500   lr: 0.00039962  max_mem: 1235M");
    teardown();
}
END_TEST

START_TEST(an_empty_history_has_a_line)
{
    setup();
    ck_assert_int_eq(metrics_put_eta(metrics, 0, 10), MD_OK);
    ck_assert_int_eq(metrics_put_line(metrics, 0, -1.0, &text), MD_OK);
    ck_assert_str_eq(text.data, " iter: 0       lr: N/A  ");
    teardown();
}
END_TEST

static md_status use(struct memory *with)
{
    md_status st = MD_OK;
    struct metrics *one = NULL;
    struct buffer line;
    buffer_init(&line, with);
    TRY(metrics_create(&one, with));
    char name[] = "loss_a";
    for (char c = 'a'; c < 'z'; c++) {
        name[5] = c;
        TRY(metrics_put(one, name, 1.0, 0, true));
    }
    TRY(metrics_put_json(one, &line));
    TRY(metrics_put_events(one, 1.0, &line));
    TRY(metrics_put_line(one, 0, 1.0, &line));
fail:
    metrics_free(one);
    buffer_free(&line);
    return st;
}

START_TEST(no_failing_allocation_leaks)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        st = use(&failing.memory);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("train/metrics", TEST(median_is_of_the_last_20_iterations), TEST(means_and_latest),
      TEST(misuse_is_refused), TEST(json_lines_have_sorted_keys_and_one_iteration_each),
      TEST(events_are_what_json_says), TEST(log_line_is_detectron2s),
      TEST(an_empty_history_has_a_line), TEST(no_failing_allocation_leaks))
