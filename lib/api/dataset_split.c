/* dataset_split.c - md_dataset_split_stratified: parts with the same share of every class. */
#include "api/internal.h"
#include "core/error.h"
#include "data/facts.h"
#include "data/near.h"
#include "data/stratify.h"

void md_split_options_init(md_split_options *options, size_t size)
{
    const md_split_options defaults = {.seed = 1, .near_bits = -1};
    options_init(options, size, &defaults, sizeof defaults);
}

/* Numbers of groups whose pictures are near to each other. */
static md_status find_groups(const md_dataset *dataset, int near_bits, uint32_t *group)
{
    md_status st = MD_OK;
    const struct dataset *data = dataset->dataset;
    struct memory *memory = &dataset->context->memory;
    struct facts facts = {0};
    uint64_t *prints = NULL;
    bool *present = NULL;
    TRY(memory_alloc(memory, &prints, data->image_count, sizeof *prints));
    TRY(memory_alloc(memory, &present, data->image_count, sizeof *present));
    TRY(facts_gather(&facts, data, dataset->context->device->threads));
    for (size_t i = 0; i < data->image_count; i++) {
        prints[i] = facts.items[i].fingerprint;
        present[i] = facts.items[i].state == IMAGE_GOOD;
    }
    TRY(near_groups(memory, prints, present, data->image_count, near_bits, group));
fail:
    facts_free(&facts);
    memory_free(memory, prints);
    memory_free(memory, present);
    return st;
}

/* Which part each image goes to. */
static md_status assign(const md_dataset *dataset, const double *fractions, size_t count,
                        const md_split_options *options, uint32_t *part_of)
{
    md_status st = MD_OK;
    struct memory *memory = &dataset->context->memory;
    uint32_t *group = NULL;
    if (options->near_bits >= 0) {
        TRY(memory_alloc(memory, &group, dataset->dataset->image_count, sizeof *group));
        TRY(find_groups(dataset, options->near_bits, group));
    }
    const struct stratify_options how = {
        .fractions = fractions, .parts = count, .group = group, .seed = options->seed};
    TRY(stratify(dataset->dataset, &how, part_of));
fail:
    memory_free(memory, group);
    return st;
}

static md_status take(const md_dataset *dataset, const uint32_t *part_of, uint32_t part,
                      uint32_t *images, md_dataset **out)
{
    struct dataset *taken = NULL;
    size_t count = 0;
    for (size_t i = 0; i < dataset->dataset->image_count; i++)
        if (part_of[i] == part)
            images[count++] = (uint32_t)i;
    md_status st = dataset_take(dataset->dataset, images, count, &taken);
    return st < 0 ? st : dataset_hand_out(out, dataset->context, taken);
}

md_status md_dataset_split_stratified(const md_dataset *dataset, const double *fractions,
                                      size_t count, const md_split_options *options,
                                      md_dataset **parts)
{
    md_status st = MD_OK;
    struct memory *memory = NULL;
    md_dataset **made = NULL;
    uint32_t *part_of = NULL;
    uint32_t *images = NULL;
    md_split_options read = md_split_options_default();
    TRY(GIVEN(dataset));
    TRY(GIVEN(fractions));
    TRY(GIVEN(parts));
    TRY(options_read(&read, sizeof read, options, "md_split_options"));
    if (read.near_bits < -1 || read.near_bits > NEAR_MOST_BITS)
        FAIL(MD_EINVAL, "md_split_options.near_bits is %d; it is within -1 and %d", read.near_bits,
             NEAR_MOST_BITS);
    memory = &dataset->context->memory;
    TRY(memory_zeroed(memory, &made, count, sizeof(md_dataset *)));
    TRY(memory_alloc(memory, &part_of, dataset->dataset->image_count, sizeof *part_of));
    TRY(memory_alloc(memory, &images, dataset->dataset->image_count, sizeof *images));
    TRY(assign(dataset, fractions, count, &read, part_of));
    for (size_t p = 0; p < count; p++)
        TRY(take(dataset, part_of, (uint32_t)p, images, &made[p]));
    for (size_t p = 0; p < count; p++) {
        parts[p] = made[p];
        made[p] = NULL;
    }
fail:
    for (size_t p = 0; made && p < count; p++)
        dataset_release(made[p]);
    if (memory) {
        memory_free(memory, made);
        memory_free(memory, part_of);
        memory_free(memory, images);
    }
    return st;
}
