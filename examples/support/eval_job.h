/* eval_job.h - one run of md-eval: what was asked for, where detections come from, what is made of them. */
#ifndef EXAMPLES_EVAL_JOB_H
#define EXAMPLES_EVAL_JOB_H

#include "cli.h"

enum { EVAL_MOST_IOU = 32 };

struct eval_arguments {
    const char *weights, *predictions, *compare[2]; /* one of the three ways is not NULL */
    const char *data;
    const char *json, *output;
    float threshold;
    int   draw, errors; /* pictures */
    int   max_detections, resamples;
    bool  ignore_unknown, strict;
    bool  best_threshold; /* `threshold` is known once the report is there */
    bool  voc, store_thresholds;
    double iou[EVAL_MOST_IOU]; /* [iou_count]; 0: COCO's ten */
    int   iou_count;
};

struct eval_job {
    struct cli   *cli;
    int           argc;
    char *const  *argv;
    struct eval_arguments arguments;
    md_context   *context;
    md_model     *model; /* NULL: the detections do not come from one */
    md_dataset   *dataset;
    md_evaluator *evaluator;
    md_report    *report; /* there when the outputs are made */
    md_bootstrap *bootstrap; /* from eval_show_intervals on; NULL: not asked for */
    double        seconds_per_image; /* of the model, without reading; 0 without one */
};

/* ---- sources: open the data set and fill job->evaluator ------------------------------------------ */

typedef md_status eval_source(struct eval_job *job);
eval_source eval_from_model, eval_from_file;

/* The settings of the evaluator that were asked for; opens it on job->dataset. */
md_status eval_open(struct eval_job *job);

/* ---- outputs: each looks by itself whether it was asked for -------------------------------------- */

/* -1 to go on, else the exit code; the reason was printed. */
typedef int eval_output(struct eval_job *job);
eval_output eval_show_tables, eval_show_intervals, eval_show_thresholds, eval_show_voc;
eval_output eval_store_thresholds, eval_show_errors, eval_write_numbers, eval_save_report;
eval_output eval_draw_images;

/* In place of all that: two files of results. Returns the exit code. */
int eval_compare(struct eval_job *job);

/* DIR/NAME below --output; the folders are made. false: the reason was printed. */
bool eval_output_path(const struct eval_job *job, const char *name, char *out, size_t size);
/* A failure to write is exit code 1, whatever was wrong with the file. */
int  eval_output_failed(struct eval_job *job, md_status status);

#endif
