/* label.c - class colours, texts cut to a width, and boxes that carry their name. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw/draw.h"

/* ---- colours ------------------------------------------------------------------------------- */

/* The palette of Okabe and Ito, which people with any colour vision tell apart; then the same
 * lighter, then darker. */
struct draw_color draw_class_color(int class_id)
{
    static const struct draw_color base[7] = {
        {86, 180, 233, 255},  {213, 94, 0, 255},  {0, 158, 115, 255}, {240, 228, 66, 255},
        {204, 121, 167, 255}, {230, 159, 0, 255}, {0, 114, 178, 255},
    };
    unsigned index = (unsigned)class_id;
    struct draw_color color = base[index % 7];
    unsigned shade = index / 7 % 3;
    if (shade == 0)
        return color;
    uint8_t *channel[3] = {&color.r, &color.g, &color.b};
    for (int c = 0; c < 3; c++)
        *channel[c] = (uint8_t)(shade == 1 ? (*channel[c] + 255) / 2 : *channel[c] * 3 / 5);
    return color;
}

static struct draw_color readable_on(struct draw_color ground)
{
    int light = (ground.r * 299 + ground.g * 587 + ground.b * 114) / 1000;
    return light > 120 ? (struct draw_color){16, 16, 16, 255}
                       : (struct draw_color){255, 255, 255, 255};
}

void draw_fit_text(char *out, size_t capacity, const char *utf8, float width, float height)
{
    snprintf(out, capacity, "%s", utf8);
    if (draw_text_width(out, height) <= width)
        return;
    for (size_t length = strlen(out); length > 0; length--) {
        if (((unsigned char)out[length - 1] & 0xC0) == 0x80)
            continue; /* not within a character */
        snprintf(out + length - 1, capacity - (length - 1), "...");
        if (draw_text_width(out, height) <= width)
            return;
    }
}

/* ---- labelled boxes -------------------------------------------------------------------------- */

static float clamp(float value, float low, float high)
{
    return value > high ? (high < low ? low : high) : value < low ? low : value;
}

/* Above the box; at the top inside it when there is no room; never outside the image. */
static void draw_tag(md_image *image, float x, float top, const char *label, float height,
                     struct draw_color color)
{
    float pad = floorf(height * 0.18f + 0.5f);
    float width = draw_text_width(label, height) + 2.0f * pad;
    float tall = height + pad;
    float left = clamp(x, 0.0f, (float)image->width - width);
    float y = top - tall >= 0.0f ? top - tall : top;
    y = clamp(y, 0.0f, (float)image->height - tall);
    draw_fill(image, left, y, left + width, y + tall, color);
    draw_text(image, left + pad, y + floorf(pad * 0.5f), label, height, readable_on(color));
}

void draw_labelled_box(md_image *image, float x0, float y0, float x1, float y1, const char *label,
                       const struct draw_style *style)
{
    float line_width = style->line_width;
    float text_height = style->text_height;
    if (!isfinite(x0) || !isfinite(y0) || !isfinite(x1) || !isfinite(y1))
        return;
    float side = sqrtf((float)image->width * (float)image->height);
    if (!(line_width > 0.0f))
        line_width = clamp(floorf(side / 300.0f + 0.5f), 2.0f, 12.0f);
    if (!(text_height > 0.0f))
        text_height = clamp(floorf(side / 36.0f + 0.5f), 13.0f, 64.0f);

    /* Edges on whole pixels are sharp; a dark rim keeps the line visible on any ground. */
    float half = line_width * 0.5f;
    float left = floorf(fminf(x0, x1) - half + 0.5f) + half;
    float top = floorf(fminf(y0, y1) - half + 0.5f) + half;
    float right = floorf(fmaxf(x0, x1) - half + 0.5f) + half;
    float bottom = floorf(fmaxf(y0, y1) - half + 0.5f) + half;
    struct draw_color rim = {0, 0, 0, 90};
    draw_box(image, left, top, right, bottom, line_width + 2.0f, rim);
    draw_box(image, left, top, right, bottom, line_width, style->color);
    if (label && label[0])
        draw_tag(image, left - half, top - half, label, text_height, style->color);
}
