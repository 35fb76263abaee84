/* trainer_resume.c - the checkpoint that a run goes on from: its own, or one of Detectron2. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "train/detectron2_run.h"
#include "train/trainer_state.h"

enum { NAME_LIMIT = 4096 /* bytes of last_checkpoint */ };

/* ---- a checkpoint of a run here --------------------------------------------------------- */

static void tell_if_complete(const struct trainer *trainer)
{
    const struct train_info *info = &trainer->info;
    if (info->iteration >= info->max_iter)
        log_write(&trainer->folder.log, MD_LOG_INFO,
                  "the run is complete: %lld of %lld iterations are done; a higher "
                  "SOLVER.MAX_ITER lets it go on",
                  (long long)info->iteration, (long long)info->max_iter);
}

static void take_state(struct trainer *trainer, const struct checkpoint_state *state)
{
    const struct log *log = &trainer->folder.log;
    struct train_info *info = &trainer->info;
    int64_t wanted = trainer->options.typed.solver.seed;
    if (wanted >= 0 && (uint64_t)wanted != state->seed)
        log_write(log, MD_LOG_WARN, "SEED %lld has no effect: the run goes on with its own, %llu",
                  (long long)wanted, (unsigned long long)state->seed);
    trainer->seed = state->seed;
    trainer->early_stop = state->early_stop;
    trainer->momentum_started = state->momentum_started;
    if (trainer->scale[0] > 0 && state->gradient_scale >= 1 &&
        (float)state->gradient_scale <= OPS_MOST_SCALE) {
        trainer->scale[0] = (float)state->gradient_scale;
        trainer->scale[1] = (float)state->scale_steps;
    }
    trainer->validation_due = state->validation_due && trainer->options.val;
    info->iteration = info->saved_iteration = state->iteration;
    trainer_take_best(trainer);
    if (state->early_stop.other_metric)
        log_write(log, MD_LOG_WARN,
                  "MDET.BEST.METRIC is %s, and was another one so far: the next validation is the "
                  "best again, and patience begins anew",
                  state->early_stop.metric);
    if (trainer->ema.params && !state->has_average)
        log_write(log, MD_LOG_INFO,
                  "the checkpoint has no averaged weights: the average begins with its weights");
    if (!trainer->ema.params && state->has_average)
        log_write(log, MD_LOG_WARN,
                  "MDET.EMA.ENABLED is False: the checkpoint's averaged weights are dropped");
}

/* ---- a checkpoint of Detectron2 --------------------------------------------------------- */

/* Its order of images and random numbers are not in the file, so ours begin anew. */
static md_status take_detectron2(struct trainer *trainer, struct weights_file *file)
{
    md_status st = MD_OK;
    struct detectron2_run run;
    const struct log *log = &trainer->folder.log;
    const struct trainer_options *options = &trainer->options;
    TRY(detectron2_run_load(&run, options->detector, session_stream(trainer->session), file, log));
    detectron2_run_compare(&run, file, &options->typed.solver, &trainer->schedule, log);
    trainer->momentum_started = run.has_momentum;
    trainer->info.iteration = run.iteration;
    log_write(
        log, MD_LOG_INFO,
        "going on from %s, a checkpoint of Detectron2, %lld iterations done; the order of the "
        "images begins anew",
        file->path, (long long)run.iteration);
    log_write(log, MD_LOG_INFO,
              "class 0 is %s: the order of the classes must be that of the run so far",
              options->class_names[0]);
fail:
    return st;
}

static md_status take_file(struct trainer *trainer, const char *path,
                           struct checkpoint_state *state, bool *own)
{
    md_status st = MD_OK;
    struct weights_file *file = NULL;
    TRY(weights_open(&file, trainer->memory, path));
    if (detectron2_run_is(file)) {
        TRY(take_detectron2(trainer, file));
        goto fail;
    }
    state->early_stop = trainer->early_stop;
    TRY(checkpoint_load(trainer->options.detector, session_stream(trainer->session), path, state));
    state->early_stop = trainer->early_stop; /* what was best stays in its old folder */
    take_state(trainer, state);
    trainer->info.saved_iteration = -1; /* not in this run's folder */
    log_write(&trainer->folder.log, MD_LOG_INFO, "going on from %s, %lld iterations done", path,
              (long long)state->iteration);
    *own = true;
fail:
    weights_close(file);
    return st;
}

/* ---- last_checkpoint ---------------------------------------------------------------------- */

/* The file that FOLDER/last_checkpoint names; *out stays NULL where there is no last_checkpoint. */
static md_status find_named(struct memory *memory, const char *folder, char **out)
{
    md_status st = MD_OK;
    struct file_bytes bytes = {.data = NULL};
    char *path = NULL, *name = NULL;
    TRY(path_join(memory, &path, folder, "last_checkpoint"));
    if (!file_exists(path))
        goto fail;
    TRY(file_read(&bytes, memory, path, NAME_LIMIT));
    size_t length = bytes.size;
    while (length > 0 && strchr("\r\n\t ", bytes.data[length - 1]))
        length--;
    TRY(memory_printf(memory, &name, "%.*s", (int)length, (const char *)bytes.data));
    if (strlen(name) != length || !path_stays_inside(folder, name))
        FAIL(MD_EFORMAT,
             "%s: does not name a file in its folder; name the checkpoint by resume_from", path);
    TRY(path_join(memory, out, folder, name));
fail:
    memory_free(memory, path);
    memory_free(memory, name);
    file_bytes_free(&bytes);
    return st;
}

/* In a folder with runs of both, the one that saved last has named its checkpoint there. */
static md_status take_last_of_detectron2(struct trainer *trainer, struct checkpoint_state *state,
                                         bool *own, bool *found)
{
    md_status st = MD_OK;
    char *path = NULL;
    TRY(find_named(trainer->memory, trainer->folder.path, &path));
    if (!path || strcmp(path_suffix(path), ".safetensors") == 0)
        goto fail;
    if (!file_exists(path))
        FAIL(MD_EIO, "%s: is not there, but last_checkpoint names it; name another by resume_from",
             path);
    TRY(take_file(trainer, path, state, own));
    *found = true;
fail:
    memory_free(trainer->memory, path);
    return st;
}

/* *found: the folder had a checkpoint, which has been taken. */
static md_status take_last(struct trainer *trainer, struct checkpoint_state *state, bool *own,
                           bool *found)
{
    md_status st = MD_OK;
    const struct run_folder *folder = &trainer->folder;
    TRY(take_last_of_detectron2(trainer, state, own, found));
    if (*found)
        return MD_OK;
    state->early_stop = trainer->early_stop;
    st = checkpoint_load_last(trainer->options.detector, session_stream(trainer->session),
                              folder->checkpoints, &folder->log, state);
    if (st == MD_ENOTFOUND)
        return MD_OK;
    TRY(st);
    take_state(trainer, state);
    *own = *found = true;
fail:
    return st;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static md_status take_given(struct trainer *trainer, struct checkpoint_state *state, bool *own)
{
    md_status st = MD_OK;
    const char *given = trainer->options.resume_from;
    char *named = NULL;
    if (!file_is_directory(given))
        return take_file(trainer, given, state, own);
    TRY(find_named(trainer->memory, given, &named));
    if (!named)
        FAIL(MD_ENOTFOUND, "%s: has no last_checkpoint; name the checkpoint itself", given);
    TRY(take_file(trainer, named, state, own));
fail:
    memory_free(trainer->memory, named);
    return st;
}

md_status trainer_resume(struct trainer *trainer, struct checkpoint_state *state, bool *own)
{
    md_status st = MD_OK;
    const struct trainer_options *options = &trainer->options;
    bool in_folder = options->resume && trainer->folder.path;
    bool found = false;
    if (in_folder)
        TRY(take_last(trainer, state, own, &found));
    if (!found && options->resume_from) {
        TRY(take_given(trainer, state, own));
        found = true;
    }
    if (found)
        tell_if_complete(trainer);
    else if (in_folder)
        log_write(&trainer->folder.log, MD_LOG_INFO,
                  "%s has no checkpoint yet: training starts anew", trainer->folder.path);
fail:
    return st;
}

md_status trainer_check_resume(const struct trainer_options *options)
{
    char from[PATH_MAX], folder[PATH_MAX];
    if (!options->resume_from || !options->overwrite || !options->output_dir ||
        !realpath(options->resume_from, from) || !realpath(options->output_dir, folder))
        return MD_OK;
    size_t length = strlen(folder);
    if (strncmp(from, folder, length) == 0 && (from[length] == '/' || from[length] == '\0'))
        return ERROR(MD_EINVAL, "%s: lies in %s, which is to be overwritten; name another folder",
                     options->resume_from, options->output_dir);
    return MD_OK;
}
