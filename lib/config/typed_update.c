/* typed_update.c - the part of config_typed about how a step changes the weights: learning rate,
 * clipping, a batch in parts, the running average. */
#include "config/typed_read.h"
#include "core/error.h"

static md_status read_schedule(const struct config *config, struct solver_config *out)
{
    static const char *const names[] = {"WarmupMultiStepLR", "WarmupCosineLR",
                                        "WarmupStepWithFixedGammaLR", NULL};
    static const char *const methods[] = {"linear", "constant", NULL};
    md_status st = MD_OK;
    int word = 0;
    TRY(typed_read_word(config, "SOLVER.LR_SCHEDULER_NAME", names, &word));
    out->schedule = (enum schedule_kind)word;
    TRY(typed_read_word(config, "SOLVER.WARMUP_METHOD", methods, &word));
    out->warmup_constant = word == 1;
    if (out->schedule == SCHEDULE_COSINE && out->base_lr_end > out->base_lr)
        FAIL(MD_EINVAL,
             "SOLVER.BASE_LR_END = %g is above SOLVER.BASE_LR = %g; WarmupCosineLR only falls",
             out->base_lr_end, out->base_lr);
fail:
    return st;
}

static md_status read_clipping(const struct config *config, struct solver_config *out)
{
    static const char *const types[] = {"value", "norm", "full_model", NULL};
    md_status st = MD_OK;
    bool enabled = false;
    int type = 0;
    TRY(config_get_bool(config, "SOLVER.CLIP_GRADIENTS.ENABLED", &enabled));
    TRY(typed_read_word(config, "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", types, &type));
    out->clip = !enabled ? CLIP_OFF : (enum clip_kind)(CLIP_VALUE + type);
    if (enabled && out->clip_value == 0)
        FAIL(MD_EINVAL, "SOLVER.CLIP_GRADIENTS.CLIP_VALUE is 0: nothing would be learnt; it must "
                        "be above 0");
    if (enabled && out->clip_norm_type == 0)
        FAIL(MD_EINVAL, "SOLVER.CLIP_GRADIENTS.NORM_TYPE is 0; it must be above 0, 2 is usual");
fail:
    return st;
}

md_status typed_read_update(const struct config *config, struct solver_config *out)
{
    md_status st = MD_OK;
    TRY(read_schedule(config, out));
    TRY(read_clipping(config, out));
    TRY(typed_read_number(config, "MDET.EMA.DECAY", 0, 1, &out->ema_decay));
    if (out->ema_decay == 1)
        FAIL(MD_EINVAL, "MDET.EMA.DECAY is 1: the average would never move; it must be below 1");
    if (out->accumulate > out->ims_per_batch)
        FAIL(
            MD_EINVAL,
            "MDET.SOLVER.ACCUMULATE is %d, more than the %d images of SOLVER.IMS_PER_BATCH; a part "
            "needs at least one",
            out->accumulate, out->ims_per_batch);
fail:
    return st;
}
