/* eval_interval.c - how sure AP and AP50 of a report are. */
#include <string.h>

#include "eval_job.h"
#include "eval_print.h"

static const struct {
    md_measure measure;
    const char *name;
} measures[] = {{MD_MEASURE_AP, "AP"}, {MD_MEASURE_AP50, "AP50"}};

enum { MEASURES = sizeof measures / sizeof measures[0] };

int eval_show_intervals(struct eval_job *job)
{
    md_bootstrap_options options = md_bootstrap_options_default();
    md_interval interval;
    if (job->arguments.resamples == 0 || md_report_metrics(job->report)->ap < 0)
        return -1;
    options.resamples = job->arguments.resamples;
    md_status status = md_report_bootstrap(&job->bootstrap, job->report, &options);
    for (int i = 0; status >= 0 && i < MEASURES; i++) {
        status =
            md_bootstrap_interval(&interval, job->bootstrap, measures[i].measure, MD_ALL_CLASSES);
        if (status >= 0 && interval.resamples > 0)
            printf("%s: 95 %% interval %.3f to %.3f (%u resamples of the images)\n",
                   measures[i].name, 100 * interval.low, 100 * interval.high, interval.resamples);
    }
    return status < 0 ? cli_fail(job->cli, status) : -1;
}

void eval_write_intervals(FILE *out, const md_bootstrap *bootstrap)
{
    for (int i = 0; bootstrap && i < MEASURES; i++) {
        md_interval interval;
        md_status status =
            md_bootstrap_interval(&interval, bootstrap, measures[i].measure, MD_ALL_CLASSES);
        if (status < 0 || interval.resamples == 0)
            fprintf(out, "  \"%s_interval\": null,\n", measures[i].name);
        else
            fprintf(out, "  \"%s_interval\": [%.9g, %.9g],\n", measures[i].name, interval.low,
                    interval.high);
    }
}
