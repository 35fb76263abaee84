/* random_boxes.h - data sets of random boxes, and detections of them that are right more or less often. */
#ifndef TESTS_RANDOM_BOXES_H
#define TESTS_RANDOM_BOXES_H

#include "eval/ap_table.h"

struct random_boxes {
    uint64_t seed;
    size_t   images;
    int      classes;
    int      truths;  /* at most so many in an image */
    int      others;  /* detections of nothing in an image, at most */
    double   found;   /* share of the truths that are detected */
    double   wobble;  /* how far a detection may be off, in widths */
    double   crowds;  /* share of the truths */
};

struct boxes {
    struct memory         *memory;
    struct dataset        *dataset;
    struct eval_detection *detections;
    size_t                 count;
};

/* Ids count from 0. Scores are of a grid: equal ones in different images, none in the same. */
void boxes_make(struct boxes *out, struct memory *memory, const struct random_boxes *options);
/* Image i as often as weights[i] says, the copies side by side. */
void boxes_repeat(struct boxes *out, const struct boxes *from, const uint32_t *weights);
/* ap_table_create with the default options. */
md_status boxes_table(struct ap_table *out, struct memory *memory, const struct dataset *dataset,
                      const struct eval_detection *detections, size_t count);
void boxes_free(struct boxes *boxes);

#endif
