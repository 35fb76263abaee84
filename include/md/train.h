/* md/train.h - training: a session you step, or run to its end. */
#ifndef MD_TRAIN_H
#define MD_TRAIN_H

#include "md/dataset.h"
#include "md/group.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct md_trainer md_trainer;

typedef struct md_train_options {
    size_t      size;       /* set by md_train_options_init */
    const char *output_dir; /* run directory (docs/training.md); NULL: write nothing (NULL) */
    bool        resume;     /* go on from the run directory's last checkpoint (false) */
    bool        overwrite;  /* a run directory that is not empty is emptied of an earlier run's
                               files; without either, MD_EINVAL (false) */
    const char *resume_from; /* go on from this checkpoint, of a run here or of Detectron2, or from
                               the one that this folder's last_checkpoint names; with `resume` only
                               when the run directory has none (NULL) */
    md_group   *group;       /* the processes that train together, each with the same data and
                               configuration; that of rank 0 writes the files (NULL: this one alone) */
} md_train_options;

MD_API void md_train_options_init(md_train_options *options, size_t size);
static inline md_train_options md_train_options_default(void)
{
    md_train_options o;
    md_train_options_init(&o, sizeof o);
    return o;
}

/* A number of a validation, under its name in metrics.json: "val_loss", and with MDET.TEST.AP "bbox/AP",
 * "bbox/AP50", ... */
typedef struct md_metric {
    const char *name;
    double      value; /* average precisions in percent; NaN before the first, or without truth */
} md_metric;

/* The state after the last step. Fields may be added at the end. */
typedef struct md_train_info {
    int64_t iteration;     /* finished steps */
    int64_t max_iter;
    double  learning_rate; /* of the last step */
    double  total_loss;    /* of the last step; the sum of the next four */
    double  loss_cls, loss_box_reg, loss_rpn_cls, loss_rpn_loc;
    double  val_loss;      /* of the last validation; NaN before the first */
    double  best_loss;     /* the best val_loss so far; NaN before the first, or when the best model
                              is chosen by another metric */
    int64_t best_iteration;
    int64_t without_progress; /* validations since the last progress */
    double  images_per_second;
    double  eta_seconds;
    bool    validated;     /* this step ended with a validation */
    bool    improved;      /* and it was the best so far */
    bool    stopped_early; /* patience ran out */
    size_t  skipped_images; /* could not be read */
    size_t  save_failures;  /* checkpoints that could not be written, such as on a full disk */
    const char      *best_metric; /* MDET.BEST.METRIC: what the best model is chosen by */
    double           best_value;  /* of it, the best so far; NaN before the first */
    const md_metric *metrics;     /* of the last validation; the trainer's, as are the names */
    size_t           metric_count;
} md_train_info;

/* Solver and input settings come from `config`, NULL: the model's own; where it describes another
 * network than the model's, MD_EMISMATCH names the key. Both data sets must have the model's
 * classes. `val` may be NULL. The model is the trainer's to change until it is freed. */
MD_API md_status md_trainer_create(md_trainer **out, md_model *model, const md_config *config,
                                   md_dataset *train, md_dataset *val,
                                   const md_train_options *options);

/* One optimiser step, and what is due after it: validation, checkpoint, metrics. MD_END: MAX_ITER
 * reached, early stop, or md_trainer_stop was called; the final files are then written.
 * MD_ENOTFINITE: a loss or gradient is not finite; the weights are those before the step. */
MD_API md_status            md_trainer_step(md_trainer *trainer);
MD_API const md_train_info *md_trainer_info(const md_trainer *trainer);

/* Steps to the end, which is MD_OK. It uses only this header, so it can serve as a pattern for a
 * loop of your own. A callback that returns anything but MD_OK ends the run with MD_ESTOPPED. */
typedef md_status (*md_train_fn)(void *user, const md_train_info *info);
MD_API md_status md_trainer_run(md_trainer *trainer, md_train_fn on_step, void *user);

/* How many images a training step can have in the memory that is free on the model's device: the largest
 * SOLVER.IMS_PER_BATCH, by the configuration's largest training image. Measured without computing;
 * libraries' scratch memory is not in it, so leave some room. The model gets its gradients. */
typedef struct md_train_fit {
    int      images;        /* the most; 64 at most; 0: not even one fits */
    uint64_t bytes;         /* what that step takes beside the parameters; of one image when none fits */
    uint64_t available;     /* bytes that were free */
    int      height, width; /* of the largest image */
} md_train_fit;
MD_API md_status md_train_fit_find(md_train_fit *out, md_model *model, const md_config *config);

MD_API md_status md_trainer_validate(md_trainer *trainer, double *loss);
/* All that going on needs; see md_train_options.resume. */
MD_API md_status md_trainer_save(md_trainer *trainer, const char *path);
/* The run ends after the step at hand. From any thread or signal handler. */
MD_API void      md_trainer_stop(md_trainer *trainer);
MD_API void      md_trainer_free(md_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif
