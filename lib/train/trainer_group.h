/* trainer_group.h - a trainer among those of a group's other processes. Everything here does nothing for
 * a single process.
 *
 * The processes share each batch, average gradients and losses, and make the same step: weights, learning
 * rate, random numbers and the place in the data are the same in all, so the files of rank 0 are those of
 * the whole. */
#ifndef TRAIN_TRAINER_GROUP_H
#define TRAIN_TRAINER_GROUP_H

#include "train/trainer_state.h"

/* Before anything is opened: only rank 0 keeps a folder and reads checkpoints, and the log of the others
 * begins with which one they are. MD_EINVAL: the batch cannot be shared. */
md_status trainer_join(struct trainer *trainer);
/* MD_EMISMATCH where configuration, data or classes differ from those of rank 0. Takes its seed. */
md_status trainer_agree(struct trainer *trainer);
/* From rank 0: weights, momentum, average, and where the run goes on. */
md_status trainer_share_start(struct trainer *trainer, struct checkpoint_state *state, bool *own);
/* From rank 0: what norms keep of what they have seen, which differs; before it is used or saved. */
md_status trainer_share_statistics(struct trainer *trainer);

/* After a step: losses become the means over all, *seconds the longest, and whether any process was asked
 * to stop is known to all. */
md_status trainer_share_losses(struct trainer *trainer, struct step_losses *losses, double *seconds);
/* Is the run to end after the step at hand? All processes see it at the same step. */
bool      trainer_stopping(const struct trainer *trainer);
/* When another process is gone: a checkpoint of the last whole step, if this one writes any. */
void      trainer_rescue(struct trainer *trainer);

#endif
