/* thresholds.c - the score from which detections of each class count, as text beside the weights. */
#include "weights/thresholds.h"

#include <string.h>

#include "core/error.h"
#include "core/json.h"

static const char remedy[] = "store them again with md-eval --store-thresholds";

/* ---- writing --------------------------------------------------------------------------------- */

md_status thresholds_put(struct buffer *out, double iou, const char *const *names, size_t count,
                         const double *values)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "{\"iou\": "));
    TRY(json_put_number(out, iou));
    TRY(buffer_puts(out, ", \"all\": "));
    TRY(json_put_number(out, values[count]));
    TRY(buffer_puts(out, ", \"classes\": {"));
    for (size_t i = 0; i < count; i++) {
        TRY(buffer_puts(out, i > 0 ? ", " : ""));
        TRY(json_put_string(out, names[i]));
        TRY(buffer_puts(out, ": "));
        TRY(values[i] < 0 ? buffer_puts(out, "null") : json_put_number(out, values[i]));
    }
    TRY(buffer_puts(out, "}}"));
fail:
    return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The current token's number; null leaves *out as it is when that is allowed. */
static md_status take_threshold(const struct json *json, float *out, bool may_be_null)
{
    if (json->token == JSON_NULL && may_be_null)
        return MD_OK;
    if (json->token != JSON_NUMBER || !(json->number >= 0 && json->number <= 1))
        return json_fail(json, "a score threshold is a number from 0 to 1; %s", remedy);
    *out = (float)json->number;
    return MD_OK;
}

static size_t find_name(const char *const *names, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

/* The object behind "classes". */
static md_status take_classes(struct json *json, float *values, const char *const *names,
                              size_t count)
{
    md_status st = MD_OK;
    TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "the score thresholds of classes are no object; %s", remedy);
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        float ignored = 0;
        size_t i = find_name(names, count, json->text.data);
        TRY(json_next(json));
        TRY(take_threshold(json, i < count ? &values[i] : &ignored, true));
        TRY(json_next(json));
    }
fail:
    return st;
}

static md_status take_all(struct json *json, float *all, float *values, const char *const *names,
                          size_t count)
{
    md_status st = MD_OK;
    TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "the score thresholds are no object; %s", remedy);
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        if (strcmp(json->text.data, "classes") == 0) {
            TRY(take_classes(json, values, names, count));
        } else if (strcmp(json->text.data, "all") == 0) {
            TRY(json_next(json));
            TRY(take_threshold(json, all, false));
        } else {
            TRY(json_skip(json));
        }
        TRY(json_next(json));
    }
    TRY(json_next(json)); /* nothing but blanks may follow */
fail:
    return st;
}

md_status thresholds_read(float *values, struct memory *memory, const char *path, const char *text,
                          const char *const *names, size_t count)
{
    md_status st = MD_OK;
    struct json json;
    char *name = NULL;
    float all = -1;
    for (size_t i = 0; i < count; i++)
        values[i] = -1;
    TRY(memory_printf(memory, &name, "%s: metadata " THRESHOLDS_KEY, path));
    json_open(&json, memory, name, text, strlen(text));
    st = take_all(&json, &all, values, names, count);
    if (st >= 0 && all < 0)
        st = json_fail(&json, "there is no \"all\"; %s", remedy);
    json_close(&json);
    TRY(st);
    for (size_t i = 0; i < count; i++)
        values[i] = values[i] < 0 ? all : values[i];
fail:
    memory_free(memory, name);
    return st;
}
