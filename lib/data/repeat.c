/* repeat.c - repeat factors of images from the shares of images that their classes are found in. */
#include "data/repeat.h"

#include <math.h>

#include "core/error.h"

/* factors[class] = the share's count: of these images, how many have the class. `last` [class] is the
 * image that was counted last, so that each counts once. */
static void count_classes(double *factors, uint32_t *last, const struct dataset *dataset,
                          const uint32_t *images, uint32_t count)
{
    for (int c = 0; c < dataset->class_count; c++) {
        factors[c] = 0;
        last[c] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct dataset_image *image = &dataset->images[images[i]];
        for (size_t k = 0; k < image->count; k++) {
            int class_id = dataset->annotations[image->first + k].class_id;
            factors[class_id] += last[class_id] != i;
            last[class_id] = i;
        }
    }
}

md_status repeat_factors(float *out, struct memory *memory, const struct dataset *dataset,
                         const uint32_t *images, uint32_t count, double threshold, bool root)
{
    md_status st = MD_OK;
    double *factors = NULL;
    uint32_t *last = NULL;
    TRY(memory_alloc(memory, &factors, (size_t)dataset->class_count, sizeof *factors));
    TRY(memory_alloc(memory, &last, (size_t)dataset->class_count, sizeof *last));
    count_classes(factors, last, dataset, images, count);
    for (int c = 0; c < dataset->class_count; c++) {
        double wanted = factors[c] > 0 ? threshold / (factors[c] / count) : 1;
        factors[c] = fmax(1, root ? sqrt(wanted) : wanted);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct dataset_image *image = &dataset->images[images[i]];
        double largest = 1;
        for (size_t k = 0; k < image->count; k++)
            largest = fmax(largest, factors[dataset->annotations[image->first + k].class_id]);
        out[i] = (float)largest;
    }
fail:
    memory_free(memory, factors);
    memory_free(memory, last);
    return st;
}
