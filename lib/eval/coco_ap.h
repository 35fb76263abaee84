/* coco_ap.h - COCO average precision of boxes, as pycocotools computes it, and a confusion matrix.
 * Knows no network: detections come from anywhere. */
#ifndef EVAL_COCO_AP_H
#define EVAL_COCO_AP_H

#include "data/dataset.h"

struct eval_detection {
    uint32_t image; /* index in the dataset */
    int      class_id;
    double   box[4]; /* x, y, width, height in pixels */
    double   score;
};

/* -1 where there is nothing to measure. Fractions, not percent. */
struct coco_metrics {
    double ap, ap50, ap75, ap_small, ap_medium, ap_large;
    double ar1, ar10, ar100, ar_small, ar_medium, ar_large;
};

struct coco_result {
    struct coco_metrics metrics;
    double *class_ap;   /* [class_count]: mean over IoU; -1: no truth */
    double *class_ap50; /* [class_count] */
};

md_status coco_evaluate(struct coco_result *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count);
void      coco_result_free(struct coco_result *result, struct memory *memory);

/* n = class_count + 1, the last is "nothing"; matrix[truth * n + prediction], n * n of them, cleared
 * first. Detections with score >= `score`; greedy one-to-one by IoU >= `iou` whatever the class, best
 * IoU first, ties by score, then index; crowd truths absorb detections and count nowhere. */
md_status confusion_matrix(uint64_t *matrix, struct memory *memory, const struct dataset *dataset,
                           const struct eval_detection *detections, size_t count, float score, float iou);

#endif
