/* half.h - bfloat16 and IEEE half as the tests understand them, bit by bit: no compiler's own types. */
#ifndef TESTS_SUPPORT_HALF_H
#define TESTS_SUPPORT_HALF_H

#include <stdint.h>

/* To nearest, ties to even; NaN stays NaN. */
uint16_t bf16_from_float(float value);
float    bf16_to_float(uint16_t bits);
uint16_t half_from_float(float value);
float    half_to_float(uint16_t bits);

#endif
