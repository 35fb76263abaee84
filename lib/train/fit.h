/* fit.h - how many images a training step can have in a device's memory. */
#ifndef TRAIN_FIT_H
#define TRAIN_FIT_H

#include "config/typed.h"
#include "model/session.h"

/* What one step takes of the device's memory beside parameters, gradients and momentum: measured, not
 * computed, at the configuration's largest image. Libraries' own scratch memory is not in it. */
struct fit {
    int    images;        /* the most that fit into `available`; 0: not even one */
    size_t bytes;         /* of that step, or of one image when none fits */
    int    height, width; /* of the largest image, padded */
};

/* Gradients and momentum are made first, as in training. `available` is asked of the caller after
 * that, as it counts what is free then. */
typedef md_status fit_available_fn(void *context, uint64_t *bytes);
md_status fit_find(struct fit *out, struct detector *detector, const struct typed_config *typed,
                   fit_available_fn *available, void *context);

#endif
