/* validation.c - the loss over a validation set. */
#include "train/validation.h"

#include "core/error.h"

/* Never a training seed, which are below 2^63. */
static const uint64_t SEED = UINT64_MAX;

static md_status open_loader(struct loader **out, struct memory *memory,
                             const struct validation_options *options)
{
    const struct loader_options loader = {
        .batch_size = 1, /* an image's loss must not depend on its neighbours */
        .skip_broken = options->skip_broken,
        .augment = {.min_sizes = &options->input->min_size_test,
                    .min_size_count = 1,
                    .max_size = options->input->max_size_test},
        .threads = options->threads,
        .read_ahead = 2 * options->threads < 8 ? 2 * options->threads : 8};
    return loader_create(out, memory, options->log, options->dataset, &loader, NULL);
}

md_status validation_run(struct session *session, struct host_batch *host,
                         const struct validation_options *options, double *loss, size_t *skipped)
{
    md_status st = MD_OK;
    struct loader *loader = NULL;
    const struct batch *batch = NULL;
    double sum = 0.0;
    size_t images = 0;
    TRY(open_loader(&loader, host->memory, options));
    for (;;) {
        TRY(loader_next(loader, &batch));
        if (st == MD_END)
            break;
        struct step_losses losses;
        struct step_random random = {.seed = SEED, .iteration = batch->samples[0].image_index};
        TRY(host_batch_set(host, batch));
        TRY(session_losses(session, &losses, host->images, host->truth, host->count, random,
                           false));
        sum += (double)losses.total;
        images++;
        if (options->stop && atomic_load(options->stop)) {
            st = MD_AGAIN;
            goto fail;
        }
    }
    st = MD_OK;
    *skipped = loader_skipped(loader);
    if (images == 0)
        FAIL(MD_EFORMAT, "no image of the validation set can be read; see the log");
    *loss = sum / (double)images;
fail:
    loader_free(loader);
    return st;
}
