/* eval_bootstrap.c - md_bootstrap: intervals of a report's average precision, and of a difference. */
#include <string.h>

#include "api/report.h"
#include "core/error.h"
#include "eval/bootstrap.h"

enum { MOST_RESAMPLES = 1000000 };

struct md_bootstrap {
    md_dataset *dataset; /* retained */
    double level;
    struct bootstrap of;
};

void md_bootstrap_options_init(md_bootstrap_options *options, size_t size)
{
    const md_bootstrap_options defaults = {.resamples = 1000, .level = 0.95};
    options_init(options, size, &defaults, sizeof defaults);
}

static md_status read_options(md_bootstrap_options *out, const md_bootstrap_options *options)
{
    *out = md_bootstrap_options_default();
    md_status st = options_read(out, sizeof *out, options, "md_bootstrap_options");
    if (st < 0)
        return st;
    if (out->resamples < 1 || out->resamples > MOST_RESAMPLES)
        return ERROR(MD_EINVAL, "md_bootstrap_options.resamples is %d; it is from 1 to %d",
                     out->resamples, MOST_RESAMPLES);
    if (!(out->level > 0 && out->level < 1))
        return ERROR(MD_EINVAL, "md_bootstrap_options.level is %g; it is above 0 and below 1",
                     out->level);
    return MD_OK;
}

md_status md_report_bootstrap(md_bootstrap **out, const md_report *report,
                              const md_bootstrap_options *options)
{
    md_status st = MD_OK;
    md_bootstrap_options read;
    md_bootstrap *bootstrap = NULL;
    struct ap_table table = {0};
    TRY(GIVEN(out));
    TRY(GIVEN(report));
    TRY(read_options(&read, options));
    const md_context *context = report->dataset->context;
    struct memory *memory = &report->dataset->context->memory;
    const struct bootstrap_options asked = {.resamples = (uint32_t)read.resamples,
                                            .seed = read.seed,
                                            .threads = context->device->threads};
    TRY(memory_zeroed(memory, &bootstrap, 1, sizeof *bootstrap));
    bootstrap->dataset = dataset_retain(report->dataset);
    bootstrap->level = read.level;
    TRY(ap_table_create(&table, memory, report->dataset->dataset, report->detections, report->count,
                        &report->coco_options));
    TRY(bootstrap_create(&bootstrap->of, &table, &asked));
    *out = bootstrap;
    bootstrap = NULL;
fail:
    ap_table_free(&table);
    md_bootstrap_free(bootstrap);
    return st;
}

void md_bootstrap_free(md_bootstrap *bootstrap)
{
    if (!bootstrap)
        return;
    md_dataset *dataset = bootstrap->dataset;
    bootstrap_free(&bootstrap->of);
    memory_free(&dataset->context->memory, bootstrap);
    dataset_release(dataset);
}

/* ---- results ------------------------------------------------------------------------------ */

static md_status find_value(size_t *out, const md_bootstrap *bootstrap, md_measure measure,
                            int class_id)
{
    int classes = md_dataset_class_count(bootstrap->dataset);
    if (class_id < -1 || class_id >= classes)
        return ERROR(MD_EINVAL, "class_id is %d; there are %d classes, and -1 means all", class_id,
                     classes);
    if (measure != MD_MEASURE_AP && measure != MD_MEASURE_AP50)
        return ERROR(MD_EINVAL, "measure is %d; it is MD_MEASURE_AP or MD_MEASURE_AP50",
                     (int)measure);
    *out = (size_t)(class_id < 0 ? classes : class_id) * AP_KINDS +
           (measure == MD_MEASURE_AP ? AP_MEAN : AP_50);
    return MD_OK;
}

md_status md_bootstrap_interval(md_interval *out, const md_bootstrap *bootstrap, md_measure measure,
                                int class_id)
{
    md_status st = MD_OK;
    size_t value = 0;
    struct bootstrap_interval interval;
    TRY(GIVEN(out));
    TRY(GIVEN(bootstrap));
    TRY(find_value(&value, bootstrap, measure, class_id));
    TRY(bootstrap_interval(&interval, &bootstrap->of, value, bootstrap->level));
    *out = (md_interval){.value = interval.value,
                         .low = interval.low,
                         .high = interval.high,
                         .bias = interval.bias,
                         .resamples = interval.resamples};
fail:
    return st;
}

/* Beside what bootstrap_difference looks at: are these the same images? */
static md_status check_comparable(const md_bootstrap *a, const md_bootstrap *b)
{
    const struct dataset *one = a->dataset->dataset;
    const struct dataset *other = b->dataset->dataset;
    if (one->annotation_count != other->annotation_count)
        return ERROR(MD_EMISMATCH,
                     "md_bootstrap_compare: a is of %zu annotations, b of %zu; compare reports "
                     "of one data set",
                     one->annotation_count, other->annotation_count);
    for (size_t i = 0; i < one->image_count && i < other->image_count; i++)
        if (strcmp(one->images[i].name, other->images[i].name) != 0)
            return ERROR(MD_EMISMATCH,
                         "md_bootstrap_compare: image %zu is \"%s\" for a and \"%s\" for b; "
                         "compare reports of one data set",
                         i, one->images[i].name, other->images[i].name);
    if (a->level < b->level || a->level > b->level)
        return ERROR(MD_EMISMATCH, "md_bootstrap_compare: the level of a is %g, that of b %g",
                     a->level, b->level);
    return MD_OK;
}

md_status md_bootstrap_compare(md_difference *out, const md_bootstrap *a, const md_bootstrap *b,
                               md_measure measure, int class_id)
{
    md_status st = MD_OK;
    size_t value = 0;
    struct bootstrap_difference difference;
    TRY(GIVEN(out));
    TRY(GIVEN(a));
    TRY(GIVEN(b));
    TRY(find_value(&value, a, measure, class_id));
    TRY(check_comparable(a, b));
    TRY(bootstrap_difference(&difference, &a->of, &b->of, value, a->level));
    *out = (md_difference){.value = difference.value,
                           .low = difference.low,
                           .high = difference.high,
                           .bias = difference.bias,
                           .a_better = difference.a_better,
                           .b_better = difference.b_better,
                           .resamples = difference.resamples};
fail:
    return st;
}
