/* md/model.h - a network: its configuration and its weights, on one device. */
#ifndef MD_MODEL_H
#define MD_MODEL_H

#include "md/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any number of predictors may share one model. A trainer, md_model_import and
 * md_model_write_param change the weights: never while a predictor is at work. */
typedef struct md_model md_model;

/* A new model with Detectron2's initial weights, drawn by SEED (-1: by the clock). The class count
 * is MODEL.ROI_HEADS.NUM_CLASSES, the names are MDET.CLASSES ("0", "1", ... without). The
 * configuration is copied. */
MD_API md_status md_model_create(md_model **out, md_context *context, const md_config *config);

/* A model as md_model_save or training wrote it: one safetensors file with configuration and class
 * names in its metadata. MD_EFORMAT when the file is damaged, MD_EMISMATCH when it has not all the
 * weights. */
MD_API md_status md_model_load(md_model **out, md_context *context, const char *path);
MD_API md_status md_model_save(const md_model *model, const char *path);

/* What an import did; names go to the log. */
typedef struct md_import_report {
    size_t loaded;     /* parameters taken over */
    size_t missing;    /* parameters of the model the file has not; left as they were */
    size_t mismatched; /* there with another shape; left as they were */
    size_t unused;     /* tensors of the file the model has not */
} md_import_report;

/* Weights of another program into an existing model: .safetensors, .npz, PyTorch's .pth, the .pkl of
 * Detectron2 and Caffe2 (docs/weights.md); nothing in them is run. The final layers cls_score and
 * bbox_pred of another class count stay as they are, with a warning; any other mismatch, or a file
 * of which nothing fits, is MD_EMISMATCH and changes nothing. `report` may be NULL; then anything
 * but a full match is MD_EMISMATCH too. */
MD_API md_status md_model_import(md_model *model, const char *path, md_import_report *report);

MD_API const md_config *md_model_config(const md_model *model);
MD_API int              md_model_class_count(const md_model *model);
MD_API const char      *md_model_class_name(const md_model *model, int class_id); /* NULL: none such */

/* The score that a detection of this class needs, as md_curves_store_best has left it in the file;
 * -1: nothing was stored, or the weights have changed since. */
MD_API double md_model_threshold(const md_model *model, int class_id);

/* Parameters and FrozenBN's buffers by index or name, as 32-bit floats in Detectron2's row-major
 * layout: convolutions [out, in / groups, kh, kw], linear layers [out, in]. */
#define MD_MAX_DIMS 4
typedef struct md_param_info {
    const char *name; /* "backbone.bottom_up.res2.0.conv1.weight" */
    int         rank;
    int64_t     dims[MD_MAX_DIMS];
    bool        trainable;
} md_param_info;

MD_API size_t    md_model_param_count(const md_model *model);
MD_API md_status md_model_param(const md_model *model, size_t index, md_param_info *out);
/* `count` must be the number of elements. Unknown name: MD_ENOTFOUND. */
MD_API md_status md_model_read_param(const md_model *model, const char *name, float *values,
                                     size_t count);
MD_API md_status md_model_write_param(md_model *model, const char *name, const float *values,
                                      size_t count);

MD_API void md_model_free(md_model *model);

#ifdef __cplusplus
}
#endif
#endif
