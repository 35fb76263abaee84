/* ops.h - the primitives that the network is made of: each declared once.
 *
 * For each primitive x: a type of its signature, the checked front door op_x, and the entry x in
 * struct op_table. Backends implement entries as ref_x, cpu_x, cuda_x and may trust the checks.
 * Layout is NHWC; convolution weights are [out, kh, kw, in / groups]. Real numbers are TENSOR_F32
 * unless said otherwise; indices, classes and counts are TENSOR_I32. "Activations" are F32 or what
 * device->activations says, all of an operation alike, and so are their gradients; gradients of
 * weights are F32. Sums within an operation are F32 or better.
 *
 * Lists whose length depends on the data have a fixed capacity and a count on the device; rows
 * beyond the count are zero (class -1, image -1). `rows` [1] is such a count, and absent means all:
 * a backend may skip the rows beyond it, whose outputs are then unspecified, or compute them.
 * Decisions about boxes are float32 in the order of tensor/box_math.h, so that devices agree.
 * Outputs come first. Tensors do not overlap unless said so. "+=" outputs must be initialised.
 * Nothing here allocates from the workspace; scratch is stream_scratch. */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "tensor/box_loss.h"
#include "tensor/norm.h"
#include "tensor/weight.h"

/* ---- elementwise -------------------------------------------------------------------------- */

typedef md_status fill_fn(struct stream *stream, struct tensor *out, float value); /* I32, activations */
/* Same type and count, of any type. */
typedef md_status copy_fn(struct stream *stream, struct tensor *out, const struct tensor *in);
/* out += in; activations */
typedef md_status add_fn(struct stream *stream, struct tensor *out, const struct tensor *in);
/* out *= factor; activations */
typedef md_status scale_fn(struct stream *stream, struct tensor *out, float factor);
/* out = out_factor * out + in_factor * in; out_factor 0: what out held does not count. */
typedef md_status blend_fn(struct stream *stream, struct tensor *out, float out_factor,
                           const struct tensor *in, float in_factor);
/* grad = out > 0 ? grad : 0, in place; `out` is the ReLU's output; activations. */
typedef md_status relu_backward_fn(struct stream *stream, struct tensor *grad,
                                   const struct tensor *out);

/* ---- convolution -------------------------------------------------------------------------- */

struct conv_geometry {
    int stride, pad, groups;
};

/* Activations; `out` and `residual` may be F32 beside an `in` of 16 bits.
 * out[n,y,x,o] = act(bias[o] + residual[n,y,x,o] + sum in[n,y*s-p+i,x*s-p+j,c] * w[o,i,j,c])
 * with w the effective weight; in [n,h,w,c], out [n,(h+2p-kh)/s+1,...,o]; residual like out or
 * absent; act is ReLU or nothing. residual may be `out` itself. */
typedef md_status conv2d_forward_fn(struct stream *stream, struct tensor *out,
                                    const struct tensor *in, struct weight *weight,
                                    struct conv_geometry geometry, const struct tensor *residual,
                                    bool relu);

/* Of backward passes in_grad, out_grad and in are activations, of one type.
 * in_grad = (or += when accumulate) transposed convolution of out_grad with the effective weight. */
typedef md_status conv2d_backward_input_fn(struct stream *stream, struct tensor *in_grad,
                                           const struct tensor *out_grad, struct weight *weight,
                                           struct conv_geometry geometry, bool accumulate);
/* weight_grad [like value] += d/d value (so times scale); bias_grad [o] += sum of out_grad; either
 * may be absent. */
typedef md_status conv2d_backward_weight_fn(struct stream *stream, struct tensor *weight_grad,
                                            struct tensor *bias_grad, const struct tensor *in,
                                            const struct tensor *out_grad, struct weight *weight,
                                            struct conv_geometry geometry);

/* ---- linear ------------------------------------------------------------------------------- */

/* Activations; `out` may be F32 beside an `in` of 16 bits.
 * out[r,o] = act(bias[o] + sum in[r,i] * w[o,i]); in [r,i], out [r,o]. */
typedef md_status linear_forward_fn(struct stream *stream, struct tensor *out,
                                    const struct tensor *in, struct weight *weight, bool relu,
                                    const struct tensor *rows);
typedef md_status linear_backward_input_fn(struct stream *stream, struct tensor *in_grad,
                                           const struct tensor *out_grad, struct weight *weight,
                                           bool accumulate, const struct tensor *rows);
/* += ; beyond `rows` out_grad is zero and `in` finite, so that backends may add those rows too. */
typedef md_status linear_backward_weight_fn(struct stream *stream, struct tensor *weight_grad,
                                            struct tensor *bias_grad, const struct tensor *in,
                                            const struct tensor *out_grad,
                                            const struct tensor *rows);

/* ---- pooling and upsampling --------------------------------------------------------------- */

struct pool_geometry {
    int kernel, stride, pad;
};

/* Activations. Maximum over the window's part inside the image; out [n,(h+2p-k)/s+1,...,c]; k > p.
 * What becomes of NaN is unspecified. */
typedef md_status maxpool_forward_fn(struct stream *stream, struct tensor *out,
                                     const struct tensor *in, struct pool_geometry geometry);
/* The maximum over windows of relu(conv2d_forward(in)), without residual, as one operation: the stem
 * of a network. For devices that say fused_stem; elsewhere it is no faster than its parts. */
typedef md_status conv2d_maxpool_forward_fn(struct stream *stream, struct tensor *out,
                                            const struct tensor *in, struct weight *weight,
                                            struct conv_geometry geometry,
                                            struct pool_geometry pool);
/* in_grad += out_grad at the first maximum (row-major) of each window. */
typedef md_status maxpool_backward_fn(struct stream *stream, struct tensor *in_grad,
                                      const struct tensor *out_grad, const struct tensor *in,
                                      struct pool_geometry geometry);
/* out[n,y,x,c] += in[n,y/2,x/2,c]; out [n,2h,2w,c]; activations. */
typedef md_status upsample_add_fn(struct stream *stream, struct tensor *out,
                                  const struct tensor *in);
/* in_grad[n,y,x,c] += sum of the 2 x 2 of out_grad. */
typedef md_status upsample_backward_fn(struct stream *stream, struct tensor *in_grad,
                                       const struct tensor *out_grad);

/* ---- image -------------------------------------------------------------------------------- */

struct image_params {
    float mean[3], std[3]; /* in the order of the output's channels */
    bool  reverse_channels; /* pixels RGB, network BGR */
};

/* A batch of images of different sizes: pixels U8 [n,capacity], of row i the first h*w*3 bytes are
 * image i [h,w,3] with from_sizes [n,2] I32 = h, w. Resized as Pillow does to sizes [n,2] I32 =
 * height, width (when those differ), (x - mean) / std, zero right of and below: out [n,H,W,3],
 * activations. Sizes are at least 1, fit into capacity and out, and are at most 32768; on the host's
 * devices others are MD_EINVAL, elsewhere such an image is zero. */
typedef md_status images_to_tensor_fn(struct stream *stream, struct tensor *out,
                                      const struct tensor *pixels, const struct tensor *from_sizes,
                                      const struct tensor *sizes,
                                      const struct image_params *params);

/* ---- anchors and proposals ---------------------------------------------------------------- */

enum { OPS_MAX_LEVELS = 5, OPS_MAX_CELLS = 64 };

/* The anchors of one image, levels one after the other, R in all. A slab [n*R] holds something for
 * each anchor of a batch of n as the heads write it: level by level, in each level image by image. */
struct level_layout {
    int     levels;
    int64_t count[OPS_MAX_LEVELS]; /* anchors of one image in a level */
    int64_t first[OPS_MAX_LEVELS]; /* of the level in [0, R) */
    int64_t total;                 /* R */
};

/* Where anchor `r` of image `image` of n is in a slab. */
static inline int64_t level_slab_index(const struct level_layout *layout, int64_t n, int64_t image,
                                       int64_t r)
{
    int level = 0;
    while (level + 1 < layout->levels && r >= layout->first[level + 1])
        level++;
    return n * layout->first[level] + image * layout->count[level] + (r - layout->first[level]);
}

struct anchor_params {
    int   cell_count;
    float cells[OPS_MAX_CELLS][4]; /* around the origin */
    int   height, width;           /* of the feature map */
    float stride, offset;          /* offset in strides */
};

/* out [height*width*cells, 4], index (y*width + x)*cells + a: cells[a] moved by (offset + x, offset
 * + y) * stride (box_anchor of tensor/box_math.h). */
typedef md_status anchors_fn(struct stream *stream, struct tensor *out,
                             const struct anchor_params *params);

/* The k largest of each segment of the slab `values` [n*R], descending, equal values by lower index;
 * NaN ranks below everything. One segment for each level and image: segment = level * n + image.
 * index [levels*n,k] I32 within the segment, value [levels*n,k], count [levels*n] = min(k, anchors
 * of the level). */
typedef md_status topk_fn(struct stream *stream, struct tensor *index, struct tensor *value,
                          struct tensor *count, const struct tensor *values,
                          const struct level_layout *layout);

struct decode_params {
    float weights[4]; /* of the box coder */
    float min_size;
};
struct decode_inputs {
    const struct tensor *deltas;                      /* slab [n*R,4] */
    const struct tensor *index, *value, *index_count; /* of topk: [levels*n,k], ..., [levels*n] */
    const struct tensor *image_sizes;                 /* [n,2] I32: height, width, without padding */
    const struct level_layout *layout;
    const struct anchor_params *anchors;              /* [levels]; count[level] of them each */
};
/* For each segment, in the order of index: anchor moved by its deltas (Detectron2's Box2BoxTransform;
 * dw and dh at most ln(1000/16)), dropped when box or value is not finite, clipped to the image,
 * dropped when a side is <= min_size. boxes [levels*n,cap,4], scores [levels*n,cap], counts
 * [levels*n]; k <= cap. */
typedef md_status rpn_decode_fn(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                                struct tensor *counts, const struct decode_inputs *in,
                                const struct decode_params *params);

/* Of the boxes [s,cap,4] of each segment, in descending order of score, keeps a box unless a kept
 * one has IoU > threshold with it (0/0 is not >); stops at max_keep. keep [s,cap] I32 positions,
 * ascending; keep_count [s]. IoU = I / ((Sa + Sb) - I) in float, as torchvision. */
typedef md_status nms_fn(struct stream *stream, struct tensor *keep, struct tensor *keep_count,
                         const struct tensor *boxes, const struct tensor *counts, float threshold,
                         int max_keep);

struct merge_inputs {
    const struct tensor *boxes, *scores;     /* [levels*n,cap,4], [levels*n,cap] */
    const struct tensor *keep, *keep_count;  /* [levels*n,cap], [levels*n] */
    int levels;
};
/* Per image the best `post` kept boxes over its levels' segments (segment = level*n + image), by
 * score descending, then level, then position. boxes [n,post,4], scores [n,post], counts [n]. */
typedef md_status merge_proposals_fn(struct stream *stream, struct tensor *boxes,
                                     struct tensor *scores, struct tensor *counts,
                                     const struct merge_inputs *in);

/* ---- targets ------------------------------------------------------------------------------ */

struct match_params {
    float low, high;        /* IoU < low: label 0; < high: -1; else 1 */
    bool  low_quality;      /* each truth's best boxes (all ties) become 1; their match stays */
    bool  zero_iou_matches; /* even when that best IoU is 0, as Detectron2 does */
};
/* boxes [m,4] for all images, or [n,m,4] with counts [n] (absent: m); gt [n,g,4], gt_counts [n].
 * match [n,m] = index of the best truth (lowest on ties; 0 without truths and beyond the count),
 * label [n,m] = 0, 1 or -1; all 0 without truths; -1 beyond the count.
 * IoU = I > 0 ? I / ((Sa + Sb) - I) : 0 in float. */
typedef md_status match_fn(struct stream *stream, struct tensor *match, struct tensor *label,
                           const struct tensor *boxes, const struct tensor *counts,
                           const struct tensor *gt, const struct tensor *gt_counts,
                           const struct match_params *params);

struct sample_params {
    int      size, max_foreground; /* wanted in all; of them label 1 at most */
    uint64_t stream;               /* what the random numbers are for: random_stream(purpose, 0) */
    int      image_step;           /* from an image's index to the next one's */
};
/* Without replacement: min(#1, max_foreground) rows of label 1, then min(#0, size - those) of label
 * 0; each group the rows with the smallest (key, row), written in ascending order of row. The key of
 * row r of image i is random_u32_at(seed, stream ^ (index + i * image_step), r), of the step's numbers.
 * label [n,m], index [n,cap] with cap >= min(size, m), counts [n,2] = foreground, background. */
typedef md_status sample_fn(struct stream *stream, struct tensor *index, struct tensor *counts,
                            const struct tensor *label, const struct tensor *step,
                            const struct sample_params *params);

/* The boxes of a, then of b: out [n,p+g,4], out_counts [n]. */
typedef md_status append_boxes_fn(struct stream *stream, struct tensor *out,
                                  struct tensor *out_counts, const struct tensor *a,
                                  const struct tensor *a_counts, const struct tensor *b,
                                  const struct tensor *b_counts);
/* All images' boxes [n,p,4] one after the other without gaps: rois [n*p,5] = image, x0, y0, x1, y1;
 * rows [1]. */
typedef md_status rois_from_boxes_fn(struct stream *stream, struct tensor *rois,
                                     struct tensor *rows, const struct tensor *boxes,
                                     const struct tensor *counts);

/* A list of `rows` [1] rows cut into parts of `size`: counts [parts] = how many are in each. */
typedef md_status part_rows_fn(struct stream *stream, struct tensor *counts,
                               const struct tensor *rows, int64_t size);

struct roi_target_inputs {
    const struct tensor *boxes;                        /* [n,q,4] */
    const struct tensor *index, *index_counts;         /* [n,b], [n,2] of sample */
    const struct tensor *match;                        /* [n,q] */
    const struct tensor *gt, *gt_classes, *gt_counts;  /* [n,g,4], [n,g], [n] */
    int num_classes;
};
/* The sampled rows of all images without gaps, image by image, foreground first: rois [cap,5],
 * classes [cap] (num_classes = background), targets [cap,4] = matched truth (zero without truths),
 * rows [1]; cap = n*b. */
typedef md_status roi_targets_fn(struct stream *stream, struct tensor *rois, struct tensor *classes,
                                 struct tensor *targets, struct tensor *rows,
                                 const struct roi_target_inputs *in);

/* ---- RoIAlign ----------------------------------------------------------------------------- */

struct roi_align_params {
    int   levels, min_level;      /* 4, 2: p2..p5 */
    float scales[OPS_MAX_LEVELS]; /* 1/4, 1/8, ... */
    int   sampling_ratio;         /* 0: ceil(size / pooled) */
    float canonical_size;         /* 224 */
    int   canonical_level;        /* 4 */
};
/* Activations, but for rois. out [cap,p,p,c] = mean of bilinear samples in each cell of each roi, on
 * the level its size asks for (level rule in float32); features levels x [n,h,w,c]; rois [cap,5];
 * rows of image -1 give zero. He et al. 2017; aligned, as Detectron2's ROIAlignV2. */
typedef md_status roi_align_forward_fn(struct stream *stream, struct tensor *out,
                                       const struct tensor *features, const struct tensor *rois,
                                       const struct tensor *rows,
                                       const struct roi_align_params *params);
/* feature_grads[level] += ; the same bits whatever the number of threads. */
typedef md_status roi_align_backward_fn(struct stream *stream, struct tensor *feature_grads,
                                        const struct tensor *out_grad, const struct tensor *rois,
                                        const struct tensor *rows,
                                        const struct roi_align_params *params);

/* ---- losses ------------------------------------------------------------------------------- */

struct rpn_loss_params {
    enum box_loss_kind kind;
    float weights[4], smooth_l1_beta; /* beta < 1e-5: L1 */
    float class_scale, box_scale;     /* loss weight / (batch size per image * images) */
};
struct rpn_loss_inputs {
    const struct tensor *logits, *deltas;      /* slabs [n*R], [n*R,4] */
    const struct tensor *anchors;              /* [R,4] */
    const struct tensor *index, *index_counts; /* of sample */
    const struct tensor *match, *gt;           /* [n,R], [n,g,4] */
    const struct tensor *scale;                /* of gradients, may be absent */
    const struct level_layout *layout;
};
/* loss [2] = sum of BCE with logits; sum of the box loss of (deltas, anchor, truth) over foreground;
 * each times its scale. The gradients (shaped like logits and deltas, activations; absent: not wanted)
 * are overwritten, zero where not sampled. */
typedef md_status rpn_loss_fn(struct stream *stream, struct tensor *loss,
                              struct tensor *logits_grad, struct tensor *deltas_grad,
                              const struct rpn_loss_inputs *in,
                              const struct rpn_loss_params *params);

/* out[r] = softmax(in[r]); [cap,k]. */
typedef md_status softmax_fn(struct stream *stream, struct tensor *out, const struct tensor *in,
                             const struct tensor *rows);
/* loss [1] = mean over rows of -log softmax(logits)[class] (0 when there are none); grad [cap,k] in
 * activations, times scale[0], overwritten, zero beyond rows (absent: not wanted). A row whose class
 * is not in [0,k) adds nothing, but counts in the mean. stats [4] F32 = correct, foreground, correct
 * foreground, foreground taken for background; background is class k - 1. */
typedef md_status softmax_loss_fn(struct stream *stream, struct tensor *loss, struct tensor *grad,
                                  struct tensor *stats, const struct tensor *logits,
                                  const struct tensor *classes, const struct tensor *rows,
                                  const struct tensor *scale);

struct box_loss_params {
    enum box_loss_kind kind;
    float weights[4], smooth_l1_beta, scale;
    int   num_classes;
    bool  class_agnostic;
};
struct box_loss_inputs {
    const struct tensor *deltas;                 /* [cap,4k], or [cap,4] when class_agnostic */
    const struct tensor *rois, *targets;         /* [cap,5], [cap,4] */
    const struct tensor *classes, *rows;         /* [cap], [1] */
    const struct tensor *scale;                  /* of gradients, may be absent */
};
/* loss [1] = params->scale * sum over foreground rows (0 <= class < num_classes) of the box loss
 * of (deltas of the class, roi, target) / max(rows, 1); grad, shaped like deltas, in activations, is
 * overwritten (absent: not wanted). */
typedef md_status box_loss_fn(struct stream *stream, struct tensor *loss, struct tensor *grad,
                              const struct box_loss_inputs *in,
                              const struct box_loss_params *params);

/* ---- detections --------------------------------------------------------------------------- */

struct detect_params {
    float weights[4], score_threshold, nms_threshold;
    int   num_classes;
    bool  class_agnostic;
};
struct detect_inputs {
    const struct tensor *probabilities, *deltas; /* [cap,k+1], [cap,4k or 4] */
    const struct tensor *rois, *rows;            /* [cap,5], [1] */
    const struct tensor *image_sizes;            /* [n,2] I32 */
};
/* Per image: rows with a non-finite value dropped; every (row, class) with probability > threshold,
 * its box decoded and clipped to the image; NMS within each class; the best d by score, then row,
 * then class. boxes [n,d,4], scores [n,d], classes [n,d], counts [n]. */
typedef md_status detect_fn(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                            struct tensor *classes, struct tensor *counts,
                            const struct detect_inputs *in, const struct detect_params *params);

/* ---- optimiser ---------------------------------------------------------------------------- */

struct sgd_params {
    float lr_factor, momentum, weight_decay;
    bool  nesterov, first;
};
/* torch.optim.SGD: g = grad + wd*p; v = first ? g : m*v + g; p -= lr * (nesterov ? g + m*v : v), lr =
 * the step's times lr_factor. Nothing when `apply` [1] I32 is given and 0. */
typedef md_status sgd_step_fn(struct stream *stream, struct tensor *value, struct tensor *momentum,
                              const struct tensor *grad, const struct tensor *step,
                              const struct tensor *apply, const struct sgd_params *params);
/* average = average_kept * average + average_added * in, of the step's numbers; F32. */
typedef md_status average_fn(struct stream *stream, struct tensor *average, const struct tensor *in,
                             const struct tensor *step, const struct tensor *apply);
/* grad /= scale[0], which is a power of two; F32 */
typedef md_status unscale_fn(struct stream *stream, struct tensor *grad, const struct tensor *scale);
/* As torch's GradScaler: scale[0] is halved when finite [1] I32 is 0, and doubled after `patience`
 * steps in which it was not; it stays within 1 and OPS_MOST_SCALE. */
typedef md_status adjust_scale_fn(struct stream *stream, struct tensor *scale,
                                  const struct tensor *finite, int patience);
/* out [1] */
typedef md_status sum_squares_fn(struct stream *stream, struct tensor *out,
                                 const struct tensor *in);
/* out [1] I32: 1 or 0 */
typedef md_status all_finite_fn(struct stream *stream, struct tensor *out, const struct tensor *in);

/* Each element into [-limit, limit], as torch's clip_grad_value_. */
typedef md_status clip_value_fn(struct stream *stream, struct tensor *grad, float limit);
/* grad *= min(1, limit / (norm + 1e-6)), as torch's clip_grad_norm_; the norm (sum |g|^order)^(1/order)
 * in double, with order inf the largest |g|. order > 0. */
typedef md_status clip_norm_fn(struct stream *stream, struct tensor *grad, float limit, float order);

/* ---- the list ----------------------------------------------------------------------------- */

/* X(name): every primitive that has a front door op_name of type name_fn. */
#define OPS_LIST(X)                                                                     \
    X(fill) X(copy) X(add) X(scale) X(blend) X(relu_backward)                           \
    X(conv2d_forward) X(conv2d_backward_input) X(conv2d_backward_weight)                \
    X(linear_forward) X(linear_backward_input) X(linear_backward_weight)                \
    X(norm_forward) X(norm_backward)                                                    \
    X(maxpool_forward) X(conv2d_maxpool_forward) X(maxpool_backward)                    \
    X(upsample_add) X(upsample_backward) X(images_to_tensor) X(anchors)                 \
    X(topk) X(rpn_decode) X(nms) X(merge_proposals)       \
    X(match) X(sample) X(append_boxes) X(rois_from_boxes) X(part_rows)                  \
    X(roi_targets) X(roi_align_forward) X(roi_align_backward)                           \
    X(rpn_loss) X(softmax) X(softmax_loss) X(box_loss) X(detect)                        \
    X(sgd_step) X(average) X(unscale) X(adjust_scale) X(sum_squares) X(all_finite) X(clip_value) X(clip_norm)

struct op_table {
    weight_release_fn *weight_release;
    weight_ready_fn   *weight_ready;
    weight_refold_fn  *weight_refold;
#define X(name) name##_fn *name;
    OPS_LIST(X)
#undef X
};

weight_release_fn op_weight_release;
#define X(name) name##_fn op_##name;
OPS_LIST(X)
#undef X

#endif
