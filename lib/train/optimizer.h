/* optimizer.h - one SGD step over the trainable slab, in as few operations as the settings allow. */
#ifndef TRAIN_OPTIMIZER_H
#define TRAIN_OPTIMIZER_H

#include "config/typed.h"
#include "nn/param.h"

/* Neighbours in the slab with equal settings. */
struct optimizer_range {
    int64_t first, count; /* elements; the padding between parameters included */
    double  lr_factor, weight_decay;
};

struct optimizer {
    struct param_set       *params;
    struct optimizer_range *ranges;
    int                     range_count;
    float                   momentum;
    bool                    nesterov;
    enum clip_kind          clip;
    float                   clip_value, clip_norm_type;
    struct tensor           sums; /* like the gradients; absent when a batch comes in one part */
    bool                    summing;
    struct tensor           scale; /* of gradients; absent unless the device has F16 activations */
    struct tensor           flag; /* [1] I32 on the device: are all gradients finite? */
};

/* Adds gradients and momentum to the parameters if they have none yet. */
md_status optimizer_create(struct optimizer *out, struct param_set *params,
                           const struct solver_config *config);
void      optimizer_free(struct optimizer *optimizer); /* all zero is fine */

/* Before the first batch that comes in parts, if the settings had none. */
md_status optimizer_prepare_parts(struct optimizer *optimizer);
/* After the backward pass of a part of a batch that is `share` of its images: adds the part's gradients
 * to the others'. After the last part the gradients are those of the whole. */
md_status optimizer_add_part(struct optimizer *optimizer, struct stream *stream, double share, bool last);
/* Clips the gradients if it is to, then makes the step of `step`'s learning rate, unless gradients are
 * not finite: then `flag` says so, and nothing changes. `first`: no momentum yet. */
md_status optimizer_step(struct optimizer *optimizer, struct stream *stream, const struct tensor *step,
                         bool first);
/* What scale is: {factor, steps}; nothing when it is absent. */
md_status optimizer_set_scale(struct optimizer *optimizer, struct stream *stream, const float scale[2]);
/* When a step has been enqueued, also as part of a recording. */
void      optimizer_stepped(struct optimizer *optimizer);
/* Are all gradients, or all trainable values, finite? If not, *culprit is the first parameter with
 * one that is not; else NULL. */
md_status optimizer_check_gradients(struct optimizer *optimizer, struct stream *stream,
                                    const struct param **culprit);
md_status optimizer_check_values(struct optimizer *optimizer, struct stream *stream,
                                 const struct param **culprit);

#endif
