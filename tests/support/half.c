/* half.c - bfloat16 and IEEE half as the tests understand them, bit by bit. */
#include "half.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint16_t bf16_from_float(float value)
{
    uint32_t bits = bits_of(value);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float bf16_to_float(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

uint16_t half_from_float(float value)
{
    const uint16_t sign = (uint16_t)(bits_of(value) >> 16 & 0x8000);
    const float size = fabsf(value);
    if (isnan(value))
        return sign | 0x7e00;
    if (size == 0) /* frexp's exponent of it is no small one */
        return sign;
    if (size >= 65520.0f) /* half way from the largest to what would be next */
        return sign | 0x7c00;
    int exponent;
    frexpf(size, &exponent); /* size = fraction * 2^exponent, fraction in [1/2, 1) */
    /* The spacing of halves there: 2^(exponent - 11), but 2^-24 at least. rint is ties to even. */
    const int spacing = exponent - 11 > -24 ? exponent - 11 : -24;
    const float units = rintf(ldexpf(size, -spacing));
    if (spacing == -24) /* subnormal, or the first normal: the encoding goes on by ones */
        return sign | (uint16_t)units;
    return sign | (uint16_t)((uint32_t)(spacing + 24) * 1024u + (uint32_t)units);
}

float half_to_float(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float size = exponent == 0 ? ldexpf((float)fraction, -24)
                               : ldexpf((float)(fraction + 1024), exponent - 25);
    if (exponent == 31)
        size = fraction ? NAN : INFINITY;
    return bits & 0x8000 ? -size : size;
}
