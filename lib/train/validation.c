/* validation.c - the loss over a validation set, and the average precision of what is found on it. */
#include "train/validation.h"

#include "core/error.h"
#include "data/builder.h"
#include "model/postprocess.h"

/* Never a training seed, which are below 2^63. */
static const uint64_t SEED = UINT64_MAX;

/* What a pass over the set gathers. */
struct pass {
    const struct validation_options *options;
    struct session *session;
    struct host_batch *host;
    struct memory *memory;
    double loss_sum;
    size_t image_count; /* read so far */
    /* with options->detect */
    uint32_t *images;                /* [image_count] their indices in the data set */
    struct session_detection *found; /* of one image */
    struct eval_detection *detections;
    size_t count, capacity;
};

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

static md_status add_loss(struct pass *pass, const struct sample *sample)
{
    struct step_losses losses;
    const struct step_values values = {.seed = SEED, .iteration = sample->image_index};
    const struct host_batch *host = pass->host;
    md_status st = session_losses(pass->session, &losses, host->images, host->truth, host->count,
                                  &values, NULL);
    if (st >= 0)
        pass->loss_sum += (double)losses.total;
    return st;
}

/* ---- detections ----------------------------------------------------------------------------- */

static md_status reserve(struct pass *pass)
{
    md_status st = MD_OK;
    if (!pass->options->detect)
        return MD_OK;
    TRY(memory_alloc(pass->memory, &pass->images, pass->options->dataset->image_count,
                     sizeof *pass->images));
    TRY(memory_alloc(pass->memory, &pass->found, (size_t)pass->options->detect->max_detections,
                     sizeof *pass->found));
fail:
    return st;
}

static void pass_free(struct pass *pass)
{
    memory_free(pass->memory, pass->images);
    memory_free(pass->memory, pass->found);
    memory_free(pass->memory, pass->detections);
}

/* The network was given the resized image as if it were the original. */
static md_status add_detections(struct pass *pass, const struct sample *sample)
{
    md_status st = MD_OK;
    int count = 0;
    const struct session_image original = {.width = sample->original_width,
                                           .height = sample->original_height,
                                           .network_width = sample->image.width,
                                           .network_height = sample->image.height};
    TRY(session_detect(pass->session, pass->found, &count, pass->host->images, 1,
                       pass->options->detect));
    count = postprocess(pass->found, count, &original);
    for (int i = 0; i < count; i++) {
        const struct session_detection *found = &pass->found[i];
        TRY(grow_array(pass->memory, &pass->detections, pass->count, &pass->capacity,
                       sizeof *pass->detections));
        pass->detections[pass->count++] = (struct eval_detection){
            .image = (uint32_t)pass->image_count,
            .class_id = found->class_id,
            .box = {(double)found->box[0], (double)found->box[1],
                    (double)(found->box[2] - found->box[0]), /* in float, as Detectron2 has it */
                    (double)(found->box[3] - found->box[1])},
            .score = (double)found->score};
    }
    pass->images[pass->image_count] = (uint32_t)sample->image_index;
fail:
    return st;
}

/* Objects in images that could not be read are not held against the model. */
static md_status measure(const struct pass *pass, struct coco_result *out)
{
    md_status st = MD_OK;
    const struct dataset *dataset = pass->options->dataset;
    struct dataset *readable = NULL;
    if (pass->image_count < dataset->image_count) {
        TRY(dataset_take(dataset, pass->images, pass->image_count, &readable));
        dataset = readable;
    }
    TRY(coco_evaluate(out, pass->memory, dataset, pass->detections, pass->count));
fail:
    dataset_free(readable);
    return st;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static md_status add_image(struct pass *pass, const struct batch *batch)
{
    md_status st = MD_OK;
    TRY(host_batch_set(pass->host, batch));
    TRY(add_loss(pass, &batch->samples[0]));
    if (pass->options->detect)
        TRY(add_detections(pass, &batch->samples[0]));
    pass->image_count++;
    if (pass->options->stop && atomic_load(pass->options->stop))
        return MD_AGAIN;
fail:
    return st;
}

md_status validation_run(struct session *session, struct host_batch *host,
                         const struct validation_options *options, struct validation_result *out)
{
    md_status st = MD_OK;
    struct loader *loader = NULL;
    const struct batch *batch = NULL;
    struct validation_result result = {.has_ap = options->detect != NULL};
    struct pass pass = {
        .options = options, .session = session, .host = host, .memory = host->memory};
    TRY(reserve(&pass));
    TRY(open_loader(&loader, host->memory, options));
    for (;;) {
        TRY(loader_next(loader, &batch));
        if (st == MD_END)
            break;
        TRY(add_image(&pass, batch));
        if (st == MD_AGAIN)
            goto fail;
    }
    if (pass.image_count == 0)
        FAIL(MD_EFORMAT, "no image of the validation set can be read; see the log");
    result.skipped = loader_skipped(loader);
    result.loss = pass.loss_sum / (double)pass.image_count;
    if (result.has_ap)
        TRY(measure(&pass, &result.ap));
    *out = result;
    st = MD_OK;
fail:
    loader_free(loader);
    pass_free(&pass);
    return st;
}

void validation_result_free(struct validation_result *result, struct memory *memory)
{
    if (result->has_ap)
        coco_result_free(&result->ap, memory);
    *result = (struct validation_result){.loss = 0};
}
