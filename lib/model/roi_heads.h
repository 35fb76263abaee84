/* roi_heads.h - pooler, box head, losses and detections. Detectron2's modeling/roi_heads. */
#ifndef MODEL_ROI_HEADS_H
#define MODEL_ROI_HEADS_H

#include "model/rpn.h"
#include "nn/linear.h"

enum { ROI_MAX_FC = 4 };

struct roi_heads {
    struct linear fc[ROI_MAX_FC], cls_score, bbox_pred;
    struct roi_config config;
};

/* What counts as a detection. */
struct detect_options {
    float score_threshold, nms_threshold;
    int   max_detections; /* for each image */
};

/* The rois of a batch, image by image without gaps. */
struct roi_batch {
    struct tensor rois, rows;       /* [cap,5], [1] */
    struct tensor classes, targets; /* training: [cap], [cap,4] */
    struct tensor counts;           /* training: [n,2] I32 foreground, background */
};

struct roi_output {
    struct tensor pooled, hidden[ROI_MAX_FC]; /* kept for training */
    struct tensor scores, deltas;             /* logits [cap,k+1], [cap,4k or 4] */
};

struct roi_losses {
    struct tensor cls, box_reg, stats; /* [1], [1], [4] of softmax_loss */
    struct tensor scores_grad, deltas_grad;
};

struct detections {
    struct tensor boxes, scores, classes, counts; /* [n,d,4], [n,d], [n,d], [n] */
};

md_status roi_heads_declare(struct roi_heads *heads, struct param_set *set,
                            const struct model_config *config);
void      roi_heads_bind(struct roi_heads *heads, struct param_set *set);
void      roi_heads_free(struct roi_heads *heads, struct device *device);

/* Training: truth appended, matched, sampled. Inference: all proposals. */
md_status roi_heads_sample(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                           struct roi_batch *out, const struct proposals *proposals,
                           const struct targets *targets, const struct step_controls *controls);
md_status roi_heads_all(struct stream *stream, struct workspace *workspace, struct roi_batch *out,
                        const struct proposals *proposals);

md_status roi_heads_forward(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                            struct roi_output *out, const struct roi_batch *batch,
                            const struct tensor pyramid[FPN_LEVELS]);
/* The same scores and deltas and nothing else: inference. Rois go through in parts, so that pooled
 * features take a fixed amount of memory. */
md_status roi_heads_score(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                          struct roi_output *out, const struct roi_batch *batch,
                          const struct tensor pyramid[FPN_LEVELS]);
md_status roi_heads_losses(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                           struct roi_losses *out, const struct roi_output *output,
                           const struct roi_batch *batch, const struct tensor *scale,
                           bool gradients);
/* pyramid_grads[p2..p5] += */
md_status roi_heads_backward(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                             struct tensor pyramid_grads[FPN_LEVELS], const struct roi_output *output,
                             const struct roi_losses *losses, const struct roi_batch *batch);
md_status roi_heads_detect(struct roi_heads *heads, struct stream *stream, struct workspace *workspace,
                           struct detections *out, const struct roi_output *output,
                           const struct roi_batch *batch, const struct tensor *image_sizes,
                           const struct detect_options *options);

#endif
