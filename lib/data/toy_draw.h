/* toy_draw.h - a small anti-aliased rasteriser of shapes given by their distance, for the toy pictures. */
#ifndef DATA_TOY_DRAW_H
#define DATA_TOY_DRAW_H

#include "md/image.h"

struct toy_color { double r, g, b; }; /* 0..255 */

/* Local coordinates: `scale` pixels to the unit, origin at (x, y), turned clockwise by an angle. */
struct toy_frame {
    double x, y, scale, cosine, sine;
};

enum toy_kind { TOY_ELLIPSE, TOY_BOX, TOY_STROKE };

struct toy_shape {
    enum toy_kind kind;
    double x, y;  /* centre; of a stroke the first end */
    double a, b;  /* half width and height; of a stroke the second end */
    double round; /* corner radius of a box; half the width of a stroke */
    double soft;  /* width of a blurred edge; 0: one pixel */
    /* only where it is inside, or not inside, that one too; or NULL */
    const struct toy_shape *inside, *outside;
};

struct toy_frame toy_frame_at(double x, double y, double scale, double angle);
struct toy_color toy_mix(struct toy_color from, struct toy_color to, double share);
void toy_fill(md_image *image, const struct toy_frame *frame, const struct toy_shape *shape,
              struct toy_color color, double alpha);
/* A stroke along the quadratic curve from p over the control point q to r: {px, py, qx, qy, rx, ry}. */
void toy_curve(md_image *image, const struct toy_frame *frame, const double points[6], double half_width,
               struct toy_color color);
/* Vertical gradient over the whole image. */
void toy_gradient(md_image *image, struct toy_color top, struct toy_color bottom);
/* Camera noise: each channel of each pixel moves by at most `amplitude`. */
void toy_noise(md_image *image, uint32_t seed, int amplitude);

#endif
