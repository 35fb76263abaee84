/* work.h - how many floating-point operations a network takes, from its parameters' shapes. */
#ifndef EXAMPLES_WORK_H
#define EXAMPLES_WORK_H

#include <md.h>

struct work {
    double forward; /* one image, 2 operations a multiplication with its addition */
    double train;   /* forward, and both gradients of what is trained */
};

/* Convolutions and linear layers of one image of height x width (padded to multiples of 32); the box
 * head runs `proposals` times in inference, `sampled` times in training. */
md_status work_count(struct work *out, const md_model *model, int height, int width, int proposals,
                     int sampled);

#endif
