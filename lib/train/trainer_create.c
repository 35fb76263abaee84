/* trainer_create.c - from options to a trainer that is ready for its next step. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/error.h"
#include "core/strings.h"
#include "train/trainer_group.h"

enum {
    READ_AHEAD = 2,       /* batches */
    FIRST_SCALE = 1 << 16 /* of gradients in fp16, as torch's GradScaler */
};

/* ---- checks ----------------------------------------------------------------------------- */

static md_status check_classes(const struct trainer_options *options, const struct dataset *dataset,
                               const char *which)
{
    int count = options->typed.model.roi.num_classes;
    if (dataset->class_count != count)
        return ERROR(MD_EMISMATCH,
                     "the %s set has %d classes, the model %d; set MODEL.ROI_HEADS.NUM_CLASSES %d",
                     which, dataset->class_count, count, dataset->class_count);
    for (int i = 0; i < count; i++)
        if (strcmp(dataset->class_names[i], options->class_names[i]) != 0)
            return ERROR(MD_EMISMATCH,
                         "class %d is '%s' in the %s set and '%s' in the model; open the set with "
                         "the model's classes",
                         i, dataset->class_names[i], which, options->class_names[i]);
    return MD_OK;
}

static md_status check_options(const struct trainer_options *options)
{
    md_status st = MD_OK;
    int classes = options->detector->config.roi.num_classes;
    if (classes != options->typed.model.roi.num_classes)
        FAIL(MD_EMISMATCH,
             "the model has %d classes, MODEL.ROI_HEADS.NUM_CLASSES is %d; use the "
             "model's configuration",
             classes, options->typed.model.roi.num_classes);
    TRY(check_classes(options, options->train, "training"));
    if (options->val)
        TRY(check_classes(options, options->val, "validation"));
    if (options->train->image_count == 0 || (options->val && options->val->image_count == 0))
        FAIL(MD_EINVAL, "the %s set has no images",
             options->train->image_count == 0 ? "training" : "validation");
fail:
    return st;
}

/* ---- seed and configuration ------------------------------------------------------------- */

/* Below 2^48, so that a configuration can hold it. */
static uint64_t draw_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)(clock_seconds() * 1e9);
    return seed & (((uint64_t)1 << 48) - 1);
}

/* The text that goes into config.yaml and every checkpoint: with the seed that is in use. */
static md_status dump_config(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct config *config = NULL;
    char seed[24];
    TRY(config_copy(&config, trainer->options.config));
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)trainer->seed);
    TRY(config_set(config, "SEED", seed));
    TRY(config_dump(config, &trainer->config_yaml));
    TRY(run_folder_put(&trainer->folder, "config.yaml", trainer->config_yaml.data));
fail:
    config_free(config);
    return st;
}

/* ---- parts ------------------------------------------------------------------------------ */

static bool has_color(const struct input_config *input)
{
    const double *const ranges[] = {input->brightness, input->contrast, input->saturation};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (ranges[i][0] != 1 || ranges[i][1] != 1)
            return true;
    return input->lighting > 0;
}

/* Keeps a pointer to the sizes of `input`. */
static struct augment_options augment_of(const struct input_config *input)
{
    const struct crop_config *crop = &input->crop;
    return (struct augment_options){
        .min_sizes = input->min_size_train,
        .min_size_count = input->min_size_train_count,
        .range = input->min_size_train_range,
        .max_size = input->max_size_train,
        .flip_probability = input->flip_probability,
        .flip_vertical = input->flip_vertical,
        .crop = {crop->enabled, crop->absolute, crop->range, {crop->size[0], crop->size[1]}},
        .color = {.enabled = has_color(input),
                  .brightness = {input->brightness[0], input->brightness[1]},
                  .contrast = {input->contrast[0], input->contrast[1]},
                  .saturation = {input->saturation[0], input->saturation[1]},
                  .lighting = input->lighting}};
}

static md_status open_loader(struct trainer *trainer, const struct loader_state *state)
{
    const struct trainer_options *options = &trainer->options;
    const struct input_config *input = &options->typed.input;
    const struct solver_config *solver = &options->typed.solver;
    int threads = options->detector->device->threads;
    const struct loader_options loader = {
        .batch_size = solver->ims_per_batch,
        .share = group_rank(options->group),
        .shares = group_size(options->group),
        .training = true,
        .group_by_aspect = input->aspect_ratio_grouping,
        .filter_empty = input->filter_empty,
        .skip_broken = input->skip_broken_images,
        .repeat_threshold = input->repeat_threshold,
        .repeat_sqrt = input->repeat_sqrt,
        .subset_ratio = input->subset_ratio,
        .augment = augment_of(input),
        .threads = solver->num_workers < threads ? solver->num_workers : threads,
        .read_ahead = READ_AHEAD,
        .seed = trainer->seed};
    return loader_create(&trainer->loader, trainer->memory, &trainer->folder.log, options->train,
                         &loader, state);
}

/* Before anything of an earlier run is overwritten: the name of the metric may be wrong. */
static md_status create_scores(struct trainer *trainer)
{
    static const char KEY[] = "MDET.BEST.METRIC";
    md_status st = MD_OK;
    const struct trainer_options *options = &trainer->options;
    const struct solver_config *solver = &options->typed.solver;
    struct scores *scores = &trainer->scores;
    const char *metric = NULL;
    TRY(config_get_string(options->config, KEY, &metric));
    TRY(scores_create(scores, trainer->memory, options->class_names,
                      options->typed.model.roi.num_classes, solver->validate_ap));
    TRY(scores_find(scores, KEY, metric, &trainer->watched));
    metric = scores->items[trainer->watched].name;
    TRY(early_stop_init(&trainer->early_stop, metric, trainer->watched == SCORE_LOSS,
                        solver->early_stop_patience, solver->early_stop_min_delta));
    trainer->info.best_metric = metric;
    trainer->info.metrics = scores->items;
    trainer->info.metric_count = scores->count;
    trainer_take_best(trainer);
fail:
    return st;
}

static md_status create_parts(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct trainer_options *options = &trainer->options;
    const struct solver_config *solver = &options->typed.solver;
    TRY(schedule_init(&trainer->schedule, solver, &trainer->folder.log));
    TRY(optimizer_create(&trainer->optimizer, options->detector->params, solver));
    TRY(ema_create(&trainer->ema, options->detector->params, solver));
    TRY(session_create(&trainer->session, options->detector, options->typed.input.bgr));
    TRY(metrics_create(&trainer->metrics, trainer->memory));
    TRY(reducer_create(&trainer->group.reducer, trainer->memory, options->group,
                       options->detector->params));
fail:
    return st;
}

static void log_start(const struct trainer *trainer)
{
    const struct log *log = &trainer->folder.log;
    log_write(log, MD_LOG_INFO, "training on %zu images, seed %llu, iteration %lld to %lld",
              loader_image_count(trainer->loader), (unsigned long long)trainer->seed,
              (long long)trainer->info.iteration, (long long)trainer->info.max_iter);
    if (group_size(trainer->options.group) > 1)
        log_write(log, MD_LOG_INFO, "%d processes share each batch",
                  group_size(trainer->options.group));
    if (trainer->ema.params)
        log_write(log, MD_LOG_INFO,
                  "validation, best and final use the running average of the weights, decay %g",
                  trainer->ema.decay);
    if (!trainer->options.val)
        log_write(log, MD_LOG_INFO,
                  "without a validation set there is no best model and no early "
                  "stop; final.safetensors is the result");
}

md_status trainer_create(struct trainer **out, struct memory *memory,
                         const struct trainer_options *options)
{
    struct trainer *trainer = NULL;
    struct checkpoint_state state = {.iteration = 0};
    bool own = false;
    md_status st = check_options(options);
    if (st < 0)
        return st;
    TRY(memory_zeroed(memory, &trainer, 1, sizeof *trainer));
    trainer->memory = memory;
    trainer->options = *options;
    atomic_init(&trainer->stop, false);
    buffer_init(&trainer->config_yaml, memory);
    buffer_init(&trainer->text, memory);
    host_batch_init(&trainer->host, memory);
    int64_t seed = options->typed.solver.seed;
    trainer->seed = seed >= 0 ? (uint64_t)seed : draw_seed();
    trainer->info = (struct train_info){
        .max_iter = options->typed.solver.max_iter, .val_loss = (double)NAN, .saved_iteration = -1};
    if (options->typed.solver.deterministic) /* engines are chosen from now on */
        options->detector->device->deterministic = true;
    TRY(trainer_join(trainer));
    TRY(create_scores(trainer));
    TRY(trainer_check_resume(&trainer->options));
    options = &trainer->options; /* as they are for this process */
    TRY(run_folder_open(&trainer->folder, memory, options->output_dir, options->resume,
                        options->overwrite, options->log));
    TRY(trainer_agree(trainer));
    trainer->options.output_dir = trainer->folder.path;
    trainer->parts = options->typed.solver.accumulate;
    TRY(create_parts(trainer));
    if (tensor_given(&trainer->optimizer.scale))
        trainer->scale[0] = FIRST_SCALE;
    TRY(trainer_resume(trainer, &state, &own));
    TRY(trainer_share_start(trainer, &state, &own));
    TRY(optimizer_set_scale(&trainer->optimizer, session_stream(trainer->session), trainer->scale));
    if (!state.has_average)
        TRY(ema_start(&trainer->ema, session_stream(trainer->session)));
    TRY(open_loader(trainer, own ? &state.loader : NULL));
    TRY(dump_config(trainer));
    TRY(run_folder_trim(&trainer->folder, trainer->info.iteration));
    trainer->first_iteration = trainer->info.iteration;
    trainer->started = clock_seconds();
    log_start(trainer);
    *out = trainer;
    return MD_OK;
fail:
    trainer_free(trainer);
    return st;
}

void trainer_free(struct trainer *trainer)
{
    if (!trainer)
        return;
    loader_free(trainer->loader); /* its workers write to the log */
    reducer_free(&trainer->group.reducer);
    memory_free(trainer->memory, trainer->group.reports);
    host_batch_free(&trainer->host);
    metrics_free(trainer->metrics);
    optimizer_free(&trainer->optimizer);
    ema_free(&trainer->ema);
    scores_free(&trainer->scores);
    session_free(trainer->session);
    buffer_free(&trainer->config_yaml);
    buffer_free(&trainer->text);
    run_folder_close(&trainer->folder);
    memory_free(trainer->memory, trainer);
}
