/* sha256_x86.c - SHA-256 by the instructions that x86 processors have for it since about 2017. */
#include "core/sha256.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

enum { SHA_BIT = 29 /* of EBX in leaf 7 */ };

/* Words t.. of the schedule from the sixteen before them: four registers, the oldest at t. */
__attribute__((target("sha,sse4.1"))) static inline __m128i next_words(const __m128i words[4],
                                                                       int t)
{
    __m128i sum = _mm_sha256msg1_epu32(words[t % 4], words[(t + 1) % 4]);
    sum = _mm_add_epi32(sum, _mm_alignr_epi8(words[(t + 3) % 4], words[(t + 2) % 4], 4));
    return _mm_sha256msg2_epu32(sum, words[(t + 3) % 4]);
}

/* The instruction keeps the state as two halves, {F, E, B, A} and {H, G, D, C} from the lowest word
 * up, and does two rounds with the two lowest words of its last operand. */
__attribute__((target("sha,sse4.1"))) static void
blocks_sha(uint32_t state[8], const unsigned char *blocks, size_t count)
{
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    const int *s = (const int *)state;
    __m128i abef = _mm_set_epi32(s[0], s[1], s[4], s[5]);
    __m128i cdgh = _mm_set_epi32(s[2], s[3], s[6], s[7]);
    for (; count > 0; count--, blocks += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i words[4];
        for (int t = 0; t < 4; t++)
            words[t] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)blocks + t),
                                        big_endian);
        for (int t = 0; t < 16; t++) {
            if (t >= 4)
                words[t % 4] = next_words(words, t);
            const void *constants = sha256_constants + 4 * t;
            __m128i sum = _mm_add_epi32(words[t % 4], _mm_loadu_si128(constants));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t halves[8];
    _mm_storeu_si128((__m128i *)(void *)halves, abef);
    _mm_storeu_si128((__m128i *)(void *)(halves + 4), cdgh);
    static const int place[8] = {3, 2, 7, 6, 1, 0, 5, 4};
    for (int i = 0; i < 8; i++)
        state[i] = halves[place[i]];
}

sha256_blocks_fn *sha256_blocks_native(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("sse4.1") || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return NULL;
    return b >> SHA_BIT & 1 ? blocks_sha : NULL;
}

#else

sha256_blocks_fn *sha256_blocks_native(void)
{
    return NULL;
}

#endif
