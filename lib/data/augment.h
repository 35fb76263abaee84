/* augment.h - one training sample from one image: resize the short side, flip, carry the boxes along. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include "core/random.h"
#include "data/loader.h"

enum { AUGMENT_DRAWS = 16 }; /* random words set aside for one sample */

struct augment_choice {
    int  short_side; /* 0: keep the size */
    bool flip;
};

/* Sizes or probability out of range: MD_EINVAL. */
md_status augment_check(const struct augment_options *options);
/* `random` NULL: the first size, no flip. */
struct augment_choice augment_choose(const struct augment_options *options, struct random *random);

/* The box in an image of old size, resized to new size and then flipped, clipped to it. In double,
 * as the result decides which boxes are empty. */
void augment_box(double out[4], const float box[4], const int old_size[2], const int new_size[2], bool flip);

/* Fills in everything of `out` but image_index. Reads `pixels`, keeps nothing of it. */
md_status augment_sample(struct sample *out, struct memory *memory, const md_image *pixels,
                         const struct annotation *annotations, size_t count,
                          const struct augment_options *options,
                         struct augment_choice choice);
void sample_release(struct sample *sample, struct memory *memory); /* clears it */

#endif
