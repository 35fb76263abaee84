/* eval_print.h - average precisions and the confusion matrix as text tables and JSON. */
#ifndef EXAMPLES_EVAL_PRINT_H
#define EXAMPLES_EVAL_PRINT_H

#include <stdio.h>

#include <md.h>

/* As Detectron2 prints them: percent, three decimals, nan where there is nothing to measure. */
void eval_print_metrics(FILE *out, const md_metrics *metrics);
void eval_print_classes(FILE *out, const md_report *report, const md_dataset *dataset);
/* Rows are the truth, columns the prediction, "nothing" the last of each. */
void eval_print_confusion(FILE *out, const md_report *report, const md_dataset *dataset,
                          float threshold);
void eval_write_json(FILE *out, const md_report *report, const md_dataset *dataset,
                     double seconds_per_image);

#endif
