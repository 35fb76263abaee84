/* report.h - what an evaluation found, as a folder for people and for programs. */
#ifndef REPORT_REPORT_H
#define REPORT_REPORT_H

#include "eval/curves.h"
#include "report/gallery.h"

struct report_fact {
    const char *name, *value; /* "Weights", "mask_detector.safetensors" */
};

/* Where the true value lies, as fractions; high < low: not known. */
struct report_interval {
    double low, high;
};

/* What was evaluated and all that came of it; borrowed. What is marked so may be NULL: its part of
 * the report is left out. */
struct report_content {
    const char                  *title;
    const struct dataset        *dataset;
    const struct eval_detection *detections; /* [count] */
    size_t                       count;
    const struct coco_result    *coco;
    const struct coco_options   *rules;      /* that it was made by */
    const uint64_t              *confusion;  /* [classes + 1, classes + 1], as confusion_matrix has it */
    double                       score, iou; /* of the confusion matrix */
    struct report_interval       ap, ap50;
    uint32_t                     resamples;  /* that the intervals come from */
    const struct curves         *curves;     /* may be NULL */
    const struct error_analysis *errors;     /* may be NULL */
    const struct gallery        *gallery;    /* of the same folder; may be NULL */
    const struct report_fact    *facts;
    size_t                       fact_count;
};

/* Into FOLDER, made if it is not there, each file whole or not at all: metrics.json,
 * coco_instances_results.json, plots (SVG and PNG) and report.html, which needs none of the others. */
md_status report_save(const struct report_content *content, struct memory *memory, const char *folder);

/* The numbers alone. */
md_status report_save_metrics(const struct report_content *content, struct memory *memory,
                              const char *path);

#endif
