/* linear.h - a fully connected layer: forward and backward. */
#ifndef NN_LINEAR_H
#define NN_LINEAR_H

#include "nn/param.h"

struct linear {
    struct param *weight, *bias;
    struct weight op;
};

struct linear_spec {
    const char *name; /* "roi_heads.box_head.fc1" */
    int  in, out;
    int  pooled; /* > 0: the input is a pooled map of this side (PARAM_POOLED) */
    enum param_init init;
    float init_value;
};

md_status linear_declare(struct linear *linear, struct param_set *set, const struct linear_spec *spec);
void      linear_bind(struct linear *linear, struct param_set *set);
void      linear_release(struct linear *linear, struct device *device);

md_status linear_forward(struct linear *linear, struct stream *stream, struct workspace *workspace,
                         struct tensor *out, const struct tensor *in, bool relu,
                         const struct tensor *rows);
/* Adds to the gradients; in_grad may be NULL. */
md_status linear_backward(struct linear *linear, struct stream *stream, struct tensor *in_grad,
                          bool accumulate, const struct tensor *in, const struct tensor *out_grad,
                          const struct tensor *rows);

#endif
