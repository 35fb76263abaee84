/* train.c - md_trainer: a training session over a model and its data sets. */
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "config/key_table.h"
#include "core/error.h"
#include "train/fit.h"

struct md_trainer {
    md_model *model;
    md_dataset *train, *val; /* val may be NULL */
    char *output_dir;        /* may be NULL */
    struct config *config;
    md_group *group; /* may be NULL */
    struct trainer *trainer;
    md_train_info info;
};

void md_train_options_init(md_train_options *options, size_t size)
{
    const md_train_options defaults = {0};
    options_init(options, size, &defaults, sizeof defaults);
}

/* ---- agreement ---------------------------------------------------------------------------- */

/* The network is the model's: a key that describes it must not say something else. */
static bool describes_network(const struct config_key *key)
{
    if (key->status != KEY_USED || strcmp(key->name, "MODEL.WEIGHTS") == 0)
        return false;
    return strncmp(key->name, "MODEL.", 6) == 0 || strncmp(key->name, "MDET.RESNETS.", 13) == 0;
}

static md_status check_network(const md_model *model, const struct config *config)
{
    md_status st = MD_OK;
    struct buffer mine, other;
    buffer_init(&mine, &model->context->memory);
    buffer_init(&other, &model->context->memory);
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        if (!describes_network(key))
            continue;
        buffer_clear(&mine);
        buffer_clear(&other);
        TRY(config_get_text(model->config.config, key->name, &mine));
        TRY(config_get_text(config, key->name, &other));
        if (mine.length != other.length || (mine.length > 0 && strcmp(mine.data, other.data) != 0))
            FAIL(MD_EMISMATCH,
                 "md_trainer_create: %s is %s in the model, %s in config; the model "
                 "must be made with it",
                 key->name, mine.length ? mine.data : "''", other.length ? other.data : "''");
    }
fail:
    buffer_free(&mine);
    buffer_free(&other);
    return st;
}

/* ---- life --------------------------------------------------------------------------------- */

static md_status check_arguments(const md_model *model, const md_config *config,
                                 const md_dataset *train)
{
    md_status st = MD_OK;
    TRY(argument_given(model, "md_trainer_create", "model"));
    TRY(argument_given(train, "md_trainer_create", "train"));
    if (config)
        TRY(check_network(model, config->config));
fail:
    return st;
}

static md_status start(md_trainer *trainer, const md_train_options *options)
{
    md_status st = MD_OK;
    md_model *model = trainer->model;
    struct memory *memory = &model->context->memory;
    struct trainer_options inner = {
        .detector = model->detector,
        .train = trainer->train->dataset,
        .val = trainer->val ? trainer->val->dataset : NULL,
        .config = trainer->config,
        .class_names = (const char *const *)model->class_names,
        .resume = options->resume,
        .overwrite = options->overwrite,
        .resume_from = options->resume_from,
        .log = &model->context->log,
    };
    TRY(config_typed(trainer->config, &inner.typed));
    if (options->output_dir)
        TRY(memory_copy_string(memory, &trainer->output_dir, options->output_dir));
    inner.output_dir = trainer->output_dir;
    if (options->group) {
        trainer->group = group_retain(options->group);
        inner.group = trainer->group->group;
    }
    TRY(trainer_create(&trainer->trainer, memory, &inner));
fail:
    return st;
}

static void take_info(md_trainer *trainer)
{
    const struct train_info *from = trainer_info(trainer->trainer);
    trainer->info = (md_train_info){
        .iteration = from->iteration,
        .max_iter = from->max_iter,
        .learning_rate = from->learning_rate,
        .total_loss = (double)from->losses.total,
        .loss_cls = (double)from->losses.cls,
        .loss_box_reg = (double)from->losses.box_reg,
        .loss_rpn_cls = (double)from->losses.rpn_cls,
        .loss_rpn_loc = (double)from->losses.rpn_loc,
        .val_loss = from->val_loss,
        .best_loss = from->best_loss,
        .best_iteration = from->best_iteration,
        .without_progress = from->without_progress,
        .images_per_second = from->images_per_second,
        .eta_seconds = from->eta_seconds,
        .validated = from->validated,
        .improved = from->improved,
        .stopped_early = from->stopped_early,
        .skipped_images = from->skipped_images,
        .save_failures = from->save_failures,
        .best_metric = from->best_metric,
        .best_value = from->best_value,
        .metrics = from->metrics,
        .metric_count = from->metric_count,
    };
}

md_status md_trainer_create(md_trainer **out, md_model *model, const md_config *config,
                            md_dataset *train, md_dataset *val, const md_train_options *options)
{
    md_status st = MD_OK;
    md_trainer *trainer = NULL;
    md_train_options read = md_train_options_default();
    TRY(GIVEN(out));
    TRY(check_arguments(model, config, train));
    TRY(options_read(&read, sizeof read, options, "md_train_options"));
    TRY(memory_zeroed(&model->context->memory, &trainer, 1, sizeof *trainer));
    trainer->model = model_retain(model);
    trainer->train = dataset_retain(train);
    trainer->val = val ? dataset_retain(val) : NULL;
    TRY(config_copy(&trainer->config, config ? config->config : model->config.config));
    TRY(start(trainer, &read));
    model_forget_thresholds(model);
    take_info(trainer);
    *out = trainer;
    return MD_OK;
fail:
    md_trainer_free(trainer);
    return st;
}

void md_trainer_free(md_trainer *trainer)
{
    if (!trainer)
        return;
    struct memory *memory = &trainer->model->context->memory;
    md_model *model = trainer->model;
    trainer_free(trainer->trainer);
    config_free(trainer->config);
    memory_free(memory, trainer->output_dir);
    dataset_release(trainer->train);
    dataset_release(trainer->val);
    group_release(trainer->group);
    memory_free(memory, trainer);
    model_release(model);
}

/* ---- work --------------------------------------------------------------------------------- */

md_status md_trainer_step(md_trainer *trainer)
{
    md_status st = MD_OK;
    TRY(GIVEN(trainer));
    st = trainer_step(trainer->trainer);
    take_info(trainer);
fail:
    return st;
}

const md_train_info *md_trainer_info(const md_trainer *trainer)
{
    return trainer ? &trainer->info : NULL;
}

md_status md_trainer_run(md_trainer *trainer, md_train_fn on_step, void *user)
{
    md_status st = MD_OK;
    while ((st = md_trainer_step(trainer)) == MD_OK)
        if (on_step && on_step(user, md_trainer_info(trainer)) != MD_OK)
            return ERROR(MD_ESTOPPED, "stopped by on_step after %lld steps",
                         (long long)md_trainer_info(trainer)->iteration);
    return st == MD_END ? MD_OK : st;
}

md_status md_trainer_validate(md_trainer *trainer, double *loss)
{
    md_status st = MD_OK;
    TRY(GIVEN(trainer));
    TRY(GIVEN(loss));
    if (!trainer->val)
        FAIL(MD_EINVAL, "md_trainer_validate: the trainer was made without val");
    TRY(trainer_validate(trainer->trainer, loss));
fail:
    return st;
}

md_status md_trainer_save(md_trainer *trainer, const char *path)
{
    md_status st = MD_OK;
    TRY(GIVEN(trainer));
    TRY(GIVEN(path));
    TRY(trainer_save(trainer->trainer, path));
fail:
    return st;
}

void md_trainer_stop(md_trainer *trainer)
{
    if (trainer)
        trainer_stop(trainer->trainer);
}

/* ---- what fits ------------------------------------------------------------------------------ */

/* What is free on the model's device, as md_device_query has it. */
static md_status free_memory(void *context, uint64_t *bytes)
{
    md_status st = MD_OK;
    const struct device *device = ((const md_model *)context)->context->device;
    md_device_info info;
    char name[sizeof info.name];
    if (device->backend->device_query)
        snprintf(name, sizeof name, "%.8s:%d", device->backend->name, device->index);
    else
        snprintf(name, sizeof name, "%s", device->backend->name);
    for (size_t i = 0; i < md_device_count(); i++) {
        TRY(md_device_query(i, &info));
        if (strcmp(info.name, name) == 0) {
            *bytes = info.memory_free;
            return MD_OK;
        }
    }
    FAIL(MD_EINTERNAL, "the device %s is not among the devices", name);
fail:
    return st;
}

/* Keeps what the caller is told of it. */
struct free_before {
    md_model *model;
    uint64_t bytes;
};

static md_status note_free_memory(void *context, uint64_t *bytes)
{
    struct free_before *before = context;
    md_status st = free_memory(before->model, bytes);
    before->bytes = *bytes;
    return st;
}

md_status md_train_fit_find(md_train_fit *out, md_model *model, const md_config *config)
{
    md_status st = MD_OK;
    struct typed_config typed;
    struct fit fit;
    struct free_before before = {.model = model};
    TRY(GIVEN(out));
    TRY(GIVEN(model));
    if (config)
        TRY(check_network(model, config->config));
    TRY(config_typed(config ? config->config : model->config.config, &typed));
    TRY(fit_find(&fit, model->detector, &typed, note_free_memory, &before));
    *out = (md_train_fit){fit.images, fit.bytes, before.bytes, fit.height, fit.width};
fail:
    return st;
}
