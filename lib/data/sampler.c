/* sampler.c - an endless stream of permutations, grouped by aspect ratio; or once through in order.
 *
 * Entry p of the stream is place p % count of permutation p / count, and permutation e is a function
 * of (seed, e): so the position alone says where the stream stands. */
#include "data/sampler.h"

#include <string.h>

#include "core/error.h"
#include "core/random.h"

md_status sampler_create(struct sampler *sampler, struct memory *memory, const uint32_t *images,
                         uint32_t count, const uint8_t *group, const struct loader_options *options,
                         const struct loader_state *state)
{
    *sampler = (struct sampler){.memory = memory,
                                .images = images,
                                .group = group,
                                .count = count,
                                .batch_size = options->batch_size,
                                .training = options->training,
                                .epoch = UINT64_MAX};
    sampler->state.seed = options->seed;
    if (state)
        sampler->state = *state;
    if (!options->training)
        return MD_OK;
    return memory_alloc(memory, &sampler->permutation, count, sizeof *sampler->permutation);
}

static uint32_t next_of_stream(struct sampler *sampler)
{
    uint64_t epoch = sampler->state.position / sampler->count;
    if (epoch != sampler->epoch) {
        struct random random = {.seed = sampler->state.seed,
                                .stream = random_stream(RANDOM_PERMUTATION, epoch)};
        memcpy(sampler->permutation, sampler->images,
               sampler->count * sizeof *sampler->permutation);
        random_shuffle(&random, sampler->permutation, sampler->count);
        sampler->epoch = epoch;
    }
    return sampler->permutation[sampler->state.position++ % sampler->count];
}

static int next_in_order(struct sampler *sampler, uint32_t *images)
{
    int count = 0;
    while (count < sampler->batch_size && sampler->state.position < sampler->count)
        images[count++] = sampler->images[sampler->state.position++];
    return count;
}

int sampler_next(struct sampler *sampler, uint32_t images[64])
{
    struct loader_state *state = &sampler->state;
    int count = sampler->batch_size;
    if (!sampler->training) {
        count = next_in_order(sampler, images);
    } else {
        uint32_t bucket;
        do {
            uint32_t image = next_of_stream(sampler);
            bucket = sampler->group[image];
            state->pending[bucket][state->pending_count[bucket]++] = image;
        } while (state->pending_count[bucket] < (uint32_t)count);
        memcpy(images, state->pending[bucket], (size_t)count * sizeof *images);
        memset(state->pending[bucket], 0,
               sizeof state->pending[bucket]); /* equal states, equal bytes */
        state->pending_count[bucket] = 0;
    }
    state->batch += count > 0;
    return count;
}

void sampler_free(struct sampler *sampler)
{
    memory_free(sampler->memory, sampler->permutation);
    memset(sampler, 0, sizeof *sampler);
}
