/* plot_png.c - the shapes of a plot as pixels. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "draw/paint.h"
#include "draw/plot_list.h"
#include "image/image.h"

static const float dash = 5.0f, gap = 4.0f;

static void paint_dashes(md_image *image, const struct plot_item *item)
{
    const struct plot_point *a = &item->points[0];
    const struct plot_point *b = &item->points[1];
    float length = hypotf(b->x - a->x, b->y - a->y);
    for (float at = 0.0f; at < length; at += dash + gap) {
        float from = at / length;
        float to = fminf(at + dash, length) / length;
        draw_line(image, a->x + from * (b->x - a->x), a->y + from * (b->y - a->y),
                  a->x + to * (b->x - a->x), a->y + to * (b->y - a->y), item->size, item->color);
    }
}

static void paint_item(md_image *image, const struct plot_item *item)
{
    const struct plot_point *p = item->points;
    float width;
    switch (item->shape) {
    case PLOT_RECT:
        draw_fill(image, p[0].x, p[0].y, p[1].x, p[1].y, item->color);
        break;
    case PLOT_DOT:
        paint_dot(image, p->x, p->y, item->size, item->color);
        break;
    case PLOT_TEXT:
        width = draw_text_width(item->text, item->size);
        draw_text(image,
                  p->x - (item->anchor == PLOT_LEFT    ? 0.0f
                          : item->anchor == PLOT_RIGHT ? width
                                                       : width / 2),
                  p->y, item->text, item->size, item->color);
        break;
    case PLOT_LINE:
        if (item->dashed)
            paint_dashes(image, item);
        for (size_t i = 1; i < item->count && !item->dashed; i++)
            draw_line(image, p[i - 1].x, p[i - 1].y, p[i].x, p[i].y, item->size, item->color);
        break;
    }
}

md_status plot_write_png(const struct plot_list *list, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    md_image image = {0};
    TRY(image_create(&image, memory, PLOT_WIDTH, PLOT_HEIGHT, MD_RGB8));
    /* White paper: painting, even of a full cover, looks at what lies below. */
    memset(image.data, 255, (size_t)image.height * (size_t)image.stride);
    for (size_t i = 0; i < list->count; i++)
        paint_item(&image, &list->items[i]);
    TRY(image_save(&image, memory, path));
fail:
    image_release(&image);
    return st;
}
