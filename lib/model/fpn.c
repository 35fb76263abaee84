/* fpn.c - feature pyramid on res2..res5, with p6. */
#include "model/fpn.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

static const struct pool_geometry subsample = {1, 2, 0}; /* p6 = every second cell of p5 */

static md_status declare_part(struct conv *conv, struct param_set *set, const char *part, int level,
                              const struct conv_spec *shape)
{
    char name[64];
    snprintf(name, sizeof name, "backbone.fpn_%s%d", part, level);
    struct conv_spec spec = *shape;
    spec.name = name;
    spec.stride = spec.groups = 1;
    spec.pad = spec.kernel / 2;
    spec.trainable = true;
    spec.init = INIT_UNIFORM;
    spec.init_value = init_xavier((int64_t)spec.in * spec.kernel * spec.kernel);
    return conv_declare(conv, set, &spec);
}

md_status fpn_declare(struct fpn *fpn, struct param_set *set, const struct model_config *config)
{
    md_status st = MD_OK;
    const enum conv_norm norm = resnet_norm(config->fpn_norm, true);
    fpn->fuse_avg = config->fpn_fuse_avg;
    for (int k = 0; k < RESNET_STAGES; k++) {
        int in = config->res2_out_channels << k;
        int out = config->fpn_out_channels;
        const struct conv_spec lateral = {.in = in, .out = out, .kernel = 1, .norm = norm};
        const struct conv_spec output = {.in = out, .out = out, .kernel = 3, .norm = norm};
        TRY(declare_part(&fpn->lateral[k], set, "lateral", k + 2, &lateral));
        TRY(declare_part(&fpn->output[k], set, "output", k + 2, &output));
    }
fail:
    return st;
}

void fpn_bind(struct fpn *fpn, struct param_set *set)
{
    for (int k = 0; k < RESNET_STAGES; k++) {
        conv_bind(&fpn->lateral[k], set);
        conv_bind(&fpn->output[k], set);
    }
}

void fpn_free(struct fpn *fpn, struct device *device)
{
    for (int k = 0; k < RESNET_STAGES; k++) {
        conv_release(&fpn->lateral[k], device);
        conv_release(&fpn->output[k], device);
    }
}

/* The pyramid is allocated first, so that inference can give the merged maps back. */
/* The last convolution of each level, and p6 from p5's: nothing of it waits for another level. */
static md_status output_forward(struct fpn *fpn, struct stream *stream, struct workspace *workspace,
                                struct tensor pyramid[FPN_LEVELS],
                                const struct tensor merged[RESNET_STAGES], struct fpn_saved *saved)
{
    md_status st = MD_OK, joined;
    TRY(stream_fork(stream, RESNET_STAGES));
    for (int k = 0; k < RESNET_STAGES && st >= 0; k++) {
        stream_branch(stream, k);
        st = conv_apply(&fpn->output[k], stream, workspace, &pyramid[k], &merged[k], NULL, false,
                        saved ? &saved->output[k] : NULL);
    }
    if (st >= 0) /* on the last level's branch */
        st = op_maxpool_forward(stream, &pyramid[4], &pyramid[3], subsample);
    joined = stream_join(stream, RESNET_STAGES);
    st = st < 0 ? st : joined;
fail:
    return st;
}

md_status fpn_forward(struct fpn *fpn, struct stream *stream, struct workspace *workspace,
                      struct tensor pyramid[FPN_LEVELS],
                      const struct tensor features[RESNET_STAGES], struct fpn_saved *saved)
{
    md_status st = MD_OK;
    struct tensor merged[RESNET_STAGES];
    for (int k = 0; k < RESNET_STAGES; k++) {
        struct shape lateral = conv_output(&fpn->lateral[k], features[k].shape);
        TRY(workspace_activation(workspace, &pyramid[k], conv_output(&fpn->output[k], lateral)));
    }
    const int64_t *d = pyramid[3].shape.dims;
    TRY(workspace_activation(workspace, &pyramid[4],
                             SHAPE(d[0], (d[1] - 1) / 2 + 1, (d[2] - 1) / 2 + 1, d[3])));

    size_t mark = workspace_mark(workspace);
    for (int k = RESNET_STAGES - 1; k >= 0; k--) {
        TRY(workspace_activation(workspace, &merged[k],
                                 conv_output(&fpn->lateral[k], features[k].shape)));
        TRY(conv_apply(&fpn->lateral[k], stream, workspace, &merged[k], &features[k], NULL, false,
                       saved ? &saved->lateral[k] : NULL));
        if (k + 1 < RESNET_STAGES) {
            TRY(op_upsample_add(stream, &merged[k], &merged[k + 1]));
            if (fpn->fuse_avg)
                TRY(op_scale(stream, &merged[k], 0.5f));
        }
        if (saved)
            saved->merged[k] = merged[k];
    }
    TRY(output_forward(fpn, stream, workspace, pyramid, merged, saved));
    if (saved) {
        memcpy(saved->features, features, sizeof saved->features);
        memcpy(saved->pyramid, pyramid, sizeof saved->pyramid);
    } else {
        workspace_rewind(workspace, mark);
    }
fail:
    return st;
}

md_status fpn_backward(struct fpn *fpn, struct stream *stream, struct workspace *workspace,
                       struct tensor feature_grads[RESNET_STAGES], int first,
                       struct tensor pyramid_grads[FPN_LEVELS], const struct fpn_saved *saved)
{
    md_status st = MD_OK;
    struct tensor merged_grads[RESNET_STAGES];
    size_t mark = workspace_mark(workspace);
    TRY(op_maxpool_backward(stream, &pyramid_grads[3], &pyramid_grads[4], &saved->pyramid[3],
                            subsample));
    for (int k = 0; k < RESNET_STAGES; k++) {
        TRY(workspace_activation(workspace, &merged_grads[k], saved->merged[k].shape));
        TRY(conv_backward_saved(&fpn->output[k], stream, workspace, &merged_grads[k], false,
                                &saved->merged[k], &pyramid_grads[k], &saved->output[k]));
        if (k > 0)
            TRY(op_upsample_backward(stream, &merged_grads[k], &merged_grads[k - 1]));
        if (fpn->fuse_avg && k + 1 < RESNET_STAGES)
            TRY(op_scale(stream, &merged_grads[k], 0.5f));
        TRY(conv_backward_saved(&fpn->lateral[k], stream, workspace,
                                k >= first ? &feature_grads[k] : NULL, false, &saved->features[k],
                                &merged_grads[k], &saved->lateral[k]));
    }
    workspace_rewind(workspace, mark);
fail:
    return st;
}
