/* coco_match.h - which detection takes which truth: one image and class, all IoU thresholds and sizes. */
#ifndef EVAL_COCO_MATCH_H
#define EVAL_COCO_MATCH_H

#include "eval/coco_ap.h"

/* The default options' number of thresholds and last limit. */
enum { COCO_THRESHOLDS = 10, COCO_AREAS = 4, COCO_MAX_DETECTIONS = 100 };

extern const double coco_thresholds[COCO_THRESHOLDS]; /* IoU .50 to .95 */

/* A detection after matching. Sizes are 0 all, 1 small, 2 medium, 3 large. */
struct coco_outcome {
    double   score;
    uint32_t matched[COCO_AREAS]; /* bit t: took a truth at threshold t */
    uint32_t ignored[COCO_AREAS]; /* bit t: counts neither way */
    uint32_t rank;                /* by score, within image and class */
};

/* Room for one image and class; grows as needed. */
struct coco_scratch {
    struct memory             *memory;
    const struct coco_options *options; /* NULL: the default ones */
    double                    *iou;     /* [detections, truths] */
    uint32_t                  *order;   /* [truths] those that count first */
    uint8_t                   *taken;   /* [truths] */
    size_t                     iou_capacity, truth_capacity;
};

/* `detections` by falling score, at most options->limits' last; `outcomes` has room for them. */
md_status coco_match(struct coco_outcome *outcomes, struct coco_scratch *scratch,
                     const struct eval_detection *const *detections, size_t detection_count,
                     const struct annotation *const *truths, size_t truth_count);
bool      coco_area_is_out(double area, int size);
void      coco_scratch_free(struct coco_scratch *scratch);

/* x, y, width, height. `crowd`: the share of the detection that lies in the truth. */
double box_iou(const double detection[4], const double truth[4], bool crowd);

#endif
