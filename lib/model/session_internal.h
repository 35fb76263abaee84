/* session_internal.h - what the files of a session share: its state, plans and passes. */
#ifndef MODEL_SESSION_INTERNAL_H
#define MODEL_SESSION_INTERNAL_H

#include "model/session.h"
#include "model/session_graphs.h"

/* What decides all shapes of a pass; passes with equal plans need the same memory. */
struct pass_plan {
    int images, height, width; /* padded */
    int truths;                /* capacity per image; 0: detection */
    int max_detections;
    bool gradients;
    size_t staging; /* bytes for an image as it is passed in */
};

struct session {
    struct detector *detector;
    struct stream *stream;
    struct workspace workspace;
    struct detector_step step;
    struct pass_plan reserved; /* the last plan that was measured */
    struct session_times times;
    bool reverse_channels;
    struct session_graphs graphs;
    /* Host side of uploads and downloads; grown when a larger batch comes. */
    void *host;
    size_t host_bytes;
};

/* What a batch is on the device as it comes, and as the network sees it. */
struct pass_images {
    struct tensor staging, from_sizes;
    struct image_batch batch;
};

/* One kind of call: what it runs and where its results go. */
struct pass {
    const struct session_image *images;
    const struct session_truth *truth;
    const struct detect_options *options;
    const struct step_values *values;
    const struct session_update *update; /* NULL: no gradients */
    struct step_controls controls;
    struct detections detections;
    struct detector_losses losses;
};

/* Checks the images' sizes. */
md_status session_plan_images(struct pass_plan *plan, const struct session_image *images, int count);
md_status session_host_reserve(struct session *session, size_t bytes);

md_status session_allocate_images(struct session *session, struct pass_images *images,
                                  const struct pass_plan *plan);
md_status session_upload_images(struct session *session, const struct pass_images *to,
                                const struct session_image *images, const struct pass_plan *plan);
/* The pass from images on the device to results on the device. */
md_status session_compute(struct session *session, struct pass *pass, struct pass_images *images,
                          const struct targets *targets, const struct pass_plan *plan);
/* A whole pass without recording; measures and reserves first when the plan is new. Enqueues: who
 * wants results waits. */
md_status session_run(struct session *session, struct pass *pass, const struct pass_plan *plan);

#endif
