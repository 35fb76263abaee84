/* yolo_text.h - the two texts of a YOLO data set: data.yaml, and the lines of a label file. */
#ifndef DATA_YOLO_TEXT_H
#define DATA_YOLO_TEXT_H

#include "core/arena.h"

/* What data.yaml says about one split. */
struct yolo_yaml {
    const char  *path;       /* "" when not given */
    const char **entries;    /* [entry_count] folders or lists of images; 0: it does not know the split */
    size_t       entry_count;
    size_t       entry_line;
    const char **names;      /* [class_count] */
    size_t       class_count;
    size_t       names_line;
};

/* Everything lives in the arena. `file` is for messages. `split` NULL: no entries. */
md_status yolo_yaml_read(struct yolo_yaml *out, struct arena *arena, const char *file,
                         const char *text, size_t size, const char *split);

struct yolo_object {
    size_t class_index;
    double box[4]; /* x0, y0, x1, y1 in parts of the image */
};

/* CLASS CX CY WIDTH HEIGHT, or CLASS and the X Y of three or more corners, of which the extent is taken. */
md_status yolo_line_read(struct yolo_object *out, const char *file, size_t line, const char *text,
                         size_t length, size_t class_count);

/* "labels/a/b.txt" for "images/a/b.jpg", by the last folder named images; beside it without one. */
md_status yolo_label_path(struct memory *memory, char **out, const char *image);

#endif
