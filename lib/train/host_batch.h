/* host_batch.h - a loader's batch in the form that a session takes. */
#ifndef TRAIN_HOST_BATCH_H
#define TRAIN_HOST_BATCH_H

#include "data/loader.h"
#include "model/session.h"

enum { HOST_BATCH_IMAGES = 64 };

/* Arrays that grow and are used again. Pixels stay the loader's. */
struct host_batch {
    struct memory       *memory;
    struct session_image images[HOST_BATCH_IMAGES];
    struct session_truth truth[HOST_BATCH_IMAGES];
    int                  count;
    float               *boxes;   /* [capacity,4] */
    int                 *classes; /* [capacity] */
    size_t               capacity;
};

void      host_batch_init(struct host_batch *host, struct memory *memory);
void      host_batch_free(struct host_batch *host); /* all zero is fine */
/* Valid until the batch is given back to its loader. */
md_status host_batch_set(struct host_batch *host, const struct batch *batch);

#endif
