/* bootstrap.h - how far average precision could be off: the images drawn again and again.
 *
 * A resample draws as many images as there are, with replacement, each as a whole with its truths and
 * detections (Efron 1979). What average precision does over many resamples stands for what it would do
 * over many data sets of this size; the interval is from percentile to percentile. Average precision of
 * few truths is too high (the best precision at a recall is a maximum), and a resample has fewer
 * different ones still: the interval is moved down by what the resamples are higher on the average. */
#ifndef EVAL_BOOTSTRAP_H
#define EVAL_BOOTSTRAP_H

#include "eval/ap_table.h"

struct bootstrap_options {
    uint32_t resamples;
    uint64_t seed;
    int      threads; /* whose number changes no result */
};

/* Resample b is a function of the seed, b and the number of images alone: two of the same seed over
 * the same images are paired. */
struct bootstrap {
    struct memory           *memory;
    struct bootstrap_options options;
    size_t                   image_count, class_count;
    double                  *point;   /* [values] of the data set as it is: ap_table_measure */
    double                  *samples; /* [values, resamples] */
};

struct bootstrap_interval {
    double   value;     /* of the data set as it is; -1: nothing to measure */
    double   low, high; /* -1 without a resample */
    double   bias;      /* mean of the resamples less the value; taken off low and high */
    uint32_t resamples; /* those with anything to measure; 0 when there are fewer than two images */
};

struct bootstrap_difference {
    double   value;     /* a - b of the data set as it is; NAN: nothing to measure */
    double   low, high; /* of a - b, resample by resample; NAN without one */
    double   bias;      /* as in an interval */
    double   a_better, b_better; /* shares of the resamples, as they are; the rest are equal */
    uint32_t resamples;
};

md_status bootstrap_create(struct bootstrap *out, const struct ap_table *table,
                           const struct bootstrap_options *options);
void      bootstrap_free(struct bootstrap *bootstrap);

/* `value` is AP_KINDS * class + kind; `level` the share inside, as 0.95. */
md_status bootstrap_interval(struct bootstrap_interval *out, const struct bootstrap *bootstrap,
                             size_t value, double level);
/* Both of the same seed, resamples, images and classes: else MD_EMISMATCH. */
md_status bootstrap_difference(struct bootstrap_difference *out, const struct bootstrap *a,
                               const struct bootstrap *b, size_t value, double level);

/* How often each image is in a resample: weights[image_count], which sum up to image_count. */
void bootstrap_weights(uint32_t *weights, size_t image_count, uint64_t seed, uint32_t resample);

#endif
