/* toy_draw.c - fills shapes by their signed distance: how far a pixel is decides how much it is covered. */
#include "data/toy_draw.h"

#include <math.h>
#include <string.h>

struct toy_frame toy_frame_at(double x, double y, double scale, double angle)
{
    return (struct toy_frame){x, y, scale, cos(angle), sin(angle)};
}

struct toy_color toy_mix(struct toy_color from, struct toy_color to, double share)
{
    return (struct toy_color){from.r + (to.r - from.r) * share, from.g + (to.g - from.g) * share,
                              from.b + (to.b - from.b) * share};
}

/* ---- distances: negative inside --------------------------------------------- */

/* First-order: exact on the axes, good near the edge, where it matters. */
static double ellipse_distance(const struct toy_shape *shape, double x, double y)
{
    double u = (x - shape->x) / shape->a;
    double v = (y - shape->y) / shape->b;
    double value = sqrt(u * u + v * v);
    double slope = sqrt(u * u / (shape->a * shape->a) + v * v / (shape->b * shape->b));
    if (slope < 1e-9)
        return -fmin(shape->a, shape->b);
    return value * (value - 1) / slope;
}

static double box_distance(const struct toy_shape *shape, double x, double y)
{
    double dx = fabs(x - shape->x) - shape->a + shape->round;
    double dy = fabs(y - shape->y) - shape->b + shape->round;
    double out_x = fmax(dx, 0);
    double out_y = fmax(dy, 0);
    return sqrt(out_x * out_x + out_y * out_y) + fmin(fmax(dx, dy), 0) - shape->round;
}

static double stroke_distance(const struct toy_shape *shape, double x, double y)
{
    double along_x = shape->a - shape->x;
    double along_y = shape->b - shape->y;
    double length = along_x * along_x + along_y * along_y;
    double t = length > 0 ? ((x - shape->x) * along_x + (y - shape->y) * along_y) / length : 0;
    t = fmin(fmax(t, 0), 1);
    double dx = x - shape->x - t * along_x;
    double dy = y - shape->y - t * along_y;
    return sqrt(dx * dx + dy * dy) - shape->round;
}

static double own_distance(const struct toy_shape *shape, double x, double y)
{
    switch (shape->kind) {
    case TOY_ELLIPSE:
        return ellipse_distance(shape, x, y);
    case TOY_BOX:
        return box_distance(shape, x, y);
    case TOY_STROKE:
        return stroke_distance(shape, x, y);
    }
    return 1;
}

static double distance(const struct toy_shape *shape, double x, double y)
{
    double d = own_distance(shape, x, y);
    if (shape->inside)
        d = fmax(d, own_distance(shape->inside, x, y));
    if (shape->outside)
        d = fmax(d, -own_distance(shape->outside, x, y));
    return d;
}

/* ---- pixels ------------------------------------------------------------------ */

static uint8_t to_byte(double value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5);
}

static void blend(uint8_t *pixel, struct toy_color color, double alpha)
{
    pixel[0] = to_byte(pixel[0] + (color.r - pixel[0]) * alpha);
    pixel[1] = to_byte(pixel[1] + (color.g - pixel[1]) * alpha);
    pixel[2] = to_byte(pixel[2] + (color.b - pixel[2]) * alpha);
}

/* Pixels that the shape can reach, from a circle around it. */
static void reach(const md_image *image, const struct toy_frame *frame,
                  const struct toy_shape *shape, int window[4])
{
    bool stroke = shape->kind == TOY_STROKE;
    double x = stroke ? (shape->x + shape->a) / 2 : shape->x;
    double y = stroke ? (shape->y + shape->b) / 2 : shape->y;
    double radius =
        stroke ? hypot(shape->a - x, shape->b - y) + shape->round : hypot(shape->a, shape->b);
    double pixels = (radius + shape->soft) * frame->scale + 1;
    double at_x = frame->x + (x * frame->cosine - y * frame->sine) * frame->scale;
    double at_y = frame->y + (x * frame->sine + y * frame->cosine) * frame->scale;
    window[0] = (int)fmin(fmax(floor(at_x - pixels), 0), image->width);
    window[1] = (int)fmin(fmax(floor(at_y - pixels), 0), image->height);
    window[2] = (int)fmin(fmax(ceil(at_x + pixels), 0), image->width);
    window[3] = (int)fmin(fmax(ceil(at_y + pixels), 0), image->height);
}

void toy_fill(md_image *image, const struct toy_frame *frame, const struct toy_shape *shape,
              struct toy_color color, double alpha)
{
    int window[4];
    reach(image, frame, shape, window);
    double edge = fmax(shape->soft * frame->scale, 1);
    for (int row = window[1]; row < window[3]; row++) {
        uint8_t *pixel = image->data + row * image->stride + (ptrdiff_t)window[0] * 3;
        double dy = (row + 0.5 - frame->y) / frame->scale;
        for (int column = window[0]; column < window[2]; column++, pixel += 3) {
            double dx = (column + 0.5 - frame->x) / frame->scale;
            double d = distance(shape, dx * frame->cosine + dy * frame->sine,
                                dy * frame->cosine - dx * frame->sine);
            double coverage = fmin(0.5 - d * frame->scale / edge, 1);
            if (coverage > 0)
                blend(pixel, color, coverage * alpha);
        }
    }
}

void toy_curve(md_image *image, const struct toy_frame *frame, const double points[6],
               double half_width, struct toy_color color)
{
    enum { PIECES = 8 };
    double x = points[0];
    double y = points[1];
    for (int i = 1; i <= PIECES; i++) {
        double t = (double)i / PIECES;
        double p = (1 - t) * (1 - t), q = 2 * t * (1 - t), r = t * t;
        double next_x = p * points[0] + q * points[2] + r * points[4];
        double next_y = p * points[1] + q * points[3] + r * points[5];
        struct toy_shape piece = {
            .kind = TOY_STROKE, .x = x, .y = y, .a = next_x, .b = next_y, .round = half_width};
        toy_fill(image, frame, &piece, color, 1);
        x = next_x;
        y = next_y;
    }
}

void toy_gradient(md_image *image, struct toy_color top, struct toy_color bottom)
{
    for (int row = 0; row < image->height; row++) {
        struct toy_color color = toy_mix(top, bottom, (row + 0.5) / image->height);
        uint8_t *pixel = image->data + row * image->stride;
        for (int column = 0; column < image->width; column++, pixel += 3) {
            pixel[0] = to_byte(color.r);
            pixel[1] = to_byte(color.g);
            pixel[2] = to_byte(color.b);
        }
    }
}

void toy_noise(md_image *image, uint32_t seed, int amplitude)
{
    uint32_t state = seed;
    uint32_t range = 2 * (uint32_t)amplitude + 1;
    for (int row = 0; row < image->height; row++) {
        uint8_t *byte = image->data + row * image->stride;
        for (int i = 0; i < 3 * image->width; i++) {
            state = state * 1664525u +
                    1013904223u; /* Knuth's linear congruence: good enough to look at */
            int value = byte[i] + (int)((state >> 16) % range) - amplitude;
            byte[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
}
