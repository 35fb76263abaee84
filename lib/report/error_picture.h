/* error_picture.h - private to lib/report: draws one error of a detector. */
#ifndef REPORT_ERROR_PICTURE_H
#define REPORT_ERROR_PICTURE_H

#include "data/dataset.h"
#include "draw/draw.h"

enum { ERROR_LINE_BYTES = 256 };

struct error_picture {
    const double            *detection; /* x, y, width, height in the image; NULL: none */
    const double            *truth;     /* likewise */
    const struct annotation *truths;    /* of the image: drawn thin */
    size_t                   truth_count;
    char        detection_text[ERROR_LINE_BYTES], truth_text[ERROR_LINE_BYTES];
    const char *type;
    bool        truth_first; /* of the lines of text */
};

/* `side` by `side` pixels around both boxes, and two lines of text below them. RGB8. */
md_status error_picture_draw(md_image *out, struct memory *memory, const md_image *image,
                             const struct error_picture *picture, int side);

#endif
