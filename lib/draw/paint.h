/* paint.h - private to lib/draw: coverage to pixels, and strokes by their distance. */
#ifndef DRAW_PAINT_H
#define DRAW_PAINT_H

#include "draw/draw.h"

struct segment {
    float x0, y0, x1, y1;
};

/* Round-ended strokes of `width` pixels along all segments, painted as one shape: where they
 * touch, nothing is painted twice. Segments must be finite and not far outside the image. */
void paint_segments(md_image *image, const struct segment *segments, size_t count, float width,
                    struct draw_color color);
/* A disc. */
void paint_dot(md_image *image, float x, float y, float radius, struct draw_color color);

#endif
