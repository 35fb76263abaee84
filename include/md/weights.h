/* md/weights.h - weights files of any program: what is in them, other names, other formats. */
#ifndef MD_WEIGHTS_H
#define MD_WEIGHTS_H

#include "md/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The named tensors of one file, mapped and not copied: the file must stay as it is meanwhile. Belongs
 * to one thread at a time. */
typedef struct md_weights md_weights;

/* .safetensors, .npz, PyTorch's .pth, Detectron2's and Caffe2's .pkl: the content decides which. The
 * whole file is checked; nothing in a pickle can run code (docs/weights.md). MD_EIO when it cannot be
 * read, MD_EFORMAT when it is damaged or is none of these. */
MD_API md_status md_weights_open(md_weights **out, md_context *context, const char *path);
MD_API void      md_weights_free(md_weights *weights);

typedef struct md_tensor_info {
    const char *name;    /* valid until the names change */
    const char *type;    /* "float32", "float16", "bfloat16", "float64", "int64", "int32", "uint8" */
    int         rank;    /* 0 to 8 */
    int64_t     dims[8]; /* row-major, the last one fastest */
    size_t      bytes;
} md_tensor_info;

MD_API size_t md_weights_count(const md_weights *weights);
/* In the order of the file. MD_EINVAL: no such index. */
MD_API md_status md_weights_tensor(const md_weights *weights, size_t index, md_tensor_info *out);
/* A text that the file carries beside its tensors, as "config" or "iteration"; NULL: it has none. */
MD_API const char *md_weights_metadata(const md_weights *weights, const char *key);

/* Whose names the tensors have. */
typedef enum md_names { MD_NAMES_AUTO, MD_NAMES_DETECTRON2, MD_NAMES_CAFFE2, MD_NAMES_TORCHVISION } md_names;

/* Turns names into Detectron2's, and the rows of classifiers into its order of classes, where the
 * background is the last one. What only training needs - momentum, averages, counters - is dropped.
 * MD_EFORMAT when two tensors come to one name; then nothing has changed. */
MD_API md_status md_weights_translate(md_weights *weights, md_names from);

/* md_model_import of tensors that have been translated. */
MD_API md_status md_model_import_weights(md_model *model, const md_weights *weights,
                                         md_import_report *report);
/* Puts the model's configuration and class names beside the tensors, as md_model_load wants them. */
MD_API md_status md_weights_describe(md_weights *weights, const md_model *model);

/* As .safetensors, or as a .pth or .pt that torch.load(weights_only=True) opens: the suffix decides.
 * Element types stay; so do metadata. The file is complete or not there. MD_EINVAL for another suffix
 * and for the very file that is open; MD_EIO when it cannot be written. */
MD_API md_status md_weights_save(const md_weights *weights, const char *path);

#ifdef __cplusplus
}
#endif
#endif
