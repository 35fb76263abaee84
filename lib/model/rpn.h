/* rpn.h - region proposal network: head, anchors, proposals, losses. Detectron2's
 * modeling/proposal_generator/rpn.py, with anchors as in anchor_generator.py. */
#ifndef MODEL_RPN_H
#define MODEL_RPN_H

#include "model/fpn.h"

struct rpn {
    struct conv conv, objectness_logits, anchor_deltas;
    struct rpn_config config;
    int   anchors_per_cell;
    float cells[FPN_LEVELS][OPS_MAX_CELLS][4]; /* around the origin */
    float anchor_offset;
};

/* What the head says about every anchor of a batch. */
struct rpn_output {
    struct level_layout layout;
    struct anchor_params levels[FPN_LEVELS];
    struct tensor logits, deltas;     /* slabs [n*R], [n*R,4] */
    struct tensor hidden[FPN_LEVELS]; /* the 3x3 convolution's outputs; kept for training only */
    int images;
};

/* Boxes with a fixed capacity for each image, best first. */
struct proposals {
    struct tensor boxes, logits, counts; /* [n,cap,4], [n,cap], [n] */
};

/* The truth of a batch; capacity g >= 1. */
struct targets {
    struct tensor boxes, classes, counts; /* [n,g,4], [n,g], [n] */
};

/* What a step's losses and gradients depend on besides images and truth; on the device. */
struct step_controls {
    struct tensor numbers;    /* [STEP_WORDS] of tensor/ops.h */
    struct tensor scale;      /* of gradients; absent: 1 */
    int           image_step; /* from an image's place in the step's batch to the next one's */
};

md_status rpn_declare(struct rpn *rpn, struct param_set *set, const struct model_config *config);
void      rpn_bind(struct rpn *rpn, struct param_set *set);
void      rpn_free(struct rpn *rpn, struct device *device);

md_status rpn_forward(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                      struct rpn_output *out, const struct tensor pyramid[FPN_LEVELS], bool training);
/* All anchors [R,4] of an image, levels one after the other. Detection computes those of its few
 * candidates; only the losses look at all. */
md_status rpn_anchors(struct stream *stream, struct workspace *workspace, struct tensor *out,
                      const struct rpn_output *head);
/* image_sizes [n,2] I32: height, width without padding. */
md_status rpn_proposals(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                        struct proposals *out, const struct rpn_output *head,
                        const struct tensor *image_sizes, bool training);

struct rpn_losses {
    struct tensor loss;   /* [2]: loss_rpn_cls, loss_rpn_loc */
    struct tensor counts; /* [n,2] I32: positive and negative anchors sampled */
    struct tensor logits_grad, deltas_grad; /* absent without gradients */
};
md_status rpn_losses(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                     struct rpn_losses *out, const struct rpn_output *head,
                     const struct targets *targets, const struct step_controls *controls, bool gradients);
/* pyramid_grads[level] += */
md_status rpn_backward(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                       struct tensor pyramid_grads[FPN_LEVELS], const struct rpn_output *head,
                       const struct rpn_losses *losses, const struct tensor pyramid[FPN_LEVELS]);

/* Cell anchors of one level: for each size, for each ratio h/w, in double, then float. */
int anchor_cells(float cells[OPS_MAX_CELLS][4], const double *sizes, int size_count,
                 const double *ratios, int ratio_count);

#endif
