/* curves.h - precision against recall and against confidence, and the confidence that suits best.
 *
 * Detections are matched within class and image as COCO does it: best score first, each takes the
 * truth it overlaps most among those that are left; what only a crowd matches counts neither way. */
#ifndef EVAL_CURVES_H
#define EVAL_CURVES_H

#include "eval/outcomes.h"

enum { CURVE_POINTS = 101, CURVE_MAX_STEPS = 1000 };

enum curve_kind {
    CURVE_PR50,      /* precision at recall 0, 0.01 ... 1, as COCO interpolates it, at IoU 0.50 */
    CURVE_PR75,
    CURVE_PRECISION, /* at confidence 0, 0.01 ... 1 and IoU 0.50, as the next two */
    CURVE_RECALL,
    CURVE_F1,
    CURVE_KINDS
};

/* All detections from `score` on: one step of a curve that is not interpolated. */
struct curve_step {
    double score, precision, recall;
};

/* -1 where there is nothing to divide by: precision without a detection, recall without a truth. */
struct curve_counts {
    uint64_t hits, false_positives, misses;
    double   precision, recall, f1;
};

/* Index class_count stands for all classes: the mean curve over those that have truths, the sums of
 * counts, the threshold that suits the sums. */
struct curves {
    size_t               class_count;
    double              *values;    /* [CURVE_KINDS][class_count + 1][CURVE_POINTS]; -1: undefined */
    struct curve_step   *steps;     /* by falling score: a class at IoU 0.50, then at 0.75 */
    size_t              *step_at;   /* [2 * class_count + 1] */
    uint64_t            *positives; /* [class_count + 1] truths */
    double              *best;      /* [class_count + 1]; -1: no detection is right */
    struct eval_outcomes outcomes;
};

/* Of one class in one image `most` detections count at most (0: all); COCO has 100. */
md_status curves_create(struct curves *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count, size_t most);
void      curves_free(struct curves *curves, struct memory *memory);

/* [CURVE_POINTS] */
const double *curves_values(const struct curves *curves, enum curve_kind kind, size_t class_id);
/* At most CURVE_MAX_STEPS: of more, some that lie evenly, with the first and the last. `strict`: at
 * IoU 0.75, else 0.50. Of one class, not of all. */
const struct curve_step *curves_steps(const struct curves *curves, bool strict, size_t class_id,
                                      size_t *count);
/* Of the detections whose score is at least `score`, at IoU 0.50. */
void curves_count(struct curve_counts *out, const struct curves *curves, size_t class_id, double score);
/* Precision, recall and F1 from the other three. */
void curve_counts_finish(struct curve_counts *counts);

#endif
