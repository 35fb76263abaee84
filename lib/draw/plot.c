/* plot.c - a plot as a list of shapes: layout, axes, curves, legend. */
#include "draw/plot.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "draw/plot_list.h"

static const struct draw_color ink = {34, 34, 34, 255};
static const struct draw_color soft_ink = {96, 96, 96, 255};
static const struct draw_color grid = {228, 228, 228, 255};
static const struct draw_color frame = {150, 150, 150, 255};
static const struct draw_color paper = {255, 255, 255, 255};

/* Pixels. */
static const float margin_left = 76.0f, margin_right = 28.0f, margin_bottom = 62.0f, edge = 16.0f;
static const float title_size = 22.0f, text_size = 15.0f, row = 24.0f, swatch = 26.0f;

struct layout {
    struct plot_axis x, y;
    float left, right, top, bottom; /* of the area of the curves */
};

/* ---- shapes --------------------------------------------------------------------------------- */

static md_status add_item(struct plot_list *list, struct plot_item item,
                          const struct plot_point *points, size_t count)
{
    md_status st = MD_OK;
    struct plot_point *kept = NULL;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        TRY(memory_resize(list->memory, &list->items, capacity, sizeof *list->items));
        list->capacity = capacity;
    }
    TRY(arena_alloc(&list->arena, &kept, count, sizeof *kept));
    memcpy(kept, points, count * sizeof *kept);
    item.points = kept;
    item.count = count;
    list->items[list->count++] = item;
fail:
    return st;
}

static md_status add_line(struct plot_list *list, float x0, float y0, float x1, float y1,
                          float width, struct draw_color color)
{
    const struct plot_point ends[2] = {{x0, y0}, {x1, y1}};
    return add_item(list, (struct plot_item){.shape = PLOT_LINE, .color = color, .size = width},
                    ends, 2);
}

static md_status add_dot(struct plot_list *list, float x, float y, float radius,
                         struct draw_color color)
{
    const struct plot_point center = {x, y};
    return add_item(list, (struct plot_item){.shape = PLOT_DOT, .color = color, .size = radius},
                    &center, 1);
}

static md_status add_text(struct plot_list *list, float x, float y, const char *text, float size,
                          enum plot_anchor anchor, struct draw_color color)
{
    md_status st = MD_OK;
    const struct plot_point at = {x, y};
    const char *copy = NULL;
    TRY(arena_copy_string(&list->arena, &copy, text, strlen(text)));
    TRY(add_item(
        list,
        (struct plot_item){
            .shape = PLOT_TEXT, .color = color, .size = size, .anchor = anchor, .text = copy},
        &at, 1));
fail:
    return st;
}

/* ---- colours ---------------------------------------------------------------------------------- */

/* A faint series takes the colour of the next one that is not: the curve made from it. */
static struct draw_color series_color(const struct plot *plot, size_t index)
{
    static const struct draw_color colors[7] = {
        {0, 114, 178, 255}, {213, 94, 0, 255},   {0, 158, 115, 255}, {170, 80, 150, 255},
        {230, 159, 0, 255}, {86, 180, 233, 255}, {90, 90, 90, 255}};
    size_t strong = 0;
    for (size_t i = 0; i < index; i++)
        strong += !plot->series[i].faint;
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
    bool bars = bar_series(plot, plot->series_count) > 0 && !plot->log_y && low_x <= high_x;
    plot_axis_fit(&layout->x, bars ? low_x - 0.5 : low_x, bars ? high_x + 0.5 : high_x, 0.01);
    plot_axis_fit(&layout->y, bars ? fmin(low_y, 0.0) : low_y, high_y, 0.05);
    if (bars && low_y >= 0.0)
        layout->y.low = 0.0; /* bars stand on the axis */
    return low_x <= high_x;
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
        TRY(add_text(list, plot_axis_pixel(&layout->x, (double)i), layout->bottom + 6.0f,
                     plot->x_names[i], text_size, PLOT_MIDDLE, soft_ink));
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
        TRY(add_line(list, x, layout->top, x, layout->bottom, 1.0f, grid));
        TRY(add_text(list, x, layout->bottom + 6.0f, text, text_size, PLOT_MIDDLE, soft_ink));
    }
    for (int i = 0; i < layout->y.tick_count; i++) {
        float y = sharp(plot_axis_pixel(&layout->y, layout->y.ticks[i]));
        plot_format_tick(text, layout->y.ticks[i], layout->y.step);
        TRY(add_line(list, layout->left, y, layout->right, y, 1.0f, grid));
        TRY(add_text(list, layout->left - 8.0f, y - text_size * 0.5f, text, text_size, PLOT_RIGHT,
                     soft_ink));
    }
    TRY(add_line(list, layout->left, layout->bottom, layout->right, layout->bottom, 1.0f, frame));
    TRY(add_line(list, layout->left, layout->top, layout->left, layout->bottom, 1.0f, frame));
    TRY(add_text(list, (layout->left + layout->right) * 0.5f, layout->bottom + 30.0f,
                 plot->x_label ? plot->x_label : "", text_size, PLOT_MIDDLE, ink));
    TRY(add_text(list, edge, layout->top - row, plot->y_label ? plot->y_label : "", text_size,
                 PLOT_LEFT, ink));
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
        TRY(add_item(list,
                     (struct plot_item){.shape = PLOT_RECT, .color = series_color(plot, index)},
                     box, 2));
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
    struct plot_item line = {
        .shape = PLOT_LINE, .color = color, .size = series->faint ? 1.2f : 2.0f};
    if (count > 1)
        TRY(add_item(list, line, points, count));
    for (size_t i = 0; i < count && (series->markers || count == 1); i++) {
        TRY(add_dot(list, points[i].x, points[i].y, 4.5f, paper));
        TRY(add_dot(list, points[i].x, points[i].y, 3.5f, color));
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
        TRY(add_item(
            list,
            (struct plot_item){.shape = PLOT_LINE, .color = soft_ink, .size = 1.2f, .dashed = true},
            ends, 2));
        const char *text = mark->text ? mark->text : "";
        float width = draw_text_width(text, text_size) * 1.1f + 8.0f;
        bool leftwards = x + 4.0f + width > layout->right;
        float left = leftwards ? x - 4.0f - width : x + 4.0f;
        const struct plot_point box[2] = {{left, layout->top + 4.0f},
                                          {left + width, layout->top + 24.0f}};
        if (text[0])
            TRY(add_item(list,
                         (struct plot_item){.shape = PLOT_RECT, .color = {255, 255, 255, 215}}, box,
                         2));
        TRY(add_text(list, leftwards ? x - 8.0f : x + 8.0f, layout->top + 6.0f, text, text_size,
                     leftwards ? PLOT_RIGHT : PLOT_LEFT, ink));
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
    for (size_t i = 0; i < plot->series_count; i++) {
        const char *name = plot->series[i].name ? plot->series[i].name : "";
        /* A viewer's own font may be wider than ours. */
        float width = swatch + 8.0f + draw_text_width(name, text_size) * 1.1f + 22.0f;
        if (x + width > PLOT_WIDTH - margin_right && x > edge) {
            x = edge;
            y += row;
        }
        if (list) {
            struct draw_color color = series_color(plot, i);
            float middle = sharp(y + text_size * 0.5f);
            TRY(add_line(list, x, middle, x + swatch, middle, plot->series[i].faint ? 2.0f : 3.0f,
                         color));
            if (plot->series[i].markers)
                TRY(add_dot(list, x + swatch * 0.5f, middle, 4.5f, color));
            TRY(add_text(list, x + swatch + 8.0f, y, name, text_size, PLOT_LEFT, ink));
        }
        x += width;
    }
    *height = y - top + (plot->series_count ? row : 0.0f);
fail:
    return st;
}

/* ---- all --------------------------------------------------------------------------------------- */

static md_status build(struct plot_list *list, const struct plot *plot)
{
    md_status st = MD_OK;
    float legend = 0.0f;
    float legend_top = edge + title_size + 12.0f;
    TRY(add_legend(NULL, &legend, plot, legend_top));
    struct layout layout = {.left = sharp(margin_left),
                            .right = sharp(PLOT_WIDTH - margin_right),
                            .top =
                                sharp(fminf(legend_top + legend + row + 6.0f, PLOT_HEIGHT * 0.7f)),
                            .bottom = sharp(PLOT_HEIGHT - margin_bottom)};
    layout.x = (struct plot_axis){.at_low = layout.left, .at_high = layout.right};
    layout.y =
        (struct plot_axis){.at_low = layout.bottom, .at_high = layout.top, .log = plot->log_y};
    bool any = fit_axes(&layout, plot);

    const struct plot_point all[2] = {{0.0f, 0.0f}, {PLOT_WIDTH, PLOT_HEIGHT}};
    TRY(add_item(list, (struct plot_item){.shape = PLOT_RECT, .color = paper}, all, 2));
    TRY(add_text(list, edge, edge, plot->title ? plot->title : "", title_size, PLOT_LEFT, ink));
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
        TRY(add_text(list, (layout.left + layout.right) * 0.5f, (layout.top + layout.bottom) * 0.5f,
                     "no data yet", title_size, PLOT_MIDDLE, soft_ink));
fail:
    return st;
}

md_status plot_build(struct plot_list *out, const struct plot *plot, struct memory *memory)
{
    struct plot_list list = {.memory = memory};
    arena_init(&list.arena, memory);
    md_status st = build(&list, plot);
    if (st < 0)
        plot_list_free(&list);
    else
        *out = list;
    return st;
}

void plot_list_free(struct plot_list *list)
{
    if (!list->memory)
        return;
    memory_free(list->memory, list->items);
    arena_free(&list->arena);
    memset(list, 0, sizeof *list);
}

md_status plot_save(const struct plot *plot, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct plot_list list = {.memory = NULL};
    char *name = NULL;
    TRY(plot_build(&list, plot, memory));
    TRY(memory_printf(memory, &name, "%s.svg", path));
    TRY(plot_write_svg(&list, memory, name));
    memory_free(memory, name);
    name = NULL;
    TRY(memory_printf(memory, &name, "%s.png", path));
    TRY(plot_write_png(&list, memory, name));
fail:
    memory_free(memory, name);
    plot_list_free(&list);
    return st;
}
