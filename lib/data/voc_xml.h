/* voc_xml.h - one annotation file of Pascal VOC. */
#ifndef DATA_VOC_XML_H
#define DATA_VOC_XML_H

#include <stdbool.h>

#include "core/arena.h"
#include "data/problems.h"

struct voc_object {
    const char *class_name;
    float       box[4]; /* x0, y0, x1, y1: the file's with 1 taken from xmin and ymin */
    bool        difficult;
    size_t      line;   /* where the object begins */
};

struct voc_file {
    struct memory     *memory;
    struct arena       arena;    /* texts */
    const char        *name;     /* <filename>; NULL: not given */
    int                width, height; /* 0: not given */
    struct voc_object *objects;
    size_t             count, capacity;
};

void voc_file_init(struct voc_file *file, struct memory *memory);
/* Document types with declarations (entities are such), more than 32 levels and texts beyond 4096
 * bytes are refused: a small file cannot ask for much memory. Objects that are none become entries of
 * `problems`, when not NULL. MD_EUNSUPPORTED in a build without expat. `path` is for messages. */
md_status voc_file_parse(struct voc_file *file, const char *path, const void *bytes, size_t size,
                         struct problem_list *problems);
void voc_file_clear(struct voc_file *file); /* for the next one */
void voc_file_free(struct voc_file *file);

#endif
