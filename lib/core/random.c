/* random.c - single numbers of Philox 4x32-10 and the distributions made from them. */
#include "core/random.h"

#include <assert.h>
#include <math.h>

#include "core/philox.h"

enum { WORDS = PHILOX_WORDS };

void random_block(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    philox_block(out, counter, key);
}

uint32_t random_u32_at(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[WORDS];
    philox_block_at(words, seed, stream, index / WORDS);
    return words[index % WORDS];
}

/* The next `count` words; each block is computed once. */
static void take(struct random *random, uint32_t *out, int count)
{
    uint32_t words[WORDS];
    for (int i = 0; i < count; i++, random->index++) {
        if (i == 0 || random->index % WORDS == 0)
            philox_block_at(words, random->seed, random->stream, random->index / WORDS);
        out[i] = words[random->index % WORDS];
    }
}

/* [0,1) in steps of 2^-53. */
static double unit_interval(const uint32_t words[2])
{
    uint64_t bits = ((uint64_t)words[0] << 32) | words[1];
    return (double)(bits >> 11) * 0x1p-53;
}

uint32_t random_u32(struct random *random)
{
    uint32_t word;
    take(random, &word, 1);
    return word;
}

double random_uniform(struct random *random)
{
    uint32_t words[2];
    take(random, words, 2);
    return unit_interval(words);
}

double random_normal(struct random *random)
{
    uint32_t words[4];
    take(random, words, 4);
    double radius = sqrt(-2.0 * log(1.0 - unit_interval(words))); /* 1 - u is never 0 */
    return radius * cos(6.283185307179586477 * unit_interval(words + 2));
}

uint64_t random_below(struct random *random, uint64_t limit)
{
    assert(limit > 0);
    /* 2^64 mod limit: below it lie the values that would favour the small remainders. */
    uint64_t surplus = (UINT64_MAX - limit + 1) % limit;
    uint64_t bits;
    do {
        uint32_t words[2];
        take(random, words, 2);
        bits = ((uint64_t)words[0] << 32) | words[1];
    } while (bits < surplus);
    return bits % limit;
}

void random_shuffle(struct random *random, uint32_t *items, uint32_t count)
{
    for (uint32_t left = count; left > 1; left--) {
        uint32_t chosen = (uint32_t)random_below(random, left);
        uint32_t item = items[left - 1];
        items[left - 1] = items[chosen];
        items[chosen] = item;
    }
}
