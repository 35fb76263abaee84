/* ops_random.h - a device to try primitives on, tensors for it, and gradients by differences. */
#ifndef TESTS_SUPPORT_OPS_RANDOM_H
#define TESTS_SUPPORT_OPS_RANDOM_H

#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"
#include "tensor/ops.h"

enum { LAB_MAX_TENSORS = 96, LAB_MAX_READS = 512, LAB_MAX_RESULTS = 20 };

/* A result that is to be compared between devices. */
struct lab_result {
    const char *name;
    struct tensor tensor;
    double tolerance; /* of |a - b|, relative to 1 + |b|; 0: the same numbers */
};

/* One device and everything made on it. Failures end the test case. */
struct lab {
    struct memory memory;
    struct device *device;
    struct stream *stream;
    enum tensor_type rounding; /* of lab_activation: see lab_open_rounding */
    struct tensor made[LAB_MAX_TENSORS];
    void *read[LAB_MAX_READS];
    int made_count, read_count;
    struct lab_result results[LAB_MAX_RESULTS];
    int result_count;
};

void lab_open(struct lab *lab, const struct backend *backend);
void lab_open_ref(struct lab *lab);
/* Activations of `type` where the device has them. On ref they are F32 whose values are such as the
 * type can hold: what a device with 16 bits computes is to be that but for its last rounding. */
void lab_open_rounding(struct lab *lab, const struct backend *backend, enum tensor_type type);
void lab_close(struct lab *lab); /* frees all; nothing may have leaked */

/* values NULL: zeros. The lab owns the tensor. */
struct tensor lab_f32(struct lab *lab, struct shape shape, const float *values);
struct tensor lab_i32(struct lab *lab, struct shape shape, const int32_t *values);
struct tensor lab_step(struct lab *lab, const struct step_numbers *numbers);
struct tensor lab_u8(struct lab *lab, struct shape shape, const uint8_t *values);

/* Host copies, alive until lab_close. 16-bit ones are made floats. */
const float *lab_floats(struct lab *lab, const struct tensor *t);
const int32_t *lab_ints(struct lab *lab, const struct tensor *t);

/* Random numbers depend on `random` alone, not on the device. */
struct tensor lab_normal(struct lab *lab, struct random *random, struct shape shape,
                         float deviation);
/* The same as activations; and one for results, filled with NaN. */
struct tensor lab_activation(struct lab *lab, struct random *random, struct shape shape,
                             float deviation);
/* F32 of values that the type can hold: weights that a device may keep in 16 bits without loss. */
struct tensor lab_rounded(struct lab *lab, struct random *random, struct shape shape,
                          float deviation);
struct tensor lab_activation_result(struct lab *lab, struct shape shape);
/* Boxes inside [0,extent)^2 whose sides are 1 to extent / 2; shape [...,4]. */
struct tensor lab_boxes(struct lab *lab, struct random *random, struct shape shape, float extent);
/* Integers in [low, high]. */
struct tensor lab_integers(struct lab *lab, struct random *random, struct shape shape, int low,
                           int high);
/* Overwrites about one element of `every` with NaN, +-Inf or +-1e30. */
void lab_spoil(struct lab *lab, struct random *random, struct tensor *t, int every);

void lab_keep(struct lab *lab, const char *name, const struct tensor *t, double tolerance);
/* Compares what two labs kept; says device, name, index and both numbers. NaN equals NaN. */
void lab_compare(struct lab *lab, struct lab *expected, const char *what);

#define LAB_OK(...) ck_assert_msg((__VA_ARGS__) == MD_OK, "%s", error_text())

/* Central differences of a function of `input` at random elements against `gradient`. `evaluate`
 * gives the function's value; the tolerance is relative to the largest difference seen. */
typedef double lab_evaluate_fn(struct lab *lab, void *context);
void lab_check_gradient(struct lab *lab, const struct tensor *input, const struct tensor *gradient,
                        lab_evaluate_fn *evaluate, void *context, double step, double tolerance);
/* sum of a * b in double: turns a tensor into a number whose gradient is the other one. */
double lab_dot(struct lab *lab, const struct tensor *a, const struct tensor *b);

#endif
