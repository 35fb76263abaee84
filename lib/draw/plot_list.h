/* plot_list.h - private to lib/draw: a plot as shapes, from which every format is written. */
#ifndef DRAW_PLOT_LIST_H
#define DRAW_PLOT_LIST_H

#include "core/arena.h"
#include "core/buffer.h"
#include "draw/draw.h"
#include "draw/plot.h"

enum { PLOT_WIDTH = 1000, PLOT_HEIGHT = 600 }; /* pixels of a plot that does not say */

enum plot_shape { PLOT_RECT, PLOT_LINE, PLOT_DOT, PLOT_TEXT };
enum plot_anchor { PLOT_LEFT, PLOT_MIDDLE, PLOT_RIGHT };

struct plot_point {
    float x, y;
};

struct plot_item {
    enum plot_shape          shape;
    struct draw_color        color;
    const struct plot_point *points; /* rect: two corners; line: all of it; dot; text: top of the line */
    size_t                   count;
    float                    size;   /* pixels: width of a line, radius of a dot, height of a text */
    bool                     dashed;
    enum plot_anchor         anchor;
    bool                     upwards; /* text: turned to the left, its anchor the middle of its start */
    const char              *text;    /* of a rect: what a pointer over it is told; may be NULL */
};

/* A page that shows a plot on another ground replaces these by its own. */
extern const struct draw_color plot_ink, plot_soft_ink, plot_grid, plot_frame, plot_paper;

struct plot_list {
    struct memory    *memory;
    struct arena      arena; /* points and texts */
    struct plot_item *items;
    size_t            count, capacity;
    int               width, height; /* pixels */
    const char       *title;
};

void plot_list_init(struct plot_list *list, struct memory *memory);
void plot_list_free(struct plot_list *list); /* fine twice, or cleared */

/* The ground, first of all; it fixes size and title. */
md_status plot_add_paper(struct plot_list *list, int width, int height, const char *title);
md_status plot_add_rect(struct plot_list *list, float x0, float y0, float x1, float y1,
                        struct draw_color color);
md_status plot_add_line(struct plot_list *list, float x0, float y0, float x1, float y1, float width,
                        struct draw_color color);
md_status plot_add_dot(struct plot_list *list, float x, float y, float radius,
                       struct draw_color color);
md_status plot_add_text(struct plot_list *list, float x, float y, const char *text, float size,
                        enum plot_anchor anchor, struct draw_color color);
/* Any shape. Copies the points; `item.text` must be in the arena of the list. */
md_status plot_add_item(struct plot_list *list, struct plot_item item,
                        const struct plot_point *points, size_t count);

md_status plot_build(struct plot_list *out, const struct plot *plot, struct memory *memory);

/* PATH.svg and PATH.png. */
md_status plot_list_save(const struct plot_list *list, struct memory *memory, const char *path);
md_status plot_list_put_svg(const struct plot_list *list, struct buffer *out);
md_status plot_write_svg(const struct plot_list *list, struct memory *memory, const char *path);
md_status plot_write_png(const struct plot_list *list, struct memory *memory, const char *path);

/* ---- axes --------------------------------------------------------------------------------- */

enum { MOST_TICKS = 16 };

/* From values to pixels; `low` and `high` are logarithms to base 10 when `log`. */
struct plot_axis {
    bool   log;
    double low, high;
    float  at_low, at_high; /* pixels */
    double ticks[MOST_TICKS];
    int    tick_count;
    double step; /* between ticks; decides the decimals; 0 with `log` */
};

/* Can the value be drawn on this axis at all? */
bool  plot_axis_takes(const struct plot_axis *axis, double value);
/* From the smallest and largest value (low > high: there are none) to limits and ticks. `pad`:
 * part of the span that is left free at both ends. */
void  plot_axis_fit(struct plot_axis *axis, double low, double high, double pad);
float plot_axis_pixel(const struct plot_axis *axis, double value);
/* The number as a tick label, with a point whatever the locale. */
void  plot_format_tick(char text[32], double value, double step);

#endif
