/* repeat.h - how often images come in an epoch, so that rare classes are seen more. */
#ifndef DATA_REPEAT_H
#define DATA_REPEAT_H

#include "data/dataset.h"

/* Detectron2's repeat factors (Gupta et al. 2019): a class found in the share f of these images has
 * max(1, sqrt(threshold / f)), or without the root, and an image has the largest factor of its
 * classes; 1 without any. Crowds count. out [count]. */
md_status repeat_factors(float *out, struct memory *memory, const struct dataset *dataset,
                         const uint32_t *images, uint32_t count, double threshold, bool root);

#endif
