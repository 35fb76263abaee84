/* fingerprint.c - the perceptual hash of a picture, from a cosine transform of its thumbnail. */
#include "image/fingerprint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "image/resize.h"

enum { SIDE = 32, BANDS = 8, UNIT = 4096 };

/* Rows 1 to 8 of the cosine transform. Rounded to whole numbers each row still sums to exactly 0,
 * so that brightness alone changes nothing and a blank picture has no frequencies at all. */
static void cosine_table(int32_t table[BANDS][SIDE])
{
    const double pi = 3.14159265358979323846;
    for (int k = 0; k < BANDS; k++)
        for (int i = 0; i < SIDE; i++)
            table[k][i] = (int32_t)lround(UNIT * cos((2 * i + 1) * (k + 1) * pi / (2 * SIDE)));
}

static void transform(int64_t out[BANDS * BANDS], const uint8_t gray[SIDE][SIDE])
{
    int32_t table[BANDS][SIDE];
    int64_t rows[SIDE][BANDS];
    cosine_table(table);
    for (int y = 0; y < SIDE; y++)
        for (int k = 0; k < BANDS; k++) {
            rows[y][k] = 0;
            for (int x = 0; x < SIDE; x++)
                rows[y][k] += table[k][x] * gray[y][x];
        }
    for (int v = 0; v < BANDS; v++)
        for (int u = 0; u < BANDS; u++) {
            int64_t sum = 0;
            for (int y = 0; y < SIDE; y++)
                sum += table[v][y] * rows[y][u];
            out[v * BANDS + u] = sum;
        }
}

static int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t above_median(const int64_t values[BANDS * BANDS])
{
    int64_t sorted[BANDS * BANDS];
    uint64_t bits = 0;
    memcpy(sorted, values, sizeof sorted);
    qsort(sorted, BANDS * BANDS, sizeof *sorted, by_value);
    int64_t median = sorted[BANDS * BANDS / 2];
    for (int i = 0; i < BANDS * BANDS; i++)
        if (values[i] >= median && values[i] != 0)
            bits |= UINT64_C(1) << i;
    return bits;
}

md_status image_fingerprint(uint64_t *out, struct memory *memory, const md_image *image)
{
    md_status st = MD_OK;
    md_image small = {0};
    uint8_t gray[SIDE][SIDE];
    int64_t frequencies[BANDS * BANDS];
    TRY(image_resize(&small, memory, image, SIDE, SIDE));
    for (int y = 0; y < SIDE; y++)
        image_convert_row(gray[y], MD_GRAY8, small.data + y * small.stride, small.format, SIDE);
    transform(frequencies, (const uint8_t(*)[SIDE])gray);
    *out = above_median(frequencies);
fail:
    image_release(&small);
    return st;
}

int fingerprint_distance(uint64_t a, uint64_t b)
{
    /* Counts within 2, 4 and 8 bits, then sums the eight bytes. */
    uint64_t bits = a ^ b;
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int)(bits * UINT64_C(0x0101010101010101) >> 56);
}
