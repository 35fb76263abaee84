/* augment.c - resize the short side, flip, carry the boxes along. */
#include "data/augment.h"

#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "image/resize.h"

enum { MAX_SIDE = 1 << 16 };

md_status augment_check(const struct augment_options *augment)
{
    if (augment->min_size_count < 1 || (augment->range && augment->min_size_count != 2))
        return ERROR(MD_EINVAL, "%d sizes of the short side; give one or more, two for a range",
                     augment->min_size_count);
    for (int i = 0; i < augment->min_size_count; i++)
        if (augment->min_sizes[i] < 0 || augment->min_sizes[i] > MAX_SIDE)
            return ERROR(MD_EINVAL,
                         "a short side of %d pixels; 1 to %d are possible, 0 keeps the size",
                         augment->min_sizes[i], MAX_SIDE);
    if (augment->range && augment->min_sizes[0] > augment->min_sizes[1])
        return ERROR(MD_EINVAL, "short sides from %d to %d; swap them", augment->min_sizes[0],
                     augment->min_sizes[1]);
    if (augment->max_size < 1 || augment->max_size > MAX_SIDE)
        return ERROR(MD_EINVAL, "a long side of at most %d pixels; 1 to %d are possible",
                     augment->max_size, MAX_SIDE);
    if (!(augment->flip_probability >= 0 && augment->flip_probability <= 1))
        return ERROR(MD_EINVAL, "a flip probability of %g; it must be within 0 and 1",
                     augment->flip_probability);
    return MD_OK;
}

struct augment_choice augment_choose(const struct augment_options *options, struct random *random)
{
    struct augment_choice choice = {.short_side = options->min_sizes[0]};
    if (!random)
        return choice;
    if (options->range) {
        uint64_t sizes = (uint64_t)(options->min_sizes[1] - options->min_sizes[0]) + 1;
        choice.short_side += (int)random_below(random, sizes);
    } else {
        choice.short_side =
            options->min_sizes[random_below(random, (uint64_t)options->min_size_count)];
    }
    choice.flip = random_uniform(random) < options->flip_probability;
    return choice;
}

static double clamped(double value, double limit)
{
    return value < 0 ? 0 : value > limit ? limit : value;
}

void augment_box(double out[4], const float box[4], const int old_size[2], const int new_size[2],
                 bool flip)
{
    for (int i = 0; i < 4; i++)
        out[i] = (double)box[i] * ((double)new_size[i % 2] / (double)old_size[i % 2]);
    if (flip) {
        double left = new_size[0] - out[2];
        out[2] = new_size[0] - out[0];
        out[0] = left;
    }
    for (int i = 0; i < 4; i++)
        out[i] = clamped(out[i], new_size[i % 2]);
}

static size_t carry_annotations(struct annotation *out, const struct annotation *annotations,
                                size_t count, const struct sample *sample)
{
    const int old_size[2] = {sample->original_width, sample->original_height};
    const int new_size[2] = {sample->image.width, sample->image.height};
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        double box[4];
        augment_box(box, annotations[i].box, old_size, new_size, sample->flipped);
        if (annotations[i].crowd || !(box[2] - box[0] > 1e-5 && box[3] - box[1] > 1e-5))
            continue;
        out[kept] = annotations[i];
        for (int k = 0; k < 4; k++)
            out[kept].box[k] = (float)box[k];
        kept++;
    }
    return kept;
}

md_status augment_sample(struct sample *out, struct memory *memory, const md_image *pixels,
                         const struct annotation *annotations, size_t count,
                         const struct augment_options *options, struct augment_choice choice)
{
    md_status st = MD_OK;
    struct sample sample = {.image_index = out->image_index,
                            .original_width = pixels->width,
                            .original_height = pixels->height,
                            .flipped = choice.flip};
    int height = pixels->height;
    int width = pixels->width;
    resize_shortest_edge(&height, &width, pixels->height, pixels->width, choice.short_side,
                         options->max_size);
    TRY(image_resize(&sample.image, memory, pixels, width, height));
    if (choice.flip)
        image_flip_horizontal(&sample.image);
    TRY(memory_alloc(memory, &sample.annotations, count, sizeof *sample.annotations));
    sample.annotation_count = carry_annotations(sample.annotations, annotations, count, &sample);
    *out = sample;
    return MD_OK;
fail:
    sample_release(&sample, memory);
    return st;
}

void sample_release(struct sample *sample, struct memory *memory)
{
    image_release(&sample->image);
    memory_free(memory, sample->annotations);
    memset(sample, 0, sizeof *sample);
}
