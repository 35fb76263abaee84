/* ap_table.h - detections matched once, and average precision of any weights of the images from it.
 *
 * An image of weight w counts as w copies of itself, side by side: each of its detections is counted w
 * times at its place in COCO's order, and so is each of its truths. Only the hits decide (precision
 * falls between them), so that a measurement costs one pass over the detections and one over the hits
 * of each threshold. */
#ifndef EVAL_AP_TABLE_H
#define EVAL_AP_TABLE_H

#include "core/arena.h"
#include "eval/coco_match.h"

/* A detection that is not simply a miss. */
struct ap_event {
    uint32_t place; /* in order of score */
    bool     hit;   /* took a truth; else it counts neither way */
};

struct ap_truths {
    uint32_t image, count; /* those that count */
};

struct ap_class {
    uint32_t         *images; /* [detections] where each is, by falling score */
    size_t            detections;
    struct ap_event  *events; /* of threshold t: events[first[t] .. first[t + 1]), by place */
    size_t            first[COCO_MOST_THRESHOLDS + 1];
    struct ap_truths *truths; /* [truth_images] */
    size_t            truth_images;
};

struct ap_table {
    struct arena     arena; /* of all below */
    struct ap_class *classes;
    size_t           class_count, image_count;
    int              thresholds, fifty; /* how many; which one is IoU .50, or -1 */
    size_t           most_detections; /* of a class */
};

/* What is measured, for each class and, at the end, for all. */
enum { AP_MEAN, AP_50, AP_KINDS };
static inline size_t ap_table_values(const struct ap_table *table)
{
    return AP_KINDS * (table->class_count + 1);
}

/* With options->limits' last as the most detections of an image and class. */
md_status ap_table_create(struct ap_table *out, struct memory *memory, const struct dataset *dataset,
                          const struct eval_detection *detections, size_t count,
                          const struct coco_options *options);
void      ap_table_free(struct ap_table *table);

/* values[AP_KINDS * class + kind], with class_count as the class of the mean over all; -1 where the
 * weights leave no truth, and for AP_50 where .50 is no threshold. With weights of 1 they are those of
 * coco_evaluate_as, but for no detections at all: AP is then 0. `counted` is room for
 * most_detections numbers. */
void ap_table_measure(double *values, const struct ap_table *table, const uint32_t *weights,
                      uint64_t *counted);

#endif
