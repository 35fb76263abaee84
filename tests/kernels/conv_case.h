/* conv_case.h - a convolution on the device, and what it must give.
 *
 * Operands are small whole numbers, eighths for weights and bias, so that every sum is exact in
 * float32 whatever its order: the result must be the exact one rounded once, to the bit. */
#ifndef TESTS_KERNELS_CONV_CASE_H
#define TESTS_KERNELS_CONV_CASE_H

#include <string.h>

#include "core/random.h"
#include "support/half.h"
#include "tests/kernels/kernel_case.h"

struct conv_case {
    struct launch_grouped_conv conv; /* its pointers are the device's */
    int64_t out_h, out_w, out_count, in_count, weight_count;
    float *in, *weight, *bias, *residual; /* on the host; bias and residual may be NULL */
    size_t out_element;                   /* bytes */
    cudaStream_t stream;
};

static inline void conv_put(void *to, enum launch_type type, int64_t at, float value)
{
    if (type == LAUNCH_F32)
        ((float *)to)[at] = value;
    else
        ((uint16_t *)to)[at] =
            type == LAUNCH_BF16 ? bf16_from_float(value) : half_from_float(value);
}

static inline float conv_get(const void *from, enum launch_type type, int64_t at)
{
    if (type == LAUNCH_F32)
        return ((const float *)from)[at];
    uint16_t bits = ((const uint16_t *)from)[at];
    return type == LAUNCH_BF16 ? bf16_to_float(bits) : half_to_float(bits);
}

/* Whole numbers in [-most, most] times `unit`. */
static inline float *conv_numbers(struct random *random, int64_t count, int most, float unit)
{
    float *numbers = malloc((size_t)count * sizeof *numbers + 1);
    ck_assert_ptr_nonnull(numbers);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = (float)((int)random_below(random, 2 * (uint64_t)most + 1) - most) * unit;
    return numbers;
}

static inline void *conv_upload(const float *values, enum launch_type type, int64_t count)
{
    void *host = malloc((size_t)count * sizeof(float) + 1);
    ck_assert_ptr_nonnull(host);
    for (int64_t i = 0; i < count; i++)
        conv_put(host, type, i, values[i]);
    void *memory = device_copy(host, (size_t)count * (type == LAUNCH_F32 ? 4 : 2));
    free(host);
    return memory;
}

enum { CASE_BIAS = 1, CASE_RESIDUAL = 2, CASE_IN_PLACE = 4 };

/* `shape` holds all that is not a pointer or tells of the device. */
static inline void conv_open(struct conv_case *c, struct launch_grouped_conv shape, unsigned what)
{
    struct random random = {.seed = (uint64_t)(shape.h * 131 + shape.w), .stream = RANDOM_TEST};
    *c = (struct conv_case){.conv = shape};
    struct launch_grouped_conv *conv = &c->conv;
    check_cuda((int)cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking));
    c->out_element = conv->out_type == LAUNCH_F32 ? 4 : 2;
    c->out_h = (conv->h + 2 * conv->pad - conv->kernel_h) / conv->stride + 1;
    c->out_w = (conv->w + 2 * conv->pad - conv->kernel_w) / conv->stride + 1;
    c->out_count = conv->n * c->out_h * c->out_w * conv->out_channels;
    c->in_count = conv->n * conv->h * conv->w * conv->in_channels;
    c->weight_count =
        conv->out_channels * conv->kernel_h * conv->kernel_w * conv->in_channels / conv->groups;
    c->in = conv_numbers(&random, c->in_count, 8, 1);
    c->weight = conv_numbers(&random, c->weight_count, 4, 0.125f);
    conv->in = conv_upload(c->in, conv->type, c->in_count);
    conv->weight = conv_upload(c->weight, conv->type, c->weight_count);
    if (what & CASE_BIAS) {
        c->bias = conv_numbers(&random, conv->out_channels, 40, 0.125f);
        conv->bias = conv_upload(c->bias, LAUNCH_F32, conv->out_channels);
    }
    if (what & CASE_RESIDUAL) {
        c->residual = conv_numbers(&random, c->out_count, 20, 1);
        conv->residual = conv_upload(c->residual, conv->out_type, c->out_count);
    }
    conv->out = what & CASE_IN_PLACE ? (void *)(uintptr_t)conv->residual
                                     : device_new((size_t)c->out_count * c->out_element);
    conv->multiprocessors = conv->multiprocessors ? conv->multiprocessors : 2; /* many tiles each */
    conv->capability = device_capability();
    conv->shared_limit = device_attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
}

static inline void conv_close(struct conv_case *c)
{
    struct launch_grouped_conv *conv = &c->conv;
    check_cuda((int)cudaStreamDestroy(c->stream));
    if (conv->residual && conv->residual != conv->out)
        device_drop((void *)(uintptr_t)conv->residual);
    device_drop(conv->out);
    device_drop((void *)(uintptr_t)conv->in);
    device_drop((void *)(uintptr_t)conv->weight);
    if (conv->bias)
        device_drop((void *)(uintptr_t)conv->bias);
    free(c->in);
    free(c->weight);
    free(c->bias);
    free(c->residual);
}

static inline double conv_sum(const struct conv_case *c, int64_t image, int64_t y, int64_t x,
                              int64_t o)
{
    const struct launch_grouped_conv *conv = &c->conv;
    int64_t width = conv->in_channels / conv->groups,
            group = o / (conv->out_channels / conv->groups);
    double sum = c->bias ? c->bias[o] : 0;
    for (int64_t i = 0; i < conv->kernel_h * conv->kernel_w; i++) {
        int64_t in_y = y * conv->stride - conv->pad + i / conv->kernel_w;
        int64_t in_x = x * conv->stride - conv->pad + i % conv->kernel_w;
        if (in_y < 0 || in_y >= conv->h || in_x < 0 || in_x >= conv->w)
            continue;
        const float *in =
            c->in + ((image * conv->h + in_y) * conv->w + in_x) * conv->in_channels + group * width;
        const float *weight = c->weight + (o * conv->kernel_h * conv->kernel_w + i) * width;
        for (int64_t k = 0; k < width; k++)
            sum += (double)in[k] * (double)weight[k];
    }
    return sum;
}

/* What the device wrote; the caller's to free. */
static inline void *conv_result(const struct conv_case *c)
{
    void *out = malloc((size_t)c->out_count * c->out_element + 1);
    ck_assert_ptr_nonnull(out);
    device_read(out, c->conv.out, (size_t)c->out_count * c->out_element, c->stream);
    return out;
}

static inline void conv_check(const struct conv_case *c)
{
    const struct launch_grouped_conv *conv = &c->conv;
    void *out = conv_result(c);
    for (int64_t at = 0; at < c->out_count; at++) {
        int64_t o = at % conv->out_channels, x = at / conv->out_channels % c->out_w;
        int64_t row = at / conv->out_channels / c->out_w, y = row % c->out_h;
        double sum =
            conv_sum(c, row / c->out_h, y, x, o) + (c->residual ? (double)c->residual[at] : 0);
        float expected;
        conv_put(&expected, conv->out_type, 0, conv->relu && sum < 0 ? 0 : (float)sum);
        expected = conv_get(&expected, conv->out_type, 0);
        float found = conv_get(out, conv->out_type, at);
        ck_assert_msg(found == expected,
                      "%lld x %lld x %lld, %lld channels in %d groups, stride %d: "
                      "out[%lld,%lld,%lld,%lld] is %g, not %g",
                      (long long)conv->n, (long long)conv->h, (long long)conv->w,
                      (long long)conv->in_channels, conv->groups, conv->stride,
                      (long long)(row / c->out_h), (long long)y, (long long)x, (long long)o,
                      (double)found, (double)expected);
    }
    free(out);
}

#endif
