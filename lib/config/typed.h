/* typed.h - the configuration as plain structs: read from the key table once, checked, and then
 * used everywhere. Field names follow the keys. */
#ifndef CONFIG_TYPED_H
#define CONFIG_TYPED_H

#include "config/config.h"

enum {
    CONFIG_LEVELS = 5, CONFIG_MAX_RATIOS = 8, CONFIG_MAX_SIZES = 8,
    CONFIG_MAX_STEPS = 16, CONFIG_MAX_MIN_SIZES = 32
};

struct rpn_config {
    int    pre_nms_topk_train, pre_nms_topk_test, post_nms_topk_train, post_nms_topk_test;
    float  nms_thresh, min_size;
    float  iou_thresholds[2];
    int    batch_size_per_image;
    double positive_fraction;
    float  bbox_reg_weights[4];
    int    bbox_reg_loss; /* 0 smooth L1, 1 GIoU, 2 DIoU, 3 CIoU: enum box_loss_kind of tensor/box_loss.h */
    float  smooth_l1_beta, loss_weight, bbox_reg_loss_weight;
};

struct roi_config {
    int    num_classes; /* without background */
    float  iou_threshold;
    int    batch_size_per_image;
    double positive_fraction;
    float  score_thresh_test, nms_thresh_test;
    bool   proposal_append_gt;
    int    num_fc, fc_dim;
    int    pooler_resolution, pooler_sampling_ratio;
    float  bbox_reg_weights[4];
    int    bbox_reg_loss; /* as above */
    float  smooth_l1_beta, bbox_reg_loss_weight;
    bool   cls_agnostic_bbox_reg;
};

enum norm_kind { NORM_NONE, NORM_FROZEN_BN, NORM_GN, NORM_BN };

struct model_config {
    int   depth; /* 18, 34 basic; 50, 101, 152 bottleneck; 0: MDET.RESNETS.BLOCKS decides */
    int   blocks[4];
    bool  basic_blocks;
    int   num_groups, width_per_group;
    bool  stride_in_1x1;
    int   stem_out_channels, res2_out_channels;
    int   freeze_at;
    enum norm_kind resnet_norm, fpn_norm;
    int   fpn_out_channels;
    bool  fpn_fuse_avg;
    double anchor_sizes[CONFIG_LEVELS][CONFIG_MAX_SIZES]; /* p2..p6 */
    int   anchor_size_count[CONFIG_LEVELS];
    double anchor_ratios[CONFIG_MAX_RATIOS]; /* h / w */
    int   anchor_ratio_count;
    float anchor_offset;
    float pixel_mean[3], pixel_std[3]; /* in the order of the input channels */
    struct rpn_config rpn;
    struct roi_config roi;
    int   detections_per_image;
};

/* A random part of a training image: shares of it, or pixels. */
struct crop_config {
    bool   enabled, absolute;
    bool   range;   /* relative: a share from size to 1; absolute: pixels from size[0] to size[1] */
    double size[2]; /* height, width */
};

struct input_config {
    bool bgr; /* INPUT.FORMAT */
    int  min_size_train[CONFIG_MAX_MIN_SIZES];
    int  min_size_train_count;
    bool min_size_train_range; /* MIN_SIZE_TRAIN_SAMPLING == "range" */
    int  max_size_train, min_size_test, max_size_test;
    double flip_probability; /* RANDOM_FLIP none: 0, else 0.5 */
    bool flip_vertical;
    struct crop_config crop;
    double brightness[2], contrast[2], saturation[2]; /* MDET.INPUT: least, most */
    double lighting;
    bool aspect_ratio_grouping, filter_empty;
    double repeat_threshold; /* 0 without RepeatFactorTrainingSampler */
    bool repeat_sqrt;
    double subset_ratio;     /* 1 without RandomSubsetTrainingSampler */
    bool skip_broken_images;     /* MDET.SKIP_BROKEN_IMAGES */
};

enum schedule_kind { SCHEDULE_MULTI_STEP, SCHEDULE_COSINE, SCHEDULE_FIXED_GAMMA };
enum clip_kind { CLIP_OFF, CLIP_VALUE, CLIP_NORM, CLIP_FULL_MODEL };

struct solver_config {
    double base_lr, momentum, weight_decay, weight_decay_bias, bias_lr_factor;
    double weight_decay_norm, weight_decay_norm_bias; /* of weights and biases of trained norms */
    bool   nesterov;
    int    ims_per_batch, accumulate; /* MDET.SOLVER.ACCUMULATE parts of it at a time */
    int64_t max_iter;
    int64_t steps[CONFIG_MAX_STEPS]; /* ascending; the schedule leaves out those beyond max_iter */
    int    step_count;
    enum schedule_kind schedule;
    double gamma, base_lr_end;
    int    num_decays;
    bool   warmup_constant, rescale_interval;
    double warmup_factor;
    int64_t warmup_iters, checkpoint_period, eval_period;
    int64_t max_to_keep; /* of iter_N checkpoints; -1: all */
    enum clip_kind clip; /* SOLVER.CLIP_GRADIENTS */
    double clip_value, clip_norm_type;
    bool   ema, ema_warmup; /* MDET.EMA */
    double ema_decay;       /* below 1 */
    int64_t early_stop_patience; /* MDET.EARLY_STOP.PATIENCE; 0: off */
    double early_stop_min_delta;
    bool   validate_ap;          /* MDET.TEST.AP, or wanted by MDET.BEST.METRIC */
    bool deterministic;          /* the same bits run after run, whatever it costs */
    int64_t seed;                /* -1: from the clock */
    int    num_workers;          /* DATALOADER.NUM_WORKERS */
};

struct typed_config {
    struct model_config  model;
    struct input_config  input;
    struct solver_config solver;
};

/* Reads and checks every field: ranges, counts, combinations this engine has no network for
 * (MODEL.MASK_ON, another backbone, a norm over devices, ...) are MD_EUNSUPPORTED or
 * MD_EINVAL naming the key, its value and what is possible. */
md_status config_typed(const struct config *config, struct typed_config *out);

#endif
