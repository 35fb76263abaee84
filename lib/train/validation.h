/* validation.h - the loss over a validation set, and the average precision of what is found on it. */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include <stdatomic.h>

#include "config/typed.h"
#include "core/log.h"
#include "eval/coco_ap.h"
#include "group/group.h"
#include "train/host_batch.h"

struct validation_options {
    const struct dataset    *dataset;
    const struct input_config *input;
    int                      threads; /* of the loader */
    bool                     skip_broken;
    const struct detect_options *detect; /* NULL: the loss alone */
    const struct log        *log;
    struct group            *group; /* processes that share the images; NULL: this one alone */
    atomic_bool             *stop; /* looked at between images; may be NULL */
};

struct validation_result {
    double             loss;
    size_t             skipped; /* images that could not be read, and count nowhere */
    bool               has_ap;
    struct coco_result ap;      /* with has_ap */
};

/* The training loss without gradients: every image once, in order, alone in its batch, resized as
 * for testing, not flipped, the sampled anchors and regions drawn from a fixed random stream. The
 * result is the mean of the images' total losses: a function of weights and data set alone. With
 * `detect` the same pixels pass the network once more, and the detections, in pixels of the images
 * as they are in the data set, are measured as COCO does it. MD_AGAIN: broken off by `stop`. The
 * processes of a group see every n-th image each, and come to the same result, that of a single one.
 * Working memory is given back before it returns; *out is the caller's to free when MD_OK. */
md_status validation_run(struct session *session, struct host_batch *host,
                         const struct validation_options *options, struct validation_result *out);
void      validation_result_free(struct validation_result *result, struct memory *memory);

#endif
