/* trainer.h - the training loop: steps, validation, best model, early stop, files of a run. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "config/typed.h"
#include "data/loader.h"
#include "md/train.h"
#include "model/session.h"

struct trainer;

struct trainer_options {
    struct detector       *detector;    /* kept; the trainer changes its weights */
    const struct dataset  *train, *val; /* kept; val may be NULL */
    const struct config   *config;      /* copied into checkpoints and config.yaml */
    struct typed_config    typed;       /* of config */
    const char *const     *class_names; /* [typed.model.roi.num_classes], kept */
    const char            *output_dir;  /* NULL: write nothing */
    bool                   resume, overwrite;
    const char            *resume_from; /* NULL: see below */
    const struct log      *log;         /* kept */
    struct group          *group;       /* kept; NULL: a single process */
};

/* State after the last step; see md/train.h. */
struct train_info {
    int64_t iteration, max_iter;
    double  learning_rate;
    struct step_losses losses;
    double  val_loss, best_loss, best_value; /* NaN before the first */
    int64_t best_iteration, without_progress;
    double  images_per_second, eta_seconds;
    bool    validated, improved, stopped_early;
    size_t  skipped_images, save_failures;
    int64_t saved_iteration; /* of the newest checkpoint that is safely on the disk; -1: none */
    const char *best_metric;
    const md_metric *metrics;
    size_t metric_count;
};

/* With resume, the newest sound checkpoint is loaded: weights, momentum, iteration, random state,
 * sampler position, best value, patience. It is that of Detectron2 where last_checkpoint names one: weights,
 * momentum and iteration. Without one in the folder, the run goes on from `resume_from`, a checkpoint
 * of either kind or a folder with a last_checkpoint; without that too, training starts anew (logged).
 * MD_EINVAL: the folder is not empty and neither resume nor overwrite was given. */
md_status trainer_create(struct trainer **out, struct memory *memory,
                         const struct trainer_options *options);
void      trainer_free(struct trainer *trainer);

/* One step and what is due after it. MD_END: done (max_iter, early stop, trainer_stop); final files
 * are written before it is returned for the first time. */
md_status trainer_step(struct trainer *trainer);
const struct train_info *trainer_info(const struct trainer *trainer);
/* At any time; the loss alone (train/validation.h). The run takes no notice of it. */
md_status trainer_validate(struct trainer *trainer, double *loss);
md_status trainer_save(struct trainer *trainer, const char *path); /* all that going on needs */
void      trainer_stop(struct trainer *trainer); /* async-signal-safe */

#endif
