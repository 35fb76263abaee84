/* checkpoint.h - weights and training state in one safetensors file, and the generations of a run.
 *
 * Tensors: the parameters under Detectron2's names, and for each trainable one "momentum/NAME".
 * Metadata: "config" (YAML), "classes" (JSON list), "train" (JSON: iteration, seed, loader state,
 * early stop, ...), "format" = "mdet", "sha256". */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "data/loader.h"
#include "model/detector.h"
#include "train/early_stop.h"

struct checkpoint_state {
    int64_t             iteration; /* finished steps */
    uint64_t            seed;
    struct loader_state loader;
    struct early_stop   early_stop; /* its state part */
    bool                momentum_started; /* false: the next step is SGD's first */
};

/* `state` NULL: weights alone (best, final), without momentum. */
md_status checkpoint_save(struct detector *detector, struct stream *stream, const char *path,
                          const char *config_yaml, const char *const *class_names, int class_count,
                          const struct checkpoint_state *state);

/* Everything back; the file's checksum is verified first. A file of another network is
 * MD_EMISMATCH with name and both shapes. */
md_status checkpoint_load(struct detector *detector, struct stream *stream, const char *path,
                          struct checkpoint_state *state);

/* DIR/checkpoints/last.safetensors, the previous one kept as last.1.safetensors. */
md_status checkpoint_save_last(struct detector *detector, struct stream *stream, const char *folder,
                               const char *config_yaml, const char *const *class_names, int class_count,
                               const struct checkpoint_state *state);
/* The newest sound one of last and last.1 (a damaged one is logged). MD_ENOTFOUND: neither is there;
 * MD_EFORMAT: all that are there are damaged. */
md_status checkpoint_load_last(struct detector *detector, struct stream *stream, const char *folder,
                               const struct log *log, struct checkpoint_state *state);

#endif
