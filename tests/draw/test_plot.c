/* test_plot.c - ticks, limits and labels; both files written; odd and hostile data. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "draw/plot_list.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

/* ---- axes ------------------------------------------------------------------------------------ */

START_TEST(labels_are_short_and_round)
{
    static const struct {
        double value, step;
        const char *text;
    } labels[] = {{0, 1, "0"},
                  {1500, 500, "1500"},
                  {-3, 1, "-3"},
                  {0.25, 0.05, "0.25"},
                  {0.3, 0.1, "0.3"},
                  {1e-17, 0.1, "0"},
                  {0.30000000000000004, 0.1, "0.3"},
                  {2.5e-5, 5e-6, "2.5e-5"},
                  {3e8, 1e8, "3e8"},
                  {100000, 50000, "100000"},
                  {-1.25e9, 5e7, "-1.25e9"},
                  {0.001, 0, "0.001"},
                  {0.5, 0, "0.5"},
                  {20, 0, "20"},
                  {1e-9, 0, "1e-9"}};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        char text[32];
        plot_format_tick(text, labels[i].value, labels[i].step);
        ck_assert_str_eq(text, labels[i].text);
    }
}
END_TEST

START_TEST(ticks_are_round_and_inside)
{
    static const double ranges[][2] = {
        {0, 3000}, {0.2, 3.1}, {-5, 5},         {1e-7, 3e-7},   {0, 1e12},        {999, 1001},
        {7, 7},    {0, 0},     {-1e300, 1e300}, {1e300, 1e300}, {1e15, 1e15 + 2}, {5e-324, 1e-323}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (int log = 0; log < 2; log++) {
            struct plot_axis axis = {.log = log, .at_low = 0, .at_high = 1000};
            if (!plot_axis_takes(&axis, ranges[i][0]) || !plot_axis_takes(&axis, ranges[i][1]))
                continue;
            plot_axis_fit(&axis, ranges[i][0], ranges[i][1], 0.02);
            ck_assert_int_ge(axis.tick_count, 2);
            for (int t = 0; t < axis.tick_count; t++) {
                float pixel = plot_axis_pixel(&axis, axis.ticks[t]);
                ck_assert_msg(pixel >= -0.5f && pixel <= 1000.5f, "range %zu, tick %g", i,
                              axis.ticks[t]);
                if (t > 0)
                    ck_assert_double_gt(axis.ticks[t], axis.ticks[t - 1]);
            }
            float low = plot_axis_pixel(&axis, ranges[i][0]);
            float high = plot_axis_pixel(&axis, ranges[i][1]);
            ck_assert(low >= 0 && low <= high && high <= 1000);
        }
    struct plot_axis axis = {.at_low = 0, .at_high = 100};
    plot_axis_fit(&axis, 0, 3000, 0);
    ck_assert_int_eq(axis.tick_count, 7);
    ck_assert_double_eq(axis.ticks[1], 500);
    axis.log = true;
    plot_axis_fit(&axis, 0.2, 30, 0);
    static const double wanted[] = {0.2, 0.5, 1, 2, 5, 10, 20};
    ck_assert_int_eq(axis.tick_count, 7);
    for (int t = 0; t < 7; t++)
        ck_assert_double_eq_tol(axis.ticks[t], wanted[t], 1e-12); /* by pow and log10 */
}
END_TEST

/* ---- plots ------------------------------------------------------------------------------------- */

static const double steps[5] = {0, 100, 200, 300, 400};
static const double losses[5] = {2.5, 1.5, 1.0, 0.75, 0.7};

static char *read_text(struct memory *memory, struct file_bytes *bytes, const char *path)
{
    ck_assert_msg(file_read(bytes, memory, path, 1 << 24) == MD_OK, "%s", error_text());
    return (char *)(uintptr_t)bytes->data;
}

START_TEST(both_files_show_the_data)
{
    const struct plot_series series[2] = {
        {.name = "raw <&\"> data", .x = steps, .y = losses, .count = 5, .faint = true},
        {.name = "validation", .x = steps, .y = losses, .count = 5, .markers = true}};
    const struct plot_mark marks[3] = {{300, "best"}, {1e6, "beyond"}, {NAN, "never"}};
    const struct plot plot = {.title = "Loss",
                              .x_label = "iteration",
                              .y_label = "loss",
                              .series = series,
                              .series_count = 2,
                              .marks = marks,
                              .mark_count = 3};
    struct memory memory;
    memory_init(&memory, NULL);
    const char *path = temp_path("loss");
    ck_assert_msg(plot_save(&plot, &memory, path) == MD_OK, "%s", error_text());

    struct file_bytes bytes;
    char *svg = read_text(&memory, &bytes, temp_path("loss.svg"));
    ck_assert(strncmp(svg, "<svg ", 5) == 0);
    ck_assert_ptr_nonnull(strstr(svg, "raw &lt;&amp;&quot;&gt; data"));
    ck_assert_ptr_nonnull(strstr(svg, ">best</text>"));
    ck_assert_ptr_null(strstr(svg, "beyond"));
    ck_assert_ptr_null(strstr(svg, "never"));
    ck_assert_ptr_null(strstr(svg, "nan"));
    ck_assert_ptr_nonnull(strstr(svg, "stroke-dasharray"));
    ck_assert_str_eq(svg + strlen(svg) - 7, "</svg>\n");
    int circles = 0;
    for (const char *at = svg; (at = strstr(at, "<circle")) != NULL; at++)
        circles++;
    ck_assert_int_eq(circles, 2 * 5 + 1); /* rim and dot at each point, and the legend */
    file_bytes_free(&bytes);

    md_image image;
    ck_assert_int_eq(image_load(&image, &memory, temp_path("loss.png")), MD_OK);
    ck_assert_int_eq(image.width, PLOT_WIDTH);
    ck_assert_int_eq(image.height, PLOT_HEIGHT);
    int curve = 0; /* pixels of the first colour of the palette, which both series have */
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < image.width; x++) {
            const uint8_t *pixel = image.data + y * image.stride + x * 3;
            curve += pixel[0] == 0 && pixel[1] == 114 && pixel[2] == 178;
        }
    ck_assert_int_gt(curve, 800); /* at least one a column of the curve */
    image_release(&image);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_data_says_so)
{
    const double bad[3] = {NAN, INFINITY, -INFINITY};
    const struct plot_series series = {.name = NULL, .x = bad, .y = bad, .count = 3};
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t count = 0; count < 2; count++)
        for (int log = 0; log < 2; log++) {
            const struct plot plot = {.series = &series, .series_count = count, .log_y = log};
            struct plot_list list;
            ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
            ck_assert_str_eq(list.items[list.count - 1].text, "no data yet");
            plot_list_free(&list);
            ck_assert_int_eq(plot_save(&plot, &memory, temp_path("empty")), MD_OK);
        }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(hostile_values_stay_on_the_paper)
{
    static const double values[] = {0,      -1,  1,        DBL_MAX,  -DBL_MAX, DBL_MIN,
                                    5e-324, NAN, 1e9,      1e300,    -1e300,   INFINITY,
                                    1e-300, 3,   1e15 + 1, -INFINITY};
    enum { VALUES = sizeof values / sizeof values[0] };
    struct memory memory;
    memory_init(&memory, NULL);
    for (int a = 0; a < VALUES; a++)
        for (int b = 0; b < VALUES; b++) {
            const double x[3] = {values[a], values[b], values[(a + b) % VALUES]};
            const struct plot_series series = {
                .name = "s", .x = x, .y = x, .count = 3, .markers = a % 2};
            const struct plot plot = {.series = &series, .series_count = 1, .log_y = b % 2};
            struct plot_list list;
            ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
            for (size_t i = 0; i < list.count; i++)
                for (size_t k = 0; k < list.items[i].count; k++) {
                    struct plot_point p = list.items[i].points[k];
                    ck_assert_msg(
                        p.x >= -20 && p.x <= PLOT_WIDTH && p.y >= -20 && p.y <= PLOT_HEIGHT,
                        "%g %g: (%g, %g)", values[a], values[b], (double)p.x, (double)p.y);
                }
            plot_list_free(&list);
        }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(long_series_are_thinned_and_keep_their_peaks)
{
    enum { COUNT = 100000 };
    struct memory memory;
    memory_init(&memory, NULL);
    double *x = NULL;
    double *y = NULL;
    ck_assert_int_eq(memory_alloc(&memory, &x, COUNT, sizeof *x), MD_OK);
    ck_assert_int_eq(memory_alloc(&memory, &y, COUNT, sizeof *y), MD_OK);
    for (int i = 0; i < COUNT; i++) {
        x[i] = i;
        y[i] = i == 55555 ? 9.0 : i == 33333 ? -7.0 : 1.0 + i % 2 * 0.25;
    }
    const struct plot_series series = {.name = "s", .x = x, .y = y, .count = COUNT};
    const struct plot plot = {.series = &series, .series_count = 1};
    struct plot_list list;
    ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
    const struct plot_item *curve = &list.items[list.count - 1];
    ck_assert_int_eq(curve->shape, PLOT_LINE);
    ck_assert_uint_le(curve->count, 4 * PLOT_WIDTH);
    float highest = PLOT_HEIGHT;
    float lowest = 0;
    for (size_t i = 0; i < curve->count; i++) {
        highest = fminf(highest, curve->points[i].y);
        lowest = fmaxf(lowest, curve->points[i].y);
        if (i > 0)
            ck_assert(curve->points[i].x >= curve->points[i - 1].x);
    }
    ck_assert_float_gt(lowest - highest, 350.0f); /* peak and valley together span all */
    plot_list_free(&list);
    memory_free(&memory, x);
    memory_free(&memory, y);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Two series side by side: heights as the values, on the axis, none over another. */
START_TEST(bars_stand_side_by_side_on_the_axis)
{
    static const double x[2] = {0, 1}, one[2] = {4, 8}, two[2] = {2, 0};
    static const char *const names[2] = {"left", "right"};
    const struct plot_series series[2] = {
        {.name = "one", .x = x, .y = one, .count = 2, .bars = true},
        {.name = "two", .x = x, .y = two, .count = 2, .bars = true}};
    const struct plot plot = {
        .series = series, .series_count = 2, .x_names = names, .x_name_count = 2};
    struct memory memory;
    struct plot_list list;
    const struct plot_point *bar[4];
    size_t bars = 0, named = 0;
    memory_init(&memory, NULL);
    ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
    for (size_t i = 1; i < list.count; i++) { /* the first is the paper */
        if (list.items[i].shape == PLOT_RECT && bars < 4)
            bar[bars++] = list.items[i].points;
        named += list.items[i].shape == PLOT_TEXT && (strcmp(list.items[i].text, "left") == 0 ||
                                                      strcmp(list.items[i].text, "right") == 0);
    }
    ck_assert_uint_eq(bars, 4);
    ck_assert_uint_eq(named, 2);
    float unit = (bar[0][1].y - bar[0][0].y) / 4.0f;
    static const float heights[4] = {4, 8, 2, 0};
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(bar[i][1].y, bar[0][1].y);
        /* Pixels of a page of 600 in single precision. */
        ck_assert_float_eq_tol(bar[i][1].y - bar[i][0].y, heights[i] * unit, 1e-2f);
    }
    ck_assert(bar[0][1].x <= bar[2][0].x + 0.01f && bar[2][1].x < bar[1][0].x &&
              bar[1][1].x <= bar[3][0].x + 0.01f);
    plot_list_free(&list);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* A curve over a fixed range, small, with a bold mean, a nameless series and a mark near the axis. */
START_TEST(plots_keep_to_what_was_asked_for)
{
    static const double x[2] = {0.4, 0.5}, y[2] = {0.3, 0.35}, above[2] = {0.3, 1.5};
    const struct plot_series series[3] = {
        {.name = "one", .x = x, .y = y, .count = 2},
        {.name = NULL, .x = x, .y = y, .count = 2},
        {.name = "mean", .x = x, .y = y, .count = 2, .bold = true}};
    const struct plot_mark mark = {0.45, "here"};
    struct plot plot = {.title = "t",
                        .series = series,
                        .series_count = 3,
                        .marks = &mark,
                        .mark_count = 1,
                        .marks_below = true,
                        .x_range = {0.0, 1.0},
                        .y_range = {0.0, 1.0},
                        .width = 500,
                        .height = 370};
    struct memory memory;
    struct plot_list list;
    int zeros = 0, ones = 0, names = 0, bold = 0;
    memory_init(&memory, NULL);
    ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
    ck_assert_int_eq(list.width, 500);
    ck_assert_int_eq(list.height, 370);
    ck_assert_str_eq(list.title, "t");
    for (size_t i = 0; i < list.count; i++) {
        const struct plot_item *item = &list.items[i];
        if (item->shape == PLOT_TEXT) {
            ones += strcmp(item->text, "1.0") == 0;
            zeros += strcmp(item->text, "0") == 0;
            names += strcmp(item->text, "one") == 0 || strcmp(item->text, "mean") == 0;
            if (strcmp(item->text, "here") == 0)
                ck_assert_float_gt(item->points->y, 250.0f);
        }
        bold += item->shape == PLOT_LINE && item->size > 3.5f && item->size < 4.5f &&
                memcmp(&item->color, &plot_ink, sizeof plot_ink) == 0;
    }
    ck_assert_int_eq(zeros, 2); /* both ends of both axes */
    ck_assert_int_eq(ones, 2);
    ck_assert_int_eq(names, 2);
    ck_assert_int_eq(bold, 1);
    plot_list_free(&list);
    /* A value beyond the range is still shown. */
    const struct plot_series high = {.name = "h", .x = x, .y = above, .count = 2};
    plot.series = &high;
    plot.series_count = 1;
    ck_assert_int_eq(plot_build(&list, &plot, &memory), MD_OK);
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < list.items[i].count; k++)
            ck_assert_float_ge(list.items[i].points[k].y, 0.0f);
    plot_list_free(&list);
    struct buffer out;
    buffer_init(&out, &memory);
    ck_assert_int_eq(plot_put_svg(&plot, &memory, &out), MD_OK);
    ck_assert(strncmp(out.data, "<svg ", 5) == 0);
    ck_assert_ptr_nonnull(strstr(out.data, "viewBox=\"0 0 500 370\""));
    buffer_free(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failure_of_memory_leaks)
{
    const struct plot_series series = {
        .name = "s", .x = steps, .y = losses, .count = 5, .markers = true};
    const struct plot_mark mark = {300, "best"};
    const struct plot plot = {
        .title = "t", .series = &series, .series_count = 1, .marks = &mark, .mark_count = 1};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct plot_list list;
        md_status st = plot_build(&list, &plot, &failing.memory);
        if (st == MD_OK) {
            st = plot_write_svg(&list, &failing.memory, temp_path("f.svg"));
            plot_list_free(&list);
        }
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    struct memory memory;
    memory_init(&memory, NULL);
    ck_assert_int_eq(plot_save(&plot, &memory, temp_path("no/such/folder")), MD_EIO);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("draw/plot", TEST(labels_are_short_and_round), TEST(ticks_are_round_and_inside),
      TEST(both_files_show_the_data), TEST(no_data_says_so), TEST(hostile_values_stay_on_the_paper),
      TEST(long_series_are_thinned_and_keep_their_peaks), TEST(bars_stand_side_by_side_on_the_axis),
      TEST(plots_keep_to_what_was_asked_for), TEST(no_failure_of_memory_leaks))
