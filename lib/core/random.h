/* random.h - counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011).
 *
 * A number is a pure function of (seed, stream, index), so that a state is three integers, any
 * device can compute any number, and the order of threads cannot matter. */
#ifndef CORE_RANDOM_H
#define CORE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t seed;
    uint64_t stream; /* what the numbers are for: see RANDOM_* */
    uint64_t index;  /* of the next number */
};

/* Streams in use; the low bits may carry an index (parameter, epoch, iteration). */
enum random_stream {
    RANDOM_INIT = 1, RANDOM_PERMUTATION, RANDOM_AUGMENT, RANDOM_SAMPLE_ANCHORS, RANDOM_SAMPLE_ROIS,
    RANDOM_TOY, RANDOM_SPLIT, RANDOM_TEST, RANDOM_SUBSET, RANDOM_BOOTSTRAP
};
static inline uint64_t random_stream(enum random_stream purpose, uint64_t index)
{
    return ((uint64_t)purpose << 56) ^ index;
}

/* The generator itself: four words from a counter and a key. */
void     random_block(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
/* Word index % 4 of block index / 4. */
uint32_t random_u32_at(uint64_t seed, uint64_t stream, uint64_t index);

uint32_t random_u32(struct random *random);
double   random_uniform(struct random *random);                 /* [0,1), 53 bits, two words */
double   random_normal(struct random *random);                  /* Box-Muller, four words */
uint64_t random_below(struct random *random, uint64_t limit);   /* [0,limit), unbiased; limit > 0 */
void     random_shuffle(struct random *random, uint32_t *items, uint32_t count); /* Fisher-Yates */

#endif
