/* typed_model.c - the network's keys that need more than a range: blocks, anchors, lists. */
#include <string.h>

#include "config/typed_read.h"
#include "core/error.h"

static md_status check_groups(const struct model_config *model)
{
    if (model->basic_blocks && model->num_groups != 1)
        return ERROR(MD_EUNSUPPORTED,
                     "MODEL.RESNETS.NUM_GROUPS = %d: basic blocks have no groups; it must be 1",
                     model->num_groups);
    if ((int64_t)model->num_groups * model->width_per_group > TYPED_MAX_CHANNELS)
        return ERROR(
            MD_EINVAL,
            "MODEL.RESNETS.NUM_GROUPS x WIDTH_PER_GROUP = %d x %d; the product may be %d at most",
            model->num_groups, model->width_per_group, TYPED_MAX_CHANNELS);
    return MD_OK;
}

static md_status read_blocks(const struct config *config, struct model_config *out)
{
    static const struct {
        int depth, blocks[4];
    } known[] = {{18, {2, 2, 2, 2}},
                 {34, {3, 4, 6, 3}},
                 {50, {3, 4, 6, 3}},
                 {101, {3, 4, 23, 3}},
                 {152, {3, 8, 36, 3}}};
    static const char *const kinds[] = {"auto", "basic", "bottleneck", NULL};
    struct numbers blocks;
    int64_t depth = 0;
    int kind = 0;
    md_status st = MD_OK;
    TRY(config_get_int(config, "MODEL.RESNETS.DEPTH", &depth));
    TRY(typed_read_word(config, "MDET.RESNETS.BLOCK", kinds, &kind));
    TRY(typed_read_integers(config, "MDET.RESNETS.BLOCKS", 1, 64, 4, &blocks));
    out->basic_blocks = kind == 1 || (kind == 0 && (depth == 18 || depth == 34));
    TRY(check_groups(out));
    if (blocks.count != 0 && blocks.count != 4)
        FAIL(MD_EINVAL, "MDET.RESNETS.BLOCKS has %zu numbers; it must have 4, or none",
             blocks.count);
    out->depth = blocks.count ? 0 : (int)depth;
    for (int i = 0; blocks.count && i < 4; i++)
        out->blocks[i] = (int)blocks.items[i];
    for (size_t i = 0; !blocks.count && i < sizeof known / sizeof known[0]; i++)
        if (known[i].depth == depth)
            memcpy(out->blocks, known[i].blocks, sizeof out->blocks);
    if (out->blocks[0] == 0)
        FAIL(
            MD_EUNSUPPORTED,
            "MODEL.RESNETS.DEPTH = %lld; possible are 18, 34, 50, 101, 152, or MDET.RESNETS.BLOCKS",
            (long long)depth);
fail:
    return st;
}

/* The list of a level: Detectron2 lets one list, or plain numbers, stand for all levels. */
static const struct value *level_list(const struct value *value, size_t level)
{
    if (value->list.count == 0 || value->list.items[0].kind != VALUE_LIST)
        return value;
    return value->list.count == 1 ? &value->list.items[0] : &value->list.items[level];
}

static md_status check_levels(const char *key, const struct value *value)
{
    bool nested = value->list.count > 0 && value->list.items[0].kind == VALUE_LIST;
    for (size_t i = 0; i < value->list.count; i++)
        if ((value->list.items[i].kind == VALUE_LIST) != nested)
            return ERROR(MD_EINVAL, "%s mixes numbers and lists", key);
    if (value->list.count == 0 ||
        (nested && value->list.count != 1 && value->list.count != CONFIG_LEVELS))
        return ERROR(MD_EINVAL,
                     "%s has %zu lists; it must have 1, or %d: one for each level p2 to p6", key,
                     value->list.count, CONFIG_LEVELS);
    return MD_OK;
}

static md_status read_level(const char *key, const struct value *list, int capacity, double *out,
                            int *count)
{
    if (list->list.count < 1 || list->list.count > (size_t)capacity)
        return ERROR(MD_EINVAL, "%s: a level has %zu numbers; it must have 1 to %d", key,
                     list->list.count, capacity);
    for (size_t i = 0; i < list->list.count; i++) {
        const struct value *item = &list->list.items[i];
        double number = item->kind == VALUE_INT ? (double)item->integer : item->number;
        if (!(number >= 1e-3 && number <= TYPED_MAX_EDGE))
            return ERROR(MD_EINVAL, "%s: %g is not between 0.001 and %d", key, number,
                         TYPED_MAX_EDGE);
        out[i] = number;
    }
    *count = (int)list->list.count;
    return MD_OK;
}

static md_status read_anchors(const struct config *config, struct model_config *out)
{
    static const char sizes_key[] = "MODEL.ANCHOR_GENERATOR.SIZES";
    static const char ratios_key[] = "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS";
    const struct value *sizes = config_value(config, sizes_key);
    const struct value *ratios = config_value(config, ratios_key);
    md_status st = MD_OK;
    TRY(check_levels(sizes_key, sizes));
    TRY(check_levels(ratios_key, ratios));
    for (size_t level = 0; level < CONFIG_LEVELS; level++) {
        TRY(read_level(sizes_key, level_list(sizes, level), CONFIG_MAX_SIZES,
                       out->anchor_sizes[level], &out->anchor_size_count[level]));
        if (out->anchor_size_count[level] != out->anchor_size_count[0])
            FAIL(MD_EUNSUPPORTED,
                 "%s: every level must have the same count, for one head looks at all", sizes_key);
        if (!value_equal(level_list(ratios, level), level_list(ratios, 0)))
            FAIL(MD_EUNSUPPORTED, "%s: the ratios must be the same on all levels", ratios_key);
    }
    TRY(read_level(ratios_key, level_list(ratios, 0), CONFIG_MAX_RATIOS, out->anchor_ratios,
                   &out->anchor_ratio_count));
fail:
    return st;
}

/* A group norm has 32 groups of equal width, as Detectron2's. */
static md_status check_norm_width(const char *key, const char *wide_key, int channels)
{
    enum { GROUPS = 32 };
    if (channels % GROUPS == 0)
        return MD_OK;
    return ERROR(MD_EINVAL,
                 "%s is GN, which has %d groups, and %s makes %d channels; that must be "
                 "a multiple of %d",
                 key, GROUPS, wide_key, channels, GROUPS);
}

static md_status read_norms(const struct config *config, struct model_config *out)
{
    static const char *const of_resnet[] = {"FrozenBN", "GN", "BN", NULL};
    static const char *const of_fpn[] = {"", "GN", "BN", NULL};
    static const char resnet_key[] = "MODEL.RESNETS.NORM", fpn_key[] = "MODEL.FPN.NORM";
    int resnet = 0, fpn = 0;
    md_status st = MD_OK;
    TRY(typed_read_word(config, resnet_key, of_resnet, &resnet));
    TRY(typed_read_word(config, fpn_key, of_fpn, &fpn));
    out->resnet_norm = (enum norm_kind)(NORM_FROZEN_BN + resnet);
    out->fpn_norm = fpn == 0 ? NORM_NONE : (enum norm_kind)(NORM_FROZEN_BN + fpn);
    if (out->fpn_norm == NORM_GN)
        TRY(check_norm_width(fpn_key, "MODEL.FPN.OUT_CHANNELS", out->fpn_out_channels));
    if (out->resnet_norm != NORM_GN)
        return MD_OK;
    TRY(check_norm_width(resnet_key, "MODEL.RESNETS.STEM_OUT_CHANNELS", out->stem_out_channels));
    TRY(check_norm_width(resnet_key, "MODEL.RESNETS.RES2_OUT_CHANNELS", out->res2_out_channels));
    if (!out->basic_blocks)
        TRY(check_norm_width(resnet_key, "MODEL.RESNETS.WIDTH_PER_GROUP times NUM_GROUPS",
                             out->num_groups * out->width_per_group));
fail:
    return st;
}

md_status typed_read_model(const struct config *config, struct model_config *out)
{
    static const char *const fuse[] = {"sum", "avg", NULL};
    int word = 0;
    md_status st = MD_OK;
    TRY(read_blocks(config, out));
    TRY(read_anchors(config, out));
    TRY(read_norms(config, out));
    static const char *const losses[] = {"smooth_l1", "giou", "diou", "ciou", NULL};
    TRY(typed_read_word(config, "MODEL.RPN.BBOX_REG_LOSS_TYPE", losses, &out->rpn.bbox_reg_loss));
    TRY(typed_read_word(config, "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", losses,
                        &out->roi.bbox_reg_loss));
    TRY(typed_read_word(config, "MODEL.FPN.FUSE_TYPE", fuse, &word));
    out->fpn_fuse_avg = word == 1;
    TRY(typed_read_floats(config, "MODEL.PIXEL_MEAN", 3, -1e6, 1e6, out->pixel_mean));
    TRY(typed_read_floats(config, "MODEL.PIXEL_STD", 3, 1e-6, 1e6, out->pixel_std));
    TRY(typed_read_floats(config, "MODEL.RPN.BBOX_REG_WEIGHTS", 4, 1e-6, 1e6,
                          out->rpn.bbox_reg_weights));
    TRY(typed_read_floats(config, "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", 4, 1e-6, 1e6,
                          out->roi.bbox_reg_weights));
    TRY(typed_read_floats(config, "MODEL.RPN.IOU_THRESHOLDS", 2, 0, 1, out->rpn.iou_thresholds));
    if (out->rpn.iou_thresholds[0] > out->rpn.iou_thresholds[1])
        FAIL(MD_EINVAL, "MODEL.RPN.IOU_THRESHOLDS: the first must not be larger than the second");
    TRY(typed_read_floats(config, "MODEL.ROI_HEADS.IOU_THRESHOLDS", 1, 0, 1,
                          &out->roi.iou_threshold));
fail:
    return st;
}
