/* sampler.h - which images make up the next batch: an endless stream of permutations, grouped by
 * aspect ratio; or once through in order. */
#ifndef DATA_SAMPLER_H
#define DATA_SAMPLER_H

#include "data/loader.h"

/* `images` and `group` are borrowed. */
struct sampler {
    struct memory  *memory;
    const uint32_t *images; /* [count] indices in the data set */
    const uint8_t  *group;  /* [image_count of the data set] bucket 0 or 1 of each */
    uint32_t        count;
    int             batch_size;
    bool            training;
    uint32_t       *permutation; /* [count], of `epoch` */
    uint64_t        epoch;       /* UINT64_MAX: none yet */
    struct loader_state state;   /* before the next batch */
};

md_status sampler_create(struct sampler *sampler, struct memory *memory, const uint32_t *images,
                         uint32_t count, const uint8_t *group, const struct loader_options *options,
                         const struct loader_state *state);
/* Up to batch_size images; fewer at the end of a pass in order, 0 after it. */
int  sampler_next(struct sampler *sampler, uint32_t images[64]);
void sampler_free(struct sampler *sampler);

#endif
