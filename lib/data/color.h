/* color.h - brightness, contrast, saturation and lighting of an RGB8 image: Detectron2's blends,
 * each of which cuts its result down to whole levels. */
#ifndef DATA_COLOR_H
#define DATA_COLOR_H

#include "md/image.h"

/* In place. A weight of 1 changes nothing, 0 is all that the operation can do: black, the mean of
 * all values, grey. */
void color_brightness(md_image *image, double weight);
void color_contrast(md_image *image, double weight);
void color_saturation(md_image *image, double weight);
/* AlexNet's shift of all pixels along the three principal colours of ImageNet. */
void color_lighting(md_image *image, const double weights[3]);

#endif
