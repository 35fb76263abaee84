/* conv_problem.h - a convolution, or one of its gradients, by what an engine's choice depends on; a
 * product of matrices is one. */
#ifndef BACKEND_CUDA_CONV_PROBLEM_H
#define BACKEND_CUDA_CONV_PROBLEM_H

#include "tensor/ops.h"

enum conv_flag {
    CONV_BIAS = 1,
    CONV_RESIDUAL = 2,
    CONV_RELU = 4,
    CONV_TF32 = 8,     /* fp32 factors may be rounded to TF32 */
    CONV_IN_PLACE = 16, /* the residual is the output's own memory, or the result is added to it */
    CONV_DATA = 32,     /* the gradient of the input; its sizes are those of the convolution */
    CONV_FILTER = 64    /* that of the weight */
};

enum { CONV_GRADIENTS = CONV_DATA | CONV_FILTER };

/* Compared and hashed as bytes: no padding. out[r,o] = in[r,i] * w[o,i] is the 1x1 convolution of
 * an image of one row, so linear layers are problems too. */
struct conv_problem {
    int64_t          n, h, w, c, o; /* h and w of the input */
    int              kh, kw, stride, pad, groups;
    int              alignment; /* bytes: of where in, residual and out begin; at most 64 */
    enum tensor_type in, out;   /* of what is read and written; a residual has that of `out` */
    uint64_t         flags;
};
_Static_assert(sizeof(struct conv_problem) == 6 * 8 + 8 * 4, "padding would be compared");

static inline int64_t conv_problem_height(const struct conv_problem *p)
{
    return (p->h + 2 * p->pad - p->kh) / p->stride + 1;
}

static inline int64_t conv_problem_width(const struct conv_problem *p)
{
    return (p->w + 2 * p->pad - p->kw) / p->stride + 1;
}

/* Rows of the output as a matrix [rows, o]. */
static inline int64_t conv_problem_rows(const struct conv_problem *p)
{
    return p->n * conv_problem_height(p) * conv_problem_width(p);
}

/* Values of what is written. */
static inline int64_t conv_problem_results(const struct conv_problem *p)
{
    if (p->flags & CONV_FILTER)
        return p->o * p->kh * p->kw * (p->c / p->groups);
    return p->flags & CONV_DATA ? p->n * p->h * p->w * p->c : conv_problem_rows(p) * p->o;
}

/* Is it in [rows, c] times weight [o, c] transposed? */
static inline bool conv_problem_is_product(const struct conv_problem *p)
{
    return p->kh == 1 && p->kw == 1 && p->stride == 1 && p->pad == 0 && p->groups == 1;
}

enum { CONV_PROBLEM_TEXT = 256 };
/* "bf16 1x200x336x64 -> bf16 256, 3x3 stride 1 pad 1 groups 1 align 64, bias relu"; different problems
 * have different texts. */
const char *conv_problem_text(const struct conv_problem *problem, char text[CONV_PROBLEM_TEXT]);

/* Where the operands are, on the device. */
struct conv_buffers {
    const void  *in;          /* of CONV_DATA the gradient of the convolution's result */
    const void  *weight;      /* of CONV_FILTER that gradient */
    const void  *residual;    /* NULL: none */
    const float *bias;        /* NULL: none */
    const void  *narrow_bias; /* the same rounded to the type of `in`, for plans that ask */
    const float *scale;       /* [o] of CONV_FILTER: out += scale * result; NULL: none */
    void        *out;
};

#endif
