/* test_name_map.c - which tensor fills which parameter: suffixes, torchvision, folded norms. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/name_map.h"
#include "weights/translate.h"

static const char RESNET18[] = "../shared/data/resnet18_imagenet_bnfolded_stem_to_layer3_fc.npz";

enum { MAX_TARGETS = 200 };

struct model {
    struct weights_target targets[MAX_TARGETS];
    char names[MAX_TARGETS][80];
    size_t count;
};

static struct memory memory;

/* ---- the parameters of an R-18 FPN detector -------------------------------------------- */

static void add(struct model *model, const char *name, const char *end, int rank,
                const int64_t *dims)
{
    ck_assert_uint_lt(model->count, MAX_TARGETS);
    char *copy = model->names[model->count];
    snprintf(copy, sizeof model->names[0], "%s%s", name, end);
    struct weights_target *target = &model->targets[model->count++];
    *target = (struct weights_target){.name = copy, .rank = rank};
    memcpy(target->dims, dims, (size_t)rank * sizeof dims[0]);
}

static void add_conv(struct model *model, const char *name, int64_t out, int64_t in, int64_t size,
                     bool norm)
{
    int64_t dims[] = {out, in, size, size};
    add(model, name, ".weight", 4, dims);
    if (!norm) {
        add(model, name, ".bias", 1, &out);
        return;
    }
    add(model, name, ".norm.weight", 1, &out);
    add(model, name, ".norm.bias", 1, &out);
    add(model, name, ".norm.running_mean", 1, &out);
    add(model, name, ".norm.running_var", 1, &out);
}

static void add_backbone(struct model *model)
{
    char name[64];
    int64_t in = 64;
    add_conv(model, "backbone.bottom_up.stem.conv1", 64, 3, 7, true);
    for (int stage = 2; stage <= 5; stage++) {
        int64_t out = 64 << (stage - 2);
        for (int block = 0; block < 2; block++) {
            if (block == 0 && in != out) {
                snprintf(name, sizeof name, "backbone.bottom_up.res%d.0.shortcut", stage);
                add_conv(model, name, out, in, 1, true);
            }
            for (int conv = 1; conv <= 2; conv++) {
                snprintf(name, sizeof name, "backbone.bottom_up.res%d.%d.conv%d", stage, block,
                         conv);
                add_conv(model, name, out, conv == 1 ? in : out, 3, true);
            }
            in = out;
        }
    }
}

static void add_heads(struct model *model)
{
    char name[64];
    for (int level = 2; level <= 5; level++) {
        snprintf(name, sizeof name, "backbone.fpn_lateral%d", level);
        add_conv(model, name, 256, 64 << (level - 2), 1, false);
        snprintf(name, sizeof name, "backbone.fpn_output%d", level);
        add_conv(model, name, 256, 256, 3, false);
    }
    add_conv(model, "proposal_generator.rpn_head.conv", 256, 256, 3, false);
    add_conv(model, "proposal_generator.rpn_head.objectness_logits", 3, 256, 1, false);
    add_conv(model, "proposal_generator.rpn_head.anchor_deltas", 12, 256, 1, false);
    add(model, "roi_heads.box_head.fc1.weight", "", 2, (int64_t[]){1024, 12544});
    add(model, "roi_heads.box_head.fc1.bias", "", 1, (int64_t[]){1024});
    add(model, "roi_heads.box_predictor.cls_score.weight", "", 2, (int64_t[]){4, 1024});
    add(model, "roi_heads.box_predictor.cls_score.bias", "", 1, (int64_t[]){4});
}

/* ---- small files made for the case --------------------------------------------------------- */

/* Element k of tensor i is 100 * i + k + 1. */
static md_status read_number(void *user, size_t index, size_t offset, void *out, size_t capacity,
                             size_t *written)
{
    (void)user;
    for (size_t at = 0; at < capacity; at += sizeof(float)) {
        float value = (float)(100 * index + (offset + at) / sizeof(float) + 1);
        memcpy((char *)out + at, &value, sizeof value);
    }
    *written = capacity;
    return MD_OK;
}

#define TENSOR(name, count)                                                                        \
    {                                                                                              \
        name, WEIGHTS_F32, 1, {count}, read_number                                                 \
    }
#define MATRIX(name, rows, columns)                                                                \
    {                                                                                              \
        name, WEIGHTS_F32, 2, {rows, columns}, read_number                                         \
    }
#define TARGET(name, count)                                                                        \
    {                                                                                              \
        name, 1,                                                                                   \
        {                                                                                          \
            count                                                                                  \
        }                                                                                          \
    }
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct weights_file *make_file(const struct weights_writer_tensor *tensors, size_t count)
{
    memory_init(&memory, NULL);
    struct weights_file *file = NULL;
    const char *path = temp_path("names.safetensors");
    ck_assert_int_eq(safetensors_write(&memory, path, tensors, count, NULL, NULL, NULL, 0), MD_OK);
    ck_assert_int_eq(weights_open(&file, &memory, path), MD_OK);
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_OK);
    return file;
}

static void check_source(const struct weights_plan *plan, const struct weights_file *file,
                         size_t target, const char *name)
{
    ck_assert_int_eq(plan->match[target], WEIGHTS_LOADED);
    ck_assert_str_eq(file->tensors[plan->source[target]].name, name);
}

START_TEST(longest_suffix_wins)
{
    static const struct weights_writer_tensor TENSORS[] = {
        TENSOR("weight", 9), TENSOR("c.weight", 2), TENSOR("b.c.weight", 3), TENSOR("x.weight", 4),
        TENSOR("full.name", 5)};
    static const struct weights_target TARGETS[] = {
        TARGET("a.b.c.weight", 3), TARGET("z.c.weight", 2), TARGET("a.xx.weight", 4),
        TARGET("full.name", 5), TARGET("gone", 1)};
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    struct weights_plan plan;
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, TARGETS, COUNT(TARGETS)), MD_OK);
    check_source(&plan, file, 0, "b.c.weight");
    check_source(&plan, file, 1, "c.weight");
    /* "x.weight" is an end of "a.xx.weight" only inside a word; "weight" fits, but not its shape. */
    ck_assert_int_eq(plan.match[2], WEIGHTS_MISMATCHED);
    check_source(&plan, file, 3, "full.name");
    ck_assert_int_eq(plan.match[4], WEIGHTS_MISSING);
    ck_assert_uint_eq(plan.loaded, 3);
    ck_assert_uint_eq(plan.mismatched, 1);
    ck_assert_uint_eq(plan.missing, 1);
    ck_assert_uint_eq(plan.unused, 1);
    ck_assert(!plan.used[3]);

    float values[3];
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 0, values, 0, 3), MD_OK);
    ck_assert_float_eq(values[2], 203.0f);
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 0, values, 1, 2), MD_OK);
    ck_assert_float_eq(values[1], 203.0f);
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 0, values, 0, 4), MD_EMISMATCH);
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 0, values, 3, 1), MD_EMISMATCH);
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 0, values, -1, 1), MD_EMISMATCH);
    ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, 4, values, 0, 1), MD_EINVAL);
    weights_plan_free(&plan);
    weights_close(file);
}
END_TEST

START_TEST(one_tensor_for_two_parameters_is_refused)
{
    static const struct weights_writer_tensor TENSORS[] = {TENSOR("cls_score.weight", 3)};
    struct weights_target targets[] = {TARGET("p.0.cls_score.weight", 3),
                                       TARGET("p.1.cls_score.weight", 3)};
    struct weights_file *file = make_file(TENSORS, 1);
    struct weights_plan plan;
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, targets, 2), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "p.1.cls_score.weight"));
    targets[0].dims[0] = 4; /* the first does not take it */
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, targets, 2), MD_OK);
    ck_assert_int_eq(plan.match[0], WEIGHTS_MISMATCHED);
    ck_assert_int_eq(plan.match[1], WEIGHTS_LOADED);
    ck_assert_uint_eq(plan.unused, 0);
    weights_plan_free(&plan);
    targets[1].name = targets[0].name;
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, targets, 2), MD_EINVAL);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_bias_fills_a_norm_only_beside_its_weight)
{
    static const struct weights_writer_tensor TENSORS[] = {
        MATRIX("a.weight", 3, 2), TENSOR("a.bias", 3),                             /* folded */
        TENSOR("b.bias", 3),                                                       /* no weight */
        MATRIX("c.weight", 3, 2), TENSOR("c.bias", 3), TENSOR("c.norm.weight", 3), /* own norm */
        MATRIX("d.weight", 3, 3), TENSOR("d.bias", 3),                             /* other shape */
        MATRIX("e.weight", 3, 2), TENSOR("e.bias", 3)};                            /* own bias */
    static const char *const NAMES[] = {"a", "b", "c", "d", "e"};
    struct model *model = calloc(1, sizeof *model);
    for (int i = 0; i < 5; i++) {
        add(model, NAMES[i], ".weight", 2, (int64_t[]){3, 2});
        add(model, NAMES[i], ".norm.weight", 1, (int64_t[]){3});
        add(model, NAMES[i], ".norm.running_var", 1, (int64_t[]){3});
    }
    add(model, "e.bias", "", 1, (int64_t[]){3});
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    struct weights_plan plan;
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, model->targets, model->count),
                     MD_OK);
    static const enum weights_match EXPECTED[] = {
        WEIGHTS_LOADED,  WEIGHTS_LOADED,     WEIGHTS_LOADED,  WEIGHTS_MISSING,
        WEIGHTS_MISSING, WEIGHTS_MISSING,    WEIGHTS_LOADED,  WEIGHTS_LOADED,
        WEIGHTS_MISSING, WEIGHTS_MISMATCHED, WEIGHTS_MISSING, WEIGHTS_MISSING,
        WEIGHTS_LOADED,  WEIGHTS_MISSING,    WEIGHTS_MISSING, WEIGHTS_LOADED};
    for (size_t i = 0; i < model->count; i++)
        ck_assert_msg(plan.match[i] == EXPECTED[i], "%s", model->targets[i].name);
    ck_assert_uint_eq(plan.unused, 3); /* the biases of b, c and d */
    weights_plan_free(&plan);
    weights_close(file);
    free(model);
}
END_TEST

START_TEST(norms_without_statistics_have_mean_0_and_variance_1)
{
    static const struct weights_writer_tensor TENSORS[] = {
        MATRIX("a.weight", 3, 2), TENSOR("a.norm.weight", 3), TENSOR("a.norm.bias", 3),
        TENSOR("b.norm.weight", 3)}; /* not even a bias: nothing follows from it */
    /* In this order an origin comes before the parameter it is itself. */
    static const struct weights_target TARGETS[] = {
        TARGET("x.a.norm.running_mean", 3), TARGET("x.a.norm.running_var", 3),
        TARGET("x.a.norm.weight", 3), TARGET("x.a.norm.bias", 3),
        TARGET("x.b.norm.running_var", 3)};
    static const float EXPECTED[] = {0.0f, 1.0f, 103.0f, 203.0f};
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    struct weights_plan plan;
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, TARGETS, COUNT(TARGETS)), MD_OK);
    ck_assert_uint_eq(plan.loaded, 4);
    ck_assert_int_eq(plan.match[4], WEIGHTS_MISSING);
    for (size_t i = 0; i < 4; i++) {
        float values[3];
        ck_assert_int_eq(weights_plan_read(&plan, file, TARGETS, i, values, 0, 3), MD_OK);
        ck_assert_float_eq(values[2], EXPECTED[i]);
    }
    weights_plan_free(&plan);
    weights_close(file);
}
END_TEST

/* ---- report ---------------------------------------------------------------------------------- */

static char report_text[4096];

static void collect(void *user, md_log_level level, const char *message)
{
    (void)user;
    size_t length = strlen(report_text);
    snprintf(report_text + length, sizeof report_text - length, "%c|%s\n", "EWID"[level], message);
}

START_TEST(report_groups_names)
{
    static const struct weights_writer_tensor TENSORS[] = {
        TENSOR("fc.weight", 1), TENSOR("x", 1),           MATRIX("a.weight", 3, 2),
        TENSOR("fc.bias", 1),   MATRIX("c.weight", 2, 7), TENSOR("c.norm.bias", 5),
        TENSOR("d.bias", 3)};
    static const struct weights_target TARGETS[] = {
        TARGET("a.weight", 4),      TARGET("p.weight", 1), TARGET("q.weight", 1),
        TARGET("p.bias", 1),        TARGET("x", 1),        {"b.c.weight", 2, {2, 7}},
        TARGET("b.c.norm.bias", 5), TARGET("b.d.bias", 3)};
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    struct weights_plan plan;
    struct log log = {collect, NULL, MD_LOG_INFO};
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, TARGETS, COUNT(TARGETS)), MD_OK);
    ck_assert_int_eq(weights_plan_report(&plan, &log, &memory, file, TARGETS), MD_OK);
    char expected[4096];
    snprintf(
        expected, sizeof expected,
        "I|%s: loaded 4 of 8 parameters; 3 missing, 1 of another shape, 2 tensors unused\n"
        "I|  b.c.{norm.bias, weight} from c: (5,), (2, 7)\n"
        "I|  b.d.bias from d: (3,)\n"
        "W|not loaded because of its shape: a.weight: (3, 2) in the file but (4,) in the model\n"
        "W|not in the file, keep their start values:\n"
        "W|  p.{bias, weight}\n"
        "W|  q.weight\n"
        "W|in the file but not used by the model:\n"
        "W|  fc.{bias, weight}\n",
        file->path);
    ck_assert_str_eq(report_text, expected);
    weights_plan_free(&plan);
    weights_close(file);
}
END_TEST

/* ---- the real file --------------------------------------------------------------------------- */

static size_t index_of(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->targets[i].name, name) == 0)
            return i;
    ck_abort_msg("no target %s", name);
}

static bool expected_missing(const char *name)
{
    return strstr(name, "res5.0.conv") || strstr(name, "res5.1.conv") || strstr(name, "fpn_") ||
           strstr(name, "rpn_head") || strstr(name, "roi_heads");
}

START_TEST(folded_resnet18_fills_its_detector)
{
    if (!file_exists(RESNET18))
        SKIP("%s is not there", RESNET18);
    memory_init(&memory, NULL);
    struct model *model = calloc(1, sizeof *model);
    add_backbone(model);
    add_heads(model);
    struct weights_file *file = NULL;
    struct weights_plan plan;
    ck_assert_int_eq(weights_open(&file, &memory, RESNET18), MD_OK);
    ck_assert_int_eq(weights_translate(file, WEIGHTS_NAMES_AUTO, NULL), MD_OK);
    ck_assert_int_eq(weights_plan_create(&plan, &memory, file, model->targets, model->count),
                     MD_OK);
    for (size_t i = 0; i < model->count; i++)
        ck_assert_msg((plan.match[i] == WEIGHTS_MISSING) ==
                          expected_missing(model->targets[i].name),
                      "%s", model->targets[i].name);
    ck_assert_uint_eq(plan.loaded, 16 * 5); /* 20 convolutions without res5's four */
    ck_assert_uint_eq(plan.mismatched, 0);
    ck_assert_uint_eq(plan.unused, 6); /* fc, and the biases of res5's missing convolutions */

    float norm[64];
    float bias[64];
    weights_read_floats(weights_find(file, "res2.1.conv2.bias"), bias, 0, 64);
    static const char *const FIELDS[] = {"weight", "bias", "running_mean", "running_var"};
    for (int field = 0; field < 4; field++) {
        char name[80];
        snprintf(name, sizeof name, "backbone.bottom_up.res2.1.conv2.norm.%s", FIELDS[field]);
        size_t target = index_of(model, name);
        ck_assert_int_eq(weights_plan_read(&plan, file, model->targets, target, norm, 0, 64),
                         MD_OK);
        const float expected[] = {1.0f, bias[63], 0.0f, 0.99999f};
        ck_assert_float_eq(norm[63], expected[field]);
    }
    ck_assert_int_eq(weights_plan_report(&plan, NULL, &memory, file, model->targets), MD_OK);
    weights_plan_free(&plan);
    weights_close(file);
    free(model);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    static const struct weights_writer_tensor TENSORS[] = {
        TENSOR("conv1.weight", 3), TENSOR("conv1.bias", 3), TENSOR("layer1.0.conv1.weight", 3),
        TENSOR("fc.weight", 1)};
    static const struct weights_target TARGETS[] = {
        TARGET("stem.conv1.weight", 3), TARGET("stem.conv1.norm.bias", 3),
        TARGET("res2.0.conv1.weight", 4), TARGET("gone", 1)};
    struct weights_file *file = make_file(TENSORS, COUNT(TENSORS));
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct weights_plan plan = {.memory = &failing.memory};
        failing_memory_init(&failing, k);
        st = weights_plan_create(&plan, &failing.memory, file, TARGETS, COUNT(TARGETS));
        if (st == MD_OK)
            st = weights_plan_report(&plan, NULL, &failing.memory, file, TARGETS);
        weights_plan_free(&plan);
        failing_memory_check(&failing, st);
    }
    weights_close(file);
}
END_TEST

SUITE("weights/name_map", TEST(longest_suffix_wins), TEST(one_tensor_for_two_parameters_is_refused),
      TEST(a_bias_fills_a_norm_only_beside_its_weight),
      TEST(norms_without_statistics_have_mean_0_and_variance_1), TEST(report_groups_names),
      TEST(folded_resnet18_fills_its_detector), TEST(no_failing_allocation_leaks))
