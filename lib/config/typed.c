/* typed.c - from keys to structs: ranges by table, then what needs more than a range. */
#include "config/typed.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "config/typed_read.h"
#include "core/error.h"

/* ---- plain fields ------------------------------------------------------- */

enum field_kind { FIELD_INT, FIELD_INT64, FIELD_FLOAT, FIELD_DOUBLE, FIELD_BOOL };

struct field {
    const char *key;
    enum field_kind kind;
    size_t offset;      /* in struct typed_config */
    double least, most; /* both allowed */
};

#define FIELD(key, kind, member, least, most)                                                      \
    {                                                                                              \
        key, FIELD_##kind, offsetof(struct typed_config, member), least, most                      \
    }
#define FLAG(key, member)                                                                          \
    {                                                                                              \
        key, FIELD_BOOL, offsetof(struct typed_config, member), 0, 1                               \
    }

#define ITERATIONS 1e15 /* exact in a double, and more than anybody trains */

static const struct field fields[] = {
    FIELD("DATALOADER.NUM_WORKERS", INT, solver.num_workers, 0, 256),
    FLAG("DATALOADER.ASPECT_RATIO_GROUPING", input.aspect_ratio_grouping),
    FLAG("DATALOADER.FILTER_EMPTY_ANNOTATIONS", input.filter_empty),
    FLAG("DATALOADER.REPEAT_SQRT", input.repeat_sqrt),
    FLAG("INPUT.CROP.ENABLED", input.crop.enabled),
    FIELD("INPUT.MAX_SIZE_TEST", INT, input.max_size_test, 1, TYPED_MAX_EDGE),
    FIELD("INPUT.MAX_SIZE_TRAIN", INT, input.max_size_train, 1, TYPED_MAX_EDGE),
    FIELD("INPUT.MIN_SIZE_TEST", INT, input.min_size_test, 0, TYPED_MAX_EDGE),
    FIELD("MDET.CHECKPOINT.MAX_TO_KEEP", INT64, solver.max_to_keep, -1, ITERATIONS),
    FIELD("MDET.EARLY_STOP.MIN_DELTA", DOUBLE, solver.early_stop_min_delta, 0, HUGE_VAL),
    FIELD("MDET.EARLY_STOP.PATIENCE", INT64, solver.early_stop_patience, 0, ITERATIONS),
    FLAG("MDET.EMA.ENABLED", solver.ema),
    FLAG("MDET.EMA.WARMUP", solver.ema_warmup),
    FIELD("MDET.INPUT.LIGHTING", DOUBLE, input.lighting, 0, 1e6),
    FLAG("MDET.DETERMINISTIC", solver.deterministic),
    FLAG("MDET.SKIP_BROKEN_IMAGES", input.skip_broken_images),
    FIELD("MDET.SOLVER.ACCUMULATE", INT, solver.accumulate, 1, 65536),
    FLAG("MDET.TEST.AP", solver.validate_ap),
    FIELD("MODEL.ANCHOR_GENERATOR.OFFSET", FLOAT, model.anchor_offset, 0, 0.999),
    FIELD("MODEL.BACKBONE.FREEZE_AT", INT, model.freeze_at, 0, 5),
    FIELD("MODEL.FPN.OUT_CHANNELS", INT, model.fpn_out_channels, 1, TYPED_MAX_CHANNELS),
    FIELD("MODEL.PROPOSAL_GENERATOR.MIN_SIZE", FLOAT, model.rpn.min_size, 0, TYPED_MAX_EDGE),
    FIELD("MODEL.RESNETS.NUM_GROUPS", INT, model.num_groups, 1, TYPED_MAX_CHANNELS),
    FIELD("MODEL.RESNETS.RES2_OUT_CHANNELS", INT, model.res2_out_channels, 1,
          TYPED_MAX_CHANNELS / 8),
    FIELD("MODEL.RESNETS.STEM_OUT_CHANNELS", INT, model.stem_out_channels, 1, TYPED_MAX_CHANNELS),
    FLAG("MODEL.RESNETS.STRIDE_IN_1X1", model.stride_in_1x1),
    FIELD("MODEL.RESNETS.WIDTH_PER_GROUP", INT, model.width_per_group, 1, TYPED_MAX_CHANNELS),
    FIELD("MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT", FLOAT, model.roi.bbox_reg_loss_weight, 0, 1e6),
    FLAG("MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", model.roi.cls_agnostic_bbox_reg),
    FIELD("MODEL.ROI_BOX_HEAD.FC_DIM", INT, model.roi.fc_dim, 1, TYPED_MAX_CHANNELS),
    FIELD("MODEL.ROI_BOX_HEAD.NUM_FC", INT, model.roi.num_fc, 1, 8),
    FIELD("MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", INT, model.roi.pooler_resolution, 1, 64),
    FIELD("MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO", INT, model.roi.pooler_sampling_ratio, 0, 64),
    FIELD("MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA", FLOAT, model.roi.smooth_l1_beta, 0, 1e6),
    FIELD("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", INT, model.roi.batch_size_per_image, 1,
          TYPED_MAX_COUNT),
    FIELD("MODEL.ROI_HEADS.NMS_THRESH_TEST", FLOAT, model.roi.nms_thresh_test, 0, 1),
    FIELD("MODEL.ROI_HEADS.NUM_CLASSES", INT, model.roi.num_classes, 1, TYPED_MAX_CHANNELS),
    FIELD("MODEL.ROI_HEADS.POSITIVE_FRACTION", DOUBLE, model.roi.positive_fraction, 0, 1),
    FLAG("MODEL.ROI_HEADS.PROPOSAL_APPEND_GT", model.roi.proposal_append_gt),
    FIELD("MODEL.ROI_HEADS.SCORE_THRESH_TEST", FLOAT, model.roi.score_thresh_test, 0, 1),
    FIELD("MODEL.RPN.BATCH_SIZE_PER_IMAGE", INT, model.rpn.batch_size_per_image, 1,
          TYPED_MAX_COUNT),
    FIELD("MODEL.RPN.BBOX_REG_LOSS_WEIGHT", FLOAT, model.rpn.bbox_reg_loss_weight, 0, 1e6),
    FIELD("MODEL.RPN.LOSS_WEIGHT", FLOAT, model.rpn.loss_weight, 0, 1e6),
    FIELD("MODEL.RPN.NMS_THRESH", FLOAT, model.rpn.nms_thresh, 0, 1),
    FIELD("MODEL.RPN.POSITIVE_FRACTION", DOUBLE, model.rpn.positive_fraction, 0, 1),
    FIELD("MODEL.RPN.POST_NMS_TOPK_TEST", INT, model.rpn.post_nms_topk_test, 1, TYPED_MAX_COUNT),
    FIELD("MODEL.RPN.POST_NMS_TOPK_TRAIN", INT, model.rpn.post_nms_topk_train, 1, TYPED_MAX_COUNT),
    FIELD("MODEL.RPN.PRE_NMS_TOPK_TEST", INT, model.rpn.pre_nms_topk_test, 1, TYPED_MAX_COUNT),
    FIELD("MODEL.RPN.PRE_NMS_TOPK_TRAIN", INT, model.rpn.pre_nms_topk_train, 1, TYPED_MAX_COUNT),
    FIELD("MODEL.RPN.SMOOTH_L1_BETA", FLOAT, model.rpn.smooth_l1_beta, 0, 1e6),
    FIELD("SEED", INT64, solver.seed, -1, ITERATIONS),
    FIELD("SOLVER.BASE_LR", DOUBLE, solver.base_lr, 0, 1e6),
    FIELD("SOLVER.BASE_LR_END", DOUBLE, solver.base_lr_end, 0, 1e6),
    FIELD("SOLVER.BIAS_LR_FACTOR", DOUBLE, solver.bias_lr_factor, 0, 1e6),
    FIELD("SOLVER.CHECKPOINT_PERIOD", INT64, solver.checkpoint_period, 0, ITERATIONS),
    FIELD("SOLVER.CLIP_GRADIENTS.CLIP_VALUE", DOUBLE, solver.clip_value, 0, HUGE_VAL),
    FIELD("SOLVER.CLIP_GRADIENTS.NORM_TYPE", DOUBLE, solver.clip_norm_type, 0, HUGE_VAL),
    FIELD("SOLVER.GAMMA", DOUBLE, solver.gamma, 0, 1e6),
    FIELD("SOLVER.IMS_PER_BATCH", INT, solver.ims_per_batch, 1, 65536),
    FIELD("SOLVER.MAX_ITER", INT64, solver.max_iter, 0, ITERATIONS),
    FIELD("SOLVER.MOMENTUM", DOUBLE, solver.momentum, 0, 1),
    FLAG("SOLVER.NESTEROV", solver.nesterov),
    FIELD("SOLVER.NUM_DECAYS", INT, solver.num_decays, 1, 1000),
    FLAG("SOLVER.RESCALE_INTERVAL", solver.rescale_interval),
    FIELD("SOLVER.WARMUP_FACTOR", DOUBLE, solver.warmup_factor, 0, 1e6),
    FIELD("SOLVER.WARMUP_ITERS", INT64, solver.warmup_iters, 0, ITERATIONS),
    FIELD("SOLVER.WEIGHT_DECAY", DOUBLE, solver.weight_decay, 0, 1e6),
    FIELD("SOLVER.WEIGHT_DECAY_NORM", DOUBLE, solver.weight_decay_norm, 0, 1e6),
    FIELD("TEST.DETECTIONS_PER_IMAGE", INT, model.detections_per_image, 1, TYPED_MAX_COUNT),
    FIELD("TEST.EVAL_PERIOD", INT64, solver.eval_period, 0, ITERATIONS),
};

static md_status read_field(const struct config *config, const struct field *field,
                            struct typed_config *out)
{
    char *to = (char *)out + field->offset;
    double value = 0;
    bool flag = false;
    md_status st = field->kind == FIELD_BOOL
                       ? config_get_bool(config, field->key, &flag)
                       : typed_read_number(config, field->key, field->least, field->most, &value);
    if (st < 0)
        return st;
    switch (field->kind) {
    case FIELD_INT:
        *(int *)(void *)to = (int)value;
        break;
    case FIELD_INT64:
        *(int64_t *)(void *)to = (int64_t)value;
        break;
    case FIELD_FLOAT:
        *(float *)(void *)to = (float)value;
        break;
    case FIELD_DOUBLE:
        *(double *)(void *)to = value;
        break;
    case FIELD_BOOL:
        *(bool *)(void *)to = flag;
        break;
    }
    return MD_OK;
}

/* ---- keys with one possible value --------------------------------------- */

static md_status check_only(const struct config *config, const struct config_key *key)
{
    struct arena arena;
    struct value initial;
    const struct value *value = config_value(config, key->name);
    arena_init(&arena, config->memory);
    md_status st = value_from_text(&arena, key->initial, key->type, &initial);
    if (st == MD_OK && !value_equal(value, &initial)) {
        char found[96];
        value_describe(value, found, sizeof found);
        st = ERROR(MD_EUNSUPPORTED, "%s is %s; only %s is possible: %s", key->name, found,
                   *key->initial ? key->initial : "''", key->help);
    }
    arena_free(&arena);
    return st;
}

/* ---- input and solver --------------------------------------------------- */

static md_status read_input(const struct config *config, struct input_config *out)
{
    static const char *const formats[] = {"BGR", "RGB", NULL};
    static const char *const samplings[] = {"choice", "range", NULL};
    static const char *const flips[] = {"horizontal", "vertical", "none", NULL};
    struct numbers sizes;
    int word = 0;
    md_status st = MD_OK;
    TRY(typed_read_word(config, "INPUT.FORMAT", formats, &word));
    out->bgr = word == 0;
    TRY(typed_read_word(config, "INPUT.RANDOM_FLIP", flips, &word));
    out->flip_probability = word == 2 ? 0.0 : 0.5;
    out->flip_vertical = word == 1;
    TRY(typed_read_word(config, "INPUT.MIN_SIZE_TRAIN_SAMPLING", samplings, &word));
    out->min_size_train_range = word == 1;
    TRY(typed_read_integers(config, "INPUT.MIN_SIZE_TRAIN", 0, TYPED_MAX_EDGE, CONFIG_MAX_MIN_SIZES,
                            &sizes));
    if (sizes.count == 0)
        FAIL(MD_EINVAL,
             "INPUT.MIN_SIZE_TRAIN is empty; it needs at least one size, or (0,) for no resize");
    if (out->min_size_train_range && (sizes.count != 2 || sizes.items[0] > sizes.items[1]))
        FAIL(MD_EINVAL,
             "INPUT.MIN_SIZE_TRAIN must be two sizes, the smaller first, when sampled by range");
    for (size_t i = 0; i < sizes.count; i++)
        out->min_size_train[i] = (int)sizes.items[i];
    out->min_size_train_count = (int)sizes.count;
    TRY(typed_read_augment(config, out));
    TRY(typed_read_sampler(config, out));
fail:
    return st;
}

static md_status read_steps(const struct config *config, struct solver_config *out)
{
    struct numbers steps;
    md_status st =
        typed_read_integers(config, "SOLVER.STEPS", 0, ITERATIONS, CONFIG_MAX_STEPS, &steps);
    if (st < 0)
        return st;
    for (size_t i = 0; i < steps.count; i++) {
        if (i > 0 && steps.items[i] < steps.items[i - 1])
            return ERROR(MD_EINVAL, "SOLVER.STEPS: %.0f stands after %.0f; the steps must ascend",
                         steps.items[i], steps.items[i - 1]);
        out->steps[out->step_count++] = (int64_t)steps.items[i];
    }
    return MD_OK;
}

/* Whether a class of that name is there, the data sets must say. */
static md_status read_metric(const struct config *config, struct solver_config *out)
{
    static const char key[] = "MDET.BEST.METRIC", of_class[] = "bbox/AP-";
    static const char *const metrics[] = {"val_loss",  "bbox/AP",       "bbox/AP50",
                                          "bbox/AP75", "bbox/APs",      "bbox/APm",
                                          "bbox/APl",  "bbox/AP-CLASS", NULL};
    const char *text = NULL;
    int word = 1;
    md_status st = MD_OK;
    TRY(config_get_string(config, key, &text));
    if (strncmp(text, of_class, sizeof of_class - 1) != 0)
        TRY(typed_read_word(config, key, metrics, &word));
    out->validate_ap = out->validate_ap || word != 0;
fail:
    return st;
}

static md_status read_solver(const struct config *config, struct solver_config *out)
{
    md_status st = MD_OK;
    TRY(read_metric(config, out));
    out->weight_decay_bias = out->weight_decay;
    out->weight_decay_norm_bias = out->weight_decay_norm;
    if (config_value(config, "SOLVER.WEIGHT_DECAY_BIAS")->kind != VALUE_NONE) {
        TRY(typed_read_number(config, "SOLVER.WEIGHT_DECAY_BIAS", 0, 1e6, &out->weight_decay_bias));
        out->weight_decay_norm_bias = out->weight_decay_bias;
    }
    TRY(typed_read_update(config, out));
    if (out->schedule == SCHEDULE_MULTI_STEP)
        TRY(read_steps(config, out));
fail:
    return st;
}

md_status config_typed(const struct config *config, struct typed_config *out)
{
    struct typed_config typed = {0};
    md_status st = MD_OK;
    for (size_t i = 0; i < config_key_count(); i++)
        if (config_key_at(i)->status == KEY_ONLY)
            TRY(check_only(config, config_key_at(i)));
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        TRY(read_field(config, &fields[i], &typed));
    TRY(typed_read_model(config, &typed.model));
    TRY(read_input(config, &typed.input));
    TRY(read_solver(config, &typed.solver));
    *out = typed;
fail:
    return st;
}
