/* translate.h - the names of other programs' weights become Detectron2's, values along with them. */
#ifndef WEIGHTS_TRANSLATE_H
#define WEIGHTS_TRANSLATE_H

#include "core/buffer.h"
#include "weights/tensors.h"

enum weights_names {
    WEIGHTS_NAMES_AUTO, /* judged by the names themselves */
    WEIGHTS_NAMES_DETECTRON2,
    WEIGHTS_NAMES_CAFFE2,      /* Caffe2, Detectron1: res2_0_branch2a_w */
    WEIGHTS_NAMES_TORCHVISION, /* ResNets, and the R-CNNs of torchvision.models.detection */
};

/* Changes the tensors of `file` in place; data that change are made anew in its arena.
 *
 * Prefixes that wrappers put before every name go first: "module.", "model.", "_orig_mod.". The rows
 * of classifiers are put in Detectron2's order, where the background is the last class and has no
 * box and no mask: cls_score's first row moves to the end, bbox_pred loses its first 4 rows, the
 * mask predictor its first. Momentum of Caffe2 and torchvision's num_batches_tracked are dropped.
 * Names that no rule knows stay. Two tensors that come to one name, or a predictor without the
 * background's rows, are MD_EFORMAT. A second call with AUTO changes nothing. */
md_status weights_translate(struct weights_file *file, enum weights_names from,
                            const struct log *log);

/* Is the tensor a checkpoint's momentum or running average, "momentum/NAME" or "ema/NAME"? */
bool weights_is_training_state(const char *name);
/* Drops these tensors, and the metadata "train" that go with them. */
md_status weights_drop_training_state(struct weights_file *file);

/* "Caffe2's": for messages. */
const char *weights_names_text(enum weights_names names);

/* ---- the single vocabularies: one name in `name`, changed in place -------- */

/* What surrounds a name says how it is to be read. */
struct translation {
    struct buffer name;
    struct buffer scratch;
    bool detector;  /* torchvision: an R-CNN, not a classifier */
    bool deep_rpn;  /* torchvision: two convolutions in the RPN's head */
    bool deep_mask; /* torchvision: mask_head.0.0.weight, as in newer versions */
};

md_status translate_caffe2(struct translation *translation);
md_status translate_torchvision(struct translation *translation);

enum name_place { NAME_WHOLE, NAME_START, NAME_END, NAME_ANYWHERE };

struct name_rule {
    enum name_place place;
    const char *from, *to;
};

/* The rules one after the other. */
md_status translation_apply(struct translation *translation, const struct name_rule *rules,
                            size_t count);
bool      name_starts_with(const char *name, const char *start);

#endif
