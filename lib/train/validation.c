/* validation.c - the loss over a validation set, and the average precision of what is found on it. */
#include "train/validation.h"

#include <stdlib.h>

#include "core/error.h"
#include "data/builder.h"
#include "model/postprocess.h"

/* Never a training seed, which are below 2^63. */
static const uint64_t SEED = UINT64_MAX;

struct image_loss {
    double loss;
    uint64_t image; /* its index in the data set */
};

/* What a pass over the set gathers. */
struct pass {
    const struct validation_options *options;
    struct session *session;
    struct host_batch *host;
    struct memory *memory;
    struct image_loss *images; /* those that could be read, in the order of the set */
    size_t image_count, image_capacity;
    size_t skipped;
    /* with options->detect */
    struct session_detection *found;   /* of one image */
    struct eval_detection *detections; /* their `image` is an index in the data set */
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
        .share = group_rank(options->group),
        .shares = group_size(options->group),
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
    TRY(st);
    TRY(grow_array(pass->memory, &pass->images, pass->image_count, &pass->image_capacity,
                   sizeof *pass->images));
    pass->images[pass->image_count++] =
        (struct image_loss){(double)losses.total, (uint64_t)sample->image_index};
fail:
    return st;
}

/* ---- detections ----------------------------------------------------------------------------- */

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
            .image = (uint32_t)sample->image_index,
            .class_id = found->class_id,
            .box = {(double)found->box[0], (double)found->box[1],
                    (double)(found->box[2] - found->box[0]), /* in float, as Detectron2 has it */
                    (double)(found->box[3] - found->box[1])},
            .score = (double)found->score};
    }
fail:
    return st;
}

/* Objects in images that could not be read are not held against the model. */
static md_status measure(struct pass *pass, struct coco_result *out)
{
    md_status st = MD_OK;
    const struct dataset *dataset = pass->options->dataset;
    struct dataset *readable = NULL;
    uint32_t *kept = NULL, *place = NULL;
    if (pass->image_count < dataset->image_count) {
        TRY(memory_alloc(pass->memory, &kept, pass->image_count, sizeof *kept));
        TRY(memory_zeroed(pass->memory, &place, dataset->image_count, sizeof *place));
        for (size_t i = 0; i < pass->image_count; i++) {
            kept[i] = (uint32_t)pass->images[i].image;
            place[kept[i]] = (uint32_t)i;
        }
        for (size_t i = 0; i < pass->count; i++)
            pass->detections[i].image = place[pass->detections[i].image];
        TRY(dataset_take(dataset, kept, pass->image_count, &readable));
        dataset = readable;
    }
    TRY(coco_evaluate(out, pass->memory, dataset, pass->detections, pass->count));
fail:
    dataset_free(readable);
    memory_free(pass->memory, kept);
    memory_free(pass->memory, place);
    return st;
}

/* ---- together ------------------------------------------------------------------------------- */

/* What a process has to say beside its images. */
struct pass_report {
    uint64_t skipped, stopped;
};

static int compare_images(const void *left, const void *right)
{
    const struct image_loss *a = left, *b = right;
    return a->image < b->image ? -1 : a->image > b->image;
}

/* By image, and within an image in the order that they have. */
static md_status sort_detections(struct pass *pass)
{
    md_status st = MD_OK;
    const size_t images = pass->options->dataset->image_count;
    size_t *next = NULL;
    struct eval_detection *sorted = NULL;
    TRY(memory_zeroed(pass->memory, &next, images + 1, sizeof *next));
    TRY(memory_alloc(pass->memory, &sorted, pass->count, sizeof *sorted));
    for (size_t i = 0; i < pass->count; i++)
        next[pass->detections[i].image + 1]++;
    for (size_t i = 0; i < images; i++)
        next[i + 1] += next[i];
    for (size_t i = 0; i < pass->count; i++)
        sorted[next[pass->detections[i].image]++] = pass->detections[i];
    memory_free(pass->memory, pass->detections);
    pass->detections = sorted;
fail:
    memory_free(pass->memory, next);
    return st;
}

/* Of all processes, and in the order of the set, as if one had seen all. MD_AGAIN: one was stopped. */
static md_status merge(struct pass *pass, bool stopped)
{
    md_status st = MD_OK;
    struct group *group = pass->options->group;
    const int size = group_size(group);
    struct pass_report mine = {pass->skipped, stopped}, *all = NULL;
    struct image_loss *images = NULL;
    struct eval_detection *detections = NULL;
    size_t image_bytes = 0, bytes = 0;
    TRY(memory_zeroed(pass->memory, &all, (size_t)size, sizeof *all));
    TRY(group_gather(group, all, &mine, sizeof mine));
    pass->skipped = 0;
    for (int rank = 0; rank < size; rank++) {
        pass->skipped += (size_t)all[rank].skipped;
        stopped |= all[rank].stopped != 0;
    }
    TRY(group_collect(group, pass->memory, &images, &image_bytes, pass->images,
                      pass->image_count * sizeof *images));
    TRY(group_collect(group, pass->memory, &detections, &bytes, pass->detections,
                      pass->count * sizeof *detections));
    memory_free(pass->memory, pass->images);
    memory_free(pass->memory, pass->detections);
    pass->images = images;
    pass->detections = detections;
    pass->image_count = image_bytes / sizeof *images;
    pass->count = bytes / sizeof *detections;
    images = NULL;
    qsort(pass->images, pass->image_count, sizeof *pass->images, compare_images);
    TRY(sort_detections(pass));
    st = stopped ? MD_AGAIN : MD_OK;
fail:
    memory_free(pass->memory, images);
    memory_free(pass->memory, all);
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
fail:
    return st;
}

/* MD_AGAIN: stopped; MD_END: all seen. */
static md_status see_all(struct pass *pass, struct loader *loader)
{
    md_status st = MD_OK;
    const struct batch *batch = NULL;
    const struct validation_options *options = pass->options;
    if (options->detect)
        TRY(memory_alloc(pass->memory, &pass->found, (size_t)options->detect->max_detections,
                         sizeof *pass->found));
    for (;;) {
        TRY(loader_next(loader, &batch));
        if (st == MD_END)
            break;
        TRY(add_image(pass, batch));
        if (options->stop && atomic_load(options->stop))
            return MD_AGAIN;
    }
fail:
    return st;
}

/* In the order of the images, whoever saw them. */
static double mean_loss(const struct pass *pass)
{
    double sum = 0;
    for (size_t i = 0; i < pass->image_count; i++)
        sum += pass->images[i].loss;
    return sum / (double)pass->image_count;
}

md_status validation_run(struct session *session, struct host_batch *host,
                         const struct validation_options *options, struct validation_result *out)
{
    md_status st = MD_OK;
    struct loader *loader = NULL;
    struct validation_result result = {.has_ap = options->detect != NULL};
    struct pass pass = {
        .options = options, .session = session, .host = host, .memory = host->memory};
    TRY(open_loader(&loader, host->memory, options));
    TRY(see_all(&pass, loader));
    pass.skipped = loader_skipped(loader);
    if (group_size(options->group) > 1)
        TRY(merge(&pass, st == MD_AGAIN));
    if (st == MD_AGAIN)
        goto fail;
    if (pass.image_count == 0)
        FAIL(MD_EFORMAT, "no image of the validation set can be read; see the log");
    result.skipped = pass.skipped;
    result.loss = mean_loss(&pass);
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
