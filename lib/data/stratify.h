/* stratify.h - which part each image goes to, so that every class is divided as the images are. */
#ifndef DATA_STRATIFY_H
#define DATA_STRATIFY_H

#include "data/dataset.h"

struct stratify_options {
    const double   *fractions; /* [parts], positive, together 1 */
    size_t          parts;
    const uint32_t *group;     /* [image_count] images of one number stay together; NULL: each alone */
    uint64_t        seed;
};

/* The rarest class first: its images, those with most of it first, each go to the part that still
 * wants most of it and has room; images without boxes count as a class of their own. Parts get the
 * number of images that their fraction says, rounded; only groups can make it differ. Ties are broken by
 * the seed. */
md_status stratify(const struct dataset *dataset, const struct stratify_options *options,
                   uint32_t *part_of);

#endif
