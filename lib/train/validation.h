/* validation.h - the loss over a validation set. */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include <stdatomic.h>

#include "config/typed.h"
#include "core/log.h"
#include "train/host_batch.h"

struct validation_options {
    const struct dataset    *dataset;
    const struct input_config *input;
    int                      threads; /* of the loader */
    bool                     skip_broken;
    const struct log        *log;
    atomic_bool             *stop; /* looked at between images; may be NULL */
};

/* The training loss without gradients: every image once, in order, alone in its batch, resized as
 * for testing, not flipped, the sampled anchors and regions drawn from a fixed random stream. *loss
 * is the mean of the images' total losses: a function of weights and data set alone. MD_AGAIN:
 * broken off by `stop`. */
md_status validation_run(struct session *session, struct host_batch *host,
                         const struct validation_options *options, double *loss, size_t *skipped);

#endif
