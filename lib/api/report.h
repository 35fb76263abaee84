/* report.h - what is inside an md_report: all that was found, and what was worked out of it. */
#ifndef API_REPORT_H
#define API_REPORT_H

#include "api/internal.h"
#include "eval/coco_ap.h"

struct md_report {
    md_dataset            *dataset;    /* retained */
    struct eval_detection *detections; /* [count] in the order they were added */
    size_t                 count;
    md_eval_options        options;
    struct coco_options    coco_options; /* as `options` want them */
    md_metrics             metrics;
    struct coco_result     coco;
    uint64_t              *confusion;  /* [classes + 1, classes + 1] */
    double                 confusion_score; /* which detections are in it */
};

/* MD_EINVAL names the field that is wrong. */
md_status eval_options_read(struct coco_options *out, const md_eval_options *options, int threads);

/* Copies the detections and all of the options. */
md_status report_create(md_report **out, md_dataset *dataset, const struct eval_detection *detections,
                        size_t count, const md_eval_options *options);

#endif
