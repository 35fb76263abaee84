/* voc_ap.h - Pascal VOC's average precision, by the rules of 2007 and of 2012.
 *
 * Detections of a class, best score first, each look at the truth they overlap most. Above the
 * threshold (not at it) the first on a truth is a hit, later ones are false positives, and those on
 * a difficult truth count neither way. Precision and recall along that list give the average. */
#ifndef EVAL_VOC_AP_H
#define EVAL_VOC_AP_H

#include "eval/coco_ap.h"
#include "md/eval.h"

enum { VOC_THRESHOLDS = 10, VOC_MAX_THRESHOLDS = 32 };

extern const double voc_thresholds[VOC_THRESHOLDS]; /* 0.50, 0.55 ... 0.95 */

/* MD_VOC_2007: the mean of the best precision from recall 0, 0.1 ... 1 on. MD_VOC_2012: the area
 * below the precision, made falling. */
enum { VOC_RULES = MD_VOC_2012 + 1 };

struct voc_options {
    const double *thresholds;      /* IoU to be exceeded */
    int           threshold_count; /* 1 .. VOC_MAX_THRESHOLDS */
    /* Scores to 3 decimals and corners to 1, as Detectron2 writes them into the files it evaluates:
     * with it the numbers are those of its PascalVOCDetectionEvaluator. */
    bool          rounded;
};

/* ap[rule][t * (class_count + 1) + c] is of threshold t and class c, -1 where no truth counts; the
 * last of each row is the mean over the classes that have one, -1 when there are none. */
struct voc_result {
    double *ap[VOC_RULES];
    size_t  class_count;
    int     threshold_count;
};

/* Difficult truths and crowds count neither way. All detections count, however many. */
md_status voc_evaluate(struct voc_result *out, struct memory *memory, const struct dataset *dataset,
                       const struct eval_detection *detections, size_t count,
                       const struct voc_options *options);
void      voc_result_free(struct voc_result *result, struct memory *memory);

#endif
