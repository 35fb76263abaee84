/* loader.c - batches in a fixed order, read ahead by worker threads.
 *
 * The sampler runs on the caller's thread and is ahead of what was handed out by at most the ring;
 * each slot of the ring keeps the state to report once its batch is out. All that is random about a
 * sample derives from (seed, batch, place in the batch), so the order in which workers finish, and
 * their number, cannot matter. */
#include "data/loader.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "data/augment.h"
#include "data/repeat.h"
#include "data/sampler.h"
#include "image/image.h"

enum { MAX_READ_AHEAD = 64, MAX_THREADS = 256 };

/* Beside 0 (wide, or no groups) and 1 (tall) in loader.group. */
enum { GROUP_UNUSED = 2 };

struct sample_job {
    struct pool_job job;
    struct loader *loader;
    uint64_t batch;
    uint32_t place; /* in the whole batch */
    uint32_t image; /* that the sampler chose */
    bool finished;  /* `sample` is filled in, or the image is left out */
    bool left_out;
    struct sample sample;
};

struct slot {
    struct sample_job *jobs; /* [batch_size] */
    int job_count;
    bool submitted;
    struct batch batch; /* room for batch_size samples */
    struct loader_state after;
};

struct loader {
    struct memory *memory;
    const struct log *log;
    const struct dataset *dataset;
    struct loader_options options;
    int *min_sizes;   /* the copy that options points to */
    uint8_t *group;   /* [image_count] 0, 1, GROUP_UNUSED */
    uint32_t *images; /* those in use */
    uint32_t count;
    float *repeats;       /* [count] how often each comes; NULL: once */
    atomic_uchar *broken; /* [image_count] found unreadable */
    atomic_size_t broken_count;
    struct sampler sampler;
    struct pool *pool; /* NULL: no threads */
    struct slot *ring;
    int ring_size, head, filled; /* slots head .. head + filled - 1 wait to be handed out */
    struct slot *lent;
    struct loader_state state;
};

/* ---- one sample ------------------------------------------------------------ */

/* The image is at fault, not the machine. */
static bool is_broken(md_status status)
{
    return status == MD_EFORMAT || status == MD_EIO || status == MD_EMISMATCH ||
           status == MD_EUNSUPPORTED || status == MD_ENOTFOUND || status == MD_EINVAL;
}

static md_status prepare(struct sample_job *job, uint32_t index)
{
    const struct loader *loader = job->loader;
    const struct dataset_image *image = &loader->dataset->images[index];
    struct random random = {.seed = loader->sampler.state.seed,
                            .stream = random_stream(RANDOM_AUGMENT, job->batch),
                            .index = (uint64_t)job->place * AUGMENT_DRAWS};
    md_image pixels = {0};
    md_status st = dataset_read_image(loader->dataset, index, loader->memory, &pixels);
    if (st < 0)
        return st;
    job->sample.image_index = index;
    st = augment_sample(
        &job->sample, loader->memory, &pixels, loader->dataset->annotations + image->first,
        image->count, &loader->options.augment,
        augment_choose(&loader->options.augment, loader->options.training ? &random : NULL));
    image_release(&pixels);
    return st;
}

static void note_broken(struct loader *loader, uint32_t index)
{
    if (atomic_exchange(&loader->broken[index], 1) != 0)
        return;
    atomic_fetch_add(&loader->broken_count, 1);
    log_write(loader->log, MD_LOG_WARN, "image \"%s\" is left out: %s",
              loader->dataset->images[index].name, error_text());
}

/* The one after it, in the order of the data set, that could stand in the same batch. */
static uint32_t stand_in(const struct loader *loader, uint32_t index)
{
    uint8_t group = loader->group[index];
    do
        index = index + 1 < loader->dataset->image_count ? index + 1 : 0;
    while (loader->group[index] != group);
    return index;
}

static md_status load_sample(void *arg)
{
    struct sample_job *job = arg;
    struct loader *loader = job->loader;
    uint32_t index = job->image;
    do {
        if (atomic_load(&loader->broken[index]) == 0) {
            md_status st = prepare(job, index);
            if (st >= 0) {
                job->finished = true;
                return MD_OK;
            }
            if (!loader->options.skip_broken || !is_broken(st))
                return st;
            note_broken(loader, index);
        }
        if (!loader->options.training) {
            job->finished = job->left_out = true;
            return MD_OK;
        }
        index = stand_in(loader, index);
    } while (index != job->image);
    return ERROR(MD_EFORMAT, "no image of the data set can be read; the first tried was \"%s\"",
                 loader->dataset->images[job->image].name);
}

/* ---- batches ---------------------------------------------------------------- */

static void release_slot(struct slot *slot, struct memory *memory)
{
    for (int i = 0; i < slot->batch.count; i++)
        sample_release(&slot->batch.samples[i], memory);
    for (int i = 0; i < slot->job_count; i++)
        sample_release(&slot->jobs[i].sample, memory);
    slot->batch.count = slot->job_count = 0;
}

/* After a failure only what is not finished yet is tried again. */
static void submit_slot(struct loader *loader, struct slot *slot)
{
    for (int i = 0; i < slot->job_count && loader->pool; i++) {
        struct sample_job *job = &slot->jobs[i];
        if (job->finished)
            continue;
        job->job = (struct pool_job){.run = load_sample, .arg = job};
        pool_submit(loader->pool, &job->job);
    }
    slot->submitted = true;
}

static bool compose_slot(struct loader *loader, struct slot *slot)
{
    uint32_t images[LOADER_MAX_BATCH];
    const struct loader_options *options = &loader->options;
    const bool shared = options->training && options->shares > 1;
    uint64_t batch = loader->sampler.state.batch;
    int count = sampler_next(&loader->sampler, images);
    slot->job_count = 0;
    for (int i = shared ? options->share : 0; i < count; i += shared ? options->shares : 1)
        slot->jobs[slot->job_count++] = (struct sample_job){
            .loader = loader, .batch = batch, .place = (uint32_t)i, .image = images[i]};
    slot->after = loader->sampler.state;
    slot->submitted = false;
    return count > 0;
}

static void read_ahead(struct loader *loader)
{
    while (loader->filled < loader->ring_size) {
        struct slot *slot = &loader->ring[(loader->head + loader->filled) % loader->ring_size];
        if (!compose_slot(loader, slot))
            return;
        submit_slot(loader, slot);
        loader->filled++;
    }
}

/* All of them, even after a failure: no job may be running when its slot is used again. */
static md_status finish_slot(struct loader *loader, struct slot *slot)
{
    md_status st = MD_OK;
    char text[512] = "";
    if (!slot->submitted)
        submit_slot(loader, slot);
    for (int i = 0; i < slot->job_count; i++) {
        struct sample_job *job = &slot->jobs[i];
        if (!loader->pool && job->finished)
            continue;
        md_status one = loader->pool ? pool_wait(loader->pool, &job->job) : load_sample(job);
        if (one < 0 && st == MD_OK) {
            st = one;
            snprintf(text, sizeof text, "%s", error_text());
        }
    }
    if (st < 0) {
        slot->submitted = false;
        return error_restore(st, text);
    }
    for (int i = 0; i < slot->job_count; i++) {
        struct sample_job *job = &slot->jobs[i];
        if (!job->left_out)
            slot->batch.samples[slot->batch.count++] = job->sample;
        memset(&job->sample, 0, sizeof job->sample);
    }
    return MD_OK;
}

md_status loader_next(struct loader *loader, const struct batch **out)
{
    if (loader->lent)
        release_slot(loader->lent, loader->memory);
    loader->lent = NULL;
    for (;;) {
        read_ahead(loader);
        if (loader->filled == 0)
            return MD_END;
        struct slot *slot = &loader->ring[loader->head];
        md_status st = finish_slot(loader, slot);
        if (st < 0)
            return st;
        loader->state = slot->after;
        loader->head = (loader->head + 1) % loader->ring_size;
        loader->filled--;
        if (slot->batch.count > 0) {
            loader->lent = slot;
            *out = &slot->batch;
            return MD_OK;
        }
    }
}

void loader_state(const struct loader *loader, struct loader_state *out)
{
    *out = loader->state;
}

size_t loader_skipped(const struct loader *loader)
{
    return atomic_load(&loader->broken_count);
}

size_t loader_image_count(const struct loader *loader)
{
    return loader->count;
}

/* ---- making one -------------------------------------------------------------- */

static bool share_is_possible(const struct loader_options *options)
{
    const int shares = options->shares > 1 ? options->shares : 1;
    return options->shares >= 0 && options->share >= 0 && options->share < shares &&
           (!options->training || options->batch_size % shares == 0);
}

static md_status check_options(const struct loader_options *options)
{
    if (options->batch_size < 1 || options->batch_size > LOADER_MAX_BATCH)
        return ERROR(MD_EINVAL, "a batch of %d images; 1 to %d are possible", options->batch_size,
                     LOADER_MAX_BATCH);
    if (!share_is_possible(options))
        return ERROR(MD_EINVAL, "share %d of %d of a batch of %d images; shares must be equal",
                     options->share, options->shares, options->batch_size);
    if (options->threads < 0 || options->threads > MAX_THREADS || options->read_ahead < 0 ||
        options->read_ahead > MAX_READ_AHEAD)
        return ERROR(MD_EINVAL,
                     "%d loader threads reading %d batches ahead; at most %d and %d are possible",
                     options->threads, options->read_ahead, MAX_THREADS, MAX_READ_AHEAD);
    if (!(options->repeat_threshold >= 0 && options->repeat_threshold <= 1 &&
          options->subset_ratio >= 0 && options->subset_ratio <= 1))
        return ERROR(MD_EINVAL, "a repeat threshold of %g, a subset of %g; 0 to 1 are possible",
                     options->repeat_threshold, options->subset_ratio);
    return augment_check(&options->augment);
}

static bool state_is_possible(const struct loader_state *state, const struct loader *loader)
{
    for (int bucket = 0; bucket < 2; bucket++) {
        uint32_t count = state->pending_count[bucket];
        if (count >= (uint32_t)loader->options.batch_size)
            return false;
        for (uint32_t i = 0; i < count; i++)
            if (state->pending[bucket][i] >= loader->dataset->image_count ||
                loader->group[state->pending[bucket][i]] != bucket)
                return false;
    }
    return true;
}

static bool has_object(const struct dataset *dataset, const struct dataset_image *image)
{
    for (size_t i = 0; i < image->count; i++)
        if (!dataset->annotations[image->first + i].crowd)
            return true;
    return false;
}

static md_status choose_images(struct loader *loader)
{
    const struct dataset *dataset = loader->dataset;
    const struct loader_options *options = &loader->options;
    md_status st = memory_zeroed(loader->memory, &loader->group, dataset->image_count, 1);
    if (st == MD_OK)
        st = memory_alloc(loader->memory, &loader->images, dataset->image_count,
                          sizeof *loader->images);
    if (st < 0)
        return st;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        if (options->training && options->filter_empty && !has_object(dataset, image)) {
            loader->group[i] = GROUP_UNUSED;
            continue;
        }
        if (options->training && options->group_by_aspect)
            loader->group[i] = image->width > image->height ? 0 : 1;
        loader->images[loader->count++] = (uint32_t)i;
    }
    if (loader->count == 0 && options->training)
        return ERROR(MD_EINVAL, "no image to train on: of %zu none has an annotated object",
                     dataset->image_count);
    return MD_OK;
}

/* The same part for the whole run, as in Detectron2's RandomSubsetTrainingSampler. */
static md_status keep_subset(struct loader *loader)
{
    double ratio = loader->options.subset_ratio;
    if (ratio == 0 || ratio == 1)
        return MD_OK;
    struct random random = {.seed = loader->options.seed,
                            .stream = random_stream(RANDOM_SUBSET, 0)};
    uint32_t kept = (uint32_t)(loader->count * ratio);
    if (kept == 0)
        return ERROR(MD_EINVAL,
                     "%g of %u images is none; raise MDET.DATALOADER.RANDOM_SUBSET_RATIO", ratio,
                     (unsigned)loader->count);
    random_shuffle(&random, loader->images, loader->count);
    for (uint32_t i = kept; i < loader->count; i++)
        loader->group[loader->images[i]] = GROUP_UNUSED;
    loader->count = 0;
    for (uint32_t i = 0; loader->count < kept; i++)
        if (loader->group[i] != GROUP_UNUSED)
            loader->images[loader->count++] = i;
    return MD_OK;
}

static md_status repeat_images(struct loader *loader)
{
    md_status st =
        memory_alloc(loader->memory, &loader->repeats, loader->count, sizeof *loader->repeats);
    if (st < 0)
        return st;
    return repeat_factors(loader->repeats, loader->memory, loader->dataset, loader->images,
                          loader->count, loader->options.repeat_threshold,
                          loader->options.repeat_sqrt);
}

static md_status create_ring(struct loader *loader)
{
    /* One slot is with the caller while the others are being filled. */
    loader->ring_size = loader->pool ? loader->options.read_ahead + 1 : 1;
    md_status st = memory_zeroed(loader->memory, &loader->ring, (size_t)loader->ring_size,
                                 sizeof *loader->ring);
    size_t batch_size = (size_t)loader->options.batch_size;
    for (int i = 0; i < loader->ring_size && st == MD_OK; i++) {
        struct slot *slot = &loader->ring[i];
        st = memory_zeroed(loader->memory, &slot->jobs, batch_size, sizeof *slot->jobs);
        if (st == MD_OK)
            st = memory_zeroed(loader->memory, &slot->batch.samples, batch_size,
                               sizeof *slot->batch.samples);
    }
    return st;
}

md_status loader_create(struct loader **out, struct memory *memory, const struct log *log,
                        const struct dataset *dataset, const struct loader_options *options,
                        const struct loader_state *state)
{
    md_status st = check_options(options);
    struct loader *loader = NULL;
    if (st < 0)
        return st;
    TRY(memory_zeroed(memory, &loader, 1, sizeof *loader));
    loader->memory = memory;
    loader->log = log;
    loader->dataset = dataset;
    loader->options = *options;
    atomic_init(&loader->broken_count, 0);
    size_t sizes = (size_t)options->augment.min_size_count;
    TRY(memory_alloc(memory, &loader->min_sizes, sizes, sizeof *loader->min_sizes));
    memcpy(loader->min_sizes, options->augment.min_sizes, sizes * sizeof *loader->min_sizes);
    loader->options.augment.min_sizes = loader->min_sizes;
    TRY(choose_images(loader));
    if (options->training)
        TRY(keep_subset(loader));
    if (options->training && options->repeat_threshold > 0)
        TRY(repeat_images(loader));
    TRY(memory_zeroed(memory, &loader->broken, dataset->image_count, sizeof *loader->broken));
    if (state && !state_is_possible(state, loader))
        FAIL(MD_EMISMATCH, "the saved order of images does not fit this data set and batch size; "
                           "resume with the ones that it was saved with");
    const struct sampler_images from = {loader->images, loader->group, loader->repeats,
                                        loader->count};
    TRY(sampler_create(&loader->sampler, memory, &from, options, state));
    loader->state = loader->sampler.state;
    if (options->threads > 0)
        TRY(pool_create(&loader->pool, memory, options->threads));
    TRY(create_ring(loader));
    *out = loader;
    return MD_OK;
fail:
    loader_free(loader);
    return st;
}

void loader_free(struct loader *loader)
{
    if (!loader)
        return;
    struct memory *memory = loader->memory;
    pool_free(loader->pool); /* before what its jobs use */
    for (int i = 0; loader->ring && i < loader->ring_size; i++) {
        struct slot *slot = &loader->ring[i];
        if (slot->jobs && slot->batch.samples)
            release_slot(slot, memory);
        memory_free(memory, slot->jobs);
        memory_free(memory, slot->batch.samples);
    }
    memory_free(memory, loader->ring);
    if (loader->sampler.memory)
        sampler_free(&loader->sampler);
    memory_free(memory, loader->broken);
    memory_free(memory, loader->images);
    memory_free(memory, loader->repeats);
    memory_free(memory, loader->group);
    memory_free(memory, loader->min_sizes);
    memory_free(memory, loader);
}
