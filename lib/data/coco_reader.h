/* coco_reader.h - the three lists of a COCO annotation file, as they stand there. */
#ifndef DATA_COCO_READER_H
#define DATA_COCO_READER_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/file.h"

struct problem_list;

struct coco_image {
    int64_t     id;
    const char *name;
    int         width, height; /* 0: not given */
    size_t      offset;        /* of the element in the file, for messages */
};

struct coco_category {
    int64_t     id;
    const char *name;
    size_t      offset;
    int         class_id; /* left to the caller */
};

struct coco_annotation {
    int64_t id, image_id, category_id;
    double  xywh[4];
    double  area;
    bool    crowd, difficult;
    size_t  offset;
    uint32_t outline_at, outline_size; /* its "segmentation", bytes behind `offset`; size 0: none */
};

/* Lists may come in any order; memory holds these arrays and names, nothing else of the file. */
struct coco_lists {
    struct memory          *memory;
    const char             *path; /* borrowed */
    struct problem_list    *problems; /* not NULL: bad elements become entries and are passed over */
    const char             *text;
    size_t                  size;
    const struct file_bytes *file;      /* may be NULL; pages that were read are given back */
    size_t                  forgotten;  /* bytes of it */
    struct arena            names;
    struct coco_image      *images;
    size_t                  image_count, image_capacity;
    struct coco_category   *categories;
    size_t                  category_count, category_capacity;
    struct coco_annotation **annotation_pages; /* COCO_PAGE each; NULL: dropped */
    size_t                  page_count, page_capacity, annotation_count;
};

/* A page can be dropped when its annotations have been taken over: there is never room for all twice. */
enum { COCO_PAGE = 1 << 15 /* 3 MB: given back to the system when freed, as smaller ones may not be */ };

void      coco_lists_init(struct coco_lists *lists, struct memory *memory, const char *path);
md_status coco_read(struct coco_lists *lists, const void *bytes, size_t size); /* bytes are borrowed */
const struct coco_annotation *coco_annotation_at(const struct coco_lists *lists, size_t index);
void      coco_lists_drop(struct coco_lists *lists, size_t index); /* the page that ends with this one */
void      coco_lists_free(struct coco_lists *lists);
size_t    coco_line(const struct coco_lists *lists, size_t offset); /* counted from 1 */

#endif
