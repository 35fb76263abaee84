/* schedule.h - the learning rate of each iteration: a warm-up, then steps down or a cosine. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "config/typed.h"
#include "core/log.h"

/* Detectron2's WarmupMultiStepLR, WarmupCosineLR and WarmupStepWithFixedGammaLR. A pure function of
 * the iteration, so that a resumed run goes on with whatever the configuration says now. */
struct schedule {
    enum schedule_kind kind;
    double  base_lr, end; /* the last as part of base_lr */
    double  gamma, warmup_factor;
    bool    warmup_constant;
    bool    rescale; /* the curve begins after the warm-up, not under it */
    int     num_decays;
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
