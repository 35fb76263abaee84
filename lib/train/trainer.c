/* trainer.c - the training loop: a step, and what is due after it. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "train/batch_parts.h"
#include "train/trainer_group.h"
#include "train/validation.h"

const struct train_info *trainer_info(const struct trainer *trainer)
{
    return &trainer->info;
}

void trainer_stop(struct trainer *trainer)
{
    atomic_store(&trainer->stop, true);
}

/* ---- what is not finite ----------------------------------------------------------------- */

/* The images of a batch as far as they fit. */
static void name_images(const struct trainer *trainer, const struct batch *batch, char *text,
                        size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < batch->count; i++) {
        const char *name = trainer->options.train->images[batch->samples[i].image_index].name;
        size_t room = size - used;
        int length = snprintf(text + used, room, "%s%s", i ? ", " : "", name);
        if (length < 0 || (size_t)length >= room) {
            snprintf(text + used, room, "%s", i ? ", ..." : "");
            return;
        }
        used += (size_t)length;
    }
}

static md_status not_finite(const struct trainer *trainer, const struct batch *batch,
                            const char *what, double lr)
{
    char images[200];
    name_images(trainer, batch, images, sizeof images);
    md_status st =
        ERROR(MD_ENOTFINITE,
              "%s is not finite at iteration %lld, learning rate %g, images %s%s; lower "
              "SOLVER.BASE_LR, lengthen SOLVER.WARMUP_ITERS, or check these images' boxes",
              what, (long long)trainer->info.iteration, lr, images,
              group_size(trainer->options.group) > 1 ? " or those of another process" : "");
    run_folder_note(&trainer->folder, MD_LOG_ERROR, error_text());
    return st;
}

/* In fp16 gradients may become too large; then the step was left out and their scale has been halved,
 * as long as that can help. */
static bool is_overflow(const struct trainer *trainer, const struct step_losses *losses)
{
    if (losses->scale[0] == 0 || trainer->scale[0] <= 1)
        return false;
    log_write(&trainer->folder.log, MD_LOG_INFO,
              "iteration %lld left out: gradients overflow in fp16; their scale is now %g",
              (long long)trainer->info.iteration, (double)losses->scale[0]);
    return true;
}

static md_status check_finite(struct trainer *trainer, const struct batch *batch,
                              const struct step_losses *losses, double lr)
{
    const struct {
        const char *name;
        float value;
    } parts[] = {{"loss_rpn_cls", losses->rpn_cls},
                 {"loss_rpn_loc", losses->rpn_loc},
                 {"loss_cls", losses->cls},
                 {"loss_box_reg", losses->box_reg},
                 {"total_loss", losses->total}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!isfinite(parts[i].value))
            return not_finite(trainer, batch, parts[i].name, lr);
    const struct param *culprit = NULL;
    if (losses->finite || is_overflow(trainer, losses))
        return MD_OK;
    md_status st =
        optimizer_check_gradients(&trainer->optimizer, session_stream(trainer->session), &culprit);
    if (st < 0 || !culprit)
        return st;
    char what[160];
    snprintf(what, sizeof what, "the gradient of %s", culprit->spec.name);
    return not_finite(trainer, batch, what, lr);
}

/* ---- one step --------------------------------------------------------------------------- */

/* Gradients that are not finite change nothing. */
static md_status update(void *context, struct stream *stream, const struct step_controls *controls)
{
    md_status st = MD_OK;
    struct trainer *trainer = context;
    struct optimizer *optimizer = &trainer->optimizer;
    TRY(reducer_finish(&trainer->group.reducer));
    TRY(optimizer_step(optimizer, stream, &controls->numbers, !trainer->momentum_started));
    TRY(ema_update(&trainer->ema, stream, &controls->numbers, &optimizer->flag));
fail:
    return st;
}

/* As many parts as the batch needs to fit into the device's memory; the result is that of the whole
 * batch up to rounding. */
static md_status compute(struct trainer *trainer, struct step_losses *losses,
                         const struct step_values *values, const struct session_update *after)
{
    const struct host_batch *host = &trainer->host;
    const bool own_memory = trainer->options.detector->device->backend->device_query != NULL;
    bool shrunk = false;
    for (;;) {
        md_status st = batch_parts_losses(trainer->session, &trainer->optimizer, losses, host,
                                          trainer->parts, values, after);
        const int more = trainer->parts > 0 ? 2 * trainer->parts : 2;
        if (st < 0)
            reducer_abandon(&trainer->group.reducer);
        if (st != MD_ENOMEM || !own_memory || (shrunk && more > host->count))
            return st;
        session_shrink(trainer->session);
        if (!shrunk) {
            shrunk = true;
            continue;
        }
        trainer->parts = more;
        st = optimizer_prepare_parts(&trainer->optimizer);
        if (st < 0)
            return st;
        log_write(&trainer->folder.log, MD_LOG_WARN,
                  "out of device memory: from iteration %lld on a batch of %d images passes in %d "
                  "parts; the gradients are the same",
                  (long long)trainer->info.iteration, host->count, more);
    }
}

/* The step is made; what remains is to write it down. */
static md_status note_step(struct trainer *trainer, const struct step_losses *losses, double lr,
                           double start, double data_seconds)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    struct step_losses of_all = *losses;
    double longest = data_seconds;
    optimizer_stepped(&trainer->optimizer);
    if (losses->scale[0] > 0)
        memcpy(trainer->scale, losses->scale, sizeof trainer->scale);
    trainer->momentum_started = true;
    trainer->group.in_step = false;
    info->iteration++;
    TRY(trainer_share_losses(trainer, &of_all, &longest));
    info->learning_rate = lr;
    info->losses = of_all;
    info->skipped_images = loader_skipped(trainer->loader) + trainer->val_skipped;
    TRY(trainer_put_metrics(trainer, clock_seconds() - start, data_seconds, longest));
fail:
    return st;
}

static md_status run_step(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct train_info *info = &trainer->info;
    const struct batch *batch = NULL;
    struct step_losses losses;
    double lr = schedule_lr(&trainer->schedule, info->iteration);
    double kept = ema_share(&trainer->ema, info->iteration);
    const struct group *group = trainer->options.group;
    const struct reducer *reducer = &trainer->group.reducer;
    const struct step_values values = {.seed = trainer->seed,
                                       .iteration = (uint64_t)info->iteration,
                                       .first_image = (uint64_t)group_rank(group),
                                       .image_step = group_size(group),
                                       .lr = (float)lr,
                                       .average_kept = (float)kept,
                                       .average_added = (float)(1.0 - kept)};
    const struct session_update after = {.run = update,
                                         .context = trainer,
                                         .watch = reducer->pool ? &reducer->watch : NULL,
                                         .kind = trainer->momentum_started,
                                         .scale = trainer->optimizer.scale,
                                         .finite = trainer->optimizer.flag};
    double start = clock_seconds();
    loader_state(trainer->loader, &trainer->group.before);
    trainer->group.in_step = true;
    TRY(loader_next(trainer->loader, &batch));
    double data_seconds = clock_seconds() - start;
    trainer->waited += data_seconds;
    TRY(host_batch_set(&trainer->host, batch));
    TRY(compute(trainer, &losses, &values, &after));
    TRY(check_finite(trainer, batch, &losses, lr));
    TRY(note_step(trainer, &losses, lr, start, data_seconds));
fail:
    return st < 0 ? st : MD_OK;
}

/* ---- validation ------------------------------------------------------------------------- */

static md_status validate(struct trainer *trainer, struct validation_result *result,
                          const struct detect_options *detect, atomic_bool *stop)
{
    const struct trainer_options *options = &trainer->options;
    int workers = options->typed.solver.num_workers;
    int threads = options->detector->device->threads;
    const struct validation_options validation = {.dataset = options->val,
                                                  .input = &options->typed.input,
                                                  .threads = workers < threads ? workers : threads,
                                                  .skip_broken =
                                                      options->typed.input.skip_broken_images,
                                                  .detect = detect,
                                                  .log = &trainer->folder.log,
                                                  .group = options->group,
                                                  .stop = stop};
    struct stream *stream = session_stream(trainer->session);
    md_status st = trainer_share_statistics(trainer);
    if (st == MD_OK)
        st = ema_show(&trainer->ema, stream);
    if (st == MD_OK)
        st = validation_run(trainer->session, &trainer->host, &validation, result);
    md_status hidden = ema_hide(&trainer->ema, stream);
    if (st == MD_OK && hidden < 0)
        validation_result_free(result, trainer->memory);
    if (st >= 0 && hidden < 0)
        return hidden;
    if (st == MD_OK)
        trainer->val_skipped = result->skipped;
    return st;
}

md_status trainer_validate(struct trainer *trainer, double *loss)
{
    if (!trainer->options.val)
        return ERROR(MD_EINVAL, "there is no validation set; give one when the trainer is made");
    struct validation_result result;
    md_status st = validate(trainer, &result, NULL, NULL);
    if (st == MD_OK)
        *loss = result.loss;
    return st;
}

void trainer_take_best(struct trainer *trainer)
{
    struct train_info *info = &trainer->info;
    const struct early_stop *stop = &trainer->early_stop;
    info->best_value = stop->has_best ? stop->best : (double)NAN;
    info->best_loss = trainer->watched == SCORE_LOSS ? info->best_value : (double)NAN;
    info->best_iteration = stop->best_iteration;
    info->without_progress = stop->without_progress;
}

/* What is best is what best.safetensors holds: a best that could not be saved is none. */
static md_status note_best(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    struct early_stop *stop = &trainer->early_stop;
    const struct early_stop before = *stop;
    bool saved = true;
    info->improved =
        early_stop_update(stop, trainer->scores.items[trainer->watched].value, info->iteration);
    if (info->improved)
        TRY(trainer_save_best(trainer, &saved));
    if (!saved) {
        stop->has_best = before.has_best;
        stop->best = before.best;
        stop->best_iteration = before.best_iteration;
        info->improved = false;
    }
    trainer_take_best(trainer);
fail:
    return st;
}

/* Broken off by a stop it stays due, and is made up for when the run goes on. */
static md_status validate_if_due(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    struct validation_result result;
    const struct typed_config *typed = &trainer->options.typed;
    const struct detect_options detect = {.score_threshold = typed->model.roi.score_thresh_test,
                                          .nms_threshold = typed->model.roi.nms_thresh_test,
                                          .max_detections = typed->model.detections_per_image};
    if (!trainer->validation_due)
        return MD_OK;
    TRY(validate(trainer, &result, typed->solver.validate_ap ? &detect : NULL, &trainer->stop));
    if (st == MD_AGAIN)
        return MD_OK;
    scores_set(&trainer->scores, result.loss, result.has_ap ? &result.ap : NULL);
    validation_result_free(&result, trainer->memory);
    trainer->validation_due = false;
    info->validated = true;
    info->val_loss = trainer->scores.items[SCORE_LOSS].value;
    info->skipped_images = loader_skipped(trainer->loader) + trainer->val_skipped;
    TRY(note_best(trainer));
    TRY(trainer_put_scores(trainer));
    TRY(trainer_log_scores(trainer));
fail:
    return st;
}

/* ---- the loop --------------------------------------------------------------------------- */

static bool is_period(int64_t period, int64_t iteration)
{
    return period > 0 && iteration % period == 0;
}

static md_status after_step(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct solver_config *solver = &trainer->options.typed.solver;
    const struct train_info *info = &trainer->info;
    bool last = info->iteration == info->max_iter;
    bool save = is_period(solver->checkpoint_period, info->iteration);
    trainer->validation_due =
        trainer->options.val && (last || is_period(solver->eval_period, info->iteration));
    TRY(validate_if_due(trainer));
    if (last || save || info->validated || is_period(LOG_PERIOD, info->iteration))
        TRY(trainer_write_lines(trainer));
    if (save) {
        TRY(trainer_share_statistics(trainer));
        TRY(trainer_save_last(trainer));
        TRY(trainer_save_numbered(trainer));
    }
    if (info->validated)
        TRY(trainer_plot(trainer));
fail:
    return st;
}

static bool is_complete(const struct trainer *trainer)
{
    return trainer->info.iteration >= trainer->info.max_iter || trainer->info.stopped_early;
}

static void log_end(const struct trainer *trainer)
{
    const struct train_info *info = &trainer->info;
    int64_t steps = info->iteration - trainer->first_iteration;
    double seconds = clock_seconds() - trainer->started;
    bool early = info->iteration < info->max_iter && info->stopped_early;
    const char *why = info->iteration >= info->max_iter ? "finished"
                      : early                           ? "stopped early"
                                                        : "stopped on request";
    log_write(
        &trainer->folder.log, MD_LOG_INFO,
        "%s after %lld iterations (%lld now, in %.1f s, %.0f %% of it waiting for images)%s%s%s",
        why, (long long)info->iteration, (long long)steps, seconds,
        seconds > 0 ? 100 * trainer->waited / seconds : 0.0, early ? ": " : "",
        early ? info->best_metric : "", early ? " makes no progress" : "");
}

static md_status finish(struct trainer *trainer)
{
    md_status st = MD_OK;
    TRY(trainer_write_lines(trainer));
    TRY(trainer_share_statistics(trainer));
    if (trainer->info.saved_iteration != trainer->info.iteration)
        TRY(trainer_save_last(trainer));
    if (is_complete(trainer))
        TRY(trainer_save_final(trainer));
    TRY(trainer_plot(trainer));
    log_end(trainer);
    trainer->finished = true;
    st = MD_END;
fail:
    return st;
}

md_status trainer_step(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    if (trainer->finished)
        return MD_END;
    info->validated = info->improved = false;
    if (!trainer_stopping(trainer))
        TRY(validate_if_due(trainer));
    info->stopped_early = info->iteration < info->max_iter && early_stop_due(&trainer->early_stop);
    if (is_complete(trainer) || trainer_stopping(trainer))
        return finish(trainer);
    TRY(run_step(trainer));
    TRY(after_step(trainer));
    info->stopped_early = info->iteration < info->max_iter && early_stop_due(&trainer->early_stop);
fail:
    if (st == MD_EPEER)
        trainer_rescue(trainer);
    return st;
}
