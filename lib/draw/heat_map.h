/* heat_map.h - a square table of counts as coloured cells: what was taken for what. */
#ifndef DRAW_HEAT_MAP_H
#define DRAW_HEAT_MAP_H

#include <stdint.h>

#include "core/buffer.h"

struct heat_map {
    const char        *title, *row_label, *column_label;
    const char *const *names; /* [count] of rows and of columns */
    const uint64_t    *cells; /* [count, count] */
    size_t             count;
};

/* A cell's colour is its share of its row: blue on the diagonal, orange elsewhere, which also the
 * colour-blind tell apart. Cells shrink as there are more; the numbers stay readable, and a pointer
 * over a cell of the SVG is told it in words. */
md_status heat_map_save(const struct heat_map *map, struct memory *memory, const char *path);
/* The SVG element alone, to stand in a page. */
md_status heat_map_put_svg(const struct heat_map *map, struct memory *memory, struct buffer *out);

/* At most 4 characters, from 1000 on with k, M, G, T, P or E: "7", "999", "1.2k", "35M". */
void heat_map_format(char text[8], uint64_t count);

#endif
