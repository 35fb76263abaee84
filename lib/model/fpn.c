/* fpn.c - feature pyramid on res2..res5, with p6. */
#include "model/fpn.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

static const struct pool_geometry subsample = {1, 2, 0}; /* p6 = every second cell of p5 */

static md_status declare_part(struct conv *conv, struct param_set *set, const char *part, int level,
                              int in, int out, int kernel)
{
    char name[64];
    snprintf(name, sizeof name, "backbone.fpn_%s%d", part, level);
    struct conv_spec spec = {.name = name,
                             .in = in,
                             .out = out,
                             .kernel = kernel,
                             .stride = 1,
                             .pad = kernel / 2,
                             .groups = 1,
                             .trainable = true,
                             .init = INIT_UNIFORM,
                             .init_value = init_xavier((int64_t)in * kernel * kernel)};
    return conv_declare(conv, set, &spec);
}

md_status fpn_declare(struct fpn *fpn, struct param_set *set, const struct model_config *config)
{
    md_status st = MD_OK;
    fpn->fuse_avg = config->fpn_fuse_avg;
    for (int k = 0; k < RESNET_STAGES; k++) {
        int in = config->res2_out_channels << k;
        int out = config->fpn_out_channels;
        TRY(declare_part(&fpn->lateral[k], set, "lateral", k + 2, in, out, 1));
        TRY(declare_part(&fpn->output[k], set, "output", k + 2, out, out, 3));
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
static md_status output_forward(struct fpn *fpn, struct stream *stream,
                                struct tensor pyramid[FPN_LEVELS],
                                const struct tensor merged[RESNET_STAGES])
{
    md_status st = MD_OK, joined;
    TRY(stream_fork(stream, RESNET_STAGES));
    for (int k = 0; k < RESNET_STAGES && st >= 0; k++) {
        stream_branch(stream, k);
        st = op_conv2d_forward(stream, &pyramid[k], &merged[k], &fpn->output[k].op,
                               fpn->output[k].geometry, NULL, false);
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
        TRY(conv_forward(&fpn->lateral[k], stream, workspace, &merged[k], &features[k], NULL,
                         false));
        if (k + 1 < RESNET_STAGES) {
            TRY(op_upsample_add(stream, &merged[k], &merged[k + 1]));
            if (fpn->fuse_avg)
                TRY(op_scale(stream, &merged[k], 0.5f));
        }
        if (saved)
            saved->merged[k] = merged[k];
    }
    TRY(output_forward(fpn, stream, pyramid, merged));
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
        TRY(conv_backward(&fpn->output[k], stream, &merged_grads[k], false, &saved->merged[k],
                          &pyramid_grads[k]));
        if (k > 0)
            TRY(op_upsample_backward(stream, &merged_grads[k], &merged_grads[k - 1]));
        if (fpn->fuse_avg && k + 1 < RESNET_STAGES)
            TRY(op_scale(stream, &merged_grads[k], 0.5f));
        TRY(conv_backward(&fpn->lateral[k], stream, k >= first ? &feature_grads[k] : NULL, false,
                          &saved->features[k], &merged_grads[k]));
    }
    workspace_rewind(workspace, mark);
fail:
    return st;
}
