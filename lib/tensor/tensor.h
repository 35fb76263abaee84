/* tensor.h - a typed, contiguous view of device memory. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "md/base.h"

enum tensor_type { TENSOR_F32, TENSOR_I32, TENSOR_U8, TENSOR_BF16, TENSOR_F16 };

enum { TENSOR_MAX_RANK = 5, SHAPE_ANY = -1 };

struct shape {
    int     rank;
    int64_t dims[TENSOR_MAX_RANK];
};

/* SHAPE(n, h, w, c) */
#define SHAPE(...) \
    ((struct shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})

/* Row-major without gaps. rank 0 means "no tensor": an optional argument left out. The memory
 * belongs to whoever allocated it: a workspace, a parameter slab, a caller. */
struct tensor {
    void            *data;
    enum tensor_type type;
    struct shape     shape;
};

static inline bool tensor_given(const struct tensor *t)
{
    return t && t->shape.rank > 0;
}

size_t      tensor_type_bytes(enum tensor_type type);
const char *tensor_type_name(enum tensor_type type); /* "f32" */
/* Elements, 0 for rank 0; -1 when a dimension is negative or the product overflows. */
int64_t shape_count(struct shape shape);
bool    shape_equal(struct shape a, struct shape b);
int64_t tensor_count(const struct tensor *t);
size_t  tensor_bytes(const struct tensor *t); /* SIZE_MAX when there is no such size */
/* "[2,200,336,256]" into `text`; SHAPE_ANY is written "?". */
const char *shape_text(struct shape shape, char text[96]);

/* The same memory seen with another shape of equal count (asserted). */
struct tensor tensor_reshape(const struct tensor *t, struct shape shape);
/* count rows along the first dimension, from `first` on. */
struct tensor tensor_rows(const struct tensor *t, int64_t first, int64_t count);

#endif
