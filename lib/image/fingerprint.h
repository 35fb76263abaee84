/* fingerprint.h - 64 bits that stay nearly the same when a picture is scaled or encoded again. */
#ifndef IMAGE_FINGERPRINT_H
#define IMAGE_FINGERPRINT_H

#include "core/memory.h"
#include "md/image.h"

/* The signs of the 8 x 8 lowest frequencies but the constant ones of the picture at 32 x 32 gray,
 * against their median. In whole numbers, so that all machines agree. Of two pictures that have nothing
 * to do with each other about 32 bits differ; of one scaled or compressed, few. */
md_status image_fingerprint(uint64_t *out, struct memory *memory, const md_image *image);

/* Bits that differ. */
int fingerprint_distance(uint64_t a, uint64_t b);

#endif
