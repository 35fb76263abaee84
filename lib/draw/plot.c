/* plot.c - a plot as a list of shapes: layout, axes, curves, legend. */
#include "draw/plot.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "draw/plot_list.h"

/* Pixels. */
static const float margin_left = 76.0f, margin_right = 28.0f, margin_bottom = 62.0f, edge = 16.0f;
static const float title_size = 22.0f, text_size = 15.0f, row = 24.0f, swatch = 26.0f;

struct layout {
    struct plot_axis x, y;
    float left, right, top, bottom; /* of the area of the curves */
};

/* ---- colours ---------------------------------------------------------------------------------- */

/* A faint series takes the colour of the next one that is not: the curve made from it. */
static struct draw_color series_color(const struct plot *plot, size_t index)
{
    static const struct draw_color colors[7] = {
        {0, 114, 178, 255}, {213, 94, 0, 255},   {0, 158, 115, 255}, {170, 80, 150, 255},
        {230, 159, 0, 255}, {86, 180, 233, 255}, {90, 90, 90, 255}};
    size_t strong = 0;
    for (size_t i = 0; i < index; i++)
        strong += !plot->series[i].faint && !plot->series[i].bold;
    if (plot->series[index].bold)
        return plot_ink;
    struct draw_color color = colors[strong % 7];
    if (plot->series[index].faint) {
        color.r = (uint8_t)(255 - (255 - color.r) * 3 / 10);
        color.g = (uint8_t)(255 - (255 - color.g) * 3 / 10);
        color.b = (uint8_t)(255 - (255 - color.b) * 3 / 10);
    }
    return color;
}

/* ---- limits ------------------------------------------------------------------------------------ */

static bool point_is_drawn(const struct layout *layout, const struct plot_series *series, size_t i)
{
    return plot_axis_takes(&layout->x, series->x[i]) && plot_axis_takes(&layout->y, series->y[i]);
}

/* How many of the first `count` series are of bars. */
static size_t bar_series(const struct plot *plot, size_t count)
{
    size_t bars = 0;
    for (size_t i = 0; i < count; i++)
        bars += plot->series[i].bars;
    return bars;
}

/* To the range that was asked for, which is widened so that no value lies outside. */
static void fit_axis(struct plot_axis *axis, const struct plot_range *range, double low,
                     double high, double pad)
{
    if (range->low >= range->high) {
        plot_axis_fit(axis, low, high, pad);
        return;
    }
    plot_axis_fit(axis, fmin(range->low, low), fmax(range->high, high), 0.0);
}

/* Returns whether there is any point. */
static bool fit_axes(struct layout *layout, const struct plot *plot)
{
    double low_x = INFINITY;
    double low_y = INFINITY;
    double high_x = -INFINITY;
    double high_y = -INFINITY;
    for (size_t s = 0; s < plot->series_count; s++)
        for (size_t i = 0; i < plot->series[s].count; i++) {
            if (!point_is_drawn(layout, &plot->series[s], i))
                continue;
            low_x = fmin(low_x, plot->series[s].x[i]);
            high_x = fmax(high_x, plot->series[s].x[i]);
            low_y = fmin(low_y, plot->series[s].y[i]);
            high_y = fmax(high_y, plot->series[s].y[i]);
        }
    bool any = low_x <= high_x;
    bool bars = bar_series(plot, plot->series_count) > 0 && !plot->log_y && any;
    fit_axis(&layout->x, &plot->x_range, bars ? low_x - 0.5 : low_x, bars ? high_x + 0.5 : high_x,
             0.01);
    fit_axis(&layout->y, &plot->y_range, bars ? fmin(low_y, 0.0) : low_y, high_y, 0.05);
    if (bars && low_y >= 0.0)
        layout->y.low = 0.0; /* bars stand on the axis */
    return any;
}

/* ---- parts --------------------------------------------------------------------------------------- */

/* Half pixels, so that a line one pixel wide fills one row. */
static float sharp(float value)
{
    return floorf(value) + 0.5f;
}

/* Names below the axis, as many as there is room for. */
static md_status add_names(struct plot_list *list, const struct layout *layout,
                           const struct plot *plot)
{
    md_status st = MD_OK;
    float widest = 1.0f;
    for (size_t i = 0; i < plot->x_name_count; i++)
        widest = fmaxf(widest, draw_text_width(plot->x_names[i], text_size) * 1.1f + 8.0f);
    float each = plot_axis_pixel(&layout->x, 1.0) - plot_axis_pixel(&layout->x, 0.0);
    size_t stride = (size_t)fmaxf(1.0f, ceilf(widest / each));
    for (size_t i = 0; i < plot->x_name_count; i += stride)
        TRY(plot_add_text(list, plot_axis_pixel(&layout->x, (double)i), layout->bottom + 6.0f,
                          plot->x_names[i], text_size, PLOT_MIDDLE, plot_soft_ink));
fail:
    return st;
}

static md_status add_axes(struct plot_list *list, const struct layout *layout,
                          const struct plot *plot)
{
    md_status st = MD_OK;
    char text[32];
    if (plot->x_names)
        TRY(add_names(list, layout, plot));
    for (int i = 0; i < layout->x.tick_count && !plot->x_names; i++) {
        float x = sharp(plot_axis_pixel(&layout->x, layout->x.ticks[i]));
        plot_format_tick(text, layout->x.ticks[i], layout->x.step);
        TRY(plot_add_line(list, x, layout->top, x, layout->bottom, 1.0f, plot_grid));
        TRY(plot_add_text(list, x, layout->bottom + 6.0f, text, text_size, PLOT_MIDDLE,
                          plot_soft_ink));
    }
    for (int i = 0; i < layout->y.tick_count; i++) {
        float y = sharp(plot_axis_pixel(&layout->y, layout->y.ticks[i]));
        plot_format_tick(text, layout->y.ticks[i], layout->y.step);
        TRY(plot_add_line(list, layout->left, y, layout->right, y, 1.0f, plot_grid));
        TRY(plot_add_text(list, layout->left - 8.0f, y - text_size * 0.5f, text, text_size,
                          PLOT_RIGHT, plot_soft_ink));
    }
    TRY(plot_add_line(list, layout->left, layout->bottom, layout->right, layout->bottom, 1.0f,
                      plot_frame));
    TRY(plot_add_line(list, layout->left, layout->top, layout->left, layout->bottom, 1.0f,
                      plot_frame));
    TRY(plot_add_text(list, (layout->left + layout->right) * 0.5f, layout->bottom + 30.0f,
                      plot->x_label ? plot->x_label : "", text_size, PLOT_MIDDLE, plot_ink));
    TRY(plot_add_text(list, edge, layout->top - row, plot->y_label ? plot->y_label : "", text_size,
                      PLOT_LEFT, plot_ink));
fail:
    return st;
}

/* Of many points in one column of pixels the first, the lowest, the highest and the last are
 * enough to paint the same. */
static size_t thin_out(struct plot_point *points, size_t count)
{
    size_t kept = 0;
    for (size_t start = 0, end; start < count; start = end) {
        size_t low = start;
        size_t high = start;
        for (end = start + 1; end < count && floorf(points[end].x) == floorf(points[start].x);
             end++) {
            low = points[end].y < points[low].y ? end : low;
            high = points[end].y > points[high].y ? end : high;
        }
        const size_t picks[4] = {start, low < high ? low : high, low < high ? high : low, end - 1};
        for (size_t i = 0; i < 4; i++)
            if (i == 0 || picks[i] != picks[i - 1])
                points[kept++] = points[picks[i]];
    }
    return kept;
}

/* Side by side with the bars of other series, four fifths of the room between two names. */
static md_status add_bars(struct plot_list *list, const struct layout *layout,
                          const struct plot *plot, size_t index)
{
    md_status st = MD_OK;
    const struct plot_series *series = &plot->series[index];
    double all = (double)bar_series(plot, plot->series_count);
    double width = 0.8 / all;
    double shift = (double)bar_series(plot, index) * width - 0.4;
    for (size_t i = 0; i < series->count; i++) {
        if (!point_is_drawn(layout, series, i))
            continue;
        const struct plot_point box[2] = {
            {plot_axis_pixel(&layout->x, series->x[i] + shift),
             plot_axis_pixel(&layout->y, series->y[i])},
            {plot_axis_pixel(&layout->x, series->x[i] + shift + width), layout->bottom}};
        TRY(plot_add_item(
            list, (struct plot_item){.shape = PLOT_RECT, .color = series_color(plot, index)}, box,
            2));
    }
fail:
    return st;
}

static md_status add_series(struct plot_list *list, const struct layout *layout,
                            const struct plot *plot, size_t index)
{
    md_status st = MD_OK;
    const struct plot_series *series = &plot->series[index];
    struct draw_color color = series_color(plot, index);
    struct plot_point *points = NULL;
    size_t count = 0;
    if (series->bars)
        return add_bars(list, layout, plot, index);
    TRY(memory_alloc(list->memory, &points, series->count, sizeof *points));
    for (size_t i = 0; i < series->count; i++)
        if (point_is_drawn(layout, series, i))
            points[count++] = (struct plot_point){plot_axis_pixel(&layout->x, series->x[i]),
                                                  plot_axis_pixel(&layout->y, series->y[i])};
    if (!series->markers)
        count = thin_out(points, count);
    struct plot_item line = {.shape = PLOT_LINE,
                             .color = color,
                             .size = series->faint  ? 1.2f
                                     : series->bold ? 4.0f
                                                    : 2.0f};
    if (count > 1)
        TRY(plot_add_item(list, line, points, count));
    for (size_t i = 0; i < count && (series->markers || count == 1); i++) {
        TRY(plot_add_dot(list, points[i].x, points[i].y, 4.5f, plot_paper));
        TRY(plot_add_dot(list, points[i].x, points[i].y, 3.5f, color));
    }
fail:
    memory_free(list->memory, points);
    return st;
}

static md_status add_marks(struct plot_list *list, const struct layout *layout,
                           const struct plot *plot)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < plot->mark_count; i++) {
        const struct plot_mark *mark = &plot->marks[i];
        if (!plot_axis_takes(&layout->x, mark->x))
            continue;
        float x = plot_axis_pixel(&layout->x, mark->x);
        if (x < layout->left - 0.5f || x > layout->right + 0.5f)
            continue;
        x = sharp(x);
        const struct plot_point ends[2] = {{x, layout->top}, {x, layout->bottom}};
        TRY(plot_add_item(
            list,
            (struct plot_item){
                .shape = PLOT_LINE, .color = plot_soft_ink, .size = 1.2f, .dashed = true},
            ends, 2));
        const char *text = mark->text ? mark->text : "";
        float width = draw_text_width(text, text_size) * 1.1f + 8.0f;
        bool leftwards = x + 4.0f + width > layout->right;
        float left = leftwards ? x - 4.0f - width : x + 4.0f;
        float top = plot->marks_below ? layout->bottom - 28.0f : layout->top + 4.0f;
        const struct plot_point box[2] = {{left, top}, {left + width, top + 20.0f}};
        if (text[0])
            TRY(plot_add_item(list,
                              (struct plot_item){.shape = PLOT_RECT, .color = {255, 255, 255, 215}},
                              box, 2));
        TRY(plot_add_text(list, leftwards ? x - 8.0f : x + 8.0f, top + 2.0f, text, text_size,
                          leftwards ? PLOT_RIGHT : PLOT_LEFT, plot_ink));
    }
fail:
    return st;
}

/* In rows from (margin_left, y) on; `list` NULL: only measured. Returns the height. */
static md_status add_legend(struct plot_list *list, float *height, const struct plot *plot, float y)
{
    md_status st = MD_OK;
    float top = y;
    float x = edge;
    float right = (float)(plot->width ? plot->width : PLOT_WIDTH) - margin_right;
    bool any = false;
    for (size_t i = 0; i < plot->series_count; i++) {
        const char *name = plot->series[i].name;
        if (!name)
            continue;
        any = true;
        /* A viewer's own font may be wider than ours. */
        float width = swatch + 8.0f + draw_text_width(name, text_size) * 1.1f + 22.0f;
        if (x + width > right && x > edge) {
            x = edge;
            y += row;
        }
        if (list) {
            struct draw_color color = series_color(plot, i);
            float middle = sharp(y + text_size * 0.5f);
            float thick = plot->series[i].faint ? 2.0f : plot->series[i].bold ? 5.0f : 3.0f;
            TRY(plot_add_line(list, x, middle, x + swatch, middle, thick, color));
            if (plot->series[i].markers)
                TRY(plot_add_dot(list, x + swatch * 0.5f, middle, 4.5f, color));
            TRY(plot_add_text(list, x + swatch + 8.0f, y, name, text_size, PLOT_LEFT, plot_ink));
        }
        x += width;
    }
    *height = y - top + (any ? row : 0.0f);
fail:
    return st;
}

/* ---- all --------------------------------------------------------------------------------------- */

static md_status build(struct plot_list *list, const struct plot *plot)
{
    md_status st = MD_OK;
    const char *title = plot->title ? plot->title : "";
    float width = (float)(plot->width ? plot->width : PLOT_WIDTH);
    float height = (float)(plot->height ? plot->height : PLOT_HEIGHT);
    float legend = 0.0f;
    float legend_top = edge + title_size + 12.0f;
    TRY(add_legend(NULL, &legend, plot, legend_top));
    struct layout layout = {.left = sharp(margin_left),
                            .right = sharp(width - margin_right),
                            .top = sharp(fminf(legend_top + legend + row + 6.0f, height * 0.7f)),
                            .bottom = sharp(height - margin_bottom)};
    layout.x = (struct plot_axis){.at_low = layout.left, .at_high = layout.right};
    layout.y =
        (struct plot_axis){.at_low = layout.bottom, .at_high = layout.top, .log = plot->log_y};
    bool any = fit_axes(&layout, plot);

    TRY(plot_add_paper(list, (int)width, (int)height, title));
    TRY(plot_add_text(list, edge, edge, title, title_size, PLOT_LEFT, plot_ink));
    TRY(add_legend(list, &legend, plot, legend_top));
    TRY(add_axes(list, &layout, plot));
    for (size_t i = 0; i < plot->series_count; i++)
        if (plot->series[i].faint)
            TRY(add_series(list, &layout, plot, i));
    for (size_t i = 0; i < plot->series_count; i++)
        if (!plot->series[i].faint)
            TRY(add_series(list, &layout, plot, i));
    TRY(add_marks(list, &layout, plot));
    if (!any)
        TRY(plot_add_text(list, (layout.left + layout.right) * 0.5f,
                          (layout.top + layout.bottom) * 0.5f, "no data yet", title_size,
                          PLOT_MIDDLE, plot_soft_ink));
fail:
    return st;
}

md_status plot_build(struct plot_list *out, const struct plot *plot, struct memory *memory)
{
    struct plot_list list;
    plot_list_init(&list, memory);
    md_status st = build(&list, plot);
    if (st < 0)
        plot_list_free(&list);
    else
        *out = list;
    return st;
}

md_status plot_save(const struct plot *plot, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct plot_list list = {.memory = NULL};
    TRY(plot_build(&list, plot, memory));
    TRY(plot_list_save(&list, memory, path));
fail:
    plot_list_free(&list);
    return st;
}

md_status plot_put_svg(const struct plot *plot, struct memory *memory, struct buffer *out)
{
    md_status st = MD_OK;
    struct plot_list list = {.memory = NULL};
    TRY(plot_build(&list, plot, memory));
    TRY(plot_list_put_svg(&list, out));
fail:
    plot_list_free(&list);
    return st;
}
