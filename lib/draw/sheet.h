/* sheet.h - small pictures in rows with captions and a key: a contact sheet. */
#ifndef DRAW_SHEET_H
#define DRAW_SHEET_H

#include "core/memory.h"
#include "draw/draw.h"

struct sheet_cell {
    md_image    picture; /* at most `cell` pixels wide */
    const char *caption; /* cut where there is no room; may be NULL */
};

struct sheet_key {
    const char       *name;
    struct draw_color color;
};

struct sheet {
    const struct sheet_cell *cells;
    size_t                   count;
    int                      columns, cell; /* at least 1; pixels */
    const char              *title;
    const struct sheet_key  *keys; /* as many as fit into one line */
    size_t                   key_count;
};

/* Rows are as high as their highest picture. RGB8. */
md_status sheet_draw(md_image *out, struct memory *memory, const struct sheet *sheet);

#endif
