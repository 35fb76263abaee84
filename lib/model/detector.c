/* detector.c - Faster R-CNN with a feature pyramid: the whole network on the device. */
#include "model/detector.h"

#include "core/error.h"

md_status detector_create(struct detector **out, struct device *device,
                          const struct model_config *config)
{
    md_status st = MD_OK;
    struct detector *detector = NULL;
    TRY(memory_zeroed(device->memory, &detector, 1, sizeof *detector));
    detector->device = device;
    detector->config = *config;
    TRY(param_set_create(&detector->params, device));
    TRY(resnet_declare(&detector->resnet, detector->params, config));
    TRY(fpn_declare(&detector->fpn, detector->params, config));
    TRY(rpn_declare(&detector->rpn, detector->params, config));
    TRY(roi_heads_declare(&detector->heads, detector->params, config));
    TRY(param_set_allocate(detector->params));
    resnet_bind(&detector->resnet, detector->params);
    fpn_bind(&detector->fpn, detector->params);
    rpn_bind(&detector->rpn, detector->params);
    roi_heads_bind(&detector->heads, detector->params);
    *out = detector;
    return MD_OK;
fail:
    detector_free(detector);
    return st;
}

void detector_free(struct detector *detector)
{
    if (!detector)
        return;
    struct device *device = detector->device;
    resnet_free(&detector->resnet, device);
    fpn_free(&detector->fpn, device);
    rpn_free(&detector->rpn, device);
    roi_heads_free(&detector->heads, device);
    param_set_free(detector->params);
    memory_free(device->memory, detector);
}

md_status detector_initialise(struct detector *detector, struct stream *stream, uint64_t seed)
{
    md_status st = param_set_initialise(detector->params, stream, seed);
    return st < 0 ? st : detector_refresh(detector, stream);
}

md_status detector_refresh(struct detector *detector, struct stream *stream)
{
    param_set_changed(detector->params);
    return resnet_refresh(&detector->resnet, detector->params, stream);
}

/* Backbone and pyramid; at inference only the pyramid stays in the workspace. */
static md_status pyramid_forward(struct detector *detector, struct stream *stream,
                                 struct workspace *workspace, struct tensor pyramid[FPN_LEVELS],
                                 const struct tensor *pixels)
{
    md_status st = MD_OK;
    struct tensor features[RESNET_STAGES];
    TRY(resnet_forward(&detector->resnet, stream, workspace, features, pixels, NULL));
    TRY(fpn_forward(&detector->fpn, stream, workspace, pyramid, features, NULL));
fail:
    return st;
}

md_status detector_detect(struct detector *detector, struct stream *stream,
                          struct workspace *workspace, struct detections *out,
                          const struct image_batch *batch, const struct detect_options *options)
{
    md_status st = MD_OK;
    struct tensor pyramid[FPN_LEVELS];
    struct rpn_output head;
    struct proposals proposals;
    struct roi_batch rois;
    struct roi_output output;
    TRY(pyramid_forward(detector, stream, workspace, pyramid, &batch->pixels));
    TRY(rpn_forward(&detector->rpn, stream, workspace, &head, pyramid, false));
    TRY(rpn_proposals(&detector->rpn, stream, workspace, &proposals, &head, &batch->sizes, false));
    TRY(roi_heads_all(stream, workspace, &rois, &proposals));
    TRY(roi_heads_forward(&detector->heads, stream, workspace, &output, &rois, pyramid));
    TRY(roi_heads_detect(&detector->heads, stream, workspace, out, &output, &rois, &batch->sizes,
                         options));
fail:
    return st;
}

md_status detector_state_create(struct detector_state *state, const struct detector *detector)
{
    *state = (struct detector_state){0};
    return resnet_saved_create(&state->saved, &detector->resnet);
}

void detector_state_free(struct detector_state *state, struct memory *memory)
{
    resnet_saved_free(&state->saved, memory);
}

static md_status losses_forward(struct detector *detector, struct stream *stream,
                                struct workspace *workspace, struct detector_losses *out,
                                struct detector_state *state, const struct image_batch *batch,
                                const struct targets *targets, struct step_random random,
                                bool gradients)
{
    md_status st = MD_OK;
    struct proposals proposals;
    TRY(resnet_forward(&detector->resnet, stream, workspace, state->features, &batch->pixels,
                       gradients ? &state->saved : NULL));
    TRY(fpn_forward(&detector->fpn, stream, workspace, state->pyramid, state->features,
                    gradients ? &state->fpn : NULL));
    TRY(rpn_forward(&detector->rpn, stream, workspace, &state->head, state->pyramid, gradients));
    TRY(rpn_losses(&detector->rpn, stream, workspace, &out->rpn, &state->head, targets, random,
                   gradients));
    TRY(rpn_proposals(&detector->rpn, stream, workspace, &proposals, &state->head, &batch->sizes,
                      true));
    TRY(roi_heads_sample(&detector->heads, stream, workspace, &state->rois, &proposals, targets,
                         random));
    TRY(roi_heads_forward(&detector->heads, stream, workspace, &state->output, &state->rois,
                          state->pyramid));
    TRY(roi_heads_losses(&detector->heads, stream, workspace, &out->roi, &state->output,
                         &state->rois, gradients));
    out->roi_counts = state->rois.counts;
fail:
    return st;
}

static md_status zeros_like(struct stream *stream, struct workspace *workspace, struct tensor *out,
                            const struct tensor *like)
{
    md_status st = workspace_tensor(workspace, out, TENSOR_F32, like->shape);
    return st < 0 ? st : op_fill(stream, out, 0.0f);
}

static md_status losses_backward(struct detector *detector, struct stream *stream,
                                 struct workspace *workspace, const struct detector_losses *losses,
                                 struct detector_state *state)
{
    md_status st = MD_OK;
    struct tensor pyramid_grads[FPN_LEVELS], feature_grads[RESNET_STAGES];
    int first = resnet_first_trained(&detector->resnet);
    TRY(op_fill(stream, &detector->params->grads, 0.0f));
    for (int k = 0; k < FPN_LEVELS; k++)
        TRY(zeros_like(stream, workspace, &pyramid_grads[k], &state->pyramid[k]));
    TRY(roi_heads_backward(&detector->heads, stream, workspace, pyramid_grads, &state->output,
                           &losses->roi, &state->rois));
    TRY(rpn_backward(&detector->rpn, stream, workspace, pyramid_grads, &state->head, &losses->rpn,
                     state->pyramid));
    for (int k = first; k < RESNET_STAGES; k++)
        TRY(workspace_tensor(workspace, &feature_grads[k], TENSOR_F32, state->features[k].shape));
    TRY(fpn_backward(&detector->fpn, stream, workspace, feature_grads, first, pyramid_grads,
                     state->features, state->pyramid, &state->fpn));
    TRY(resnet_backward(&detector->resnet, stream, workspace, feature_grads, &state->saved));
fail:
    return st;
}

md_status detector_losses(struct detector *detector, struct stream *stream,
                          struct workspace *workspace, struct detector_losses *out,
                          struct detector_state *state, const struct image_batch *batch,
                          const struct targets *targets, struct step_random random, bool gradients)
{
    md_status st = MD_OK;
    TRY(losses_forward(detector, stream, workspace, out, state, batch, targets, random, gradients));
    if (gradients)
        TRY(losses_backward(detector, stream, workspace, out, state));
fail:
    return st;
}
