/* common.h - what the plain loops share: typed data, counts, and selection by a total order. */
#ifndef BACKEND_REF_COMMON_H
#define BACKEND_REF_COMMON_H

#include <string.h>

#include "backend/backends.h"

static inline float *f32(const struct tensor *t)
{
    return t->data;
}

static inline int32_t *i32(const struct tensor *t)
{
    return t->data;
}

/* A count from the device, held inside [0, limit]. */
static inline int64_t clamp_count(int64_t count, int64_t limit)
{
    return count < 0 ? 0 : count < limit ? count : limit;
}

/* The rows to compute of `capacity`: all when `rows` is absent. */
static inline int64_t row_count(const struct tensor *rows, int64_t capacity)
{
    return tensor_given(rows) ? clamp_count(i32(rows)[0], capacity) : capacity;
}

static inline struct step_numbers step_numbers(const struct tensor *step)
{
    struct step_numbers numbers;
    memcpy(&numbers, step->data, sizeof numbers);
    return numbers;
}

/* Whether an operation that may be called off shall take place. */
static inline bool applies(const struct tensor *apply)
{
    return !tensor_given(apply) || i32(apply)[0] != 0;
}

/* What the gradients of a loss are multiplied by. */
static inline double gradient_scale(const struct tensor *scale)
{
    return tensor_given(scale) ? (double)f32(scale)[0] : 1;
}

/* Image i of op_images_to_tensor; MD_EINVAL when it cannot be. */
enum { IMAGE_MAX_SIDE = 32768 };
struct image_sizes {
    int from_height, from_width, height, width;
};
md_status image_sizes_read(struct image_sizes *found, const struct tensor *out,
                           const struct tensor *pixels, const struct tensor *from_sizes,
                           const struct tensor *sizes, int64_t i);

/* Whether item a comes before item b: a total order. */
typedef bool before_fn(const void *context, int32_t a, int32_t b);

/* Items that came first of all those offered so far, in a heap whose root is the last of them. */
struct selection {
    int32_t *items; /* [capacity], the caller's */
    int64_t count, capacity;
    before_fn *before;
    const void *context;
};

void selection_offer(struct selection *selection, int32_t item);
void selection_sort(struct selection *selection); /* first item first; offer nothing after it */

void sort_ascending(int32_t *items, int64_t count);

#endif
