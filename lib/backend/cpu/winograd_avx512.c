/* winograd_avx512.c - the transforms and the matrix product of Winograd convolution in AVX-512. */
#include "backend/cpu/winograd_kernels.h"

#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>

#define KERNEL __attribute__((target("avx512f"))) static
#define TEMPLATE __attribute__((target("avx512f"), always_inline)) static inline

#define A WINOGRAD_A
#define B WINOGRAD_B
#define A2 (A * A)
#define B2 (B * B)

TEMPLATE __m512 times(float factor, __m512 value)
{
    return _mm512_mul_ps(_mm512_set1_ps(factor), value);
}

/* sum + factor * value */
TEMPLATE __m512 plus(__m512 sum, float factor, __m512 value)
{
    return _mm512_fmadd_ps(_mm512_set1_ps(factor), value, sum);
}

/* Six values in a line, apart by `apart`, become B^T of them. Rows for +p and -p share their even
 * and odd halves. */
TEMPLATE void input_line(__m512 *line, int apart)
{
    const __m512 d0 = line[0], d1 = line[apart], d2 = line[2 * apart];
    const __m512 d3 = line[3 * apart], d4 = line[4 * apart], d5 = line[5 * apart];
    const __m512 even_a = plus(d4, -B2, d2), odd_a = plus(times(A, d3), -A * B2, d1);
    const __m512 even_b = plus(d4, -A2, d2), odd_b = plus(times(B, d3), -A2 * B, d1);
    line[0] = plus(plus(d4, -(A2 + B2), d2), A2 * B2, d0);
    line[apart] = _mm512_add_ps(even_a, odd_a);
    line[2 * apart] = _mm512_sub_ps(even_a, odd_a);
    line[3 * apart] = _mm512_add_ps(even_b, odd_b);
    line[4 * apart] = _mm512_sub_ps(even_b, odd_b);
    line[5 * apart] = plus(plus(d5, -(A2 + B2), d3), A2 * B2, d1);
}

KERNEL void transform_input(const struct winograd_input *t)
{
    for (int64_t c = 0; c < t->channels; c += WINOGRAD_LANES) {
        __m512 d[WINOGRAD_POINTS];
#pragma GCC unroll 6
        for (int x = 0; x < WINOGRAD_WINDOW; x++) {
#pragma GCC unroll 6
            for (int y = 0; y < WINOGRAD_WINDOW; y++)
                d[y * WINOGRAD_WINDOW + x] =
                    _mm512_loadu_ps(t->pixels[y * WINOGRAD_WINDOW + x] + c);
            input_line(d + x, WINOGRAD_WINDOW);
        }
#pragma GCC unroll 6
        for (int y = 0; y < WINOGRAD_WINDOW; y++) {
            input_line(d + y * WINOGRAD_WINDOW, 1);
#pragma GCC unroll 6
            for (int x = 0; x < WINOGRAD_WINDOW; x++)
                _mm512_storeu_ps(t->out + (y * WINOGRAD_WINDOW + x) * t->step + c,
                                 d[y * WINOGRAD_WINDOW + x]);
        }
    }
}

/* Six values in a line become the first four: A^T of them. */
TEMPLATE void output_line(__m512 *line, int apart)
{
    const __m512 m0 = line[0], m5 = line[5 * apart];
    const __m512 sum_a = _mm512_add_ps(line[apart], line[2 * apart]);
    const __m512 sum_b = _mm512_add_ps(line[3 * apart], line[4 * apart]);
    const __m512 gap_a = _mm512_sub_ps(line[apart], line[2 * apart]);
    const __m512 gap_b = _mm512_sub_ps(line[3 * apart], line[4 * apart]);
    line[0] = _mm512_add_ps(m0, _mm512_add_ps(sum_a, sum_b));
    line[apart] = plus(times(A, gap_a), B, gap_b);
    line[2 * apart] = plus(times(A2, sum_a), B2, sum_b);
    line[3 * apart] = plus(plus(m5, A2 * A, gap_a), B2 * B, gap_b);
}

KERNEL void transform_output(const struct winograd_output *t)
{
    const __m512 zero = _mm512_setzero_ps();
    for (int64_t c = 0; c < t->channels; c += WINOGRAD_LANES) {
        __m512 m[WINOGRAD_POINTS];
        const __m512 bias = t->bias ? _mm512_loadu_ps(t->bias + c) : zero;
#pragma GCC unroll 6
        for (int x = 0; x < WINOGRAD_WINDOW; x++) {
#pragma GCC unroll 6
            for (int y = 0; y < WINOGRAD_WINDOW; y++)
                m[y * WINOGRAD_WINDOW + x] =
                    _mm512_loadu_ps(t->in + (y * WINOGRAD_WINDOW + x) * t->step + c);
            output_line(m + x, WINOGRAD_WINDOW);
        }
#pragma GCC unroll 4
        for (int y = 0; y < WINOGRAD_TILE; y++) {
            output_line(m + y * WINOGRAD_WINDOW, 1);
#pragma GCC unroll 4
            for (int x = 0; x < WINOGRAD_TILE; x++) {
                const int i = y * WINOGRAD_TILE + x;
                __m512 value = _mm512_add_ps(m[y * WINOGRAD_WINDOW + x], bias);
                if (!t->pixels[i])
                    continue;
                if (t->residuals[i])
                    value = _mm512_add_ps(value, _mm512_loadu_ps(t->residuals[i] + c));
                if (t->relu)
                    value = _mm512_max_ps(value, zero);
                _mm512_storeu_ps(t->pixels[i] + c, value);
            }
        }
    }
}

/* Value k of a row of `a`, in all lanes; for pairs of groups each half of the lanes gets its own. */
TEMPLATE __m512 spread(bool pairs, const float *row, int64_t k, __m512i index)
{
    if (pairs)
        return _mm512_permutexvar_ps(index, _mm512_loadu_ps(row));
    return _mm512_set1_ps(row[k]);
}

TEMPLATE void multiply(const struct winograd_product *p, int vectors, bool pairs)
{
    const __m512i second = _mm512_set_epi32(8, 8, 8, 8, 8, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0);
    __m512 sum[WINOGRAD_ROWS * 2];
    const float *b = p->b;
#pragma GCC unroll 28
    for (int i = 0; i < WINOGRAD_ROWS * vectors; i++)
        sum[i] = _mm512_setzero_ps();
    for (int64_t k = 0; k < p->depth; k++, b += vectors * WINOGRAD_LANES) {
        const __m512i index = _mm512_add_epi32(second, _mm512_set1_epi32((int)k));
        __m512 weights[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            weights[v] = _mm512_loadu_ps(b + v * WINOGRAD_LANES);
#pragma GCC unroll 14
        for (int row = 0; row < WINOGRAD_ROWS; row++) {
            const __m512 value = spread(pairs, p->a + row * p->a_row, k, index);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sum[row * vectors + v] = _mm512_fmadd_ps(value, weights[v], sum[row * vectors + v]);
        }
    }
#pragma GCC unroll 14
    for (int row = 0; row < WINOGRAD_ROWS; row++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            _mm512_storeu_ps(p->out + row * p->out_row + v * WINOGRAD_LANES,
                             sum[row * vectors + v]);
}

KERNEL void multiply_wide(const struct winograd_product *product)
{
    multiply(product, 2, false);
}

KERNEL void multiply_narrow(const struct winograd_product *product)
{
    multiply(product, 1, false);
}

KERNEL void multiply_pairs(const struct winograd_product *product)
{
    multiply(product, 1, true);
}

/* G of three weights in a line. */
TEMPLATE void weight_line(__m512 *out, int apart, __m512 w0, __m512 w1, __m512 w2)
{
    const float a_scale = 1 / (2 * A2 * (A2 - B2)), b_scale = 1 / (2 * B2 * (B2 - A2));
    const __m512 even_a = plus(times(a_scale, w0), A2 * a_scale, w2),
                 odd_a = times(A * a_scale, w1);
    const __m512 even_b = plus(times(b_scale, w0), B2 * b_scale, w2),
                 odd_b = times(B * b_scale, w1);
    out[0] = times(1 / (A2 * B2), w0);
    out[apart] = _mm512_add_ps(even_a, odd_a);
    out[2 * apart] = _mm512_sub_ps(even_a, odd_a);
    out[3 * apart] = _mm512_add_ps(even_b, odd_b);
    out[4 * apart] = _mm512_sub_ps(even_b, odd_b);
    out[5 * apart] = w2;
}

KERNEL void transform_weights(const struct winograd_weights *t)
{
    for (int64_t lane = 0; lane < t->columns; lane += WINOGRAD_LANES) {
        const float *windows = t->windows + lane;
        __m512 columns[WINOGRAD_WINDOW][3], points[WINOGRAD_WINDOW];
        for (int x = 0; x < 3; x++)
            weight_line(&columns[0][x], 3, _mm512_loadu_ps(windows + x * t->columns),
                        _mm512_loadu_ps(windows + (3 + x) * t->columns),
                        _mm512_loadu_ps(windows + (6 + x) * t->columns));
        for (int y = 0; y < WINOGRAD_WINDOW; y++) {
            weight_line(points, 1, columns[y][0], columns[y][1], columns[y][2]);
            for (int x = 0; x < WINOGRAD_WINDOW; x++)
                _mm512_storeu_ps(t->out + (y * WINOGRAD_WINDOW + x) * t->step + lane, points[x]);
        }
    }
}

struct winograd_kernels winograd_kernels(void)
{
    if (!__builtin_cpu_supports("avx512f"))
        return (struct winograd_kernels){.input = NULL};
    return (struct winograd_kernels){.input = transform_input,
                                     .output = transform_output,
                                     .wide = multiply_wide,
                                     .narrow = multiply_narrow,
                                     .pairs = multiply_pairs,
                                     .weights = transform_weights};
}

#else

struct winograd_kernels winograd_kernels(void)
{
    return (struct winograd_kernels){.input = NULL};
}

#endif
