/* test_precision.c - primitives on activations of 16 bits, against ref on the same values in 32.
 *
 * Inputs and weights are numbers that the 16 bits can hold, so a device that sums in 32 bits differs
 * from ref by the rounding of its results alone: half a unit in the last place, 2^-8 of the value in
 * bfloat16 and 2^-11 in half; and by the order of sums, some 1e-5. */
#include <stdio.h>

#include "backend/registry.h"
#include "suite.h"
#include "support/ops_random.h"

static const struct {
    enum tensor_type type;
    const char *name;
    double rounding;
} TYPES[] = {{TENSOR_BF16, "bf16", 0x1p-8 + 2e-5}, {TENSOR_F16, "fp16", 0x1p-11 + 2e-5}};

static int pick(struct random *random, int low, int high)
{
    return low + (int)random_below(random, (uint64_t)(high - low) + 1);
}

static double rounding(const struct lab *lab)
{
    return lab->rounding == TENSOR_BF16 ? TYPES[0].rounding : TYPES[1].rounding;
}

/* n, h, w, groups, channels of a group in and out, kernel, stride, pad */
static const int CONVS[][9] = {
    {1, 9, 13, 1, 64, 32, 1, 1, 0}, {2, 8, 9, 1, 16, 48, 3, 1, 1},  {1, 11, 11, 1, 64, 32, 1, 2, 0},
    {2, 9, 18, 8, 8, 8, 3, 1, 1},   {1, 13, 7, 4, 16, 16, 3, 2, 1}, {1, 9, 17, 2, 32, 32, 3, 1, 1},
    {1, 7, 5, 2, 64, 64, 3, 2, 1},  {0, 8, 8, 1, 8, 8, 3, 1, 1},    {1, 1, 1, 32, 8, 8, 3, 1, 1},
    {1, 17, 23, 1, 3, 64, 7, 2, 3}, {1, 5, 6, 1, 64, 3, 1, 1, 0},   {1, 12, 10, 4, 8, 8, 3, 2, 1}};
enum { CONV_COUNT = sizeof CONVS / sizeof CONVS[0], VARIANTS = CONV_COUNT };

static void conv_case(struct lab *lab, struct random *random, int variant)
{
    const int *v = CONVS[variant];
    const int64_t n = v[0], c = (int64_t)v[3] * v[4], o = (int64_t)v[3] * v[5];
    const int64_t oh = (v[1] + 2 * v[8] - v[6]) / v[7] + 1,
                  ow = (v[2] + 2 * v[8] - v[6]) / v[7] + 1;
    const struct conv_geometry geometry = {v[7], v[8], v[3]};
    const bool relu = pick(random, 0, 1), added = pick(random, 0, 1);
    uint64_t version = 1;
    struct weight weight = {.value = lab_rounded(lab, random, SHAPE(o, v[6], v[6], v[4]), 0.1f),
                            .bias = lab_normal(lab, random, SHAPE(o), 1),
                            .version = &version};
    struct tensor in = lab_activation(lab, random, SHAPE(n, v[1], v[2], c), 1);
    struct tensor residual = lab_activation(lab, random, SHAPE(n, oh, ow, o), 1);
    struct tensor out = lab_activation_result(lab, residual.shape);
    struct tensor wide = lab_f32(lab, residual.shape, NULL);
    LAB_OK(op_conv2d_forward(lab->stream, &out, &in, &weight, geometry, added ? &residual : NULL,
                             relu));
    LAB_OK(op_conv2d_forward(lab->stream, &wide, &in, &weight, geometry, NULL, false));
    lab_keep(lab, "conv out", &out, rounding(lab));
    lab_keep(lab, "conv out in 32 bits", &wide, 2e-5);
    op_weight_release(lab->device, &weight);
}

static void stem_case(struct lab *lab, struct random *random, int variant)
{
    static const int SIZES[][3] = {{1, 32, 32}, {2, 7, 9}, {1, 64, 33}, {0, 32, 32}, {1, 1, 1}};
    const int *v = SIZES[variant % 5];
    const int64_t o = variant % 2 ? 64 : 8, h = (v[1] - 1) / 2 + 1, w = (v[2] - 1) / 2 + 1;
    uint64_t version = 1;
    struct weight weight = {.value = lab_rounded(lab, random, SHAPE(o, 7, 7, 3), 0.1f),
                            .bias = lab_normal(lab, random, SHAPE(o), 1),
                            .version = &version};
    struct tensor in = lab_activation(lab, random, SHAPE(v[0], v[1], v[2], 3), 1);
    struct tensor out =
        lab_activation_result(lab, SHAPE(v[0], (h - 1) / 2 + 1, (w - 1) / 2 + 1, o));
    LAB_OK(op_conv2d_maxpool_forward(lab->stream, &out, &in, &weight,
                                     (struct conv_geometry){2, 3, 1},
                                     (struct pool_geometry){3, 2, 1}));
    lab_keep(lab, "stem out", &out, rounding(lab));
    op_weight_release(lab->device, &weight);
}

static void linear_case(struct lab *lab, struct random *random, int variant)
{
    static const int SIZES[][3] = {{16, 64, 24}, {1, 8, 8}, {13, 128, 5}, {70, 256, 64}, {0, 8, 8}};
    const int *v = SIZES[variant % 5];
    const int32_t some = pick(random, 0, v[0]);
    uint64_t version = 1;
    struct weight weight = {.value = lab_rounded(lab, random, SHAPE(v[2], v[1]), 0.1f),
                            .bias = lab_normal(lab, random, SHAPE(v[2]), 1),
                            .version = &version};
    struct tensor rows = lab_i32(lab, SHAPE(1), &some);
    struct tensor in = lab_activation(lab, random, SHAPE(v[0], v[1]), 1);
    struct tensor out = lab_activation_result(lab, SHAPE(v[0], v[2]));
    struct tensor wide = lab_f32(lab, out.shape, NULL);
    LAB_OK(op_linear_forward(lab->stream, &out, &in, &weight, true, &rows));
    LAB_OK(op_linear_forward(lab->stream, &wide, &in, &weight, false, NULL));
    struct tensor out_some = tensor_rows(&out, 0, some);
    lab_keep(lab, "linear out", &out_some, rounding(lab));
    lab_keep(lab, "linear out in 32 bits", &wide, 2e-5);
    op_weight_release(lab->device, &weight);
}

static void maps_case(struct lab *lab, struct random *random, int variant)
{
    const struct pool_geometry geometry =
        variant % 2 ? (struct pool_geometry){3, 2, 1} : (struct pool_geometry){1, 2, 0};
    const int64_t n = pick(random, 0, 2), h = pick(random, 1, 19), w = pick(random, 1, 19);
    const int64_t c = variant % 3 ? pick(random, 1, 40) : 64;
    const int64_t shrink = geometry.kernel - 2 * geometry.pad;
    struct tensor in = lab_activation(lab, random, SHAPE(n, h, w, c), 1);
    struct tensor pooled =
        lab_activation_result(lab, SHAPE(n, (h - shrink) / 2 + 1, (w - shrink) / 2 + 1, c));
    struct tensor up = lab_activation(lab, random, SHAPE(n, 2 * h, 2 * w, c), 1);
    struct tensor sum = lab_activation(lab, random, in.shape, 1);
    struct tensor copy = lab_activation_result(lab, in.shape);
    LAB_OK(op_maxpool_forward(lab->stream, &pooled, &in, geometry));
    LAB_OK(op_upsample_add(lab->stream, &up, &in));
    LAB_OK(op_copy(lab->stream, &copy, &sum));
    LAB_OK(op_add(lab->stream, &sum, &in));
    LAB_OK(op_scale(lab->stream, &sum, 0.5f)); /* exact */
    lab_keep(lab, "maxpool out", &pooled, 0);
    lab_keep(lab, "upsample out", &up, rounding(lab));
    lab_keep(lab, "copy", &copy, 0);
    lab_keep(lab, "add, scale", &sum, rounding(lab));
}

static void image_case(struct lab *lab, struct random *random, int variant)
{
    const struct image_params params = {
        {103.5f, 116.3f, 123.7f}, {57.4f, 57.1f, 58.4f}, variant % 2};
    uint8_t pixels[2 * 30 * 30 * 3];
    int32_t from[4], to[4];
    for (int i = 0; i < 4; i++) {
        from[i] = pick(random, 1, 30);
        to[i] = pick(random, 1, 60);
    }
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)random_u32(random);
    struct tensor in = lab_u8(lab, SHAPE(2, sizeof pixels / 2), pixels);
    struct tensor from_sizes = lab_i32(lab, SHAPE(2, 2), from),
                  sizes = lab_i32(lab, SHAPE(2, 2), to);
    struct tensor out = lab_activation_result(lab, SHAPE(2, 64, 64, 3));
    LAB_OK(op_images_to_tensor(lab->stream, &out, &in, &from_sizes, &sizes, &params));
    lab_keep(lab, "images", &out, rounding(lab));
}

static void roi_align_case(struct lab *lab, struct random *random, int variant)
{
    const int64_t n = pick(random, 1, 2), c = variant % 2 ? 64 : pick(random, 1, 19);
    const int64_t cap = pick(random, 0, 20);
    const struct roi_align_params params = {.levels = 2,
                                            .min_level = 2,
                                            .scales = {1 / 4.f, 1 / 8.f},
                                            .sampling_ratio = variant % 4 == 1 ? 2 : 0,
                                            .canonical_size = 56,
                                            .canonical_level = 3};
    const int32_t all = (int32_t)cap;
    struct tensor boxes = lab_boxes(lab, random, SHAPE(1, cap, 4), 100);
    struct tensor counts = lab_i32(lab, SHAPE(1), &all);
    struct tensor rois = lab_f32(lab, SHAPE(cap, 5), NULL), rows = lab_i32(lab, SHAPE(1), NULL);
    struct tensor features[2];
    for (int level = 0; level < 2; level++)
        features[level] = lab_activation(lab, random, SHAPE(n, 24 >> level, 25 >> level, c), 1);
    struct tensor out = lab_activation_result(lab, SHAPE(cap, 7, 7, c));
    LAB_OK(op_rois_from_boxes(lab->stream, &rois, &rows, &boxes, &counts));
    LAB_OK(op_roi_align_forward(lab->stream, &out, features, &rois, &rows, &params));
    lab_keep(lab, "roi_align out", &out, rounding(lab));
}

/* ---- all of them -------------------------------------------------------------------------- */

typedef void case_fn(struct lab *lab, struct random *random, int variant);

static const struct {
    const char *name;
    case_fn *run;
} CASES[] = {{"conv", conv_case}, {"stem", stem_case},   {"linear", linear_case},
             {"maps", maps_case}, {"image", image_case}, {"roi_align", roi_align_case}};
enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

static void run_both(const struct backend *backend, const struct backend *ref, int type,
                     int variant)
{
    char what[64];
    for (int i = 0; i < CASE_COUNT; i++) {
        const uint64_t stream = random_stream(RANDOM_TEST, (uint64_t)(variant * CASE_COUNT + i));
        struct random random = {21, stream, 0}, same = random;
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
START_TEST(sixteen_bits_are_ref_rounded)
{
    const struct backend *ref = NULL;
    int index = 0;
    LAB_OK(backend_find(&ref, &index, "ref"));
    for (size_t i = 0; i < backend_count(); i++)
        run_both(backend_at(i), ref, _i / VARIANTS, _i % VARIANTS);
}
END_TEST

SUITE("ops/precision", LOOP(sixteen_bits_are_ref_rounded, 0, 2 * VARIANTS))
