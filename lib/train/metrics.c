/* metrics.c - scalar histories, smoothed as Detectron2 smooths them. */
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"
#include "train/event_file.h"

struct sample {
    double value;
    int64_t iteration;
};

struct scalar {
    struct sample *ring; /* [METRICS_HISTORY], sample k at k % METRICS_HISTORY */
    int64_t count;       /* ever put */
    double sum;          /* of all ever put */
    bool smoothed;
};

struct metrics {
    struct memory *memory;
    struct string_table names;
    struct scalar *scalars; /* [names.count], same order */
    size_t capacity;
    int64_t last_json, last_events; /* newest iteration that each has written */
};

md_status metrics_create(struct metrics **out, struct memory *memory)
{
    struct metrics *metrics = NULL;
    md_status st = memory_zeroed(memory, &metrics, 1, sizeof *metrics);
    if (st < 0)
        return st;
    metrics->memory = memory;
    metrics->last_json = metrics->last_events = -1;
    string_table_init(&metrics->names, memory);
    *out = metrics;
    return MD_OK;
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    struct memory *memory = metrics->memory;
    for (size_t i = 0; i < metrics->names.count; i++)
        memory_free(memory, metrics->scalars[i].ring);
    memory_free(memory, metrics->scalars);
    string_table_free(&metrics->names);
    memory_free(memory, metrics);
}

/* ---- samples ------------------------------------------------------------------------ */

static const struct scalar *find(const struct metrics *metrics, const char *name)
{
    size_t index = 0;
    return string_table_find(&metrics->names, name, &index) ? &metrics->scalars[index] : NULL;
}

/* The k-th newest sample, from 0. */
static const struct sample *newest(const struct scalar *scalar, int64_t k)
{
    return &scalar->ring[(scalar->count - 1 - k) % METRICS_HISTORY];
}

static int64_t kept(const struct scalar *scalar)
{
    return scalar->count < METRICS_HISTORY ? scalar->count : METRICS_HISTORY;
}

/* The scalar of `name`, made when new. Room first: the table must not hold a name without its
 * scalar. */
static md_status find_or_add(struct metrics *metrics, const char *name, bool smoothed,
                             struct scalar **out)
{
    md_status st = MD_OK;
    struct sample *ring = NULL;
    size_t index = 0;
    if (string_table_find(&metrics->names, name, &index)) {
        *out = &metrics->scalars[index];
        return MD_OK;
    }
    if (metrics->names.count == metrics->capacity) {
        size_t capacity = metrics->capacity ? 2 * metrics->capacity : 32;
        TRY(memory_resize(metrics->memory, &metrics->scalars, capacity, sizeof *metrics->scalars));
        metrics->capacity = capacity;
    }
    TRY(memory_alloc(metrics->memory, &ring, METRICS_HISTORY, sizeof *ring));
    TRY(string_table_add(&metrics->names, name, &index));
    metrics->scalars[index] = (struct scalar){.ring = ring, .smoothed = smoothed};
    *out = &metrics->scalars[index];
    return MD_OK;
fail:
    memory_free(metrics->memory, ring);
    return st;
}

md_status metrics_put(struct metrics *metrics, const char *name, double value, int64_t iteration,
                      bool smoothed)
{
    md_status st = MD_OK;
    struct scalar *scalar = NULL;
    TRY(find_or_add(metrics, name, smoothed, &scalar));
    if (scalar->smoothed != smoothed)
        FAIL(MD_EINVAL, "scalar '%s' is put smoothed and unsmoothed; choose one", name);
    if (scalar->count > 0 && newest(scalar, 0)->iteration > iteration)
        FAIL(MD_EINVAL, "scalar '%s' goes back from iteration %lld to %lld", name,
             (long long)newest(scalar, 0)->iteration, (long long)iteration);
    scalar->ring[scalar->count % METRICS_HISTORY] = (struct sample){value, iteration};
    scalar->count++;
    scalar->sum += value;
fail:
    return st;
}

/* ---- summaries ------------------------------------------------------------------------ */

/* How many of the newest samples belong to the last METRICS_WINDOW iterations. */
static int64_t in_window(const struct scalar *scalar)
{
    int64_t count = 0;
    while (count < kept(scalar) &&
           newest(scalar, count)->iteration > newest(scalar, 0)->iteration - METRICS_WINDOW)
        count++;
    return count;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Of the newest `count` samples, at least one; the mean of the middle two when even. */
static double median(const struct scalar *scalar, int64_t count)
{
    double values[METRICS_HISTORY];
    for (int64_t i = 0; i < count; i++) {
        values[i] = newest(scalar, i)->value;
        if (isnan(values[i]))
            return values[i];
    }
    qsort(values, (size_t)count, sizeof values[0], compare_doubles);
    int64_t middle = count / 2;
    return count % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2.0;
}

static double smoothed_value(const struct scalar *scalar)
{
    return scalar->smoothed ? median(scalar, in_window(scalar)) : newest(scalar, 0)->value;
}

bool metrics_latest(const struct metrics *metrics, const char *name, double *out)
{
    const struct scalar *scalar = find(metrics, name);
    if (scalar)
        *out = newest(scalar, 0)->value;
    return scalar;
}

bool metrics_median(const struct metrics *metrics, const char *name, double *out)
{
    const struct scalar *scalar = find(metrics, name);
    if (scalar)
        *out = median(scalar, in_window(scalar));
    return scalar;
}

bool metrics_mean(const struct metrics *metrics, const char *name, double *out)
{
    const struct scalar *scalar = find(metrics, name);
    if (!scalar)
        return false;
    int64_t count = in_window(scalar);
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++)
        sum += newest(scalar, i)->value;
    *out = sum / (double)count;
    return true;
}

bool metrics_total_mean(const struct metrics *metrics, const char *name, double *out)
{
    const struct scalar *scalar = find(metrics, name);
    if (scalar)
        *out = scalar->sum / (double)scalar->count;
    return scalar;
}

md_status metrics_put_eta(struct metrics *metrics, int64_t iteration, int64_t max_iter)
{
    const struct scalar *time = find(metrics, "time");
    if (!time)
        return MD_OK;
    double seconds = median(time, kept(time)) * (double)(max_iter - iteration - 1);
    return metrics_put(metrics, "eta_seconds", seconds, iteration, false);
}

/* ---- metrics.json and events ------------------------------------------------------------- */

struct pending {
    int64_t iteration;
    const char *name;
    double value;
};

static int compare_pending(const void *left, const void *right)
{
    const struct pending *a = left;
    const struct pending *b = right;
    if (a->iteration != b->iteration)
        return a->iteration < b->iteration ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* What has come since iteration `last`, by iteration and name. The caller frees *out. */
static md_status collect(const struct metrics *metrics, int64_t last, struct pending **out,
                         size_t *count)
{
    struct pending *items = NULL;
    *count = 0;
    md_status st = memory_zeroed(metrics->memory, &items, metrics->names.count, sizeof *items);
    if (st < 0)
        return st;
    for (size_t i = 0; i < metrics->names.count; i++) {
        const struct scalar *scalar = &metrics->scalars[i];
        if (newest(scalar, 0)->iteration > last)
            items[(*count)++] = (struct pending){newest(scalar, 0)->iteration,
                                                 metrics->names.items[i], smoothed_value(scalar)};
    }
    if (*count > 0)
        qsort(items, *count, sizeof *items, compare_pending);
    *out = items;
    return MD_OK;
}

/* How many of items[0..count) are of the first one's iteration. */
static size_t same_iteration(const struct pending *items, size_t count)
{
    size_t same = 0;
    while (same < count && items[same].iteration == items[0].iteration)
        same++;
    return same;
}

/* One line; the key "iteration" has its place among the names. */
static md_status put_json_line(const struct pending *items, size_t count, struct buffer *out)
{
    md_status st = MD_OK;
    bool placed = false;
    const char *between = "{";
    for (size_t i = 0; i <= count; i++) {
        if (!placed && (i == count || strcmp(items[i].name, "iteration") > 0)) {
            TRY(buffer_printf(out, "%s\"iteration\": %lld", between,
                              (long long)items[0].iteration));
            placed = true;
            between = ", ";
        }
        if (i == count)
            break;
        TRY(buffer_puts(out, between));
        TRY(json_put_string(out, items[i].name));
        TRY(buffer_puts(out, ": "));
        TRY(json_put_number(out, items[i].value));
        between = ", ";
    }
    TRY(buffer_puts(out, "}\n"));
fail:
    return st;
}

md_status metrics_put_json(struct metrics *metrics, struct buffer *out)
{
    md_status st = MD_OK;
    struct pending *items = NULL;
    size_t count = 0;
    TRY(collect(metrics, metrics->last_json, &items, &count));
    for (size_t i = 0, same; i < count; i += same) {
        same = same_iteration(items + i, count - i);
        TRY(put_json_line(items + i, same, out));
    }
    if (count > 0)
        metrics->last_json = items[count - 1].iteration;
fail:
    memory_free(metrics->memory, items);
    return st;
}

md_status metrics_put_events(struct metrics *metrics, double seconds, struct buffer *out)
{
    md_status st = MD_OK;
    struct pending *items = NULL;
    struct event_scalar *scalars = NULL;
    size_t count = 0;
    TRY(collect(metrics, metrics->last_events, &items, &count));
    TRY(memory_zeroed(metrics->memory, &scalars, count, sizeof *scalars));
    for (size_t i = 0; i < count; i++)
        scalars[i] = (struct event_scalar){items[i].name, items[i].value};
    for (size_t i = 0, same; i < count; i += same) {
        same = same_iteration(items + i, count - i);
        TRY(event_put_scalars(out, seconds, items[i].iteration, scalars + i, same));
    }
    if (count > 0)
        metrics->last_events = items[count - 1].iteration;
fail:
    memory_free(metrics->memory, items);
    memory_free(metrics->memory, scalars);
    return st;
}

/* ---- log line ---------------------------------------------------------------------------- */

/* "0:01:40", "1 day, 2:03:04", "3 days, 0:00:00" */
static md_status put_duration(struct buffer *out, int64_t seconds)
{
    md_status st = MD_OK;
    long long days = seconds / 86400;
    int rest = (int)(seconds % 86400);
    if (days > 0)
        TRY(buffer_printf(out, "%lld day%s, ", days, days == 1 ? "" : "s"));
    TRY(buffer_printf(out, "%d:%02d:%02d", rest / 3600, rest / 60 % 60, rest % 60));
fail:
    return st;
}

/* All scalars whose name holds `part`, two blanks between them. */
static md_status put_medians(const struct metrics *metrics, const char *part, struct buffer *out)
{
    md_status st = MD_OK;
    const char *between = "";
    for (size_t i = 0; i < metrics->names.count; i++) {
        const struct scalar *scalar = &metrics->scalars[i];
        if (!strstr(metrics->names.items[i], part))
            continue;
        TRY(buffer_printf(out, "%s%s: %.4g", between, metrics->names.items[i],
                          median(scalar, in_window(scalar))));
        between = "  ";
    }
fail:
    return st;
}

static md_status put_times(const struct metrics *metrics, struct buffer *out)
{
    md_status st = MD_OK;
    double value = 0.0;
    if (metrics_total_mean(metrics, "time", &value))
        TRY(buffer_printf(out, "time: %.4f  ", value));
    if (metrics_latest(metrics, "time", &value))
        TRY(buffer_printf(out, "last_time: %.4f  ", value));
    if (metrics_mean(metrics, "data_time", &value))
        TRY(buffer_printf(out, "data_time: %.4f  ", value));
    if (metrics_latest(metrics, "data_time", &value))
        TRY(buffer_printf(out, "last_data_time: %.4f  ", value));
fail:
    return st;
}

md_status metrics_put_line(const struct metrics *metrics, int64_t iteration, double max_memory,
                           struct buffer *out)
{
    md_status st = MD_OK;
    double value = 0.0;
    const struct scalar *eta = find(metrics, "eta_seconds");
    TRY(buffer_puts(out, " "));
    if (eta && newest(eta, 0)->iteration == iteration && newest(eta, 0)->value >= 0.0 &&
        newest(eta, 0)->value < 1e15) {
        TRY(buffer_puts(out, "eta: "));
        TRY(put_duration(out, (int64_t)newest(eta, 0)->value));
        TRY(buffer_puts(out, "  "));
    }
    TRY(buffer_printf(out, "iter: %lld  ", (long long)iteration));
    TRY(put_medians(metrics, "loss", out));
    TRY(buffer_puts(out, "  "));
    TRY(put_medians(metrics, "[metric]", out));
    TRY(buffer_puts(out, "  "));
    TRY(put_times(metrics, out));
    if (metrics_latest(metrics, "lr", &value))
        TRY(buffer_printf(out, " lr: %.5g  ", value));
    else
        TRY(buffer_puts(out, " lr: N/A  "));
    if (max_memory >= 0.0)
        TRY(buffer_printf(out, "max_mem: %.0fM", max_memory));
fail:
    return st;
}
