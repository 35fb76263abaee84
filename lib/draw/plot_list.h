/* plot_list.h - private to lib/draw: a plot as shapes, from which every format is written. */
#ifndef DRAW_PLOT_LIST_H
#define DRAW_PLOT_LIST_H

#include "core/arena.h"
#include "core/buffer.h"
#include "draw/draw.h"
#include "draw/plot.h"

enum { PLOT_WIDTH = 1000, PLOT_HEIGHT = 600 }; /* pixels */

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
    const char              *text;
};

struct plot_list {
    struct memory    *memory;
    struct arena      arena; /* points and texts */
    struct plot_item *items;
    size_t            count, capacity;
};

md_status plot_build(struct plot_list *out, const struct plot *plot, struct memory *memory);
void      plot_list_free(struct plot_list *list);

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
