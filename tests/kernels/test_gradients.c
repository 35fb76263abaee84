/* test_gradients.c - ReLU's gradient, blends, fills of 16 bits, to the bit: each rounds what the twin
 * rounds. */
#include <math.h>

#include "suite.h"
#include "tests/kernels/conv_case.h"

enum { GUARD = 16, TYPES = 3 }; /* elements behind the last, which must stay as they were */

static const int64_t counts[] = {0, 1, 3, 4, 7, 8, 9, 255, 1024, 5003};
enum { COUNTS = sizeof counts / sizeof counts[0] };

/* What `memory` holds, `shift` elements in, as floats; nothing behind it was written. */
static float *read_values(const void *memory, enum launch_type type, int64_t shift, int64_t count,
                          cudaStream_t stream)
{
    const size_t bytes = type == LAUNCH_F32 ? 4 : 2;
    unsigned char *host = malloc((size_t)(count + shift + GUARD) * bytes);
    float *values = malloc((size_t)count * sizeof *values + 1);
    ck_assert(host && values);
    device_read(host, memory, (size_t)(count + shift + GUARD) * bytes, stream);
    for (size_t i = (size_t)(count + shift) * bytes; i < (size_t)(count + shift + GUARD) * bytes;
         i++)
        ck_assert_msg(host[i] == 0xff, "byte %zu behind the end was written", i);
    for (int64_t i = 0; i < count; i++)
        values[i] = conv_get(host, type, i + shift);
    free(host);
    check_cuda((int)cudaStreamDestroy(stream));
    return values;
}

/* `values` at element `shift` of new memory with a guard. */
static char *upload(float *values, enum launch_type type, int64_t shift, int64_t count)
{
    const size_t bytes = type == LAUNCH_F32 ? 4 : 2;
    char *memory = device_new((size_t)(count + shift + GUARD) * bytes);
    void *dense = conv_upload(values, type, count);
    check_cuda((int)cudaMemcpy(memory + (size_t)shift * bytes, dense, (size_t)count * bytes,
                               cudaMemcpyDeviceToDevice));
    device_drop(dense);
    return memory;
}

static void check_relu(enum launch_type type, int64_t count, int64_t shift, int64_t out_shift)
{
    struct random random = {.seed = (uint64_t)count, .stream = RANDOM_TEST};
    const size_t bytes = type == LAUNCH_F32 ? 4 : 2;
    cudaStream_t stream = stream_new();
    float *out = conv_numbers(&random, count, 2, 0.5f),
          *grad = conv_numbers(&random, count, 100, 0.25f);
    for (int64_t i = 0; i < count; i += 5)
        out[i] = i % 2 ? NAN : -0.0f;
    char *grads = upload(grad, type, shift, count), *outs = upload(out, type, out_shift, count);
    check_cuda(launch_relu_backward(grads + (size_t)shift * bytes, outs + (size_t)out_shift * bytes,
                                    count, type, stream));
    float *found = read_values(grads, type, shift, count, stream);
    for (int64_t i = 0; i < count; i++)
        ck_assert_float_eq(found[i], out[i] > 0 ? grad[i] : 0);
    device_drop(grads);
    device_drop(outs);
    free(out);
    free(grad);
    free(found);
}

START_TEST(relu_lets_through_where_the_output_is_positive)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type type = (enum launch_type)(_i % TYPES);
    const int64_t count = counts[_i / TYPES];
    check_relu(type, count, 0, 0);
    check_relu(type, count, 1, 0);
    check_relu(type, count, 0, 3);
}
END_TEST

START_TEST(blend_is_two_products_and_a_sum)
{
    if (no_device())
        SKIP("no device");
    for (int variant = 0; variant < 6; variant++) {
        const int64_t count = counts[_i], shift = variant / 2;
        const float kept = variant % 2 ? 0 : 0.9f;
        struct random random = {.seed = (uint64_t)count, .stream = RANDOM_TEST};
        cudaStream_t stream = stream_new();
        float *a = conv_numbers(&random, count, 1000, 0.37f),
              *b = conv_numbers(&random, count, 9, 1.7f);
        for (int64_t i = 0; kept == 0 && i < count; i += 3)
            a[i] = NAN; /* what was there does not count */
        char *out = upload(a, LAUNCH_F32, shift, count), *in = upload(b, LAUNCH_F32, 0, count);
        check_cuda(launch_blend((float *)(void *)out + shift, kept, (float *)(void *)in, 0.1f,
                                count, stream));
        float *found = read_values(out, LAUNCH_F32, shift, count, stream);
        for (int64_t i = 0; i < count; i++) {
            const float product = kept == 0 ? 0 : kept * a[i], added = 0.1f * b[i];
            ck_assert_float_eq(found[i], product + added);
        }
        device_drop(out);
        device_drop(in);
        free(a);
        free(b);
        free(found);
    }
}
END_TEST

START_TEST(fill_of_16_bits_rounds_the_value)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type type = _i % 2 ? LAUNCH_F16 : LAUNCH_BF16;
    const int64_t count = counts[_i / 2];
    const float value = -1.2345678f;
    uint32_t bits;
    float rounded;
    memcpy(&bits, &value, sizeof bits);
    conv_put(&rounded, type, 0, value);
    for (int64_t shift = 0; shift < 3; shift++) {
        cudaStream_t stream = stream_new();
        uint16_t *memory = device_new((size_t)(count + shift + GUARD) * 2);
        check_cuda(launch_fill_narrow(memory + shift, bits, type, count, stream));
        float *found = read_values(memory, type, shift, count, stream);
        for (int64_t i = 0; i < count; i++)
            ck_assert_float_eq(found[i], conv_get(&rounded, type, 0));
        free(found);
        device_drop(memory);
    }
}
END_TEST

SUITE("kernels/gradients", LOOP(relu_lets_through_where_the_output_is_positive, 0, COUNTS *TYPES),
      LOOP(blend_is_two_products_and_a_sum, 0, COUNTS),
      LOOP(fill_of_16_bits_rounds_the_value, 0, COUNTS * 2))
