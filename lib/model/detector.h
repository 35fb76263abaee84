/* detector.h - Faster R-CNN with a feature pyramid: the whole network on the device. */
#ifndef MODEL_DETECTOR_H
#define MODEL_DETECTOR_H

#include "model/roi_heads.h"

struct detector {
    struct device      *device;
    struct param_set   *params;
    struct model_config config;
    struct resnet       resnet;
    struct fpn          fpn;
    struct rpn          rpn;
    struct roi_heads    heads;
    int                 first_of_fpn, first_of_rpn, first_of_heads; /* parameters, as declared */
};

/* Images on the device: pixels [n,H,W,3] normalised and padded, H and W multiples of 32;
 * sizes [n,2] I32 = height, width without the padding. */
struct image_batch {
    struct tensor pixels, sizes;
};

/* Values are zero until detector_initialise or writes to the parameters, then detector_refresh. */
md_status detector_create(struct detector **out, struct device *device, const struct model_config *config);
void      detector_free(struct detector *detector);
/* Detectron2's initial weights. */
md_status detector_initialise(struct detector *detector, struct stream *stream, uint64_t seed);
/* To be called after any parameter was written: folds norms anew, marks packed weights as stale, and
 * waits, so that all streams see them. */
md_status detector_refresh(struct detector *detector, struct stream *stream);

md_status detector_detect(struct detector *detector, struct stream *stream, struct workspace *workspace,
                          struct detections *out, const struct image_batch *batch,
                          const struct detect_options *options);

/* A training step under way: where it runs, and what the backward pass looks at. */
struct detector_step {
    struct stream      *stream;
    struct workspace   *workspace;
    struct resnet_saved resnet;
    struct fpn_saved    fpn;
    struct tensor       pyramid[FPN_LEVELS];
    struct rpn_output   head;
    struct roi_batch    rois;
    struct roi_output   output;
    const struct gradient_watch *watch; /* of the backward pass; may be NULL */
};

/* Keeps stream and workspace. */
md_status detector_step_create(struct detector_step *step, const struct detector *detector,
                               struct stream *stream, struct workspace *workspace);
void      detector_step_free(struct detector_step *step, struct memory *memory);

/* Scalars of a step, still on the device. */
struct detector_losses {
    struct rpn_losses rpn;
    struct roi_losses roi;
    struct tensor     roi_counts; /* [n,2] I32 */
};
/* Everything of a training step but the optimiser. With `gradients` the parameters' gradients are
 * cleared first and then hold those of the sum of the losses; param_set_prepare_training before. */
md_status detector_losses(struct detector *detector, struct detector_step *step,
                          struct detector_losses *out, const struct image_batch *batch,
                          const struct targets *targets, const struct step_controls *controls,
                          bool gradients);

#endif
