/* eval_print.c - average precisions and the confusion matrix as text tables and JSON. */
#include "eval_print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Cells on a terminal: bytes that do not continue a UTF-8 character. */
static int cells(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void pad(FILE *out, int count)
{
    while (count-- > 0)
        fputc(' ', out);
}

static void put_centred(FILE *out, const char *text, int width)
{
    int space = width - cells(text);
    fputs("| ", out);
    pad(out, space / 2);
    fputs(text, out);
    pad(out, space - space / 2 + 1);
}

void eval_put_cell(FILE *out, const char *text, int width)
{
    fputs("| ", out);
    cli_put_plain(out, text);
    pad(out, width - cells(text) + 1);
}

void eval_put_rule(FILE *out, int width, const char *end)
{
    fputs("|:", out);
    for (int i = 0; i < width; i++)
        fputc('-', out);
    fputs(end, out);
}

/* ---- average precisions ------------------------------------------------------------------- */

enum { VALUE = 16 };

static void percent(char out[VALUE], double fraction, int decimals)
{
    if (fraction < 0.0)
        snprintf(out, VALUE, "nan");
    else
        snprintf(out, VALUE, "%.*f", decimals, 100.0 * fraction);
}

int eval_longer(int width, const char *text)
{
    return cells(text) > width ? cells(text) : width;
}

/* One of the twelve; `most` detections of an image and class. */
static void put_line(FILE *out, bool precision, const char *iou, const char *area, int most,
                     double value)
{
    fprintf(out, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %.3f\n",
            precision ? "Average Precision" : "Average Recall", precision ? "AP" : "AR", iou, area,
            most, value);
}

static void put_summary(FILE *out, const md_metrics *m, const struct eval_summary *summary)
{
    char range[32];
    int most = summary->most;
    int ten = most < 10 ? most : 10;
    snprintf(range, sizeof range, "%.2f:%.2f", summary->low, summary->high);
    put_line(out, true, range, "all", most, m->ap);
    put_line(out, true, "0.50", "all", most, m->ap50);
    put_line(out, true, "0.75", "all", most, m->ap75);
    put_line(out, true, range, "small", most, m->ap_small);
    put_line(out, true, range, "medium", most, m->ap_medium);
    put_line(out, true, range, "large", most, m->ap_large);
    put_line(out, false, range, "all", 1, m->ar1);
    put_line(out, false, range, "all", ten, m->ar10);
    put_line(out, false, range, "all", most, m->ar100);
    put_line(out, false, range, "small", most, m->ar_small);
    put_line(out, false, range, "medium", most, m->ar_medium);
    put_line(out, false, range, "large", most, m->ar_large);
}

static void put_pasted(FILE *out, const double *values, int count)
{
    char text[VALUE];
    fputs("copypaste: Task: bbox\ncopypaste: AP,AP50,AP75,APs,APm,APl\ncopypaste: ", out);
    for (int i = 0; i < count; i++) {
        percent(text, values[i], 4);
        fprintf(out, "%s%s", i > 0 ? "," : "", text);
    }
    fputc('\n', out);
}

void eval_print_metrics(FILE *out, const md_metrics *m, const struct eval_summary *summary)
{
    static const char *const names[] = {"AP", "AP50", "AP75", "APs", "APm", "APl"};
    const double values[] = {m->ap, m->ap50, m->ap75, m->ap_small, m->ap_medium, m->ap_large};
    enum { COUNT = sizeof names / sizeof names[0] };
    char text[COUNT][VALUE];
    int width[COUNT];
    bool unknown = false;
    put_summary(out, m, summary);
    fputs("Evaluation results for bbox:\n", out);
    for (int i = 0; i < COUNT; i++) {
        percent(text[i], values[i], 3);
        width[i] =
            eval_longer(cells(names[i]) + 2, text[i]); /* as the table printer of Python does */
        put_centred(out, names[i], width[i]);
        unknown = unknown || values[i] < 0.0;
    }
    fputs("|\n", out);
    for (int i = 0; i < COUNT; i++)
        eval_put_rule(out, width[i], ":");
    fputs("|\n", out);
    for (int i = 0; i < COUNT; i++)
        put_centred(out, text[i], width[i]);
    fputs("|\n", out);
    if (unknown)
        fputs("Some metrics cannot be computed and is shown as NaN.\n", out);
    put_pasted(out, values, COUNT);
}

/* ---- by class ----------------------------------------------------------------------------- */

enum { PAIRS = 3 }; /* of columns: a class and its value */

typedef double class_value(const md_report *report, int class_id);

/* Classes run along the rows; each column is as wide as its widest text. */
static void put_class_table(FILE *out, const char *title, const md_report *report,
                            const md_dataset *dataset, class_value *value)
{
    int count = md_dataset_class_count(dataset);
    int pairs = count < PAIRS ? count : PAIRS;
    int names[PAIRS] = {10, 10, 10}; /* with two cells more than "category" */
    int values[PAIRS];
    char text[VALUE];
    for (int k = 0; k < pairs; k++)
        values[k] = cells(title) + 2;
    for (int i = 0; i < count; i++) {
        percent(text, value(report, i), 3);
        names[i % pairs] = eval_longer(names[i % pairs], md_dataset_class_name(dataset, i));
        values[i % pairs] = eval_longer(values[i % pairs], text);
    }
    fprintf(out, "Per-category bbox %s:\n", title);
    for (int k = 0; k < pairs; k++) {
        eval_put_cell(out, "category", names[k]);
        eval_put_cell(out, title, values[k]);
    }
    fputs("|\n", out);
    for (int k = 0; k < pairs; k++) {
        eval_put_rule(out, names[k] + 1, "");
        eval_put_rule(out, values[k] + 1, "");
    }
    fputs("|\n", out);
    for (int i = 0; i < count || i % pairs != 0; i++) {
        percent(text, i < count ? value(report, i) : -1.0, 3);
        eval_put_cell(out, i < count ? md_dataset_class_name(dataset, i) : "", names[i % pairs]);
        eval_put_cell(out, i < count ? text : "", values[i % pairs]);
        if (i % pairs == pairs - 1)
            fputs("|\n", out);
    }
}

void eval_print_classes(FILE *out, const md_report *report, const md_dataset *dataset)
{
    if (md_dataset_class_count(dataset) < 2)
        return;
    put_class_table(out, "AP", report, dataset, md_report_class_ap);
    put_class_table(out, "AP50", report, dataset, md_report_class_ap50);
}

static const char *name_of(const md_dataset *dataset, size_t index)
{
    const char *name = md_dataset_class_name(dataset, (int)index);
    return name ? name : "nothing";
}

/* The largest cells of two classes; of equals the upper, then the left one. */
static size_t largest_confusions(size_t *out, size_t room, const uint64_t *counts, size_t n)
{
    size_t used = 0;
    for (size_t cell = 0; cell < n * n; cell++) {
        bool full = used == room;
        bool of_nothing = cell / n + 1 == n || cell % n + 1 == n;
        if (cell / n == cell % n || of_nothing || counts[cell] == 0 ||
            (full && counts[out[room - 1]] >= counts[cell]))
            continue;
        used += !full;
        size_t at = used - 1;
        for (; at > 0 && counts[out[at - 1]] < counts[cell]; at--)
            out[at] = out[at - 1];
        out[at] = cell;
    }
    return used;
}

/* Of many classes the matrix has no place on a terminal. What is missed or made up stands elsewhere. */
static void print_largest_confusions(FILE *out, const uint64_t *counts, size_t n,
                                     const md_dataset *dataset)
{
    enum { MOST = 20 };
    size_t largest[MOST];
    size_t count = largest_confusions(largest, MOST, counts, n);
    int width[2] = {10, 10};
    for (size_t i = 0; i < count; i++) {
        width[0] = eval_longer(width[0], name_of(dataset, largest[i] / n));
        width[1] = eval_longer(width[1], name_of(dataset, largest[i] % n));
    }
    fputs("truth", out);
    pad(out, width[0] - 5 + 2);
    fputs("found", out);
    pad(out, width[1] - 5 + 2);
    fputs("  times\n", out);
    for (size_t i = 0; i < count; i++) {
        const char *truth = name_of(dataset, largest[i] / n);
        const char *found = name_of(dataset, largest[i] % n);
        cli_put_plain(out, truth);
        pad(out, width[0] - cells(truth) + 2);
        cli_put_plain(out, found);
        pad(out, width[1] - cells(found) + 2);
        fprintf(out, "%7" PRIu64 "\n", counts[largest[i]]);
    }
}

void eval_print_confusion(FILE *out, const md_report *report, const md_dataset *dataset,
                          float threshold)
{
    static const char corner[] = "truth \\ found";
    enum { MOST_SIDE = 13 };
    size_t n;
    const uint64_t *counts = md_report_confusion(report, &n);
    int width = cells(corner);
    if (n > MOST_SIDE) {
        fprintf(
            out,
            "Classes taken for another most often, at score %.2f (--output has the whole matrix):\n",
            (double)threshold);
        print_largest_confusions(out, counts, n, dataset);
        return;
    }
    for (size_t i = 0; i < n; i++)
        width = eval_longer(width, name_of(dataset, i));
    fprintf(out, "Confusion matrix at score %.2f:\n%s", (double)threshold, corner);
    pad(out, width - cells(corner));
    for (size_t j = 0; j < n; j++) {
        pad(out, 2 + (cells(name_of(dataset, j)) < 7 ? 7 - cells(name_of(dataset, j)) : 0));
        cli_put_plain(out, name_of(dataset, j));
    }
    fputc('\n', out);
    for (size_t i = 0; i < n; i++) {
        cli_put_plain(out, name_of(dataset, i));
        pad(out, width - cells(name_of(dataset, i)));
        for (size_t j = 0; j < n; j++) {
            int column = eval_longer(7, name_of(dataset, j));
            fprintf(out, "  %*" PRIu64, column, counts[i * n + j]);
        }
        fputc('\n', out);
    }
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void put_number(FILE *out, const char *name, double value, const char *end)
{
    if (value < 0.0)
        fprintf(out, "  \"%s\": null%s", name, end);
    else
        fprintf(out, "  \"%s\": %.9g%s", name, value, end);
}

void eval_write_json(FILE *out, const md_report *report, const md_dataset *dataset,
                     const md_bootstrap *bootstrap, double seconds_per_image)
{
    const md_metrics *m = md_report_metrics(report);
    size_t n;
    const uint64_t *counts = md_report_confusion(report, &n);
    fputs("{\n", out);
    put_number(out, "AP", m->ap, ",\n");
    put_number(out, "AP50", m->ap50, ",\n");
    put_number(out, "AP75", m->ap75, ",\n");
    put_number(out, "APs", m->ap_small, ",\n");
    put_number(out, "APm", m->ap_medium, ",\n");
    put_number(out, "APl", m->ap_large, ",\n");
    put_number(out, "AR1", m->ar1, ",\n");
    put_number(out, "AR10", m->ar10, ",\n");
    put_number(out, "AR100", m->ar100, ",\n");
    eval_write_intervals(out, bootstrap);
    put_number(out, "seconds_per_image", seconds_per_image, ",\n");
    fputs("  \"classes\": [", out);
    for (int i = 0; i < md_dataset_class_count(dataset); i++) {
        fprintf(out, "%s\n    {\"name\": ", i ? "," : "");
        cli_put_json(out, md_dataset_class_name(dataset, i));
        fputc(',', out);
        put_number(out, "AP", md_report_class_ap(report, i), ",");
        put_number(out, "AP50", md_report_class_ap50(report, i), "}");
    }
    fputs("],\n  \"confusion\": [", out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%s\n    [", i ? "," : "");
        for (size_t j = 0; j < n; j++)
            fprintf(out, "%s%" PRIu64, j ? ", " : "", counts[i * n + j]);
        fputc(']', out);
    }
    fputs("]\n}\n", out);
}
