/* test_roi_align.c - pooled regions against the twin in ref: levels, borders, hostile regions, types. */
#include <math.h>
#include <string.h>

#include "suite.h"
#include "support/half.h"
#include "support/ops_random.h"
#include "tensor/box_math.h"
#include "tests/kernels/kernel_case.h"

enum { LEVELS = 3, MOST_ROIS = 64, IMAGES = 2, GUARD = 64 };

struct shape_case {
    int height, width; /* of the finest map */
    int64_t channels;
    int pooled, sampling_ratio;
    float canonical_size;
};

/* Vectors of 8 and 4 channels, ones that are none, more than a warp's; cells of more pixels than a
 * list holds, which a large canonical size keeps on the finest level. */
static const struct shape_case shapes[] = {{20, 28, 8, 7, 0, 32},   {20, 28, 12, 7, 2, 32},
                                           {20, 28, 5, 3, 1, 32},   {14, 11, 264, 2, 0, 32},
                                           {90, 84, 8, 2, 0, 1e6f}, {90, 84, 3, 2, 3, 1e6f},
                                           {4, 4, 16, 14, 0, 8},    {90, 84, 4, 1, 0, 1e6f}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Image and box; those after the first are as no network should make them. */
static const float hostile[][5] = {{0, 3, 4, 60, 50},
                                   {0, -500, -400, -300, -200}, /* outside */
                                   {1, 1000, 1000, 2000, 2000},
                                   {0, -1e30f, -1e30f, 1e30f, 1e30f}, /* huge */
                                   {1, 0, 0, INFINITY, INFINITY},
                                   {1, -INFINITY, 3, 40, 40},
                                   {0, -3000, -3000, 3000, 3000},
                                   {0, 12, 12, 12, 12}, /* empty */
                                   {0, 12, 12, 40, 12},
                                   {1, 40, 40, 10, 12}, /* inverted */
                                   {1, 40, 10, 10, 60},
                                   {0, NAN, 1, 20, 20},
                                   {0, 1, 1, NAN, 20},
                                   {0, NAN, NAN, NAN, NAN},
                                   {-1, 1, 1, 20, 20}, /* of no image */
                                   {-0.0f, 1, 1, 20, 20},
                                   {IMAGES, 1, 1, 20, 20},
                                   {1e30f, 1, 1, 20, 20},
                                   {NAN, 1, 1, 20, 20},
                                   {INFINITY, 1, 1, 20, 20},
                                   {-INFINITY, 1, 1, 20, 20},
                                   {1, -4, -4, 1e-3f, 1e-3f}, /* at the border: -1 and beyond */
                                   {1, -2, -2, -2, 30},
                                   {0, 0, 0, 1e-30f, 1e-30f}};
enum { HOSTILE = sizeof hostile / sizeof hostile[0] };

struct roi_case {
    struct launch_roi_align align; /* pointers are the device's */
    struct lab lab;                /* ref, with features of the device's numbers */
    struct tensor features[LEVELS], rois, out;
    struct roi_align_params params;
    size_t elements, element_bytes;
    cudaStream_t stream;
};

static float rounded(float value, enum launch_type type)
{
    return type == LAUNCH_F32    ? value
           : type == LAUNCH_BF16 ? bf16_to_float(bf16_from_float(value))
                                 : half_to_float(half_from_float(value));
}

static void *upload(const float *values, size_t count, enum launch_type type)
{
    uint16_t *bits = malloc(count * sizeof *bits + 1);
    ck_assert_ptr_nonnull(bits);
    for (size_t i = 0; i < count; i++)
        bits[i] = type == LAUNCH_BF16 ? bf16_from_float(values[i]) : half_from_float(values[i]);
    void *memory =
        type == LAUNCH_F32 ? device_copy(values, count * 4) : device_copy(bits, count * 2);
    free(bits);
    return memory;
}

static void open_level(struct roi_case *c, const struct shape_case *s, int level)
{
    struct random random = {.seed = (uint64_t)(s->height + level), .stream = RANDOM_TEST};
    int height = (s->height >> level) + 1, width = (s->width >> level) + 1;
    size_t count = (size_t)IMAGES * (size_t)height * (size_t)width * (size_t)s->channels;
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++)
        values[i] = rounded((float)random_uniform(&random) * 2 - 1, c->align.type);
    c->features[level] = lab_f32(&c->lab, SHAPE(IMAGES, height, width, s->channels), values);
    c->align.features[level] = upload(values, count, c->align.type);
    c->align.height[level] = height;
    c->align.width[level] = width;
    c->align.scale[level] = c->params.scales[level] = 0.25f / (float)(1 << level);
    free(values);
}

static void case_open(struct roi_case *c, const struct shape_case *s, enum launch_type type,
                      float (*rois)[5], int count)
{
    memset(c, 0, sizeof *c);
    lab_open_ref(&c->lab);
    c->params = (struct roi_align_params){.levels = LEVELS,
                                          .min_level = 2,
                                          .sampling_ratio = s->sampling_ratio,
                                          .canonical_size = s->canonical_size,
                                          .canonical_level = 3};
    c->align = (struct launch_roi_align){.images = IMAGES,
                                         .capacity = count,
                                         .channels = s->channels,
                                         .levels = LEVELS,
                                         .min_level = 2,
                                         .pooled = s->pooled,
                                         .sampling_ratio = s->sampling_ratio,
                                         .canonical_level = 3,
                                         .canonical_size = s->canonical_size,
                                         .type = type};
    for (int level = 0; level < LEVELS; level++)
        open_level(c, s, level);
    c->rois = lab_f32(&c->lab, SHAPE(count, 5), rois[0]);
    c->align.rois = device_copy(rois, (size_t)count * sizeof *rois);
    c->out = lab_f32(&c->lab, SHAPE(count, s->pooled, s->pooled, s->channels), NULL);
    c->elements = (size_t)tensor_count(&c->out);
    c->element_bytes = type == LAUNCH_F32 ? 4 : 2;
    c->align.out = device_new(c->elements * c->element_bytes + GUARD);
    check_cuda((int)cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking));
}

static void case_close(struct roi_case *c)
{
    check_cuda((int)cudaStreamDestroy(c->stream));
    for (int level = 0; level < LEVELS; level++)
        device_drop((void *)(uintptr_t)c->align.features[level]);
    device_drop((void *)(uintptr_t)c->align.rois);
    if (c->align.rows)
        device_drop((void *)(uintptr_t)c->align.rows);
    device_drop(c->align.out);
    lab_close(&c->lab);
}

/* What the device writes, the caller's to free; and nothing behind it. */
static uint8_t *case_run(struct roi_case *c)
{
    size_t bytes = c->elements * c->element_bytes;
    uint8_t *out = malloc(bytes + GUARD);
    ck_assert_ptr_nonnull(out);
    check_cuda((int)cudaMemset(c->align.out, 0xff, bytes + GUARD));
    check_cuda(launch_roi_align(&c->align, c->stream));
    device_read(out, c->align.out, bytes + GUARD, c->stream);
    for (int i = 0; i < GUARD; i++)
        ck_assert_int_eq(out[bytes + (size_t)i], 0xff);
    return out;
}

static float value_at(const struct roi_case *c, const uint8_t *out, size_t at)
{
    if (c->align.type == LAUNCH_F32)
        return ((const float *)(const void *)out)[at];
    uint16_t bits = ((const uint16_t *)(const void *)out)[at];
    return c->align.type == LAUNCH_BF16 ? bf16_to_float(bits) : half_to_float(bits);
}

/* Features are at most 1 and the weights of a cell sum to 1. A weight is itself a sum of at most 32
 * samples' a axis, or the cell is added up sample by sample, some thousand at most here, whose
 * roundings of 2^-24 are of either sign: 4e-6 covers both. Sixteen bits add half a unit of theirs. */
static double tolerance(enum launch_type type, double value)
{
    const double unit = type == LAUNCH_BF16 ? 1.0 / 256 : type == LAUNCH_F16 ? 1.0 / 2048 : 0;
    return 4e-6 + unit * fabs(value) + (type == LAUNCH_F16 ? 3e-8 : 0); /* half's smallest step */
}

/* The first `rows` rois are the twin's; the others of `capacity` zero, or not looked at. */
static void case_check(struct roi_case *c, size_t rows)
{
    LAB_OK(op_roi_align_forward(c->lab.stream, &c->out, c->features, &c->rois, NULL, &c->params));
    const float *wanted = lab_floats(&c->lab, &c->out), *rois = lab_floats(&c->lab, &c->rois);
    size_t elements = c->elements / (size_t)c->align.capacity;
    uint8_t *out = case_run(c);
    for (size_t i = 0; i < c->elements; i++) {
        size_t row = i / elements;
        double value = (double)value_at(c, out, i), want = row < rows ? (double)wanted[i] : 0;
        const float *roi = rois + 5 * row;
        ck_assert_msg(fabs(value - want) <= tolerance(c->align.type, want),
                      "roi %zu = %g, %g %g %g %g: element %zu is %.9g, not %.9g", row,
                      (double)roi[0], (double)roi[1], (double)roi[2], (double)roi[3],
                      (double)roi[4], i % elements, value, want);
    }
    free(out);
}

static void random_rois(float (*rois)[5], int count, const struct shape_case *s,
                        struct random *random)
{
    for (int i = 0; i < count; i++) {
        float x = (float)random_uniform(random), y = (float)random_uniform(random);
        float side = (float)random_uniform(random);
        rois[i][0] = (float)random_below(random, IMAGES);
        rois[i][1] = x * (float)(s->width * 4) - 10;
        rois[i][2] = y * (float)(s->height * 4) - 10;
        rois[i][3] = rois[i][1] + side * (float)(s->width * 5);
        rois[i][4] = rois[i][2] + (float)random_uniform(random) * (float)(s->height * 5);
    }
}

START_TEST(regions_equal_the_twins)
{
    float rois[MOST_ROIS][5];
    const struct shape_case *s = &shapes[_i / 3];
    const int count = s->height > 40 ? 8 : 20;
    struct random random = {.seed = (uint64_t)_i, .stream = RANDOM_TEST};
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    random_rois(rois, count, s, &random);
    case_open(&c, s, (enum launch_type)(_i % 3), rois, count);
    case_check(&c, (size_t)count);
    case_close(&c);
}
END_TEST

START_TEST(hostile_regions_equal_the_twins)
{
    float rois[HOSTILE][5];
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    memcpy(rois, hostile, sizeof rois);
    case_open(&c, &shapes[_i], LAUNCH_F32, rois, HOSTILE);
    case_check(&c, HOSTILE);
    case_close(&c);
}
END_TEST

/* Maps hold their level's number: the level that pools a square tells itself. */
START_TEST(levels_change_where_the_twins_do)
{
    enum { SIDES = 4, STEPS = 5 };
    const float sides[SIDES] = {16, 32, 64, 128};
    const struct shape_case s = {40, 40, 4, 1, 1, 32};
    float rois[SIDES * STEPS][5];
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    for (int i = 0; i < SIDES * STEPS; i++) {
        float side = sides[i / STEPS], last = i % STEPS < 2 ? 0 : 1e9f;
        for (int step = abs(i % STEPS - 2); step > 0; step--)
            side = nextafterf(side, last);
        memcpy(rois[i], (float[]){0, 0, 0, side, side}, sizeof rois[i]);
    }
    case_open(&c, &s, LAUNCH_F32, rois, SIDES * STEPS);
    for (int level = 0; level < LEVELS; level++) {
        const int64_t count = tensor_count(&c.features[level]);
        float *values = malloc((size_t)count * sizeof *values);
        ck_assert_ptr_nonnull(values);
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)level;
        check_cuda((int)cudaMemcpy((void *)(uintptr_t)c.align.features[level], values,
                                   (size_t)count * sizeof *values, cudaMemcpyHostToDevice));
        free(values);
    }
    uint8_t *out = case_run(&c);
    int changes = 0;
    for (int i = 0; i < SIDES * STEPS; i++) {
        const int level = roi_level(rois[i] + 1, s.canonical_size, 3, 2, LEVELS);
        changes += i % STEPS && level != roi_level(rois[i - 1] + 1, s.canonical_size, 3, 2, LEVELS);
        for (size_t k = 0; k < 4; k++)
            ck_assert_msg(value_at(&c, out, 4 * (size_t)i + k) == (float)level,
                          "side %.9g is pooled on level %g, not %d", (double)rois[i][3],
                          (double)value_at(&c, out, 4 * (size_t)i + k), level);
    }
    ck_assert_int_eq(changes, 2); /* between three levels */
    free(out);
    case_close(&c);
}
END_TEST

START_TEST(rows_beyond_the_count_are_zero)
{
    const int32_t counts[] = {0, 1, 7, 19, 20, 21, -3};
    const struct shape_case *s = &shapes[0];
    float rois[20][5];
    struct random random = {.seed = 3, .stream = RANDOM_TEST};
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    random_rois(rois, 20, s, &random);
    case_open(&c, s, LAUNCH_BF16, rois, 20);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        void *rows = device_copy(&counts[i], sizeof counts[i]);
        c.align.rows = rows;
        case_check(&c, counts[i] < 0 ? 0 : counts[i] > 20 ? 20 : (size_t)counts[i]);
        c.align.rows = NULL;
        device_drop(rows);
    }
    case_close(&c);
}
END_TEST

/* Samples far apart leave pixels between them: what those hold does not matter. */
START_TEST(pixels_between_samples_do_not_count)
{
    const struct shape_case s = {20, 28, 8, 2, 2, 1e6f};
    float rois[1][5] = {{0, 2, 2, 82, 82}}; /* samples at 5, 15 and 25 quarters of the way */
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    case_open(&c, &s, LAUNCH_F32, rois, 1);
    float *map = malloc(tensor_bytes(&c.features[0]));
    ck_assert_ptr_nonnull(map);
    memcpy(map, lab_floats(&c.lab, &c.features[0]), tensor_bytes(&c.features[0]));
    for (int k = 0; k < 8; k++)
        map[(5 * 29 + 5) * 8 + k] = INFINITY;
    check_cuda((int)cudaMemcpy((void *)(uintptr_t)c.align.features[0], map,
                               tensor_bytes(&c.features[0]), cudaMemcpyHostToDevice));
    case_check(&c, 1);
    free(map);
    case_close(&c);
}
END_TEST

START_TEST(every_run_has_the_same_bits)
{
    float rois[20][5];
    struct random random = {.seed = 4, .stream = RANDOM_TEST};
    struct roi_case c;
    if (no_device())
        SKIP("no device");
    random_rois(rois, 20, &shapes[0], &random);
    case_open(&c, &shapes[0], LAUNCH_F16, rois, 20);
    uint8_t *first = case_run(&c);
    for (int run = 1; run < 5; run++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", run * 7);
        ck_assert_int_eq(setenv("CUEMU_SEED", seed, 1), 0);
        uint8_t *again = case_run(&c);
        ck_assert_mem_eq(first, again, c.elements * c.element_bytes);
        free(again);
    }
    free(first);
    case_close(&c);
}
END_TEST

SUITE("kernels/roi_align", LOOP(regions_equal_the_twins, 0, 3 * SHAPES),
      LOOP(hostile_regions_equal_the_twins, 0, SHAPES), TEST(levels_change_where_the_twins_do),
      TEST(rows_beyond_the_count_are_zero), TEST(pixels_between_samples_do_not_count),
      TEST(every_run_has_the_same_bits))
