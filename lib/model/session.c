/* session.c - a detector at work: images and truth from the host in, detections or losses out. */
#include "model/session.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "model/postprocess.h"

enum { STRIDE = 32 /* padded sizes are multiples of the pyramid's coarsest stride with p5 */ };

/* What decides all shapes of a pass; passes with equal plans need the same memory. */
struct pass_plan {
    int images, height, width; /* padded */
    int truths;                /* capacity per image; 0: detection */
    int max_detections;
    bool gradients;
    size_t staging; /* bytes of the largest image as it is passed in */
};

struct session {
    struct detector *detector;
    struct stream *stream;
    struct workspace workspace;
    struct detector_step step;
    struct pass_plan reserved; /* the last plan that was measured */
    struct session_times times;
    bool reverse_channels;
    /* Host side of uploads and downloads; grown when a larger batch comes. */
    char *host;
    size_t host_bytes;
};

md_status session_create(struct session **out, struct detector *detector, bool reverse_channels)
{
    md_status st = MD_OK;
    struct session *session = NULL;
    TRY(memory_zeroed(detector->device->memory, &session, 1, sizeof *session));
    session->detector = detector;
    session->reverse_channels = reverse_channels;
    workspace_init(&session->workspace, detector->device);
    TRY(stream_create(&session->stream, detector->device));
    TRY(detector_step_create(&session->step, detector, session->stream, &session->workspace));
    *out = session;
    return MD_OK;
fail:
    session_free(session);
    return st;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    struct memory *memory = session->detector->device->memory;
    detector_step_free(&session->step, memory);
    workspace_free(&session->workspace);
    stream_free(session->stream);
    memory_free(memory, session->host);
    memory_free(memory, session);
}

struct stream *session_stream(struct session *session)
{
    return session->stream;
}

const struct session_times *session_times(const struct session *session)
{
    return &session->times;
}

size_t session_workspace_bytes(const struct session *session)
{
    return session->workspace.capacity;
}

/* ---- plan --------------------------------------------------------------------------------- */

static int round_up(int value, int step)
{
    return (value + step - 1) / step * step;
}

static md_status plan_images(struct pass_plan *plan, const struct session_image *images, int count)
{
    *plan = (struct pass_plan){.images = count};
    for (int i = 0; i < count; i++) {
        const struct session_image *image = &images[i];
        if (image->width < 1 || image->height < 1 || image->network_width < 1 ||
            image->network_height < 1 || image->network_width > 1 << 15 ||
            image->network_height > 1 << 15)
            return ERROR(MD_EINVAL, "image %d: %dx%d seen as %dx%d; sides must be 1 to 32768", i,
                         image->width, image->height, image->network_width, image->network_height);
        if (image->width > 1 << 15 || image->height > 1 << 15)
            return ERROR(MD_EUNSUPPORTED, "image %d is %dx%d; sides of 32768 at most are read", i,
                         image->width, image->height);
        size_t bytes = (size_t)image->width * (size_t)image->height * 3;
        if (bytes > plan->staging)
            plan->staging = bytes;
        if (round_up(image->network_height, STRIDE) > plan->height)
            plan->height = round_up(image->network_height, STRIDE);
        if (round_up(image->network_width, STRIDE) > plan->width)
            plan->width = round_up(image->network_width, STRIDE);
    }
    return MD_OK;
}

static bool plan_equal(const struct pass_plan *a, const struct pass_plan *b)
{
    return a->images == b->images && a->height == b->height && a->width == b->width &&
           a->truths == b->truths && a->max_detections == b->max_detections &&
           a->gradients == b->gradients && a->staging == b->staging;
}

static md_status host_reserve(struct session *session, size_t bytes)
{
    if (session->host_bytes >= bytes)
        return MD_OK;
    md_status st = memory_resize(session->detector->device->memory, &session->host, bytes, 1);
    if (st >= 0)
        session->host_bytes = bytes;
    return st;
}

/* ---- upload ------------------------------------------------------------------------------- */

static md_status upload_images(struct session *session, struct image_batch *batch,
                               const struct session_image *images, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    const struct model_config *config = &session->detector->config;
    struct image_params params = {.reverse_channels = session->reverse_channels};
    struct tensor staging, from_sizes;
    memcpy(params.mean, config->pixel_mean, sizeof params.mean);
    memcpy(params.std, config->pixel_std, sizeof params.std);
    TRY(workspace_activation(&session->workspace, &batch->pixels,
                             SHAPE(plan->images, plan->height, plan->width, 3)));
    TRY(workspace_tensor(&session->workspace, &batch->sizes, TENSOR_I32, SHAPE(plan->images, 2)));
    size_t mark = workspace_mark(&session->workspace);
    TRY(workspace_tensor(&session->workspace, &from_sizes, TENSOR_I32, SHAPE(plan->images, 2)));
    TRY(workspace_tensor(&session->workspace, &staging, TENSOR_U8,
                         SHAPE(plan->images, (int64_t)plan->staging)));
    int32_t *sizes = (int32_t *)(void *)session->host, *from = sizes + 2 * plan->images;
    for (int i = 0; i < plan->images; i++) {
        const struct session_image *image = &images[i];
        struct tensor row = tensor_rows(&staging, i, 1);
        struct tensor flat = tensor_reshape(&row, SHAPE((int64_t)plan->staging));
        struct tensor pixels = tensor_rows(&flat, 0, (int64_t)image->width * image->height * 3);
        from[2 * i] = image->height;
        from[2 * i + 1] = image->width;
        sizes[2 * i] = image->network_height;
        sizes[2 * i + 1] = image->network_width;
        TRY(tensor_upload(session->stream, &pixels, image->pixels));
    }
    TRY(tensor_upload(session->stream, &from_sizes, from));
    TRY(tensor_upload(session->stream, &batch->sizes, sizes));
    TRY(op_images_to_tensor(session->stream, &batch->pixels, &staging, &from_sizes, &batch->sizes,
                            &params));
    workspace_rewind(&session->workspace, mark);
fail:
    return st;
}

static md_status upload_truth(struct session *session, struct targets *targets,
                              const struct session_truth *truth, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    int64_t n = plan->images, g = plan->truths;
    struct workspace *workspace = &session->workspace;
    TRY(workspace_tensor(workspace, &targets->boxes, TENSOR_F32, SHAPE(n, g, 4)));
    TRY(workspace_tensor(workspace, &targets->classes, TENSOR_I32, SHAPE(n, g)));
    TRY(workspace_tensor(workspace, &targets->counts, TENSOR_I32, SHAPE(n)));
    float *boxes = (float *)(void *)session->host;
    int32_t *classes = (int32_t *)(void *)(boxes + n * g * 4);
    int32_t *counts = classes + n * g;
    memset(session->host, 0, (size_t)(n * g * 5 + n) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        counts[i] = truth[i].count;
        if (truth[i].count > 0)
            memcpy(boxes + i * g * 4, truth[i].boxes, (size_t)truth[i].count * 4 * sizeof *boxes);
        for (int k = 0; k < truth[i].count; k++)
            classes[i * g + k] = truth[i].classes[k];
    }
    TRY(tensor_upload(session->stream, &targets->boxes, boxes));
    TRY(tensor_upload(session->stream, &targets->classes, classes));
    TRY(tensor_upload(session->stream, &targets->counts, counts));
fail:
    return st;
}

/* ---- passes ------------------------------------------------------------------------------- */

/* One kind of call: what it runs and where its results go. */
struct pass {
    const struct session_image *images;
    const struct session_truth *truth;
    const struct detect_options *options;
    struct step_random random;
    struct detections detections;
    struct detector_losses losses;
};

static md_status run_pass(struct session *session, struct pass *pass, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    struct image_batch batch;
    struct targets targets;
    double start = clock_seconds();
    TRY(upload_images(session, &batch, pass->images, plan));
    double uploaded = clock_seconds();
    if (plan->truths > 0) {
        TRY(upload_truth(session, &targets, pass->truth, plan));
        TRY(detector_losses(session->detector, &session->step, &pass->losses, &batch, &targets,
                            pass->random, plan->gradients));
    } else {
        TRY(detector_detect(session->detector, session->stream, &session->workspace,
                            &pass->detections, &batch, pass->options));
    }
    TRY(session->detector->device->backend->synchronise(session->stream));
    session->times.preprocess = uploaded - start;
    session->times.network = clock_seconds() - uploaded;
fail:
    return st;
}

/* Measures first when the plan is new. */
static md_status run_planned(struct session *session, struct pass *pass,
                             const struct pass_plan *plan)
{
    md_status st = MD_OK;
    if (!plan_equal(plan, &session->reserved)) {
        session->reserved = (struct pass_plan){0};
        workspace_measure_begin(&session->workspace, session->stream);
        md_status measured = run_pass(session, pass, plan);
        TRY(workspace_measure_end(&session->workspace, session->stream));
        TRY(measured);
        session->reserved = *plan;
    }
    workspace_clear(&session->workspace);
    TRY(run_pass(session, pass, plan));
fail:
    return st;
}

/* ---- detection ---------------------------------------------------------------------------- */

static md_status download_detections(struct session *session, struct session_detection *out,
                                     int *counts, const struct detections *found,
                                     const struct session_image *images,
                                     const struct pass_plan *plan)
{
    md_status st = MD_OK;
    size_t n = (size_t)plan->images, d = (size_t)plan->max_detections;
    float *boxes = (float *)(void *)session->host;
    float *scores = boxes + n * d * 4;
    int32_t *classes = (int32_t *)(void *)(scores + n * d);
    int32_t *found_counts = classes + n * d;
    TRY(tensor_download(session->stream, boxes, &found->boxes));
    TRY(tensor_download(session->stream, scores, &found->scores));
    TRY(tensor_download(session->stream, classes, &found->classes));
    TRY(tensor_download(session->stream, found_counts, &found->counts));
    for (size_t i = 0; i < n; i++) {
        struct session_detection *to = out + i * d;
        for (size_t k = 0; k < (size_t)found_counts[i]; k++) {
            memcpy(to[k].box, boxes + (i * d + k) * 4, sizeof to[k].box);
            to[k].score = scores[i * d + k];
            to[k].class_id = classes[i * d + k];
        }
        counts[i] = postprocess(to, found_counts[i], &images[i]);
    }
fail:
    return st;
}

md_status session_detect(struct session *session, struct session_detection *out, int *counts,
                         const struct session_image *images, int count,
                         const struct detect_options *options)
{
    md_status st = MD_OK;
    struct pass_plan plan;
    struct pass pass = {.images = images, .options = options};
    if (count == 0)
        return MD_OK;
    TRY(plan_images(&plan, images, count));
    plan.max_detections = options->max_detections;
    size_t rows = (size_t)count * (size_t)plan.max_detections;
    TRY(host_reserve(session, (rows * 6 + 4 * (size_t)count) * sizeof(float)));
    TRY(run_planned(session, &pass, &plan));
    double start = clock_seconds();
    TRY(download_detections(session, out, counts, &pass.detections, images, &plan));
    session->times.postprocess = clock_seconds() - start;
fail:
    return st;
}

/* ---- training ----------------------------------------------------------------------------- */

static md_status download_losses(struct session *session, struct step_losses *out,
                                 const struct detector_losses *losses, int images)
{
    md_status st = MD_OK;
    float rpn[2], stats[4];
    int32_t *counts = (int32_t *)(void *)session->host;
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
                         int count, struct step_random random, bool gradients)
{
    md_status st = MD_OK;
    struct pass_plan plan;
    struct pass pass = {.images = images, .truth = truth, .random = random};
    if (count < 1)
        FAIL(MD_EINVAL, "a training batch needs at least one image");
    TRY(plan_images(&plan, images, count));
    plan.gradients = gradients;
    int most = 1;
    for (int i = 0; i < count; i++)
        if (truth[i].count > most)
            most = truth[i].count;
    plan.truths = round_up(most, 8); /* few different capacities, few measuring passes */
    size_t words = (size_t)count * (size_t)plan.truths * 5 + 4 * (size_t)count;
    TRY(host_reserve(session, words * sizeof(float)));
    if (gradients)
        TRY(param_set_prepare_training(session->detector->params));
    TRY(run_planned(session, &pass, &plan));
    TRY(download_losses(session, out, &pass.losses, count));
fail:
    return st;
}
