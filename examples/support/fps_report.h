/* fps_report.h - md-fps's job and its figures: a table and a JSON file. */
#ifndef EXAMPLES_FPS_REPORT_H
#define EXAMPLES_FPS_REPORT_H

#include "cli.h"
#include "pictures.h"
#include "samples.h"

struct fps_arguments {
    const char *weights, *config, *images, *json, *save;
    int height, width, batch, warmup, iters, pairs;
    float peak; /* GFLOP/s of the machine; 0: not given */
    bool train;
    char **pair;
};

struct fps_job {
    struct cli *cli;
    const struct fps_arguments *a;
    md_context *context;
    md_model *model;
    struct pictures pictures;
    struct samples whole, preprocess, network, postprocess; /* of a whole batch or step */
    double proposals, detections;                           /* of an image */
    md_detections *first; /* of the first image */
};

md_status fps_add(struct fps_job *job, double seconds, const md_predict_times *times); /* NULL: none */
/* Counts the detections of a batch and keeps those of the first image: takes found[0]. */
md_status fps_keep(struct fps_job *job, md_detections **found);
/* Prints, and writes the JSON file if one is wanted. Returns the exit code. */
int  fps_report(struct fps_job *job);
void fps_free(struct fps_job *job);

#endif
