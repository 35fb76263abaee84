/* name_map.h - which tensor of a file belongs to which parameter of a model. */
#ifndef WEIGHTS_NAME_MAP_H
#define WEIGHTS_NAME_MAP_H

#include "weights/tensors.h"

struct weights_target {
    const char *name; /* Detectron2's */
    int         rank;
    int64_t     dims[8];
};

enum weights_match { WEIGHTS_MISSING, WEIGHTS_LOADED, WEIGHTS_MISMATCHED };

struct weights_plan {
    struct memory      *memory;
    enum weights_match *match;       /* [target_count] */
    int64_t            *source;      /* [target_count] index into file->tensors, -1: none */
    int64_t            *bias_source; /* [target_count] see below, -1: none */
    bool               *used;        /* [file->count] loaded, or reported for its shape */
    size_t              target_count, loaded, missing, mismatched, unused;
};

/* Plans an import. A "module." prefix on all names is stripped; torchvision's ResNet names become
 * Detectron2's (conv1 -> stem.conv1, bn1 -> stem.conv1.norm, layer1.0.conv1 -> res2.0.conv1,
 * downsample.0 -> shortcut, ...); then Detectron2's suffix rule: target == name or ends in "." +
 * name, longest name wins; one file tensor for two targets of its shape is MD_EFORMAT.
 *
 * Batch norm folded into biases ("layer1.0.conv1.bias" for a convolution whose target has norm.*
 * instead of a bias): when the convolution's weight is loaded too, the norm's targets are filled as
 * weight 1, bias = the file's bias, mean 0, var 1 - 1e-5; their bias_source names the tensor. */
md_status weights_plan_create(struct weights_plan *out, struct memory *memory,
                              const struct weights_file *file,
                              const struct weights_target *targets, size_t target_count);
void      weights_plan_free(struct weights_plan *plan);
/* Floats first.. of a LOADED target, in the file's order; as weights_take_floats. */
md_status weights_plan_read(const struct weights_plan *plan, const struct weights_file *file,
                            const struct weights_target *targets, size_t target, float *out,
                            int64_t first, int64_t count);
/* To the log: a summary (info), then mismatched (both shapes), missing and unused names (warnings),
 * grouped as Detectron2 prints them, PREFIX.{a, b}. */
md_status weights_plan_report(const struct weights_plan *plan, const struct log *log,
                              struct memory *memory, const struct weights_file *file,
                              const struct weights_target *targets);

#endif
