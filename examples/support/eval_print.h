/* eval_print.h - average precisions and the confusion matrix as text tables and JSON. */
#ifndef EXAMPLES_EVAL_PRINT_H
#define EXAMPLES_EVAL_PRINT_H

#include <stdio.h>

#include <md.h>

/* What was averaged over. */
struct eval_summary {
    double low, high; /* IoU */
    int most;         /* detections of an image and class */
};

/* As Detectron2 prints them: twelve lines of fractions; tables of percent with three decimals and nan
 * where there is nothing to measure; the line to paste. */
void eval_print_metrics(FILE *out, const md_metrics *metrics, const struct eval_summary *summary);
/* Nothing for a single class. */
void eval_print_classes(FILE *out, const md_report *report, const md_dataset *dataset);
/* Rows are the truth, columns the prediction, "nothing" the last of each. */
void eval_print_confusion(FILE *out, const md_report *report, const md_dataset *dataset,
                          float threshold);
/* Cells of tables: the text and blanks up to the width; ":---" and the end; the larger of the width and
 * what the text takes on a terminal. */
void eval_put_cell(FILE *out, const char *text, int width);
void eval_put_rule(FILE *out, int width, const char *end);
int  eval_longer(int width, const char *text);

/* `bootstrap` may be NULL: no intervals. */
void eval_write_json(FILE *out, const md_report *report, const md_dataset *dataset,
                     const md_bootstrap *bootstrap, double seconds_per_image);
void eval_write_intervals(FILE *out, const md_bootstrap *bootstrap);

#endif
