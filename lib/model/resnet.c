/* resnet.c - ResNet and ResNeXt, their norms fixed or trained: declaration and forward. */
#include "model/resnet.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

/* ---- declaration -------------------------------------------------------------------------- */

struct block_plan {
    int in, out, width, groups, stride;
    bool bottleneck, stride_in_1x1, trainable;
    enum norm_kind norm;
};

enum conv_norm resnet_norm(enum norm_kind kind, bool trainable)
{
    static const enum conv_norm norms[] = {[NORM_NONE] = CONV_BIAS,
                                           [NORM_FROZEN_BN] = CONV_FROZEN_BN,
                                           [NORM_GN] = CONV_GROUP_NORM,
                                           [NORM_BN] = CONV_BATCH_NORM};
    return kind == NORM_BN && !trainable ? CONV_FROZEN_BN : norms[kind];
}

static md_status declare_conv(struct conv *conv, struct param_set *set, const char *block,
                              const char *part, struct conv_spec spec)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", block, part);
    spec.name = name;
    spec.pad = spec.kernel / 2;
    spec.init = INIT_NORMAL;
    spec.init_value = init_msra(spec.out, spec.kernel);
    return conv_declare(conv, set, &spec);
}

static md_status declare_block(struct resnet_block *block, struct param_set *set, const char *name,
                               const struct block_plan *plan)
{
    md_status st = MD_OK;
    int stride1 = plan->stride;
    int stride2 = 1;
    if (plan->bottleneck && !plan->stride_in_1x1) {
        stride1 = 1;
        stride2 = plan->stride;
    }
    block->bottleneck = plan->bottleneck;
    block->has_shortcut = plan->in != plan->out;
    bool t = plan->trainable;
    const enum conv_norm norm = resnet_norm(plan->norm, t);
    int w = plan->width;
    if (block->has_shortcut)
        TRY(declare_conv(&block->shortcut, set, name, "shortcut",
                         (struct conv_spec){.in = plan->in,
                                            .out = plan->out,
                                            .kernel = 1,
                                            .stride = plan->stride,
                                            .groups = 1,
                                            .norm = norm,
                                            .trainable = t}));
    if (plan->bottleneck) {
        TRY(declare_conv(&block->conv1, set, name, "conv1",
                         (struct conv_spec){.in = plan->in,
                                            .out = w,
                                            .kernel = 1,
                                            .stride = stride1,
                                            .groups = 1,
                                            .norm = norm,
                                            .trainable = t}));
        TRY(declare_conv(&block->conv2, set, name, "conv2",
                         (struct conv_spec){.in = w,
                                            .out = w,
                                            .kernel = 3,
                                            .stride = stride2,
                                            .groups = plan->groups,
                                            .norm = norm,
                                            .trainable = t}));
        TRY(declare_conv(&block->conv3, set, name, "conv3",
                         (struct conv_spec){.in = w,
                                            .out = plan->out,
                                            .kernel = 1,
                                            .stride = 1,
                                            .groups = 1,
                                            .norm = norm,
                                            .trainable = t}));
    } else {
        TRY(declare_conv(&block->conv1, set, name, "conv1",
                         (struct conv_spec){.in = plan->in,
                                            .out = plan->out,
                                            .kernel = 3,
                                            .stride = stride1,
                                            .groups = 1,
                                            .norm = norm,
                                            .trainable = t}));
        TRY(declare_conv(&block->conv2, set, name, "conv2",
                         (struct conv_spec){.in = plan->out,
                                            .out = plan->out,
                                            .kernel = 3,
                                            .stride = 1,
                                            .groups = 1,
                                            .norm = norm,
                                            .trainable = t}));
    }
fail:
    return st;
}

static md_status declare_stage(struct resnet_stage *stage, struct param_set *set, int index,
                               struct block_plan plan, const struct model_config *config)
{
    md_status st = MD_OK;
    stage->count = config->blocks[index];
    stage->first_param = set->count;
    stage->channels = plan.out;
    stage->frozen = config->freeze_at >= index + 2;
    plan.trainable = !stage->frozen;
    TRY(memory_zeroed(set->device->memory, &stage->blocks, (size_t)stage->count,
                      sizeof *stage->blocks));
    for (int i = 0; i < stage->count; i++) {
        char name[96];
        snprintf(name, sizeof name, "backbone.bottom_up.res%d.%d", index + 2, i);
        TRY(declare_block(&stage->blocks[i], set, name, &plan));
        plan.in = plan.out;
        plan.stride = 1;
    }
fail:
    return st;
}

md_status resnet_declare(struct resnet *resnet, struct param_set *set,
                         const struct model_config *config)
{
    md_status st = MD_OK;
    resnet->memory = set->device->memory;
    resnet->stem_frozen = config->freeze_at >= 1;
    int channels = config->stem_out_channels;
    struct conv_spec stem = {.name = "backbone.bottom_up.stem.conv1",
                             .in = 3,
                             .out = channels,
                             .kernel = 7,
                             .stride = 2,
                             .pad = 3,
                             .groups = 1,
                             .norm = resnet_norm(config->resnet_norm, !resnet->stem_frozen),
                             .trainable = !resnet->stem_frozen,
                             .init = INIT_NORMAL,
                             .init_value = init_msra(channels, 7)};
    TRY(conv_declare(&resnet->stem, set, &stem));
    for (int k = 0; k < RESNET_STAGES; k++) {
        struct block_plan plan = {.in = channels,
                                  .out = config->res2_out_channels << k,
                                  .width = (config->num_groups * config->width_per_group) << k,
                                  .groups = config->num_groups,
                                  .stride = k == 0 ? 1 : 2,
                                  .bottleneck = !config->basic_blocks,
                                  .stride_in_1x1 = config->stride_in_1x1,
                                  .norm = config->resnet_norm};
        TRY(declare_stage(&resnet->stages[k], set, k, plan, config));
        channels = plan.out;
    }
fail:
    return st;
}

typedef md_status conv_visitor(struct conv *conv, void *user);

static md_status visit_convs(struct resnet *resnet, conv_visitor *visit, void *user)
{
    md_status st = MD_OK;
    if (resnet->stem.weight)
        TRY(visit(&resnet->stem, user));
    for (int k = 0; k < RESNET_STAGES; k++)
        for (int i = 0; resnet->stages[k].blocks && i < resnet->stages[k].count; i++) {
            struct resnet_block *block = &resnet->stages[k].blocks[i];
            struct conv *convs[4] = {&block->shortcut, &block->conv1, &block->conv2, &block->conv3};
            for (int c = 0; c < 4; c++)
                if (convs[c]->weight)
                    TRY(visit(convs[c], user));
        }
fail:
    return st;
}

struct visit_context {
    struct param_set *set;
    struct stream *stream;
    struct device *device;
};

static md_status visit_bind(struct conv *conv, void *user)
{
    conv_bind(conv, ((struct visit_context *)user)->set);
    return MD_OK;
}

static md_status visit_refresh(struct conv *conv, void *user)
{
    struct visit_context *context = user;
    return conv_refresh(conv, context->set, context->stream);
}

static md_status visit_release(struct conv *conv, void *user)
{
    conv_release(conv, ((struct visit_context *)user)->device);
    return MD_OK;
}

void resnet_bind(struct resnet *resnet, struct param_set *set)
{
    struct visit_context context = {.set = set};
    visit_convs(resnet, visit_bind, &context);
}

md_status resnet_refresh(struct resnet *resnet, struct param_set *set, struct stream *stream)
{
    struct visit_context context = {.set = set, .stream = stream};
    return visit_convs(resnet, visit_refresh, &context);
}

void resnet_free(struct resnet *resnet, struct device *device)
{
    struct visit_context context = {.device = device};
    visit_convs(resnet, visit_release, &context);
    for (int k = 0; k < RESNET_STAGES; k++)
        memory_free(device->memory, resnet->stages[k].blocks);
    memset(resnet->stages, 0, sizeof resnet->stages);
}

int resnet_first_trained(const struct resnet *resnet)
{
    int k = 0;
    while (k < RESNET_STAGES && resnet->stages[k].frozen)
        k++;
    return k;
}

md_status resnet_saved_create(struct resnet_saved *saved, const struct resnet *resnet)
{
    md_status st = MD_OK;
    memset(saved, 0, sizeof *saved);
    for (int k = 0; k < RESNET_STAGES; k++)
        TRY(memory_zeroed(resnet->memory, &saved->blocks[k], (size_t)resnet->stages[k].count,
                          sizeof *saved->blocks[k]));
    return MD_OK;
fail:
    resnet_saved_free(saved, resnet->memory);
    return st;
}

void resnet_saved_free(struct resnet_saved *saved, struct memory *memory)
{
    for (int k = 0; k < RESNET_STAGES; k++)
        memory_free(memory, saved->blocks[k]);
    memset(saved, 0, sizeof *saved);
}

/* ---- forward ------------------------------------------------------------------------------ */

/* `out` is allocated by the caller: what lies behind it in the workspace can be given back. Without
 * `keep`, `out` may be `in`, if their shapes are the same. */
static md_status block_forward(struct resnet_block *block, struct stream *stream,
                               struct workspace *workspace, struct tensor *out,
                               const struct tensor *in, struct resnet_block_saved *keep)
{
    md_status st = MD_OK;
    struct tensor shortcut = *in, mid1, mid2 = {0};
    if (block->has_shortcut) {
        /* The last convolution reads its residual where it writes its result. */
        TRY(conv_apply(&block->shortcut, stream, workspace, out, in, NULL, false,
                       keep ? &keep->shortcut : NULL));
        shortcut = *out;
    }
    TRY(workspace_activation(workspace, &mid1, conv_output(&block->conv1, in->shape)));
    TRY(conv_apply(&block->conv1, stream, workspace, &mid1, in, NULL, true,
                   keep ? &keep->conv1 : NULL));
    if (block->bottleneck) {
        TRY(workspace_activation(workspace, &mid2, conv_output(&block->conv2, mid1.shape)));
        TRY(conv_apply(&block->conv2, stream, workspace, &mid2, &mid1, NULL, true,
                       keep ? &keep->conv2 : NULL));
        TRY(conv_apply(&block->conv3, stream, workspace, out, &mid2, &shortcut, true,
                       keep ? &keep->conv3 : NULL));
    } else {
        TRY(conv_apply(&block->conv2, stream, workspace, out, &mid1, &shortcut, true,
                       keep ? &keep->conv2 : NULL));
    }
    if (keep) {
        keep->in = *in;
        keep->mid1 = mid1;
        keep->mid2 = mid2;
        keep->out = *out;
    }
fail:
    return st;
}

static struct shape block_output(const struct resnet_block *block, struct shape in)
{
    struct shape mid = conv_output(&block->conv2, conv_output(&block->conv1, in));
    return block->bottleneck ? conv_output(&block->conv3, mid) : mid;
}

/* Nothing saved: the stage has one map, and each block adds to it in place. `far`: it is at the
 * workspace's far end. */
static md_status stage_forward(struct resnet_stage *stage, struct stream *stream,
                               struct workspace *workspace, struct tensor *out,
                               const struct tensor *in, bool far)
{
    md_status st = MD_OK;
    struct shape shape = block_output(&stage->blocks[0], in->shape);
    struct tensor current = *in;
    if (far)
        TRY(workspace_tensor_far(workspace, out, workspace->device->activations, shape));
    else
        TRY(workspace_activation(workspace, out, shape));
    size_t mark = workspace_mark(workspace);
    for (int i = 0; i < stage->count; i++) {
        TRY(block_forward(&stage->blocks[i], stream, workspace, out, &current, NULL));
        workspace_rewind(workspace, mark);
        current = *out;
    }
fail:
    return st;
}

static md_status stage_forward_saving(struct resnet_stage *stage, struct stream *stream,
                                      struct workspace *workspace, struct tensor *out,
                                      const struct tensor *in, struct resnet_block_saved *saved)
{
    md_status st = MD_OK;
    struct tensor current = *in;
    for (int i = 0; i < stage->count; i++) {
        struct tensor next;
        TRY(workspace_activation(workspace, &next, block_output(&stage->blocks[i], current.shape)));
        TRY(block_forward(&stage->blocks[i], stream, workspace, &next, &current, &saved[i]));
        current = next;
    }
    *out = current;
fail:
    return st;
}

static md_status stem_forward(struct resnet *resnet, struct stream *stream,
                              struct workspace *workspace, struct tensor *out,
                              const struct tensor *image, struct resnet_saved *saved)
{
    md_status st = MD_OK;
    const struct pool_geometry pool = {3, 2, 1};
    struct tensor stem;
    struct shape conv = conv_output(&resnet->stem, image->shape);
    struct shape pooled =
        SHAPE(conv.dims[0], (conv.dims[1] - 1) / 2 + 1, (conv.dims[2] - 1) / 2 + 1, conv.dims[3]);
    const bool saves = saved && !resnet->stem_frozen;
    TRY(workspace_activation(workspace, out, pooled));
    if (!saves && !resnet->stem.normed && stream->device->backend->fused_stem &&
        image->type != TENSOR_F32)
        return op_conv2d_maxpool_forward(stream, out, image, &resnet->stem.op,
                                         resnet->stem.geometry, pool);
    size_t mark = workspace_mark(workspace);
    TRY(workspace_activation(workspace, &stem, conv));
    TRY(conv_apply(&resnet->stem, stream, workspace, &stem, image, NULL, true,
                   saves ? &saved->stem_conv : NULL));
    TRY(op_maxpool_forward(stream, out, &stem, pool));
    if (saves) {
        saved->image = *image;
        saved->stem = stem;
        saved->pooled = *out;
    } else {
        workspace_rewind(workspace, mark);
    }
fail:
    return st;
}

md_status resnet_forward(struct resnet *resnet, struct stream *stream, struct workspace *workspace,
                         struct tensor features[RESNET_STAGES], const struct tensor *image,
                         struct resnet_saved *saved)
{
    md_status st = MD_OK;
    struct tensor current;
    size_t mark = workspace_mark(workspace);
    TRY(stem_forward(resnet, stream, workspace, &current, image, saved));
    for (int k = 0; k < RESNET_STAGES; k++) {
        struct resnet_stage *stage = &resnet->stages[k];
        if (saved && !stage->frozen)
            TRY(stage_forward_saving(stage, stream, workspace, &features[k], &current,
                                     saved->blocks[k]));
        else
            TRY(stage_forward(stage, stream, workspace, &features[k], &current, !saved));
        current = features[k];
    }
    if (!saved)
        workspace_rewind(workspace, mark);
fail:
    return st;
}
