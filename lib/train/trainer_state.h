/* trainer_state.h - what is inside struct trainer, for trainer*.c. */
#ifndef TRAIN_TRAINER_STATE_H
#define TRAIN_TRAINER_STATE_H

#include <stdatomic.h>

#include "train/checkpoint.h"
#include "train/ema.h"
#include "train/host_batch.h"
#include "train/metrics.h"
#include "train/optimizer.h"
#include "train/reducer.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/scores.h"
#include "train/trainer.h"

enum { LOG_PERIOD = 20 /* iterations between lines, as in Detectron2 */ };

struct step_report; /* trainer_group.c */

/* Its part in a group of processes. */
struct trainer_group {
    struct reducer      reducer;
    struct step_report *reports; /* [size] */
    struct loader_state before;  /* the step at hand: where it will begin anew if it fails */
    const struct log   *outer;   /* rank 1 and on: where `log` writes to, with the rank */
    struct log          log;
    bool                in_step, stopping;
    int64_t             statistics_at; /* the iteration after which they were shared last */
};

struct trainer {
    struct memory         *memory;
    struct trainer_options options;
    uint64_t               seed;
    struct buffer          config_yaml; /* with the seed that was drawn */
    struct run_folder      folder;
    struct schedule        schedule;
    struct scores          scores;     /* of the last validation */
    size_t                 watched;    /* the one of them that decides which model is best */
    struct early_stop      early_stop; /* of it */
    struct optimizer       optimizer;
    struct ema             ema;
    struct session        *session;
    struct loader         *loader;
    struct host_batch      host;
    struct metrics        *metrics;
    struct train_info      info;
    struct buffer          text; /* of a line at a time */
    int64_t                first_iteration; /* where this process began */
    double                 started;         /* clock_seconds */
    double                 waited;          /* seconds, for images that the workers had not ready */
    int                    parts;    /* that a batch passes the network in */
    float                  scale[2]; /* of gradients, after the last step; see optimizer.h */
    struct trainer_group   group;
    bool                   momentum_started, validation_due, finished;
    size_t                 val_skipped;
    atomic_bool            stop;
};

void trainer_take_best(struct trainer *trainer); /* from early_stop to info */

/* trainer_resume.c: where the run goes on. *own: `state` is that of a checkpoint of a run here, with the
 * place in the data; otherwise it is unchanged. In both cases the trainer has taken over what there is. */
md_status trainer_check_resume(const struct trainer_options *options); /* before anything is removed */
md_status trainer_resume(struct trainer *trainer, struct checkpoint_state *state, bool *own);

/* trainer_files.c: what the loop writes. A full disk is logged and counted, not a failure. */
md_status trainer_save_last(struct trainer *trainer);
/* After trainer_save_last: checkpoints/iter_N.safetensors, the oldest beyond MAX_TO_KEEP removed. */
md_status trainer_save_numbered(struct trainer *trainer);
md_status trainer_save_best(struct trainer *trainer, bool *saved);
md_status trainer_save_final(struct trainer *trainer);
/* The scalars of the last step; `longest`: of data_seconds, in all processes. */
md_status trainer_put_metrics(struct trainer *trainer, double seconds, double data_seconds, double longest);
md_status trainer_write_lines(struct trainer *trainer);
md_status trainer_put_scores(struct trainer *trainer); /* those of a validation */
md_status trainer_log_scores(struct trainer *trainer);
md_status trainer_plot(struct trainer *trainer);
void      trainer_fill_state(const struct trainer *trainer, struct checkpoint_state *state);

#endif
