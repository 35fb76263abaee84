/* philox.h - the numbers of core/random.h as functions that the host and the CUDA kernels share.
 *
 * A random choice is the same on every device when its numbers are: so the host includes this file,
 * and so do the kernels (kernels/sample.cu), which say what a function is to them. */
#ifndef CORE_PHILOX_H
#define CORE_PHILOX_H

#include <stdint.h>

#ifndef PHILOX_FUNCTION
#define PHILOX_FUNCTION static inline
#endif

enum { PHILOX_ROUNDS = 10, PHILOX_WORDS = 4 };

/* Four words from a counter and a key: Philox 4x32-10 (Salmon et al. 2011). */
PHILOX_FUNCTION void philox_block(uint32_t out[PHILOX_WORDS], const uint32_t counter[4],
                                  const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t product0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t product1 = (uint64_t)0xCD9E8D57u * c2;
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

/* Numbers 4 * block to 4 * block + 3 of a stream: the block is the low half of the counter, the stream
 * the high one, the seed the key. */
PHILOX_FUNCTION void philox_block_at(uint32_t out[PHILOX_WORDS], uint64_t seed, uint64_t stream,
                                     uint64_t block)
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                 (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox_block(out, counter, key);
}

#endif
