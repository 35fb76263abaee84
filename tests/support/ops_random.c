/* ops_random.c - a device to try primitives on: see ops_random.h. */
#include "ops_random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "core/error.h"
#include "half.h"

void lab_open_rounding(struct lab *lab, const struct backend *backend, enum tensor_type type)
{
    memset(lab, 0, sizeof *lab);
    lab->rounding = type;
    memory_init(&lab->memory, NULL);
    struct device_options options = {.threads = 2, .deterministic = true};
    if (backend->reduced_precision)
        options.activations = type;
    LAB_OK(device_create(&lab->device, backend, &lab->memory, &options));
    LAB_OK(stream_create(&lab->stream, lab->device));
}

void lab_open(struct lab *lab, const struct backend *backend)
{
    lab_open_rounding(lab, backend, TENSOR_F32);
}

void lab_open_ref(struct lab *lab)
{
    lab_open(lab, backend_ref());
}

void lab_close(struct lab *lab)
{
    LAB_OK(lab->device->backend->synchronise(lab->stream)); /* what was not read may be under way */
    for (int i = 0; i < lab->made_count; i++)
        tensor_destroy(lab->device, &lab->made[i]);
    for (int i = 0; i < lab->read_count; i++)
        memory_free(&lab->memory, lab->read[i]);
    stream_free(lab->stream);
    device_free(lab->device);
    ck_assert_uint_eq(atomic_load(&lab->memory.live_blocks), 0);
}

static struct tensor make(struct lab *lab, enum tensor_type type, struct shape shape,
                          const void *values)
{
    ck_assert_int_lt(lab->made_count, LAB_MAX_TENSORS);
    struct tensor *t = &lab->made[lab->made_count];
    LAB_OK(tensor_create(lab->device, t, type, shape));
    lab->made_count++;
    if (values) {
        LAB_OK(tensor_upload(lab->stream, t, values));
        LAB_OK(lab->device->backend->synchronise(lab->stream));
    }
    return *t;
}

struct tensor lab_f32(struct lab *lab, struct shape shape, const float *values)
{
    return make(lab, TENSOR_F32, shape, values);
}

struct tensor lab_i32(struct lab *lab, struct shape shape, const int32_t *values)
{
    return make(lab, TENSOR_I32, shape, values);
}

struct tensor lab_step(struct lab *lab, const struct step_numbers *numbers)
{
    int32_t words[STEP_WORDS];
    memcpy(words, numbers, sizeof words);
    return lab_i32(lab, SHAPE(STEP_WORDS), words);
}

struct tensor lab_u8(struct lab *lab, struct shape shape, const uint8_t *values)
{
    return make(lab, TENSOR_U8, shape, values);
}

static void *read_tensor(struct lab *lab, const struct tensor *t)
{
    void *copy = NULL;
    ck_assert_int_lt(lab->read_count, LAB_MAX_READS);
    LAB_OK(memory_alloc(&lab->memory, &copy, tensor_bytes(t), 1));
    lab->read[lab->read_count++] = copy;
    LAB_OK(tensor_download(lab->stream, copy, t));
    return copy;
}

const float *lab_floats(struct lab *lab, const struct tensor *t)
{
    if (t->type == TENSOR_F32)
        return read_tensor(lab, t);
    ck_assert(t->type == TENSOR_BF16 || t->type == TENSOR_F16);
    const uint16_t *bits = read_tensor(lab, t);
    float *values = NULL;
    ck_assert_int_lt(lab->read_count, LAB_MAX_READS);
    LAB_OK(memory_alloc(&lab->memory, &values, (size_t)tensor_count(t), sizeof *values));
    lab->read[lab->read_count++] = values;
    for (int64_t i = 0; i < tensor_count(t); i++)
        values[i] = t->type == TENSOR_BF16 ? bf16_to_float(bits[i]) : half_to_float(bits[i]);
    return values;
}

const int32_t *lab_ints(struct lab *lab, const struct tensor *t)
{
    ck_assert_int_eq(t->type, TENSOR_I32);
    return read_tensor(lab, t);
}

/* ---- random contents ---------------------------------------------------------------------- */

static void *host_block(struct lab *lab, struct shape shape)
{
    void *block = NULL;
    LAB_OK(memory_alloc(&lab->memory, &block, (size_t)shape_count(shape), 4));
    return block;
}

struct tensor lab_normal(struct lab *lab, struct random *random, struct shape shape,
                         float deviation)
{
    float *values = host_block(lab, shape);
    for (int64_t i = 0; i < shape_count(shape); i++)
        values[i] = (float)random_normal(random) * deviation;
    struct tensor t = lab_f32(lab, shape, values);
    memory_free(&lab->memory, values);
    return t;
}

/* `values` rounded, and kept as `type`: the rounding's, or F32. */
static struct tensor make_rounded(struct lab *lab, struct shape shape, float *values,
                                  enum tensor_type type)
{
    const bool half = lab->rounding == TENSOR_F16;
    uint16_t *bits = (uint16_t *)(void *)values; /* written behind what is read */
    for (int64_t i = 0; i < shape_count(shape) && lab->rounding != TENSOR_F32; i++) {
        const uint16_t rounded = half ? half_from_float(values[i]) : bf16_from_float(values[i]);
        if (type == TENSOR_F32)
            values[i] = half ? half_to_float(rounded) : bf16_to_float(rounded);
        else
            memcpy(&bits[i], &rounded, sizeof rounded);
    }
    return make(lab, type, shape, values);
}

struct tensor lab_activation(struct lab *lab, struct random *random, struct shape shape,
                             float deviation)
{
    float *values = host_block(lab, shape);
    for (int64_t i = 0; i < shape_count(shape); i++)
        values[i] = (float)random_normal(random) * deviation;
    struct tensor t = make_rounded(lab, shape, values, lab->device->activations);
    memory_free(&lab->memory, values);
    return t;
}

struct tensor lab_rounded(struct lab *lab, struct random *random, struct shape shape,
                          float deviation)
{
    float *values = host_block(lab, shape);
    for (int64_t i = 0; i < shape_count(shape); i++)
        values[i] = (float)random_normal(random) * deviation;
    struct tensor t = make_rounded(lab, shape, values, TENSOR_F32);
    memory_free(&lab->memory, values);
    return t;
}

struct tensor lab_activation_result(struct lab *lab, struct shape shape)
{
    float *values = host_block(lab, shape);
    for (int64_t i = 0; i < shape_count(shape); i++)
        values[i] = NAN;
    struct tensor t = make_rounded(lab, shape, values, lab->device->activations);
    memory_free(&lab->memory, values);
    return t;
}

struct tensor lab_boxes(struct lab *lab, struct random *random, struct shape shape, float extent)
{
    float *values = host_block(lab, shape);
    for (int64_t i = 0; i + 4 <= shape_count(shape); i += 4) {
        for (int d = 0; d < 2; d++) {
            float side = 1 + (float)random_uniform(random) * (extent / 2 - 1);
            values[i + d] = (float)random_uniform(random) * (extent - side);
            values[i + d + 2] = values[i + d] + side;
        }
    }
    struct tensor t = lab_f32(lab, shape, values);
    memory_free(&lab->memory, values);
    return t;
}

struct tensor lab_integers(struct lab *lab, struct random *random, struct shape shape, int low,
                           int high)
{
    int32_t *values = host_block(lab, shape);
    for (int64_t i = 0; i < shape_count(shape); i++)
        values[i] = low + (int32_t)random_below(random, (uint64_t)(high - low) + 1);
    struct tensor t = lab_i32(lab, shape, values);
    memory_free(&lab->memory, values);
    return t;
}

void lab_spoil(struct lab *lab, struct random *random, struct tensor *t, int every)
{
    const float hostile[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    float *values = host_block(lab, t->shape);
    LAB_OK(tensor_download(lab->stream, values, t));
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (random_below(random, (uint64_t)every) == 0)
            values[i] = hostile[random_below(random, 5)];
    LAB_OK(tensor_upload(lab->stream, t, values));
    LAB_OK(lab->device->backend->synchronise(lab->stream));
    memory_free(&lab->memory, values);
}

/* ---- comparison --------------------------------------------------------------------------- */

void lab_keep(struct lab *lab, const char *name, const struct tensor *t, double tolerance)
{
    ck_assert_int_lt(lab->result_count, LAB_MAX_RESULTS);
    lab->results[lab->result_count++] = (struct lab_result){name, *t, tolerance};
}

static bool close_enough(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * (1 + fabs(b));
}

static void compare_one(struct lab *lab, struct lab *expected, int index, const char *what)
{
    const struct lab_result *got = &lab->results[index], *want = &expected->results[index];
    const int64_t count = tensor_count(&got->tensor);
    const bool real = got->tensor.type != TENSOR_I32;
    char text[96];
    ck_assert(shape_equal(got->tensor.shape, want->tensor.shape));
    const void *a =
        real ? (const void *)lab_floats(lab, &got->tensor) : lab_ints(lab, &got->tensor);
    const void *b = real ? (const void *)lab_floats(expected, &want->tensor)
                         : lab_ints(expected, &want->tensor);
    for (int64_t i = 0; i < count; i++) {
        double x = real ? (double)((const float *)a)[i] : ((const int32_t *)a)[i];
        double y = real ? (double)((const float *)b)[i] : ((const int32_t *)b)[i];
        ck_assert_msg(close_enough(x, y, got->tolerance),
                      "%s: %s of %s %s differs first at %ld: %.9g, ref has %.9g", what,
                      lab->device->backend->name, got->name, shape_text(got->tensor.shape, text),
                      (long)i, x, y);
    }
}

void lab_compare(struct lab *lab, struct lab *expected, const char *what)
{
    ck_assert_int_eq(lab->result_count, expected->result_count);
    for (int i = 0; i < lab->result_count; i++)
        compare_one(lab, expected, i, what);
}

/* ---- gradients ---------------------------------------------------------------------------- */

double lab_dot(struct lab *lab, const struct tensor *a, const struct tensor *b)
{
    const int64_t count = tensor_count(a);
    float *x = host_block(lab, a->shape), *y = host_block(lab, b->shape);
    double sum = 0;
    ck_assert_int_eq(count, tensor_count(b));
    LAB_OK(tensor_download(lab->stream, x, a));
    LAB_OK(tensor_download(lab->stream, y, b));
    for (int64_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)y[i];
    memory_free(&lab->memory, x);
    memory_free(&lab->memory, y);
    return sum;
}

/* The function's value with element `at` of `input` moved by `by`. */
static double moved_value(struct lab *lab, const struct tensor *input, float *values, int64_t at,
                          double by, lab_evaluate_fn *evaluate, void *context)
{
    const float before = values[at];
    values[at] = (float)((double)before + by);
    LAB_OK(tensor_upload(lab->stream, input, values));
    double value = evaluate(lab, context);
    values[at] = before;
    LAB_OK(tensor_upload(lab->stream, input, values));
    return value;
}

void lab_check_gradient(struct lab *lab, const struct tensor *input, const struct tensor *gradient,
                        lab_evaluate_fn *evaluate, void *context, double step, double tolerance)
{
    enum { TRIES = 40 };
    struct random random = {1234, random_stream(RANDOM_TEST, 99), 0};
    const int64_t count = tensor_count(input);
    float *values = host_block(lab, input->shape), *grads = host_block(lab, input->shape);
    double differences[TRIES], largest = 0;
    int64_t places[TRIES];
    ck_assert_int_gt(count, 0);
    LAB_OK(tensor_download(lab->stream, values, input));
    LAB_OK(tensor_download(lab->stream, grads, gradient));
    for (int i = 0; i < TRIES; i++) {
        places[i] = (int64_t)random_below(&random, (uint64_t)count);
        double up = moved_value(lab, input, values, places[i], step, evaluate, context);
        double down = moved_value(lab, input, values, places[i], -step, evaluate, context);
        differences[i] = (up - down) / (2 * step);
        largest = fmax(largest, fabs(differences[i]));
    }
    ck_assert_double_gt(largest, 0); /* else nothing was tested */
    for (int i = 0; i < TRIES; i++)
        ck_assert_msg(fabs(differences[i] - (double)grads[places[i]]) <= tolerance * largest,
                      "gradient %ld is %.8g, differences give %.8g", (long)places[i],
                      (double)grads[places[i]], differences[i]);
    memory_free(&lab->memory, values);
    memory_free(&lab->memory, grads);
}
