/* names_torchvision.c - names of torchvision's ResNets and R-CNNs in Detectron2's words. */
#include <string.h>

#include "core/error.h"
#include "weights/translate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char BODY[] = "backbone.body.";

static const struct name_rule RESNET[] = {
    {NAME_START, "bn1.", "conv1.norm."},
    {NAME_ANYWHERE, ".bn1.", ".conv1.norm."},
    {NAME_ANYWHERE, ".bn2.", ".conv2.norm."},
    {NAME_ANYWHERE, ".bn3.", ".conv3.norm."},
    {NAME_ANYWHERE, ".downsample.0.", ".shortcut."},
    {NAME_ANYWHERE, ".downsample.1.", ".shortcut.norm."},
    {NAME_START, "conv1.", "stem.conv1."},
    {NAME_START, "layer1.", "res2."},
    {NAME_START, "layer2.", "res3."},
    {NAME_START, "layer3.", "res4."},
    {NAME_START, "layer4.", "res5."},
};

/* Versions differ in whether a convolution stands alone (.0.) or in a row of layers (.0.0.), where
 * number 1 is its norm. */
static const struct name_rule PYRAMID[] = {
    {NAME_START, "backbone.fpn.inner_blocks.0.0.", "backbone.fpn_lateral2."},
    {NAME_START, "backbone.fpn.inner_blocks.1.0.", "backbone.fpn_lateral3."},
    {NAME_START, "backbone.fpn.inner_blocks.2.0.", "backbone.fpn_lateral4."},
    {NAME_START, "backbone.fpn.inner_blocks.3.0.", "backbone.fpn_lateral5."},
    {NAME_START, "backbone.fpn.inner_blocks.0.1.", "backbone.fpn_lateral2.norm."},
    {NAME_START, "backbone.fpn.inner_blocks.1.1.", "backbone.fpn_lateral3.norm."},
    {NAME_START, "backbone.fpn.inner_blocks.2.1.", "backbone.fpn_lateral4.norm."},
    {NAME_START, "backbone.fpn.inner_blocks.3.1.", "backbone.fpn_lateral5.norm."},
    {NAME_START, "backbone.fpn.inner_blocks.0.", "backbone.fpn_lateral2."},
    {NAME_START, "backbone.fpn.inner_blocks.1.", "backbone.fpn_lateral3."},
    {NAME_START, "backbone.fpn.inner_blocks.2.", "backbone.fpn_lateral4."},
    {NAME_START, "backbone.fpn.inner_blocks.3.", "backbone.fpn_lateral5."},
    {NAME_START, "backbone.fpn.layer_blocks.0.0.", "backbone.fpn_output2."},
    {NAME_START, "backbone.fpn.layer_blocks.1.0.", "backbone.fpn_output3."},
    {NAME_START, "backbone.fpn.layer_blocks.2.0.", "backbone.fpn_output4."},
    {NAME_START, "backbone.fpn.layer_blocks.3.0.", "backbone.fpn_output5."},
    {NAME_START, "backbone.fpn.layer_blocks.0.1.", "backbone.fpn_output2.norm."},
    {NAME_START, "backbone.fpn.layer_blocks.1.1.", "backbone.fpn_output3.norm."},
    {NAME_START, "backbone.fpn.layer_blocks.2.1.", "backbone.fpn_output4.norm."},
    {NAME_START, "backbone.fpn.layer_blocks.3.1.", "backbone.fpn_output5.norm."},
    {NAME_START, "backbone.fpn.layer_blocks.0.", "backbone.fpn_output2."},
    {NAME_START, "backbone.fpn.layer_blocks.1.", "backbone.fpn_output3."},
    {NAME_START, "backbone.fpn.layer_blocks.2.", "backbone.fpn_output4."},
    {NAME_START, "backbone.fpn.layer_blocks.3.", "backbone.fpn_output5."},
};

static const struct name_rule DEEP_RPN[] = {
    {NAME_START, "rpn.head.conv.0.0.", "proposal_generator.rpn_head.conv.conv0."},
    {NAME_START, "rpn.head.conv.1.0.", "proposal_generator.rpn_head.conv.conv1."},
};

static const struct name_rule DEEP_MASK[] = {
    {NAME_START, "roi_heads.mask_head.0.0.", "roi_heads.mask_head.mask_fcn1."},
    {NAME_START, "roi_heads.mask_head.1.0.", "roi_heads.mask_head.mask_fcn2."},
    {NAME_START, "roi_heads.mask_head.2.0.", "roi_heads.mask_head.mask_fcn3."},
    {NAME_START, "roi_heads.mask_head.3.0.", "roi_heads.mask_head.mask_fcn4."},
    {NAME_START, "roi_heads.mask_head.0.1.", "roi_heads.mask_head.mask_fcn1.norm."},
    {NAME_START, "roi_heads.mask_head.1.1.", "roi_heads.mask_head.mask_fcn2.norm."},
    {NAME_START, "roi_heads.mask_head.2.1.", "roi_heads.mask_head.mask_fcn3.norm."},
    {NAME_START, "roi_heads.mask_head.3.1.", "roi_heads.mask_head.mask_fcn4.norm."},
};

static const struct name_rule HEADS[] = {
    {NAME_START, "rpn.head.conv.0.0.", "proposal_generator.rpn_head.conv."},
    {NAME_START, "rpn.head.conv.", "proposal_generator.rpn_head.conv."},
    {NAME_START, "rpn.head.cls_logits.", "proposal_generator.rpn_head.objectness_logits."},
    {NAME_START, "rpn.head.bbox_pred.", "proposal_generator.rpn_head.anchor_deltas."},
    {NAME_START, "roi_heads.box_head.fc6.", "roi_heads.box_head.fc1."},
    {NAME_START, "roi_heads.box_head.fc7.", "roi_heads.box_head.fc2."},
    {NAME_START, "roi_heads.box_head.0.0.", "roi_heads.box_head.conv1."},
    {NAME_START, "roi_heads.box_head.1.0.", "roi_heads.box_head.conv2."},
    {NAME_START, "roi_heads.box_head.2.0.", "roi_heads.box_head.conv3."},
    {NAME_START, "roi_heads.box_head.3.0.", "roi_heads.box_head.conv4."},
    {NAME_START, "roi_heads.box_head.0.1.", "roi_heads.box_head.conv1.norm."},
    {NAME_START, "roi_heads.box_head.1.1.", "roi_heads.box_head.conv2.norm."},
    {NAME_START, "roi_heads.box_head.2.1.", "roi_heads.box_head.conv3.norm."},
    {NAME_START, "roi_heads.box_head.3.1.", "roi_heads.box_head.conv4.norm."},
    {NAME_START, "roi_heads.box_head.5.", "roi_heads.box_head.fc1."},
    {NAME_START, "roi_heads.mask_predictor.conv5_mask.", "roi_heads.mask_head.deconv."},
    {NAME_START, "roi_heads.mask_predictor.mask_fcn_logits.", "roi_heads.mask_head.predictor."},
    {NAME_START, "roi_heads.keypoint_predictor.kps_score_lowres.",
     "roi_heads.keypoint_head.score_lowres."},
};

/* In the keypoint head every other layer is a ReLU: layer 0 is conv_fcn1, layer 14 conv_fcn8. */
static md_status translate_keypoint(struct translation *translation)
{
    static const char HEAD[] = "roi_heads.keypoint_head.";
    md_status st = MD_OK;
    const char *name = translation->name.data;
    if (!name_starts_with(name, HEAD))
        return MD_OK;
    const char *number = name + strlen(HEAD);
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || digits > 2 || number[digits] != '.')
        return MD_OK;
    int layer = number[0] - '0';
    if (digits == 2)
        layer = 10 * layer + number[1] - '0';
    buffer_clear(&translation->scratch);
    TRY(buffer_printf(&translation->scratch, "%sconv_fcn%d%s", HEAD, layer / 2 + 1,
                      number + digits));
    buffer_clear(&translation->name);
    TRY(buffer_puts(&translation->name, translation->scratch.data));
fail:
    return st;
}

static md_status translate_body(struct translation *translation)
{
    static const struct name_rule OUT[] = {{NAME_START, BODY, ""}};
    static const struct name_rule IN[] = {{NAME_START, "", "backbone.bottom_up."}};
    md_status st = MD_OK;
    TRY(translation_apply(translation, OUT, COUNT(OUT)));
    TRY(translation_apply(translation, RESNET, COUNT(RESNET)));
    TRY(translation_apply(translation, IN, COUNT(IN)));
fail:
    return st;
}

md_status translate_torchvision(struct translation *translation)
{
    md_status st = MD_OK;
    if (!translation->detector)
        return translation_apply(translation, RESNET, COUNT(RESNET));
    if (name_starts_with(translation->name.data, BODY))
        return translate_body(translation);
    TRY(translation_apply(translation, PYRAMID, COUNT(PYRAMID)));
    if (translation->deep_rpn)
        TRY(translation_apply(translation, DEEP_RPN, COUNT(DEEP_RPN)));
    if (translation->deep_mask)
        TRY(translation_apply(translation, DEEP_MASK, COUNT(DEEP_MASK)));
    TRY(translation_apply(translation, HEADS, COUNT(HEADS)));
    TRY(translate_keypoint(translation));
fail:
    return st;
}
