/* test_losses.c - losses and their gradients against the twins, gradients of each type.
 *
 * Kernel and twin compute in double and round once. Sums are in another order, and exp, log and log1p
 * may differ in the last place of a double: a loss in float is then another one once in some million,
 * by a unit. logf of a box's encoding may be off by two units in the last place on a real device, of
 * numbers up to about 5: 1e-6. Gradients of 16 bits: half a unit of them on top. */
#include "suite.h"
#include "tests/kernels/conv_case.h"
#include "tests/kernels/list_case.h"

enum { IMAGES = 3, TYPES = 3 };

#define LOSS_TOLERANCE 2e-6

static const double roundings[TYPES] = {2e-6, 0x1p-8, 0x1p-11};

/* Room for a gradient of another type than ref's `t`. */
static void *gradient_output(struct list_case *list, const struct tensor *t, enum launch_type type)
{
    const size_t bytes = (size_t)tensor_count(t) * (type == LAUNCH_F32 ? 4 : 2);
    return list_case_keep(list, device_new(bytes + LIST_CASE_GUARD));
}

static bool close_to(double found, double wanted, double relative, double least)
{
    if (isnan(wanted) || isinf(wanted))
        return isnan(wanted) ? isnan(found) : found == wanted;
    return fabs(found - wanted) <= relative * fabs(wanted) + least;
}

/* Where delta and encoding are alike their difference keeps the error of logf: so much of the largest
 * gradient, whose difference is of size 1, is allowed; and the smallest number that fp16 has. */
static void check_gradient(struct list_case *list, const char *name, const struct tensor *wanted,
                           const void *memory, enum launch_type type)
{
    const size_t bytes = (size_t)tensor_count(wanted) * (type == LAUNCH_F32 ? 4 : 2);
    uint8_t *host = malloc(bytes + LIST_CASE_GUARD);
    ck_assert_ptr_nonnull(host);
    device_read(host, memory, bytes + LIST_CASE_GUARD, list->stream);
    double largest = 0;
    for (int64_t i = 0; i < tensor_count(wanted); i++)
        largest = fmax(largest, fabs((double)((const float *)wanted->data)[i]));
    const double least = 2e-6 * largest + (type == LAUNCH_F16 ? 6e-8 : 0);
    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        const double want = (double)((const float *)wanted->data)[i];
        const double found = (double)conv_get(host, type, i);
        const bool lost = type == LAUNCH_F16 && fabs(want) > 65504 && isinf(found);
        ck_assert_msg(lost || close_to(found, want, roundings[type], least),
                      "%s[%lld] is %.9g, not %.9g", name, (long long)i, found, want);
    }
    for (size_t i = 0; i < LIST_CASE_GUARD; i++)
        ck_assert_int_eq(host[bytes + i], 0xff);
    free(host);
}

static void check_loss(struct list_case *list, const char *name, const struct tensor *wanted,
                       const void *memory)
{
    float *found = list_case_read(list, wanted, memory);
    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        const double want = (double)((const float *)wanted->data)[i];
        ck_assert_msg(close_to((double)found[i], want, LOSS_TOLERANCE, 1e-12),
                      "%s[%lld] is %.9g, not %.9g", name, (long long)i, (double)found[i], want);
    }
    free(found);
}

/* ---- RPN ---------------------------------------------------------------------------------- */

struct rpn_case {
    struct list_case list;
    struct tensor logits, deltas, anchors, index, counts, match, gt, scale, loss, logits_grad,
        deltas_grad;
    struct level_layout layout;
    struct rpn_loss_params params;
    struct launch_rpn_loss launch;
};

/* The sample is the first anchors in reverse: distinct, and in no order of the slab. */
static void rpn_inputs(struct rpn_case *c, int64_t sampled, bool hostile)
{
    struct lab *lab = &c->list.lab;
    struct random random = {.seed = (uint64_t)(c->layout.total + sampled), .stream = RANDOM_TEST};
    const int64_t total = c->layout.total;
    const int32_t half = (int32_t)sampled / 2, third = (int32_t)sampled / 3;
    c->logits = lab_normal(lab, &random, SHAPE(IMAGES * total), 4);
    c->deltas = lab_normal(lab, &random, SHAPE(IMAGES * total, 4), 1);
    c->anchors = lab_boxes(lab, &random, SHAPE(total, 4), 60);
    c->gt = lab_boxes(lab, &random, SHAPE(IMAGES, 4, 4), 60);
    c->match = lab_integers(lab, &random, SHAPE(IMAGES, total), 0, 3);
    c->index = lab_i32(lab, SHAPE(IMAGES, sampled), NULL);
    for (int64_t i = 0; i < IMAGES * sampled; i++)
        ((int32_t *)c->index.data)[i] = (int32_t)(total - 1 - i % sampled);
    c->counts = lab_i32(lab, SHAPE(IMAGES, 2),
                        (int32_t[]){half, half, third, half, (int32_t)sampled + 3, 5});
    c->scale = lab_f32(lab, SHAPE(2), (float[]){128, 3});
    if (hostile) {
        lab_spoil(lab, &random, &c->logits, 9);
        lab_spoil(lab, &random, &c->deltas, 9);
    }
}

static void rpn_open(struct rpn_case *c, const struct level_layout *layout, int64_t sampled,
                     int variant)
{
    list_case_open(&c->list);
    struct lab *lab = &c->list.lab;
    c->layout = *layout;
    rpn_inputs(c, sampled, variant % 3 == 2);
    c->params = (struct rpn_loss_params){(enum box_loss_kind)(variant < 4 ? 0 : variant - 3),
                                         {1, 2, 3, 4},
                                         variant % 2 ? 0.5f : 0,
                                         1.f / 768,
                                         2.f / 768};
    c->loss = lab_f32(lab, SHAPE(2), NULL);
    c->logits_grad = lab_f32(lab, c->logits.shape, NULL);
    c->deltas_grad = lab_f32(lab, c->deltas.shape, NULL);
    c->launch = (struct launch_rpn_loss){.loss = list_case_output(&c->list, &c->loss),
                                         .logits = list_case_input(&c->list, &c->logits),
                                         .deltas = list_case_input(&c->list, &c->deltas),
                                         .anchors = list_case_input(&c->list, &c->anchors),
                                         .index = list_case_input(&c->list, &c->index),
                                         .index_counts = list_case_input(&c->list, &c->counts),
                                         .match = list_case_input(&c->list, &c->match),
                                         .gt = list_case_input(&c->list, &c->gt),
                                         .images = IMAGES,
                                         .sampled = sampled,
                                         .total = layout->total,
                                         .gt_capacity = 4,
                                         .levels = layout->levels,
                                         .kind = (int)c->params.kind,
                                         .weights = {1, 2, 3, 4},
                                         .smooth_l1_beta = c->params.smooth_l1_beta,
                                         .class_scale = c->params.class_scale,
                                         .box_scale = c->params.box_scale};
    memcpy(c->launch.first, layout->first, sizeof layout->first);
    memcpy(c->launch.level_count, layout->count, sizeof layout->count);
    if (variant % 4 == 1)
        c->launch.scale = list_case_input(&c->list, &c->scale);
}

static void rpn_check(struct rpn_case *c, enum launch_type type, bool wanted)
{
    const struct rpn_loss_inputs in = {
        &c->logits, &c->deltas, &c->anchors, &c->index,
        &c->counts, &c->match,  &c->gt,      c->launch.scale ? &c->scale : NULL,
        &c->layout};
    c->launch.type = type;
    if (wanted) {
        c->launch.logits_grad = gradient_output(&c->list, &c->logits, type);
        c->launch.deltas_grad = gradient_output(&c->list, &c->deltas, type);
    }
    LAB_OK(op_rpn_loss(c->list.lab.stream, &c->loss, &c->logits_grad, &c->deltas_grad, &in,
                       &c->params));
    check_cuda(launch_rpn_loss(&c->launch, c->list.stream));
    check_loss(&c->list, "loss", &c->loss, c->launch.loss);
    if (wanted) {
        check_gradient(&c->list, "logits", &c->logits_grad, c->launch.logits_grad, type);
        check_gradient(&c->list, "deltas", &c->deltas_grad, c->launch.deltas_grad, type);
    }
    list_case_close(&c->list);
}

/* Anchors of one image are odd and even in number, samples fewer and more than a block's threads. */
static const struct level_layout layouts[] = {
    {1, {5}, {0}, 5},
    {3, {601, 150, 40}, {0, 601, 751}, 791},
    {5, {900, 1, 0, 99, 6}, {0, 900, 901, 901, 1000}, 1006}};

START_TEST(rpn_loss_is_the_twins)
{
    static const int64_t sampled[] = {5, 64, 700};
    struct rpn_case c;
    if (no_device())
        SKIP("no device");
    for (int variant = 0; variant < 7; variant++)
        for (int type = 0; type < TYPES; type++) {
            rpn_open(&c, &layouts[_i], sampled[_i], variant);
            rpn_check(&c, (enum launch_type)type, variant != 4);
        }
}
END_TEST

/* ---- classes ------------------------------------------------------------------------------ */

static void check_softmax_loss(int64_t cap, int64_t k, int32_t rows, int variant)
{
    const enum launch_type type = (enum launch_type)(variant % TYPES);
    struct random random = {.seed = (uint64_t)(cap * 100 + k), .stream = RANDOM_TEST};
    struct list_case list;
    list_case_open(&list);
    struct lab *lab = &list.lab;
    struct tensor logits = lab_normal(lab, &random, SHAPE(cap, k), variant % 2 ? 60 : 3),
                  classes = lab_integers(lab, &random, SHAPE(cap), variant % 4 ? 0 : -1, (int)k);
    for (int64_t i = 0; variant % 2 && i < cap * k; i += 3)
        ((float *)logits.data)[i] = 7; /* ties: the first counts */
    if (variant % 5 == 4)
        lab_spoil(lab, &random, &logits, 40);
    struct tensor count = lab_i32(lab, SHAPE(1), &rows);
    struct tensor scale = lab_f32(lab, SHAPE(2), (float[]){64, 0});
    struct tensor loss = lab_f32(lab, SHAPE(1), NULL), stats = lab_f32(lab, SHAPE(4), NULL),
                  grad = lab_f32(lab, logits.shape, NULL);
    struct launch_softmax_loss launch = {.loss = list_case_output(&list, &loss),
                                         .stats = list_case_output(&list, &stats),
                                         .grad = gradient_output(&list, &logits, type),
                                         .logits = list_case_input(&list, &logits),
                                         .wanted = list_case_input(&list, &classes),
                                         .capacity = cap,
                                         .classes = k,
                                         .type = type};
    if (rows >= 0)
        launch.rows = list_case_input(&list, &count);
    if (variant % 3 == 1)
        launch.scale = list_case_input(&list, &scale);
    void *scratch = list_case_scratch(&list, launch_softmax_loss_scratch(cap));
    LAB_OK(op_softmax_loss(lab->stream, &loss, &grad, &stats, &logits, &classes,
                           rows >= 0 ? &count : NULL, launch.scale ? &scale : NULL));
    check_cuda(launch_softmax_loss(&launch, scratch, list.stream));
    check_loss(&list, "softmax loss", &loss, launch.loss);
    list_case_equal(&list, "stats", &stats, launch.stats);
    check_gradient(&list, "softmax gradient", &grad, launch.grad, type);
    launch.grad = NULL;
    check_cuda(launch_softmax_loss(&launch, scratch, list.stream));
    check_loss(&list, "softmax loss alone", &loss, launch.loss);
    list_case_close(&list);
}

START_TEST(softmax_loss_is_the_twins)
{
    static const int64_t classes[] = {1, 2, 31, 33, 81, 366};
    if (no_device())
        SKIP("no device");
    for (int variant = 0; variant < 6; variant++) {
        check_softmax_loss(0, classes[_i], 0, variant);
        check_softmax_loss(9, classes[_i], 0, variant);
        check_softmax_loss(33, classes[_i], 20, variant);
        check_softmax_loss(8, classes[_i], 90, variant);
        check_softmax_loss(1, classes[_i], -1, variant);
    }
    check_softmax_loss(1100, classes[_i], -1, _i); /* more rows than a block has threads */
}
END_TEST

/* ---- boxes -------------------------------------------------------------------------------- */

static void check_box_loss(int64_t cap, int k, int32_t rows, int variant)
{
    const enum launch_type type = (enum launch_type)(variant % TYPES);
    const bool agnostic = variant % 2;
    struct random random = {.seed = (uint64_t)(cap * 100 + k), .stream = RANDOM_TEST};
    struct list_case list;
    list_case_open(&list);
    struct lab *lab = &list.lab;
    struct tensor deltas = lab_normal(lab, &random, SHAPE(cap, agnostic ? 4 : 4 * k), 1),
                  boxes = lab_boxes(lab, &random, SHAPE(cap, 4), 90),
                  targets = lab_boxes(lab, &random, SHAPE(cap, 4), 90);
    struct tensor classes = lab_integers(lab, &random, SHAPE(cap), -1, k + 1);
    struct tensor rois = lab_f32(lab, SHAPE(cap, 5), NULL), count = lab_i32(lab, SHAPE(1), &rows);
    for (int64_t i = 0; i < cap; i++)
        memcpy((float *)rois.data + 5 * i + 1, (float *)boxes.data + 4 * i, 16);
    if (variant % 4 == 3)
        lab_spoil(lab, &random, &deltas, 20);
    struct tensor scale = lab_f32(lab, SHAPE(2), (float[]){32, 0});
    struct tensor loss = lab_f32(lab, SHAPE(1), NULL), grad = lab_f32(lab, deltas.shape, NULL);
    const enum box_loss_kind kind = (enum box_loss_kind)(variant < 8 ? 0 : variant / 2 - 3);
    const struct box_loss_params params = {kind, {10, 10, 5, 5}, variant % 3 ? 0 : 0.7f, 1.5f,
                                           k,    agnostic};
    struct launch_box_loss launch = {.loss = list_case_output(&list, &loss),
                                     .grad = gradient_output(&list, &deltas, type),
                                     .deltas = list_case_input(&list, &deltas),
                                     .rois = list_case_input(&list, &rois),
                                     .targets = list_case_input(&list, &targets),
                                     .classes = list_case_input(&list, &classes),
                                     .capacity = cap,
                                     .num_classes = k,
                                     .class_agnostic = agnostic,
                                     .kind = (int)kind,
                                     .weights = {10, 10, 5, 5},
                                     .smooth_l1_beta = params.smooth_l1_beta,
                                     .loss_scale = params.scale,
                                     .type = type};
    if (rows >= 0)
        launch.rows = list_case_input(&list, &count);
    if (variant % 3 == 1)
        launch.scale = list_case_input(&list, &scale);
    const struct box_loss_inputs in = {&deltas,
                                       &rois,
                                       &targets,
                                       &classes,
                                       rows >= 0 ? &count : NULL,
                                       launch.scale ? &scale : NULL};
    LAB_OK(op_box_loss(lab->stream, &loss, &grad, &in, &params));
    check_cuda(launch_box_loss(&launch, list.stream));
    check_loss(&list, "box loss", &loss, launch.loss);
    check_gradient(&list, "box gradient", &grad, launch.grad, type);
    list_case_close(&list);
}

START_TEST(box_loss_is_the_twins)
{
    if (no_device())
        SKIP("no device");
    for (int variant = 0; variant < 14; variant++) {
        check_box_loss(0, 3, 0, variant);
        check_box_loss(9, 1, 0, variant);
        check_box_loss(40, 20, 31, variant);
        check_box_loss(40, 5, 99, variant);
        check_box_loss(1300, 2, -1, variant);
    }
}
END_TEST

SUITE("kernels/losses", LOOP(rpn_loss_is_the_twins, 0, 3), LOOP(softmax_loss_is_the_twins, 0, 6),
      TEST(box_loss_is_the_twins))
