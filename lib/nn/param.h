/* param.h - the parameters of a network: named tensors in slabs (value, gradient, momentum, average).
 *
 * Layers first declare their parameters, then param_set_allocate lays them out: trainable ones in
 * front, so that one optimiser step and one norm cover them all, then frozen ones, then buffers
 * (FrozenBN's statistics), then what is derived from those and never saved.
 * Files keep Detectron2's layout; memory has the one that the operations want. */
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include "core/arena.h"
#include "tensor/ops.h"

enum param_kind { PARAM_TRAINABLE, PARAM_FROZEN, PARAM_BUFFER, PARAM_DERIVED };

enum param_layout {
    PARAM_PLAIN,
    PARAM_CONV,  /* file [o,i,kh,kw], memory [o,kh,kw,i] */
    PARAM_POOLED /* file [o, c*p*p] with column c*p*p + y*p + x, memory column (y*p + x)*c + c */
};

enum param_init { INIT_CONSTANT, INIT_NORMAL, INIT_UNIFORM };

/* What a layer declares. */
struct param_spec {
    const char       *name; /* copied */
    enum param_kind   kind;
    enum param_layout layout;
    struct shape      file_shape;
    int               pooled; /* p of PARAM_POOLED */
    enum param_init   init;
    float             init_value; /* the constant, the deviation, or the bound */
    bool              is_bias, is_norm;
};

struct param {
    struct param_spec spec;
    struct tensor     value;          /* in memory layout */
    struct tensor     grad, momentum; /* only once training was prepared, and only of trainable ones */
    struct tensor     average;        /* only once it was prepared, and only of trainable ones */
    int64_t           offset;         /* in the slabs, elements */
    int               index;          /* in the order of declaration */
};

struct param_set {
    struct device *device;
    struct arena   arena;
    struct param **items; /* [count] in the order of declaration */
    int            count, capacity;
    size_t         declared; /* elements of all, with padding */
    struct tensor  values, grads, momentums, averages; /* slabs; all but the first of trainable_count */
    int64_t        trainable_count;          /* elements, with padding (which stays zero) */
    uint64_t       version_trainable, version_frozen; /* of struct weight */
    struct weight *weights;              /* of all layers, as a list */
};

/* Told during a backward pass, which goes through the layers from the last declared to the first: all
 * gradients of the slab from element `first` on have been enqueued. */
struct gradient_watch {
    md_status (*ready)(void *context, struct stream *stream, int64_t first);
    void                   *context;
    const struct param_set *params;
};

md_status param_set_create(struct param_set **out, struct device *device);
void      param_set_free(struct param_set *set);

/* The returned parameter stays where it is; its tensors are set by param_set_allocate. */
md_status param_declare(struct param_set *set, struct param **out, const struct param_spec *spec);
md_status param_set_allocate(struct param_set *set);
/* Adds gradient and momentum slabs, zeroed. Twice is fine. */
md_status param_set_prepare_training(struct param_set *set);
/* The same for a running average of the trainable values. */
md_status param_set_prepare_average(struct param_set *set);
/* To the watch, which may be NULL: the gradients of the parameters from number `index` on are done. */
md_status gradient_watch_tell(const struct gradient_watch *watch, struct stream *stream, int index);
/* Initial values: pure functions of (seed, place of declaration, element). */
md_status param_set_initialise(struct param_set *set, struct stream *stream, uint64_t seed);

struct param *param_find(const struct param_set *set, const char *name); /* NULL: none */
int64_t       param_count(const struct param *param);                    /* elements */
/* What weight.version of a layer with this parameter points to. */
const uint64_t *param_version(const struct param_set *set, const struct param *param);
void            param_set_changed(struct param_set *set); /* values were written: both versions move */
void            param_set_trained(struct param_set *set); /* trainable values alone were */

/* A layer's weight, which `param` is the value of, joins the list; it stays where it is. */
void            param_set_add_weight(struct param_set *set, struct weight *weight,
                                     const struct param *param);
/* All copies that the device keeps of weights are those of their present versions. */
md_status       param_set_ready(struct param_set *set, struct stream *stream);
/* After an optimiser's step that was enqueued, or recorded: the device's copies follow it. */
md_status       param_set_refold(struct param_set *set, struct stream *stream);
/* When the step was enqueued, or its recording started: where there is no refolding the version moves. */
void            param_set_stepped(struct param_set *set);

/* In the file's layout; `values` has param_count elements. `which` is one of its tensors. */
md_status param_read(struct param_set *set, struct stream *stream, const struct param *param,
                     const struct tensor *which, float *values);
md_status param_write(struct param_set *set, struct stream *stream, const struct param *param,
                      const struct tensor *which, const float *values);

/* The same of some rows alone, so that nobody needs a second copy of a large parameter: a row is
 * what one index of the first dimension holds, in both layouts. */
struct param_rows {
    int64_t first, count;
};
int64_t   param_row_elements(const struct param *param);
/* The next rows from `first` on, some hundred KB of them; count 0 at the end. */
struct param_rows param_next_rows(const struct param *param, int64_t first);
/* Elements of the largest piece of a parameter of the set that param_next_rows gives. */
int64_t   param_set_piece(const struct param_set *set);
md_status param_read_rows(struct param_set *set, struct stream *stream, const struct param *param,
                          const struct tensor *which, struct param_rows rows, float *values);
md_status param_write_rows(struct param_set *set, struct stream *stream, const struct param *param,
                           const struct tensor *which, struct param_rows rows, const float *values);

#endif
