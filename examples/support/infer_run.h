/* infer_run.h - md-infer's work: batches of images read, predicted, drawn and listed. */
#ifndef EXAMPLES_INFER_RUN_H
#define EXAMPLES_INFER_RUN_H

#include "cli.h"
#include "inputs.h"
#include "results.h"
#include "stages.h"

enum { MOST_BATCH = 64 };

struct infer_arguments {
    const char *weights, *output, *json;
    float threshold; /* negative: none was asked for */
    int batch, pairs;
    char **pair;
    bool skip, skip_given;
    struct inputs inputs;
};

struct infer_job {
    struct cli *cli;
    const struct infer_arguments *a;
    md_context *context;
    md_model *model;
    md_predictor *predictor;
    struct results results;
    struct stages stages;
    size_t detections, broken;
};

/* All inputs, in order. A failure's text is in md_last_error. */
md_status infer_run(struct infer_job *job);

#endif
