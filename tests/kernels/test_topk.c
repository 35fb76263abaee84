/* test_topk.c - the best of each segment, anchors and their boxes: what the twins in ref decide. */
#include "suite.h"
#include "tests/kernels/list_case.h"

enum { LEVELS = 3, IMAGES = 2, SEGMENTS = LEVELS * IMAGES };

enum filling { RANDOM, FEW_VALUES, NEAR_VALUES, HOSTILE, EQUAL, FILLINGS };

static float filled(enum filling filling, struct random *random)
{
    static const float hostile[] = {NAN,   -NAN,   INFINITY, -INFINITY, 0.0f,
                                    -0.0f, 1e-45f, -1e-45f,  1,         -1};
    const float near =
        0.5f + (float)random_below(random, 200) * 6e-8f; /* units of the last place */
    switch (filling) {
    case RANDOM:
        return (float)random_uniform(random) * 20 - 10;
    case FEW_VALUES:
        return (float)random_below(random, 3) - 1;
    case NEAR_VALUES:
        return near;
    case HOSTILE:
        return hostile[random_below(random, sizeof hostile / sizeof hostile[0])];
    default:
        return 0.25f;
    }
}

static struct level_layout layout_of(const int64_t counts[LEVELS])
{
    struct level_layout layout = {.levels = LEVELS};
    for (int level = 0; level < LEVELS; level++) {
        layout.first[level] = layout.total;
        layout.count[level] = counts[level];
        layout.total += counts[level];
    }
    return layout;
}

/* ---- topk --------------------------------------------------------------------------------- */

struct topk_case {
    struct list_case list;
    struct level_layout layout;
    struct tensor values, index, value, count;
    struct launch_topk topk;
    void *scratch;
};

static void topk_open(struct topk_case *c, const int64_t counts[LEVELS], int64_t k,
                      enum filling filling)
{
    struct random random = {.seed = (uint64_t)k, .stream = RANDOM_TEST};
    struct lab *lab = &c->list.lab;
    list_case_open(&c->list);
    c->layout = layout_of(counts);
    c->values = lab_f32(lab, SHAPE(IMAGES * c->layout.total), NULL);
    for (int64_t i = 0; i < IMAGES * c->layout.total; i++)
        ((float *)c->values.data)[i] = filled(filling, &random);
    c->index = lab_i32(lab, SHAPE(SEGMENTS, k), NULL);
    c->value = lab_f32(lab, SHAPE(SEGMENTS, k), NULL);
    c->count = lab_i32(lab, SHAPE(SEGMENTS), NULL);
    c->topk = (struct launch_topk){.index = list_case_output(&c->list, &c->index),
                                   .value = list_case_output(&c->list, &c->value),
                                   .count = list_case_output(&c->list, &c->count),
                                   .values = list_case_input(&c->list, &c->values),
                                   .images = IMAGES,
                                   .k = k,
                                   .levels = LEVELS};
    memcpy(c->topk.first, c->layout.first, sizeof c->topk.first);
    memcpy(c->topk.level_count, c->layout.count, sizeof c->topk.level_count);
    c->scratch = list_case_scratch(&c->list, launch_topk_scratch(&c->topk));
}

static void topk_check(struct topk_case *c)
{
    LAB_OK(op_topk(c->list.lab.stream, &c->index, &c->value, &c->count, &c->values, &c->layout));
    check_cuda(launch_topk(&c->topk, c->scratch, c->list.stream));
    list_case_equal(&c->list, "count", &c->count, c->topk.count);
    list_case_equal(&c->list, "index", &c->index, c->topk.index);
    list_case_equal(&c->list, "value", &c->value, c->topk.value);
}

/* k of 0 and 1, more than a segment has, the widths of warps and blocks, what fits shared memory and
 * what does not. */
static const int64_t some_k[] = {0, 1, 31, 100, 1000, 2000, 2048, 2049, 5000};
enum { SOME_K = sizeof some_k / sizeof some_k[0] };

START_TEST(the_largest_are_the_twins)
{
    const int64_t counts[LEVELS] = {4500, 1030, 7};
    struct topk_case c;
    if (no_device())
        SKIP("no device");
    topk_open(&c, counts, some_k[_i / FILLINGS], (enum filling)(_i % FILLINGS));
    topk_check(&c);
    list_case_close(&c.list);
}
END_TEST

START_TEST(levels_may_be_empty)
{
    const int64_t counts[LEVELS] = {0, 5, 0};
    struct topk_case c;
    if (no_device())
        SKIP("no device");
    topk_open(&c, counts, 3, HOSTILE);
    topk_check(&c);
    list_case_close(&c.list);
}
END_TEST

/* The finest level of 800 x 1344, values a few units of the last place apart. */
START_TEST(two_hundred_thousand_values)
{
    const int64_t counts[LEVELS] = {201600, 50400, 1};
    struct topk_case c;
    if (no_device())
        SKIP("no device");
    topk_open(&c, counts, 1000, NEAR_VALUES);
    topk_check(&c);
    list_case_close(&c.list);
}
END_TEST

START_TEST(the_order_of_threads_does_not_matter)
{
    const int64_t counts[LEVELS] = {3000, 2000, 700};
    struct topk_case c;
    if (no_device())
        SKIP("no device");
    topk_open(&c, counts, 600, NEAR_VALUES);
    for (int seed = 0; seed < 4; seed++) {
        list_case_reorder(seed * 13);
        topk_check(&c);
    }
    list_case_close(&c.list);
}
END_TEST

/* ---- anchors and boxes -------------------------------------------------------------------- */

static void fill_level(struct anchor_params *params, int level)
{
    *params = (struct anchor_params){.cell_count = 3,
                                     .height = (41 >> level) + 1,
                                     .width = (57 >> level) + 1,
                                     .stride = (float)(4 << level),
                                     .offset = level == 1 ? 0.5f : 0};
    for (int a = 0; a < 3; a++) {
        const float side = (float)(16 << level) * (0.7f + 0.31f * (float)a);
        memcpy(params->cells[a], (float[]){-side / 2, -side / 3, side / 2, side / 3},
               sizeof params->cells[a]);
    }
}

static struct launch_anchor_level launch_level(const struct anchor_params *params, int64_t first,
                                               int64_t count)
{
    struct launch_anchor_level level = {.first = first,
                                        .count = count,
                                        .cell_count = params->cell_count,
                                        .height = params->height,
                                        .width = params->width,
                                        .stride = params->stride,
                                        .offset = params->offset};
    memcpy(level.cells, params->cells, sizeof level.cells);
    return level;
}

START_TEST(anchors_are_the_twins)
{
    struct anchor_params params;
    struct list_case c;
    if (no_device())
        SKIP("no device");
    fill_level(&params, _i);
    list_case_open(&c);
    const int64_t count = 3 * (int64_t)params.height * params.width;
    struct tensor anchors = lab_f32(&c.lab, SHAPE(count, 4), NULL);
    float *out = list_case_output(&c, &anchors);
    const struct launch_anchor_level level = launch_level(&params, 0, count);
    LAB_OK(op_anchors(c.lab.stream, &anchors, &params));
    check_cuda(launch_anchors(out, &level, c.stream));
    list_case_equal(&c, "anchors", &anchors, out);
    list_case_close(&c);
}
END_TEST

struct decode_case {
    struct list_case list;
    struct anchor_params anchors[LEVELS];
    struct level_layout layout;
    struct tensor deltas, index, value, index_count, sizes, boxes, scores, counts;
    struct launch_rpn_decode decode;
};

enum { DECODE_K = 700, DECODE_CAPACITY = 720 };

/* Indices and values at random; some values are no numbers; one segment has more than all. */
static void fill_candidates(struct decode_case *c, struct random *random)
{
    int32_t *index = c->index.data, *count = c->index_count.data;
    float *value = c->value.data;
    for (int64_t i = 0; i < SEGMENTS * DECODE_K; i++) {
        index[i] = (int32_t)random_below(random, (uint64_t)c->layout.count[i / DECODE_K / IMAGES]);
        value[i] = i % 37 == 5 ? INFINITY : i % 41 == 3 ? NAN : (float)random_uniform(random);
    }
    for (int i = 0; i < SEGMENTS; i++)
        count[i] = i == 1 ? 0 : i == 2 ? DECODE_K + 9 : i == 3 ? -4 : DECODE_K - 50 * i;
}

/* Moves; with `scaled` sizes change, too. A few are absurd. */
static void fill_deltas(struct decode_case *c, bool scaled, struct random *random)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    float *deltas = c->deltas.data;
    for (int64_t i = 0; i < 4 * IMAGES * c->layout.total; i++) {
        const bool size = i % 4 >= 2;
        deltas[i] = size && !scaled ? 0 : (float)random_uniform(random) * 12 - 6;
        if (random_below(random, 60) == 0)
            deltas[i] = odd[size && !scaled ? 0 : random_below(random, sizeof odd / sizeof odd[0])];
    }
}

static void decode_open(struct decode_case *c, bool scaled)
{
    struct random random = {.seed = scaled, .stream = RANDOM_TEST};
    const int32_t sizes[IMAGES][2] = {{160, 220}, {97, 131}};
    struct lab *lab = &c->list.lab;
    int64_t counts[LEVELS];
    list_case_open(&c->list);
    for (int level = 0; level < LEVELS; level++) {
        fill_level(&c->anchors[level], level);
        counts[level] = 3 * (int64_t)c->anchors[level].height * c->anchors[level].width;
    }
    c->layout = layout_of(counts);
    c->deltas = lab_f32(lab, SHAPE(IMAGES * c->layout.total, 4), NULL);
    c->index = lab_i32(lab, SHAPE(SEGMENTS, DECODE_K), NULL);
    c->value = lab_f32(lab, SHAPE(SEGMENTS, DECODE_K), NULL);
    c->index_count = lab_i32(lab, SHAPE(SEGMENTS), NULL);
    c->sizes = lab_i32(lab, SHAPE(IMAGES, 2), sizes[0]);
    c->boxes = lab_f32(lab, SHAPE(SEGMENTS, DECODE_CAPACITY, 4), NULL);
    c->scores = lab_f32(lab, SHAPE(SEGMENTS, DECODE_CAPACITY), NULL);
    c->counts = lab_i32(lab, SHAPE(SEGMENTS), NULL);
    fill_candidates(c, &random);
    fill_deltas(c, scaled, &random);
    c->decode =
        (struct launch_rpn_decode){.boxes = list_case_output(&c->list, &c->boxes),
                                   .scores = list_case_output(&c->list, &c->scores),
                                   .counts = list_case_output(&c->list, &c->counts),
                                   .deltas = list_case_input(&c->list, &c->deltas),
                                   .index = list_case_input(&c->list, &c->index),
                                   .value = list_case_input(&c->list, &c->value),
                                   .index_count = list_case_input(&c->list, &c->index_count),
                                   .image_sizes = list_case_input(&c->list, &c->sizes),
                                   .images = IMAGES,
                                   .capacity = DECODE_CAPACITY,
                                   .k = DECODE_K,
                                   .levels = LEVELS,
                                   .weights = {1, 1, 1, 1},
                                   .min_size = 3};
    for (int level = 0; level < LEVELS; level++)
        c->decode.level[level] =
            launch_level(&c->anchors[level], c->layout.first[level], c->layout.count[level]);
}

/* _i 0: boxes are moved only, for which no exponential but that of 0 is asked: all bits are the
 * twin's. 1: sizes change. A device's expf is within 2 units of the last place, and sides are below
 * 2^13 before they are clipped, where 2 units are 2^-10. */
START_TEST(boxes_are_the_twins)
{
    struct decode_case c;
    if (no_device())
        SKIP("no device");
    decode_open(&c, _i == 1);
    const struct decode_inputs in = {&c.deltas, &c.index,  &c.value, &c.index_count,
                                     &c.sizes,  &c.layout, c.anchors};
    const struct decode_params params = {{1, 1, 1, 1}, 3};
    LAB_OK(op_rpn_decode(c.list.lab.stream, &c.boxes, &c.scores, &c.counts, &in, &params));
    for (int seed = 0; seed < 3; seed++) {
        list_case_reorder(seed * 7);
        check_cuda(launch_rpn_decode(&c.decode, c.list.stream));
        list_case_equal(&c.list, "counts", &c.counts, c.decode.counts);
        list_case_equal(&c.list, "scores", &c.scores, c.decode.scores);
        if (_i == 0)
            list_case_equal(&c.list, "boxes", &c.boxes, c.decode.boxes);
        else
            list_case_close_to(&c.list, "boxes", &c.boxes, c.decode.boxes, 1.0 / 1024);
    }
    const int32_t *counts = c.counts.data;
    ck_assert_int_gt(counts[0], DECODE_K / 4); /* some survive */
    ck_assert_int_lt(counts[0], DECODE_K);     /* and some do not */
    list_case_close(&c.list);
}
END_TEST

SUITE("kernels/topk", LOOP(the_largest_are_the_twins, 0, SOME_K *FILLINGS),
      TEST(levels_may_be_empty), TEST(two_hundred_thousand_values),
      TEST(the_order_of_threads_does_not_matter), LOOP(anchors_are_the_twins, 0, LEVELS),
      LOOP(boxes_are_the_twins, 0, 2))
