/* session.h - a detector at work: images and truth from the host in, detections or losses out.
 *
 * A session owns a stream and a workspace, so each host thread wants its own; any number may share
 * a detector as long as none of them trains it. The first call with new sizes measures and
 * reserves; later calls with the same sizes allocate nothing. */
#ifndef MODEL_SESSION_H
#define MODEL_SESSION_H

#include "model/detector.h"

struct session;

/* RGB8 pixels, rows without gaps, and the size that the network shall see. */
struct session_image {
    const uint8_t *pixels;
    int width, height;
    int network_width, network_height;
};

struct session_detection {
    float box[4]; /* x0, y0, x1, y1 in pixels of the image passed in */
    float score;
    int   class_id;
};

/* Seconds of the last call. */
struct session_times {
    double preprocess, network, postprocess;
};

struct session_truth {
    const float *boxes; /* [count,4] in pixels of what the network sees */
    const int   *classes;
    int          count;
};

/* The scalars that Detectron2 logs, of one batch. */
struct step_losses {
    bool  finite;   /* all gradients are; true without an update that looks */
    float scale[2]; /* the update's, as it is now; 0 without one */
    float cls, box_reg, rpn_cls, rpn_loc;
    float total;
    float num_pos_anchors, num_neg_anchors, num_fg_samples, num_bg_samples; /* means over images */
    float cls_accuracy, fg_cls_accuracy, false_negative; /* the last two NaN without foreground */
};

/* What a step depends on besides images and truth. */
struct step_values {
    uint64_t seed, iteration; /* of random numbers */
    uint64_t first_image;     /* place of the first of these images in the step's batch */
    int      image_step;      /* from there to the next one's; 0: 1 */
    float    lr, average_kept, average_added; /* for the update */
};

/* What follows the backward pass of a training step on the same stream. */
struct session_update {
    md_status (*run)(void *context, struct stream *stream, const struct step_controls *controls);
    void     *context;
    const struct gradient_watch *watch; /* of that pass; may be NULL */
    uint64_t  kind;           /* equal kinds enqueue the same operations on the same memory */
    struct tensor scale;      /* of gradients; absent: 1 */
    struct tensor finite;     /* [1] I32 that `run` sets; may be absent */
};

md_status session_create(struct session **out, struct detector *detector, bool reverse_channels);
void      session_free(struct session *session);
struct stream *session_stream(struct session *session);

/* out[i * max_detections ..] are the counts[i] detections of images[i], best first. */
md_status session_detect(struct session *session, struct session_detection *out, int *counts,
                         const struct session_image *images, int count,
                         const struct detect_options *options);
/* One batch forward; with `update` also backward and then what it says, which may be nothing. */
md_status session_losses(struct session *session, struct step_losses *out,
                         const struct session_image *images, const struct session_truth *truth,
                         int count, const struct step_values *values,
                         const struct session_update *update);
/* The workspace of a training step of this batch, without taking it; pixels may be NULL. */
md_status session_measure(struct session *session, size_t *bytes, const struct session_image *images,
                          const struct session_truth *truth, int count);
const struct session_times *session_times(const struct session *session);
/* Gives back what a session holds of a device's memory from one call to the next. */
void   session_shrink(struct session *session);
size_t session_workspace_bytes(const struct session *session);

#endif
