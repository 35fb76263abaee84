/* session_detect.c - batches of images to detections, by recordings where the device has them. */
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "model/postprocess.h"
#include "model/session_internal.h"

/* ---- detection ---------------------------------------------------------------------------- */

/* Where the results of a batch lie in the session's host memory. */
struct host_detections {
    float *boxes, *scores;
    int32_t *classes, *counts;
};

static struct host_detections host_detections(const struct session *session,
                                              const struct pass_plan *plan)
{
    size_t n = (size_t)plan->images, d = (size_t)plan->max_detections;
    struct host_detections host = {.boxes = session->host};
    host.scores = host.boxes + n * d * 4;
    host.classes = (int32_t *)(void *)(host.scores + n * d);
    host.counts = host.classes + n * d;
    return host;
}

static md_status download_detections(struct session *session, const struct host_detections *to,
                                     const struct detections *found)
{
    md_status st = MD_OK;
    TRY(tensor_download_later(session->stream, to->boxes, &found->boxes));
    TRY(tensor_download_later(session->stream, to->scores, &found->scores));
    TRY(tensor_download_later(session->stream, to->classes, &found->classes));
    TRY(tensor_download_later(session->stream, to->counts, &found->counts));
    TRY(session->detector->device->backend->synchronise(session->stream));
fail:
    return st;
}

static void hand_over(struct session_detection *out, int *counts,
                      const struct host_detections *from, const struct session_image *images,
                      const struct pass_plan *plan)
{
    size_t n = (size_t)plan->images, d = (size_t)plan->max_detections;
    for (size_t i = 0; i < n; i++) {
        struct session_detection *to = out + i * d;
        for (size_t k = 0; k < (size_t)from->counts[i]; k++) {
            memcpy(to[k].box, from->boxes + (i * d + k) * 4, sizeof to[k].box);
            to[k].score = from->scores[i * d + k];
            to[k].class_id = from->classes[i * d + k];
        }
        counts[i] = postprocess(to, from->counts[i], &images[i]);
    }
}

static md_status detect_batch(struct session *session, struct session_detection *out, int *counts,
                              const struct session_image *images, int count,
                              const struct detect_options *options)
{
    md_status st = MD_OK;
    struct pass_plan plan;
    struct pass pass = {.images = images, .options = options};
    TRY(session_plan_images(&plan, images, count));
    plan.max_detections = options->max_detections;
    size_t rows = (size_t)count * (size_t)plan.max_detections;
    TRY(session_host_reserve(session, (rows * 6 + 4 * (size_t)count) * sizeof(float)));
    double start = clock_seconds();
    TRY(session_run(session, &pass, &plan));
    struct host_detections found = host_detections(session, &plan);
    TRY(download_detections(session, &found, &pass.results.detections));
    double computed = clock_seconds();
    session->times.network = computed - start - session->times.preprocess;
    hand_over(out, counts, &found, images, &plan);
    session->times.postprocess = clock_seconds() - computed;
    return MD_OK;
fail:
    /* What is queued still uses memory that may be given back next. */
    (void)session->detector->device->backend->synchronise(session->stream);
    return st;
}

md_status session_detect(struct session *session, struct session_detection *out, int *counts,
                         const struct session_image *images, int count,
                         const struct detect_options *options)
{
    md_status st = MD_OK;
    if (count == 0)
        return MD_OK;
    st = detect_batch(session, out, counts, images, count, options);
    if (st != MD_ENOMEM || !session->graphs.limit)
        return st;
    /* What other shapes hold may be what is missing; then half the batch is tried. */
    session_shrink(session);
    st = detect_batch(session, out, counts, images, count, options);
    if (st != MD_ENOMEM || count == 1)
        return st;
    session_shrink(session);
    const int half = count / 2;
    TRY(session_detect(session, out, counts, images, half, options));
    TRY(session_detect(session, out + (size_t)half * (size_t)options->max_detections, counts + half,
                       images + half, count - half, options));
fail:
    return st;
}
