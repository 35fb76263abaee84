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

/* Written on a sheet of its own, which is then turned to the left and laid over the paper. */
static md_status paint_upwards(md_image *image, const struct plot_item *item)
{
    float length = draw_text_width(item->text, item->size);
    md_image sheet = {0};
    md_status st = image_create(&sheet, image_memory(image), (int)ceilf(length) + 2,
                                (int)ceilf(item->size * 1.25f), MD_RGB8);
    if (st < 0)
        return st;
    memset(sheet.data, 255, (size_t)sheet.height * (size_t)sheet.stride);
    draw_text(&sheet, 0.0f, 0.0f, item->text, item->size, item->color);
    int left = (int)lroundf(item->points->x - item->size * 0.5f);
    int bottom = (int)lroundf(item->points->y);
    for (int y = 0; y < sheet.height; y++)
        for (int x = 0; x < sheet.width; x++) {
            int to_x = left + y;
            int to_y = bottom - 1 - x;
            if (to_x < 0 || to_x >= image->width || to_y < 0 || to_y >= image->height)
                continue;
            uint8_t *to = image->data + (ptrdiff_t)to_y * image->stride + (ptrdiff_t)to_x * 3;
            const uint8_t *from = sheet.data + (ptrdiff_t)y * sheet.stride + (ptrdiff_t)x * 3;
            for (int c = 0; c < 3; c++)
                to[c] = from[c] < to[c] ? from[c] : to[c];
        }
    image_release(&sheet);
    return MD_OK;
}

static md_status paint_item(md_image *image, const struct plot_item *item)
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
        if (item->upwards)
            return paint_upwards(image, item);
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
    return MD_OK;
}

md_status plot_write_png(const struct plot_list *list, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    md_image image = {0};
    TRY(image_create(&image, memory, list->width, list->height, MD_RGB8));
    /* White paper: painting, even of a full cover, looks at what lies below. */
    memset(image.data, 255, (size_t)image.height * (size_t)image.stride);
    for (size_t i = 0; i < list->count; i++)
        TRY(paint_item(&image, &list->items[i]));
    TRY(image_save(&image, memory, path));
fail:
    image_release(&image);
    return st;
}
