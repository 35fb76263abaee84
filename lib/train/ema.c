/* ema.c - a running average of the trainable weights, and its place in the network for a while. */
#include "train/ema.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

md_status ema_create(struct ema *out, struct param_set *params, const struct solver_config *config)
{
    md_status st = MD_OK;
    struct ema ema = {.params = params, .decay = config->ema_decay, .warmup = config->ema_warmup};
    if (!config->ema) {
        memset(out, 0, sizeof *out);
        return MD_OK;
    }
    TRY(param_set_prepare_average(params));
    TRY(tensor_create(params->device, &ema.kept, TENSOR_F32, SHAPE(params->trainable_count)));
    *out = ema;
fail:
    return st;
}

void ema_free(struct ema *ema)
{
    if (ema->params)
        tensor_destroy(ema->params->device, &ema->kept);
    memset(ema, 0, sizeof *ema);
}

static struct tensor trained_weights(const struct ema *ema)
{
    return tensor_rows(&ema->params->values, 0, ema->params->trainable_count);
}

md_status ema_start(struct ema *ema, struct stream *stream)
{
    if (!ema->params)
        return MD_OK;
    const struct tensor weights = trained_weights(ema);
    return op_copy(stream, &ema->params->averages, &weights);
}

double ema_share(const struct ema *ema, int64_t steps)
{
    double early = (1.0 + (double)steps) / (10.0 + (double)steps);
    return ema->warmup ? fmin(ema->decay, early) : ema->decay;
}

md_status ema_update(struct ema *ema, struct stream *stream, const struct tensor *step,
                     const struct tensor *apply)
{
    if (!ema->params)
        return MD_OK;
    const struct tensor weights = trained_weights(ema);
    return op_average(stream, &ema->params->averages, &weights, step, apply);
}

md_status ema_show(struct ema *ema, struct stream *stream)
{
    md_status st = MD_OK;
    if (!ema->params || ema->shown)
        return MD_OK;
    struct tensor weights = trained_weights(ema);
    TRY(op_copy(stream, &ema->kept, &weights));
    ema->shown = true;
    param_set_trained(ema->params);
    TRY(op_copy(stream, &weights, &ema->params->averages));
fail:
    return st;
}

md_status ema_hide(struct ema *ema, struct stream *stream)
{
    if (!ema->shown)
        return MD_OK;
    struct tensor weights = trained_weights(ema);
    ema->shown = false;
    param_set_trained(ema->params);
    return op_copy(stream, &weights, &ema->kept);
}
