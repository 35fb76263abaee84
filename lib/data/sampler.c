/* sampler.c - an endless stream of permutations, grouped by aspect ratio; or once through in order.
 *
 * Position p of the stream is place p % stride of permutation p / stride, and permutation e is a
 * function of (seed, e): so the position alone says where the stream stands. A factor of 2.3 shows an
 * image twice in an epoch, and by chance a third time; the places that are then left over at the end of
 * the permutation are passed over. */
#include "data/sampler.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"

static md_status measure_epoch(uint32_t *stride, const struct sampler_images *from)
{
    double sum = 0;
    for (uint32_t i = 0; i < from->count; i++)
        sum += from->repeats ? ceil((double)from->repeats[i]) : 1;
    if (!(sum <= UINT32_MAX))
        return ERROR(MD_EINVAL,
                     "an epoch would have %g images; lower DATALOADER.REPEAT_THRESHOLD or set "
                     "REPEAT_SQRT True",
                     sum);
    *stride = (uint32_t)sum;
    return MD_OK;
}

md_status sampler_create(struct sampler *sampler, struct memory *memory,
                         const struct sampler_images *from, const struct loader_options *options,
                         const struct loader_state *state)
{
    md_status st = MD_OK;
    *sampler = (struct sampler){.memory = memory,
                                .images = from->images,
                                .group = from->group,
                                .repeats = from->repeats,
                                .count = from->count,
                                .batch_size = options->batch_size,
                                .share = options->share,
                                .shares = options->shares > 1 ? options->shares : 1,
                                .training = options->training,
                                .epoch = UINT64_MAX};
    sampler->state.seed = options->seed;
    if (state)
        sampler->state = *state;
    if (!options->training)
        return MD_OK;
    TRY(measure_epoch(&sampler->stride, from));
    TRY(memory_alloc(memory, &sampler->permutation, sampler->stride, sizeof *sampler->permutation));
fail:
    return st;
}

static uint32_t times_of(const struct sampler *sampler, uint32_t index, struct random *random)
{
    if (!sampler->repeats)
        return 1;
    float whole = floorf(sampler->repeats[index]);
    double rest = (double)(sampler->repeats[index] - whole);
    return (uint32_t)whole + (random_uniform(random) < rest);
}

static void begin_epoch(struct sampler *sampler, uint64_t epoch)
{
    struct random random = {.seed = sampler->state.seed,
                            .stream = random_stream(RANDOM_PERMUTATION, epoch)};
    uint32_t length = 0;
    for (uint32_t i = 0; i < sampler->count; i++)
        for (uint32_t times = times_of(sampler, i, &random); times > 0; times--)
            sampler->permutation[length++] = sampler->images[i];
    random_shuffle(&random, sampler->permutation, length);
    sampler->length = length;
    sampler->epoch = epoch;
}

static uint32_t next_of_stream(struct sampler *sampler)
{
    uint64_t *position = &sampler->state.position;
    for (;;) {
        uint64_t epoch = *position / sampler->stride;
        uint64_t place = *position % sampler->stride;
        if (epoch != sampler->epoch)
            begin_epoch(sampler, epoch);
        *position += 1;
        if (place < sampler->length)
            return sampler->permutation[place];
        *position += sampler->stride - 1 - place;
    }
}

static int next_in_order(struct sampler *sampler, uint32_t *images)
{
    int count = 0;
    uint64_t *position = &sampler->state.position;
    for (; count < sampler->batch_size && *position < sampler->count; *position += 1)
        if (*position % (uint64_t)sampler->shares == (uint64_t)sampler->share)
            images[count++] = sampler->images[*position];
    return count;
}

int sampler_next(struct sampler *sampler, uint32_t images[LOADER_MAX_BATCH])
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
