/* test_names.c - names, shapes and kinds of a network's tensors are those of Detectron2's files.
 *
 * The expectation is written out by rule from Detectron2's state dicts; the counts of tensors and
 * values are those of its models. Our order differs (backbone before pyramid), which
 * no file depends on. */
#include <stdio.h>
#include <string.h>

#include "backend/registry.h"
#include "suite.h"
#include "support/tiny_net.h"

struct names {
    struct memory memory;
    struct device *device;
    struct config *config;
    struct typed_config typed;
    struct detector detector; /* declared, never allocated: an X-101 is 420 MB */
    int expected;             /* tensors looked for so far */
};

static void names_open(struct names *t, const char *preset, const char *key, const char *value)
{
    const struct backend *backend;
    int index;
    memset(t, 0, sizeof *t);
    memory_init(&t->memory, NULL);
    NET_OK(backend_find(&backend, &index, "ref"));
    NET_OK(device_create(
        &t->device, backend, &t->memory,
        &(struct device_options){.index = index, .threads = 1, .deterministic = true}));
    NET_OK(config_create(&t->config, &t->memory, NULL, preset));
    if (key)
        NET_OK(config_set(t->config, key, value));
    NET_OK(config_typed(t->config, &t->typed));
    struct detector *d = &t->detector;
    const struct model_config *model = &t->typed.model;
    NET_OK(param_set_create(&d->params, t->device));
    NET_OK(resnet_declare(&d->resnet, d->params, model));
    NET_OK(fpn_declare(&d->fpn, d->params, model));
    NET_OK(rpn_declare(&d->rpn, d->params, model));
    NET_OK(roi_heads_declare(&d->heads, d->params, model));
}

static void names_close(struct names *t)
{
    resnet_free(&t->detector.resnet, t->device);
    param_set_free(t->detector.params);
    config_free(t->config);
    device_free(t->device);
    ck_assert_uint_eq(atomic_load(&t->memory.live_blocks), 0);
}

/* ---- expectation -------------------------------------------------------------------------- */

static void expect(struct names *t, const char *name, struct shape shape, enum param_kind kind)
{
    char wanted[96], got[96];
    const struct param *param = param_find(t->detector.params, name);
    ck_assert_msg(param != NULL, "there is no %s", name);
    ck_assert_msg(shape_equal(param->spec.file_shape, shape), "%s is %s, wanted %s", name,
                  shape_text(param->spec.file_shape, got), shape_text(shape, wanted));
    ck_assert_msg(param->spec.kind == kind, "%s is of kind %d", name, (int)param->spec.kind);
    t->expected++;
}

static void expect_normed(struct names *t, const char *name, struct shape weight, bool frozen)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    char text[128];
    snprintf(text, sizeof text, "%s.weight", name);
    expect(t, text, weight, frozen ? PARAM_FROZEN : PARAM_TRAINABLE);
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof text, "%s.norm.%s", name, parts[i]);
        expect(t, text, SHAPE(weight.dims[0]), PARAM_BUFFER);
        ck_assert(param_find(t->detector.params, text)->spec.is_norm);
    }
}

static void expect_biased(struct names *t, const char *name, struct shape weight)
{
    char text[128];
    snprintf(text, sizeof text, "%s.weight", name);
    expect(t, text, weight, PARAM_TRAINABLE);
    ck_assert(!param_find(t->detector.params, text)->spec.is_bias);
    snprintf(text, sizeof text, "%s.bias", name);
    expect(t, text, SHAPE(weight.dims[0]), PARAM_TRAINABLE);
    ck_assert(param_find(t->detector.params, text)->spec.is_bias);
}

struct backbone {
    const int *blocks;
    int width, groups, freeze_at; /* width of res2's 3x3 convolutions; 0: basic blocks */
    int out;                      /* channels of res2 */
};

static void expect_block(struct names *t, const struct backbone *b, int stage, int block)
{
    char name[96];
    bool frozen = b->freeze_at >= stage;
    int out = b->out << (stage - 2), width = b->width << (stage - 2);
    int in = block > 0 ? out : stage == 2 ? 64 : out / 2;
    int at = snprintf(name, sizeof name, "backbone.bottom_up.res%d.%d.", stage, block);
    char *part = name + at;
    size_t room = sizeof name - (size_t)at;
    if (in != out) {
        snprintf(part, room, "shortcut");
        expect_normed(t, name, SHAPE(out, in, 1, 1), frozen);
    }
    snprintf(part, room, "conv1");
    expect_normed(t, name, width ? SHAPE(width, in, 1, 1) : SHAPE(out, in, 3, 3), frozen);
    snprintf(part, room, "conv2");
    expect_normed(t, name, width ? SHAPE(width, width / b->groups, 3, 3) : SHAPE(out, out, 3, 3),
                  frozen);
    snprintf(part, room, "conv3");
    if (width)
        expect_normed(t, name, SHAPE(out, width, 1, 1), frozen);
}

static void expect_network(struct names *t, const struct backbone *b)
{
    char name[64];
    expect_normed(t, "backbone.bottom_up.stem.conv1", SHAPE(64, 3, 7, 7), b->freeze_at >= 1);
    for (int stage = 2; stage <= 5; stage++) {
        for (int i = 0; i < b->blocks[stage - 2]; i++)
            expect_block(t, b, stage, i);
        snprintf(name, sizeof name, "backbone.fpn_lateral%d", stage);
        expect_biased(t, name, SHAPE(256, b->out << (stage - 2), 1, 1));
        snprintf(name, sizeof name, "backbone.fpn_output%d", stage);
        expect_biased(t, name, SHAPE(256, 256, 3, 3));
    }
    expect_biased(t, "proposal_generator.rpn_head.conv", SHAPE(256, 256, 3, 3));
    expect_biased(t, "proposal_generator.rpn_head.objectness_logits", SHAPE(3, 256, 1, 1));
    expect_biased(t, "proposal_generator.rpn_head.anchor_deltas", SHAPE(12, 256, 1, 1));
    expect_biased(t, "roi_heads.box_head.fc1", SHAPE(1024, 256 * 7 * 7));
    expect_biased(t, "roi_heads.box_head.fc2", SHAPE(1024, 1024));
    expect_biased(t, "roi_heads.box_predictor.cls_score", SHAPE(81, 1024));
    expect_biased(t, "roi_heads.box_predictor.bbox_pred", SHAPE(4 * 80, 1024));
}

struct totals {
    int tensors, trainable_tensors;
    int64_t values, trainable_values, buffer_values;
};

/* Without what is derived, which no file holds. */
static struct totals count(const struct param_set *set)
{
    struct totals totals = {0};
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        if (param->spec.kind == PARAM_DERIVED)
            continue;
        totals.tensors++;
        totals.values += param_count(param);
        if (param->spec.kind == PARAM_TRAINABLE) {
            totals.trainable_tensors++;
            totals.trainable_values += param_count(param);
        }
        if (param->spec.kind == PARAM_BUFFER)
            totals.buffer_values += param_count(param);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(param->spec.name, set->items[k]->spec.name);
    }
    return totals;
}

/* ---- networks ----------------------------------------------------------------------------- */

static void check_network(const char *preset, const struct backbone *backbone,
                          const struct totals *wanted)
{
    struct names t;
    names_open(&t, preset, NULL, NULL);
    expect_network(&t, backbone);
    struct totals got = count(t.detector.params);
    ck_assert_int_eq(got.tensors, t.expected); /* and none beside */
    if (wanted) {
        ck_assert_int_eq(got.tensors, wanted->tensors);
        ck_assert_int_eq(got.values, wanted->values);
        ck_assert_int_eq(got.trainable_tensors, wanted->trainable_tensors);
        ck_assert_int_eq(got.trainable_values, wanted->trainable_values);
        ck_assert_int_eq(got.buffer_values, wanted->buffer_values);
    }
    names_close(&t);
}

static const int blocks18[4] = {2, 2, 2, 2}, blocks50[4] = {3, 4, 6, 3},
                 blocks101[4] = {3, 4, 23, 3};

START_TEST(x101_has_its_550_tensors)
{
    check_network("faster_rcnn_X_101_32x8d_FPN_3x", &(struct backbone){blocks101, 256, 32, 2, 256},
                  &(struct totals){550, 123, 105190240, 104359328, 405760});
}
END_TEST

START_TEST(r50_has_its_295_tensors)
{
    check_network("faster_rcnn_R_50_FPN_3x", &(struct backbone){blocks50, 64, 1, 2, 256},
                  &(struct totals){295, 72, 41699936 + 106240, 41477536, 106240});
}
END_TEST

START_TEST(r18_has_basic_blocks)
{
    check_network("faster_rcnn_R_18_FPN", &(struct backbone){blocks18, 0, 1, 2, 64}, NULL);
}
END_TEST

START_TEST(freezing_ends_where_it_is_told)
{
    static const char *const parts[] = {"stem.conv1", "res2.0.conv1", "res3.0.conv1",
                                        "res4.0.conv1", "res5.0.conv1"};
    char name[64], level[2] = {(char)('0' + _i), '\0'};
    struct names t;
    names_open(&t, "tiny", "MODEL.BACKBONE.FREEZE_AT", level);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "backbone.bottom_up.%s.weight", parts[i]);
        ck_assert_int_eq(param_find(t.detector.params, name)->spec.kind,
                         i < _i ? PARAM_FROZEN : PARAM_TRAINABLE);
    }
    ck_assert_int_eq(resnet_first_trained(&t.detector.resnet), _i < 2 ? 0 : _i - 1);
    names_close(&t);
}
END_TEST

SUITE("model/names", TEST(x101_has_its_550_tensors), TEST(r50_has_its_295_tensors),
      TEST(r18_has_basic_blocks), LOOP(freezing_ends_where_it_is_told, 0, 6))
