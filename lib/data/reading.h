/* reading.h - what the readers of CSV, VOC and YOLO share: classes by name, and the end of opening. */
#ifndef DATA_READING_H
#define DATA_READING_H

#include "core/file.h"
#include "data/builder.h"
#include "data/problems.h"

/* How a data set is opened: for use, with a log and perhaps the classes of a model, or to be checked. */
struct opening {
    struct memory       *memory;
    const struct log    *log;
    const char *const   *classes; /* NULL: the file's */
    int                  class_count;
    struct problem_list *problems; /* not NULL: to be checked */
};

/* Classes as they turn up in a file, by name. */
struct class_list {
    const struct opening *how;
    bool                  fixed; /* `names` was filled from a list and knows them all */
    struct string_table   names;
};

enum { CLASS_NAME_BYTES = 128 };

void      class_list_init(struct class_list *list, const struct opening *how);
/* A class of a list that stands by itself, in order: from then on no other name is known. */
md_status class_list_add(struct class_list *list, const char *file, size_t line, const char *name);
/* The number by which class_list_settle knows it; `file` and `line` are for messages. */
md_status class_list_find(struct class_list *list, const char *file, size_t line, const char *name,
                          int *class_id);
/* Adds the classes: the caller's, or a file's list in its order, or those found, by name. Renumbers
 * the builder's annotations. */
md_status class_list_settle(struct class_list *list, struct dataset_builder *builder);
void      class_list_free(struct class_list *list);

/* `text` without those blanks around it, cut at the size of `out`. */
const char *text_trim(const char *text, const char *blanks, char *out, size_t size);

/* Clips to the images, of which the sizes are known by now. A box wholly outside is an error. `path`
 * is the file of those annotations whose images have no origin. */
md_status boxes_clip(struct dataset *dataset, const char *path, size_t *clipped);

/* The data set from the builder; when opened for use also sizes, clipping and warnings. */
md_status opening_finish(const struct opening *how, struct dataset_builder *builder,
                         const char *folder, const char *path, struct dataset **out);

/* Relative names of all files below `folder` that have one of the suffixes (lower case), by byte order;
 * links to folders are not followed, more than 16 levels are MD_EINVAL. */
md_status file_tree_list(struct path_list *out, struct memory *memory, const char *folder,
                         const char *const *suffixes);
extern const char *const image_suffixes[];
/* The next line of a text, without its end and the blanks around it. False: no more. */
struct line_reader {
    const char *at, *limit;
    size_t      line; /* of the one handed out, from 1 */
};
bool line_next(struct line_reader *reader, const char **text, size_t *length);

/* The files' formats. _bytes: of a CSV file that lies in memory. */
md_status csv_open_bytes(struct dataset **out, const struct opening *how, const char *path,
                         const char *folder, const void *bytes, size_t size);
md_status voc_open(struct dataset **out, const struct opening *how, const char *spec);
md_status yolo_open(struct dataset **out, const struct opening *how, const char *spec);

#endif
