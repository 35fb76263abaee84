/* schedule.h - the learning rate of each iteration: linear warm-up, then steps down. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "config/typed.h"
#include "core/log.h"

/* Detectron2's WarmupMultiStepLR. A pure function of the iteration, so that a resumed run goes on
 * with whatever the configuration says now. */
struct schedule {
    double  base_lr, gamma, warmup_factor;
    int64_t max_iter, warmup_iters;
    int64_t steps[CONFIG_MAX_STEPS]; /* strictly increasing, below max_iter */
    int     step_count;
};

/* Steps at or after max_iter have no effect: they are dropped with a warning. Steps that do not
 * increase and numbers no schedule can have are MD_EINVAL. */
md_status schedule_init(struct schedule *out, const struct solver_config *config,
                        const struct log *log);
double    schedule_lr(const struct schedule *schedule, int64_t iteration); /* from 0 on */

#endif
