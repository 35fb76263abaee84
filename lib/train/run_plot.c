/* run_plot.c - the curves of a run, drawn anew from metrics.json, so that they always cover the
 * whole run, however often it was resumed. */
#include <math.h>

#include "core/error.h"
#include "draw/plot.h"
#include "train/run_folder.h"

enum { METRICS_LIMIT = 1 << 30, SMOOTHING = 10 /* points on either side */ };

struct points {
    double *x, *y;
    size_t count, capacity;
};

struct curves {
    struct memory *memory;
    struct points raw, smooth, val;
};

static md_status add_point(struct memory *memory, struct points *points, double x, double y)
{
    md_status st = MD_OK;
    if (points->count == points->capacity) {
        size_t capacity = points->capacity ? 2 * points->capacity : 256;
        TRY(memory_resize(memory, &points->x, capacity, sizeof *points->x));
        TRY(memory_resize(memory, &points->y, capacity, sizeof *points->y));
        points->capacity = capacity;
    }
    points->x[points->count] = x;
    points->y[points->count++] = y;
fail:
    return st;
}

static void free_points(struct memory *memory, struct points *points)
{
    memory_free(memory, points->x);
    memory_free(memory, points->y);
}

static md_status read_points(struct curves *curves, const char *text, size_t size)
{
    md_status st = MD_OK;
    const char *line = NULL;
    size_t at = 0, length = 0;
    while (run_line_next(text, size, &at, &line, &length)) {
        struct run_line parsed;
        st = run_line_parse(&parsed, curves->memory, line, length);
        if (st == MD_EFORMAT) {
            st = MD_OK;
            continue;
        }
        TRY(st);
        double x = (double)parsed.iteration + 1.0;
        if (isfinite(parsed.total_loss))
            TRY(add_point(curves->memory, &curves->raw, x, parsed.total_loss));
        if (isfinite(parsed.val_loss))
            TRY(add_point(curves->memory, &curves->val, x, parsed.val_loss));
    }
fail:
    return st;
}

/* The mean over the neighbours, the same number on both sides. */
static md_status smooth(struct curves *curves)
{
    md_status st = MD_OK;
    const struct points *raw = &curves->raw;
    for (size_t i = 0; i < raw->count; i++) {
        size_t reach = SMOOTHING;
        double sum = 0.0;
        if (reach > i)
            reach = i;
        if (reach > raw->count - 1 - i)
            reach = raw->count - 1 - i;
        for (size_t k = i - reach; k <= i + reach; k++)
            sum += raw->y[k];
        TRY(add_point(curves->memory, &curves->smooth, raw->x[i], sum / (double)(2 * reach + 1)));
    }
fail:
    return st;
}

static md_status draw(const struct curves *curves, int64_t best_iteration, const char *path)
{
    const struct points *raw = &curves->raw, *mean = &curves->smooth, *val = &curves->val;
    const struct plot_series series[] = {
        {.name = "training, raw", .x = raw->x, .y = raw->y, .count = raw->count, .faint = true},
        {.name = "training", .x = mean->x, .y = mean->y, .count = mean->count},
        {.name = "validation", .x = val->x, .y = val->y, .count = val->count, .markers = true}};
    const struct plot_mark mark = {.x = (double)best_iteration, .text = "best"};
    const struct plot plot = {.title = "Loss",
                              .x_label = "iteration",
                              .y_label = "loss",
                              .series = series,
                              .series_count = val->count ? 3 : 2,
                              .marks = &mark,
                              .mark_count = best_iteration > 0 ? 1 : 0};
    return plot_save(&plot, curves->memory, path);
}

md_status run_folder_plot(struct run_folder *folder, int64_t best_iteration)
{
    md_status st = MD_OK;
    struct file_bytes bytes = {.data = NULL};
    struct curves curves = {.memory = folder->memory};
    char *path = NULL;
    if (!folder->path || !file_exists(folder->metrics_path))
        return MD_OK;
    TRY(file_read(&bytes, folder->memory, folder->metrics_path, METRICS_LIMIT));
    TRY(read_points(&curves, (const char *)bytes.data, bytes.size));
    TRY(smooth(&curves));
    TRY(path_join(folder->memory, &path, folder->path, "plots/loss"));
    TRY(draw(&curves, best_iteration, path));
fail:
    memory_free(folder->memory, path);
    free_points(folder->memory, &curves.raw);
    free_points(folder->memory, &curves.smooth);
    free_points(folder->memory, &curves.val);
    file_bytes_free(&bytes);
    return st;
}
