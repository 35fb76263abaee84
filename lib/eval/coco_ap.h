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

/* MD_EINVAL naming detection `index` when it is of no image or class of the data set, or not finite. */
md_status eval_detection_check(const struct dataset *dataset, const struct eval_detection *detection,
                               size_t index);

enum { COCO_MOST_THRESHOLDS = 32, COCO_LIMITS = 3 };

struct coco_options {
    double thresholds[COCO_MOST_THRESHOLDS]; /* IoU, rising */
    int    threshold_count;
    int    limits[COCO_LIMITS]; /* detections of an image and class, rising: AR1, AR10, all the rest */
    bool   strict_ids; /* as pycocotools: a detection that takes the truth of id 0 counts as a miss */
    int    threads;    /* classes at a time */
};

struct coco_options coco_options_default(void); /* .50:.05:.95; 1, 10, 100; no; 1 */
md_status           coco_options_check(const struct coco_options *options);

/* -1 where there is nothing to measure. Fractions, not percent. */
struct coco_metrics {
    double ap, ap50, ap75, ap_small, ap_medium, ap_large;
    double ar1, ar10, ar100, ar_small, ar_medium, ar_large;
};

/* What is known of a class at an IoU threshold: mean precision over the 101 recalls, and recall, of
 * all sizes, small, medium and large truths; recall with fewer detections. */
enum coco_figure {
    COCO_AP,
    COCO_AP_SMALL,
    COCO_AP_MEDIUM,
    COCO_AP_LARGE,
    COCO_AR,
    COCO_AR_SMALL,
    COCO_AR_MEDIUM,
    COCO_AR_LARGE,
    COCO_AR1,
    COCO_AR10,
    COCO_FIGURES
};

struct coco_result {
    struct coco_metrics metrics;
    double *class_ap;   /* [class_count]: mean over IoU; -1: no truth */
    double *class_ap50; /* [class_count]: at IoU .50; -1 also when that is no threshold */
    double *figures;    /* [class_count][COCO_FIGURES][threshold_count]; -1: no truth of that size */
};

/* No detections at all: every value is -1, as Detectron2 has it. */
md_status coco_evaluate(struct coco_result *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count);
md_status coco_evaluate_as(struct coco_result *out, struct memory *memory,
                           const struct dataset *dataset, const struct eval_detection *detections,
                           size_t count, const struct coco_options *options);
void      coco_result_free(struct coco_result *result, struct memory *memory);

/* n = class_count + 1, the last is "nothing"; matrix[truth * n + prediction], n * n of them, cleared
 * first. Detections with score >= `score`; greedy one-to-one by IoU >= `iou` whatever the class, best
 * IoU first, ties by score, then index; crowd truths absorb detections and count nowhere. */
md_status confusion_matrix(uint64_t *matrix, struct memory *memory, const struct dataset *dataset,
                           const struct eval_detection *detections, size_t count, double score, double iou);

#endif
