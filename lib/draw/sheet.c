/* sheet.c - lays out and paints a contact sheet. */
#include "draw/sheet.h"

#include <string.h>

#include "core/error.h"
#include "image/image.h"

enum { GAP = 12, EDGE = 16, TITLE = 22, TEXT = 15, HEAD = 64, CAPTION_BYTES = 128 };

static const struct draw_color ink = {34, 34, 34, 255};
static const struct draw_color soft_ink = {96, 96, 96, 255};

static size_t row_count(const struct sheet *sheet)
{
    size_t columns = (size_t)sheet->columns;
    return (sheet->count + columns - 1) / columns;
}

/* Without its caption. */
static int row_height(const struct sheet *sheet, size_t row)
{
    int height = 0;
    size_t columns = (size_t)sheet->columns;
    for (size_t i = row * columns; i < (row + 1) * columns && i < sheet->count; i++)
        if (sheet->cells[i].picture.height > height)
            height = sheet->cells[i].picture.height;
    return height;
}

static void paste(md_image *sheet, const md_image *picture, int x, int y)
{
    for (int row = 0; row < picture->height && y + row < sheet->height; row++)
        memcpy(sheet->data + (y + row) * sheet->stride + 3 * (ptrdiff_t)x,
               picture->data + row * picture->stride, 3 * (size_t)picture->width);
}

static void paint_head(md_image *out, const struct sheet *sheet)
{
    float x = EDGE;
    float y = EDGE + TITLE + 8;
    draw_text(out, EDGE, EDGE - 4, sheet->title ? sheet->title : "", TITLE, ink);
    for (size_t i = 0; i < sheet->key_count; i++) {
        const struct sheet_key *key = &sheet->keys[i];
        float width = 18.0f + draw_text_width(key->name, TEXT) + 18.0f;
        if (x + width > (float)out->width - EDGE) {
            draw_text(out, x, y, "...", TEXT, soft_ink);
            return;
        }
        draw_fill(out, x, y + 2.0f, x + 12.0f, y + 14.0f, key->color);
        draw_text(out, x + 18.0f, y, key->name, TEXT, ink);
        x += width;
    }
}

static void paint_cell(md_image *out, const struct sheet *sheet, size_t index, int x, int y)
{
    char caption[CAPTION_BYTES];
    const struct sheet_cell *cell = &sheet->cells[index];
    paste(out, &cell->picture, x + (sheet->cell - cell->picture.width) / 2, y);
    draw_fit_text(caption, sizeof caption, cell->caption ? cell->caption : "", (float)sheet->cell,
                  TEXT);
    float left = (float)x + ((float)sheet->cell - draw_text_width(caption, TEXT)) * 0.5f;
    draw_text(out, left, (float)(y + cell->picture.height + 4), caption, TEXT, soft_ink);
}

static md_status check(const struct sheet *sheet)
{
    if (sheet->columns < 1 || sheet->cell < 1 || sheet->columns > 1 << 14 || sheet->cell > 1 << 14)
        return ERROR(MD_EINVAL, "a sheet of %d columns of %d pixels; 1 to %d are possible",
                     sheet->columns, sheet->cell, 1 << 14);
    for (size_t i = 0; i < sheet->count; i++)
        if (sheet->cells[i].picture.width > sheet->cell)
            return ERROR(MD_EINVAL, "picture %zu is %d pixels wide, its cell %d", i,
                         sheet->cells[i].picture.width, sheet->cell);
    return MD_OK;
}

md_status sheet_draw(md_image *out, struct memory *memory, const struct sheet *sheet)
{
    md_image image;
    md_status st = check(sheet);
    if (st < 0)
        return st;
    int64_t height = HEAD + EDGE;
    for (size_t row = 0; row < row_count(sheet); row++)
        height += row_height(sheet, row) + TEXT + GAP + 8;
    int64_t width = 2 * EDGE + (int64_t)sheet->columns * (sheet->cell + GAP) - GAP;
    if (width * height > IMAGE_MAX_PIXELS)
        return ERROR(MD_EINVAL,
                     "a sheet of %lld x %lld pixels is too large; take fewer or smaller images",
                     (long long)width, (long long)height);
    st = image_create(&image, memory, (int)width, (int)height, MD_RGB8);
    if (st < 0)
        return st;
    memset(image.data, 255, (size_t)image.stride * (size_t)image.height);
    paint_head(&image, sheet);
    int y = HEAD + GAP;
    for (size_t row = 0; row < row_count(sheet); row++) {
        for (int column = 0; column < sheet->columns; column++) {
            size_t index = row * (size_t)sheet->columns + (size_t)column;
            if (index < sheet->count)
                paint_cell(&image, sheet, index, EDGE + column * (sheet->cell + GAP), y);
        }
        y += row_height(sheet, row) + TEXT + GAP + 8;
    }
    *out = image;
    return MD_OK;
}
