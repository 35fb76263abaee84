/* draw.c - fills, lines and boxes, anti-aliased by coverage and by distance. */
#include "draw/draw.h"

#include <math.h>
#include <string.h>

#include "draw/paint.h"
#include "image/image.h"

/* ---- pixels ------------------------------------------------------------------------------ */

/* The colour in the image's own format. The alpha channel of an image is blended like the
 * others, towards opaque. */
struct pen {
    uint8_t value[4];
    int channels;
    float alpha;
};

static struct pen pen_of(const md_image *image, struct draw_color color)
{
    struct pen pen = {.channels = image_channels(image->format), .alpha = (float)color.a / 255.0f};
    const uint8_t rgb[3] = {color.r, color.g, color.b};
    image_convert_row(pen.value, image->format, rgb, MD_RGB8, 1);
    return pen;
}

static inline void blend(uint8_t *pixel, const struct pen *pen, float coverage)
{
    float share = coverage * pen->alpha;
    if (share >= 1.0f) { /* a canvas that was never written is not read either */
        memcpy(pixel, pen->value, (size_t)pen->channels);
        return;
    }
    for (int c = 0; c < pen->channels; c++) {
        float old = pixel[c];
        pixel[c] = (uint8_t)(old + ((float)pen->value[c] - old) * share + 0.5f);
    }
}

static bool is_finite4(float a, float b, float c, float d)
{
    return isfinite(a) && isfinite(b) && isfinite(c) && isfinite(d);
}

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* ---- fills ------------------------------------------------------------------------------- */

/* The part of the pixel [i, i+1) that lies in [low, high). */
static inline float overlap(int i, float low, float high)
{
    float from = low > (float)i ? low : (float)i;
    float to = high < (float)(i + 1) ? high : (float)(i + 1);
    return to > from ? to - from : 0.0f;
}

void draw_fill(md_image *image, float x0, float y0, float x1, float y1, struct draw_color color)
{
    if (!is_finite4(x0, y0, x1, y1))
        return;
    float left = clamp(x0 < x1 ? x0 : x1, 0.0f, (float)image->width);
    float right = clamp(x0 < x1 ? x1 : x0, 0.0f, (float)image->width);
    float top = clamp(y0 < y1 ? y0 : y1, 0.0f, (float)image->height);
    float bottom = clamp(y0 < y1 ? y1 : y0, 0.0f, (float)image->height);
    struct pen pen = pen_of(image, color);
    for (int y = (int)top; y < (int)ceilf(bottom); y++) {
        float rows = overlap(y, top, bottom);
        uint8_t *pixel = image->data + y * image->stride + (int)left * pen.channels;
        for (int x = (int)left; x < (int)ceilf(right); x++, pixel += pen.channels)
            blend(pixel, &pen, rows * overlap(x, left, right));
    }
}

/* ---- strokes ----------------------------------------------------------------------------- */

static float distance_squared(const struct segment *s, float x, float y)
{
    float dx = s->x1 - s->x0;
    float dy = s->y1 - s->y0;
    float length = dx * dx + dy * dy;
    float t =
        length > 0.0f ? clamp(((x - s->x0) * dx + (y - s->y0) * dy) / length, 0.0f, 1.0f) : 0.0f;
    float to_x = s->x0 + t * dx - x;
    float to_y = s->y0 + t * dy - y;
    return to_x * to_x + to_y * to_y;
}

/* Columns that a stroke of `reach` around the segment can touch in the rows [low, high]. */
static void widen_to_segment(float *from, float *to, const struct segment *s, float low, float high,
                             float reach)
{
    float dy = s->y1 - s->y0;
    float at_low = 0.0f;
    float at_high = 1.0f;
    if (fabsf(dy) > 1e-6f) {
        at_low = clamp((low - reach - s->y0) / dy, 0.0f, 1.0f);
        at_high = clamp((high + reach - s->y0) / dy, 0.0f, 1.0f);
    } else if (s->y0 < low - reach || s->y0 > high + reach) {
        return;
    }
    if (at_low == at_high && (at_low == 0.0f || at_low == 1.0f) && fabsf(dy) > 1e-6f) {
        float end = at_low == 0.0f ? s->y0 : s->y1;
        if (end < low - reach || end > high + reach)
            return;
    }
    float a = s->x0 + at_low * (s->x1 - s->x0);
    float b = s->x0 + at_high * (s->x1 - s->x0);
    *from = fminf(*from, fminf(a, b) - reach);
    *to = fmaxf(*to, fmaxf(a, b) + reach);
}

void paint_segments(md_image *image, const struct segment *segments, size_t count, float width,
                    struct draw_color color)
{
    struct pen pen = pen_of(image, color);
    float edge = width * 0.5f + 0.5f; /* where the coverage becomes zero */
    float top = INFINITY;
    float bottom = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        top = fminf(top, fminf(segments[i].y0, segments[i].y1));
        bottom = fmaxf(bottom, fmaxf(segments[i].y0, segments[i].y1));
    }
    int first = (int)clamp(floorf(top - edge), 0.0f, (float)image->height);
    int end = (int)clamp(ceilf(bottom + edge), 0.0f, (float)image->height);
    for (int y = first; y < end; y++) {
        float from = INFINITY;
        float to = -INFINITY;
        for (size_t i = 0; i < count; i++)
            widen_to_segment(&from, &to, &segments[i], (float)y, (float)(y + 1), edge);
        int last = (int)clamp(ceilf(to), 0.0f, (float)image->width);
        for (int x = (int)clamp(floorf(from), 0.0f, (float)image->width); x < last; x++) {
            float nearest = INFINITY;
            for (size_t i = 0; i < count; i++)
                nearest = fminf(nearest,
                                distance_squared(&segments[i], (float)x + 0.5f, (float)y + 0.5f));
            float coverage = edge - sqrtf(nearest);
            if (coverage > 0.0f)
                blend(image->data + y * image->stride + x * pen.channels, &pen,
                      fminf(coverage, 1.0f));
        }
    }
}

void paint_dot(md_image *image, float x, float y, float radius, struct draw_color color)
{
    const struct segment point = {x, y, x, y};
    paint_segments(image, &point, 1, 2.0f * radius, color);
}

/* Narrows [*from, *to] of the line start + t * step to where it lies in [low, high]. */
static void clip_axis(double *from, double *to, double start, double step, double low, double high)
{
    if (step == 0.0) {
        if (start < low || start > high)
            *to = -1.0;
        return;
    }
    double a = (low - start) / step;
    double b = (high - start) / step;
    *from = fmax(*from, fmin(a, b));
    *to = fmin(*to, fmax(a, b));
}

void draw_line(md_image *image, float x0, float y0, float x1, float y1, float width,
               struct draw_color color)
{
    if (!is_finite4(x0, y0, x1, y1) || !(width > 0.0f) || !isfinite(width))
        return;
    double margin = (double)width + 2.0; /* keeps the ends of a clipped line out of sight */
    double dx = (double)x1 - x0;
    double dy = (double)y1 - y0;
    double from = 0.0;
    double to = 1.0;
    clip_axis(&from, &to, x0, dx, -margin, image->width + margin);
    clip_axis(&from, &to, y0, dy, -margin, image->height + margin);
    if (from > to)
        return;
    const struct segment clipped = {(float)(x0 + from * dx), (float)(y0 + from * dy),
                                    (float)(x0 + to * dx), (float)(y0 + to * dy)};
    paint_segments(image, &clipped, 1, width, color);
}

void draw_box(md_image *image, float x0, float y0, float x1, float y1, float width,
              struct draw_color color)
{
    if (!is_finite4(x0, y0, x1, y1) || !(width > 0.0f) || !isfinite(width))
        return;
    float half = width * 0.5f;
    float left = fminf(x0, x1);
    float right = fmaxf(x0, x1);
    float top = fminf(y0, y1);
    float bottom = fmaxf(y0, y1);
    if (right - left <= width || bottom - top <= width) { /* no hole in the middle */
        draw_fill(image, left - half, top - half, right + half, bottom + half, color);
        return;
    }
    draw_fill(image, left - half, top - half, right + half, top + half, color);
    draw_fill(image, left - half, bottom - half, right + half, bottom + half, color);
    draw_fill(image, left - half, top + half, left + half, bottom - half, color);
    draw_fill(image, right - half, top + half, right + half, bottom - half, color);
}
