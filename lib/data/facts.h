/* facts.h - what only a look at every image of a data set tells: size, content, fingerprint, damage. */
#ifndef DATA_FACTS_H
#define DATA_FACTS_H

#include "data/dataset.h"

enum image_state { IMAGE_GOOD, IMAGE_MISSING, IMAGE_DAMAGED };

struct image_fact {
    enum image_state state;
    int              width, height; /* after orientation; 0 unless good */
    uint64_t         digest[2];     /* of the file's bytes, without a file of the pixels */
    uint64_t         fingerprint;   /* image/fingerprint.h */
    char            *error;         /* why it is not good; else NULL */
};

struct facts {
    struct memory     *memory;
    struct image_fact *items; /* [count], one for each image of the data set */
    size_t             count;
};

/* Decodes all images, `threads` (at least 1) at a time. An image that cannot be read is a fact. */
md_status facts_gather(struct facts *out, const struct dataset *dataset, int threads);
void      facts_free(struct facts *facts);

#endif
