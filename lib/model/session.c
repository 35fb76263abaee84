/* session.c - a detector at work: images and truth from the host in, detections or losses out. */
#include "model/session_internal.h"

#include <string.h>

#include "core/error.h"
#include "core/strings.h"

enum { STRIDE = 32 /* padded sizes are multiples of the pyramid's coarsest stride with p5 */ };

md_status session_create(struct session **out, struct detector *detector, bool reverse_channels)
{
    md_status st = MD_OK;
    struct session *session = NULL;
    TRY(memory_zeroed(detector->device->memory, &session, 1, sizeof *session));
    session->detector = detector;
    session->reverse_channels = reverse_channels;
    workspace_init(&session->workspace, detector->device);
    session_graphs_init(&session->graphs, detector->device);
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
    struct device *device = session->detector->device;
    detector_step_free(&session->step, device->memory);
    session_graphs_clear(&session->graphs);
    workspace_free(&session->workspace);
    stream_free(session->stream);
    host_memory_free(device, session->host, session->host_bytes);
    memory_free(device->memory, session);
}

void session_shrink(struct session *session)
{
    session_graphs_clear(&session->graphs);
    workspace_free(&session->workspace);
    session->reserved = (struct pass_plan){0};
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

/* Few different capacities mean few different plans: four steps from each power of two to the next. */
static size_t round_staging(size_t bytes)
{
    size_t step = 1 << 10;
    while (step * 8 < bytes)
        step *= 2;
    return (bytes + step - 1) / step * step;
}

md_status session_plan_images(struct pass_plan *plan, const struct session_image *images, int count)
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
    plan->staging = round_staging(plan->staging);
    return MD_OK;
}

static bool plan_equal(const struct pass_plan *a, const struct pass_plan *b)
{
    return a->images == b->images && a->height == b->height && a->width == b->width &&
           a->truths == b->truths && a->max_detections == b->max_detections &&
           a->gradients == b->gradients && a->staging == b->staging;
}

md_status session_host_reserve(struct session *session, size_t bytes)
{
    md_status st = MD_OK;
    struct device *device = session->detector->device;
    void *larger = NULL;
    if (session->host_bytes >= bytes)
        return MD_OK;
    TRY(host_memory_alloc(device, &larger, bytes));
    host_memory_free(device, session->host, session->host_bytes);
    session->host = larger;
    session->host_bytes = bytes;
fail:
    return st;
}

/* ---- upload ------------------------------------------------------------------------------- */

static md_status upload_images(struct session *session, struct pass_inputs *inputs,
                               const struct session_image *images, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    struct workspace *workspace = &session->workspace;
    const int n = plan->images;
    int32_t *sizes = session->host, *from = sizes + 2 * n;
    TRY(workspace_activation(workspace, &inputs->batch.pixels,
                             SHAPE(n, plan->height, plan->width, 3)));
    TRY(workspace_tensor(workspace, &inputs->batch.sizes, TENSOR_I32, SHAPE(n, 2)));
    TRY(workspace_tensor(workspace, &inputs->from_sizes, TENSOR_I32, SHAPE(n, 2)));
    TRY(workspace_tensor(workspace, &inputs->staging, TENSOR_U8, SHAPE(n, (int64_t)plan->staging)));
    for (int i = 0; i < n; i++) {
        const struct session_image *image = &images[i];
        struct tensor row = tensor_rows(&inputs->staging, i, 1);
        struct tensor flat = tensor_reshape(&row, SHAPE((int64_t)plan->staging));
        struct tensor pixels = tensor_rows(&flat, 0, (int64_t)image->width * image->height * 3);
        from[2 * i] = image->height;
        from[2 * i + 1] = image->width;
        sizes[2 * i] = image->network_height;
        sizes[2 * i + 1] = image->network_width;
        TRY(tensor_upload(session->stream, &pixels, image->pixels));
    }
    TRY(tensor_upload(session->stream, &inputs->from_sizes, from));
    TRY(tensor_upload(session->stream, &inputs->batch.sizes, sizes));
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
    float *boxes = session->host;
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

static md_status upload_controls(struct session *session, struct step_controls *controls,
                                 const struct pass *pass)
{
    md_status st = MD_OK;
    const struct step_values *values = pass->values;
    const struct step_numbers numbers = {.seed = values->seed,
                                         .index = (values->iteration << 16) + values->first_image,
                                         .lr = values->lr,
                                         .average_kept = values->average_kept,
                                         .average_added = values->average_added};
    *controls = (struct step_controls){.image_step = values->image_step ? values->image_step : 1};
    if (pass->update)
        controls->scale = pass->update->scale;
    TRY(workspace_tensor(&session->workspace, &controls->numbers, TENSOR_I32, SHAPE(STEP_WORDS)));
    TRY(tensor_upload(session->stream, &controls->numbers, &numbers));
fail:
    return st;
}

md_status session_upload(struct session *session, struct pass_inputs *inputs,
                         const struct pass *pass, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    double start = clock_seconds();
    *inputs = (struct pass_inputs){.controls = {.image_step = 1}};
    TRY(upload_images(session, inputs, pass->images, plan));
    if (plan->truths > 0) {
        TRY(upload_truth(session, &inputs->targets, pass->truth, plan));
        TRY(upload_controls(session, &inputs->controls, pass));
    }
    session->times.preprocess = clock_seconds() - start;
fail:
    return st;
}

/* ---- passes ------------------------------------------------------------------------------- */

static md_status prepare_images(struct session *session, const struct pass_inputs *inputs)
{
    const struct model_config *config = &session->detector->config;
    struct image_params params = {.reverse_channels = session->reverse_channels};
    memcpy(params.mean, config->pixel_mean, sizeof params.mean);
    memcpy(params.std, config->pixel_std, sizeof params.std);
    struct tensor pixels = inputs->batch.pixels;
    return op_images_to_tensor(session->stream, &pixels, &inputs->staging, &inputs->from_sizes,
                               &inputs->batch.sizes, &params);
}

md_status session_compute(struct session *session, struct pass *pass,
                          const struct pass_inputs *inputs, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    struct pass_results *results = &pass->results;
    const struct session_update *update = pass->update;
    double start = clock_seconds();
    TRY(prepare_images(session, inputs));
    session->times.preprocess += clock_seconds() - start;
    if (plan->truths == 0)
        return detector_detect(session->detector, session->stream, &session->workspace,
                               &results->detections, &inputs->batch, pass->options);
    session->step.watch = update ? update->watch : NULL;
    TRY(detector_losses(session->detector, &session->step, &results->losses, &inputs->batch,
                        &inputs->targets, &inputs->controls, plan->gradients));
    if (plan->gradients && update->run && !session->stream->measuring)
        TRY(update->run(update->context, session->stream, &inputs->controls));
fail:
    return st;
}

md_status session_run_once(struct session *session, struct pass *pass, const struct pass_plan *plan)
{
    struct pass_inputs inputs;
    md_status st = session_upload(session, &inputs, pass, plan);
    return st < 0 ? st : session_compute(session, pass, &inputs, plan);
}

/* Measures first when the plan is new. */
static md_status reserve(struct session *session, struct pass *pass, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    if (plan_equal(plan, &session->reserved))
        return MD_OK;
    session->reserved = (struct pass_plan){0};
    workspace_measure_begin(&session->workspace, session->stream);
    md_status measured = session_run_once(session, pass, plan);
    TRY(workspace_measure_end(&session->workspace, session->stream));
    TRY(measured);
    session->reserved = *plan;
fail:
    return st;
}

static md_status run_unrecorded(struct session *session, struct pass *pass,
                                const struct pass_plan *plan)
{
    md_status st = MD_OK;
    TRY(reserve(session, pass, plan));
    workspace_clear(&session->workspace);
    TRY(session_run_once(session, pass, plan));
fail:
    return st;
}

/* ---- recorded passes ---------------------------------------------------------------------- */

static struct graph_key key_of(const struct session *session, const struct pass *pass,
                               const struct pass_plan *plan)
{
    struct graph_key key;
    memset(&key, 0, sizeof key); /* the padding, too: keys are compared as bytes */
    key.images = plan->images;
    key.height = plan->height;
    key.width = plan->width;
    key.max_detections = plan->max_detections;
    key.truths = plan->truths;
    key.gradients = plan->gradients;
    key.staging = plan->staging;
    if (pass->options) {
        key.score_threshold = pass->options->score_threshold;
        key.nms_threshold = pass->options->nms_threshold;
    }
    if (pass->values)
        key.image_step = pass->values->image_step;
    if (pass->update) {
        key.kind = pass->update->kind;
        key.scale = pass->update->scale.data;
    }
    key.workspace = session->workspace.base;
    for (int i = 0; i < STREAM_MAX_BRANCHES; i++)
        key.scratch[i] = session->stream->scratch[i].memory;
    return key;
}

/* Records the computation of a pass that was run before. MD_EUNSUPPORTED: it cannot be. */
static md_status record(struct session *session, struct pass *pass,
                        const struct pass_inputs *inputs, const struct pass_plan *plan,
                        struct session_graph *item)
{
    const struct backend *backend = session->detector->device->backend;
    md_status st = backend->capture_begin(session->stream);
    if (st < 0)
        return st;
    md_status computed = session_compute(session, pass, inputs, plan);
    st = backend->capture_end(session->stream, &item->graph);
    item->results = pass->results;
    return computed < 0 ? computed : st;
}

/* A recording knows where weights are, not which: copies of weights that were written since the last
 * one are made anew before it starts. */
static md_status ready(struct session *session)
{
    md_status st = MD_OK;
    struct param_set *params = session->detector->params;
    if (session->trainable == params->version_trainable &&
        session->frozen == params->version_frozen)
        return MD_OK;
    TRY(param_set_ready(params, session->stream));
    session->trainable = params->version_trainable;
    session->frozen = params->version_frozen;
fail:
    return st;
}

/* A pass seen before with everything where it was: uploads and starts its recording, which is made
 * now if it is the second time. */
static md_status run_recorded(struct session *session, struct pass *pass,
                              const struct pass_plan *plan, struct session_graph *item)
{
    md_status st = MD_OK;
    struct pass_inputs inputs;
    workspace_clear(&session->workspace);
    TRY(session_upload(session, &inputs, pass, plan));
    if (!item->graph && !item->refused) {
        md_status recorded = record(session, pass, &inputs, plan, item);
        item->refused = recorded == MD_EUNSUPPORTED;
        if (!item->refused)
            TRY(recorded);
        else /* what recording took of the workspace is given back */
            TRY((workspace_clear(&session->workspace),
                 session_upload(session, &inputs, pass, plan)));
    }
    if (item->refused)
        return session_compute(session, pass, &inputs, plan);
    TRY(ready(session));
    pass->results = item->results;
    TRY(session->detector->device->backend->graph_launch(session->stream, item->graph));
fail:
    return st;
}

md_status session_run(struct session *session, struct pass *pass, const struct pass_plan *plan)
{
    md_status st = MD_OK;
    struct graph_key key = key_of(session, pass, plan);
    struct session_graph *item = session_graphs_find(&session->graphs, &key);
    if (item)
        return run_recorded(session, pass, plan, item);
    TRY(run_unrecorded(session, pass, plan));
    key = key_of(session, pass, plan); /* memory may have moved */
    session_graphs_note(&session->graphs, &key);
fail:
    return st;
}
