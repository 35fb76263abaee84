/* eval_compare.c - two files of results on the same images: whose average precision is better, how sure. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "eval_job.h"
#include "eval_print.h"

enum { MOST_CLASSES = 20, MOST_ROWS = 2 + MOST_CLASSES, COLUMNS = 5, CELL = 64 };

struct comparison {
    struct eval_job *job;
    md_report *reports[2];
    md_bootstrap *bootstraps[2];
};

/* One measure of both. */
struct measured {
    md_interval each[2];
    md_difference difference;
};

static md_status measure(const struct comparison *c, md_measure what, int class_id,
                         struct measured *out)
{
    md_status status = MD_OK;
    for (int i = 0; status >= 0 && i < 2; i++)
        status = md_bootstrap_interval(&out->each[i], c->bootstraps[i], what, class_id);
    if (status >= 0)
        status = md_bootstrap_compare(&out->difference, c->bootstraps[0], c->bootstraps[1], what,
                                      class_id);
    return status;
}

/* ---- text -------------------------------------------------------------------------------------- */

struct row {
    char cells[COLUMNS][CELL];
};

static void put_interval(char out[CELL], const md_interval *interval)
{
    if (interval->value < 0)
        snprintf(out, CELL, "nan");
    else if (interval->resamples == 0)
        snprintf(out, CELL, "%.3f", 100 * interval->value);
    else
        snprintf(out, CELL, "%.3f (%.3f to %.3f)", 100 * interval->value, 100 * interval->low,
                 100 * interval->high);
}

static void fill_row(struct row *row, const struct measured *m)
{
    const md_difference *difference = &m->difference;
    for (int i = 0; i < 2; i++)
        put_interval(row->cells[1 + i], &m->each[i]);
    if (isnan(difference->value))
        snprintf(row->cells[3], CELL, "nan");
    else if (difference->resamples == 0)
        snprintf(row->cells[3], CELL, "%+.3f", 100 * difference->value);
    else
        snprintf(row->cells[3], CELL, "%+.3f (%+.3f to %+.3f)", 100 * difference->value,
                 100 * difference->low, 100 * difference->high);
    if (difference->resamples == 0)
        snprintf(row->cells[4], CELL, "nan");
    else
        snprintf(row->cells[4], CELL, "%.1f %%", 100 * difference->a_better);
}

static int column_width(const struct row *rows, int count, int column)
{
    int width = 1;
    for (int i = 0; i < count; i++)
        width = eval_longer(width, rows[i].cells[column]);
    return width;
}

/* The first row is the heading. */
static void put_table(const struct row *rows, int count)
{
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < COLUMNS; k++)
            eval_put_cell(stdout, rows[i].cells[k], column_width(rows, count, k));
        puts("|");
        for (int k = 0; k < COLUMNS && i == 0; k++)
            eval_put_rule(stdout, column_width(rows, count, k) + 1, k + 1 < COLUMNS ? "" : "|\n");
    }
}

static void put_verdict(const md_difference *difference)
{
    if (difference->resamples == 0)
        puts("Fewer than two images, or no truth: nothing can be said about how sure this is.");
    else if (difference->low > 0)
        puts("A is better: the interval of the difference in AP is above 0.");
    else if (difference->high < 0)
        puts("B is better: the interval of the difference in AP is below 0.");
    else
        puts("These images do not tell which is better: the interval of the difference in AP holds "
             "0.");
}

static md_status show(const struct comparison *c)
{
    static const struct row head = {{"", "A", "B", "A - B", "A better"}};
    static const char *const names[] = {"AP", "AP50"};
    static const md_measure measures[] = {MD_MEASURE_AP, MD_MEASURE_AP50};
    const md_dataset *dataset = c->job->dataset;
    struct row rows[1 + MOST_ROWS] = {head};
    struct measured measured, first = {0};
    int classes = md_dataset_class_count(dataset), count = 1;
    md_status status = MD_OK;
    for (int i = 0; status >= 0 && i < 2; i++, count++) {
        status = measure(c, measures[i], MD_ALL_CLASSES, &measured);
        snprintf(rows[count].cells[0], CELL, "%s", names[i]);
        fill_row(&rows[count], &measured);
        if (i == 0)
            first = measured;
    }
    for (int i = 0; status >= 0 && classes <= MOST_CLASSES && i < classes; i++, count++) {
        status = measure(c, MD_MEASURE_AP, i, &measured);
        snprintf(rows[count].cells[0], CELL, "AP of %s", md_dataset_class_name(dataset, i));
        fill_row(&rows[count], &measured);
    }
    if (status < 0)
        return status;
    printf("A: %s\nB: %s\n%zu images; intervals hold 95 %% of %d resamples of them, the same for "
           "both\n",
           c->job->arguments.compare[0], c->job->arguments.compare[1], md_dataset_count(dataset),
           c->job->arguments.resamples);
    put_table(rows, count);
    put_verdict(&first.difference);
    return MD_OK;
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void put_json_interval(FILE *out, const char *name, double value, double low, double high)
{
    fprintf(out, "\"%s\": {\"value\": ", name);
    if (isnan(value))
        fputs("null", out);
    else
        fprintf(out, "%.9g", value);
    if (isnan(low))
        fputs(", \"interval\": null", out);
    else
        fprintf(out, ", \"interval\": [%.9g, %.9g]", low, high);
}

static md_status put_json_measure(FILE *out, const struct comparison *c, const char *name,
                                  md_measure what, int class_id)
{
    struct measured m;
    md_status status = measure(c, what, class_id, &m);
    if (status < 0)
        return status;
    fprintf(out, "\"%s\": {", name);
    for (int i = 0; i < 2; i++) {
        const md_interval *each = &m.each[i];
        bool sure = each->resamples > 0;
        put_json_interval(out, i == 0 ? "A" : "B", each->value < 0 ? NAN : each->value,
                          sure ? each->low : NAN, each->high);
        fputs("}, ", out);
    }
    put_json_interval(out, "difference", m.difference.value, m.difference.low, m.difference.high);
    if (m.difference.resamples > 0)
        fprintf(out, ", \"A_better\": %.9g, \"B_better\": %.9g", m.difference.a_better,
                m.difference.b_better);
    fputs("}}", out);
    return MD_OK;
}

static md_status put_json(FILE *out, const struct comparison *c)
{
    const md_dataset *dataset = c->job->dataset;
    fputs("{\n  \"A\": ", out);
    cli_put_json(out, c->job->arguments.compare[0]);
    fputs(",\n  \"B\": ", out);
    cli_put_json(out, c->job->arguments.compare[1]);
    fprintf(out, ",\n  \"images\": %zu,\n  \"resamples\": %d,\n  \"level\": 0.95,\n  ",
            md_dataset_count(dataset), c->job->arguments.resamples);
    md_status status = put_json_measure(out, c, "AP", MD_MEASURE_AP, MD_ALL_CLASSES);
    fputs(",\n  ", out);
    if (status >= 0)
        status = put_json_measure(out, c, "AP50", MD_MEASURE_AP50, MD_ALL_CLASSES);
    fputs(",\n  \"classes\": [", out);
    for (int i = 0; status >= 0 && i < md_dataset_class_count(dataset); i++) {
        fprintf(out, "%s\n    {\"name\": ", i ? "," : "");
        cli_put_json(out, md_dataset_class_name(dataset, i));
        fputs(", ", out);
        status = put_json_measure(out, c, "AP", MD_MEASURE_AP, i);
        fputs(", ", out);
        if (status >= 0)
            status = put_json_measure(out, c, "AP50", MD_MEASURE_AP50, i);
        fputc('}', out);
    }
    fputs("]\n}\n", out);
    return status;
}

static md_status write_json(const struct comparison *c)
{
    const char *path = c->job->arguments.json;
    if (!path)
        return MD_OK;
    FILE *out = fopen(path, "w");
    md_status status = out ? put_json(out, c) : CLI_TOLD;
    if (!out || fclose(out) != 0) {
        fprintf(stderr, "%s: %s: %s\n", c->job->cli->program, path, strerror(errno));
        return CLI_TOLD;
    }
    return status;
}

/* ---- the run ----------------------------------------------------------------------------------- */

static md_status read_file(struct comparison *c, int which)
{
    struct eval_job *job = c->job;
    md_bootstrap_options options = md_bootstrap_options_default();
    options.resamples = job->arguments.resamples;
    md_status status = eval_open(job);
    if (status >= 0)
        status = md_evaluator_add_results(job->evaluator, job->arguments.compare[which], NULL);
    if (status >= 0)
        status = md_evaluator_finish(job->evaluator, &c->reports[which]);
    md_evaluator_free(job->evaluator);
    job->evaluator = NULL;
    if (status >= 0)
        status = md_report_bootstrap(&c->bootstraps[which], c->reports[which], &options);
    return status;
}

int eval_compare(struct eval_job *job)
{
    struct comparison c = {.job = job};
    md_status status = md_dataset_open(&job->dataset, job->context, job->arguments.data, NULL);
    for (int i = 0; status >= 0 && i < 2; i++)
        status = read_file(&c, i);
    if (status >= 0)
        status = show(&c);
    if (status >= 0)
        status = write_json(&c);
    int code = CLI_DONE;
    if (status < 0)
        code = status == CLI_TOLD ? CLI_FAILURE : cli_fail(job->cli, status);
    for (int i = 0; i < 2; i++) {
        md_bootstrap_free(c.bootstraps[i]);
        md_report_free(c.reports[i]);
    }
    return code;
}
