/* image_index.h - the images and classes of a data set by id and by name, for files that speak of them. */
#ifndef EVAL_IMAGE_INDEX_H
#define EVAL_IMAGE_INDEX_H

#include "core/strings.h"
#include "data/dataset.h"

struct id_place {
    int64_t  id;
    uint32_t index;
};

/* Names are distinct; a place of UINT32_MAX is a name that several images share. */
struct name_places {
    struct string_table names;
    uint32_t           *places;
    size_t              capacity;
};

struct image_index {
    struct memory        *memory;
    const struct dataset *dataset; /* borrowed */
    struct id_place      *images, *classes; /* by id */
    bool                  named;   /* the three below are filled, when first asked for */
    struct name_places    full, base, stem; /* "a/b.jpg", "b.jpg", "b" */
};

md_status image_index_create(struct image_index *out, struct memory *memory,
                             const struct dataset *dataset);
void      image_index_free(struct image_index *index);

bool image_index_find(const struct image_index *index, int64_t id, uint32_t *out);
/* The image of that name; else of that file name in whatever folder; else of that file name without
 * suffix. MD_END: none. MD_EMISMATCH: several. */
md_status image_index_find_name(struct image_index *index, const char *name, uint32_t *out);
bool      image_index_find_class(const struct image_index *index, int64_t id, int *out);

#endif
