/* test_gradient_precision.c - gradients of 16 bits, against ref on the same values in 32.
 *
 * Inputs and weights are numbers that the 16 bits can hold, so a device that sums in 32 bits differs
 * from ref by the rounding of its results: half a unit in the last place, 2^-9 of the value in bfloat16
 * and 2^-12 in half, twice where a result is added to what was there; and by the order of sums. */
#include <stdio.h>

#include "backend/registry.h"
#include "suite.h"
#include "support/ops_random.h"

static const struct {
    enum tensor_type type;
    const char *name;
    double rounding;
} TYPES[] = {{TENSOR_BF16, "bf16", 0x1p-8 + 1e-4}, {TENSOR_F16, "fp16", 0x1p-11 + 1e-4}};

static int pick(struct random *random, int low, int high)
{
    return low + (int)random_below(random, (uint64_t)(high - low) + 1);
}

static double rounding(const struct lab *lab)
{
    return lab->rounding == TENSOR_BF16 ? TYPES[0].rounding : TYPES[1].rounding;
}

/* n, h, w, groups, channels of a group in and out, kernel, stride, pad */
static const int CONVS[][9] = {{1, 9, 13, 1, 64, 32, 1, 1, 0},  {2, 8, 9, 1, 16, 48, 3, 1, 1},
                               {1, 11, 11, 1, 64, 32, 1, 2, 0}, {2, 9, 18, 8, 8, 8, 3, 1, 1},
                               {1, 13, 7, 4, 16, 16, 3, 2, 1},  {1, 9, 17, 2, 32, 32, 3, 1, 1},
                               {1, 7, 5, 2, 64, 64, 3, 2, 1},   {0, 8, 8, 1, 8, 8, 3, 1, 1},
                               {1, 1, 1, 32, 8, 8, 3, 1, 1},    {1, 19, 35, 4, 16, 16, 3, 1, 1},
                               {1, 5, 6, 1, 64, 3, 1, 1, 0},    {1, 12, 10, 4, 8, 8, 3, 2, 1},
                               {1, 33, 20, 2, 64, 64, 3, 1, 1}, {2, 6, 5, 2, 32, 32, 3, 2, 1}};
enum { CONV_COUNT = sizeof CONVS / sizeof CONVS[0], VARIANTS = CONV_COUNT };

static void conv_case(struct lab *lab, struct random *random, int variant)
{
    const int *v = CONVS[variant];
    const int64_t n = v[0], c = (int64_t)v[3] * v[4], o = (int64_t)v[3] * v[5];
    const int64_t oh = (v[1] + 2 * v[8] - v[6]) / v[7] + 1,
                  ow = (v[2] + 2 * v[8] - v[6]) / v[7] + 1;
    const struct conv_geometry geometry = {v[7], v[8], v[3]};
    uint64_t version = 1;
    struct weight weight = {.value = lab_rounded(lab, random, SHAPE(o, v[6], v[6], v[4]), 0.1f),
                            .version = &version};
    struct weight folded = weight;
    folded.scale = lab_normal(lab, random, SHAPE(o), 0.5f);
    struct tensor in = lab_activation(lab, random, SHAPE(n, v[1], v[2], c), 1);
    struct tensor out_grad = lab_activation(lab, random, SHAPE(n, oh, ow, o), 1);
    struct tensor fresh = lab_activation_result(lab, in.shape);
    struct tensor added = lab_activation(lab, random, in.shape, 1);
    struct tensor plain = lab_normal(lab, random, weight.value.shape, 1);
    struct tensor scaled = lab_normal(lab, random, weight.value.shape, 1);
    struct tensor bias = lab_normal(lab, random, SHAPE(o), 1);
    LAB_OK(op_conv2d_backward_input(lab->stream, &fresh, &out_grad, &weight, geometry, false));
    LAB_OK(op_conv2d_backward_input(lab->stream, &added, &out_grad, &weight, geometry, true));
    LAB_OK(
        op_conv2d_backward_weight(lab->stream, &plain, &bias, &in, &out_grad, &weight, geometry));
    LAB_OK(
        op_conv2d_backward_weight(lab->stream, &scaled, NULL, &in, &out_grad, &folded, geometry));
    lab_keep(lab, "conv in_grad", &fresh, rounding(lab));
    /* The sum, up to some 6, may be rounded before it is added to something of the other sign. */
    lab_keep(lab, "conv in_grad +=", &added, 4 * rounding(lab));
    lab_keep(lab, "conv weight_grad", &plain, rounding(lab));
    lab_keep(lab, "conv weight_grad times scale", &scaled, rounding(lab));
    lab_keep(lab, "conv bias_grad", &bias, 1e-4);
    op_weight_release(lab->device, &weight);
    op_weight_release(lab->device, &folded);
}

static void linear_case(struct lab *lab, struct random *random, int variant)
{
    static const int SIZES[][3] = {{16, 64, 24}, {1, 8, 8}, {13, 128, 5}, {70, 256, 64}, {0, 8, 8}};
    const int *v = SIZES[variant % 5];
    const int32_t all = v[0];
    uint64_t version = 1;
    struct weight weight = {.value = lab_rounded(lab, random, SHAPE(v[2], v[1]), 0.1f),
                            .version = &version};
    struct tensor rows = lab_i32(lab, SHAPE(1), &all);
    struct tensor in = lab_activation(lab, random, SHAPE(v[0], v[1]), 1);
    struct tensor out_grad = lab_activation(lab, random, SHAPE(v[0], v[2]), 1);
    struct tensor in_grad = lab_activation(lab, random, in.shape, 1);
    struct tensor weight_grad = lab_normal(lab, random, weight.value.shape, 1);
    struct tensor bias_grad = lab_normal(lab, random, SHAPE(v[2]), 1);
    LAB_OK(op_linear_backward_input(lab->stream, &in_grad, &out_grad, &weight, variant % 2, &rows));
    LAB_OK(op_linear_backward_weight(lab->stream, &weight_grad, &bias_grad, &in, &out_grad, &rows));
    lab_keep(lab, "linear in_grad", &in_grad, 4 * rounding(lab));
    lab_keep(lab, "linear weight_grad", &weight_grad, rounding(lab));
    lab_keep(lab, "linear bias_grad", &bias_grad, 1e-4);
    op_weight_release(lab->device, &weight);
}

static void maps_case(struct lab *lab, struct random *random, int variant)
{
    const struct pool_geometry geometry = {3, 2, 1};
    const int64_t n = pick(random, 0, 2), h = pick(random, 1, 19), w = pick(random, 1, 19);
    const int64_t c = variant % 3 ? pick(random, 1, 40) : 64;
    struct tensor in = lab_activation(lab, random, SHAPE(n, h, w, c), 1);
    struct tensor pooled =
        lab_activation(lab, random, SHAPE(n, (h - 1) / 2 + 1, (w - 1) / 2 + 1, c), 1);
    struct tensor in_grad = lab_activation(lab, random, in.shape, 1);
    struct tensor up = lab_activation(lab, random, SHAPE(n, 2 * h, 2 * w, c), 1);
    struct tensor down = lab_activation(lab, random, in.shape, 1);
    struct tensor masked = lab_activation(lab, random, in.shape, 1);
    LAB_OK(op_maxpool_backward(lab->stream, &in_grad, &pooled, &in, geometry));
    LAB_OK(op_upsample_backward(lab->stream, &down, &up));
    LAB_OK(op_relu_backward(lab->stream, &masked, &in));
    lab_keep(lab, "maxpool in_grad", &in_grad, rounding(lab));
    lab_keep(lab, "upsample in_grad", &down, rounding(lab));
    lab_keep(lab, "relu grad", &masked, 0);
}

/* Sizes around a tile's, rois of all sizes, some of no image. */
static void roi_align_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 2), c = variant % 2   ? 64
                                              : variant % 3 ? 520
                                                            : pick(random, 1, 19);
    const int64_t cap = variant % 5 ? pick(random, 0, 20) : 300;
    const struct roi_align_params params = {.levels = 2,
                                            .min_level = 2,
                                            .scales = {1 / 4.f, 1 / 8.f},
                                            .sampling_ratio = variant % 4 == 1 ? 2 : 0,
                                            .canonical_size = 56,
                                            .canonical_level = 3};
    const int32_t half = (int32_t)cap / 2;
    const int64_t pooled = variant % 3 == 1 ? 2 : 7;
    struct tensor boxes = lab_boxes(lab, random, SHAPE(2, cap / 2, 4), 100);
    struct tensor counts = lab_i32(lab, SHAPE(2), (int32_t[]){half, n > 1 ? half / 2 : 0});
    struct tensor rois = lab_f32(lab, SHAPE(cap / 2 * 2, 5), NULL),
                  rows = lab_i32(lab, SHAPE(1), NULL);
    struct tensor grads[2];
    for (int level = 0; level < 2; level++)
        grads[level] = lab_activation(lab, random, SHAPE(n, 24 >> level, 27 >> level, c), 1);
    struct tensor out_grad = lab_activation(lab, random, SHAPE(cap / 2 * 2, pooled, pooled, c), 1);
    LAB_OK(op_rois_from_boxes(lab->stream, &rois, &rows, &boxes, &counts));
    LAB_OK(op_roi_align_backward(lab->stream, grads, &out_grad, &rois, &rows, &params));
    lab_keep(lab, "roi_align gradient, fine", &grads[0], rounding(lab));
    lab_keep(lab, "roi_align gradient, coarse", &grads[1], rounding(lab));
}

/* ---- all of them -------------------------------------------------------------------------- */

typedef void case_fn(struct lab *lab, struct random *random, int variant);

static const struct {
    const char *name;
    case_fn *run;
} CASES[] = {{"conv", conv_case},
             {"linear", linear_case},
             {"maps", maps_case},
             {"roi_align", roi_align_case}};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

static void run_both(const struct backend *backend, const struct backend *ref, int type,
                     int variant)
{
    char what[64];
    for (int i = 0; i < CASE_COUNT; i++) {
        const uint64_t stream = random_stream(RANDOM_TEST, (uint64_t)(variant * CASE_COUNT + i));
        struct random random = {22, stream, 0}, same = random;
        struct lab lab, expected;
        lab_open_rounding(&lab, backend, TYPES[type].type);
        lab_open_rounding(&expected, ref, TYPES[type].type);
        snprintf(what, sizeof what, "%s in %s, variant %d", CASES[i].name, TYPES[type].name,
                 variant);
        CASES[i].run(&lab, &random, variant);
        CASES[i].run(&expected, &same, variant);
        lab_compare(&lab, &expected, what);
        lab_close(&lab);
        lab_close(&expected);
    }
}

/* Devices without 16 bits compute in 32 what ref computes in 32: they run, too. */
START_TEST(gradients_are_ref_rounded)
{
    const struct backend *ref = NULL;
    int index = 0;
    LAB_OK(backend_find(&ref, &index, "ref"));
    for (size_t i = 0; i < backend_count(); i++)
        run_both(backend_at(i), ref, _i / VARIANTS, _i % VARIANTS);
}
END_TEST

SUITE("ops/gradient_precision", LOOP(gradients_are_ref_rounded, 0, 2 * VARIANTS))
