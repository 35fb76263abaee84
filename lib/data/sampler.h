/* sampler.h - which images make up the next batch: an endless stream of permutations, grouped by
 * aspect ratio; or once through in order. */
#ifndef DATA_SAMPLER_H
#define DATA_SAMPLER_H

#include "data/loader.h"

/* `images`, `group` and `repeats` are borrowed. */
struct sampler {
    struct memory  *memory;
    const uint32_t *images; /* [count] indices in the data set */
    const uint8_t  *group;  /* [image_count of the data set] bucket 0 or 1 of each */
    uint32_t        count;
    int             batch_size, share, shares;
    bool            training;
    const float    *repeats; /* [count] how often each comes in an epoch, 1 or more; NULL: once */
    uint32_t        stride;  /* positions of an epoch; with repeats not all of them are entries */
    uint32_t       *permutation; /* [stride], of `epoch` */
    uint32_t        length;      /* entries of it */
    uint64_t        epoch;       /* UINT64_MAX: none yet */
    struct loader_state state;   /* before the next batch */
};

/* What a sampler draws from. */
struct sampler_images {
    const uint32_t *images;
    const uint8_t  *group;
    const float    *repeats; /* NULL: each comes once */
    uint32_t        count;
};

md_status sampler_create(struct sampler *sampler, struct memory *memory,
                         const struct sampler_images *from, const struct loader_options *options,
                         const struct loader_state *state);
/* Up to batch_size images; fewer at the end of a pass in order, 0 after it. In order, of a share alone. */
int  sampler_next(struct sampler *sampler, uint32_t images[LOADER_MAX_BATCH]);
void sampler_free(struct sampler *sampler);

#endif
