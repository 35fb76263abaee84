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
    uint64_t trainable, frozen; /* versions of the weights that recordings have started with */
    /* Host side of uploads and downloads; grown when a larger batch comes. */
    void *host;
    size_t host_bytes;
};

/* What a pass reads, on the device: images as they come and as the network sees them, and for losses
 * the truth and the step's numbers. */
struct pass_inputs {
    struct tensor staging, from_sizes;
    struct image_batch batch;
    struct targets targets;
    struct step_controls controls;
};

/* One kind of call: what it runs and where its results go. */
struct pass {
    const struct session_image *images;
    const struct session_truth *truth;
    const struct detect_options *options;
    const struct step_values *values;
    const struct session_update *update; /* NULL: no gradients */
    struct pass_results results;
};

/* Checks the images' sizes. */
md_status session_plan_images(struct pass_plan *plan, const struct session_image *images, int count);
md_status session_host_reserve(struct session *session, size_t bytes);

/* Takes the inputs' place in the workspace, always the same for one plan, and uploads them. */
md_status session_upload(struct session *session, struct pass_inputs *inputs, const struct pass *pass,
                         const struct pass_plan *plan);
/* The pass from inputs on the device to results on the device. */
md_status session_compute(struct session *session, struct pass *pass, const struct pass_inputs *inputs,
                          const struct pass_plan *plan);
/* Both of these. */
md_status session_run_once(struct session *session, struct pass *pass, const struct pass_plan *plan);
/* A whole pass; enqueues: who wants results waits. Measures and reserves first when the plan is new.
 * Where the device can record, the first pass of a kind is run, the second recorded, the others
 * started as a whole. */
md_status session_run(struct session *session, struct pass *pass, const struct pass_plan *plan);

#endif
