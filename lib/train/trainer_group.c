/* trainer_group.c - a trainer among those of a group's other processes. */
#include "train/trainer_group.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/sha256.h"
#include "train/batch_parts.h"

/* What each process tells the others after a step. */
struct step_report {
    struct step_losses losses;
    double seconds;
    int32_t images, stop;
};

static bool is_alone(const struct trainer *trainer)
{
    return group_size(trainer->options.group) == 1;
}

/* ---- before the start ----------------------------------------------------------------------- */

static void write_with_rank(void *user, md_log_level level, const char *message)
{
    const struct trainer *trainer = user;
    log_write(trainer->group.outer, level, "process %d: %s", group_rank(trainer->options.group),
              message);
}

md_status trainer_join(struct trainer *trainer)
{
    struct trainer_options *options = &trainer->options;
    const int size = group_size(options->group), batch = options->typed.solver.ims_per_batch;
    if (batch % size != 0)
        return ERROR(MD_EINVAL,
                     "SOLVER.IMS_PER_BATCH is %d, which %d processes cannot share equally; take a "
                     "multiple of %d",
                     batch, size, size);
    if (batch / size > HOST_BATCH_IMAGES)
        return ERROR(MD_EINVAL, "SOLVER.IMS_PER_BATCH is %d; 1 to %d images a process are possible",
                     batch, HOST_BATCH_IMAGES);
    if (group_rank(options->group) == 0)
        return MD_OK;
    trainer->group.outer = options->log;
    trainer->group.log = (struct log){write_with_rank, trainer, MD_LOG_WARN};
    options->log = &trainer->group.log;
    options->output_dir = options->resume_from = NULL;
    options->resume = options->overwrite = false;
    return MD_OK;
}

static void add_text(struct sha256 *hash, const char *text)
{
    sha256_update(hash, text, strlen(text) + 1);
}

static void add_dataset(struct sha256 *hash, const struct dataset *dataset)
{
    for (size_t i = 0; dataset && i < dataset->image_count; i++) {
        add_text(hash, dataset->images[i].name);
        sha256_update(hash, &dataset->images[i].count, sizeof dataset->images[i].count);
    }
    add_text(hash, "end");
}

/* All that the processes must have in common. */
enum { PART_CONFIG, PART_TRAIN, PART_VAL, PARTS };
static const char *const part_names[PARTS] = {"configuration", "training set", "validation set"};

struct credentials {
    char digest[PARTS][65];
    int32_t activations;
};

static md_status describe(const struct trainer *trainer, struct credentials *out)
{
    md_status st = MD_OK;
    const struct trainer_options *options = &trainer->options;
    struct sha256 hash[PARTS];
    struct buffer yaml;
    memset(out, 0, sizeof *out);
    buffer_init(&yaml, trainer->memory);
    for (int i = 0; i < PARTS; i++)
        sha256_init(&hash[i]);
    TRY(config_dump(options->config, &yaml));
    add_text(&hash[PART_CONFIG], yaml.data);
    for (int i = 0; i < options->typed.model.roi.num_classes; i++)
        add_text(&hash[PART_CONFIG], options->class_names[i]);
    add_dataset(&hash[PART_TRAIN], options->train);
    add_dataset(&hash[PART_VAL], options->val);
    for (int i = 0; i < PARTS; i++)
        sha256_finish(&hash[i], out->digest[i]);
    out->activations = (int32_t)options->detector->device->activations;
fail:
    buffer_free(&yaml);
    return st;
}

/* Every process compares all, so that they come to the same end. */
static md_status compare(const struct credentials *all, int size)
{
    for (int rank = 1; rank < size; rank++) {
        for (int i = 0; i < PARTS; i++)
            if (strcmp(all[rank].digest[i], all[0].digest[i]) != 0)
                return ERROR(MD_EMISMATCH,
                             "process %d has another %s than process 0; start all with the same",
                             rank, part_names[i]);
        if (all[rank].activations != all[0].activations)
            return ERROR(MD_EMISMATCH, "process %d computes in another precision than process 0",
                         rank);
    }
    return MD_OK;
}

md_status trainer_agree(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct group *group = trainer->options.group;
    struct credentials mine, *all = NULL;
    if (is_alone(trainer))
        return MD_OK;
    TRY(memory_zeroed(trainer->memory, &trainer->group.reports, (size_t)group_size(group),
                      sizeof *trainer->group.reports));
    TRY(describe(trainer, &mine));
    TRY(memory_zeroed(trainer->memory, &all, (size_t)group_size(group), sizeof *all));
    TRY(group_gather(group, all, &mine, sizeof mine));
    TRY(compare(all, group_size(group)));
    TRY(group_copy(group, &trainer->seed, sizeof trainer->seed, 0));
fail:
    memory_free(trainer->memory, all);
    return st;
}

/* ---- the same start for all ----------------------------------------------------------------- */

enum { PIECE = 1 << 20 /* values that pass the host at once */ };

static md_status share_tensor(struct trainer *trainer, const struct tensor *tensor, float *room)
{
    md_status st = MD_OK;
    struct stream *stream = session_stream(trainer->session);
    const bool gives = group_rank(trainer->options.group) == 0;
    if (!tensor_given(tensor))
        return MD_OK;
    struct tensor flat = tensor_reshape(tensor, SHAPE(tensor_count(tensor)));
    for (int64_t first = 0; first < flat.shape.dims[0]; first += PIECE) {
        const int64_t left = flat.shape.dims[0] - first, count = left < PIECE ? left : PIECE;
        struct tensor piece = tensor_rows(&flat, first, count);
        if (gives)
            TRY(tensor_download(stream, room, &piece));
        TRY(group_copy(trainer->options.group, room, (size_t)count * sizeof *room, 0));
        if (!gives)
            TRY(tensor_upload(stream, &piece, room));
        TRY(stream->device->backend->synchronise(stream)); /* before the room is used again */
    }
fail:
    return st;
}

static md_status share_weights(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct param_set *set = trainer->options.detector->params;
    float *room = NULL;
    TRY(memory_alloc(trainer->memory, &room, PIECE, sizeof *room));
    TRY(share_tensor(trainer, &set->values, room));
    TRY(share_tensor(trainer, &set->momentums, room));
    TRY(share_tensor(trainer, &set->averages, room));
    TRY(detector_refresh(trainer->options.detector, session_stream(trainer->session)));
fail:
    memory_free(trainer->memory, room);
    return st;
}

md_status trainer_share_start(struct trainer *trainer, struct checkpoint_state *state, bool *own)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    struct {
        struct loader_state loader;
        struct early_stop early_stop;
        uint64_t seed;
        int64_t iteration;
        float scale[2];
        bool momentum_started, validation_due, has_average, own;
    } start;
    if (is_alone(trainer))
        return MD_OK;
    memset(&start, 0, sizeof start);
    start.loader = state->loader;
    start.early_stop = trainer->early_stop;
    start.seed = trainer->seed;
    start.iteration = info->iteration;
    memcpy(start.scale, trainer->scale, sizeof start.scale);
    start.momentum_started = trainer->momentum_started;
    start.validation_due = trainer->validation_due;
    start.has_average = state->has_average;
    start.own = *own;
    TRY(group_copy(trainer->options.group, &start, sizeof start, 0));
    start.early_stop.metric = trainer->early_stop.metric; /* a pointer means nothing elsewhere */
    state->loader = start.loader;
    trainer->early_stop = start.early_stop;
    trainer->seed = start.seed;
    info->iteration = start.iteration;
    memcpy(trainer->scale, start.scale, sizeof start.scale);
    trainer->momentum_started = start.momentum_started;
    trainer->validation_due = start.validation_due;
    state->has_average = start.has_average;
    *own = start.own;
    trainer_take_best(trainer);
    TRY(share_weights(trainer));
fail:
    return st;
}

md_status trainer_share_statistics(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct detector *detector = trainer->options.detector;
    const struct param_set *set = detector->params;
    float *room = NULL;
    const struct model_config *config = &detector->config;
    if (is_alone(trainer) || trainer->group.statistics_at == trainer->info.iteration ||
        (config->resnet_norm != NORM_BN && config->fpn_norm != NORM_BN))
        return MD_OK;
    TRY(memory_alloc(trainer->memory, &room, PIECE, sizeof *room));
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind == PARAM_BUFFER)
            TRY(share_tensor(trainer, &set->items[i]->value, room));
    TRY(detector_refresh(detector, session_stream(trainer->session)));
    trainer->group.statistics_at = trainer->info.iteration;
fail:
    memory_free(trainer->memory, room);
    return st;
}

/* ---- step by step --------------------------------------------------------------------------- */

md_status trainer_share_losses(struct trainer *trainer, struct step_losses *losses, double *seconds)
{
    md_status st = MD_OK;
    struct group *group = trainer->options.group;
    const int size = group_size(group);
    struct joined_losses joined = {.regions = 0};
    struct step_report mine, *all = trainer->group.reports;
    if (is_alone(trainer))
        return MD_OK;
    memset(&mine, 0, sizeof mine);
    mine.losses = *losses;
    mine.seconds = *seconds;
    mine.images = trainer->host.count;
    mine.stop = atomic_load(&trainer->stop);
    TRY(group_gather(group, all, &mine, sizeof mine));
    for (int rank = 0; rank < size; rank++) {
        joined_losses_add(&joined, &all[rank].losses, (float)all[rank].images, 1.0f / (float)size);
        trainer->group.stopping |= all[rank].stop != 0;
        *seconds = all[rank].seconds > *seconds ? all[rank].seconds : *seconds;
    }
    joined_losses_finish(&joined);
    joined.sum.finite = losses->finite; /* of gradients that are the same in all */
    memcpy(joined.sum.scale, losses->scale, sizeof losses->scale);
    *losses = joined.sum;
fail:
    return st;
}

bool trainer_stopping(const struct trainer *trainer)
{
    return is_alone(trainer) ? atomic_load(&trainer->stop) : trainer->group.stopping;
}

void trainer_rescue(struct trainer *trainer)
{
    char text[512];
    const struct train_info *info = &trainer->info;
    snprintf(text, sizeof text, "%s", error_text());
    if (trainer->folder.path && info->saved_iteration != info->iteration &&
        trainer_save_last(trainer) >= 0 && info->saved_iteration == info->iteration)
        run_folder_note(
            &trainer->folder, MD_LOG_WARN,
            "another process has gone; saved what there was; --resume goes on from there");
    (void)error_restore(MD_EPEER, text);
}
