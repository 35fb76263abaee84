/* session_losses.c - one batch of a training or a validation: losses, and what trains on them. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "model/session_internal.h"

/* Where the scalars of a batch lie in the session's host memory. */
struct host_losses {
    float cls, box_reg, rpn[2], stats[4], scale[2];
    int32_t finite;
    int32_t counts[]; /* [2][n][2]: anchors, then regions; each foreground, background */
};

static md_status download_losses(struct session *session, struct host_losses *to,
                                 const struct detector_losses *losses,
                                 const struct session_update *update, int images)
{
    md_status st = MD_OK;
    struct stream *stream = session->stream;
    to->finite = 1;
    to->scale[0] = to->scale[1] = 0;
    TRY(tensor_download_later(stream, &to->cls, &losses->roi.cls));
    TRY(tensor_download_later(stream, &to->box_reg, &losses->roi.box_reg));
    TRY(tensor_download_later(stream, to->rpn, &losses->rpn.loss));
    TRY(tensor_download_later(stream, to->stats, &losses->roi.stats));
    TRY(tensor_download_later(stream, to->counts, &losses->rpn.counts));
    TRY(tensor_download_later(stream, to->counts + 2 * images, &losses->roi_counts));
    if (update && tensor_given(&update->finite))
        TRY(tensor_download_later(stream, &to->finite, &update->finite));
    if (update && tensor_given(&update->scale))
        TRY(tensor_download_later(stream, to->scale, &update->scale));
    TRY(session->detector->device->backend->synchronise(stream));
fail:
    return st;
}

static void hand_over(struct step_losses *out, const struct host_losses *from, int images)
{
    const int32_t *anchors = from->counts, *regions = from->counts + 2 * images;
    const float n = (float)images, *stats = from->stats;
    float rows = 0.0f;
    *out = (struct step_losses){.finite = from->finite != 0,
                                .scale = {from->scale[0], from->scale[1]},
                                .cls = from->cls,
                                .box_reg = from->box_reg,
                                .rpn_cls = from->rpn[0],
                                .rpn_loc = from->rpn[1]};
    out->total = out->cls + out->box_reg + out->rpn_cls + out->rpn_loc;
    for (int i = 0; i < images; i++) {
        out->num_pos_anchors += (float)anchors[2 * i] / n;
        out->num_neg_anchors += (float)anchors[2 * i + 1] / n;
        out->num_fg_samples += (float)regions[2 * i] / n;
        out->num_bg_samples += (float)regions[2 * i + 1] / n;
        rows += (float)regions[2 * i] + (float)regions[2 * i + 1];
    }
    out->cls_accuracy = rows > 0.0f ? stats[0] / rows : 0.0f;
    out->fg_cls_accuracy = stats[1] > 0.0f ? stats[2] / stats[1] : NAN;
    out->false_negative = stats[1] > 0.0f ? stats[3] / stats[1] : NAN;
}

/* The plan of a batch, and room for what goes to and fro. */
static md_status plan_losses(struct session *session, struct pass_plan *plan,
                             const struct session_image *images, const struct session_truth *truth,
                             int count, bool gradients)
{
    md_status st = MD_OK;
    int most = 1;
    TRY(session_plan_images(plan, images, count));
    for (int i = 0; i < count; i++)
        most = truth[i].count > most ? truth[i].count : most;
    plan->truths = (most + 7) / 8 * 8; /* few different capacities, few measuring passes */
    plan->gradients = gradients;
    size_t truths = ((size_t)plan->truths * 5 + 1) * sizeof(float), sizes = 4 * sizeof(int32_t);
    TRY(session_host_reserve(session,
                             sizeof(struct host_losses) + (size_t)count * (truths + sizes)));
    if (gradients)
        TRY(param_set_prepare_training(session->detector->params));
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
        return ERROR(MD_EINVAL, "a training batch needs at least one image");
    TRY(plan_losses(session, &plan, images, truth, count, update != NULL));
    double start = clock_seconds();
    TRY(session_run(session, &pass, &plan));
    struct host_losses *found = session->host;
    TRY(download_losses(session, found, &pass.results.losses, update, count));
    session->times.network = clock_seconds() - start - session->times.preprocess;
    hand_over(out, found, count);
    return MD_OK;
fail:
    /* What is queued still uses memory that may be given back next. */
    (void)session->detector->device->backend->synchronise(session->stream);
    return st;
}

md_status session_measure(struct session *session, size_t *bytes,
                          const struct session_image *images, const struct session_truth *truth,
                          int count)
{
    md_status st = MD_OK;
    struct pass_plan plan;
    const struct step_values values = {.seed = 0};
    const struct session_update nothing = {.kind = 0};
    struct pass pass = {.images = images, .truth = truth, .values = &values, .update = &nothing};
    struct workspace *workspace = &session->workspace;
    TRY(plan_losses(session, &plan, images, truth, count, true));
    workspace_measure_begin(workspace, session->stream);
    st = session_run_once(session, &pass, &plan);
    workspace_measure_abandon(workspace, session->stream);
    session->reserved = (struct pass_plan){0};
    *bytes = workspace->peak;
fail:
    return st;
}
