/* simd.h - code compiled a second time for processors with AVX2, chosen when it runs.
 *
 * The library is built for the oldest processor of its kind. A body marked SIMD_BODY is inlined into
 * a plain function and into one marked SIMD_AVX2; since nothing is contracted, both give the same
 * bits. */
#ifndef BACKEND_CPU_SIMD_H
#define BACKEND_CPU_SIMD_H

#include <stdbool.h>

#define SIMD_BODY __attribute__((always_inline)) static inline

#if defined(__x86_64__)

#define SIMD_AVX2 __attribute__((target("avx2")))
static inline bool simd_has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

#define SIMD_AVX2
static inline bool simd_has_avx2(void)
{
    return false;
}

#endif
#endif
