/* optimizer.c - one SGD step over the trainable slab, in as few operations as the settings allow. */
#include "train/optimizer.h"

#include <string.h>

#include "core/error.h"

enum { SCALE_PATIENCE = 2000 /* steps, as torch's GradScaler */ };

static struct optimizer_range range_of(const struct param *param,
                                       const struct solver_config *config)
{
    const bool bias = param->spec.is_bias, norm = param->spec.is_norm;
    const double of_weight = norm ? config->weight_decay_norm : config->weight_decay;
    const double of_bias = norm ? config->weight_decay_norm_bias : config->weight_decay_bias;
    return (struct optimizer_range){.first = param->offset,
                                    .count = param_count(param),
                                    .lr_factor = bias ? config->bias_lr_factor : 1.0,
                                    .weight_decay = bias ? of_bias : of_weight};
}

/* Parameters lie in the slab in the order of their declaration. */
static void add_range(struct optimizer *optimizer, struct optimizer_range range)
{
    struct optimizer_range *before = NULL;
    if (optimizer->range_count > 0) {
        before = &optimizer->ranges[optimizer->range_count - 1];
        before->count = range.first - before->first; /* padding stays zero under any step */
    }
    if (before && before->lr_factor == range.lr_factor &&
        before->weight_decay == range.weight_decay)
        before->count += range.count;
    else
        optimizer->ranges[optimizer->range_count++] = range;
}

md_status optimizer_create(struct optimizer *out, struct param_set *params,
                           const struct solver_config *config)
{
    md_status st = MD_OK;
    struct optimizer optimizer = {.params = params,
                                  .momentum = (float)config->momentum,
                                  .nesterov = config->nesterov,
                                  .clip = config->clip,
                                  .clip_value = (float)config->clip_value,
                                  .clip_norm_type = (float)config->clip_norm_type};
    TRY(param_set_prepare_training(params));
    TRY(memory_alloc(params->device->memory, &optimizer.ranges, (size_t)params->count,
                     sizeof *optimizer.ranges));
    for (int i = 0; i < params->count; i++)
        if (params->items[i]->spec.kind == PARAM_TRAINABLE)
            add_range(&optimizer, range_of(params->items[i], config));
    if (optimizer.range_count == 0)
        FAIL(MD_EINVAL, "the network has nothing to train; lower MODEL.BACKBONE.FREEZE_AT");
    TRY(tensor_create(params->device, &optimizer.flag, TENSOR_I32, SHAPE(1)));
    if (params->device->activations == TENSOR_F16)
        TRY(tensor_create(params->device, &optimizer.scale, TENSOR_F32, SHAPE(2)));
    if (config->accumulate > 1)
        TRY(optimizer_prepare_parts(&optimizer));
    *out = optimizer;
    return MD_OK;
fail:
    optimizer_free(&optimizer);
    return st;
}

void optimizer_free(struct optimizer *optimizer)
{
    if (!optimizer->params)
        return;
    tensor_destroy(optimizer->params->device, &optimizer->scale);
    tensor_destroy(optimizer->params->device, &optimizer->flag);
    tensor_destroy(optimizer->params->device, &optimizer->sums);
    memory_free(optimizer->params->device->memory, optimizer->ranges);
    memset(optimizer, 0, sizeof *optimizer);
}

/* ---- a step ----------------------------------------------------------------------------- */

md_status optimizer_prepare_parts(struct optimizer *optimizer)
{
    const struct param_set *params = optimizer->params;
    if (tensor_given(&optimizer->sums))
        return MD_OK;
    return tensor_create(params->device, &optimizer->sums, TENSOR_F32,
                         SHAPE(params->trainable_count));
}

md_status optimizer_add_part(struct optimizer *optimizer, struct stream *stream, double share,
                             bool last)
{
    md_status st = MD_OK;
    struct tensor *grads = &optimizer->params->grads;
    float kept = optimizer->summing ? 1 : 0;
    if (!last)
        TRY(op_blend(stream, &optimizer->sums, kept, grads, (float)share));
    else if (optimizer->summing)
        TRY(op_blend(stream, grads, (float)share, &optimizer->sums, 1));
    optimizer->summing = !last;
fail:
    return st;
}

/* Value by value, and so over the slab; parameter by parameter; or all as one. The padding is zero. */
static md_status clip(struct optimizer *optimizer, struct stream *stream)
{
    md_status st = MD_OK;
    struct param_set *set = optimizer->params;
    float limit = optimizer->clip_value, order = optimizer->clip_norm_type;
    if (optimizer->clip == CLIP_VALUE)
        return op_clip_value(stream, &set->grads, limit);
    if (optimizer->clip == CLIP_FULL_MODEL)
        return op_clip_norm(stream, &set->grads, limit, order);
    for (int i = 0; optimizer->clip == CLIP_NORM && i < set->count; i++)
        if (set->items[i]->spec.kind == PARAM_TRAINABLE)
            TRY(op_clip_norm(stream, &set->items[i]->grad, limit, order));
fail:
    return st;
}

md_status optimizer_step(struct optimizer *optimizer, struct stream *stream,
                         const struct tensor *step, bool first)
{
    md_status st = MD_OK;
    struct param_set *set = optimizer->params;
    const bool scaled = tensor_given(&optimizer->scale);
    TRY(op_all_finite(stream, &optimizer->flag, &set->grads));
    if (scaled)
        TRY(op_unscale(stream, &set->grads, &optimizer->scale));
    TRY(clip(optimizer, stream));
    for (int i = 0; i < optimizer->range_count; i++) {
        const struct optimizer_range *range = &optimizer->ranges[i];
        struct tensor values = tensor_rows(&set->values, range->first, range->count);
        struct tensor grads = tensor_rows(&set->grads, range->first, range->count);
        struct tensor momentums = tensor_rows(&set->momentums, range->first, range->count);
        const struct sgd_params params = {.lr_factor = (float)range->lr_factor,
                                          .momentum = optimizer->momentum,
                                          .weight_decay = (float)range->weight_decay,
                                          .nesterov = optimizer->nesterov,
                                          .first = first};
        TRY(op_sgd_step(stream, &values, &momentums, &grads, step, &optimizer->flag, &params));
    }
    if (scaled)
        TRY(op_adjust_scale(stream, &optimizer->scale, &optimizer->flag, SCALE_PATIENCE));
    TRY(param_set_refold(set, stream));
fail:
    return st;
}

md_status optimizer_set_scale(struct optimizer *optimizer, struct stream *stream,
                              const float scale[2])
{
    if (!tensor_given(&optimizer->scale))
        return MD_OK;
    return tensor_upload(stream, &optimizer->scale, scale);
}

void optimizer_stepped(struct optimizer *optimizer)
{
    param_set_stepped(optimizer->params);
}

/* ---- is everything finite? -------------------------------------------------------------- */

static md_status is_finite(struct optimizer *optimizer, struct stream *stream,
                           const struct tensor *tensor, bool *finite)
{
    md_status st = MD_OK;
    int32_t flag = 0;
    TRY(op_all_finite(stream, &optimizer->flag, tensor));
    TRY(tensor_download(stream, &flag, &optimizer->flag));
    *finite = flag != 0;
fail:
    return st;
}

/* The whole slab first, for one operation is what nearly every call needs. */
static md_status check(struct optimizer *optimizer, struct stream *stream,
                       const struct tensor *slab, const struct param **culprit)
{
    md_status st = MD_OK;
    const struct param_set *set = optimizer->params;
    struct tensor trainable = tensor_rows(slab, 0, set->trainable_count);
    bool finite = true;
    *culprit = NULL;
    TRY(is_finite(optimizer, stream, &trainable, &finite));
    for (int i = 0; !finite && !*culprit && i < set->count; i++) {
        const struct param *param = set->items[i];
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        struct tensor part = tensor_rows(slab, param->offset, param_count(param));
        bool part_finite = true;
        TRY(is_finite(optimizer, stream, &part, &part_finite));
        if (!part_finite)
            *culprit = param;
    }
fail:
    return st;
}

md_status optimizer_check_gradients(struct optimizer *optimizer, struct stream *stream,
                                    const struct param **culprit)
{
    return check(optimizer, stream, &optimizer->params->grads, culprit);
}

md_status optimizer_check_values(struct optimizer *optimizer, struct stream *stream,
                                 const struct param **culprit)
{
    return check(optimizer, stream, &optimizer->params->values, culprit);
}
