/* eval_thresholds.c - what md-eval says of score thresholds and stores of them; Pascal VOC's figures. */
#include <inttypes.h>
#include <stdlib.h>

#include "eval_job.h"
#include "eval_print.h"

enum { VALUE = 24, NUMBERS = 7, WIDTH = 9 };

static void fraction(char out[VALUE], double value)
{
    if (value < 0.0)
        snprintf(out, VALUE, "nan");
    else
        snprintf(out, VALUE, "%.3f", value);
}

static const char *name_of(const md_dataset *dataset, int class_id)
{
    const char *name = md_dataset_class_name(dataset, class_id);
    return name ? name : "all";
}

static void put_row(const char *name, int name_width, char (*numbers)[VALUE], int count)
{
    eval_put_cell(stdout, name, name_width);
    for (int i = 0; i < count; i++)
        eval_put_cell(stdout, numbers[i], WIDTH);
    fputs("|\n", stdout);
}

static void put_head(const char *const *titles, int count, const char *first, int name_width)
{
    eval_put_cell(stdout, first, name_width);
    for (int i = 0; i < count; i++)
        eval_put_cell(stdout, titles[i], WIDTH);
    fputs("|\n", stdout);
    eval_put_rule(stdout, name_width + 1, "");
    for (int i = 0; i < count; i++)
        eval_put_rule(stdout, WIDTH + 1, i + 1 < count ? "" : "|\n");
}

/* ---- thresholds ---------------------------------------------------------------------------------- */

/* Without a best score of its own a class is shown at that of all. */
static md_status put_class(const md_curves *curves, const md_dataset *dataset, int class_id,
                           int name_width)
{
    char numbers[NUMBERS][VALUE];
    md_counts counts;
    double own = md_curves_best(curves, class_id);
    double score = own >= 0.0 ? own : md_curves_best(curves, MD_ALL_CLASSES);
    md_status status = md_curves_counts(curves, class_id, score, &counts);
    if (status < 0)
        return status;
    fraction(numbers[0], own);
    fraction(numbers[1], counts.precision);
    fraction(numbers[2], counts.recall);
    fraction(numbers[3], counts.f1);
    snprintf(numbers[4], VALUE, "%" PRIu64, counts.true_positives);
    snprintf(numbers[5], VALUE, "%" PRIu64, counts.false_positives);
    snprintf(numbers[6], VALUE, "%" PRIu64, counts.false_negatives);
    put_row(name_of(dataset, class_id), name_width, numbers, NUMBERS);
    return MD_OK;
}

int eval_show_thresholds(struct eval_job *job)
{
    static const char *const titles[NUMBERS] = {"score", "precision", "recall", "F1",
                                                "TP",    "FP",        "FN"};
    int name_width = 10;
    int count = md_dataset_class_count(job->dataset);
    md_curves *curves = NULL;
    md_status status = md_curves_create(&curves, job->report);
    if (status < 0)
        return cli_fail(job->cli, status);
    for (int i = 0; i < count; i++)
        name_width = eval_longer(name_width, name_of(job->dataset, i));
    printf("Scores with the best F1, at IoU 0.50:\n");
    put_head(titles, NUMBERS, "category", name_width);
    for (int i = 0; i < count && status >= 0; i++)
        status = put_class(curves, job->dataset, i, name_width);
    if (status >= 0)
        status = put_class(curves, job->dataset, MD_ALL_CLASSES, name_width);
    md_curves_free(curves);
    return status < 0 ? cli_fail(job->cli, status) : -1;
}

int eval_store_thresholds(struct eval_job *job)
{
    const char *path = job->arguments.weights;
    if (!job->arguments.store_thresholds)
        return -1;
    md_curves *curves = NULL;
    md_status status = md_curves_create(&curves, job->report);
    if (status >= 0)
        status = md_curves_store_best(curves, path);
    md_curves_free(curves);
    if (status < 0) {
        int code = eval_output_failed(job, status);
        return status == MD_ENOTFOUND ? CLI_DATA : code; /* the detections are no good for it */
    }
    printf("%s: the best scores are stored; md-infer uses them\n", path);
    return -1;
}

/* ---- Pascal VOC ---------------------------------------------------------------------------------- */

/* AP, AP50 and AP75 of all classes, in percent as Detectron2's evaluator gives them. */
static md_status put_rule_of(const struct eval_job *job, md_voc_rule rule, const char *name,
                             double *ap)
{
    static const double ious[] = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95};
    enum { COUNT = sizeof ious / sizeof ious[0], AT_75 = 5 };
    char numbers[3][VALUE];
    size_t row = (size_t)md_dataset_class_count(job->dataset) + 1;
    md_status status = md_report_voc_ap(job->report, rule, true, ious, COUNT, ap);
    if (status < 0)
        return status;
    double sum = 0.0;
    for (size_t i = 0; i < COUNT; i++)
        sum += ap[i * row + row - 1];
    const double values[3] = {sum / COUNT, ap[row - 1], ap[AT_75 * row + row - 1]};
    for (int i = 0; i < 3; i++)
        if (values[i] < 0.0)
            snprintf(numbers[i], VALUE, "nan");
        else
            snprintf(numbers[i], VALUE, "%.3f", 100.0 * values[i]);
    put_row(name, 10, numbers, 3);
    return MD_OK;
}

int eval_show_voc(struct eval_job *job)
{
    enum { IOUS = 10 };
    static const char *const titles[] = {"AP", "AP50", "AP75"};
    if (!job->arguments.voc)
        return -1;
    size_t row = (size_t)md_dataset_class_count(job->dataset) + 1;
    double *ap = malloc(IOUS * row * sizeof *ap);
    if (!ap)
        return cli_fail(job->cli, CLI_NO_MEMORY);
    printf("Pascal VOC's average precision:\n");
    put_head(titles, 3, "rule", 10);
    md_status status = put_rule_of(job, MD_VOC_2007, "2007", ap);
    if (status >= 0)
        status = put_rule_of(job, MD_VOC_2012, "2012", ap);
    free(ap);
    return status < 0 ? cli_fail(job->cli, status) : -1;
}
