/* trainer_files.c - what the training loop writes: checkpoints, metrics, logs, plots. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/strings.h"
#include "train/trainer_state.h"

/* ---- checkpoints ------------------------------------------------------------------------ */

void trainer_fill_state(const struct trainer *trainer, struct checkpoint_state *state)
{
    *state = (struct checkpoint_state){.iteration = trainer->info.iteration,
                                       .seed = trainer->seed,
                                       .early_stop = trainer->early_stop,
                                       .gradient_scale = (uint64_t)trainer->scale[0],
                                       .scale_steps = (uint64_t)trainer->scale[1],
                                       .momentum_started = trainer->momentum_started,
                                       .validation_due = trainer->validation_due};
    if (trainer->group.in_step)
        state->loader = trainer->group.before;
    else
        loader_state(trainer->loader, &state->loader);
}

static struct checkpoint_content content_of(const struct trainer *trainer,
                                            const struct checkpoint_state *state)
{
    return (struct checkpoint_content){.config_yaml = trainer->config_yaml.data,
                                       .class_names = trainer->options.class_names,
                                       .class_count = trainer->options.typed.model.roi.num_classes,
                                       .state = state};
}

/* A step with finite gradients can still overflow; such weights must not replace good ones. */
static md_status check_weights(struct trainer *trainer)
{
    const struct param *culprit = NULL;
    md_status st =
        optimizer_check_values(&trainer->optimizer, session_stream(trainer->session), &culprit);
    if (st < 0 || !culprit)
        return st;
    return ERROR(MD_ENOTFINITE,
                 "%s is not finite after iteration %lld, learning rate %g; the last checkpoint is "
                 "kept; lower SOLVER.BASE_LR or lengthen SOLVER.WARMUP_ITERS",
                 culprit->spec.name, (long long)trainer->info.iteration - 1,
                 trainer->info.learning_rate);
}

/* Turns what the disk did wrong into a warning. */
static md_status forgive(struct trainer *trainer, md_status st, bool *saved)
{
    *saved = st >= 0;
    if (st != MD_EIO)
        return st;
    trainer->info.save_failures++;
    log_write(&trainer->folder.log, MD_LOG_WARN, "not saved, training goes on: %s", error_text());
    return MD_OK;
}

static md_status write_last(struct trainer *trainer)
{
    md_status st = MD_OK;
    struct checkpoint_state state;
    trainer_fill_state(trainer, &state);
    const struct checkpoint_content content = content_of(trainer, &state);
    TRY(checkpoint_save_last(trainer->options.detector, session_stream(trainer->session),
                             trainer->folder.checkpoints, &content));
    trainer->info.saved_iteration = trainer->info.iteration;
    TRY(run_folder_put(&trainer->folder, "last_checkpoint", "checkpoints/last.safetensors"));
fail:
    return st;
}

md_status trainer_save_last(struct trainer *trainer)
{
    md_status st = MD_OK;
    bool saved = false;
    if (!trainer->folder.path)
        return MD_OK;
    TRY(check_weights(trainer));
    TRY(forgive(trainer, write_last(trainer), &saved));
fail:
    return st;
}

/* The averaged ones where there are any. */
static md_status write_shown(struct trainer *trainer, const char *path,
                             const struct checkpoint_content *content)
{
    struct stream *stream = session_stream(trainer->session);
    md_status st = ema_show(&trainer->ema, stream);
    if (st == MD_OK)
        st = checkpoint_write(trainer->options.detector, stream, path, content);
    md_status hidden = ema_hide(&trainer->ema, stream);
    return st == MD_OK ? hidden : st;
}

/* last.safetensors under a second name, which costs no room until `last` moves on; a copy where the
 * file system knows no second names. */
static md_status write_numbered(struct trainer *trainer)
{
    md_status st = MD_OK;
    char *last = NULL, *numbered = NULL, name[32];
    const struct run_folder *folder = &trainer->folder;
    snprintf(name, sizeof name, "iter_%lld", (long long)trainer->info.iteration);
    TRY(run_folder_checkpoint(folder, &last, "last"));
    TRY(run_folder_checkpoint(folder, &numbered, name));
    file_remove(numbered);
    if (link(last, numbered) < 0)
        TRY(trainer_save(trainer, numbered));
    TRY(run_folder_prune(folder, trainer->options.typed.solver.max_to_keep));
fail:
    memory_free(trainer->memory, last);
    memory_free(trainer->memory, numbered);
    return st;
}

md_status trainer_save_numbered(struct trainer *trainer)
{
    bool saved = false;
    if (!trainer->folder.path || trainer->options.typed.solver.max_to_keep == 0 ||
        trainer->info.saved_iteration != trainer->info.iteration)
        return MD_OK;
    return forgive(trainer, write_numbered(trainer), &saved);
}

/* With notes of when, by what best is chosen, and the value of that and the loss. */
static md_status write_weights(struct trainer *trainer, const char *name)
{
    md_status st = MD_OK;
    const struct scores *scores = &trainer->scores;
    const md_metric *loss = &scores->items[SCORE_LOSS], *watched = &scores->items[trainer->watched];
    char iteration[32], loss_text[FORMAT_DOUBLE_BYTES], watched_text[FORMAT_DOUBLE_BYTES];
    const char *keys[4] = {"iteration", "best_metric"};
    const char *values[4] = {iteration, watched->name};
    struct checkpoint_content content = content_of(trainer, NULL);
    char *path = NULL;
    snprintf(iteration, sizeof iteration, "%lld", (long long)trainer->info.iteration);
    format_double(loss_text, loss->value);
    format_double(watched_text, watched->value);
    content.note_keys = keys;
    content.note_values = values;
    content.note_count = 2;
    if (!isnan(loss->value)) {
        keys[content.note_count] = loss->name;
        values[content.note_count++] = loss_text;
    }
    if (watched != loss && !isnan(watched->value)) {
        keys[content.note_count] = watched->name;
        values[content.note_count++] = watched_text;
    }
    TRY(run_folder_checkpoint(&trainer->folder, &path, name));
    TRY(write_shown(trainer, path, &content));
fail:
    memory_free(trainer->memory, path);
    return st;
}

md_status trainer_save_best(struct trainer *trainer, bool *saved)
{
    md_status st = MD_OK;
    *saved = true;
    if (!trainer->folder.path)
        return MD_OK;
    TRY(check_weights(trainer));
    TRY(forgive(trainer, write_weights(trainer, "best"), saved));
fail:
    return st;
}

/* A run that was complete before it was resumed has it already. */
md_status trainer_save_final(struct trainer *trainer)
{
    md_status st = MD_OK;
    char *path = NULL;
    bool saved = false;
    if (!trainer->folder.path)
        return MD_OK;
    TRY(run_folder_checkpoint(&trainer->folder, &path, "final"));
    if (trainer->info.iteration == trainer->first_iteration && file_exists(path))
        goto fail;
    TRY(check_weights(trainer));
    TRY(forgive(trainer, write_weights(trainer, "final"), &saved));
fail:
    memory_free(trainer->memory, path);
    return st;
}

md_status trainer_save(struct trainer *trainer, const char *path)
{
    md_status st = MD_OK;
    struct checkpoint_state state;
    trainer_fill_state(trainer, &state);
    const struct checkpoint_content content = content_of(trainer, &state);
    TRY(check_weights(trainer));
    TRY(checkpoint_write(trainer->options.detector, session_stream(trainer->session), path,
                         &content));
fail:
    return st;
}

/* ---- metrics ---------------------------------------------------------------------------- */

static md_status put_losses(struct metrics *metrics, const struct step_losses *losses,
                            int64_t iteration)
{
    const struct {
        const char *name;
        float value;
    } parts[] = {{"total_loss", losses->total},
                 {"loss_cls", losses->cls},
                 {"loss_box_reg", losses->box_reg},
                 {"loss_rpn_cls", losses->rpn_cls},
                 {"loss_rpn_loc", losses->rpn_loc},
                 {"rpn/num_pos_anchors", losses->num_pos_anchors},
                 {"rpn/num_neg_anchors", losses->num_neg_anchors},
                 {"roi_head/num_fg_samples", losses->num_fg_samples},
                 {"roi_head/num_bg_samples", losses->num_bg_samples},
                 {"fast_rcnn/cls_accuracy", losses->cls_accuracy},
                 {"fast_rcnn/fg_cls_accuracy", losses->fg_cls_accuracy},
                 {"fast_rcnn/false_negative", losses->false_negative}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (isnan(parts[i].value))
            continue; /* no foreground to speak of */
        md_status st = metrics_put(metrics, parts[i].name, (double)parts[i].value, iteration, true);
        if (st < 0)
            return st;
    }
    return MD_OK;
}

/* The first steps of a process are slow and say nothing about the others. */
enum { WARM_UP_STEPS = 3 };

md_status trainer_put_metrics(struct trainer *trainer, double seconds, double data_seconds,
                              double longest)
{
    md_status st = MD_OK;
    struct train_info *info = &trainer->info;
    const int images = trainer->host.count * group_size(trainer->options.group);
    struct metrics *metrics = trainer->metrics;
    int64_t iteration = info->iteration - 1;
    double median = seconds;
    TRY(put_losses(metrics, &info->losses, iteration));
    TRY(metrics_put(metrics, "lr", info->learning_rate, iteration, false));
    TRY(metrics_put(metrics, "data_time", longest, iteration, true));
    TRY(metrics_put(metrics, "rank_data_time", data_seconds, iteration, true));
    if (info->iteration - trainer->first_iteration >= WARM_UP_STEPS) {
        TRY(metrics_put(metrics, "time", seconds, iteration, true));
        TRY(metrics_put_eta(metrics, iteration, info->max_iter));
    }
    metrics_median(metrics, "time", &median);
    info->images_per_second = median > 0.0 ? (double)images / median : 0.0;
    info->eta_seconds = median * (double)(info->max_iter - info->iteration);
    metrics_latest(metrics, "eta_seconds", &info->eta_seconds);
fail:
    return st;
}

md_status trainer_put_scores(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct train_info *info = &trainer->info;
    const struct scores *scores = &trainer->scores;
    int64_t iteration = info->iteration - 1;
    const char *best = trainer->watched == SCORE_LOSS ? "best_loss" : "best_value";
    for (size_t i = 0; i < scores->count; i++)
        TRY(metrics_put(trainer->metrics, scores->items[i].name, scores->items[i].value, iteration,
                        false));
    if (trainer->early_stop.has_best)
        TRY(metrics_put(trainer->metrics, best, info->best_value, iteration, false));
fail:
    return st;
}

/* A message for each line: a table would be longer than one may be. */
static void log_lines(const struct log *log, char *text)
{
    for (char *line = text, *end; line && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        log_write(log, MD_LOG_INFO, "%s", line);
    }
}

md_status trainer_log_scores(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct train_info *info = &trainer->info;
    const struct log *log = &trainer->folder.log;
    const char *verdict = info->improved ? ", the best so far" : "";
    const md_metric *watched = &trainer->scores.items[trainer->watched];
    buffer_clear(&trainer->text);
    TRY(scores_put_tables(&trainer->scores, &trainer->text));
    if (trainer->text.length > 0)
        log_lines(log, trainer->text.data);
    if (trainer->watched == SCORE_LOSS)
        log_write(log, MD_LOG_INFO, "val_loss %.6g after %lld iterations%s", info->val_loss,
                  (long long)info->iteration, verdict);
    else
        log_write(log, MD_LOG_INFO, "val_loss %.6g, %s %.3f after %lld iterations%s",
                  info->val_loss, watched->name, watched->value, (long long)info->iteration,
                  verdict);
fail:
    return st;
}

static md_status write_my_log(struct trainer *trainer)
{
    const struct train_info *info = &trainer->info;
    struct my_log_line line = {.iteration = info->iteration,
                               .train_loss = (double)info->losses.total,
                               .val_loss = info->val_loss,
                               .learning_rate = info->learning_rate};
    metrics_median(trainer->metrics, "total_loss", &line.train_loss);
    if (trainer->scores.count > SCORE_AP)
        line.scores = trainer->scores.items + SCORE_AP;
    return run_folder_append_my_log(&trainer->folder, &line);
}

/* Nothing when no step was made since the last lines. */
md_status trainer_write_lines(struct trainer *trainer)
{
    md_status st = MD_OK;
    const struct train_info *info = &trainer->info;
    bool saved = false;
    buffer_clear(&trainer->text);
    TRY(metrics_put_json(trainer->metrics, &trainer->text));
    if (trainer->text.length == 0)
        return MD_OK;
    TRY(forgive(trainer, run_folder_append_metrics(&trainer->folder, &trainer->text), &saved));
    buffer_clear(&trainer->text);
    TRY(metrics_put_events(trainer->metrics, run_folder_clock(), &trainer->text));
    TRY(forgive(trainer, run_folder_append_events(&trainer->folder, &trainer->text), &saved));
    if (info->iteration % LOG_PERIOD != 0 && info->iteration != info->max_iter && !info->validated)
        return MD_OK;
    TRY(forgive(trainer, write_my_log(trainer), &saved));
    buffer_clear(&trainer->text);
    TRY(metrics_put_line(trainer->metrics, info->iteration - 1, -1.0, &trainer->text));
    log_write(&trainer->folder.log, MD_LOG_INFO, "%s", trainer->text.data);
fail:
    return st;
}

md_status trainer_plot(struct trainer *trainer)
{
    md_status st = run_folder_plot(&trainer->folder, trainer->info.best_iteration);
    if (st == MD_EIO)
        log_write(&trainer->folder.log, MD_LOG_WARN, "no plot: %s", error_text());
    return st == MD_EIO ? MD_OK : st;
}
