/* curves.h - precision against recall and against confidence, and the confidence that suits best.
 *
 * Detections are matched within class and image as COCO does it: best score first, each takes the
 * truth it overlaps most among those that are left; what only a crowd matches counts neither way. */
#ifndef EVAL_CURVES_H
#define EVAL_CURVES_H

#include "eval/outcomes.h"
#include "md/eval.h"

enum { CURVE_KINDS = MD_CURVE_F1 + 1, CURVE_MAX_STEPS = 1000 };

/* Index class_count stands for all classes: the mean curve over those that have truths, the sums of
 * counts, the threshold that suits the sums. */
struct curves {
    size_t               class_count;
    double              *values;    /* [CURVE_KINDS][class_count + 1][MD_CURVE_POINTS]; -1: undefined */
    md_curve_step       *steps;     /* by falling score: a class at IoU 0.50, then at 0.75 */
    size_t              *step_at;   /* [2 * class_count + 1] */
    uint64_t            *positives; /* [class_count + 1] truths */
    double              *best;      /* [class_count + 1]; -1: no detection is right */
    struct eval_outcomes outcomes;
};

/* Of one class in one image `most` detections count at most (0: all); COCO has 100. */
md_status curves_create(struct curves *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count, size_t most);
void      curves_free(struct curves *curves, struct memory *memory);

/* MD_CURVE_POINTS of them. */
const double *curves_values(const struct curves *curves, md_curve kind, size_t class_id);
/* At most CURVE_MAX_STEPS: of more, some that lie evenly, with the first and the last. `strict`: at
 * IoU 0.75, else 0.50. Of one class, not of all. */
const md_curve_step *curves_steps(const struct curves *curves, bool strict, size_t class_id,
                                  size_t *count);
/* Of the detections whose score is at least `score`, at IoU 0.50. */
void curves_count(md_counts *out, const struct curves *curves, size_t class_id, double score);
/* Precision, recall and F1 from the other three. */
void curves_finish_counts(md_counts *counts);

#endif
