/* presets.c - named configurations: three of Detectron2's, two small ones, one tiny one. */
#include <string.h>

#include "config/tree.h"
#include "core/error.h"
#include "core/strings.h"

struct setting {
    const char *key, *value;
};

struct preset {
    const char *name;
    const struct setting *settings; /* what differs from the key table, in order; ends with NULL */
    const struct setting *more;     /* a second list, or NULL */
};

/* ---- Detectron2's ------------------------------------------------------- */

static const struct setting r50[] = {
    {NULL, NULL}, /* the key table as it is */
};

static const struct setting r101[] = {
    {"MODEL.RESNETS.DEPTH", "101"},
    {"MODEL.WEIGHTS", "detectron2://ImageNetPretrained/MSRA/R-101.pkl"},
    {NULL, NULL},
};

static const struct setting x101[] = {
    {"MODEL.PIXEL_STD", "[57.375, 57.12, 58.395]"},
    {"MODEL.RESNETS.DEPTH", "101"},
    {"MODEL.RESNETS.NUM_GROUPS", "32"},
    {"MODEL.RESNETS.STRIDE_IN_1X1", "False"},
    {"MODEL.RESNETS.WIDTH_PER_GROUP", "8"},
    {"MODEL.WEIGHTS", "detectron2://ImageNetPretrained/FAIR/X-101-32x8d.pkl"},
    {NULL, NULL},
};

/* ---- small networks, for a CPU ------------------------------------------ */

/* Input as the ImageNet weights of torchvision expect it, batches of 2, minutes to hours. */
static const struct setting small[] = {
    {"INPUT.FORMAT", "RGB"},
    {"INPUT.MAX_SIZE_TEST", "800"},
    {"INPUT.MAX_SIZE_TRAIN", "800"},
    {"INPUT.MIN_SIZE_TEST", "480"},
    {"INPUT.MIN_SIZE_TRAIN", "[416, 448, 480]"},
    {"MODEL.PIXEL_MEAN", "[123.675, 116.28, 103.53]"},
    {"MODEL.PIXEL_STD", "[58.395, 57.12, 57.375]"},
    {"MODEL.RESNETS.STRIDE_IN_1X1", "False"},
    {"MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "128"},
    {"MODEL.WEIGHTS", ""},
    {"DATALOADER.NUM_WORKERS", "2"},
    {"SOLVER.BASE_LR", "0.005"},
    {"SOLVER.CHECKPOINT_PERIOD", "500"},
    {"SOLVER.IMS_PER_BATCH", "2"},
    {"SOLVER.MAX_ITER", "3000"},
    {"SOLVER.STEPS", "[2000, 2700]"},
    {"SOLVER.WARMUP_ITERS", "100"},
    {"TEST.EVAL_PERIOD", "500"},
    {NULL, NULL},
};

static const struct setting r18[] = {
    {"MODEL.RESNETS.DEPTH", "18"},
    {"MODEL.RESNETS.RES2_OUT_CHANNELS", "64"},
    {NULL, NULL},
};

static const struct setting r34[] = {
    {"MODEL.RESNETS.DEPTH", "34"},
    {"MODEL.RESNETS.RES2_OUT_CHANNELS", "64"},
    {NULL, NULL},
};

/* Learns the toy data from nothing in a minute; for tests and the demo. */
static const struct setting tiny[] = {
    {"INPUT.MAX_SIZE_TEST", "256"},
    {"INPUT.MAX_SIZE_TRAIN", "256"},
    {"INPUT.MIN_SIZE_TEST", "128"},
    {"INPUT.MIN_SIZE_TRAIN", "[96, 128]"},
    {"MDET.RESNETS.BLOCK", "basic"},
    {"MDET.RESNETS.BLOCKS", "[1, 1, 1, 1]"},
    {"MODEL.ANCHOR_GENERATOR.SIZES", "[[8], [16], [32], [64], [128]]"},
    {"MODEL.BACKBONE.FREEZE_AT", "0"},
    {"MODEL.FPN.OUT_CHANNELS", "16"},
    {"MODEL.RESNETS.DEPTH", "18"},
    {"MODEL.RESNETS.RES2_OUT_CHANNELS", "8"},
    {"MODEL.RESNETS.STEM_OUT_CHANNELS", "8"},
    {"MODEL.ROI_BOX_HEAD.FC_DIM", "32"},
    {"MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "32"},
    {"MODEL.RPN.BATCH_SIZE_PER_IMAGE", "64"},
    {"MODEL.RPN.POST_NMS_TOPK_TEST", "100"},
    {"MODEL.RPN.POST_NMS_TOPK_TRAIN", "100"},
    {"MODEL.RPN.PRE_NMS_TOPK_TEST", "200"},
    {"MODEL.RPN.PRE_NMS_TOPK_TRAIN", "200"},
    {"SOLVER.BASE_LR", "0.02"},
    {"SOLVER.CHECKPOINT_PERIOD", "200"},
    {"SOLVER.MAX_ITER", "600"},
    {"SOLVER.STEPS", "[450]"},
    {"SOLVER.WARMUP_ITERS", "20"},
    {"TEST.EVAL_PERIOD", "200"},
    {NULL, NULL},
};

static const struct preset presets[] = {
    {"faster_rcnn_R_50_FPN_3x", r50, NULL},         {"faster_rcnn_R_101_FPN_3x", r101, NULL},
    {"faster_rcnn_X_101_32x8d_FPN_3x", x101, NULL}, {"faster_rcnn_R_18_FPN", small, r18},
    {"faster_rcnn_R_34_FPN", small, r34},           {"tiny", small, tiny},
};

enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

/* ---- applying ----------------------------------------------------------- */

size_t config_preset_count(void)
{
    return PRESET_COUNT;
}

const char *config_preset_name(size_t index)
{
    return index < PRESET_COUNT ? presets[index].name : NULL;
}

static const struct preset *find_preset(const char *name)
{
    for (size_t i = 0; i < PRESET_COUNT; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

bool config_is_preset(const char *name)
{
    return find_preset(name) != NULL;
}

static md_status unknown_preset(const char *name)
{
    const char *names[PRESET_COUNT];
    for (size_t i = 0; i < PRESET_COUNT; i++)
        names[i] = presets[i].name;
    int nearest = string_nearest(name, names, PRESET_COUNT);
    for (int i = 0; *name && i < PRESET_COUNT; i++)
        if (strncmp(names[i], name, strlen(name)) == 0)
            nearest = i; /* a beginning of a name is nearer than any number of changes */
    if (nearest >= 0)
        return ERROR(MD_ENOTFOUND, "no configuration %s (did you mean %s?)", name, names[nearest]);
    return ERROR(
        MD_ENOTFOUND,
        "no configuration %s; give a file ending in .yaml, .yml or .txt, or one of %s, %s, "
        "%s, %s, %s, %s",
        name, names[0], names[1], names[2], names[3], names[4], names[5]);
}

static md_status assign_text(struct config *config, size_t index, const char *text)
{
    const struct config_key *key = config_key_at(index);
    struct arena arena;
    struct value value;
    arena_init(&arena, config->memory);
    md_status st = value_from_text(&arena, text, key->type, &value);
    if (st == MD_END)
        st = ERROR(MD_EINTERNAL, "%s: the library's own value %s is of the wrong type", key->name,
                   text);
    if (st == MD_OK)
        st = config_assign(config, index, &value, CONFIG_FROM_PRESET);
    arena_free(&arena);
    return st;
}

static md_status assign_settings(struct config *config, const struct setting *settings)
{
    for (; settings && settings->key; settings++) {
        size_t index = 0;
        if (!config_key_find(settings->key, &index))
            return ERROR(MD_EINTERNAL, "the library's own key %s is unknown", settings->key);
        md_status st = assign_text(config, index, settings->value);
        if (st < 0)
            return st;
    }
    return MD_OK;
}

md_status config_apply_preset(struct config *config, const char *name)
{
    const struct preset *preset = find_preset(name);
    if (!preset)
        return unknown_preset(name);
    md_status st = MD_OK;
    for (size_t i = 0; i < config_key_count() && st == MD_OK; i++)
        st = assign_text(config, i, config_key_at(i)->initial);
    if (st == MD_OK)
        st = assign_settings(config, preset->settings);
    if (st == MD_OK)
        st = assign_settings(config, preset->more);
    return st;
}
