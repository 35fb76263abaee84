/* md/draw.h - boxes and labels on an image. */
#ifndef MD_DRAW_H
#define MD_DRAW_H

#include "md/dataset.h"
#include "md/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct md_color { uint8_t r, g, b, a; } md_color;

typedef struct md_draw_options {
    size_t          size;          /* set by md_draw_options_init */
    float           line_width;    /* pixels; 0: from the image size (0) */
    float           text_height;   /* pixels; 0: from the image size (0) */
    bool            labels;        /* class name and score (true) */
    const md_color *palette;       /* colour of class i is palette[i % count]; NULL: built in */
    size_t          palette_count;
} md_draw_options;

MD_API void md_draw_options_init(md_draw_options *options, size_t size);
static inline md_draw_options md_draw_options_default(void)
{
    md_draw_options o;
    md_draw_options_init(&o, sizeof o);
    return o;
}

/* `names` gives the class names of the labels; NULL: numbers. */
MD_API md_status md_draw_detections(md_image *image, const md_detections *detections,
                                    const md_model *names, const md_draw_options *options);
MD_API md_status md_draw_annotations(md_image *image, const md_dataset *dataset, size_t index,
                                     const md_draw_options *options);

/* ---- contact sheet ---------------------------------------------------------------------- */

typedef struct md_sheet_options {
    size_t   size;    /* set by md_sheet_options_init */
    size_t   count;   /* images, drawn at random; all when there are fewer (16) */
    uint64_t seed;    /* which ones (1) */
    int      columns; /* 0: as many as rows (0) */
    int      cell;    /* pixels: the width of an image, and its height by 3 / 4 at most (400) */
} md_sheet_options;

MD_API void md_sheet_options_init(md_sheet_options *options, size_t size);
static inline md_sheet_options md_sheet_options_default(void)
{
    md_sheet_options o;
    md_sheet_options_init(&o, sizeof o);
    return o;
}

/* Small images side by side with their boxes, labels where there is room, names and a key of the
 * classes. An image that cannot be read is a grey field that says so. */
MD_API md_status md_draw_sheet(md_image *out, const md_dataset *dataset,
                               const md_sheet_options *options);

/* ---- pieces ----------------------------------------------------------------------------- */

/* Everything is clipped to the image. Text is UTF-8, (x, y) its top left corner, height in pixels. */
MD_API md_status md_draw_box(md_image *image, md_box box, md_color color, float line_width);
MD_API md_status md_draw_text(md_image *image, float x, float y, const char *utf8, float height,
                              md_color color);

#ifdef __cplusplus
}
#endif
#endif
