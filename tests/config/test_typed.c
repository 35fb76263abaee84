/* test_typed.c - keys to structs: values, and every refusal with the key that caused it. */
#include "config/typed.h"

#include <math.h>

#include "config/config_case.h"
#include "config/key_table.h"
#include "support/failing_memory.h"

static struct config_case at;
static struct typed_config typed;

static void must_set(const char *key, const char *value)
{
    ck_assert_msg(config_set(at.config, key, value) == MD_OK, "%s", error_text());
}

/* Pairs of what was read and what it must be; exact, for both come from the same decimal text. */
#define CHECK_PAIRS(pairs)                                                                         \
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs)[0]; i++)                                  \
    ck_assert_msg((pairs)[i][0] == (pairs)[i][1], "pair %zu: %g, not %g", i, (pairs)[i][0],        \
                  (pairs)[i][1])

START_TEST(x101_as_structs)
{
    case_start(&at, "faster_rcnn_X_101_32x8d_FPN_3x");
    ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s", error_text());
    const struct model_config *m = &typed.model;
    const struct rpn_config *r = &m->rpn;
    const struct roi_config *h = &m->roi;
    const double pairs[][2] = {
        {m->depth, 101},
        {m->blocks[0], 3},
        {m->blocks[1], 4},
        {m->blocks[2], 23},
        {m->blocks[3], 3},
        {m->basic_blocks, 0},
        {m->num_groups, 32},
        {m->width_per_group, 8},
        {m->stride_in_1x1, 0},
        {m->stem_out_channels, 64},
        {m->res2_out_channels, 256},
        {m->freeze_at, 2},
        {m->fpn_out_channels, 256},
        {m->fpn_fuse_avg, 0},
        {m->anchor_size_count[0], 1},
        {m->anchor_sizes[0][0], 32},
        {m->anchor_size_count[4], 1},
        {m->anchor_sizes[4][0], 512},
        {m->anchor_ratio_count, 3},
        {m->anchor_ratios[0], 0.5},
        {m->anchor_ratios[2], 2},
        {m->anchor_offset, 0},
        {m->pixel_mean[0], 103.53f},
        {m->pixel_std[2], 58.395f},
        {m->detections_per_image, 100},
        {r->pre_nms_topk_train, 2000},
        {r->pre_nms_topk_test, 1000},
        {r->post_nms_topk_train, 1000},
        {r->post_nms_topk_test, 1000},
        {r->nms_thresh, 0.7f},
        {r->min_size, 0},
        {r->iou_thresholds[0], 0.3f},
        {r->iou_thresholds[1], 0.7f},
        {r->batch_size_per_image, 256},
        {r->positive_fraction, 0.5},
        {r->bbox_reg_weights[3], 1},
        {r->smooth_l1_beta, 0},
        {r->loss_weight, 1},
        {r->bbox_reg_loss_weight, 1},
        {h->num_classes, 80},
        {h->iou_threshold, 0.5},
        {h->batch_size_per_image, 512},
        {h->positive_fraction, 0.25},
        {h->score_thresh_test, 0.05f},
        {h->nms_thresh_test, 0.5},
        {h->proposal_append_gt, 1},
        {h->num_fc, 2},
        {h->fc_dim, 1024},
        {h->pooler_resolution, 7},
        {h->pooler_sampling_ratio, 0},
        {h->bbox_reg_weights[0], 10},
        {h->bbox_reg_weights[3], 5},
        {h->smooth_l1_beta, 0},
        {h->bbox_reg_loss_weight, 1},
        {h->cls_agnostic_bbox_reg, 0},
    };
    CHECK_PAIRS(pairs);
    case_end(&at);
}
END_TEST

START_TEST(input_and_solver_as_structs)
{
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
    const struct input_config *in = &typed.input;
    const struct solver_config *s = &typed.solver;
    const double pairs[][2] = {
        {in->bgr, 1},
        {in->min_size_train_count, 6},
        {in->min_size_train[0], 640},
        {in->min_size_train[5], 800},
        {in->min_size_train_range, 0},
        {in->max_size_train, 1333},
        {in->min_size_test, 800},
        {in->max_size_test, 1333},
        {in->flip_probability, 0.5},
        {in->aspect_ratio_grouping, 1},
        {in->filter_empty, 1},
        {in->skip_broken_images, 1},
        {s->base_lr, 0.02},
        {s->momentum, 0.9},
        {s->weight_decay, 0.0001},
        {s->weight_decay_bias, 0.0001},
        {s->bias_lr_factor, 1},
        {s->nesterov, 0},
        {s->ims_per_batch, 16},
        {(double)s->max_iter, 270000},
        {s->step_count, 2},
        {(double)s->steps[0], 210000},
        {(double)s->steps[1], 250000},
        {s->gamma, 0.1},
        {s->warmup_factor, 0.001},
        {(double)s->warmup_iters, 1000},
        {(double)s->checkpoint_period, 5000},
        {(double)s->eval_period, 0},
        {(double)s->early_stop_patience, 0},
        {s->early_stop_min_delta, 0},
        {s->validate_ap, 0},
        {(double)s->seed, -1},
        {s->num_workers, 4},
    };
    CHECK_PAIRS(pairs);
    case_end(&at);
}
END_TEST

START_TEST(other_values_as_structs)
{
    static const char *const settings[][2] = {
        {"INPUT.FORMAT", "RGB"},
        {"INPUT.RANDOM_FLIP", "none"},
        {"INPUT.MIN_SIZE_TRAIN_SAMPLING", "range"},
        {"INPUT.MIN_SIZE_TRAIN", "(320, 640)"},
        {"SOLVER.WEIGHT_DECAY_BIAS", "0"},
        {"SOLVER.STEPS", "(10, 270000, 270001)"},
        {"MDET.BEST.METRIC", "bbox/AP50"},
        {"MDET.EARLY_STOP.PATIENCE", "3"},
        {"MODEL.FPN.FUSE_TYPE", "avg"},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        must_set(settings[i][0], settings[i][1]);
    ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
    const double pairs[][2] = {
        {typed.input.bgr, 0},
        {typed.input.flip_probability, 0},
        {typed.input.min_size_train_range, 1},
        {typed.input.min_size_train_count, 2},
        {typed.solver.weight_decay_bias, 0},
        {typed.solver.step_count, 3}, /* what is too late is the schedule's to say */
        {(double)typed.solver.steps[1], 270000},
        {typed.solver.validate_ap, 1},
        {(double)typed.solver.early_stop_patience, 3},
        {typed.model.fpn_fuse_avg, 1},
    };
    CHECK_PAIRS(pairs);
    ck_assert_int_eq(at.warnings, 0);
    case_end(&at);
}
END_TEST

START_TEST(blocks_by_depth_or_by_list)
{
    static const struct {
        const char *depth, *list, *kind;
        bool basic;
        int stored_depth, res4;
    } cases[] = {
        {"18", "[]", "auto", true, 18, 2},           {"34", "[]", "auto", true, 34, 6},
        {"152", "[]", "auto", false, 152, 36},       {"18", "[]", "bottleneck", false, 18, 2},
        {"50", "[1, 1, 2, 1]", "auto", false, 0, 2}, {"18", "[1, 1, 2, 1]", "auto", true, 0, 2},
        {"7", "(1, 2, 3, 4)", "basic", true, 0, 3},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must_set("MODEL.RESNETS.DEPTH", cases[i].depth);
        must_set("MDET.RESNETS.BLOCKS", cases[i].list);
        must_set("MDET.RESNETS.BLOCK", cases[i].kind);
        ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s", error_text());
        ck_assert_msg(typed.model.basic_blocks == cases[i].basic &&
                          typed.model.depth == cases[i].stored_depth &&
                          typed.model.blocks[2] == cases[i].res4,
                      "case %zu", i);
    }
    case_end(&at);
}
END_TEST

START_TEST(anchors_for_one_level_stand_for_all)
{
    static const char *const sizes[] = {"[[16, 24]]", "[16, 24]"};
    case_start(&at, "tiny");
    for (int k = 0; k < 2; k++) {
        must_set("MODEL.ANCHOR_GENERATOR.SIZES", sizes[k]);
        must_set("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS",
                 k ? "[1.0]" : "[[1], [1], [1], [1], [1.0]]");
        ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s", error_text());
        for (int i = 0; i < CONFIG_LEVELS; i++)
            ck_assert(typed.model.anchor_size_count[i] == 2 &&
                      typed.model.anchor_sizes[i][1] == 24.0f);
        ck_assert_int_eq(typed.model.anchor_ratio_count, 1);
    }
    case_end(&at);
}
END_TEST

static const struct {
    const char *key, *value, *error;
    md_status status;
} refused[] = {
    {"MODEL.MASK_ON", "True", "MODEL.MASK_ON is bool True; only False is possible",
     MD_EUNSUPPORTED},
    {"MODEL.RESNETS.NORM", "SyncBN", "possible are FrozenBN, GN, BN", MD_EUNSUPPORTED},
    {"MODEL.FPN.NORM", "LN", "MODEL.FPN.NORM", MD_EUNSUPPORTED},
    {"SOLVER.WEIGHT_DECAY_NORM", "-1", "SOLVER.WEIGHT_DECAY_NORM", MD_EINVAL},
    {"MODEL.RPN.BBOX_REG_LOSS_TYPE", "huber", "possible are smooth_l1, giou, diou, ciou",
     MD_EUNSUPPORTED},
    {"MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "GIoU", "possible are smooth_l1, giou",
     MD_EUNSUPPORTED},
    {"MODEL.ROI_HEADS.NAME", "CascadeROIHeads", "there are no cascade", MD_EUNSUPPORTED},
    {"MODEL.BACKBONE.NAME", "build_resnet_backbone", "MODEL.BACKBONE.NAME", MD_EUNSUPPORTED},
    {"MODEL.RPN.IN_FEATURES", "[res4]", "MODEL.RPN.IN_FEATURES is list of 1", MD_EUNSUPPORTED},
    {"SOLVER.LR_SCHEDULER_NAME", "OneCycle", "possible are WarmupMultiStepLR, WarmupCosineLR, Warm",
     MD_EUNSUPPORTED},
    {"SOLVER.WARMUP_METHOD", "burnin", "possible are linear, constant", MD_EUNSUPPORTED},
    {"SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "global", "possible are value, norm, full_model",
     MD_EUNSUPPORTED},
    {"SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "-1", "CLIP_VALUE = -1 is not between", MD_EINVAL},
    {"SOLVER.CLIP_GRADIENTS.NORM_TYPE", ".nan", "NORM_TYPE = nan", MD_EINVAL},
    {"SOLVER.NUM_DECAYS", "0", "SOLVER.NUM_DECAYS = 0", MD_EINVAL},
    {"MDET.EMA.DECAY", "1.001", "MDET.EMA.DECAY = 1.001", MD_EINVAL},
    {"MDET.EMA.DECAY", "1", "the average would never move", MD_EINVAL},
    {"MDET.EMA.DECAY", "-0.5", "MDET.EMA.DECAY = -0.5", MD_EINVAL},
    {"MDET.SOLVER.ACCUMULATE", "0", "MDET.SOLVER.ACCUMULATE = 0", MD_EINVAL},
    {"MDET.SOLVER.ACCUMULATE", "17", "more than the 16 images of SOLVER.IMS_PER_BATCH", MD_EINVAL},
    {"VERSION", "1", "VERSION is int 1", MD_EUNSUPPORTED},
    {"INPUT.FORMAT", "L", "INPUT.FORMAT is 'L'; possible are BGR, RGB", MD_EUNSUPPORTED},
    {"INPUT.RANDOM_FLIP", "both", "possible are horizontal, vertical, none", MD_EUNSUPPORTED},
    {"INPUT.CROP.TYPE", "square", "possible are relative, relative_range, absolute, absolute_range",
     MD_EUNSUPPORTED},
    {"INPUT.CROP.SIZE", "(0.5,)", "INPUT.CROP.SIZE has 1 number; it needs two", MD_EINVAL},
    {"MDET.INPUT.BRIGHTNESS", "(1.2, 0.8)", "two numbers from 0 on, the smaller first", MD_EINVAL},
    {"MDET.INPUT.CONTRAST", "(-0.1, 1)", "two numbers from 0 on", MD_EINVAL},
    {"MDET.INPUT.SATURATION", "(.nan, 1)", "two numbers from 0 on", MD_EINVAL},
    {"MDET.INPUT.LIGHTING", "-1", "MDET.INPUT.LIGHTING = -1 is not between 0", MD_EINVAL},
    {"DATALOADER.SAMPLER_TRAIN", "InferenceSampler", "possible are TrainingSampler, Repeat",
     MD_EUNSUPPORTED},
    {"DATALOADER.REPEAT_THRESHOLD", "1.5", "DATALOADER.REPEAT_THRESHOLD = 1.5", MD_EINVAL},
    {"MDET.BEST.METRIC", "AP", "bbox/APs, bbox/APm, bbox/APl, bbox/AP-CLASS", MD_EUNSUPPORTED},
    {"MODEL.RESNETS.DEPTH", "77", "MODEL.RESNETS.DEPTH = 77", MD_EUNSUPPORTED},
    {"MODEL.RESNETS.NUM_GROUPS", "65536", "65536 x 64; the product may be 65536", MD_EINVAL},
    {"MDET.RESNETS.BLOCKS", "[1, 2]", "it must have 4", MD_EINVAL},
    {"MDET.RESNETS.BLOCKS", "[1, 2, 3, 4, 5]", "MDET.RESNETS.BLOCKS has 5", MD_EINVAL},
    {"MDET.RESNETS.BLOCKS", "[1, 0, 1, 1]", "0 is not between 1 and 64", MD_EINVAL},
    {"MDET.RESNETS.BLOCKS", "[1, 1.5, 1, 1]", "1.5 is not a whole number", MD_EINVAL},
    {"SOLVER.BASE_LR", "-0.1", "SOLVER.BASE_LR = -0.1 is not between 0", MD_EINVAL},
    {"SOLVER.BASE_LR", ".nan", "SOLVER.BASE_LR = nan", MD_EINVAL},
    {"SOLVER.IMS_PER_BATCH", "0", "SOLVER.IMS_PER_BATCH = 0", MD_EINVAL},
    {"SOLVER.MAX_ITER", "9223372036854775807", "SOLVER.MAX_ITER", MD_EINVAL},
    {"SOLVER.WEIGHT_DECAY_BIAS", "-1", "SOLVER.WEIGHT_DECAY_BIAS = -1", MD_EINVAL},
    {"SOLVER.STEPS", "(20, 10)", "10 stands after 20", MD_EINVAL},
    {"SOLVER.STEPS", "(1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17)", "SOLVER.STEPS has 17",
     MD_EINVAL},
    {"SOLVER.STEPS", "(1.5,)", "1.5 is not a whole number", MD_EINVAL},
    {"SEED", "-2", "SEED = -2", MD_EINVAL},
    {"INPUT.MIN_SIZE_TRAIN", "()", "INPUT.MIN_SIZE_TRAIN is empty", MD_EINVAL},
    {"INPUT.MIN_SIZE_TRAIN", "(-1,)", "-1 is not between", MD_EINVAL},
    {"INPUT.MIN_SIZE_TRAIN_SAMPLING", "range", "must be two sizes", MD_EINVAL},
    {"INPUT.MAX_SIZE_TEST", "0", "INPUT.MAX_SIZE_TEST = 0", MD_EINVAL},
    {"MODEL.PIXEL_MEAN", "(1, 2)", "MODEL.PIXEL_MEAN has 2 numbers; it must have 3", MD_EINVAL},
    {"MODEL.PIXEL_STD", "(1, 0, 1)", "MODEL.PIXEL_STD: 0 is not between", MD_EINVAL},
    {"MODEL.RPN.IOU_THRESHOLDS", "(0.7, 0.3)", "the first must not be larger", MD_EINVAL},
    {"MODEL.RPN.NMS_THRESH", "1.5", "MODEL.RPN.NMS_THRESH = 1.5", MD_EINVAL},
    {"MODEL.ROI_HEADS.IOU_THRESHOLDS", "(0.5, 0.6)", "it must have 1", MD_EINVAL},
    {"MODEL.ROI_HEADS.NUM_CLASSES", "0", "MODEL.ROI_HEADS.NUM_CLASSES = 0", MD_EINVAL},
    {"MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", "(10, 10, 5, 0)", "BBOX_REG_WEIGHTS: 0", MD_EINVAL},
    {"MODEL.BACKBONE.FREEZE_AT", "6", "MODEL.BACKBONE.FREEZE_AT = 6", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.OFFSET", "1", "MODEL.ANCHOR_GENERATOR.OFFSET = 1", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[1], [2]]", "SIZES has 2 lists", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[]", "SIZES has 0 lists", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[]]", "a level has 0 numbers", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[1], 2]", "mixes numbers and lists", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[0]]", "SIZES: 0 is not between", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[1,2,3,4,5,6,7,8,9]]", "a level has 9 numbers", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[1],[1],[1],[1],[1,2]]", "same count", MD_EUNSUPPORTED},
    {"MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", "[[1], [1]]", "ASPECT_RATIOS has 2 lists", MD_EINVAL},
    {"MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", "[[1],[1],[1],[1],[2]]", "same on all levels",
     MD_EUNSUPPORTED},
};

START_TEST(refused_values_name_their_key)
{
    memset(&typed, 0x55, sizeof typed);
    struct typed_config untouched = typed;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        case_start(&at, "faster_rcnn_R_50_FPN_3x");
        must_set(refused[i].key, refused[i].value);
        expect_error(config_typed(at.config, &typed), refused[i].status, refused[i].error);
        ck_assert_ptr_nonnull(strstr(
            error_text(), strncmp(refused[i].key, "INPUT.MIN", 9) ? refused[i].key : "INPUT.MIN"));
        case_end(&at);
    }
    ck_assert_mem_eq(&typed, &untouched, sizeof typed);
}
END_TEST

static const struct {
    const char *type, *size, *error;
} bad_crops[] = {
    {"relative", "(-0.5, 0.5)", "-0.5 is not a share of the image"},
    {"relative", "(0, 0.5)", "0 is not a share"},
    {"relative_range", "(0.5, 1.1)", "1.1 is not a share"},
    {"relative_range", "(.nan, 0.5)", "nan is not a share"},
    {"absolute", "(0.9, 0.9)", "0.9 is not a whole number of pixels"},
    {"absolute", "(100, 1e9)", "1e+09 is not a whole number of pixels, 1 to 65536"},
    {"absolute_range", "(600, 384)", "600 to 384 is no range"},
};

START_TEST(impossible_crops_are_refused_when_they_are_used)
{
    for (size_t i = 0; i < sizeof bad_crops / sizeof bad_crops[0]; i++) {
        case_start(&at, "tiny");
        must_set("INPUT.CROP.TYPE", bad_crops[i].type);
        must_set("INPUT.CROP.SIZE", bad_crops[i].size);
        ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
        must_set("INPUT.CROP.ENABLED", "True");
        expect_error(config_typed(at.config, &typed), MD_EINVAL, bad_crops[i].error);
        ck_assert_ptr_nonnull(strstr(error_text(), "INPUT.CROP.SIZE"));
        case_end(&at);
    }
}
END_TEST

START_TEST(updates_as_structs)
{
    static const char *const settings[][2] = {
        {"SOLVER.LR_SCHEDULER_NAME", "WarmupCosineLR"},
        {"SOLVER.BASE_LR_END", "0.001"},
        {"SOLVER.WARMUP_METHOD", "constant"},
        {"SOLVER.STEPS", "(20, 10)"}, /* of another schedule */
        {"SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model"},
        {"SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "0.5"},
        {"SOLVER.CLIP_GRADIENTS.NORM_TYPE", ".inf"},
        {"MDET.SOLVER.ACCUMULATE", "8"},
        {"MDET.EMA.ENABLED", "True"},
        {"MDET.EMA.DECAY", "0.9"},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        must_set(settings[i][0], settings[i][1]);
    ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s", error_text());
    const struct solver_config *s = &typed.solver;
    const double pairs[][2] = {
        {s->schedule, SCHEDULE_COSINE},
        {s->base_lr_end, 0.001},
        {s->warmup_constant, 1},
        {s->step_count, 0},
        {s->clip, CLIP_OFF},
        {s->clip_value, 0.5},
        {s->clip_norm_type, HUGE_VAL},
        {s->accumulate, 8},
        {s->ema, 1},
        {s->ema_warmup, 1},
        {s->ema_decay, 0.9},
    };
    CHECK_PAIRS(pairs);
    must_set("SOLVER.CLIP_GRADIENTS.ENABLED", "True");
    ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
    ck_assert_int_eq(s->clip, CLIP_FULL_MODEL);
    must_set("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "0");
    expect_error(config_typed(at.config, &typed), MD_EINVAL, "CLIP_VALUE is 0");
    must_set("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "1");
    must_set("SOLVER.BASE_LR_END", "0.5");
    expect_error(config_typed(at.config, &typed), MD_EINVAL, "BASE_LR_END = 0.5 is above");
    case_end(&at);
}
END_TEST

START_TEST(augmentation_as_structs)
{
    static const char *const settings[][2] = {
        {"INPUT.CROP.ENABLED", "True"},
        {"INPUT.CROP.TYPE", "absolute_range"},
        {"INPUT.CROP.SIZE", "(384, 600)"},
        {"INPUT.RANDOM_FLIP", "vertical"},
        {"MDET.INPUT.BRIGHTNESS", "(0.8, 1.2)"},
        {"MDET.INPUT.SATURATION", "(0, 2)"},
        {"MDET.INPUT.LIGHTING", "25.5"},
        {"DATALOADER.SAMPLER_TRAIN", "RepeatFactorTrainingSampler"},
        {"DATALOADER.REPEAT_THRESHOLD", "0.001"},
        {"MDET.DATALOADER.RANDOM_SUBSET_RATIO", "0.5"},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        must_set(settings[i][0], settings[i][1]);
    ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s", error_text());
    const struct input_config *in = &typed.input;
    const double pairs[][2] = {
        {in->crop.enabled, 1},       {in->crop.absolute, 1},   {in->crop.range, 1},
        {in->crop.size[0], 384},     {in->crop.size[1], 600},  {in->flip_vertical, 1},
        {in->flip_probability, 0.5}, {in->brightness[0], 0.8}, {in->brightness[1], 1.2},
        {in->contrast[0], 1},        {in->contrast[1], 1},     {in->saturation[0], 0},
        {in->saturation[1], 2},      {in->lighting, 25.5},     {in->repeat_threshold, 0.001},
        {in->repeat_sqrt, 1},        {in->subset_ratio, 1}, /* of another sampler */
    };
    CHECK_PAIRS(pairs);
    must_set("DATALOADER.SAMPLER_TRAIN", "RandomSubsetTrainingSampler");
    ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
    ck_assert(in->repeat_threshold == 0 && in->subset_ratio == 0.5);
    must_set("MDET.DATALOADER.RANDOM_SUBSET_RATIO", "0");
    expect_error(config_typed(at.config, &typed), MD_EINVAL, "RANDOM_SUBSET_RATIO is 0");
    case_end(&at);
}
END_TEST

START_TEST(groups_need_bottlenecks)
{
    case_start(&at, "faster_rcnn_R_18_FPN");
    must_set("MODEL.RESNETS.NUM_GROUPS", "32");
    expect_error(config_typed(at.config, &typed), MD_EUNSUPPORTED, "basic blocks have no groups");
    case_end(&at);
}
END_TEST

/* A key said to be in use must change something; this list is of those read elsewhere. */
START_TEST(every_used_key_is_read)
{
    static const char *const elsewhere[] = {"MDET.CLASSES", NULL};
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        bool skip = key->status != KEY_USED;
        for (int k = 0; elsewhere[k]; k++)
            skip = skip || strcmp(key->name, elsewhere[k]) == 0;
        if (skip)
            continue;
        /* Nothing that fits the type is right for every key, but none of these is the default. */
        const char *other = key->type == KEY_BOOL
                                ? (strcmp(key->initial, "True") == 0 ? "False" : "True")
                            : key->type == KEY_STRING        ? "something"
                            : key->type == KEY_NESTED        ? "[[3]]"
                            : key->type == KEY_NUMBERS       ? "[3]"
                            : strcmp(key->initial, "3") == 0 ? "2"
                                                             : "3";
        struct typed_config before;
        case_start(&at, "faster_rcnn_R_50_FPN_3x");
        ck_assert_int_eq(config_typed(at.config, &before), MD_OK);
        must_set(key->name, other);
        md_status st = config_typed(at.config, &typed);
        ck_assert_msg(st != MD_OK || memcmp(&before, &typed, sizeof typed) != 0, "%s", key->name);
        case_end(&at);
    }
}
END_TEST

START_TEST(memory_may_run_out)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct config *config = NULL;
        failing_memory_init(&failing, SIZE_MAX);
        ck_assert_int_eq(config_create(&config, &failing.memory, NULL, "tiny"), MD_OK);
        failing.fail_at = atomic_load(&failing.calls) + k;
        md_status st = config_typed(config, &typed);
        config_free(config);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("config/typed", TEST(x101_as_structs), TEST(input_and_solver_as_structs),
      TEST(other_values_as_structs), TEST(blocks_by_depth_or_by_list),
      TEST(anchors_for_one_level_stand_for_all), TEST(refused_values_name_their_key),
      TEST(impossible_crops_are_refused_when_they_are_used), TEST(augmentation_as_structs),
      TEST(updates_as_structs), TEST(groups_need_bottlenecks), TEST(every_used_key_is_read),
      TEST(memory_may_run_out))
