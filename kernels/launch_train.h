/* launch_train.h - the launchers of what training alone needs; their rules are those of launch.h. */
#ifndef KERNELS_LAUNCH_TRAIN_H
#define KERNELS_LAUNCH_TRAIN_H

#include "launch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- gradients.cu, columns.cu, pool_backward.cu ---------------------------------------------------- */

/* grad[i] = out[i] > 0 ? grad[i] : 0 */
int launch_relu_backward(void *grad, const void *out, int64_t count, enum launch_type type,
                         launch_stream stream);
/* out[i] = out_factor * out[i] + in_factor * in[i]; out_factor 0: without out. */
int launch_blend(float *out, float out_factor, const float *in, float in_factor, int64_t count,
                 launch_stream stream);
/* in_grad += out_grad at each window's first maximum of `in`. */
int launch_maxpool_backward(void *in_grad, const void *out_grad, const void *in,
                            const struct launch_pool *pool, enum launch_type type, launch_stream stream);
/* in_grad += sums of 2x2 of out_grad; `map` is that of in_grad. */
int launch_upsample_backward(void *in_grad, const void *out_grad, const struct launch_map *map,
                             enum launch_type type, launch_stream stream);

struct launch_accumulate {
    void        *out;   /* [rows, columns] */
    const void  *in;    /* likewise */
    const float *scale; /* [rows] or NULL: ones */
    int64_t      rows, columns;
    enum launch_type type, in_type; /* of out; of in: the same, or any where out is F32 */
};
/* out[r,c] += scale[r] * in[r,c] */
int launch_accumulate(const struct launch_accumulate *accumulate, launch_stream stream);

/* out[c] += sum over r of in[r,c], in an order that depends on the sizes alone. */
size_t launch_column_sum_scratch(int64_t rows, int64_t columns);
int    launch_column_sum(float *out, const void *in, enum launch_type type, int64_t rows,
                         int64_t columns, void *scratch, launch_stream stream);

/* ---- grouped_backward.cu ------------------------------------------------------------------- */

/* Both take the convolution's sizes, and what launch_grouped_conv fits; scratch of 16 bytes' alignment.
 * out [out_channels, 3, 3, width] F32 += scale[channel out] (NULL: 1) * gradient of the weight; `in` is
 * the convolution's, `weight` the gradient of its result. */
bool   launch_grouped_filter_fits(const struct launch_grouped_conv *conv);
size_t launch_grouped_filter_scratch(const struct launch_grouped_conv *conv);
int    launch_grouped_filter(const struct launch_grouped_conv *conv, const float *scale, void *scratch,
                             launch_stream stream);
/* out = gradient of the input; `in` is that of the convolution's result. Stride 1. */
bool   launch_grouped_data_fits(const struct launch_grouped_conv *conv);
size_t launch_grouped_data_scratch(const struct launch_grouped_conv *conv);
int    launch_grouped_data(const struct launch_grouped_conv *conv, void *scratch, launch_stream stream);

/* ---- norm.cu ------------------------------------------------------------------------------- */

struct launch_norm {
    const float *stats;  /* [sets, 2]: mean, 1 / deviation; NULL: the running ones serve */
    const float *weight; /* [channels] */
    float       *running_mean, *running_variance; /* [channels]; NULL in a group norm */
    int64_t      images, channels, sets; /* images * groups of them, or channels */
    int          height, width, groups;  /* groups 0: a set is a channel */
    float        epsilon, momentum;
    bool         relu;
    enum launch_type type; /* of all that has the shape of `in`, [images, height, width, channels] */
};
size_t launch_norm_scratch(const struct launch_norm *norm);

struct launch_norm_forward {
    struct launch_norm norm;
    float             *stats;    /* the same as the norm's */
    void              *out;
    const void        *in, *residual; /* residual may be NULL */
    const float       *bias;     /* [channels] */
};
/* With stats: makes them, and moves the running ones. */
int launch_norm_forward(const struct launch_norm_forward *forward, void *scratch, launch_stream stream);

struct launch_norm_backward {
    struct launch_norm norm;
    void              *in_grad;
    const void        *in, *out_grad;
    float             *weight_grad, *bias_grad; /* [channels], may be NULL */
};
int launch_norm_backward(const struct launch_norm_backward *backward, void *scratch, launch_stream stream);

/* ---- optimizer.cu, reduce.cu --------------------------------------------------------------- */

struct launch_sgd {
    float         *value, *momentum;
    const float   *grad;
    const float   *lr;    /* [1] */
    const int32_t *apply; /* [1] or NULL */
    int64_t        count;
    float          lr_factor, momentum_factor, weight_decay;
    bool           nesterov, first;
};
int launch_sgd_step(const struct launch_sgd *sgd, launch_stream stream);
/* average[i] = shares[0] * average[i] + shares[1] * in[i] */
int launch_average(float *average, const float *in, const float *shares, const int32_t *apply,
                   int64_t count, launch_stream stream);
int launch_unscale(float *grad, const float *scale, int64_t count, launch_stream stream);
/* most: what the scale may become at most. */
int launch_adjust_scale(float *scale, const int32_t *finite, int patience, float most,
                        launch_stream stream);
int launch_clip_value(float *grad, float limit, int64_t count, launch_stream stream);

/* Over all values in double, in an order that depends on their number alone. */
size_t launch_reduce_scratch(void); /* of sum_squares and clip_norm */
int launch_sum_squares(float *out, const float *in, int64_t count, void *scratch, launch_stream stream);
int launch_all_finite(int32_t *out, const float *in, int64_t count, launch_stream stream);
/* order may be infinity. */
int launch_clip_norm(float *grad, float limit, float order, int64_t count, void *scratch,
                     launch_stream stream);

/* ---- roi_align_backward.cu ------------------------------------------------------------------ */

struct launch_roi_align_backward {
    struct launch_roi_align align;             /* without out and features; type: of both below */
    void                   *grads[LAUNCH_MAX_LEVELS]; /* [images, height, width, channels] */
    const void             *out_grad;          /* [capacity, pooled, pooled, channels] */
};
/* grads += , in an order that depends on the rois alone; pooled is LAUNCH_MAX_POOLED at most. */
enum { LAUNCH_MAX_POOLED = 64 };
int launch_roi_align_backward(const struct launch_roi_align_backward *backward, launch_stream stream);

/* ---- targets.cu, sample.cu ----------------------------------------------------------------- */

struct launch_match {
    int32_t       *match, *label; /* [images, capacity] */
    const float   *boxes;         /* [images, capacity, 4]; [capacity, 4] when shared_boxes */
    const int32_t *counts;        /* [images] or NULL */
    const float   *gt;            /* [images, gt_capacity, 4] */
    const int32_t *gt_counts;     /* [images] */
    int64_t        images, capacity, gt_capacity;
    float          low, high;
    bool           shared_boxes, low_quality, zero_iou_matches;
};
size_t launch_match_scratch(const struct launch_match *match);
int    launch_match(const struct launch_match *match, void *scratch, launch_stream stream);

struct launch_append {
    float         *out;        /* [images, a_capacity + b_capacity, 4] */
    int32_t       *out_counts; /* [images] */
    const float   *a, *b;      /* [images, a_capacity, 4], [images, b_capacity, 4] */
    const int32_t *a_counts, *b_counts;
    int64_t        images, a_capacity, b_capacity;
};
int launch_append_boxes(const struct launch_append *append, launch_stream stream);

struct launch_roi_targets {
    float         *rois, *targets;        /* [images * sampled, 5], [images * sampled, 4] */
    int32_t       *classes, *rows;        /* [images * sampled], [1] */
    const float   *boxes, *gt;            /* [images, capacity, 4], [images, gt_capacity, 4] */
    const int32_t *index, *index_counts;  /* [images, sampled], [images, 2] */
    const int32_t *match;                 /* [images, capacity] */
    const int32_t *gt_classes, *gt_counts; /* [images, gt_capacity], [images] */
    int64_t        images, capacity, gt_capacity, sampled;
    int            num_classes;
};
int launch_roi_targets(const struct launch_roi_targets *targets, launch_stream stream);

struct launch_sample {
    int32_t        *index, *counts; /* [images, index_capacity], [images, 2] */
    const int32_t  *label;          /* [images, capacity] */
    const uint64_t *numbers;        /* seed, index of the first image */
    uint64_t        stream;
    int64_t         images, capacity, index_capacity, size, max_foreground;
    int             image_step;
};
size_t launch_sample_scratch(const struct launch_sample *sample);
int    launch_sample(const struct launch_sample *sample, void *scratch, launch_stream stream);

/* ---- losses.cu ----------------------------------------------------------------------------- */

struct launch_rpn_loss {
    float         *loss;                      /* [2] */
    void          *logits_grad, *deltas_grad; /* slabs [images * total], ... x 4, of `type`; or NULL */
    const float   *logits, *deltas, *anchors; /* slabs; [total, 4] */
    const int32_t *index, *index_counts;      /* [images, sampled], [images, 2] */
    const int32_t *match;                     /* [images, total] */
    const float   *gt;                        /* [images, gt_capacity, 4] */
    const float   *scale;                     /* of gradients, [1], or NULL */
    int64_t        images, sampled, total, gt_capacity;
    int            levels;
    int64_t        first[LAUNCH_MAX_LEVELS], level_count[LAUNCH_MAX_LEVELS];
    int            kind; /* enum box_loss_kind of tensor/box_loss.h */
    float          weights[4], smooth_l1_beta, class_scale, box_scale;
    enum launch_type type;
};
int launch_rpn_loss(const struct launch_rpn_loss *loss, launch_stream stream);

struct launch_box_loss {
    float         *loss;            /* [1] */
    void          *grad;            /* like deltas, of `type`, or NULL */
    const float   *deltas;          /* [capacity, 4 * num_classes], or 4 when class_agnostic */
    const float   *rois, *targets;  /* [capacity, 5], [capacity, 4] */
    const int32_t *classes, *rows;  /* [capacity]; [1] or NULL */
    const float   *scale;           /* of gradients, [1], or NULL */
    int64_t        capacity;
    int            num_classes;
    bool           class_agnostic;
    int            kind; /* as above */
    float          weights[4], smooth_l1_beta, loss_scale;
    enum launch_type type;
};
int launch_box_loss(const struct launch_box_loss *loss, launch_stream stream);

struct launch_softmax_loss {
    float         *loss, *stats;   /* [1], [4] */
    void          *grad;           /* like logits, of `type`, or NULL */
    const float   *logits;         /* [capacity, classes] */
    const int32_t *wanted, *rows;  /* [capacity]; [1] or NULL */
    const float   *scale;          /* of gradients, [1], or NULL */
    int64_t        capacity, classes;
    enum launch_type type;
};
size_t launch_softmax_loss_scratch(int64_t capacity);
int    launch_softmax_loss(const struct launch_softmax_loss *loss, void *scratch, launch_stream stream);

#ifdef __cplusplus
}
#endif
#endif
