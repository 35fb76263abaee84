/* test_tensors.c - element conversion, type names, shapes, and what is opened as what. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"

static float one(enum weights_type type, const void *bytes)
{
    struct weights_tensor tensor = {.type = type, .data = bytes};
    tensor.bytes = weights_type_bytes(type);
    float value = 0.0f;
    weights_read_floats(&tensor, &value, 0, 1);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The meaning of an IEEE 754 number of 16 bits, by its definition; exact in double and float. */
static double meaning(unsigned pattern, int mantissa_bits, int bias)
{
    unsigned exponent = (pattern & 0x7fffu) >> mantissa_bits;
    unsigned mantissa = pattern & ((1u << mantissa_bits) - 1u);
    double value = exponent == 0 ? ldexp(mantissa, 1 - bias - mantissa_bits)
                                 : ldexp(mantissa + (1u << mantissa_bits),
                                         (int)exponent - bias - mantissa_bits);
    return pattern & 0x8000u ? -value : value;
}

static void check_all_patterns(enum weights_type type, int mantissa_bits, int bias)
{
    unsigned top = 0x7fffu >> mantissa_bits;
    for (unsigned pattern = 0; pattern < 65536; pattern++) {
        unsigned char bytes[2] = {(unsigned char)pattern, (unsigned char)(pattern >> 8)};
        float value = one(type, bytes);
        unsigned mantissa = pattern & ((1u << mantissa_bits) - 1u);
        if ((pattern & 0x7fffu) >> mantissa_bits < top) {
            ck_assert_uint_eq(bits_of(value),
                              bits_of((float)meaning(pattern, mantissa_bits, bias)));
        } else { /* infinity, or a NaN that keeps its sign and payload */
            uint32_t sign = (pattern & 0x8000u) << 16;
            ck_assert_uint_eq(bits_of(value),
                              sign | 0x7f800000u | mantissa << (23 - mantissa_bits));
        }
    }
}

START_TEST(every_half_is_its_float)
{
    check_all_patterns(WEIGHTS_F16, 10, 15);
}
END_TEST

START_TEST(every_bfloat16_is_its_float)
{
    check_all_patterns(WEIGHTS_BF16, 7, 127);
}
END_TEST

START_TEST(other_types_convert_by_value)
{
    double number = -1.1;
    int64_t large = -(1LL << 40) - 1;
    int32_t small = -7;
    unsigned char byte = 200;
    float plain = 0.1f;
    unsigned char unaligned[9] = {0};
    memcpy(unaligned + 1, &number, 8);
    ck_assert_float_eq(one(WEIGHTS_F64, unaligned + 1), -1.1f);
    ck_assert_float_eq(one(WEIGHTS_I64, &large), -0x1p40f);
    ck_assert_float_eq(one(WEIGHTS_I32, &small), -7.0f);
    ck_assert_float_eq(one(WEIGHTS_U8, &byte), 200.0f);
    memcpy(unaligned + 1, &plain, 4);
    ck_assert_float_eq(one(WEIGHTS_F32, unaligned + 1), 0.1f);
}
END_TEST

START_TEST(a_part_is_read_from_its_place)
{
    unsigned char bytes[5] = {1, 2, 3, 4, 5};
    struct weights_tensor tensor = {.type = WEIGHTS_U8, .data = bytes, .bytes = 5};
    float out[3] = {0};
    weights_read_floats(&tensor, out, 2, 2);
    ck_assert_float_eq(out[0], 3.0f);
    ck_assert_float_eq(out[1], 4.0f);
    ck_assert_float_eq(out[2], 0.0f);
    ck_assert_int_eq(weights_count(&tensor), 5);
}
END_TEST

START_TEST(shapes_are_checked)
{
    size_t bytes = 99;
    ck_assert(weights_shape_bytes(WEIGHTS_F64, 0, NULL, &bytes));
    ck_assert_uint_eq(bytes, 8);
    ck_assert(weights_shape_bytes(WEIGHTS_F32, 3, (int64_t[]){2, 0, 3}, &bytes));
    ck_assert_uint_eq(bytes, 0);
    ck_assert(!weights_shape_bytes(WEIGHTS_F32, 1, (int64_t[]){-1}, &bytes));
    ck_assert(!weights_shape_bytes(WEIGHTS_F32, 2, (int64_t[]){1LL << 32, 1LL << 30}, &bytes));
    ck_assert(!weights_shape_bytes(WEIGHTS_U8, 2, (int64_t[]){1LL << 62, 2}, &bytes));
}
END_TEST

START_TEST(what_is_no_weights_file_is_refused)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct weights_file *file = NULL;
    static const char TEXT[] = "a text that is long enough";
    ck_assert_int_eq(weights_open(&file, &memory, temp_file("a.txt", TEXT, strlen(TEXT))),
                     MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "neither safetensors, npz"));
    ck_assert_int_eq(weights_open(&file, &memory, temp_file("empty", "", 0)), MD_EFORMAT);
    ck_assert_int_eq(weights_open(&file, &memory, temp_file("a.npz", TEXT, strlen(TEXT))),
                     MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "zip"));
    ck_assert_int_eq(weights_open(&file, &memory, temp_path("absent")), MD_EIO);
    ck_assert_ptr_null(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("weights/tensors", TEST(every_half_is_its_float), TEST(every_bfloat16_is_its_float),
      TEST(other_types_convert_by_value), TEST(a_part_is_read_from_its_place),
      TEST(shapes_are_checked), TEST(what_is_no_weights_file_is_refused))
