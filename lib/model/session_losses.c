/* session_losses.c - one batch of a training or a validation: losses, and gradients when wanted. */
#include <math.h>

#include "core/error.h"
#include "core/strings.h"
#include "model/session_internal.h"

static md_status download_losses(struct session *session, struct step_losses *out,
                                 const struct detector_losses *losses, int images)
{
    md_status st = MD_OK;
    float rpn[2], stats[4];
    int32_t *counts = session->host;
    float n = (float)images;
    *out = (struct step_losses){0};
    TRY(tensor_download(session->stream, &out->cls, &losses->roi.cls));
    TRY(tensor_download(session->stream, &out->box_reg, &losses->roi.box_reg));
    TRY(tensor_download(session->stream, rpn, &losses->rpn.loss));
    TRY(tensor_download(session->stream, stats, &losses->roi.stats));
    out->rpn_cls = rpn[0];
    out->rpn_loc = rpn[1];
    out->total = out->cls + out->box_reg + out->rpn_cls + out->rpn_loc;
    TRY(tensor_download(session->stream, counts, &losses->rpn.counts));
    for (int i = 0; i < images; i++) {
        out->num_pos_anchors += (float)counts[2 * i] / n;
        out->num_neg_anchors += (float)counts[2 * i + 1] / n;
    }
    float rows = 0.0f;
    TRY(tensor_download(session->stream, counts, &losses->roi_counts));
    for (int i = 0; i < images; i++) {
        out->num_fg_samples += (float)counts[2 * i] / n;
        out->num_bg_samples += (float)counts[2 * i + 1] / n;
        rows += (float)counts[2 * i] + (float)counts[2 * i + 1];
    }
    out->cls_accuracy = rows > 0.0f ? stats[0] / rows : 0.0f;
    out->fg_cls_accuracy = stats[1] > 0.0f ? stats[2] / stats[1] : NAN;
    out->false_negative = stats[1] > 0.0f ? stats[3] / stats[1] : NAN;
fail:
    return st;
}

md_status session_losses(struct session *session, struct step_losses *out,
                         const struct session_image *images, const struct session_truth *truth,
                         int count, const struct step_values *values,
                         const struct session_update *update)
{
    md_status st = MD_OK;
    struct pass_plan plan;
    struct pass pass = {.images = images, .truth = truth, .values = values, .update = update};
    if (count < 1)
        FAIL(MD_EINVAL, "a training batch needs at least one image");
    TRY(session_plan_images(&plan, images, count));
    plan.gradients = update != NULL;
    int most = 1;
    for (int i = 0; i < count; i++)
        if (truth[i].count > most)
            most = truth[i].count;
    plan.truths = (most + 7) / 8 * 8; /* few different capacities, few measuring passes */
    size_t words = (size_t)count * (size_t)plan.truths * 5 + 4 * (size_t)count;
    TRY(session_host_reserve(session, words * sizeof(float)));
    if (update)
        TRY(param_set_prepare_training(session->detector->params));
    double start = clock_seconds();
    TRY(session_run(session, &pass, &plan));
    TRY(session->detector->device->backend->synchronise(session->stream));
    session->times.network = clock_seconds() - start - session->times.preprocess;
    TRY(download_losses(session, out, &pass.losses, count));
    int32_t finite = 1;
    if (update && tensor_given(&update->finite))
        TRY(tensor_download(session->stream, &finite, &update->finite));
    out->finite = finite != 0;
fail:
    return st;
}
