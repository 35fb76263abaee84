/* conv.h - a convolution with its own bias, a folded FrozenBN or a norm of its own: both ways. */
#ifndef NN_CONV_H
#define NN_CONV_H

#include "nn/param.h"

enum conv_norm {
    CONV_BIAS,       /* none, but a bias */
    CONV_FROZEN_BN,  /* fixed statistics, folded into the weights */
    CONV_GROUP_NORM, /* these two are computed after the convolution, and trained with it */
    CONV_BATCH_NORM
};
enum { CONV_NORM_GROUPS = 32 /* of a group norm; they divide the channels */ };

struct conv {
    struct param *weight;
    struct param *bias;                  /* NULL with a norm */
    struct param *norm[4];               /* weight, bias, running_mean, running_var; NULL without */
    struct param *scale, *shift;         /* of a FrozenBN, derived from norm */
    struct weight op;                    /* set by conv_bind */
    struct norm   after;                 /* likewise, when normed */
    bool          normed;                /* a norm is computed after the convolution */
    struct conv_geometry geometry;
    int kernel;
    bool trainable;
};

struct conv_spec {
    const char *name; /* "backbone.bottom_up.res2.0.conv1" */
    int  in, out, kernel, stride, pad, groups;
    enum conv_norm norm;
    bool trainable; /* or weight, bias and norm are fixed; a batch norm must not be */
    enum param_init init;
    float init_value;
};

/* What the backward pass of a layer with a computed norm needs besides the layer's input. */
struct conv_saved {
    struct tensor plain, stats; /* before the norm; of op_norm_forward */
};

md_status conv_declare(struct conv *conv, struct param_set *set, const struct conv_spec *spec);
void      conv_bind(struct conv *conv, struct param_set *set); /* after param_set_allocate */
void      conv_release(struct conv *conv, struct device *device);
/* Computes a FrozenBN's scale and shift from its statistics: s = w / sqrt(var + 1e-5), b - mean * s.
 * After every write to the norm's tensors. */
md_status conv_refresh(struct conv *conv, struct param_set *set, struct stream *stream);

struct shape conv_output(const struct conv *conv, struct shape in);
/* Into `out`, which may be residual; residual may be NULL. With `saved` a batch norm takes the batch's
 * statistics and moves the running ones, without it takes those. Memory is taken from the workspace and
 * not given back; what `saved` holds lies there. */
md_status conv_apply(struct conv *conv, struct stream *stream, struct workspace *workspace,
                     struct tensor *out, const struct tensor *in, const struct tensor *residual,
                     bool relu, struct conv_saved *saved);
/* Allocates `out` in the workspace and computes it, without saving. */
md_status conv_forward(struct conv *conv, struct stream *stream, struct workspace *workspace,
                       struct tensor *out, const struct tensor *in, const struct tensor *residual,
                       bool relu);
/* Adds to the parameters' gradients (when trainable); in_grad may be NULL: not wanted. For a layer
 * without a computed norm. */
md_status conv_backward(struct conv *conv, struct stream *stream, struct tensor *in_grad,
                        bool accumulate, const struct tensor *in, const struct tensor *out_grad);
/* The same for any layer, after conv_apply with `saved`; leaves the workspace as it was. */
md_status conv_backward_saved(struct conv *conv, struct stream *stream, struct workspace *workspace,
                              struct tensor *in_grad, bool accumulate, const struct tensor *in,
                              const struct tensor *out_grad, const struct conv_saved *saved);

/* "MSRA fill": normal with deviation sqrt(2 / (out * k * k)). "Xavier fill": uniform within
 * sqrt(3 / fan_in). Both as fvcore's weight_init computes them. */
float init_msra(int out, int kernel);
float init_xavier(int64_t fan_in);

#endif
