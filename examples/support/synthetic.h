/* synthetic.h - weights that nobody trained, made so that a measurement times real work. */
#ifndef EXAMPLES_SYNTHETIC_H
#define EXAMPLES_SYNTHETIC_H

#include <md.h>

/* Random weights whose activations keep their size through the network, always the same ones. Raw
 * initial weights would not do: their activations fade or explode with depth, and their scores leave
 * the last stages with no boxes at all, or with far too many. */
md_status synthetic_fill(md_model *model);

/* Moves the background's bias until 50 to 100 detections an image survive, or as near to it as the
 * images allow. */
md_status synthetic_calibrate(md_model *model, const md_predict_options *options,
                              const md_image *images, size_t count);

/* Mean number of boxes an image that reach the box head. The weights are as before afterwards. */
md_status synthetic_proposals(md_model *model, const md_predict_options *options,
                              const md_image *images, size_t count, double *proposals);

/* Mean number of detections an image. */
md_status synthetic_detections(md_predictor *predictor, const md_image *images, size_t count,
                               double *detections);

#endif
