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
    detector->first_of_fpn = detector->params->count;
    TRY(fpn_declare(&detector->fpn, detector->params, config));
    detector->first_of_rpn = detector->params->count;
    TRY(rpn_declare(&detector->rpn, detector->params, config));
    detector->first_of_heads = detector->params->count;
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
    md_status st = MD_OK;
    param_set_changed(detector->params);
    TRY(resnet_refresh(&detector->resnet, detector->params, stream));
    /* Whoever uses the weights next may do so on another stream. */
    TRY(stream->device->backend->synchronise(stream));
fail:
    return st;
}

/* Backbone and pyramid without gradients: only the pyramid stays in the workspace. */
static md_status pyramid_forward(struct detector *detector, struct stream *stream,
                                 struct workspace *workspace, struct tensor pyramid[FPN_LEVELS],
                                 const struct tensor *pixels)
{
    md_status st = MD_OK;
    struct tensor features[RESNET_STAGES];
    size_t mark = workspace_mark_far(workspace);
    TRY(resnet_forward(&detector->resnet, stream, workspace, features, pixels, NULL));
    TRY(fpn_forward(&detector->fpn, stream, workspace, pyramid, features, NULL));
    workspace_rewind_far(workspace, mark);
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
    TRY(roi_heads_score(&detector->heads, stream, workspace, &output, &rois, pyramid));
    TRY(roi_heads_detect(&detector->heads, stream, workspace, out, &output, &rois, &batch->sizes,
                         options));
fail:
    return st;
}

md_status detector_step_create(struct detector_step *step, const struct detector *detector,
                               struct stream *stream, struct workspace *workspace)
{
    *step = (struct detector_step){.stream = stream, .workspace = workspace};
    return resnet_saved_create(&step->resnet, &detector->resnet);
}

void detector_step_free(struct detector_step *step, struct memory *memory)
{
    resnet_saved_free(&step->resnet, memory);
}

static md_status pyramid_forward_saving(struct detector *detector, struct detector_step *step,
                                        const struct tensor *pixels)
{
    md_status st = MD_OK;
    struct tensor features[RESNET_STAGES];
    TRY(resnet_forward(&detector->resnet, step->stream, step->workspace, features, pixels,
                       &step->resnet));
    TRY(fpn_forward(&detector->fpn, step->stream, step->workspace, step->pyramid, features,
                    &step->fpn));
fail:
    return st;
}

static md_status losses_forward(struct detector *detector, struct detector_step *step,
                                struct detector_losses *out, const struct image_batch *batch,
                                const struct targets *targets, const struct step_controls *controls,
                                bool gradients)
{
    md_status st = MD_OK;
    struct stream *stream = step->stream;
    struct workspace *workspace = step->workspace;
    struct proposals proposals;
    if (gradients)
        TRY(pyramid_forward_saving(detector, step, &batch->pixels));
    else
        TRY(pyramid_forward(detector, stream, workspace, step->pyramid, &batch->pixels));
    TRY(rpn_forward(&detector->rpn, stream, workspace, &step->head, step->pyramid, gradients));
    TRY(rpn_losses(&detector->rpn, stream, workspace, &out->rpn, &step->head, targets, controls,
                   gradients));
    TRY(rpn_proposals(&detector->rpn, stream, workspace, &proposals, &step->head, &batch->sizes,
                      true));
    TRY(roi_heads_sample(&detector->heads, stream, workspace, &step->rois, &proposals, targets,
                         controls));
    TRY(roi_heads_forward(&detector->heads, stream, workspace, &step->output, &step->rois,
                          step->pyramid));
    TRY(roi_heads_losses(&detector->heads, stream, workspace, &out->roi, &step->output, &step->rois,
                         &controls->scale, gradients));
    out->roi_counts = step->rois.counts;
fail:
    return st;
}

static md_status losses_backward(struct detector *detector, struct detector_step *step,
                                 const struct detector_losses *losses)
{
    md_status st = MD_OK;
    struct stream *stream = step->stream;
    struct workspace *workspace = step->workspace;
    struct tensor pyramid_grads[FPN_LEVELS], feature_grads[RESNET_STAGES] = {0};
    int first = resnet_first_trained(&detector->resnet);
    TRY(op_fill(stream, &detector->params->grads, 0.0f));
    for (int k = 0; k < FPN_LEVELS; k++) {
        TRY(workspace_activation(workspace, &pyramid_grads[k], step->pyramid[k].shape));
        TRY(op_fill(stream, &pyramid_grads[k], 0.0f));
    }
    TRY(roi_heads_backward(&detector->heads, stream, workspace, pyramid_grads, &step->output,
                           &losses->roi, &step->rois));
    TRY(gradient_watch_tell(step->watch, stream, detector->first_of_heads));
    TRY(rpn_backward(&detector->rpn, stream, workspace, pyramid_grads, &step->head, &losses->rpn,
                     step->pyramid));
    TRY(gradient_watch_tell(step->watch, stream, detector->first_of_rpn));
    for (int k = first; k < RESNET_STAGES; k++)
        TRY(workspace_activation(workspace, &feature_grads[k], step->fpn.features[k].shape));
    TRY(fpn_backward(&detector->fpn, stream, workspace, feature_grads, first, pyramid_grads,
                     &step->fpn));
    TRY(gradient_watch_tell(step->watch, stream, detector->first_of_fpn));
    TRY(resnet_backward(&detector->resnet, stream, workspace, feature_grads, &step->resnet,
                        step->watch));
fail:
    return st;
}

md_status detector_losses(struct detector *detector, struct detector_step *step,
                          struct detector_losses *out, const struct image_batch *batch,
                          const struct targets *targets, const struct step_controls *controls,
                          bool gradients)
{
    md_status st = MD_OK;
    TRY(losses_forward(detector, step, out, batch, targets, controls, gradients));
    if (gradients)
        TRY(losses_backward(detector, step, out));
fail:
    return st;
}
