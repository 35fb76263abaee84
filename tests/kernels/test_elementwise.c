/* test_elementwise.c - fill, add, scale, casts and folded weights, to the bit.
 *
 * Every operation is one rounding of an exact or float32 value, so nothing is tolerated. */
#include <math.h>

#include "suite.h"
#include "tests/kernels/conv_case.h"

enum { GUARD = 16 }; /* elements behind the last, which must stay as they were */

static const int64_t counts[] = {0, 1, 3, 4, 7, 8, 9, 255, 1024, 5003};
enum { COUNTS = sizeof counts / sizeof counts[0], TYPES = 3 };

static size_t bytes_of(enum launch_type type)
{
    return type == LAUNCH_F32 ? 4 : 2;
}

static void *host_new(size_t bytes)
{
    void *memory = malloc(bytes + 1);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

/* `count` elements and the guard, which must be as device_new left it; ends the stream. */
static void *read_guarded(const void *memory, int64_t count, size_t bytes, cudaStream_t stream)
{
    unsigned char *host = host_new((size_t)(count + GUARD) * bytes);
    device_read(host, memory, (size_t)(count + GUARD) * bytes, stream);
    check_cuda((int)cudaStreamDestroy(stream));
    for (size_t i = (size_t)count * bytes; i < (size_t)(count + GUARD) * bytes; i++)
        ck_assert_msg(host[i] == 0xff, "byte %zu behind the end was written", i);
    return host;
}

static void check_value(float found, float expected, int64_t at)
{
    ck_assert_msg(found == expected, "[%lld] is %.9g, not %.9g", (long long)at, (double)found,
                  (double)expected);
}

START_TEST(fill_writes_every_word_and_no_more)
{
    if (no_device())
        SKIP("no device");
    for (int64_t offset = 0; offset < 4; offset++) {
        cudaStream_t stream = stream_new();
        uint32_t *memory = device_new((size_t)(counts[_i] + offset + GUARD) * 4);
        check_cuda(launch_fill(memory + offset, 0xc0490fdb, counts[_i], stream));
        uint32_t *found = read_guarded(memory, counts[_i] + offset, 4, stream);
        for (int64_t i = 0; i < counts[_i] + offset; i++)
            ck_assert_uint_eq(found[i], i < offset ? UINT32_MAX : 0xc0490fdb);
        free(found);
        device_drop(memory);
    }
}
END_TEST

/* out is at an odd place when `offset` is not 0; `in` at one too when `in_offset` is not. */
static void check_combine(enum launch_type type, int64_t count, int64_t offset, int64_t in_offset)
{
    struct random random = {.seed = (uint64_t)count, .stream = RANDOM_TEST};
    const size_t bytes = bytes_of(type);
    float *a = conv_numbers(&random, count + offset, 1000, 0.37f);
    float *b = conv_numbers(&random, count + in_offset, 1000, 0.0113f);
    void *in = conv_upload(b, type, count + in_offset),
         *values = conv_upload(a, type, count + offset);
    for (int adds = 0; adds < 2; adds++) {
        cudaStream_t stream = stream_new();
        char *out = device_new((size_t)(count + offset + GUARD) * bytes);
        check_cuda((int)cudaMemcpy(out, values, (size_t)(count + offset) * bytes,
                                   cudaMemcpyDeviceToDevice));
        void *to = out + (size_t)offset * bytes;
        check_cuda(adds
                       ? launch_add(to, (char *)in + (size_t)in_offset * bytes, count, type, stream)
                       : launch_scale(to, -1.7f, count, type, stream));
        void *found = read_guarded(out, count + offset, bytes, stream);
        for (int64_t i = 0; i < count + offset; i++) {
            float rounded[3];
            conv_put(&rounded[0], type, 0, a[i]);
            float expected = conv_get(&rounded[0], type, 0);
            if (i >= offset) {
                conv_put(&rounded[1], type, 0, b[i - offset + in_offset]);
                float added = conv_get(&rounded[1], type, 0);
                conv_put(&rounded[2], type, 0, adds ? expected + added : expected * -1.7f);
                expected = conv_get(&rounded[2], type, 0);
            }
            check_value(conv_get(found, type, i), expected, i);
        }
        free(found);
        device_drop(out);
    }
    device_drop(in);
    device_drop(values);
    free(a);
    free(b);
}

START_TEST(add_and_scale_round_once)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type type = (enum launch_type)(_i % TYPES);
    const int64_t count = counts[_i / TYPES];
    check_combine(type, count, 0, 0);
    check_combine(type, count, 1, 0);
    check_combine(type, count, 0, 3);
    check_combine(type, count, 1, 1);
}
END_TEST

/* `count` values of `from` become those of `to`: as the formulas of tests/support/half.c say. */
static void check_cast(enum launch_type to, enum launch_type from, const void *values,
                       int64_t count)
{
    cudaStream_t stream = stream_new();
    void *in = device_copy(values, (size_t)count * bytes_of(from));
    void *out = device_new((size_t)(count + GUARD) * bytes_of(to));
    check_cuda(launch_cast(out, to, in, from, count, stream));
    void *found = read_guarded(out, count, bytes_of(to), stream);
    for (int64_t i = 0; i < count; i++) {
        float value = conv_get(values, from, i), rounded;
        conv_put(&rounded, to, 0, value);
        const size_t size = bytes_of(to);
        const void *have = (const char *)found + (size_t)i * size;
        /* Which NaN comes out is the device's affair. */
        if (isnan(value))
            ck_assert_msg(isnan(conv_get(found, to, i)), "[%lld]: NaN is lost", (long long)i);
        else
            ck_assert_msg(memcmp(have, &rounded, size) == 0, "%.9g became %.9g, not %.9g",
                          (double)value, (double)conv_get(found, to, i),
                          (double)conv_get(&rounded, to, 0));
    }
    free(found);
    device_drop(in);
    device_drop(out);
}

START_TEST(casts_of_every_pattern_of_16_bits)
{
    if (no_device())
        SKIP("no device");
    uint16_t *patterns = host_new(65536 * sizeof *patterns);
    for (unsigned i = 0; i < 65536; i++)
        patterns[i] = (uint16_t)i;
    check_cast((enum launch_type)(_i % TYPES), _i < TYPES ? LAUNCH_BF16 : LAUNCH_F16, patterns,
               65536);
    free(patterns);
}
END_TEST

/* Between each two neighbours of 16 bits the middle, and the floats beside it. */
START_TEST(casts_round_ties_to_even)
{
    if (no_device())
        SKIP("no device");
    const enum launch_type to = _i ? LAUNCH_F16 : LAUNCH_BF16;
    float *values = host_new((size_t)3 * 65536 * sizeof *values);
    int64_t count = 0;
    for (unsigned i = 0; i < 65535; i++) {
        const uint16_t bits[2] = {(uint16_t)i, (uint16_t)(i + 1)};
        const float low = conv_get(bits, to, 0), high = conv_get(bits, to, 1);
        if (!isfinite(low) || !isfinite(high))
            continue;
        const float middle = low / 2 + high / 2;
        values[count++] = nextafterf(middle, -INFINITY);
        values[count++] = middle;
        values[count++] = nextafterf(middle, INFINITY);
    }
    ck_assert_int_gt(count, 3 * 60000);
    static const float large[] = {65519.99f, 65520, 65536, 1e9f, 3.3953e38f, 3.4e38f, INFINITY};
    for (unsigned i = 0; i < sizeof large / sizeof large[0]; i++)
        values[count++] = large[i];
    check_cast(to, LAUNCH_F32, values, count);
    check_cast(LAUNCH_F32, LAUNCH_F32, values, 1001);
    free(values);
}
END_TEST

static void check_fold(enum launch_type type, int64_t rows, int64_t columns, bool scaled)
{
    struct random random = {.seed = (uint64_t)(rows * 100 + columns), .stream = RANDOM_TEST};
    cudaStream_t stream = stream_new();
    const int64_t count = rows * columns;
    float *value = conv_numbers(&random, count, 5000, 0.00173f);
    float *scale = conv_numbers(&random, rows, 900, 0.0071f);
    float *on_device = device_copy(value, (size_t)count * 4);
    float *scale_on_device = device_copy(scale, (size_t)rows * 4);
    void *out = device_new((size_t)(count + GUARD) * bytes_of(type));
    check_cuda(launch_fold_weight(out, type, on_device, scaled ? scale_on_device : NULL, rows,
                                  columns, stream));
    void *found = read_guarded(out, count, bytes_of(type), stream);
    for (int64_t i = 0; i < count; i++) {
        float expected;
        conv_put(&expected, type, 0, scaled ? value[i] * scale[i / columns] : value[i]);
        check_value(conv_get(found, type, i), conv_get(&expected, type, 0), i);
    }
    free(found);
    free(value);
    free(scale);
    device_drop(on_device);
    device_drop(scale_on_device);
    device_drop(out);
}

START_TEST(fold_multiplies_each_row_by_its_scale)
{
    static const int64_t shapes[][2] = {{0, 5}, {5, 0},    {1, 1},  {64, 147},
                                        {3, 1}, {1, 1023}, {37, 72}};
    if (no_device())
        SKIP("no device");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        check_fold((enum launch_type)_i, shapes[i][0], shapes[i][1], true);
        check_fold((enum launch_type)_i, shapes[i][0], shapes[i][1], false);
    }
}
END_TEST

/* Rows of `classes`; in double on the host. */
static void check_softmax(int64_t capacity, int64_t classes, int32_t rows, float unit)
{
    struct random random = {.seed = (uint64_t)classes, .stream = RANDOM_TEST};
    cudaStream_t stream = stream_new();
    const int64_t count = capacity * classes;
    float *logits = conv_numbers(&random, count, 1000, unit);
    float *in = device_copy(logits, (size_t)count * 4);
    float *out = device_new((size_t)(count + GUARD) * 4);
    int32_t *rows_on_device = device_copy(&rows, sizeof rows);
    check_cuda(
        launch_softmax(out, in, rows < 0 ? NULL : rows_on_device, capacity, classes, stream));
    float *found = read_guarded(out, count, 4, stream);
    for (int64_t r = 0; r < capacity && classes > 0; r++) {
        const float *row = logits + r * classes;
        double most = -INFINITY, sum = 0;
        for (int64_t k = 0; k < classes; k++)
            most = fmax(most, (double)row[k]);
        for (int64_t k = 0; k < classes; k++)
            sum += exp((double)row[k] - most);
        for (int64_t k = 0; k < classes; k++) {
            const double expected = rows >= 0 && r >= rows ? 0 : exp((double)row[k] - most) / sum;
            /* expf: 2 units in the last place, its argument's rounding as many times its size, at
             * most 20 here before the term is below 1e-8; the sum's 11 roundings of a lane each. */
            ck_assert_msg(fabs((double)found[r * classes + k] - expected) <=
                              4e-6 * expected + 1e-13,
                          "row %lld, class %lld: %.9g, not %.9g", (long long)r, (long long)k,
                          (double)found[r * classes + k], expected);
        }
    }
    free(found);
    free(logits);
    device_drop(in);
    device_drop(out);
    device_drop(rows_on_device);
}

START_TEST(softmax_of_rows_up_to_the_count)
{
    static const int64_t classes[] = {1, 2, 31, 32, 33, 81, 366};
    if (no_device())
        SKIP("no device");
    check_softmax(0, 5, 0, 0.01f);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        check_softmax(19, classes[i], -1, 0.01f);
        check_softmax(19, classes[i], 11, 0.1f); /* logits of 100: exp of them alone is infinite */
        check_softmax(3, classes[i], 0, 0.01f);
        check_softmax(8, classes[i], 8, 0.01f);
    }
}
END_TEST

SUITE("kernels/elementwise", LOOP(fill_writes_every_word_and_no_more, 0, COUNTS),
      LOOP(add_and_scale_round_once, 0, COUNTS *TYPES),
      LOOP(casts_of_every_pattern_of_16_bits, 0, 2 * TYPES), LOOP(casts_round_ties_to_even, 0, 2),
      LOOP(fold_multiplies_each_row_by_its_scale, 0, TYPES), TEST(softmax_of_rows_up_to_the_count))
