/* checkpoint.h - weights and training state in one safetensors file, and the generations of a run.
 *
 * Tensors: the parameters under Detectron2's names, and for each trainable one "momentum/NAME", and
 * "ema/NAME" when a running average is kept.
 * Metadata: "format" = "mdet", "config" (YAML), "classes" (JSON list), "train" (the state as JSON;
 * absent from weights alone), whatever notes were given, and "sha256". */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "data/loader.h"
#include "model/detector.h"
#include "train/early_stop.h"
#include "weights/name_map.h"

struct checkpoint_state {
    int64_t             iteration; /* finished steps */
    uint64_t            seed;      /* below 2^63, as are all numbers of the loader's state */
    struct loader_state loader;
    struct early_stop   early_stop;       /* loading leaves its settings alone */
    uint64_t            gradient_scale, scale_steps; /* see optimizer.h; 0: none */
    bool                momentum_started; /* false: the next step is SGD's first */
    bool                validation_due;   /* the validation after the last step was broken off */
    bool                has_average;      /* set by loading: the file has a running average */
};

/* What goes into a file beside the parameters. */
struct checkpoint_content {
    const char                    *config_yaml;
    const char *const             *class_names;
    int                            class_count;
    const struct checkpoint_state *state; /* NULL: weights alone (best, final), without momentum */
    const char *const             *note_keys, *const *note_values; /* further metadata */
    size_t                         note_count;
};

md_status checkpoint_write(struct detector *detector, struct stream *stream, const char *path,
                           const struct checkpoint_content *content);
/* The same without notes. */
md_status checkpoint_save(struct detector *detector, struct stream *stream, const char *path,
                          const char *config_yaml, const char *const *class_names, int class_count,
                          const struct checkpoint_state *state);

/* Everything back, or nothing, the average only into parameters that have one; the file's checksum is
 * verified first. `state` NULL: the weights
 * alone. A file of another network is MD_EMISMATCH with name and both shapes, a file without
 * what is asked for MD_EFORMAT. */
md_status checkpoint_load(struct detector *detector, struct stream *stream, const char *path,
                          struct checkpoint_state *state);

/* FOLDER/last.safetensors, the previous one kept as last.1.safetensors. At every moment one of
 * them is there, whole. */
md_status checkpoint_save_last(struct detector *detector, struct stream *stream, const char *folder,
                               const struct checkpoint_content *content);
/* The newest sound one of last and last.1. A damaged one is logged, and becomes
 * last.damaged.safetensors when the older one takes its place. MD_ENOTFOUND: neither is there;
 * MD_EFORMAT: all that are there are damaged. */
md_status checkpoint_load_last(struct detector *detector, struct stream *stream, const char *folder,
                               const struct log *log, struct checkpoint_state *state);

/* ---- single tensors of a file ---------------------------------------------------------------- */

/* What weights_plan_create is to look for. */
struct weights_target checkpoint_target(const struct param *param);
struct shape          checkpoint_tensor_shape(const struct weights_tensor *tensor); /* as far as it fits */
bool                  checkpoint_shape_fits(const struct param *param, const struct weights_tensor *tensor);
/* `which` is one of the parameter's tensors; `values` has room for param_set_piece elements. The
 * file's tensor has the parameter's shape. */
md_status checkpoint_take_tensor(struct param_set *set, struct stream *stream,
                                 const struct param *param, const struct tensor *which,
                                 const struct weights_file *file,
                                 const struct weights_tensor *tensor, float *values);

/* ---- the state as text (checkpoint_state.c) ------------------------------------------------ */

md_status checkpoint_state_put(const struct checkpoint_state *state, struct buffer *out);
/* *state is unchanged at a failure. */
md_status checkpoint_state_parse(struct checkpoint_state *state, struct memory *memory,
                                 const char *name, const char *text);

#endif
