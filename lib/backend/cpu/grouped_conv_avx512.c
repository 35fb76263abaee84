/* grouped_conv_avx512.c - the kernels of grouped convolution in AVX-512.
 *
 * Forward: a row of 14 output pixels (12 for width 32) stays in registers while all 9 * ci weights
 * pass by. For each input channel the three weights of a row of the window are in registers too, so
 * that one input value, spread over a vector, serves three multiplications. For width 8 a vector
 * holds two groups, and spreading is a permutation of the pixel's 16 channels.
 * Gradient of the weights: 24 sums of (channel, dx) stay in registers while all pixels pass by.
 *
 * The functions are templates in all but name: always inlined with constant sizes. */
#include "backend/cpu/grouped_kernels.h"

#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f")))
#define TEMPLATE __attribute__((target("avx512f"), always_inline)) static inline

/* Constant sizes of a kernel. */
struct sizes {
    int width, stride, columns;
};

TEMPLATE __m512i spread_index(int channel)
{
    const __m512i group = _mm512_set_epi32(8, 8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_add_epi32(group, _mm512_set1_epi32(channel));
}

/* Input channel `channel` of each group, in all lanes of the group. */
TEMPLATE __m512 spread(const struct sizes s, const float *pixel, int channel, __m512i index)
{
    if (s.width == 8)
        return _mm512_permutexvar_ps(index, _mm512_loadu_ps(pixel));
    return _mm512_set1_ps(pixel[channel]);
}

TEMPLATE void store_row(const struct sizes s, const struct grouped_row *row, const __m512 *sum)
{
    const int vectors = s.width == 32 ? 2 : 1;
    const __m512 zero = _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int x = 0; x < s.columns; x++) {
        if (x >= row->count)
            return;
        float *out = row->out + x * row->out_pixel;
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            __m512 value = sum[x * vectors + v];
            if (row->accumulate)
                value = _mm512_add_ps(value, _mm512_loadu_ps(out + v * GROUPED_LANES));
            if (row->relu)
                value = _mm512_max_ps(value, zero);
            _mm512_storeu_ps(out + v * GROUPED_LANES, value);
        }
    }
}

TEMPLATE void convolve_row(const struct sizes s, const struct grouped_row *row)
{
    const int vectors = s.width == 32 ? 2 : 1;
    const int unit = vectors * GROUPED_LANES;
    const int inputs = (s.columns - 1) * s.stride + 3;
    __m512 sum[28];
#pragma GCC unroll 32
    for (int i = 0; i < s.columns * vectors; i++)
        sum[i] = row->bias ? _mm512_loadu_ps(row->bias + i % vectors * GROUPED_LANES)
                           : _mm512_setzero_ps();
    const float *weights = row->weights;
    for (int dy = 0; dy < 3; dy++) {
        const float *in = row->in + dy * row->in_row;
        for (int channel = 0; channel < s.width; channel++) {
            __m512 w[6];
            const __m512i index = spread_index(channel);
#pragma GCC unroll 6
            for (int i = 0; i < 3 * vectors; i++)
                w[i] = _mm512_loadu_ps(weights + i * GROUPED_LANES);
            weights += 3 * unit;
#pragma GCC unroll 32
            for (int q = 0; q < inputs; q++) {
                const __m512 value = spread(s, in + q * unit, channel, index);
#pragma GCC unroll 3
                for (int dx = 0; dx < 3; dx++) {
                    const int x = (q - dx) / s.stride;
                    if (q < dx || (q - dx) % s.stride != 0 || x >= s.columns)
                        continue;
#pragma GCC unroll 2
                    for (int v = 0; v < vectors; v++)
                        sum[x * vectors + v] =
                            _mm512_fmadd_ps(value, w[dx * vectors + v], sum[x * vectors + v]);
                }
            }
        }
    }
    store_row(s, row, sum);
}

/* 24 sums: `channels` from `first` on, times three dx, times the vectors. */
TEMPLATE void gradient_part(const struct sizes s, const struct grouped_gradient *g, int dy,
                            int first)
{
    const int vectors = s.width == 32 ? 2 : 1;
    const int unit = vectors * GROUPED_LANES;
    const int channels = 8 / vectors;
    float *grad = g->grad + (dy * s.width + first) * 3 * unit;
    __m512 sum[24];
#pragma GCC unroll 24
    for (int i = 0; i < 24; i++)
        sum[i] = _mm512_loadu_ps(grad + i * GROUPED_LANES);
    for (int y = 0; y < g->rows; y++) {
        const float *in = g->in + (y * s.stride + dy) * g->in_row;
        const float *out_grad = g->out_grad + (ptrdiff_t)y * g->columns * unit;
        for (int x = 0; x < g->columns; x++) {
            __m512 down[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                down[v] = _mm512_loadu_ps(out_grad + x * unit + v * GROUPED_LANES);
#pragma GCC unroll 24
            for (int i = 0; i < channels * 3; i++) {
                const float *pixel = in + (x * s.stride + i % 3) * unit;
                const int channel = first + i / 3;
                const __m512 value = spread(s, pixel, channel, spread_index(channel));
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    sum[i * vectors + v] = _mm512_fmadd_ps(value, down[v], sum[i * vectors + v]);
            }
        }
    }
#pragma GCC unroll 24
    for (int i = 0; i < 24; i++)
        _mm512_storeu_ps(grad + i * GROUPED_LANES, sum[i]);
}

TEMPLATE void gradient_block(const struct sizes s, const struct grouped_gradient *g)
{
    const int channels = s.width == 32 ? 4 : 8;
    for (int dy = 0; dy < 3; dy++)
        for (int first = 0; first < s.width; first += channels)
            gradient_part(s, g, dy, first);
}

#define KERNELS(width, stride, columns)                                                            \
    KERNEL static void row_##width##_##stride(const struct grouped_row *row)                       \
    {                                                                                              \
        convolve_row((struct sizes){width, stride, columns}, row);                                 \
    }                                                                                              \
    KERNEL static void gradient_##width##_##stride(const struct grouped_gradient *gradient)        \
    {                                                                                              \
        gradient_block((struct sizes){width, stride, columns}, gradient);                          \
    }
KERNELS(8, 1, GROUPED_COLUMNS)
KERNELS(8, 2, GROUPED_COLUMNS)
KERNELS(16, 1, GROUPED_COLUMNS)
KERNELS(16, 2, GROUPED_COLUMNS)
KERNELS(32, 1, GROUPED_COLUMNS_WIDE)
KERNELS(32, 2, GROUPED_COLUMNS_WIDE)

struct grouped_kernels grouped_kernels_for(int64_t width, int64_t stride)
{
    static const struct grouped_kernels kernels[3][2] = {
        {{row_8_1, gradient_8_1}, {row_8_2, gradient_8_2}},
        {{row_16_1, gradient_16_1}, {row_16_2, gradient_16_2}},
        {{row_32_1, gradient_32_1}, {row_32_2, gradient_32_2}},
    };
    int row = width == 8 ? 0 : width == 16 ? 1 : width == 32 ? 2 : -1;
    if (row < 0 || stride < 1 || stride > 2 || !__builtin_cpu_supports("avx512f"))
        return (struct grouped_kernels){NULL, NULL};
    return kernels[row][stride - 1];
}

#else

struct grouped_kernels grouped_kernels_for(int64_t width, int64_t stride)
{
    (void)width;
    (void)stride;
    return (struct grouped_kernels){NULL, NULL};
}

#endif
