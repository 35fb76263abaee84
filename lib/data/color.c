/* color.c - the blends of Detectron2's colour augmentations. They are sums of a source and the
 * image, in float where numpy has a float; the order of the roundings is its, too. */
#include "data/color.h"

enum { LEVELS = 256 };

/* Cut off, not rounded. */
static uint8_t level(double value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Every value of channel c becomes maps[c][value]. */
static void map_levels(md_image *image, uint8_t maps[3][LEVELS])
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *pixel = image->data + y * image->stride;
        for (int x = 0; x < image->width; x++, pixel += 3)
            for (int c = 0; c < 3; c++)
                pixel[c] = maps[c][pixel[c]];
    }
}

static void blend_with(md_image *image, double source, double weight)
{
    uint8_t maps[3][LEVELS];
    for (int value = 0; value < LEVELS; value++) {
        float blended = (float)source + (float)weight * (float)value;
        maps[0][value] = maps[1][value] = maps[2][value] = level((double)blended);
    }
    map_levels(image, maps);
}

void color_brightness(md_image *image, double weight)
{
    blend_with(image, 0, weight);
}

/* At most 2^32 values of 8 bits: the sum is exact. */
static double mean_of(const md_image *image)
{
    uint64_t sum = 0;
    for (int y = 0; y < image->height; y++) {
        const uint8_t *row = image->data + y * image->stride;
        for (int i = 0; i < 3 * image->width; i++)
            sum += row[i];
    }
    return (double)sum / (3.0 * image->width * image->height);
}

void color_contrast(md_image *image, double weight)
{
    blend_with(image, (1 - weight) * mean_of(image), weight);
}

void color_saturation(md_image *image, double weight)
{
    for (int y = 0; y < image->height; y++) {
        uint8_t *pixel = image->data + y * image->stride;
        for (int x = 0; x < image->width; x++, pixel += 3) {
            double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
            for (int c = 0; c < 3; c++)
                pixel[c] = level((1 - weight) * grey + (double)((float)weight * (float)pixel[c]));
        }
    }
}

void color_lighting(md_image *image, const double weights[3])
{
    static const double VECTORS[3][3] = {
        {-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}};
    static const double VALUES[3] = {0.2175, 0.0188, 0.0045};
    uint8_t maps[3][LEVELS];
    for (int c = 0; c < 3; c++) {
        double shift = 0;
        for (int k = 0; k < 3; k++)
            shift += VECTORS[c][k] * (weights[k] * VALUES[k]);
        for (int value = 0; value < LEVELS; value++)
            maps[c][value] = level(shift + value);
    }
    map_levels(image, maps);
}
