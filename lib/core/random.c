/* random.c - Philox 4x32-10 and the distributions made from it.
 *
 * The four 32-bit words of a block come from ten rounds over a counter of 128 bits - block number
 * in the low half, stream in the high one - under a key of 64 bits, the seed. */
#include "core/random.h"

#include <assert.h>
#include <math.h>

enum { ROUNDS = 10, WORDS = 4 };

void random_block(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c0;
        uint64_t product1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)product1;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)product0;
        k0 += 0x9E3779B9u; /* golden ratio */
        k1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

static void block_at(uint32_t out[WORDS], uint64_t seed, uint64_t stream, uint64_t block)
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    random_block(out, counter, key);
}

uint32_t random_u32_at(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t words[WORDS];
    block_at(words, seed, stream, index / WORDS);
    return words[index % WORDS];
}

/* The next `count` words; each block is computed once. */
static void take(struct random *random, uint32_t *out, int count)
{
    uint32_t words[WORDS];
    for (int i = 0; i < count; i++, random->index++) {
        if (i == 0 || random->index % WORDS == 0)
            block_at(words, random->seed, random->stream, random->index / WORDS);
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
