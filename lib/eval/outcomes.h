/* outcomes.h - every detection judged at some IoU thresholds, class by class and best score first. */
#ifndef EVAL_OUTCOMES_H
#define EVAL_OUTCOMES_H

#include "eval/coco_ap.h"

/* A detection is a hit, ignored (it counts neither way) or else a false positive. */
struct eval_outcome {
    double   score;
    uint32_t hit, ignored; /* bit t: at threshold t */
    uint32_t image;
    uint32_t place;        /* before the scores put them in order: by image, then by falling score */
};

/* What one image has of one class. */
struct eval_group {
    const struct eval_detection *const *detections; /* best score first; of equals the earlier */
    size_t                              detection_count;
    const struct annotation *const     *truths;     /* in the order of the data set */
    size_t                              truth_count;
    uint32_t                           *taken;      /* [truth_count] bits of a rule's own; 0 at first */
};

/* How a rule judges a group: outcome i is that of detection i, whose bits are 0 at first. */
typedef void eval_judge_fn(void *user, const struct eval_group *group, struct eval_outcome *outcomes);

struct eval_outcomes {
    struct eval_outcome *items; /* by class; in a class by falling score, ties in order of images */
    size_t              *first; /* [class_count + 1] where the outcomes of each class begin */
    size_t               class_count;
};

/* Of the detections of one class in one image the `most` best are judged (0: all). A detection of
 * no image or class of the data set, or one that is not finite, is MD_EINVAL. */
md_status eval_outcomes_create(struct eval_outcomes *out, struct memory *memory,
                               const struct dataset *dataset,
                               const struct eval_detection *detections, size_t count, size_t most,
                               eval_judge_fn *judge, void *user);
void      eval_outcomes_free(struct eval_outcomes *outcomes, struct memory *memory);

#endif
