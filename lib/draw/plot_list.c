/* plot_list.c - shapes of a plot, one after the other. */
#include "draw/plot_list.h"

#include <string.h>

#include "core/error.h"

const struct draw_color plot_ink = {34, 34, 34, 255};
const struct draw_color plot_soft_ink = {96, 96, 96, 255};
const struct draw_color plot_grid = {228, 228, 228, 255};
const struct draw_color plot_frame = {150, 150, 150, 255};
const struct draw_color plot_paper = {255, 255, 255, 255};

void plot_list_init(struct plot_list *list, struct memory *memory)
{
    *list = (struct plot_list){.memory = memory, .title = ""};
    arena_init(&list->arena, memory);
}

void plot_list_free(struct plot_list *list)
{
    if (!list->memory)
        return;
    memory_free(list->memory, list->items);
    arena_free(&list->arena);
    memset(list, 0, sizeof *list);
}

md_status plot_add_paper(struct plot_list *list, int width, int height, const char *title)
{
    md_status st = MD_OK;
    list->width = width;
    list->height = height;
    TRY(arena_copy_string(&list->arena, &list->title, title, strlen(title)));
    TRY(plot_add_rect(list, 0.0f, 0.0f, (float)width, (float)height, plot_paper));
fail:
    return st;
}

md_status plot_add_item(struct plot_list *list, struct plot_item item,
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

md_status plot_add_rect(struct plot_list *list, float x0, float y0, float x1, float y1,
                        struct draw_color color)
{
    const struct plot_point corners[2] = {{x0, y0}, {x1, y1}};
    return plot_add_item(list, (struct plot_item){.shape = PLOT_RECT, .color = color}, corners, 2);
}

md_status plot_add_line(struct plot_list *list, float x0, float y0, float x1, float y1, float width,
                        struct draw_color color)
{
    const struct plot_point ends[2] = {{x0, y0}, {x1, y1}};
    return plot_add_item(
        list, (struct plot_item){.shape = PLOT_LINE, .color = color, .size = width}, ends, 2);
}

md_status plot_add_dot(struct plot_list *list, float x, float y, float radius,
                       struct draw_color color)
{
    const struct plot_point center = {x, y};
    return plot_add_item(
        list, (struct plot_item){.shape = PLOT_DOT, .color = color, .size = radius}, &center, 1);
}

md_status plot_add_text(struct plot_list *list, float x, float y, const char *text, float size,
                        enum plot_anchor anchor, struct draw_color color)
{
    md_status st = MD_OK;
    const struct plot_point at = {x, y};
    const char *copy = NULL;
    TRY(arena_copy_string(&list->arena, &copy, text, strlen(text)));
    TRY(plot_add_item(
        list,
        (struct plot_item){
            .shape = PLOT_TEXT, .color = color, .size = size, .anchor = anchor, .text = copy},
        &at, 1));
fail:
    return st;
}

md_status plot_list_save(const struct plot_list *list, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    char *name = NULL;
    TRY(memory_printf(memory, &name, "%s.svg", path));
    TRY(plot_write_svg(list, memory, name));
    memory_free(memory, name);
    name = NULL;
    TRY(memory_printf(memory, &name, "%s.png", path));
    TRY(plot_write_png(list, memory, name));
fail:
    memory_free(memory, name);
    return st;
}
