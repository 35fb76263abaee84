/* pictures.h - images of one exact size to measure with, and a data set of them. */
#ifndef EXAMPLES_PICTURES_H
#define EXAMPLES_PICTURES_H

#include <md.h>

struct pictures {
    md_image *images; /* [count], RGB8, height x width */
    size_t count;
    int class_count; /* of the data set */
    char (*class_names)[24];
    const char **name_list; /* [class_count] */
};

/* Patches of several sizes drawn by a hash of their place: the same everywhere. */
md_status pictures_make(struct pictures *pictures, md_context *context, size_t count, int height,
                        int width);
/* The same images with those of a folder, scaled by nearest neighbour, as far as there are any. */
md_status pictures_load(struct pictures *pictures, md_context *context, const char *program,
                        const char *folder);
/* A data set with 4 to 11 boxes an image; `pictures` must outlive it. */
md_status pictures_dataset(struct pictures *pictures, md_context *context, int class_count,
                           md_dataset **out);
void pictures_free(struct pictures *pictures);

#endif
