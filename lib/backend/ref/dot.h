/* dot.h - inner products in double. */
#ifndef BACKEND_REF_DOT_H
#define BACKEND_REF_DOT_H

#include <stdint.h>

/* Eight sums side by side, so that the compiler may use vectors without reordering any of them. */
static inline double dot(const float *a, const float *b, int64_t count)
{
    double part[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int lane = 0; lane < 8; lane++)
            part[lane] += (double)a[i + lane] * (double)b[i + lane];
    double sum = 0;
    for (int lane = 0; lane < 8; lane++)
        sum += part[lane];
    for (; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* sum += factor * row */
static inline void add_scaled(double *sum, double factor, const float *row, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        sum[i] += factor * (double)row[i];
}

#endif
