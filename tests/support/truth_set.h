/* truth_set.h - small data sets without pictures, by hand or by numbers that any language can repeat. */
#ifndef TESTS_TRUTH_SET_H
#define TESTS_TRUTH_SET_H

#include "eval/coco_ap.h"

struct truth {
    uint32_t image;
    int      class_id;
    double   x, y, w, h;
    bool     crowd, difficult;
};

/* Asserts that nothing fails. The classes are "a", "b", ... */
struct dataset *truth_set(struct memory *memory, size_t images, int classes,
                          const struct truth *truths, size_t count);

/* 16 bits of a linear congruential generator: *state = *state * 1664525 + 1013904223 mod 2^32. */
uint32_t truth_random(uint32_t *state);

enum { TRUTH_MOST = 256 };

/* Boxes at whole pixels, and detections around half of them and anywhere, with scores that are often
 * equal; corners are floats, scores multiples of 1/256. */
struct truth_case {
    struct truth          truths[TRUTH_MOST];
    struct eval_detection found[TRUTH_MOST];
    size_t                truth_count, found_count;
};

void truth_case_draw(struct truth_case *out, uint32_t seed, uint32_t images, uint32_t classes);

#endif
