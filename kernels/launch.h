/* launch.h - the CUDA kernels as C functions: all that the library knows of them.
 *
 * A launcher chooses grid and block, enqueues on `stream` and returns a cudaError_t as int. It does
 * nothing for zero elements, never allocates, waits or prints; pointers are device memory of the
 * shapes given beside them. Scratch comes from the caller, launch_x_scratch tells how much, and its
 * content does not matter. Counts of lists are read on the device. Meaning, order and exactness are
 * those of the primitive of the same stem in lib/tensor/ops.h. */
#ifndef KERNELS_LAUNCH_H
#define KERNELS_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *launch_stream;

enum launch_type { LAUNCH_F32, LAUNCH_BF16, LAUNCH_F16 };

/* ---- elementwise.cu ------------------------------------------------------------------------ */

/* out[i] = bits, of 32-bit words. */
int launch_fill(void *out, uint32_t bits, int64_t count, launch_stream stream);
/* out[i] = the float of these bits, of BF16 or F16. */
int launch_fill_narrow(void *out, uint32_t bits, enum launch_type type, int64_t count,
                       launch_stream stream);
int launch_add(void *out, const void *in, int64_t count, enum launch_type type, launch_stream stream);
int launch_scale(void *out, float factor, int64_t count, enum launch_type type, launch_stream stream);
int launch_cast(void *out, enum launch_type to, const void *in, enum launch_type from, int64_t count,
                launch_stream stream);
/* out[r,c] = value[r,c] * scale[r], [rows, columns]; scale NULL: ones. */
int launch_fold_weight(void *out, enum launch_type type, const float *value, const float *scale,
                       int64_t rows, int64_t columns, launch_stream stream);

/* ---- pool.cu, stem.cu ---------------------------------------------------------------------- */

struct launch_pool {
    int64_t images, channels;
    int     height, width, out_height, out_width, kernel, stride, pad;
};
int launch_maxpool(void *out, const void *in, const struct launch_pool *pool, enum launch_type type,
                   launch_stream stream);

struct launch_map {
    int64_t images, channels;
    int     height, width;
};
/* `map` is that of `in`; out has twice its height and width. */
int launch_upsample_add(void *out, const void *in, const struct launch_map *map, enum launch_type type,
                        launch_stream stream);

struct launch_stem {
    void        *out;    /* [images, out_height, out_width, channels] */
    const void  *in;     /* [images, height, width, in_channels] */
    const void  *weight; /* [channels, kernel_height, kernel_width, in_channels] */
    const float *bias;   /* [channels] or NULL */
    int64_t      images;
    int          height, width, in_channels, channels;
    int          conv_height, conv_width, out_height, out_width;
    int          kernel_height, kernel_width, stride, pad, pool_kernel, pool_stride, pool_pad;
    int          multiprocessors;
    enum launch_type type; /* of out, in and weight */
};
/* Pooled relu(convolution + bias); pool_kernel > pool_pad. Fast for what ResNets begin with in 16 bits. */
int launch_stem(const struct launch_stem *stem, launch_stream stream);

/* ---- softmax.cu ---------------------------------------------------------------------------- */

/* [capacity, classes]; rows [1] or NULL, rows beyond are zero. */
int launch_softmax(float *out, const float *in, const int32_t *rows, int64_t capacity, int64_t classes,
                   launch_stream stream);

/* ---- grouped_conv.cu, grouped_direct.cu ---------------------------------------------------- */

struct launch_grouped_conv {
    void             *out;      /* [n, (h + 2 pad - kernel_h) / stride + 1, ..., out_channels] */
    const void       *in;       /* [n, h, w, in_channels] */
    const void       *weight;   /* [out_channels, kernel_h, kernel_w, in_channels / groups], folded */
    const float      *bias;     /* [out_channels] or NULL */
    const void       *residual; /* like out, maybe out itself, or NULL */
    enum launch_type  type;     /* of in and weight */
    enum launch_type  out_type; /* the same or F32 */
    int64_t           n, h, w, in_channels, out_channels;
    int               groups, kernel_h, kernel_w, stride, pad;
    bool              relu;
    int               multiprocessors; /* of the device */
    int               capability;      /* 90 is 9.0 */
    int               shared_limit;    /* bytes of shared memory that a block may ask for */
};

/* On tensor cores: 3x3, pad 1, stride 1 or 2, groups of 8, 16, 32 or 64 channels in and as many out,
 * BF16 and F16, out of the same type, no residual, everything aligned to 16 bytes. What does not fit
 * is cudaErrorInvalidValue. */
bool launch_grouped_conv_fits(const struct launch_grouped_conv *conv);
int  launch_grouped_conv(const struct launch_grouped_conv *conv, launch_stream stream);

/* Any groups, kernel and types; slow. */
bool launch_grouped_direct_fits(const struct launch_grouped_conv *conv);
int  launch_grouped_direct(const struct launch_grouped_conv *conv, launch_stream stream);

/* ---- preprocess.cu ------------------------------------------------------------------------- */

struct launch_images {
    void          *out;    /* [images, height, width, 3] */
    const uint8_t *pixels; /* [images, capacity] */
    const int32_t *from_sizes, *sizes; /* [images, 2] */
    int64_t        images, capacity;
    int            height, width;
    float          mean[3], std[3];
    bool           reverse_channels;
    enum launch_type type;
};
size_t launch_images_scratch(const struct launch_images *images);
int    launch_images_to_tensor(const struct launch_images *images, void *scratch, launch_stream stream);

/* ---- roi_align.cu, rois.cu ----------------------------------------------------------------- */

/* boxes [images, capacity, 4] to rois [images * capacity, 5] without gaps; rows [1]. */
int launch_rois_from_boxes(float *rois, int32_t *rows, const float *boxes, const int32_t *counts,
                           int64_t images, int64_t capacity, launch_stream stream);
int launch_part_rows(int32_t *counts, const int32_t *rows, int64_t parts, int64_t size,
                     launch_stream stream);

enum { LAUNCH_MAX_LEVELS = 5, LAUNCH_MAX_CELLS = 64 };

struct launch_roi_align {
    void         *out;                         /* [capacity, pooled, pooled, channels] */
    const void   *features[LAUNCH_MAX_LEVELS]; /* [images, height, width, channels] */
    int           height[LAUNCH_MAX_LEVELS], width[LAUNCH_MAX_LEVELS];
    float         scale[LAUNCH_MAX_LEVELS];
    const float   *rois; /* [capacity, 5] */
    const int32_t *rows; /* [1] or NULL */
    int64_t       images, capacity, channels;
    int           levels, min_level, pooled, sampling_ratio, canonical_level;
    float         canonical_size;
    enum launch_type type; /* of features and out */
};
int launch_roi_align(const struct launch_roi_align *align, launch_stream stream);

/* ---- anchors.cu, topk.cu, decode.cu -------------------------------------------------------- */

struct launch_anchor_level {
    int64_t first, count; /* of its anchors in an image's */
    int     cell_count, height, width;
    float   stride, offset, cells[LAUNCH_MAX_CELLS][4];
};
int launch_anchors(float *out, const struct launch_anchor_level *level, launch_stream stream);

struct launch_topk {
    int32_t     *index; /* [levels * images, k] */
    float       *value; /* [levels * images, k] */
    int32_t     *count; /* [levels * images] */
    const float *values; /* slab */
    int64_t      images, k;
    int          levels;
    int64_t      first[LAUNCH_MAX_LEVELS], level_count[LAUNCH_MAX_LEVELS];
};
size_t launch_topk_scratch(const struct launch_topk *topk);
int    launch_topk(const struct launch_topk *topk, void *scratch, launch_stream stream);

struct launch_rpn_decode {
    float         *boxes, *scores; /* [levels * images, capacity, 4], [levels * images, capacity] */
    int32_t       *counts;         /* [levels * images] */
    const float   *deltas;         /* slab */
    const int32_t *index;          /* [levels * images, k] */
    const float   *value;
    const int32_t *index_count;
    const int32_t *image_sizes;    /* [images, 2] */
    int64_t        images, capacity, k;
    int            levels;
    float          weights[4], min_size;
    struct launch_anchor_level level[LAUNCH_MAX_LEVELS];
};
int launch_rpn_decode(const struct launch_rpn_decode *decode, launch_stream stream);

/* ---- nms.cu, merge.cu ---------------------------------------------------------------------- */

struct launch_nms {
    int32_t       *keep, *keep_count; /* [segments, capacity], [segments] */
    const float   *boxes;             /* [segments, capacity, 4] */
    const int32_t *counts;            /* [segments] */
    int64_t        segments, capacity;
    float          threshold;
    int            max_keep;
};

/* capacity is 2^20 at most: else cudaErrorInvalidValue. */
int launch_nms(const struct launch_nms *nms, launch_stream stream);

struct launch_merge {
    float         *boxes, *scores;       /* [images, post, 4], [images, post] */
    int32_t       *counts;               /* [images] */
    const float   *from_boxes, *from_scores; /* [levels * images, capacity, 4], ... */
    const int32_t *keep, *keep_count;    /* [levels * images, capacity], [levels * images] */
    int64_t        images, capacity, post;
    int            levels;
};
int launch_merge_proposals(const struct launch_merge *merge, launch_stream stream);

/* ---- detect.cu ----------------------------------------------------------------------------- */

struct launch_detect {
    float         *boxes, *scores;  /* [images, detections, 4], [images, detections] */
    int32_t       *classes, *counts; /* [images, detections], [images] */
    const float   *probabilities;   /* [capacity, num_classes + 1] */
    const float   *deltas;          /* [capacity, 4 * num_classes], or 4 when class_agnostic */
    const float   *rois;            /* [capacity, 5] */
    const int32_t *rows;            /* [1] or NULL */
    const int32_t *image_sizes;     /* [images, 2] */
    int64_t        images, capacity, detections;
    int            num_classes;
    bool           class_agnostic;
    float          weights[4], score_threshold, nms_threshold;
};
size_t launch_detect_scratch(const struct launch_detect *detect);
int    launch_detect(const struct launch_detect *detect, void *scratch, launch_stream stream);

#ifdef __cplusplus
}
#endif
#endif
