/* winograd_kernels.h - the AVX-512 kernels of Winograd convolution. */
#ifndef BACKEND_CPU_WINOGRAD_KERNELS_H
#define BACKEND_CPU_WINOGRAD_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WINOGRAD_TILE = 4,    /* outputs of a tile, along each side */
    WINOGRAD_WINDOW = 6,  /* inputs that they see */
    WINOGRAD_OUTPUTS = WINOGRAD_TILE * WINOGRAD_TILE,
    WINOGRAD_POINTS = WINOGRAD_WINDOW * WINOGRAD_WINDOW,
    WINOGRAD_LANES = 16,
    WINOGRAD_ROWS = 14,    /* of one matrix product: tiles */
    WINOGRAD_COLUMNS = 32, /* of one matrix product: output channels */
    WINOGRAD_NARROW = 16   /* the same for groups of 16, and for two groups of 8 */
};

/* The points at which the polynomials are evaluated: 0, +-A, +-B and infinity. Close to 1 and apart
 * from each other: with 256 channels the error is 1.4 times that of a plain sum in float; that of
 * the textbook's 1 and 2 would be 2.7 times. */
#define WINOGRAD_A 0.625f
#define WINOGRAD_B 1.5f

/* out [36 apart by step][channels] = B^T d B of a tile's window. Channels in whole vectors. */
struct winograd_input {
    const float *pixels[WINOGRAD_POINTS];
    float       *out;
    int64_t      step, channels;
};

/* pixels [16][channels] = act(A^T m A + bias + residual); NULL pixels are outside the image. */
struct winograd_output {
    const float *in; /* [36 apart by step][channels] */
    int64_t      step, channels;
    float       *pixels[WINOGRAD_OUTPUTS];
    const float *residuals[WINOGRAD_OUTPUTS]; /* or all NULL; may be the pixels */
    const float *bias;                        /* or NULL */
    bool         relu;
};

/* out [14][columns] = a [14][depth] * b [depth][columns], with rows apart by a_row and out_row. */
struct winograd_product {
    const float *a, *b;
    float       *out;
    int64_t      a_row, out_row, depth;
};
typedef void winograd_product_fn(const struct winograd_product *product);

/* out [36 apart by step][columns] = G w G^T of the windows w [3][3][columns]. */
struct winograd_weights {
    const float *windows;
    float       *out;
    int64_t      step, columns;
};

struct winograd_kernels {
    void (*input)(const struct winograd_input *input);
    void (*output)(const struct winograd_output *output);
    winograd_product_fn *wide;   /* 32 columns */
    winograd_product_fn *narrow; /* 16 columns */
    winograd_product_fn *pairs;  /* 16 columns, half of them from each 8 of a row's 16 values */
    void (*weights)(const struct winograd_weights *weights);
};

/* NULL entries where the processor or the build has none. */
struct winograd_kernels winograd_kernels(void);

#endif
