/* resnet_backward.c - ResNet: the backward pass, mirroring resnet.c from the last block on. */
#include "core/error.h"
#include "model/resnet.h"

/* Gradient through the convolutions of the main branch down to the block's input. `grad` is the
 * gradient before the block's final ReLU; in_grad NULL: not wanted. */
static md_status branch_backward(struct resnet_block *block, struct stream *stream,
                                 struct workspace *workspace, struct tensor *in_grad,
                                 const struct tensor *grad, const struct resnet_block_saved *saved)
{
    md_status st = MD_OK;
    struct tensor mid1_grad, mid2_grad;
    TRY(workspace_activation(workspace, &mid1_grad, saved->mid1.shape));
    if (block->bottleneck) {
        TRY(workspace_activation(workspace, &mid2_grad, saved->mid2.shape));
        TRY(conv_backward_saved(&block->conv3, stream, workspace, &mid2_grad, false, &saved->mid2,
                                grad, &saved->conv3));
        TRY(op_relu_backward(stream, &mid2_grad, &saved->mid2));
        TRY(conv_backward_saved(&block->conv2, stream, workspace, &mid1_grad, false, &saved->mid1,
                                &mid2_grad, &saved->conv2));
    } else {
        TRY(conv_backward_saved(&block->conv2, stream, workspace, &mid1_grad, false, &saved->mid1,
                                grad, &saved->conv2));
    }
    TRY(op_relu_backward(stream, &mid1_grad, &saved->mid1));
    TRY(conv_backward_saved(&block->conv1, stream, workspace, in_grad, true, &saved->in, &mid1_grad,
                            &saved->conv1));
fail:
    return st;
}

/* An identity block's input gradient takes the place of its output gradient; a block with a
 * shortcut adds to `in_grad` (NULL: not wanted). */
static md_status block_backward(struct resnet_block *block, struct stream *stream,
                                struct workspace *workspace, struct tensor *in_grad,
                                struct tensor *grad, const struct resnet_block_saved *saved)
{
    md_status st = MD_OK;
    size_t mark = workspace_mark(workspace);
    TRY(op_relu_backward(stream, grad, &saved->out));
    if (block->has_shortcut) {
        TRY(conv_backward_saved(&block->shortcut, stream, workspace, in_grad, true, &saved->in,
                                grad, &saved->shortcut));
        TRY(branch_backward(block, stream, workspace, in_grad, grad, saved));
    } else {
        TRY(branch_backward(block, stream, workspace, grad, grad, saved));
    }
    workspace_rewind(workspace, mark);
fail:
    return st;
}

static md_status stem_backward(struct resnet *resnet, struct stream *stream,
                               struct workspace *workspace, const struct tensor *grad,
                               const struct resnet_saved *saved)
{
    md_status st = MD_OK;
    struct tensor stem_grad;
    size_t mark = workspace_mark(workspace);
    TRY(workspace_activation(workspace, &stem_grad, saved->stem.shape));
    TRY(op_fill(stream, &stem_grad, 0.0f));
    TRY(op_maxpool_backward(stream, &stem_grad, grad, &saved->stem,
                            (struct pool_geometry){3, 2, 1}));
    TRY(op_relu_backward(stream, &stem_grad, &saved->stem));
    TRY(conv_backward_saved(&resnet->stem, stream, workspace, NULL, false, &saved->image,
                            &stem_grad, &saved->stem_conv));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status resnet_backward(struct resnet *resnet, struct stream *stream, struct workspace *workspace,
                          struct tensor grads[RESNET_STAGES], const struct resnet_saved *saved,
                          const struct gradient_watch *watch)
{
    md_status st = MD_OK;
    struct tensor pooled_grad = {0};
    size_t mark = workspace_mark(workspace);
    int first = resnet_first_trained(resnet);
    bool stem = first == 0 && !resnet->stem_frozen;
    if (stem) {
        TRY(workspace_activation(workspace, &pooled_grad, saved->pooled.shape));
        TRY(op_fill(stream, &pooled_grad, 0.0f));
    }
    for (int k = RESNET_STAGES - 1; k >= first; k--) {
        struct resnet_stage *stage = &resnet->stages[k];
        struct tensor *below = k > first ? &grads[k - 1] : stem ? &pooled_grad : NULL;
        for (int i = stage->count - 1; i >= 0; i--) {
            struct resnet_block *block = &stage->blocks[i];
            TRY(block_backward(block, stream, workspace, below, &grads[k], &saved->blocks[k][i]));
            /* A first block without a shortcut (res2 of a basic network) hands its gradient down. */
            if (i == 0 && !block->has_shortcut && below)
                TRY(op_add(stream, below, &grads[k]));
        }
        TRY(gradient_watch_tell(watch, stream, stage->first_param));
    }
    if (stem)
        TRY(stem_backward(resnet, stream, workspace, &pooled_grad, saved));
    workspace_rewind(workspace, mark);
fail:
    return st;
}
