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
    int64_t            *origin;      /* [target_count] without a source: see below, -1: none */
    float              *fill;        /* [target_count] the value of all elements, with an origin */
    bool               *used;        /* [file->count] loaded, or reported for its shape */
    size_t              target_count, loaded, missing, mismatched, unused;
};

/* Plans an import by Detectron2's suffix rule: target == name or ends in "." + name, longest name
 * wins; one file tensor for two targets of its shape is MD_EFORMAT. The names are Detectron2's: see
 * weights_translate.
 *
 * Norms of which the file has a part only follow from its `origin`:
 * - Folded into biases ("res2.0.conv1.bias" for a convolution whose target has norm.* instead of a
 *   bias): when the convolution's weight is loaded too, they are weight 1, the file's bias, mean 0,
 *   var 1 - 1e-5.
 * - norm.weight and norm.bias without statistics, as Detectron1 has them: mean 0, var 1. */
md_status weights_plan_create(struct weights_plan *out, struct memory *memory,
                              const struct weights_file *file,
                              const struct weights_target *targets, size_t target_count);
void      weights_plan_free(struct weights_plan *plan);
/* Floats first.. of a LOADED target, in the file's order; as weights_take_floats. */
md_status weights_plan_read(const struct weights_plan *plan, const struct weights_file *file,
                            const struct weights_target *targets, size_t target, float *out,
                            int64_t first, int64_t count);
/* To the log: a summary and what was loaded from another name (info), then mismatched (both shapes),
 * missing and unused names (warnings), grouped as Detectron2 prints them, PREFIX.{a, b}. */
md_status weights_plan_report(const struct weights_plan *plan, const struct log *log,
                              struct memory *memory, const struct weights_file *file,
                              const struct weights_target *targets);

#endif
