/* conv.h - a convolution with its own bias or a folded FrozenBN: forward and backward. */
#ifndef NN_CONV_H
#define NN_CONV_H

#include "nn/param.h"

struct conv {
    struct param *weight;
    struct param *bias;                  /* NULL with a norm */
    struct param *norm[4];               /* weight, bias, running_mean, running_var; NULL without */
    struct param *scale, *shift;         /* derived from norm */
    struct weight op;                    /* set by conv_bind */
    struct conv_geometry geometry;
    int kernel;
    bool trainable;
};

struct conv_spec {
    const char *name; /* "backbone.bottom_up.res2.0.conv1" */
    int  in, out, kernel, stride, pad, groups;
    bool norm;      /* FrozenBN instead of a bias */
    bool trainable;
    enum param_init init;
    float init_value;
};

md_status conv_declare(struct conv *conv, struct param_set *set, const struct conv_spec *spec);
void      conv_bind(struct conv *conv, struct param_set *set); /* after param_set_allocate */
void      conv_release(struct conv *conv, struct device *device);
/* Computes scale and shift from the norm: s = w / sqrt(var + 1e-5), b - mean * s. After every write
 * to the norm's tensors. */
md_status conv_refresh(struct conv *conv, struct param_set *set, struct stream *stream);

struct shape conv_output(const struct conv *conv, struct shape in);
/* Allocates `out` in the workspace and computes it. residual may be NULL. */
md_status conv_forward(struct conv *conv, struct stream *stream, struct workspace *workspace,
                       struct tensor *out, const struct tensor *in, const struct tensor *residual,
                       bool relu);
/* Adds to the parameters' gradients (when trainable); in_grad may be NULL: not wanted. */
md_status conv_backward(struct conv *conv, struct stream *stream, struct tensor *in_grad,
                        bool accumulate, const struct tensor *in, const struct tensor *out_grad);

/* "MSRA fill": normal with deviation sqrt(2 / (out * k * k)). "Xavier fill": uniform within
 * sqrt(3 / fan_in). Both as fvcore's weight_init computes them. */
float init_msra(int out, int kernel);
float init_xavier(int64_t fan_in);

#endif
