/* batch_parts.h - losses and gradients of a batch that passes the network in parts. */
#ifndef TRAIN_BATCH_PARTS_H
#define TRAIN_BATCH_PARTS_H

#include "model/session.h"
#include "train/host_batch.h"
#include "train/optimizer.h"

/* Losses of a batch that are put together from those of its parts, in this order. */
struct joined_losses {
    struct step_losses sum;
    float regions, foreground; /* what accuracies are means over, of all parts */
};
/* `images` of the part, which are `share` of all. */
void joined_losses_add(struct joined_losses *joined, const struct step_losses *part, float images,
                       float share);
void joined_losses_finish(struct joined_losses *joined);

/* As session_losses with an update for the whole batch, up to rounding, in `parts` passes of nearly equal
 * numbers of images; random numbers are those of the whole. Each part divides its losses by its own
 * counts, as each GPU does in Detectron2: it makes a difference only where images have fewer regions than
 * BATCH_SIZE_PER_IMAGE. */
md_status batch_parts_losses(struct session *session, struct optimizer *optimizer,
                             struct step_losses *out, const struct host_batch *batch, int parts,
                             const struct step_values *values, const struct session_update *update);

#endif
