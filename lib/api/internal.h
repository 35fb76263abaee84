/* internal.h - what the files of lib/api share: the objects behind the handles, and argument checks.
 *
 * A handle the caller holds is one reference. A child holds a reference of its parent, so the
 * order in which the caller frees does not matter; md_*_free gives the caller's reference back. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "config/typed.h"
#include "core/log.h"
#include "core/memory.h"
#include "data/dataset.h"
#include "md/draw.h"
#include "md/eval.h"
#include "md/train.h"
#include "model/detector.h"
#include "weights/tensors.h"

/* ---- objects ------------------------------------------------------------------------------ */

struct md_context {
    atomic_size_t  references;
    struct memory  memory;
    struct log     log;
    struct device *device;
    char           name[16]; /* of the device, "cuda:0" */
};

md_context *context_retain(md_context *context);
void        context_release(md_context *context); /* NULL is fine */

struct md_config {
    md_context    *context; /* not counted for the configuration inside a model */
    struct config *config;
};

struct md_model {
    atomic_size_t    references;
    md_context      *context;
    struct md_config config;
    struct typed_config typed;
    char           **class_names; /* [typed.model.roi.num_classes] */
    float           *thresholds;  /* likewise: the score that a class needs; NULL: none were stored */
    char            *thresholds_text; /* as the file had them */
    struct detector *detector;
    struct stream   *stream; /* for reading and writing parameters */
    pthread_mutex_t  lock;   /* guards the stream and what is written through it */
    struct param   **params; /* [param_count] what a file holds: all but derived ones */
    size_t           param_count;
};

md_model *model_retain(md_model *model);
void      model_release(md_model *model);
/* From a configuration, whose class names (may be NULL) replace those of MDET.CLASSES. Takes
 * `config`, also at a failure. Parameters are zero. */
md_status model_build(md_model **out, md_context *context, struct config *config,
                      const char *const *class_names, size_t class_count);

/* The thresholds beside the weights in the file, if it has any. */
md_status model_take_thresholds(md_model *model, const struct weights_file *file);
/* When the weights change: they were of the old ones. */
void      model_forget_thresholds(md_model *model);
/* The names in the text that a file has for "classes"; `path` stands in messages. */
md_status class_names_read(struct string_table *classes, const char *path, const char *text);

struct md_weights {
    md_context          *context;
    struct weights_file *file;
};

struct md_dataset {
    atomic_size_t   references;
    md_context     *context;
    struct dataset *dataset;
};

md_dataset *dataset_retain(md_dataset *dataset);
void        dataset_release(md_dataset *dataset);
/* Makes the handle. Takes `dataset`, also at a failure. */
md_status   dataset_hand_out(md_dataset **out, md_context *context, struct dataset *dataset);

/* It lies in its own memory, as a context does. */
struct md_group {
    atomic_size_t references;
    struct memory memory;
    struct group *group;
};

md_group *group_retain(md_group *group);
void      group_release(md_group *group); /* NULL is fine */

/* ---- images ------------------------------------------------------------------------------- */

/* An image of this layer counts for its context; one of the layers below does not. The first turns
 * the one that was made inside into one that may be handed out. */
void      image_hand_out(md_image *out, md_context *context, const md_image *image);
md_status image_check(const md_image *image, const char *function);

/* ---- detections --------------------------------------------------------------------------- */

/* A result of `count` detections to be filled in. */
md_status detections_create(md_detections **out, md_context *context, size_t count,
                            md_detection **items);

/* ---- arguments ---------------------------------------------------------------------------- */

/* MD_EINVAL "md_model_load: path is NULL". GIVEN(path) names function and argument by itself. */
md_status argument_given(const void *pointer, const char *function, const char *argument);
#define GIVEN(pointer) argument_given((pointer), __func__, #pointer)

/* Lays the caller's options over the defaults that `out` holds: the first `size` bytes of `caller`
 * (may be NULL), `size` being its first field. An older caller's struct is shorter and leaves the
 * newer fields at their defaults; a longer one is MD_EVERSION. `type` is "md_draw_options". */
md_status options_read(void *out, size_t known, const void *caller, const char *type);
/* md_x_options_init: as much of the defaults as the caller's struct holds. */
void options_init(void *out, size_t size, const void *defaults, size_t known);

#endif
