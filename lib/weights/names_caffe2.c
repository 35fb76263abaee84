/* names_caffe2.c - names of Caffe2 and Detectron1 in Detectron2's words. */
#include <string.h>

#include "core/error.h"
#include "weights/translate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The order matters: each rule sees what the ones before it left. */
static const struct name_rule BASICS[] = {
    {NAME_WHOLE, "pred_b", "linear_b"},
    {NAME_WHOLE, "pred_w", "linear_w"},
    {NAME_ANYWHERE, "_", "."},
    {NAME_END, ".b", ".bias"},
    {NAME_END, ".w", ".weight"},
    {NAME_END, "bn.s", "norm.weight"},
    {NAME_END, "bn.bias", "norm.bias"},
    {NAME_ANYWHERE, "bn.rm", "norm.running_mean"},
    {NAME_END, "bn.running.mean", "norm.running_mean"},
    {NAME_END, "bn.riv", "norm.running_var"},
    {NAME_END, "bn.running.var", "norm.running_var"},
    {NAME_END, "bn.gamma", "norm.weight"},
    {NAME_END, "bn.beta", "norm.bias"},
    {NAME_END, "gn.s", "norm.weight"},
    {NAME_END, "gn.bias", "norm.bias"},
    {NAME_START, "res.conv1.norm.", "conv1.norm."},
    {NAME_START, "conv1.", "stem.conv1."}, /* heads have a conv1 too */
    {NAME_ANYWHERE, ".branch1.", ".shortcut."},
    {NAME_ANYWHERE, ".branch2a.", ".conv1."},
    {NAME_ANYWHERE, ".branch2b.", ".conv2."},
    {NAME_ANYWHERE, ".branch2c.", ".conv3."},
};

static const struct name_rule HEADS[] = {
    {NAME_ANYWHERE, "conv.rpn.fpn2", "proposal_generator.rpn_head.conv"},
    {NAME_ANYWHERE, "conv.rpn", "proposal_generator.rpn_head.conv"},
    {NAME_ANYWHERE, "rpn.bbox.pred.fpn2", "proposal_generator.rpn_head.anchor_deltas"},
    {NAME_ANYWHERE, "rpn.cls.logits.fpn2", "proposal_generator.rpn_head.objectness_logits"},
    {NAME_ANYWHERE, "rpn.bbox.pred", "proposal_generator.rpn_head.anchor_deltas"},
    {NAME_ANYWHERE, "rpn.cls.logits", "proposal_generator.rpn_head.objectness_logits"},
    {NAME_START, "bbox.pred", "bbox_pred"},
    {NAME_START, "cls.score", "cls_score"},
    {NAME_START, "fc6.", "box_head.fc1."},
    {NAME_START, "fc7.", "box_head.fc2."},
    {NAME_START, "head.conv", "box_head.conv"},
};

static const struct name_rule TOPS[] = {
    {NAME_ANYWHERE, ".[mask].fcn", "mask_head.mask_fcn"},
    {NAME_START, ".mask.fcn", "mask_head.mask_fcn"},
    {NAME_ANYWHERE, "mask.fcn.logits", "mask_head.predictor"},
    {NAME_ANYWHERE, "conv5.mask", "mask_head.deconv"},
    {NAME_ANYWHERE, "conv.fcn", "roi_heads.keypoint_head.conv_fcn"},
    {NAME_ANYWHERE, "kps.score.lowres", "roi_heads.keypoint_head.score_lowres"},
    {NAME_ANYWHERE, "kps.score.", "roi_heads.keypoint_head.score."},
};

/* "fpn.inner.res4.22.sum.lateral.weight" -> "fpn_lateral4.weight": of the block's name the stage
 * and the last word stay, and "norm" when it is a word of it. */
static md_status translate_fpn(struct translation *translation)
{
    static const char INNER[] = "fpn.inner.res";
    static const char OUTER[] = "fpn.res";
    md_status st = MD_OK;
    const char *name = translation->name.data;
    bool inner = name_starts_with(name, INNER);
    if (!inner && !name_starts_with(name, OUTER))
        return MD_OK;
    const char *stage = name + strlen(inner ? INNER : OUTER);
    size_t digits = strspn(stage, "0123456789");
    const char *last = strrchr(name, '.');
    if (digits == 0 || digits > 4 || last < stage)
        return MD_OK;
    buffer_clear(&translation->scratch);
    TRY(buffer_printf(&translation->scratch, "fpn_%s%.*s%s%s", inner ? "lateral" : "output",
                      (int)digits, stage, strstr(stage, ".norm.") ? ".norm" : "", last));
    buffer_clear(&translation->name);
    TRY(buffer_puts(&translation->name, translation->scratch.data));
fail:
    return st;
}

md_status translate_caffe2(struct translation *translation)
{
    md_status st = MD_OK;
    TRY(translation_apply(translation, BASICS, COUNT(BASICS)));
    TRY(translation_apply(translation, HEADS, COUNT(HEADS)));
    TRY(translate_fpn(translation));
    TRY(translation_apply(translation, TOPS, COUNT(TOPS)));
fail:
    return st;
}
