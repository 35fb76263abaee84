/* report_save.c - md_report_save: everything that is known of an evaluation, into a folder. */
#include "api/report.h"
#include "core/error.h"
#include "core/file.h"
#include "md/report.h"
#include "report/report.h"

struct saving {
    const md_report *report;
    md_report_options options;
    struct memory *memory;
    const char *folder;
    struct report_fact *facts;
    struct curves curves;
    struct error_analysis errors;
    struct gallery gallery;
    struct report_content content;
};

void md_report_options_init(md_report_options *options, size_t size)
{
    const md_report_options defaults = {.pictures = 24, .resamples = 1000};
    options_init(options, size, &defaults, sizeof defaults);
}

/* ---- parts -------------------------------------------------------------------------------- */

static md_status gather_facts(struct saving *saving)
{
    const char *const *from = saving->options.facts;
    size_t count = 0;
    while (from && from[2 * count] && from[2 * count + 1])
        count++;
    if (from && from[2 * count])
        return ERROR(MD_EINVAL,
                     "md_report_options.facts: \"%.60s\" has no value; they are names and "
                     "values in turn",
                     from[2 * count]);
    md_status st = memory_alloc(saving->memory, &saving->facts, count, sizeof *saving->facts);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++)
        saving->facts[i] = (struct report_fact){from[2 * i], from[2 * i + 1]};
    saving->content.facts = saving->facts;
    saving->content.fact_count = count;
    return MD_OK;
}

/* A bound whose bias was taken off may lie beyond what AP can be. */
static struct report_interval within_bounds(const md_interval *interval)
{
    if (interval->resamples == 0)
        return (struct report_interval){1.0, 0.0};
    return (struct report_interval){interval->low < 0.0 ? 0.0 : interval->low,
                                    interval->high > 1.0 ? 1.0 : interval->high};
}

static md_status measure_intervals(struct saving *saving)
{
    md_status st = MD_OK;
    md_bootstrap *bootstrap = NULL;
    md_interval ap, ap50;
    md_bootstrap_options options = md_bootstrap_options_default();
    options.resamples = saving->options.resamples;
    TRY(md_report_bootstrap(&bootstrap, saving->report, &options));
    TRY(md_bootstrap_interval(&ap, bootstrap, MD_MEASURE_AP, MD_ALL_CLASSES));
    TRY(md_bootstrap_interval(&ap50, bootstrap, MD_MEASURE_AP50, MD_ALL_CLASSES));
    saving->content.ap = within_bounds(&ap);
    saving->content.ap50 = within_bounds(&ap50);
    saving->content.resamples = ap.resamples;
fail:
    md_bootstrap_free(bootstrap);
    return st;
}

static md_status analyse_errors(struct saving *saving)
{
    md_status st = MD_OK;
    const md_report *report = saving->report;
    const struct dataset *dataset = report->dataset->dataset;
    const struct gallery_source source = {dataset, report->detections, report->count,
                                          &saving->errors};
    TRY(error_analyse(&saving->errors, saving->memory, dataset, report->detections, report->count,
                      &error_options_usual));
    saving->content.errors = &saving->errors;
    TRY(gallery_write(&saving->gallery, saving->memory, &report->dataset->context->log, &source,
                      saving->folder, saving->options.pictures));
    if (saving->options.pictures > 0)
        saving->content.gallery = &saving->gallery;
fail:
    return st;
}

/* ---- all ---------------------------------------------------------------------------------- */

static md_status save(struct saving *saving)
{
    md_status st = MD_OK;
    const md_report *report = saving->report;
    saving->content = (struct report_content){
        .title = saving->options.title ? saving->options.title : "Evaluation",
        .dataset = report->dataset->dataset,
        .detections = report->detections,
        .count = report->count,
        .coco = &report->coco,
        .rules = &report->coco_options,
        .confusion = report->confusion,
        .score = report->confusion_score,
        .iou = (double)report->options.confusion_iou,
        .ap = {1.0, 0.0},
        .ap50 = {1.0, 0.0},
    };
    TRY(directory_make(saving->folder));
    TRY(gather_facts(saving));
    TRY(curves_create(&saving->curves, saving->memory, report->dataset->dataset, report->detections,
                      report->count, (size_t)report->options.max_detections));
    saving->content.curves = &saving->curves;
    if (saving->options.resamples > 0 && report->metrics.ap >= 0)
        TRY(measure_intervals(saving));
    TRY(analyse_errors(saving));
    TRY(report_save(&saving->content, saving->memory, saving->folder));
fail:
    return st;
}

md_status md_report_save(const md_report *report, const char *folder,
                         const md_report_options *options)
{
    md_status st = MD_OK;
    struct saving saving = {.report = report, .folder = folder};
    TRY(GIVEN(report));
    TRY(GIVEN(folder));
    saving.options = md_report_options_default();
    saving.memory = &report->dataset->context->memory;
    TRY(options_read(&saving.options, sizeof saving.options, options, "md_report_options"));
    if (saving.options.resamples < 0)
        FAIL(MD_EINVAL, "md_report_options.resamples is %d; it is 0 or more",
             saving.options.resamples);
    st = save(&saving);
    gallery_free(&saving.gallery);
    error_analysis_free(&saving.errors);
    curves_free(&saving.curves, saving.memory);
    memory_free(saving.memory, saving.facts);
fail:
    return st;
}
