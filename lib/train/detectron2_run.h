/* detectron2_run.h - goes on with a run that Detectron2 began: weights, momentum, iteration.
 *
 * A checkpoint numbers the parameters of the optimizer and does not name them. The numbers follow the
 * order of the model's state dict, which the file has, without what is not trained; parameters with
 * equal settings may have been put together in groups. */
#ifndef TRAIN_DETECTRON2_RUN_H
#define TRAIN_DETECTRON2_RUN_H

#include "core/log.h"
#include "model/detector.h"
#include "train/schedule.h"
#include "weights/tensors.h"

struct detectron2_run {
    int64_t iteration;    /* finished steps */
    bool    has_momentum; /* false: the next step is SGD's first */
    bool    trains_norms; /* the groups behind the first are theirs, not the biases' */
};

/* Is it a checkpoint of PyTorch, as against one of a run here? */
bool detectron2_run_is(const struct weights_file *file);

/* Takes weights and momentum over, or nothing; gradients and momentum must have been prepared. Prefixes
 * go from the names in `file`. What is not taken over is logged. MD_EFORMAT: no iteration in the
 * file; MD_EMISMATCH: weights or optimizer are of another network. */
md_status detectron2_run_load(struct detectron2_run *out, struct detector *detector,
                              struct stream *stream, struct weights_file *file,
                              const struct log *log);

/* Logs where the file's settings differ from those that hold from here on. */
void detectron2_run_compare(const struct detectron2_run *run, const struct weights_file *file,
                            const struct solver_config *solver, const struct schedule *schedule,
                            const struct log *log);

#endif
