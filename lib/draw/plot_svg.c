/* plot_svg.c - the shapes of a plot as SVG text. */
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/file.h"
#include "core/markup.h"
#include "draw/plot_list.h"

/* Hundredths of a pixel, with a point whatever the locale; `before` stands in front. */
static md_status put_number(struct buffer *out, const char *before, float value)
{
    long hundredths = lroundf(value * 100.0f);
    long size = labs(hundredths);
    return buffer_printf(out, "%s%s%ld.%02ld", before, hundredths < 0 ? "-" : "", size / 100,
                         size % 100);
}

/* Ends the attribute before it. */
static md_status put_color(struct buffer *out, const char *attribute, struct draw_color color)
{
    md_status st = MD_OK;
    TRY(buffer_printf(out, "\" %s=\"#%02x%02x%02x\"", attribute, color.r, color.g, color.b));
    if (color.a < 255) {
        TRY(buffer_printf(out, " %s-opacity", attribute));
        TRY(put_number(out, "=\"", (float)color.a / 255.0f));
        TRY(buffer_puts(out, "\""));
    }
fail:
    return st;
}

static md_status put_rect(struct buffer *out, const struct plot_item *item)
{
    md_status st = MD_OK;
    const struct plot_point *p = item->points;
    TRY(put_number(out, "<rect x=\"", p[0].x));
    TRY(put_number(out, "\" y=\"", p[0].y));
    TRY(put_number(out, "\" width=\"", p[1].x - p[0].x));
    TRY(put_number(out, "\" height=\"", p[1].y - p[0].y));
    TRY(put_color(out, "fill", item->color));
    if (item->text) {
        TRY(buffer_puts(out, "><title>"));
        TRY(markup_put_text(out, item->text));
        TRY(buffer_puts(out, "</title></rect>\n"));
    } else {
        TRY(buffer_puts(out, "/>\n"));
    }
fail:
    return st;
}

static md_status put_line(struct buffer *out, const struct plot_item *item)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "<polyline points=\""));
    for (size_t i = 0; i < item->count; i++) {
        TRY(put_number(out, i ? " " : "", item->points[i].x));
        TRY(put_number(out, ",", item->points[i].y));
    }
    TRY(put_number(out, "\" stroke-width=\"", item->size));
    TRY(buffer_puts(out, item->dashed ? "\" stroke-dasharray=\"5 4" : ""));
    TRY(put_color(out, "stroke", item->color));
    TRY(buffer_puts(out, "/>\n"));
fail:
    return st;
}

static md_status put_dot(struct buffer *out, const struct plot_item *item)
{
    md_status st = MD_OK;
    TRY(put_number(out, "<circle cx=\"", item->points->x));
    TRY(put_number(out, "\" cy=\"", item->points->y));
    TRY(put_number(out, "\" r=\"", item->size));
    TRY(put_color(out, "fill", item->color));
    TRY(buffer_puts(out, "/>\n"));
fail:
    return st;
}

/* The base line and the size of the letters match the built-in font. */
static md_status put_text(struct buffer *out, const struct plot_item *item)
{
    static const char *const anchors[3] = {"start", "middle", "end"};
    md_status st = MD_OK;
    if (!item->text[0])
        return MD_OK;
    const struct plot_point *at = item->points;
    if (item->upwards) {
        /* Turned by itself, then moved, so that (0, 0) is the base line's start. */
        TRY(put_number(out, "<text transform=\"translate(", at->x + 0.295f * item->size));
        TRY(put_number(out, ",", at->y));
        TRY(buffer_puts(out, ") rotate(-90)"));
    } else {
        TRY(put_number(out, "<text x=\"", at->x));
        TRY(put_number(out, "\" y=\"", at->y + 0.795f * item->size));
    }
    TRY(put_number(out, "\" font-size=\"", 0.88f * item->size));
    TRY(buffer_printf(out, "\" text-anchor=\"%s", anchors[item->anchor]));
    TRY(put_color(out, "fill", item->color));
    TRY(buffer_puts(out, ">"));
    TRY(markup_put_text(out, item->text));
    TRY(buffer_puts(out, "</text>\n"));
fail:
    return st;
}

static md_status put_item(struct buffer *out, const struct plot_item *item)
{
    switch (item->shape) {
    case PLOT_RECT:
        return put_rect(out, item);
    case PLOT_LINE:
        return put_line(out, item);
    case PLOT_DOT:
        return put_dot(out, item);
    case PLOT_TEXT:
        return put_text(out, item);
    }
    return ERROR(MD_EINTERNAL, "plot shape %d", (int)item->shape);
}

md_status plot_list_put_svg(const struct plot_list *list, struct buffer *out)
{
    md_status st = MD_OK;
    TRY(buffer_printf(out,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                      "viewBox=\"0 0 %d %d\" font-family=\"Helvetica, Arial, sans-serif\" "
                      "fill=\"none\" stroke-linejoin=\"round\" role=\"img\" aria-label=\"",
                      list->width, list->height, list->width, list->height));
    TRY(markup_put_text(out, list->title));
    TRY(buffer_puts(out, "\">\n"));
    for (size_t i = 0; i < list->count; i++)
        TRY(put_item(out, &list->items[i]));
    TRY(buffer_puts(out, "</svg>\n"));
fail:
    return st;
}

md_status plot_write_svg(const struct plot_list *list, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct buffer out;
    buffer_init(&out, memory);
    TRY(plot_list_put_svg(list, &out));
    TRY(file_write(memory, path, out.data, out.length));
fail:
    buffer_free(&out);
    return st;
}
