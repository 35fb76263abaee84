/* early_stop.c - best value, patience, and their state as text. */
#include "train/early_stop.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"

md_status early_stop_init(struct early_stop *out, const char *metric, bool lower_is_better,
                          int64_t patience, double min_delta)
{
    if (patience < 0 || !(min_delta >= 0.0 && isfinite(min_delta)))
        return ERROR(MD_EINVAL,
                     "early stopping with patience %lld and least gain %g; give both "
                     "from 0 on",
                     (long long)patience, min_delta);
    *out = (struct early_stop){.metric = metric,
                               .lower_is_better = lower_is_better,
                               .min_delta = min_delta,
                               .patience = patience};
    return MD_OK;
}

bool early_stop_update(struct early_stop *stop, double value, int64_t iteration)
{
    double sign = stop->lower_is_better ? -1.0 : 1.0;
    bool finite = isfinite(value);
    if (finite && (!stop->has_best || sign * (value - stop->mark) > stop->min_delta)) {
        stop->mark = value;
        stop->without_progress = 0;
    } else {
        stop->without_progress++;
    }
    if (!finite || (stop->has_best && sign * (value - stop->best) <= 0.0))
        return false;
    stop->has_best = true;
    stop->best = value;
    stop->best_iteration = iteration;
    return true;
}

bool early_stop_due(const struct early_stop *stop)
{
    return stop->patience > 0 && stop->without_progress >= stop->patience;
}

/* ---- state as text ------------------------------------------------------------------ */

md_status early_stop_save(const struct early_stop *stop, struct buffer *out)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "{\"metric\": "));
    TRY(json_put_string(out, stop->metric));
    TRY(buffer_puts(out, ", "));
    if (stop->has_best) {
        TRY(buffer_puts(out, "\"best\": "));
        TRY(json_put_number(out, stop->best));
        TRY(buffer_puts(out, ", \"mark\": "));
        TRY(json_put_number(out, stop->mark));
        TRY(buffer_printf(out, ", \"best_iteration\": %lld, ", (long long)stop->best_iteration));
    }
    TRY(buffer_printf(out, "\"without_progress\": %lld}", (long long)stop->without_progress));
fail:
    return st;
}

enum { BEST = 1, MARK = 2, BEST_ITERATION = 4, WITHOUT_PROGRESS = 8, METRIC = 16 };

static int field_of(const char *key)
{
    static const char *const NAMES[] = {"best", "mark", "best_iteration", "without_progress",
                                        "metric"};
    for (int i = 0; i < 5; i++)
        if (strcmp(key, NAMES[i]) == 0)
            return 1 << i;
    return 0;
}

static md_status read_number(struct json *json, struct early_stop *out, int field)
{
    bool whole = field == BEST_ITERATION || field == WITHOUT_PROGRESS;
    if (json->token != JSON_NUMBER || (whole && (!json->is_integer || json->integer < 0)))
        return json_fail(json, "a number is wanted");
    if (field == BEST)
        out->best = json->number;
    else if (field == MARK)
        out->mark = json->number;
    else if (field == BEST_ITERATION)
        out->best_iteration = json->integer;
    else
        out->without_progress = json->integer;
    return MD_OK;
}

/* Who only looks into a checkpoint watches nothing. */
static bool is_other(const struct early_stop *stop, const char *metric)
{
    return stop->metric && strcmp(metric, stop->metric) != 0;
}

/* The value of the current key; *field becomes its bit. */
static md_status read_field(struct json *json, struct early_stop *out, int *field)
{
    md_status st = MD_OK;
    *field = field_of(json->text.data);
    if (*field == 0)
        return json_fail(json, "unknown name '%s'", json->text.data);
    TRY(json_next(json));
    if (*field != METRIC)
        return read_number(json, out, *field);
    if (json->token != JSON_STRING)
        return json_fail(json, "a name is wanted");
    out->other_metric = is_other(out, json->text.data);
fail:
    return st;
}

md_status early_stop_restore(struct early_stop *stop, struct memory *memory, const char *text)
{
    md_status st = MD_OK;
    struct early_stop read = *stop;
    struct json json;
    int seen = 0;
    int field = 0;
    /* Before there was a choice, nothing was written about it. */
    read.other_metric = is_other(stop, "val_loss");
    json_open(&json, memory, "early-stop state", text, strlen(text));
    TRY(json_next(&json));
    if (json.token != JSON_OBJECT_BEGIN)
        TRY(json_fail(&json, "an object is wanted"));
    TRY(json_next(&json));
    while (json.token == JSON_KEY) {
        TRY(read_field(&json, &read, &field));
        if (seen & field)
            TRY(json_fail(&json, "a name comes twice"));
        seen |= field;
        TRY(json_next(&json));
    }
    TRY(json_next(&json)); /* nothing but blanks may follow */
    int best = seen & (BEST | MARK | BEST_ITERATION);
    if (!(seen & WITHOUT_PROGRESS) || (best != 0 && best != (BEST | MARK | BEST_ITERATION)))
        TRY(json_fail(&json, "best, mark, best_iteration or without_progress is missing"));
    read.has_best = best != 0 && !read.other_metric;
    if (read.other_metric)
        read.without_progress = read.best_iteration = 0;
    *stop = read;
fail:
    json_close(&json);
    return st;
}
