/* resize.h - Pillow's antialiased bilinear resize, bit for bit.
 *
 * Per axis a table of taps with 22-bit fixed-point weights; the horizontal pass first, rounded to
 * 8 bits, then the vertical one; a pass whose length does not change is skipped. Detectron2
 * resizes all its images so. The order matters: Pillow up to 12 is reproduced; Pillow 13 runs the
 * vertical pass first at some sizes, and its bytes differ there. */
#ifndef IMAGE_RESIZE_H
#define IMAGE_RESIZE_H

#include "core/memory.h"
#include "md/image.h"

/* Taps of one axis: output i reads in[first[i] .. first[i] + count[i]) with weight[i * width + k]. */
struct resize_axis {
    int      in, out;
    int      width;  /* taps kept for each output */
    int     *first;  /* [out] */
    int     *count;  /* [out] */
    int32_t *weight; /* [out, width], 22 fractional bits */
    struct memory *memory;
};

/* in, out >= 1. */
md_status resize_axis_create(struct resize_axis *axis, struct memory *memory, int in, int out);
void      resize_axis_free(struct resize_axis *axis);

/* One row of `channels` interleaved bytes: out[axis->out * channels] from in[axis->in * channels]. */
void resize_row_horizontal(uint8_t *out, const uint8_t *in, const struct resize_axis *axis, int channels);
/* One output row `y` of `bytes` bytes from the rows of `in`, `stride` bytes apart, row 0 at `in`. */
void resize_row_vertical(uint8_t *out, const uint8_t *in, ptrdiff_t stride,
                         const struct resize_axis *axis, int y, size_t bytes);

/* What resize_axis_create takes of a fixed_memory. */
size_t resize_axis_bytes(int in, int out);

/* The whole image, same format, into a new image of out_width x out_height. */
md_status image_resize(md_image *out, struct memory *memory, const md_image *in, int out_width,
                       int out_height);

/* Detectron2's ResizeShortestEdge: short side to `short_side`, long side at most `max_side`;
 * short_side 0 keeps the size. */
void resize_shortest_edge(int *out_height, int *out_width, int height, int width, int short_side,
                          int max_side);

#endif
