/* draw.h - lines, boxes and text on an 8-bit RGB image, anti-aliased. */
#ifndef DRAW_DRAW_H
#define DRAW_DRAW_H

#include "md/image.h"

struct draw_color { uint8_t r, g, b, a; };

/* By class id: 21 colours that differ also to the colour-blind, then again from the start. */
struct draw_color draw_class_color(int class_id);

/* Everything is clipped to the image, in any pixel format. Coordinates may be of any size; what has
 * one that is not finite is not drawn. Pixel (0,0) covers [0,1) x [0,1). */
void draw_fill(md_image *image, float x0, float y0, float x1, float y1, struct draw_color color);
void draw_line(md_image *image, float x0, float y0, float x1, float y1, float width, struct draw_color color);
void draw_box(md_image *image, float x0, float y0, float x1, float y1, float width, struct draw_color color);

/* UTF-8; characters the font lacks become a box. `height`: pixels of a line. (x, y): top left. */
float draw_text_width(const char *utf8, float height);
void  draw_text(md_image *image, float x, float y, const char *utf8, float height, struct draw_color color);
/* The text, or as much of its beginning as fits into `width`, followed by dots. */
void  draw_fit_text(char *out, size_t capacity, const char *utf8, float width, float height);

struct draw_style {
    float             line_width;  /* pixels; 0: from the size of the image */
    float             text_height; /* likewise */
    struct draw_color color;
};

/* A box with a label on a filled tag, placed so that it stays inside the image: above the box,
 * or inside it at the top when there is no room. `label` may be NULL. */
void draw_labelled_box(md_image *image, float x0, float y0, float x1, float y1, const char *label,
                       const struct draw_style *style);

#endif
