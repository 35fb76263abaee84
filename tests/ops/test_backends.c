/* test_backends.c - every device of this build against ref, on random shapes and hostile values.
 *
 * A case is a function that makes its inputs from random numbers, calls primitives and keeps their
 * results; it is run on both devices with the same numbers. A tolerance is relative to 1 + |ref|;
 * 0 asks for equal bits, as everything does that decides which boxes survive. */
#include <stdio.h>

#include "backend/registry.h"
#include "suite.h"
#include "support/ops_random.h"

/* A float sum of k products of size ~1 is off by about sqrt(k) * 6e-8 * sqrt(k) at worst in any
 * order; the sums here have at most ~1200 terms, with headroom for algorithms such as Winograd. */
#define SUM_TOLERANCE 2e-4
/* Some elementary functions and a handful of operations: 16 units in the last place. */
#define FEW_ROUNDINGS 1e-6

typedef void case_fn(struct lab *lab, struct random *random, int variant);

static int pick(struct random *random, int low, int high)
{
    return low + (int)random_below(random, (uint64_t)(high - low) + 1);
}

/* ---- network ------------------------------------------------------------------------------ */

/* n, h, w, groups, channels in and out of a group, kernel, stride, pad */
static const int CONVS[][9] = {{1, 1, 1, 1, 1, 1, 1, 1, 0},    {2, 13, 7, 1, 3, 19, 3, 1, 1},
                               {1, 19, 23, 1, 3, 64, 7, 2, 3}, {2, 8, 9, 4, 8, 8, 3, 1, 1},
                               {1, 9, 13, 32, 8, 8, 3, 1, 1},  {1, 9, 13, 32, 16, 16, 3, 2, 1},
                               {2, 7, 5, 1, 127, 13, 1, 1, 0}, {1, 11, 11, 1, 64, 32, 1, 2, 0},
                               {0, 8, 8, 1, 4, 4, 3, 1, 1},    {1, 1, 9, 1, 5, 7, 3, 1, 1},
                               {1, 2, 2, 2, 3, 5, 3, 2, 1},    {3, 17, 17, 1, 16, 15, 1, 1, 0},
                               {2, 48, 48, 1, 8, 16, 1, 2, 0}, {1, 33, 20, 1, 20, 9, 1, 2, 0}};
enum { CONV_COUNT = sizeof CONVS / sizeof CONVS[0] };

static void conv_case(struct lab *lab, struct random *random, int variant)
{
    const int *v = CONVS[variant % CONV_COUNT];
    const int64_t n = v[0], h = v[1], w = v[2], in_channels = (int64_t)v[3] * v[4],
                  o = (int64_t)v[3] * v[5];
    const int64_t kernel = v[6];
    struct conv_geometry geometry = {v[7], v[8], v[3]};
    const int64_t oh = (h + 2 * v[8] - kernel) / v[7] + 1, ow = (w + 2 * v[8] - kernel) / v[7] + 1;
    const bool folded = pick(random, 0, 1), relu = pick(random, 0, 1), added = pick(random, 0, 1);
    uint64_t version = 1;
    struct weight weight = {.value = lab_normal(lab, random, SHAPE(o, kernel, kernel, v[4]), 1),
                            .version = &version};
    weight.bias = lab_normal(lab, random, SHAPE(o), 1);
    if (folded)
        weight.scale = lab_normal(lab, random, SHAPE(o), 0.5f);
    struct tensor in = lab_normal(lab, random, SHAPE(n, h, w, in_channels), 1);
    struct tensor out = lab_f32(lab, SHAPE(n, oh, ow, o), NULL);
    struct tensor residual = lab_normal(lab, random, out.shape, 1),
                  out_grad = lab_normal(lab, random, out.shape, 1);
    struct tensor in_grad = lab_normal(lab, random, in.shape, 1),
                  weight_grad = lab_normal(lab, random, weight.value.shape, 1);
    struct tensor bias_grad = lab_normal(lab, random, SHAPE(o), 1);
    LAB_OK(op_conv2d_forward(lab->stream, &out, &in, &weight, geometry, added ? &residual : NULL,
                             relu));
    LAB_OK(op_conv2d_backward_input(lab->stream, &in_grad, &out_grad, &weight, geometry,
                                    pick(random, 0, 1)));
    LAB_OK(op_conv2d_backward_weight(lab->stream, &weight_grad, &bias_grad, &in, &out_grad, &weight,
                                     geometry));
    lab_keep(lab, "conv out", &out, SUM_TOLERANCE);
    lab_keep(lab, "conv in_grad", &in_grad, SUM_TOLERANCE);
    lab_keep(lab, "conv weight_grad", &weight_grad, SUM_TOLERANCE);
    lab_keep(lab, "conv bias_grad", &bias_grad, SUM_TOLERANCE);
    /* The optimiser changes the weight; a packed copy must follow the version. */
    struct tensor again = lab_f32(lab, out.shape, NULL);
    LAB_OK(op_scale(lab->stream, &weight.value, -0.5f));
    version++;
    LAB_OK(op_conv2d_forward(lab->stream, &again, &in, &weight, geometry, NULL, false));
    lab_keep(lab, "conv out after the weight changed", &again, SUM_TOLERANCE);
    op_weight_release(lab->device, &weight);
}

static void linear_case(struct lab *lab, struct random *random, int variant)
{
    static const int SIZES[][3] = {{0, 3, 5}, {1, 1, 1}, {13, 19, 127}, {7, 1024, 3}, {65, 31, 33}};
    const int *v = SIZES[variant % 5];
    const int32_t some = pick(random, 0, v[0]);
    uint64_t version = 1;
    struct weight weight = {.value = lab_normal(lab, random, SHAPE(v[2], v[1]), 1),
                            .version = &version};
    struct tensor rows = lab_i32(lab, SHAPE(1), &some),
                  in = lab_normal(lab, random, SHAPE(v[0], v[1]), 1);
    struct tensor out = lab_f32(lab, SHAPE(v[0], v[2]), NULL),
                  out_grad = lab_normal(lab, random, out.shape, 1);
    struct tensor in_grad = lab_normal(lab, random, in.shape, 1),
                  bias_grad = lab_normal(lab, random, SHAPE(v[2]), 1);
    struct tensor weight_grad = lab_normal(lab, random, weight.value.shape, 1);
    const bool accumulate = pick(random, 0, 1);
    struct tensor beyond = tensor_rows(&out_grad, some, v[0] - some);
    LAB_OK(op_fill(lab->stream, &beyond, 0.0f));
    if (pick(random, 0, 1))
        weight.bias = lab_normal(lab, random, SHAPE(v[2]), 1);
    LAB_OK(op_linear_forward(lab->stream, &out, &in, &weight, variant % 2, &rows));
    LAB_OK(op_linear_backward_input(lab->stream, &in_grad, &out_grad, &weight, accumulate, &rows));
    LAB_OK(op_linear_backward_weight(lab->stream, &weight_grad, &bias_grad, &in, &out_grad, &rows));
    struct tensor out_some = tensor_rows(&out, 0, some), grad_some = tensor_rows(&in_grad, 0, some);
    lab_keep(lab, "linear out", &out_some, SUM_TOLERANCE);
    lab_keep(lab, "linear in_grad", &grad_some, SUM_TOLERANCE);
    lab_keep(lab, "linear weight_grad", &weight_grad, SUM_TOLERANCE);
    lab_keep(lab, "linear bias_grad", &bias_grad, SUM_TOLERANCE);
    struct tensor all = lab_f32(lab, out.shape, NULL); /* without a count */
    LAB_OK(op_linear_forward(lab->stream, &all, &in, &weight, false, NULL));
    lab_keep(lab, "linear out of all rows", &all, SUM_TOLERANCE);
    op_weight_release(lab->device, &weight);
}

static void pool_case(struct lab *lab, struct random *random, int variant)
{
    struct pool_geometry geometry =
        variant % 2 ? (struct pool_geometry){3, 2, 1} : (struct pool_geometry){1, 2, 0};
    const int64_t n = pick(random, 0, 2), h = pick(random, 1, 19), w = pick(random, 1, 19),
                  c = pick(random, 1, 40);
    const int64_t shrink = geometry.kernel - 2 * geometry.pad;
    struct tensor in = lab_normal(lab, random, SHAPE(n, h, w, c), 1);
    struct tensor out = lab_f32(lab, SHAPE(n, (h - shrink) / 2 + 1, (w - shrink) / 2 + 1, c), NULL);
    struct tensor out_grad = lab_normal(lab, random, out.shape, 1),
                  in_grad = lab_normal(lab, random, in.shape, 1);
    struct tensor up = lab_normal(lab, random, SHAPE(n, 2 * h, 2 * w, c), 1),
                  down = lab_normal(lab, random, in.shape, 1);
    LAB_OK(op_maxpool_forward(lab->stream, &out, &in, geometry));
    LAB_OK(op_maxpool_backward(lab->stream, &in_grad, &out_grad, &in, geometry));
    LAB_OK(op_upsample_add(lab->stream, &up, &in));
    LAB_OK(op_upsample_backward(lab->stream, &down, &up));
    lab_keep(lab, "maxpool out", &out, 0);
    lab_keep(lab, "maxpool in_grad", &in_grad, FEW_ROUNDINGS); /* four terms, in any order */
    lab_keep(lab, "upsample out", &up, 0);
    lab_keep(lab, "upsample in_grad", &down, FEW_ROUNDINGS);
}

static void elementwise_case(struct lab *lab, struct random *random, int variant)
{
    static const int COUNTS[] = {0, 1, 13, 127, 4099, 70001};
    const struct shape shape = SHAPE(COUNTS[variant % 6]);
    struct tensor a = lab_normal(lab, random, shape, 1), b = lab_normal(lab, random, shape, 1);
    struct tensor copy = lab_f32(lab, shape, NULL), filled = lab_f32(lab, shape, NULL);
    struct tensor sum = lab_f32(lab, SHAPE(1), NULL), finite = lab_i32(lab, SHAPE(1), NULL);
    struct tensor value = lab_normal(lab, random, shape, 1),
                  momentum = lab_normal(lab, random, shape, 1);
    struct tensor integers = lab_i32(lab, shape, NULL);
    struct sgd_params sgd = {2, 0.9f, 1e-4f, variant % 2, pick(random, 0, 1)};
    const struct step_numbers numbers = {.lr = 0.01f, .average_kept = 0.9f, .average_added = 0.1f};
    struct tensor step = lab_step(lab, &numbers), average = lab_normal(lab, random, shape, 1);
    struct tensor apply = lab_i32(lab, SHAPE(1), (int32_t[]){variant % 5 != 4});
    struct tensor scale = lab_f32(lab, SHAPE(2), (float[]){4096, 1}),
                  unscaled = lab_normal(lab, random, shape, 1);
    LAB_OK(op_sum_squares(lab->stream, &sum, &a));
    if (pick(random, 0, 1))
        lab_spoil(lab, random, &a, 10);
    LAB_OK(op_all_finite(lab->stream, &finite, &a));
    LAB_OK(op_copy(lab->stream, &copy, &b));
    LAB_OK(op_add(lab->stream, &copy, &a));
    LAB_OK(op_scale(lab->stream, &copy, 0.37f));
    LAB_OK(op_fill(lab->stream, &filled, -2.5f));
    LAB_OK(op_fill(lab->stream, &integers, 3));
    LAB_OK(
        op_sgd_step(lab->stream, &value, &momentum, &b, &step, variant % 2 ? &apply : NULL, &sgd));
    LAB_OK(op_average(lab->stream, &average, &value, &step, &apply));
    LAB_OK(op_unscale(lab->stream, &unscaled, &scale));
    LAB_OK(op_adjust_scale(lab->stream, &scale, &apply, 1 + variant % 3));
    LAB_OK(op_relu_backward(lab->stream, &b, &a));
    lab_keep(lab, "sum_squares", &sum, 1e-5); /* 70001 positive terms in double or in lanes */
    lab_keep(lab, "all_finite", &finite, 0);
    lab_keep(lab, "average", &average, FEW_ROUNDINGS);
    lab_keep(lab, "unscale", &unscaled, 0);
    lab_keep(lab, "adjust_scale", &scale, 0);
    lab_keep(lab, "copy, add, scale", &copy, 0);
    lab_keep(lab, "fill", &filled, 0);
    struct tensor blended = lab_normal(lab, random, shape, 1),
                  valued = lab_normal(lab, random, shape, 1),
                  normed = lab_normal(lab, random, shape, 1);
    LAB_OK(op_blend(lab->stream, &blended, variant % 2 ? 0.9f : 0, &value, 0.1f));
    LAB_OK(op_clip_value(lab->stream, &valued, 0.4f));
    LAB_OK(op_clip_norm(lab->stream, &normed, 3,
                        variant % 3 == 0   ? 2
                        : variant % 3 == 1 ? INFINITY
                                           : 1.5f));
    lab_keep(lab, "blend", &blended, FEW_ROUNDINGS);
    lab_keep(lab, "clip_value", &valued, 0);
    lab_keep(lab, "clip_norm", &normed, 1e-5); /* a norm of up to 70001 terms */
    lab_keep(lab, "fill of integers", &integers, 0);
    lab_keep(lab, "relu_backward", &b, 0);
    lab_keep(lab, "sgd value", &value, FEW_ROUNDINGS);
    lab_keep(lab, "sgd momentum", &momentum, FEW_ROUNDINGS);
}

static void image_case(struct lab *lab, struct random *random, int variant)
{
    const int h = pick(random, 1, 40), w = pick(random, 1, 40);
    struct image_params params = {{103.5f, 116.3f, 123.7f}, {57.4f, 57.1f, 58.4f}, variant % 2};
    uint8_t pixels[2 * 40 * 40 * 3];
    const bool resized = pick(random, 0, 2) > 0;
    int32_t from[4] = {h, w, pick(random, 1, 40), pick(random, 1, 40)}, to[4];
    for (int i = 0; i < 4; i++)
        to[i] = resized ? pick(random, 1, 50) : from[i];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)random_u32(random);
    struct tensor in = lab_u8(lab, SHAPE(2, 40 * 40 * 3), pixels);
    struct tensor from_sizes = lab_i32(lab, SHAPE(2, 2), from);
    struct tensor sizes = lab_i32(lab, SHAPE(2, 2), to);
    struct tensor out =
        lab_normal(lab, random, SHAPE(2, 64, 56, 3), 1); /* the padding is written, too */
    LAB_OK(op_images_to_tensor(lab->stream, &out, &in, &from_sizes, &sizes, &params));
    lab_keep(lab, "images", &out, FEW_ROUNDINGS); /* (x - mean) / std */
}

/* ---- proposals ---------------------------------------------------------------------------- */

static void anchors_case(struct lab *lab, struct random *random, int variant)
{
    struct anchor_params params = {.cell_count = pick(random, 0, 5),
                                   .height = pick(random, 0, 9),
                                   .width = pick(random, 0, 9),
                                   .stride = (float)(4 << variant % 5),
                                   .offset = variant % 2 ? 0.5f : 0};
    for (int i = 0; i < params.cell_count * 4; i++)
        params.cells[i / 4][i % 4] = (float)random_normal(random) * 30;
    struct tensor out =
        lab_f32(lab, SHAPE(params.height * params.width * params.cell_count, 4), NULL);
    LAB_OK(op_anchors(lab->stream, &out, &params));
    lab_keep(lab, "anchors", &out, 0);
}

static struct anchor_params random_anchors(struct random *random, int variant)
{
    struct anchor_params params = {.cell_count = pick(random, 1, 5),
                                   .height = pick(random, 0, 9),
                                   .width = pick(random, 0, 9),
                                   .stride = (float)(4 << variant % 4),
                                   .offset = variant % 2 ? 0.5f : 0};
    for (int i = 0; i < params.cell_count; i++)
        for (int d = 0; d < 2; d++) {
            params.cells[i][d] = -(float)pick(random, 1, 30);
            params.cells[i][2 + d] = (float)pick(random, 1, 30);
        }
    return params;
}

/* topk, decode, NMS and merge in a row, as the network runs them. */
static void proposals_case(struct lab *lab, struct random *random, int variant)
{
    enum { LEVELS = 3 };
    const int64_t n = pick(random, 1, 3), k = pick(random, 0, 200), cap = k + variant % 3;
    const int64_t post = pick(random, 0, 100);
    struct anchor_params anchors[LEVELS];
    struct level_layout layout = {.levels = LEVELS};
    for (int level = 0; level < LEVELS; level++) {
        anchors[level] = random_anchors(random, variant + level);
        layout.first[level] = layout.total;
        layout.count[level] =
            (int64_t)anchors[level].height * anchors[level].width * anchors[level].cell_count;
        layout.total += layout.count[level];
    }
    struct tensor boxes = lab_f32(lab, SHAPE(LEVELS * n, cap, 4), NULL),
                  scores = lab_f32(lab, SHAPE(LEVELS * n, cap), NULL);
    struct tensor counts = lab_i32(lab, SHAPE(LEVELS * n), NULL);
    struct tensor sizes = lab_integers(lab, random, SHAPE(n, 2), 50, 110);
    struct decode_params params = {{1, 1, 1, 1}, 0};
    struct tensor values = lab_normal(lab, random, SHAPE(n * layout.total), 1),
                  deltas = lab_normal(lab, random, SHAPE(n * layout.total, 4), 0.3f);
    struct tensor index = lab_i32(lab, SHAPE(LEVELS * n, k), NULL),
                  value = lab_f32(lab, SHAPE(LEVELS * n, k), NULL);
    struct tensor found = lab_i32(lab, SHAPE(LEVELS * n), NULL);
    if (variant % 2) {
        lab_spoil(lab, random, &values, 20);
        lab_spoil(lab, random, &deltas, 20);
    }
    LAB_OK(op_topk(lab->stream, &index, &value, &found, &values, &layout));
    struct decode_inputs in = {&deltas, &index, &value, &found, &sizes, &layout, anchors};
    LAB_OK(op_rpn_decode(lab->stream, &boxes, &scores, &counts, &in, &params));
    lab_keep(lab, "topk index", &index, 0);
    lab_keep(lab, "topk value", &value, 0);
    struct tensor keep = lab_i32(lab, SHAPE(LEVELS * n, cap), NULL),
                  kept = lab_i32(lab, SHAPE(LEVELS * n), NULL);
    LAB_OK(op_nms(lab->stream, &keep, &kept, &boxes, &counts, 0.5f, pick(random, 0, 120)));
    struct merge_inputs merge = {&boxes, &scores, &keep, &kept, LEVELS};
    struct tensor best = lab_f32(lab, SHAPE(n, post, 4), NULL),
                  best_scores = lab_f32(lab, SHAPE(n, post), NULL);
    struct tensor best_counts = lab_i32(lab, SHAPE(n), NULL);
    LAB_OK(op_merge_proposals(lab->stream, &best, &best_scores, &best_counts, &merge));
    lab_keep(lab, "rpn_decode boxes", &boxes, 0);
    lab_keep(lab, "rpn_decode counts", &counts, 0);
    lab_keep(lab, "nms keep", &keep, 0);
    lab_keep(lab, "nms keep_count", &kept, 0);
    lab_keep(lab, "merge boxes", &best, 0);
    lab_keep(lab, "merge scores", &best_scores, 0);
    lab_keep(lab, "merge counts", &best_counts, 0);
}

/* ---- targets ------------------------------------------------------------------------------ */

/* append, match, sample and roi_targets in a row. */
static void targets_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 3), p = pick(random, 0, 150), g = pick(random, 0, 7),
                  b = pick(random, 0, 64);
    struct tensor proposals = lab_boxes(lab, random, SHAPE(n, p, 4), 60),
                  gt = lab_boxes(lab, random, SHAPE(n, g, 4), 60);
    struct tensor p_counts = lab_integers(lab, random, SHAPE(n), 0, (int)p),
                  g_counts = lab_integers(lab, random, SHAPE(n), 0, (int)g);
    struct tensor boxes = lab_f32(lab, SHAPE(n, p + g, 4), NULL),
                  counts = lab_i32(lab, SHAPE(n), NULL);
    struct tensor match = lab_i32(lab, SHAPE(n, p + g), NULL),
                  label = lab_i32(lab, SHAPE(n, p + g), NULL);
    struct tensor index = lab_i32(lab, SHAPE(n, b), NULL),
                  sampled = lab_i32(lab, SHAPE(n, 2), NULL);
    struct tensor gt_classes = lab_integers(lab, random, SHAPE(n, g), 0, 4);
    struct tensor rois = lab_f32(lab, SHAPE(n * b, 5), NULL),
                  classes = lab_i32(lab, SHAPE(n * b), NULL);
    struct tensor targets = lab_f32(lab, SHAPE(n * b, 4), NULL),
                  rows = lab_i32(lab, SHAPE(1), NULL);
    struct match_params matching = {0.3f, variant % 2 ? 0.7f : 0.3f, variant % 3 == 0,
                                    variant % 6 == 0};
    struct sample_params sampling = {(int)b, (int)b / 4, (uint64_t)77 << 56, 1 + variant % 3};
    const struct step_numbers numbers = {.seed = random_u32(random), .index = random_u32(random)};
    struct tensor step = lab_step(lab, &numbers);
    LAB_OK(op_append_boxes(lab->stream, &boxes, &counts, &proposals, &p_counts, &gt, &g_counts));
    LAB_OK(op_match(lab->stream, &match, &label, &boxes, &counts, &gt, &g_counts, &matching));
    LAB_OK(op_sample(lab->stream, &index, &sampled, &label, &step, &sampling));
    struct roi_target_inputs in = {&boxes, &index,      &sampled,  &match,
                                   &gt,    &gt_classes, &g_counts, 5};
    LAB_OK(op_roi_targets(lab->stream, &rois, &classes, &targets, &rows, &in));
    struct tensor plain = lab_f32(lab, SHAPE(n * p, 5), NULL),
                  plain_rows = lab_i32(lab, SHAPE(1), NULL);
    LAB_OK(op_rois_from_boxes(lab->stream, &plain, &plain_rows, &proposals, &p_counts));
    struct tensor parts = lab_i32(lab, SHAPE(4), NULL);
    LAB_OK(op_part_rows(lab->stream, &parts, &plain_rows, 1 + p / 3));
    lab_keep(lab, "part rows", &parts, 0);
    lab_keep(lab, "append boxes", &boxes, 0);
    lab_keep(lab, "match", &match, 0);
    lab_keep(lab, "label", &label, 0);
    lab_keep(lab, "sample index", &index, 0);
    lab_keep(lab, "sample counts", &sampled, 0);
    lab_keep(lab, "roi_targets rois", &rois, 0);
    lab_keep(lab, "roi_targets classes", &classes, 0);
    lab_keep(lab, "roi_targets targets", &targets, 0);
    lab_keep(lab, "roi_targets rows", &rows, 0);
    lab_keep(lab, "rois_from_boxes", &plain, 0);
    lab_keep(lab, "rois_from_boxes rows", &plain_rows, 0);
}

/* The same anchors for all images. */
static void anchor_match_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 3), m = pick(random, 0, 500), g = pick(random, 0, 9);
    struct tensor anchors = lab_boxes(lab, random, SHAPE(m, 4), 60),
                  gt = lab_boxes(lab, random, SHAPE(n, g, 4), 60);
    struct tensor g_counts = lab_integers(lab, random, SHAPE(n), 0, (int)g);
    struct tensor match = lab_i32(lab, SHAPE(n, m), NULL), label = lab_i32(lab, SHAPE(n, m), NULL);
    struct match_params params = {0.3f, 0.7f, true, variant % 2};
    LAB_OK(op_match(lab->stream, &match, &label, &anchors, NULL, &gt, &g_counts, &params));
    lab_keep(lab, "match of anchors", &match, 0);
    lab_keep(lab, "label of anchors", &label, 0);
}

/* ---- RoIAlign, losses, detections --------------------------------------------------------- */

static void roi_align_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 2), c = variant % 2 ? 16 : pick(random, 1, 19),
                  cap = pick(random, 0, 40);
    const int64_t pooled = variant % 3 ? 7 : pick(random, 1, 5);
    const int32_t some = pick(random, 0, (int)cap);
    struct roi_align_params params = {.levels = 3,
                                      .min_level = 2,
                                      .scales = {1 / 4.f, 1 / 8.f, 1 / 16.f},
                                      .sampling_ratio = variant % 4 == 1 ? 2 : 0,
                                      .canonical_size = 56,
                                      .canonical_level = 4};
    struct tensor boxes = lab_boxes(lab, random, SHAPE(cap, 4), 100),
                  counts = lab_i32(lab, SHAPE(1), &some);
    struct tensor rois = lab_f32(lab, SHAPE(cap, 5), NULL), rows = lab_i32(lab, SHAPE(1), NULL);
    struct tensor as_image = tensor_reshape(&boxes, SHAPE(1, cap, 4)), features[3], grads[3];
    LAB_OK(op_rois_from_boxes(lab->stream, &rois, &rows, &as_image, &counts));
    for (int level = 0; level < 3; level++) {
        struct shape shape = SHAPE(n, 24 >> level, 25 >> level, c);
        features[level] = lab_normal(lab, random, shape, 1);
        grads[level] = lab_normal(lab, random, shape, 1);
    }
    struct tensor out = lab_f32(lab, SHAPE(cap, pooled, pooled, c), NULL),
                  out_grad = lab_normal(lab, random, out.shape, 1);
    LAB_OK(op_roi_align_forward(lab->stream, &out, features, &rois, &rows, &params));
    LAB_OK(op_roi_align_backward(lab->stream, grads, &out_grad, &rois, &rows, &params));
    struct tensor out_some = tensor_rows(&out, 0, some);
    lab_keep(lab, "roi_align out", &out_some, 1e-5); /* a mean of some hundred samples of size 1 */
    for (int level = 0; level < 3; level++)
        lab_keep(lab, "roi_align gradient", &grads[level],
                 1e-4); /* thousands of terms onto a pixel */
}

/* Spoilt deltas, of every third variant, meet smooth L1 in half of the cases. */
static enum box_loss_kind box_loss_of(int variant)
{
    return (enum box_loss_kind)(variant % 8 < 4 ? 0 : variant % 4);
}

static void rpn_loss_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 3), a = pick(random, 1, 60), b = pick(random, 0, 20),
                  total = a + b;
    struct level_layout layout = {2, {a, b}, {0, a}, total};
    struct tensor logits = lab_normal(lab, random, SHAPE(n * total), 3),
                  deltas = lab_normal(lab, random, SHAPE(n * total, 4), 1);
    struct tensor anchors = lab_boxes(lab, random, SHAPE(total, 4), 60),
                  gt = lab_boxes(lab, random, SHAPE(n, 3, 4), 60);
    struct tensor label = lab_integers(lab, random, SHAPE(n, total), -1, 1),
                  match = lab_integers(lab, random, SHAPE(n, total), 0, 2);
    struct tensor index = lab_i32(lab, SHAPE(n, 32), NULL),
                  counts = lab_i32(lab, SHAPE(n, 2), NULL);
    struct tensor loss = lab_f32(lab, SHAPE(2), NULL);
    struct tensor logits_grad = lab_normal(lab, random, logits.shape, 1),
                  deltas_grad = lab_normal(lab, random, deltas.shape, 1);
    struct sample_params sampling = {32, 16, 5, 1};
    struct tensor step = lab_step(lab, &(struct step_numbers){.seed = 9});
    struct tensor scale = lab_f32(lab, SHAPE(2), (float[]){1024, 3});
    struct rpn_loss_params params = {
        box_loss_of(variant), {1, 1, 1, 1}, variant % 2 ? 0.5f : 0, 1.f / 64, 2.f / 64};
    if (variant % 3 == 2) {
        lab_spoil(lab, random, &logits, 5);
        lab_spoil(lab, random, &deltas, 5);
    }
    LAB_OK(op_sample(lab->stream, &index, &counts, &label, &step, &sampling));
    struct rpn_loss_inputs in = {&logits, &deltas, &anchors, &index,
                                 &counts, &match,  &gt,      variant % 4 ? NULL : &scale,
                                 &layout};
    LAB_OK(op_rpn_loss(lab->stream, &loss, &logits_grad, &deltas_grad, &in, &params));
    lab_keep(lab, "rpn loss", &loss, 1e-5); /* 96 rows of a few roundings */
    lab_keep(lab, "rpn logits_grad", &logits_grad, FEW_ROUNDINGS);
    lab_keep(lab, "rpn deltas_grad", &deltas_grad, FEW_ROUNDINGS);
}

static void roi_loss_case(struct lab *lab, struct random *random, int variant)
{
    const int k = pick(random, 1, 20);
    const int64_t cap = pick(random, 0, 50);
    const bool agnostic = variant % 2;
    const int32_t some = pick(random, 0, (int)cap);
    struct tensor rows = lab_i32(lab, SHAPE(1), &some),
                  logits = lab_normal(lab, random, SHAPE(cap, k + 1), 4);
    struct tensor classes = lab_integers(lab, random, SHAPE(cap), 0, k),
                  probabilities = lab_f32(lab, logits.shape, NULL);
    struct tensor deltas = lab_normal(lab, random, SHAPE(cap, agnostic ? 4 : 4 * k), 1),
                  stats = lab_f32(lab, SHAPE(4), NULL);
    struct tensor rois = lab_boxes(lab, random, SHAPE(cap, 4), 60),
                  targets = lab_boxes(lab, random, SHAPE(cap, 4), 60);
    struct tensor full_rois = lab_f32(lab, SHAPE(cap, 5), NULL),
                  full_rows = lab_i32(lab, SHAPE(1), NULL);
    struct tensor as_image = tensor_reshape(&rois, SHAPE(1, cap, 4)),
                  loss = lab_f32(lab, SHAPE(1), NULL);
    struct tensor grad = lab_normal(lab, random, logits.shape, 1),
                  box_grad = lab_normal(lab, random, deltas.shape, 1);
    struct tensor box_loss = lab_f32(lab, SHAPE(1), NULL);
    struct tensor scale = lab_f32(lab, SHAPE(2), (float[]){256, 3});
    const struct tensor *scaled = variant % 4 ? NULL : &scale;
    struct box_loss_params params = {
        box_loss_of(variant), {10, 10, 5, 5}, variant % 3 ? 0 : 0.5f, 1.5f, k, agnostic};
    if (variant % 3 == 2)
        lab_spoil(lab, random, &deltas, 10);
    LAB_OK(op_rois_from_boxes(lab->stream, &full_rois, &full_rows, &as_image, &rows));
    LAB_OK(op_softmax(lab->stream, &probabilities, &logits, &rows));
    LAB_OK(op_softmax_loss(lab->stream, &loss, &grad, &stats, &logits, &classes, &rows, scaled));
    struct box_loss_inputs in = {&deltas, &full_rois, &targets, &classes, &rows, scaled};
    LAB_OK(op_box_loss(lab->stream, &box_loss, &box_grad, &in, &params));
    struct tensor some_probabilities = tensor_rows(&probabilities, 0, some);
    lab_keep(lab, "softmax", &some_probabilities, FEW_ROUNDINGS);
    lab_keep(lab, "softmax loss", &loss, 1e-5); /* a mean of 50 rows of 21 terms */
    lab_keep(lab, "softmax grad", &grad, FEW_ROUNDINGS);
    lab_keep(lab, "softmax stats", &stats, 0);
    lab_keep(lab, "box loss", &box_loss, 1e-5);
    lab_keep(lab, "box grad", &box_grad, FEW_ROUNDINGS);
}

static void detect_case(struct lab *lab, struct random *random, int variant)
{
    const int k = pick(random, 1, 6);
    const int64_t n = pick(random, 1, 3), p = pick(random, 0, 40), d = pick(random, 0, 60);
    const bool agnostic = variant % 2;
    struct tensor boxes = lab_boxes(lab, random, SHAPE(n, p, 4), 90),
                  counts = lab_integers(lab, random, SHAPE(n), 0, (int)p);
    struct tensor rois = lab_f32(lab, SHAPE(n * p, 5), NULL), rows = lab_i32(lab, SHAPE(1), NULL);
    struct tensor sizes = lab_integers(lab, random, SHAPE(n, 2), 50, 90);
    /* Few different values, so that there are ties. */
    struct tensor probabilities = lab_integers(lab, random, SHAPE(n * p, k + 1), 0, 9), deltas;
    const int32_t *tenths = lab_ints(lab, &probabilities);
    float *values = calloc((size_t)tensor_count(&probabilities) + 1, sizeof *values);
    for (int64_t i = 0; i < tensor_count(&probabilities); i++)
        values[i] = (float)tenths[i] / 10;
    struct tensor scores_in = lab_f32(lab, probabilities.shape, values);
    free(values);
    deltas = lab_normal(lab, random, SHAPE(n * p, agnostic ? 4 : 4 * k), 0.5f);
    if (variant % 3 == 2) {
        lab_spoil(lab, random, &scores_in, 50);
        lab_spoil(lab, random, &deltas, 50);
    }
    LAB_OK(op_rois_from_boxes(lab->stream, &rois, &rows, &boxes, &counts));
    struct tensor out = lab_f32(lab, SHAPE(n, d, 4), NULL),
                  scores = lab_f32(lab, SHAPE(n, d), NULL);
    struct tensor classes = lab_i32(lab, SHAPE(n, d), NULL), found = lab_i32(lab, SHAPE(n), NULL);
    struct detect_inputs in = {&scores_in, &deltas, &rois, &rows, &sizes};
    struct detect_params params = {{10, 10, 5, 5}, 0.05f, 0.5f, k, agnostic};
    LAB_OK(op_detect(lab->stream, &out, &scores, &classes, &found, &in, &params));
    lab_keep(lab, "detect boxes", &out, 0);
    lab_keep(lab, "detect scores", &scores, 0);
    lab_keep(lab, "detect classes", &classes, 0);
    lab_keep(lab, "detect counts", &found, 0);
}

/* ---- all of them -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    case_fn *run;
} CASES[] = {{"conv", conv_case},
             {"linear", linear_case},
             {"pool", pool_case},
             {"elementwise", elementwise_case},
             {"image", image_case},
             {"anchors", anchors_case},
             {"proposals", proposals_case},
             {"targets", targets_case},
             {"anchor match", anchor_match_case},
             {"roi_align", roi_align_case},
             {"rpn_loss", rpn_loss_case},
             {"roi losses", roi_loss_case},
             {"detect", detect_case}};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0], VARIANTS = CONV_COUNT };

static void run_both(const struct backend *backend, const struct backend *ref, int variant)
{
    char what[64];
    for (int i = 0; i < CASE_COUNT; i++) {
        const uint64_t stream = random_stream(RANDOM_TEST, (uint64_t)(variant * CASE_COUNT + i));
        struct random random = {20, stream, 0}, same = random;
        struct lab lab, expected;
        lab_open(&lab, backend);
        lab_open(&expected, ref);
        snprintf(what, sizeof what, "%s, variant %d", CASES[i].name, variant);
        CASES[i].run(&lab, &random, variant);
        CASES[i].run(&expected, &same, variant);
        lab_compare(&lab, &expected, what);
        lab_close(&lab);
        lab_close(&expected);
    }
}

/* ref against itself: it runs everywhere, and the same bits come out twice. */
START_TEST(every_device_agrees_with_ref)
{
    const struct backend *ref = NULL;
    int index = 0;
    LAB_OK(backend_find(&ref, &index, "ref"));
    for (size_t i = 0; i < backend_count(); i++)
        run_both(backend_at(i), ref, _i);
}
END_TEST

SUITE("ops/backends", LOOP(every_device_agrees_with_ref, 0, VARIANTS))
