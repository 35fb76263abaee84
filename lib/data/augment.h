/* augment.h - one training sample from one image: crop, resize, flip, change the colours, and carry
 * the boxes along. */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include "core/random.h"
#include "data/loader.h"

enum { AUGMENT_DRAWS = 32 }; /* random words set aside for one sample */

struct augment_choice {
    int    short_side; /* 0: keep the size */
    bool   flip;
    double crop_size[2], crop_place[2]; /* vertical, horizontal, each in [0,1) of what is possible */
    double brightness, contrast, saturation, lighting[3];
};

/* What of an image is shown, and how large. */
struct augment_view {
    int  left, top, width, height; /* the part of the image, in its pixels */
    int  out_width, out_height;    /* after the resize */
    bool mirror, upside_down;      /* then */
};

/* Sizes, ranges or probability that are not possible: MD_EINVAL. */
md_status augment_check(const struct augment_options *options);
/* Takes AUGMENT_DRAWS words, each draw at a place of its own: what is switched on does not change what
 * the others draw. `random` NULL: the first size and nothing else. */
struct augment_choice augment_choose(const struct augment_options *options, struct random *random);

/* Detectron2's RandomCrop, ResizeShortestEdge and RandomFlip of an image of this size. */
void augment_view(struct augment_view *out, int width, int height, const struct augment_options *options,
                  const struct augment_choice *choice);
/* A box of the image as it lies in the view, clipped to it. In double, as the result decides which
 * boxes are empty. */
void augment_box(double out[4], const float box[4], const struct augment_view *view);

/* Fills in everything of `out` but image_index. Reads `pixels`, keeps nothing of it. */
md_status augment_sample(struct sample *out, struct memory *memory, const md_image *pixels,
                         const struct annotation *annotations, size_t count,
                         const struct augment_options *options, struct augment_choice choice);
void sample_release(struct sample *sample, struct memory *memory); /* clears it */

#endif
