/* ema.h - a running average of the trainable weights, and its place in the network for a while. */
#ifndef TRAIN_EMA_H
#define TRAIN_EMA_H

#include "config/typed.h"
#include "nn/param.h"

/* All zero: off, and every function does nothing. */
struct ema {
    struct param_set *params;
    double            decay;
    bool              warmup;
    bool              shown;
    struct tensor     kept; /* the trained weights while the average is shown */
};

/* With MDET.EMA.ENABLED: adds the average to the parameters. */
md_status ema_create(struct ema *out, struct param_set *params, const struct solver_config *config);
void      ema_free(struct ema *ema);

/* The average becomes the weights as they are. */
md_status ema_start(struct ema *ema, struct stream *stream);
/* After a step of the optimiser: average = d * average + (1 - d) * weights, with `step`'s shares d and
 * 1 - d, unless `apply` is 0. */
md_status ema_update(struct ema *ema, struct stream *stream, const struct tensor *step,
                     const struct tensor *apply);
/* The share d when `steps` have been made before: the decay; with warm-up, at most (1 + steps) / (10 +
 * steps). A function of `steps` alone, so that a resumed run goes on with it. */
double    ema_share(const struct ema *ema, int64_t steps);

/* The network has the averaged weights until ema_hide; nothing may train it meanwhile. */
md_status ema_show(struct ema *ema, struct stream *stream);
md_status ema_hide(struct ema *ema, struct stream *stream);

#endif
