/* test_translate.c - names of Caffe2 and torchvision become Detectron2's, and rows move along. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/formats.h"
#include "weights/translate.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct memory memory;

/* Element k of a tensor is k. */
static md_status count_up(void *user, size_t index, size_t offset, void *out, size_t capacity,
                          size_t *written)
{
    (void)user;
    (void)index;
    for (size_t at = 0; at < capacity; at += sizeof(float)) {
        float value = (float)((offset + at) / sizeof(float));
        memcpy((char *)out + at, &value, sizeof value);
    }
    *written = capacity;
    return MD_OK;
}

#define TENSOR(name, rows, columns)                                                                \
    {                                                                                              \
        name, WEIGHTS_F32, 2, {rows, columns}, count_up                                            \
    }

static const char *write_file(const struct weights_writer_tensor *tensors, size_t count)
{
    const char *path = temp_path("names.safetensors");
    memory_init(&memory, NULL);
    ck_assert_int_eq(safetensors_write(&memory, path, tensors, count, NULL, NULL, NULL, 0), MD_OK);
    return path;
}

static struct weights_file *make_file(const struct weights_writer_tensor *tensors, size_t count)
{
    struct weights_file *file = NULL;
    ck_assert_int_eq(weights_open(&file, &memory, write_file(tensors, count)), MD_OK);
    return file;
}

struct pair {
    const char *from, *to;
};

/* All at once, as they would stand in one file; NULL: dropped. */
static void check_pairs(const struct pair *pairs, size_t count, enum weights_names from)
{
    static struct weights_writer_tensor tensors[128];
    ck_assert_uint_lt(count, COUNT(tensors));
    for (size_t i = 0; i < count; i++)
        tensors[i] = (struct weights_writer_tensor)TENSOR(pairs[i].from, 9, 1);
    struct weights_file *file = make_file(tensors, count);
    ck_assert_int_eq(weights_translate(file, from, NULL), MD_OK);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].to)
            continue;
        ck_assert_uint_lt(at, file->count);
        ck_assert_str_eq(file->tensors[at].name, pairs[i].to);
        ck_assert_ptr_eq(weights_find(file, pairs[i].to), &file->tensors[at]);
        at++;
    }
    ck_assert_uint_eq(file->count, at);

    /* Translated names are Detectron2's: nothing is left to do. */
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_OK);
    ck_assert_uint_eq(file->count, at);
    if (count > 0 && pairs[0].to)
        ck_assert_str_eq(file->tensors[0].name, pairs[0].to);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

/* What Detectron2's own converter makes of these names. */
START_TEST(caffe2_names)
{
    static const struct pair PAIRS[] = {
        {"res2_0_branch2b_bn_s", "res2.0.conv2.norm.weight"},
        {"res2_0_branch2c_bn_b", "res2.0.conv3.norm.bias"},
        {"res_conv1_bn_rm", "stem.conv1.norm.running_mean"},
        {"res_conv1_bn_riv", "stem.conv1.norm.running_var"},
        {"res_conv1_bn_s", "stem.conv1.norm.weight"},
        {"res_conv1_bn_b", "stem.conv1.norm.bias"},
        {"conv1_w", "stem.conv1.weight"},
        {"conv1_b", "stem.conv1.bias"},
        {"res2_0_branch1_w", "res2.0.shortcut.weight"},
        {"res2_0_branch1_bn_s", "res2.0.shortcut.norm.weight"},
        {"res4_22_branch2a_w", "res4.22.conv1.weight"},
        {"res5_2_branch2c_w", "res5.2.conv3.weight"},
        {"res3_0_branch2a_bn_gamma", "res3.0.conv1.norm.weight"},
        {"res3_0_branch2a_bn_beta", "res3.0.conv1.norm.bias"},
        {"res3_0_branch2a_bn_running_mean", "res3.0.conv1.norm.running_mean"},
        {"res3_0_branch2a_bn_running_var", "res3.0.conv1.norm.running_var"},
        {"res3_1_branch2a_gn_s", "res3.1.conv1.norm.weight"},
        {"res3_1_branch2a_gn_b", "res3.1.conv1.norm.bias"},
        {"conv_rpn_fpn2_w", "proposal_generator.rpn_head.conv.weight"},
        {"conv_rpn_fpn2_b", "proposal_generator.rpn_head.conv.bias"},
        {"rpn_bbox_pred_fpn2_b", "proposal_generator.rpn_head.anchor_deltas.bias"},
        {"rpn_cls_logits_fpn2_w", "proposal_generator.rpn_head.objectness_logits.weight"},
        {"bbox_pred_w", "bbox_pred.weight"},
        {"bbox_pred_b", "bbox_pred.bias"},
        {"cls_score_w", "cls_score.weight"},
        {"cls_score_b", "cls_score.bias"},
        {"fc6_w", "box_head.fc1.weight"},
        {"fc7_b", "box_head.fc2.bias"},
        {"head_conv1_gn_s", "box_head.conv1.norm.weight"},
        {"head_conv4_w", "box_head.conv4.weight"},
        {"fpn_inner_res4_22_sum_lateral_w", "fpn_lateral4.weight"},
        {"fpn_inner_res5_2_sum_w", "fpn_lateral5.weight"},
        {"fpn_inner_res2_2_sum_lateral_gn_b", "fpn_lateral2.norm.bias"},
        {"fpn_res3_3_sum_gn_s", "fpn_output3.norm.weight"},
        {"fpn_res2_2_sum_w", "fpn_output2.weight"},
        {"_[mask]_fcn1_w", "mask_head.mask_fcn1.weight"},
        {"_mask_fcn2_b", "mask_head.mask_fcn2.bias"},
        {"mask_fcn_logits_w", "mask_head.predictor.weight"},
        {"conv5_mask_w", "mask_head.deconv.weight"},
        {"conv_fcn1_w", "roi_heads.keypoint_head.conv_fcn1.weight"},
        {"kps_score_lowres_w", "roi_heads.keypoint_head.score_lowres.weight"},
        {"kps_score_w", "roi_heads.keypoint_head.score.weight"},
        {"pred_w", "linear.weight"},
        {"pred_b", "linear.bias"},
        {"fc1000_w", "fc1000.weight"}, /* unknown: stays */
        {"lr", "lr"},
        {"conv1_w_momentum", NULL},
        {"res2_0_branch2b_bn_s_momentum", NULL},
    };
    check_pairs(PAIRS, COUNT(PAIRS), WEIGHTS_NAMES_AUTO);
}
END_TEST

/* The heads of a model without a pyramid have no "fpn2". */
START_TEST(caffe2_names_without_pyramid)
{
    static const struct pair PAIRS[] = {
        {"conv_rpn_w", "proposal_generator.rpn_head.conv.weight"},
        {"rpn_bbox_pred_w", "proposal_generator.rpn_head.anchor_deltas.weight"},
        {"rpn_cls_logits_b", "proposal_generator.rpn_head.objectness_logits.bias"}};
    check_pairs(PAIRS, COUNT(PAIRS), WEIGHTS_NAMES_AUTO);
}
END_TEST

START_TEST(torchvision_resnet_names)
{
    static const struct pair PAIRS[] = {
        {"conv1.weight", "stem.conv1.weight"},
        {"bn1.running_mean", "stem.conv1.norm.running_mean"},
        {"bn1.num_batches_tracked", NULL},
        {"layer1.0.conv1.weight", "res2.0.conv1.weight"},
        {"layer1.0.bn3.running_var", "res2.0.conv3.norm.running_var"},
        {"layer2.0.bn2.weight", "res3.0.conv2.norm.weight"},
        {"layer3.5.conv2.weight", "res4.5.conv2.weight"},
        {"layer4.22.downsample.0.weight", "res5.22.shortcut.weight"},
        {"layer4.22.downsample.1.bias", "res5.22.shortcut.norm.bias"},
        {"fc.weight", "fc.weight"}};
    check_pairs(PAIRS, COUNT(PAIRS), WEIGHTS_NAMES_AUTO);
}
END_TEST

/* fasterrcnn_resnet50_fpn as it is today; then as it was saved before the layers stood in a row. */
START_TEST(torchvision_detector_names)
{
    static const struct pair PAIRS[] = {
        {"backbone.body.conv1.weight", "backbone.bottom_up.stem.conv1.weight"},
        {"backbone.body.bn1.bias", "backbone.bottom_up.stem.conv1.norm.bias"},
        {"backbone.body.layer1.0.bn1.num_batches_tracked", NULL},
        {"backbone.body.layer4.0.downsample.1.weight",
         "backbone.bottom_up.res5.0.shortcut.norm.weight"},
        {"backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn_lateral2.weight"},
        {"backbone.fpn.inner_blocks.3.0.bias", "backbone.fpn_lateral5.bias"},
        {"backbone.fpn.layer_blocks.2.0.weight", "backbone.fpn_output4.weight"},
        {"backbone.fpn.layer_blocks.1.1.running_var", "backbone.fpn_output3.norm.running_var"},
        {"rpn.head.conv.0.0.weight", "proposal_generator.rpn_head.conv.weight"},
        {"rpn.head.cls_logits.bias", "proposal_generator.rpn_head.objectness_logits.bias"},
        {"rpn.head.bbox_pred.weight", "proposal_generator.rpn_head.anchor_deltas.weight"},
        {"roi_heads.box_head.fc6.weight", "roi_heads.box_head.fc1.weight"},
        {"roi_heads.box_head.fc7.bias", "roi_heads.box_head.fc2.bias"},
        {"roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.weight"},
        {"roi_heads.box_predictor.bbox_pred.bias", "roi_heads.box_predictor.bbox_pred.bias"},
        {"roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.mask_fcn1.weight"},
        {"roi_heads.mask_predictor.conv5_mask.bias", "roi_heads.mask_head.deconv.bias"},
        {"roi_heads.mask_predictor.mask_fcn_logits.weight", "roi_heads.mask_head.predictor.weight"},
        {"roi_heads.keypoint_head.0.weight", "roi_heads.keypoint_head.conv_fcn1.weight"},
        {"roi_heads.keypoint_head.14.bias", "roi_heads.keypoint_head.conv_fcn8.bias"},
        {"roi_heads.keypoint_predictor.kps_score_lowres.weight",
         "roi_heads.keypoint_head.score_lowres.weight"}};
    static const struct pair OLD[] = {
        {"module.backbone.body.conv1.weight", "backbone.bottom_up.stem.conv1.weight"},
        {"module.backbone.fpn.inner_blocks.1.weight", "backbone.fpn_lateral3.weight"},
        {"module.backbone.fpn.layer_blocks.3.bias", "backbone.fpn_output5.bias"},
        {"module.rpn.head.conv.bias", "proposal_generator.rpn_head.conv.bias"}};
    static const struct pair DEEP[] = {
        {"backbone.body.conv1.weight", "backbone.bottom_up.stem.conv1.weight"},
        {"rpn.head.conv.0.0.weight", "proposal_generator.rpn_head.conv.conv0.weight"},
        {"rpn.head.conv.1.0.weight", "proposal_generator.rpn_head.conv.conv1.weight"},
        {"roi_heads.box_head.3.1.bias", "roi_heads.box_head.conv4.norm.bias"},
        {"roi_heads.box_head.5.weight", "roi_heads.box_head.fc1.weight"},
        {"roi_heads.mask_head.0.0.weight", "roi_heads.mask_head.mask_fcn1.weight"},
        {"roi_heads.mask_head.3.1.weight", "roi_heads.mask_head.mask_fcn4.norm.weight"}};
    check_pairs(PAIRS, COUNT(PAIRS), WEIGHTS_NAMES_AUTO);
    check_pairs(OLD, COUNT(OLD), WEIGHTS_NAMES_AUTO);
    check_pairs(DEEP, COUNT(DEEP), WEIGHTS_NAMES_AUTO);
}
END_TEST

START_TEST(prefixes_go_when_all_names_have_them)
{
    static const struct pair WRAPPED[] = {{"module._orig_mod.a.weight", "a.weight"},
                                          {"module._orig_mod.b", "b"}};
    static const struct pair MIXED[] = {{"model.a.weight", "model.a.weight"}, {"b", "b"}};
    check_pairs(WRAPPED, 2, WEIGHTS_NAMES_AUTO);
    check_pairs(MIXED, 2, WEIGHTS_NAMES_AUTO);
    check_pairs(MIXED, 2, WEIGHTS_NAMES_DETECTRON2);
}
END_TEST

/* ---- rows ------------------------------------------------------------------------------------- */

static void check_rows(const struct weights_file *file, const char *name, int64_t rows,
                       const float *expected, int64_t columns)
{
    float values[64];
    const struct weights_tensor *tensor = weights_find(file, name);
    ck_assert_ptr_nonnull(tensor);
    ck_assert_int_eq(tensor->dims[0], rows);
    ck_assert_uint_eq(tensor->bytes, (size_t)(rows * columns) * sizeof(float));
    weights_read_floats(tensor, values, 0, rows * columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < columns; k++) /* row r began as r * columns, and so on */
            ck_assert_float_eq(values[i * columns + k], expected[i] * (float)columns + (float)k);
}

START_TEST(background_goes_last_and_loses_its_box_and_mask)
{
    static const struct weights_writer_tensor CAFFE2[] = {
        TENSOR("cls_score_w", 4, 3), TENSOR("cls_score_b", 4, 1), TENSOR("bbox_pred_w", 8, 2),
        TENSOR("mask_fcn_logits_w", 3, 2), TENSOR("rpn_bbox_pred_w", 8, 2)};
    static const struct weights_writer_tensor TORCHVISION[] = {
        TENSOR("backbone.body.conv1.weight", 4, 2),
        TENSOR("roi_heads.box_predictor.cls_score.weight", 4, 3),
        TENSOR("roi_heads.box_predictor.bbox_pred.weight", 8, 2),
        TENSOR("rpn.head.bbox_pred.weight", 8, 2)};
    static const float SCORES[] = {1, 2, 3, 0};
    static const float BOXES[] = {4, 5, 6, 7};
    static const float MASKS[] = {1, 2};
    static const float SAME[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct weights_file *file = make_file(CAFFE2, COUNT(CAFFE2));
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_OK);
    check_rows(file, "cls_score.weight", 4, SCORES, 3);
    check_rows(file, "cls_score.bias", 4, SCORES, 1);
    check_rows(file, "bbox_pred.weight", 4, BOXES, 2);
    check_rows(file, "mask_head.predictor.weight", 2, MASKS, 2);
    check_rows(file, "proposal_generator.rpn_head.anchor_deltas.weight", 8, SAME, 2);
    weights_close(file);
    file = make_file(TORCHVISION, COUNT(TORCHVISION));
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_OK);
    check_rows(file, "roi_heads.box_predictor.cls_score.weight", 4, SCORES, 3);
    check_rows(file, "roi_heads.box_predictor.bbox_pred.weight", 4, BOXES, 2);
    check_rows(file, "proposal_generator.rpn_head.anchor_deltas.weight", 8, SAME, 2);
    check_rows(file, "backbone.bottom_up.stem.conv1.weight", 4, SAME, 2);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- what cannot be ---------------------------------------------------------------------------- */

static void check_refused(const struct weights_writer_tensor *tensors, size_t count,
                          const char *text)
{
    struct weights_file *file = make_file(tensors, count);
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_EFORMAT);
    ck_assert_msg(strstr(error_text(), text) != NULL, "%s", error_text());
    ck_assert_str_eq(file->tensors[0].name, tensors[0].name); /* the file is as it was */
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(refused_files)
{
    static const struct weights_writer_tensor TWICE[] = {TENSOR("conv_rpn_w", 1, 1),
                                                         TENSOR("conv_rpn_fpn2_w", 1, 1)};
    static const struct weights_writer_tensor NO_BACKGROUND[] = {TENSOR("bbox_pred_w", 4, 1)};
    static const struct weights_writer_tensor EMPTY[] = {TENSOR("x_w", 1, 1),
                                                         TENSOR("cls_score_w", 0, 5)};
    check_refused(TWICE, 2, "two tensors mean 'proposal_generator.rpn_head.conv.weight'");
    check_refused(NO_BACKGROUND, 1, "no rows of a background class");
    check_refused(EMPTY, 2, "no rows of a background class");
}
END_TEST

START_TEST(training_state_is_dropped)
{
    static const struct weights_writer_tensor TENSORS[] = {
        TENSOR("momentum/a", 1, 1), TENSOR("a", 2, 1), TENSOR("ema/a", 3, 1), TENSOR("b", 4, 1)};
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    ck_assert_int_eq(weights_add_metadata(file, "train", "{}"), MD_OK);
    ck_assert_int_eq(weights_add_metadata(file, "iteration", "7"), MD_OK);
    ck_assert_int_eq(weights_drop_training_state(file), MD_OK);
    ck_assert_uint_eq(file->count, 2);
    ck_assert_str_eq(file->tensors[0].name, "a");
    ck_assert_ptr_eq(weights_find(file, "b"), &file->tensors[1]);
    ck_assert_int_eq(file->tensors[1].dims[0], 4);
    ck_assert_ptr_null(weights_find(file, "ema/a"));
    ck_assert_ptr_null(weights_metadata(file, "train"));
    ck_assert_str_eq(weights_metadata(file, "iteration"), "7");
    weights_close(file);
}
END_TEST

static char lines[2][600];
static size_t line_count;

static void collect(void *user, md_log_level level, const char *message)
{
    (void)user;
    ck_assert_uint_lt(line_count, COUNT(lines));
    snprintf(lines[line_count++], sizeof lines[0], "%c|%s", "EWID"[level], message);
}

START_TEST(what_cannot_be_equal_is_told)
{
    static const struct weights_writer_tensor DETECTOR[] = {
        TENSOR("backbone.body.conv1.weight", 4, 2)};
    static const struct weights_writer_tensor OWN[] = {TENSOR("a.weight", 4, 2)};
    struct log log = {collect, NULL, MD_LOG_INFO};
    struct weights_file *file = make_file(OWN, 1);
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, &log), MD_OK);
    ck_assert_uint_eq(line_count, 0);
    weights_close(file);
    file = make_file(DETECTOR, 1);
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, &log), MD_OK);
    ck_assert_uint_eq(line_count, 2);
    ck_assert_msg(strstr(lines[0], "I|") && strstr(lines[0], "torchvision's names"), "%s",
                  lines[0]);
    ck_assert_msg(strstr(lines[1], "W|") && strstr(lines[1], "anchors"), "%s", lines[1]);
    weights_close(file);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    static const struct weights_writer_tensor TENSORS[] = {
        TENSOR("cls_score_w", 4, 3), TENSOR("fpn_res3_3_sum_gn_s", 1, 1), TENSOR("conv1_w", 1, 1)};
    const char *path = write_file(TENSORS, COUNT(TENSORS));
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct weights_file *file = NULL;
        failing_memory_init(&failing, k);
        st = weights_open(&file, &failing.memory, path);
        if (st == MD_OK)
            st = weights_translate(file, WEIGHTS_NAMES_AUTO, NULL);
        weights_close(file);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("weights/translate", TEST(caffe2_names), TEST(caffe2_names_without_pyramid),
      TEST(torchvision_resnet_names), TEST(torchvision_detector_names),
      TEST(prefixes_go_when_all_names_have_them),
      TEST(background_goes_last_and_loses_its_box_and_mask), TEST(refused_files),
      TEST(training_state_is_dropped), TEST(what_cannot_be_equal_is_told),
      TEST(no_failing_allocation_leaks))
