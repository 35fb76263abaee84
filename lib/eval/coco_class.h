/* coco_class.h - the figures of one class: its detections matched, ordered by score and counted. */
#ifndef EVAL_COCO_CLASS_H
#define EVAL_COCO_CLASS_H

#include "eval/coco_match.h"

/* A detection or a truth of the class. */
struct coco_entry {
    double   score; /* of a detection */
    uint32_t image, index;
};

struct coco_class {
    struct memory               *memory;
    const struct coco_options   *options;
    const struct eval_detection *detections;
    const struct annotation     *annotations;
    struct coco_entry           *found; /* becomes sorted by image, then by falling score */
    const struct coco_entry     *truth; /* by image */
    size_t                       found_count, truth_count;
};

/* figures[COCO_FIGURES][threshold_count] */
md_status coco_class_measure(double *figures, const struct coco_class *of);

#endif
