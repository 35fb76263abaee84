/* postprocess.h - detections from the network's coordinates to the image's. */
#ifndef MODEL_POSTPROCESS_H
#define MODEL_POSTPROCESS_H

#include "model/session.h"

/* Detectron2's detector_postprocess: scaled per axis, clipped, empty boxes dropped. Returns how
 * many are left; they are moved to the front in order. */
int postprocess(struct session_detection *detections, int count, const struct session_image *image);

#endif
