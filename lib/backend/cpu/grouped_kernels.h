/* grouped_kernels.h - the AVX-512 kernels of grouped convolution, on blocks copied together.
 *
 * A unit is the smallest run of channels that fills whole vectors and whole groups: two groups of 8,
 * one of 16, one of 32. A block is a rectangle of one unit's pixels, copied so that they lie next to
 * each other with zeros for what is outside the image: the kernels know no borders, and pixels whose
 * distance is a power of two do not fight for the same cache lines. */
#ifndef BACKEND_CPU_GROUPED_KERNELS_H
#define BACKEND_CPU_GROUPED_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GROUPED_LANES = 16,
    GROUPED_COLUMNS = 14,      /* output pixels in a row of a block; 12 for width 32 */
    GROUPED_COLUMNS_WIDE = 12,
    GROUPED_BLOCK_ROWS = 8     /* output rows of a block; half as many for stride 2 */
};

/* One row of outputs of a block. */
struct grouped_row {
    const float *in;      /* first of the three rows of the block */
    int64_t      in_row;  /* floats from row to row */
    const float *weights; /* of the unit: [dy][ci][dx][unit] */
    const float *bias;    /* [unit] or NULL */
    float       *out;     /* first pixel */
    int64_t      out_pixel; /* floats from pixel to pixel */
    int          count;   /* pixels to store */
    bool         relu, accumulate;
};
typedef void grouped_row_fn(const struct grouped_row *row);

/* Of a block of output gradients and the block of inputs that it sees. */
struct grouped_gradient {
    const float *in;
    int64_t      in_row;
    const float *out_grad; /* [rows][columns][unit] */
    int          rows, columns;
    float       *grad;     /* [dy][ci][dx][unit], += */
};
typedef void grouped_gradient_fn(const struct grouped_gradient *gradient);

struct grouped_kernels {
    grouped_row_fn      *row;
    grouped_gradient_fn *gradient;
};

/* For a group width of 8, 16 or 32 and a stride of 1 or 2; NULL entries where the processor or the
 * build has no such kernel. */
struct grouped_kernels grouped_kernels_for(int64_t width, int64_t stride);

#endif
