/* metrics_json.c - metrics.json. */
#include <inttypes.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "report/summary.h"

/* In percent; null: nothing to measure. */
static md_status put_percent(struct buffer *out, double fraction)
{
    return fraction < 0.0 ? buffer_puts(out, "null") : json_put_number(out, 100.0 * fraction);
}

static md_status put_metrics(struct buffer *out, const struct report_content *content)
{
    md_status st = MD_OK;
    struct report_metric metrics[REPORT_METRICS];
    struct buffer name;
    buffer_init(&name, out->memory);
    summary_metrics(metrics, &content->coco->metrics, content->rules);
    for (int i = 0; i < REPORT_METRICS; i++) {
        TRY(buffer_printf(out, "  \"bbox/%s\": ", metrics[i].name));
        TRY(put_percent(out, metrics[i].value));
        TRY(buffer_puts(out, ",\n"));
    }
    for (int i = 0; i < content->dataset->class_count; i++) {
        buffer_clear(&name);
        TRY(buffer_printf(&name, "bbox/AP-%s", content->dataset->class_names[i]));
        TRY(buffer_puts(out, "  "));
        TRY(json_put_string(out, name.data));
        TRY(buffer_puts(out, ": "));
        TRY(put_percent(out, content->coco->class_ap[i]));
        TRY(buffer_puts(out, ",\n"));
    }
fail:
    buffer_free(&name);
    return st;
}

static md_status put_interval(struct buffer *out, const char *name,
                              const struct report_interval *interval, const char *end)
{
    md_status st = MD_OK;
    if (interval->high < interval->low)
        return buffer_printf(out, "\"%s\": null%s", name, end);
    TRY(buffer_printf(out, "\"%s\": [", name));
    TRY(put_percent(out, interval->low));
    TRY(buffer_puts(out, ", "));
    TRY(put_percent(out, interval->high));
    TRY(buffer_printf(out, "]%s", end));
fail:
    return st;
}

static md_status put_intervals(struct buffer *out, const struct report_content *content)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "  \"intervals\": {"));
    TRY(put_interval(out, "bbox/AP", &content->ap, ", "));
    TRY(put_interval(out, "bbox/AP50", &content->ap50, ", "));
    TRY(buffer_printf(out, "\"level\": 95, \"resamples\": %" PRIu32 "},\n", content->resamples));
fail:
    return st;
}

static md_status put_confusion(struct buffer *out, const struct report_content *content)
{
    md_status st = MD_OK;
    size_t n = (size_t)content->dataset->class_count + 1;
    TRY(buffer_puts(out, "  \"confusion_matrix\": {\n    \"score\": "));
    TRY(json_put_number(out, content->score));
    TRY(buffer_puts(out, ",\n    \"iou\": "));
    TRY(json_put_number(out, content->iou));
    TRY(buffer_puts(out, ",\n    \"names\": ["));
    for (size_t i = 0; i < n; i++) {
        TRY(buffer_puts(out, i ? ", " : ""));
        TRY(json_put_string(out, summary_name(content, i)));
    }
    TRY(buffer_puts(out, "],\n    \"counts\": ["));
    for (size_t i = 0; i < n; i++) {
        TRY(buffer_puts(out, i ? ",\n      [" : "\n      ["));
        for (size_t j = 0; j < n; j++)
            TRY(buffer_printf(out, "%s%" PRIu64, j ? ", " : "", content->confusion[i * n + j]));
        TRY(buffer_puts(out, "]"));
    }
    TRY(buffer_puts(out, "\n    ]\n  }"));
fail:
    return st;
}

/* Scores, which are fractions: they are what a program is given. */
static md_status put_thresholds(struct buffer *out, const struct report_content *content)
{
    md_status st = MD_OK;
    const struct curves *curves = content->curves;
    if (!curves)
        return MD_OK;
    TRY(buffer_puts(out, ",\n  \"thresholds\": {"));
    for (size_t i = 0; i < curves->class_count; i++) {
        TRY(buffer_puts(out, i ? ",\n    " : "\n    "));
        TRY(json_put_string(out, summary_name(content, i)));
        TRY(buffer_puts(out, ": "));
        TRY(curves->best[i] < 0.0 ? buffer_puts(out, "null")
                                  : json_put_number(out, curves->best[i]));
    }
    TRY(buffer_puts(out, "\n  },\n  \"threshold\": "));
    TRY(curves->best[curves->class_count] < 0.0
            ? buffer_puts(out, "null")
            : json_put_number(out, curves->best[curves->class_count]));
fail:
    return st;
}

static md_status put_errors(struct buffer *out, const struct report_content *content)
{
    md_status st = MD_OK;
    const struct error_analysis *errors = content->errors;
    if (!errors)
        return MD_OK;
    TRY(buffer_puts(out, ",\n  \"errors\": {"));
    for (int i = 0; i < ERROR_TYPES; i++) {
        TRY(buffer_printf(out,
                          "%s    \"%s\": {\"count\": %" PRIu64 ", \"cost\": ", i ? ",\n" : "\n",
                          error_type_name((enum error_type)i), errors->counts[i]));
        TRY(put_percent(out, errors->cost[i]));
        TRY(buffer_puts(out, "}"));
    }
    TRY(buffer_puts(out, "\n  }"));
fail:
    return st;
}

md_status report_save_metrics(const struct report_content *content, struct memory *memory,
                              const char *path)
{
    md_status st = MD_OK;
    struct buffer out;
    buffer_init(&out, memory);
    TRY(buffer_puts(&out, "{\n"));
    TRY(put_metrics(&out, content));
    TRY(put_intervals(&out, content));
    TRY(put_confusion(&out, content));
    TRY(put_thresholds(&out, content));
    TRY(put_errors(&out, content));
    TRY(buffer_puts(&out, "\n}\n"));
    TRY(file_write(memory, path, out.data, out.length));
fail:
    buffer_free(&out);
    return st;
}
