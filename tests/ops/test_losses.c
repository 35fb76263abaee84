/* test_losses.c - softmax, RPN and box losses: goldens and gradients by differences. */
#include <math.h>

#include "suite.h"
#include "support/ops_random.h"

/* ---- classes ------------------------------------------------------------------------------ */

START_TEST(softmax_loss_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Background is class 2. Rows: right foreground, background taken for 0, foreground taken for
     * background, and one beyond the count. */
    struct tensor logits =
        lab_f32(&lab, SHAPE(4, 3), (float[]){1000, 999, 998, 2, 1, 0, 0, 1, 5, 9, 9, 9});
    struct tensor classes = lab_i32(&lab, SHAPE(4), (int32_t[]){0, 2, 1, 0}),
                  rows = lab_i32(&lab, SHAPE(1), (int32_t[]){3});
    struct tensor loss = lab_f32(&lab, SHAPE(1), NULL), grad = lab_f32(&lab, logits.shape, NULL),
                  stats = lab_f32(&lab, SHAPE(4), NULL);
    LAB_OK(op_fill(lab.stream, &grad, 7));
    LAB_OK(op_softmax_loss(lab.stream, &loss, &grad, &stats, &logits, &classes, &rows, NULL));
    const double ramp = log(1 + exp(-1.0) + exp(-2.0)), last = log(1 + exp(1.0) + exp(5.0)) - 1;
    ck_assert_float_eq_tol(lab_floats(&lab, &loss)[0], (float)((ramp + ramp + 2 + last) / 3),
                           1e-6f); /* float output */
    const float *s = lab_floats(&lab, &stats), want[4] = {1, 2, 1, 1};
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(s[i], want[i]);
    const float *g = lab_floats(&lab, &grad);
    ck_assert_float_eq_tol(g[0], (float)((exp(-ramp) - 1) / 3), 1e-7f);
    ck_assert_float_eq(g[9], 0);
    struct tensor none = lab_i32(&lab, SHAPE(1), NULL);
    LAB_OK(op_softmax_loss(lab.stream, &loss, NULL, &stats, &logits, &classes, &none, NULL));
    ck_assert_float_eq(lab_floats(&lab, &loss)[0], 0);
    lab_close(&lab);
}
END_TEST

struct class_case {
    struct tensor logits, classes, rows, loss, stats;
};

static double class_value(struct lab *lab, void *context)
{
    struct class_case *c = context;
    LAB_OK(op_softmax_loss(lab->stream, &c->loss, NULL, &c->stats, &c->logits, &c->classes,
                           &c->rows, NULL));
    return (double)lab_floats(lab, &c->loss)[0];
}

START_TEST(softmax_gradient_matches_differences)
{
    struct random random = {1, 0, 0};
    struct lab lab;
    lab_open_ref(&lab);
    struct class_case c = {.logits = lab_normal(&lab, &random, SHAPE(3, 5), 2),
                           .classes = lab_i32(&lab, SHAPE(3), (int32_t[]){4, 0, 2}),
                           .rows = lab_i32(&lab, SHAPE(1), (int32_t[]){3}),
                           .loss = lab_f32(&lab, SHAPE(1), NULL),
                           .stats = lab_f32(&lab, SHAPE(4), NULL)};
    struct tensor grad = lab_f32(&lab, c.logits.shape, NULL);
    LAB_OK(op_softmax_loss(lab.stream, &c.loss, &grad, &c.stats, &c.logits, &c.classes, &c.rows,
                           NULL));
    /* Step^2 times the third derivative: 1e-4; rounding of a loss near 2: 1e-7 / 1e-2. */
    lab_check_gradient(&lab, &c.logits, &grad, class_value, &c, 1e-2, 5e-4);
    lab_close(&lab);
}
END_TEST

/* ---- RPN ---------------------------------------------------------------------------------- */

/* Two images of three anchors on two levels (2 + 1): slab order is image 0 level 0, image 1 level
 * 0, image 0 level 1, image 1 level 1. */
struct rpn_case {
    struct tensor logits, deltas, anchors, index, counts, match, gt, loss;
    struct level_layout layout;
    struct rpn_loss_params params;
    int part; /* of the loss that is looked at */
};

static struct rpn_case rpn_setup(struct lab *lab, float beta)
{
    struct random random = {2, 0, 0};
    struct rpn_case c = {
        .logits = lab_f32(lab, SHAPE(6), (float[]){1, -2, 0.5f, 3, -1, 80}),
        .deltas = lab_normal(lab, &random, SHAPE(6, 4), 1),
        .anchors = lab_f32(lab, SHAPE(3, 4), (float[]){0, 0, 10, 10, 5, 5, 15, 20, 1, 2, 30, 40}),
        .index = lab_i32(lab, SHAPE(2, 3), (int32_t[]){2, 0, 0, 1, 2, 0}),
        .counts = lab_i32(lab, SHAPE(2, 2), (int32_t[]){1, 1, 2, 0}),
        .match = lab_i32(lab, SHAPE(2, 3), (int32_t[]){0, 0, 1, 0, 0, 1}),
        .gt = lab_f32(lab, SHAPE(2, 2, 4),
                      (float[]){1, 1, 9, 9, 0, 0, 20, 50, 4, 4, 14, 24, 2, 2, 33, 33}),
        .loss = lab_f32(lab, SHAPE(2), NULL),
        .layout = {2, {2, 1}, {0, 2}, 3},
        .params = {BOX_LOSS_SMOOTH_L1, {1, 1, 1, 1}, beta, 1.f / 512, 2.f / 512}};
    return c;
}

static md_status rpn_run(struct lab *lab, struct rpn_case *c, struct tensor *logits_grad,
                         struct tensor *deltas_grad)
{
    struct rpn_loss_inputs in = {&c->logits, &c->deltas, &c->anchors, &c->index, &c->counts,
                                 &c->match,  &c->gt,     NULL,        &c->layout};
    return op_rpn_loss(lab->stream, &c->loss, logits_grad, deltas_grad, &in, &c->params);
}

static double rpn_value(struct lab *lab, void *context)
{
    struct rpn_case *c = context;
    LAB_OK(rpn_run(lab, c, NULL, NULL));
    return (double)lab_floats(lab, &c->loss)[c->part];
}

START_TEST(rpn_classes_by_hand)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct rpn_case c = rpn_setup(&lab, 0);
    struct tensor grad = lab_f32(&lab, SHAPE(6), NULL);
    LAB_OK(op_fill(lab.stream, &grad, 5));
    LAB_OK(rpn_run(&lab, &c, &grad, NULL));
    /* Sampled: image 0 anchor 2 (+, slab 4), anchor 0 (-, slab 0); image 1 anchors 1 (+, slab 3),
     * 2 (+, slab 5). */
    const double sum =
        log(1 + exp(1.0)) + log(1 + exp(1.0)) + log(1 + exp(-3.0)) + log1p(exp(-80.0));
    ck_assert_float_eq_tol(lab_floats(&lab, &c.loss)[0], (float)(sum / 512),
                           1e-9f); /* float output of size 5e-3 */
    const float *g = lab_floats(&lab, &grad);
    ck_assert_float_eq_tol(g[0], (float)(1 / (1 + exp(-1.0)) / 512), 1e-9f);
    ck_assert_float_eq_tol(g[4], (float)((1 / (1 + exp(1.0)) - 1) / 512), 1e-9f);
    ck_assert_float_eq(g[1], 0);
    ck_assert_float_eq(g[2], 0);
    lab_close(&lab);
}
END_TEST

START_TEST(rpn_gradients_match_differences)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct rpn_case c = rpn_setup(&lab, _i == 1 ? 0.5f : 0);
    c.params.class_scale = c.params.box_scale = 1;
    c.params.kind = (enum box_loss_kind)(_i < 2 ? 0 : _i - 1);
    struct tensor logits_grad = lab_f32(&lab, SHAPE(6), NULL),
                  deltas_grad = lab_f32(&lab, SHAPE(6, 4), NULL);
    LAB_OK(rpn_run(&lab, &c, &logits_grad, &deltas_grad));
    /* Rounding of a loss near 10 to float: 1e-6 / step; step^2 / 24 of curvature; the kinks of |x|
     * and of smooth L1 are farther than the step from these numbers. */
    lab_check_gradient(&lab, &c.logits, &logits_grad, rpn_value, &c, 1e-2, 1e-3);
    c.part = 1;
    lab_check_gradient(&lab, &c.deltas, &deltas_grad, rpn_value, &c, 1e-2, 1e-3);
    lab_close(&lab);
}
END_TEST

/* ---- boxes -------------------------------------------------------------------------------- */

/* Source = target, so that the wanted deltas are zero and the loss shows smooth L1 itself. */
START_TEST(smooth_l1_goldens)
{
    struct lab lab;
    lab_open_ref(&lab);
    const float box[5] = {0, 1, 2, 11, 12};
    struct tensor rois = lab_f32(&lab, SHAPE(1, 5), box),
                  targets = lab_f32(&lab, SHAPE(1, 4), box + 1);
    struct tensor classes = lab_i32(&lab, SHAPE(1), NULL),
                  rows = lab_i32(&lab, SHAPE(1), (int32_t[]){1});
    struct tensor loss = lab_f32(&lab, SHAPE(1), NULL), grad = lab_f32(&lab, SHAPE(1, 4), NULL);
    const float sizes[4] = {0, -0.2f, 0.5f, -1}, smooth[4] = {0, 0.04f, 0.25f, 0.75f};
    const float slopes[4] = {0, -0.4f, 1, -1}, plain_slopes[4] = {0, -1, 1, -1};
    for (int i = 0; i < 4; i++) {
        const float one[4] = {0, 0, sizes[i], 0};
        struct tensor deltas = lab_f32(&lab, SHAPE(1, 4), one);
        struct box_loss_inputs in = {&deltas, &rois, &targets, &classes, &rows, NULL};
        struct box_loss_params params = {BOX_LOSS_SMOOTH_L1, {1, 1, 1, 1}, 0.5f, 1, 1, true};
        LAB_OK(op_box_loss(lab.stream, &loss, &grad, &in, &params));
        ck_assert_float_eq_tol(lab_floats(&lab, &loss)[0], smooth[i],
                               1e-7f); /* one float rounding */
        ck_assert_float_eq_tol(lab_floats(&lab, &grad)[2], slopes[i], 1e-7f);
        params.smooth_l1_beta = 0;
        LAB_OK(op_box_loss(lab.stream, &loss, &grad, &in, &params));
        ck_assert_float_eq(lab_floats(&lab, &loss)[0], fabsf(sizes[i]));
        ck_assert_float_eq(lab_floats(&lab, &grad)[2], plain_slopes[i]);
    }
    lab_close(&lab);
}
END_TEST

START_TEST(box_loss_of_detectron2_coder)
{
    struct lab lab;
    lab_open_ref(&lab);
    /* Wanted deltas are (0.75, 0.8, 0.243951, 1.075557); class 1 of 2; the second row is background. */
    struct tensor rois = lab_f32(&lab, SHAPE(2, 5), (float[]){0, 10, 20, 110, 70, 0, 0, 0, 5, 5});
    struct tensor targets = lab_f32(&lab, SHAPE(2, 4), (float[]){15, 18, 120, 80, 0, 0, 0, 0});
    struct tensor classes = lab_i32(&lab, SHAPE(2), (int32_t[]){1, 2}),
                  rows = lab_i32(&lab, SHAPE(1), (int32_t[]){2});
    struct tensor loss = lab_f32(&lab, SHAPE(1), NULL), grad = lab_f32(&lab, SHAPE(2, 8), NULL),
                  deltas = lab_f32(&lab, SHAPE(2, 8), NULL);
    struct box_loss_inputs in = {&deltas, &rois, &targets, &classes, &rows, NULL};
    struct box_loss_params params = {BOX_LOSS_SMOOTH_L1, {10, 10, 5, 5}, 0, 3, 2, false};
    LAB_OK(op_fill(lab.stream, &grad, 7));
    LAB_OK(op_box_loss(lab.stream, &loss, &grad, &in, &params));
    ck_assert_float_eq_tol(lab_floats(&lab, &loss)[0],
                           3 * (0.75f + 0.8f + 0.243951f + 1.075557f) / 2,
                           3e-6f); /* golden has 6 decimals */
    const float *g = lab_floats(&lab, &grad);
    for (int i = 0; i < 16; i++)
        ck_assert_float_eq(g[i], i >= 4 && i < 8 ? -1.5f : 0);
    lab_close(&lab);
}
END_TEST

/* Deltas of zero leave the source where it is. The gradient of the first pair is checked by differences
 * below; identical boxes have none to speak of. */
START_TEST(box_losses_of_detectron2)
{
    static const float goldens[4][3] = {{0},
                                        {.66117215f, 1.77777779f, 0},
                                        {.62797892f, 1.44444442f, 0},
                                        {.62799764f, 1.44444442f, 0}};
    static const float truths[3][4] = {{2, 2, 12, 14}, {20, 20, 30, 30}, {0, 0, 10, 10}};
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor rois = lab_f32(&lab, SHAPE(1, 5), (float[]){0, 0, 0, 10, 10});
    struct tensor classes = lab_i32(&lab, SHAPE(1), NULL),
                  rows = lab_i32(&lab, SHAPE(1), (int32_t[]){1});
    struct tensor loss = lab_f32(&lab, SHAPE(1), NULL), deltas = lab_f32(&lab, SHAPE(1, 4), NULL);
    const struct box_loss_params params = {(enum box_loss_kind)_i, {1, 1, 1, 1}, 0, 1, 1, true};
    for (int i = 0; i < 3; i++) {
        struct tensor targets = lab_f32(&lab, SHAPE(1, 4), truths[i]);
        struct box_loss_inputs in = {&deltas, &rois, &targets, &classes, &rows, NULL};
        LAB_OK(op_box_loss(lab.stream, &loss, NULL, &in, &params));
        /* The goldens were computed in float: some roundings of numbers near 1. */
        ck_assert_float_eq_tol(lab_floats(&lab, &loss)[0], goldens[_i][i], 3e-7f);
    }
    lab_close(&lab);
}
END_TEST

struct box_case {
    struct tensor deltas, rois, targets, classes, rows, loss;
    struct box_loss_params params;
};

static double box_value(struct lab *lab, void *context)
{
    struct box_case *c = context;
    struct box_loss_inputs in = {&c->deltas, &c->rois, &c->targets, &c->classes, &c->rows, NULL};
    LAB_OK(op_box_loss(lab->stream, &c->loss, NULL, &in, &c->params));
    return (double)lab_floats(lab, &c->loss)[0];
}

START_TEST(box_gradient_matches_differences)
{
    struct random random = {9, 0, 0};
    struct lab lab;
    const bool agnostic = _i % 2, decoded = _i >= 4;
    lab_open_ref(&lab);
    struct box_case c = {
        .deltas = lab_normal(&lab, &random, SHAPE(3, agnostic ? 4 : 8), 2),
        .rois =
            lab_f32(&lab, SHAPE(3, 5), (float[]){0, 1, 2, 20, 30, 0, 5, 5, 9, 9, 0, 0, 0, 8, 8}),
        .targets = lab_f32(&lab, SHAPE(3, 4), (float[]){2, 2, 22, 30, 5, 4, 9, 9, 0, 0, 0, 0}),
        .classes = lab_i32(&lab, SHAPE(3), (int32_t[]){1, 0, 2}),
        .rows = lab_i32(&lab, SHAPE(1), (int32_t[]){3}),
        .loss = lab_f32(&lab, SHAPE(1), NULL),
        .params = {(enum box_loss_kind)(decoded ? _i / 2 - 1 : 0),
                   {10, 10, 5, 5},
                   _i < 2 ? 0 : 1,
                   1,
                   2,
                   agnostic}};
    struct tensor grad = lab_f32(&lab, c.deltas.shape, NULL);
    struct box_loss_inputs in = {&c.deltas, &c.rois, &c.targets, &c.classes, &c.rows, NULL};
    LAB_OK(op_box_loss(lab.stream, &c.loss, &grad, &in, &c.params));
    /* Rounding of a loss near 5: 5e-7 / step; where smooth L1 turns straight inside the step, a
     * quarter of the step over beta. */
    lab_check_gradient(&lab, &c.deltas, &grad, box_value, &c, 1e-2, 3e-3);
    lab_close(&lab);
}
END_TEST

/* What CIoU adds to DIoU is alpha times this. */
static double shape_term(struct lab *lab, struct box_case *c)
{
    const float *d = lab_floats(lab, &c->deltas), *roi = lab_floats(lab, &c->rois) + 1,
                *to = lab_floats(lab, &c->targets), *w = c->params.weights;
    const double ratio = (double)((roi[2] - roi[0]) / (roi[3] - roi[1])) *
                         exp((double)(d[2] / w[2]) - (double)(d[3] / w[3]));
    const double wanted = (double)((to[2] - to[0]) / (to[3] - to[1])), pi = 3.14159265358979324;
    const double off = atan(wanted) - atan(ratio);
    return 4 / (pi * pi) * off * off;
}

struct ciou_case {
    struct box_case box;
    double alpha;
};

static double ciou_value(struct lab *lab, void *context)
{
    struct ciou_case *c = context;
    return box_value(lab, &c->box) + c->alpha * shape_term(lab, &c->box);
}

/* Detectron2 computes alpha without a gradient: differences are those of DIoU and alpha as it was. */
START_TEST(ciou_gradient_takes_alpha_as_given)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct ciou_case c = {
        .box = {.deltas = lab_f32(&lab, SHAPE(1, 4), (float[]){.5f, -.7f, 2, -1.5f}),
                .rois = lab_f32(&lab, SHAPE(1, 5), (float[]){0, 1, 2, 20, 30}),
                .targets = lab_f32(&lab, SHAPE(1, 4), (float[]){2, 4, 16, 31}),
                .classes = lab_i32(&lab, SHAPE(1), NULL),
                .rows = lab_i32(&lab, SHAPE(1), (int32_t[]){1}),
                .loss = lab_f32(&lab, SHAPE(1), NULL),
                .params = {BOX_LOSS_CIOU, {10, 10, 5, 5}, 0, 1, 1, true}}};
    struct box_case *box = &c.box;
    struct tensor grad = lab_f32(&lab, box->deltas.shape, NULL);
    struct box_loss_inputs in = {&box->deltas,  &box->rois, &box->targets,
                                 &box->classes, &box->rows, NULL};
    LAB_OK(op_box_loss(lab.stream, &box->loss, &grad, &in, &box->params));
    const double whole = (double)lab_floats(&lab, &box->loss)[0], term = shape_term(&lab, box);
    box->params.kind = BOX_LOSS_DIOU;
    c.alpha = (whole - box_value(&lab, box)) / term;
    ck_assert_double_gt(term, 0.02); /* else there would be nothing to see */
    ck_assert_double_gt(c.alpha, 0.02);
    /* Rounding of a loss near 1: 1e-7 / step. */
    lab_check_gradient(&lab, &box->deltas, &grad, ciou_value, &c, 1e-2, 1e-4);
    lab_close(&lab);
}
END_TEST

SUITE("ops/losses", TEST(softmax_loss_by_hand), TEST(softmax_gradient_matches_differences),
      TEST(rpn_classes_by_hand), LOOP(rpn_gradients_match_differences, 0, 4),
      TEST(smooth_l1_goldens), TEST(box_loss_of_detectron2_coder),
      LOOP(box_losses_of_detectron2, 1, 4), LOOP(box_gradient_matches_differences, 0, 8),
      TEST(ciou_gradient_takes_alpha_as_given))
