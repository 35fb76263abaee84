/* plot.h - line and bar plots: one draw list, written as SVG and as PNG. */
#ifndef DRAW_PLOT_H
#define DRAW_PLOT_H

#include <stdbool.h>

#include "core/buffer.h"

struct plot_series {
    const char   *name;   /* in the legend; NULL: not there */
    const double *x, *y;  /* [count]; points that are not finite are left out */
    size_t        count;
    bool          markers; /* a dot at each point (few points), else a line alone */
    bool          faint;   /* thin and pale: raw values behind a smoothed curve */
    bool          bold;    /* wide, in the colour of the text: a mean of the others */
    bool          bars;    /* upright ones from 0, at x = 0, 1, ...; series of bars stand side by side */
};

struct plot_range { double low, high; };

struct plot_mark { double x; const char *text; }; /* a dashed vertical line, such as "best" */

struct plot {
    const char *title, *x_label, *y_label;
    const struct plot_series *series;
    size_t series_count;
    const struct plot_mark *marks;
    size_t mark_count;
    bool   marks_below; /* their texts stand near the x axis: curves with a peak */
    bool   log_y;
    const char *const *x_names; /* [x_name_count] in place of numbers at x = 0, 1, ...; NULL: numbers */
    size_t x_name_count;
    struct plot_range x_range, y_range; /* shown at least; high <= low: what the values need */
    int    width, height; /* pixels; 0: 1000 x 600 */
};

/* PATH.svg and PATH.png, both atomically. Axes, ticks at round numbers, grid, legend; empty data
 * give an empty plot that says so. */
md_status plot_save(const struct plot *plot, struct memory *memory, const char *path);
/* The SVG element alone, to stand in a page. */
md_status plot_put_svg(const struct plot *plot, struct memory *memory, struct buffer *out);

#endif
