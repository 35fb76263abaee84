/* heat_map.c - layout and colours of a square table of counts. */
#include "draw/heat_map.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "draw/plot_list.h"

/* Pixels. */
static const float edge = 16.0f, title_size = 22.0f, text_size = 15.0f, longest_name = 200.0f;

enum { NAME_BYTES = 256 };

struct layout {
    float cell, number; /* side of a cell; height of its text */
    float left, top;    /* of the cells */
    float right, bottom;
    float name;   /* height of the names */
    bool upwards; /* names of columns */
};

void heat_map_format(char text[8], uint64_t count)
{
    static const char units[] = " kMGTPE";
    uint64_t whole = count, tenths = 0;
    size_t unit = 0;
    for (; whole >= 1000; unit++) {
        tenths = whole % 1000 / 100;
        whole /= 1000;
    }
    if (unit == 0)
        snprintf(text, 8, "%" PRIu64, whole % 1000);
    else if (whole < 10)
        snprintf(text, 8, "%" PRIu64 ".%" PRIu64 "%c", whole % 10, tenths % 10, units[unit]);
    else
        snprintf(text, 8, "%" PRIu64 "%c", whole % 1000, units[unit]);
}

/* ---- names -------------------------------------------------------------------------------- */

static float widest_name(const struct heat_map *map, float size)
{
    float widest = 0.0f;
    for (size_t i = 0; i < map->count; i++)
        widest = fmaxf(widest, draw_text_width(map->names[i], size) * 1.1f);
    return fminf(widest, longest_name);
}

static md_status add_names(struct plot_list *list, const struct layout *layout,
                           const struct heat_map *map)
{
    md_status st = MD_OK;
    char name[NAME_BYTES];
    float room = longest_name / 1.1f;
    for (size_t i = 0; i < map->count; i++) {
        float middle = ((float)i + 0.5f) * layout->cell;
        draw_fit_text(name, NAME_BYTES, map->names[i], room, layout->name);
        TRY(plot_add_text(list, layout->left - 8.0f, layout->top + middle - layout->name * 0.5f,
                          name, layout->name, PLOT_RIGHT, plot_ink));
        if (layout->upwards) {
            TRY(plot_add_text(list, layout->left + middle, layout->top - 8.0f, name, layout->name,
                              PLOT_LEFT, plot_ink));
            list->items[list->count - 1].upwards = true;
        } else {
            TRY(plot_add_text(list, layout->left + middle, layout->top - layout->name - 8.0f, name,
                              layout->name, PLOT_MIDDLE, plot_ink));
        }
    }
fail:
    return st;
}

/* ---- cells -------------------------------------------------------------------------------- */

/* Never so strong that ink on it could not be read, on white paper or on black. */
static struct draw_color cell_color(double share, bool diagonal)
{
    static const struct draw_color right = {0, 114, 178, 255}, wrong = {213, 94, 0, 255};
    struct draw_color color = diagonal ? right : wrong;
    color.a = (uint8_t)lround(255.0 * (0.10 + 0.60 * share));
    return color;
}

static uint64_t row_sum(const struct heat_map *map, size_t row)
{
    uint64_t sum = 0;
    for (size_t j = 0; j < map->count; j++)
        sum += map->cells[row * map->count + j];
    return sum;
}

static md_status add_numbers(struct plot_list *list, const struct layout *layout, float x, float y,
                             uint64_t count, double share)
{
    md_status st = MD_OK;
    char text[8];
    float half = layout->cell * 0.5f;
    bool two_lines = layout->cell >= 56.0f;
    heat_map_format(text, count);
    TRY(plot_add_text(list, x + half,
                      y + half - layout->number * (two_lines && count ? 0.95f : 0.5f), text,
                      layout->number, PLOT_MIDDLE, count ? plot_ink : plot_soft_ink));
    if (!two_lines || !count)
        return MD_OK;
    int percent = (int)lround(100.0 * share);
    snprintf(text, sizeof text, "%s%d%%", percent ? "" : "<", percent ? percent : 1);
    TRY(plot_add_text(list, x + half, y + half + layout->number * 0.15f, text,
                      layout->number * 0.8f, PLOT_MIDDLE, plot_ink));
fail:
    return st;
}

static md_status add_cell(struct plot_list *list, const struct layout *layout,
                          const struct heat_map *map, size_t i, size_t j, uint64_t sum)
{
    md_status st = MD_OK;
    char words[2 * NAME_BYTES + 128];
    uint64_t count = map->cells[i * map->count + j];
    double share = sum ? (double)count / (double)sum : 0.0;
    float x = layout->left + (float)j * layout->cell;
    float y = layout->top + (float)i * layout->cell;
    if (count) {
        char row[NAME_BYTES], column[NAME_BYTES];
        draw_fit_text(row, NAME_BYTES, map->names[i], 1e6f, text_size);
        draw_fit_text(column, NAME_BYTES, map->names[j], 1e6f, text_size);
        snprintf(words, sizeof words, "%s: %s, %s: %s, %" PRIu64 " of %" PRIu64, map->row_label,
                 row, map->column_label, column, count, sum);
        TRY(plot_add_rect(list, x, y, x + layout->cell, y + layout->cell,
                          cell_color(share, i == j)));
        TRY(arena_copy_string(&list->arena, &list->items[list->count - 1].text, words,
                              strlen(words)));
    }
    /* Of many cells the empty ones stay empty: zeros would hide what there is. */
    if (count || map->count <= 12)
        TRY(add_numbers(list, layout, x, y, count, share));
fail:
    return st;
}

/* The last row and column are set off by a darker line. */
static md_status add_lines(struct plot_list *list, const struct layout *layout, size_t count)
{
    md_status st = MD_OK;
    for (size_t i = 0; i <= count; i++) {
        float at = (float)i * layout->cell;
        bool strong = i == 0 || i + 1 >= count;
        struct draw_color color = strong ? plot_frame : plot_grid;
        TRY(plot_add_line(list, layout->left + at, layout->top, layout->left + at, layout->bottom,
                          1.0f, color));
        TRY(plot_add_line(list, layout->left, layout->top + at, layout->right, layout->top + at,
                          1.0f, color));
    }
fail:
    return st;
}

/* ---- all ---------------------------------------------------------------------------------- */

static struct layout lay_out(const struct heat_map *map)
{
    struct layout layout;
    layout.cell = map->count <= 4    ? 88.0f
                  : map->count <= 12 ? 60.0f
                  : map->count <= 30 ? 36.0f
                                     : 28.0f;
    layout.number = layout.cell >= 56.0f ? 17.0f : layout.cell >= 36.0f ? 14.0f : 11.0f;
    layout.name = layout.cell >= 36.0f ? text_size : 13.0f;
    float names = widest_name(map, layout.name);
    if (map->count <= 4 && names <= 108.0f)
        layout.cell = fmaxf(layout.cell, ceilf(names) + 10.0f);
    layout.upwards = names > layout.cell - 8.0f;
    layout.left = floorf(edge + fmaxf(names, 56.0f) + 8.0f) + 0.5f;
    float heads = layout.upwards ? names : layout.name;
    layout.top = floorf(edge + title_size + 44.0f + heads + 14.0f) + 0.5f;
    layout.right = layout.left + (float)map->count * layout.cell;
    layout.bottom = layout.top + (float)map->count * layout.cell;
    return layout;
}

static md_status build(struct plot_list *list, const struct heat_map *map)
{
    md_status st = MD_OK;
    static const char key[] = "colour: share of the row; blue right, orange wrong";
    const struct layout layout = lay_out(map);
    float width = fmaxf(layout.right, edge + draw_text_width(map->title, title_size) * 1.1f);
    width = fmaxf(width, edge + draw_text_width(key, 13.0f) * 1.1f) + edge;
    TRY(plot_add_paper(list, (int)width, (int)(layout.bottom + 34.0f), map->title));
    TRY(plot_add_text(list, edge, edge, map->title, title_size, PLOT_LEFT, plot_ink));
    TRY(plot_add_text(list, (layout.left + layout.right) * 0.5f, edge + title_size + 16.0f,
                      map->column_label, text_size, PLOT_MIDDLE, plot_soft_ink));
    TRY(plot_add_text(list, layout.left - 8.0f, layout.top - text_size - 8.0f, map->row_label,
                      text_size, PLOT_RIGHT, plot_soft_ink));
    TRY(add_names(list, &layout, map));
    for (size_t i = 0; i < map->count; i++) {
        uint64_t sum = row_sum(map, i);
        for (size_t j = 0; j < map->count; j++)
            TRY(add_cell(list, &layout, map, i, j, sum));
    }
    TRY(add_lines(list, &layout, map->count));
    TRY(plot_add_text(list, edge, layout.bottom + 12.0f, key, 13.0f, PLOT_LEFT, plot_soft_ink));
fail:
    return st;
}

md_status heat_map_save(const struct heat_map *map, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct plot_list list;
    plot_list_init(&list, memory);
    TRY(build(&list, map));
    TRY(plot_list_save(&list, memory, path));
fail:
    plot_list_free(&list);
    return st;
}

md_status heat_map_put_svg(const struct heat_map *map, struct memory *memory, struct buffer *out)
{
    md_status st = MD_OK;
    struct plot_list list;
    plot_list_init(&list, memory);
    TRY(build(&list, map));
    TRY(plot_list_put_svg(&list, out));
fail:
    plot_list_free(&list);
    return st;
}
