/* test_targets.c - matching, lists with truths behind them, the box head's rows: the twins' bits. */
#include "suite.h"
#include "tests/kernels/list_case.h"

enum { IMAGES = 3 };

/* ---- match -------------------------------------------------------------------------------- */

enum filling { ANYWHERE, ON_A_GRID, HOSTILE, FILLINGS };

/* On a grid many boxes are the same and overlap a truth alike; hostile ones are inverted, empty,
 * infinite or no numbers. */
static void fill_boxes(float *boxes, int64_t count, enum filling filling, struct random *random)
{
    static const float hostile[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0, -0.0f, 3e-39f};
    for (int64_t i = 0; i < count; i++)
        for (int d = 0; d < 4; d++) {
            float value = (float)random_uniform(random) * 50 + (d >= 2 ? 20 : 0);
            if (filling == ON_A_GRID)
                value = 10 * (float)random_below(random, 4) + (d >= 2 ? 20 : 0);
            if (filling == HOSTILE && random_below(random, 6) == 0)
                value = hostile[random_below(random, sizeof hostile / sizeof hostile[0])];
            boxes[4 * i + d] = value;
        }
}

struct match_case {
    struct list_case list;
    struct tensor boxes, counts, gt, gt_counts, match, label;
    struct match_params params;
    struct launch_match launch;
    void *scratch;
};

static void match_open(struct match_case *c, int64_t m, int64_t g, enum filling filling,
                       int variant)
{
    struct random random = {.seed = (uint64_t)(1000 * m + 10 * g + variant), .stream = RANDOM_TEST};
    const bool shared = variant % 2;
    list_case_open(&c->list);
    struct lab *lab = &c->list.lab;
    c->boxes = lab_f32(lab, shared ? SHAPE(m, 4) : SHAPE(IMAGES, m, 4), NULL);
    c->gt = lab_f32(lab, SHAPE(IMAGES, g, 4), NULL);
    fill_boxes(c->boxes.data, tensor_count(&c->boxes) / 4, filling, &random);
    fill_boxes(c->gt.data, IMAGES * g, filling, &random);
    /* Fewer than there is room for, none, and a count that lies. */
    c->counts = lab_i32(lab, SHAPE(IMAGES), (int32_t[]){(int32_t)m / 2, (int32_t)m, -3});
    c->gt_counts = lab_i32(lab, SHAPE(IMAGES), (int32_t[]){(int32_t)g + 9, (int32_t)g / 2, 0});
    if (variant % 4 >= 2)
        memcpy(c->gt_counts.data, (int32_t[]){0, (int32_t)g, (int32_t)g}, IMAGES * 4);
    c->match = lab_i32(lab, SHAPE(IMAGES, m), NULL);
    c->label = lab_i32(lab, SHAPE(IMAGES, m), NULL);
    c->params =
        (struct match_params){0.3f, variant % 3 ? 0.7f : 0.3f, variant % 5 != 4, variant % 5 < 2};
    c->launch = (struct launch_match){.match = list_case_output(&c->list, &c->match),
                                      .label = list_case_output(&c->list, &c->label),
                                      .boxes = list_case_input(&c->list, &c->boxes),
                                      .counts = list_case_input(&c->list, &c->counts),
                                      .gt = list_case_input(&c->list, &c->gt),
                                      .gt_counts = list_case_input(&c->list, &c->gt_counts),
                                      .images = IMAGES,
                                      .capacity = m,
                                      .gt_capacity = g,
                                      .low = c->params.low,
                                      .high = c->params.high,
                                      .shared_boxes = shared,
                                      .low_quality = c->params.low_quality,
                                      .zero_iou_matches = c->params.zero_iou_matches};
    c->scratch = list_case_scratch(&c->list, launch_match_scratch(&c->launch));
}

static void match_check(struct match_case *c, bool counted)
{
    if (!counted)
        c->launch.counts = NULL;
    LAB_OK(op_match(c->list.lab.stream, &c->match, &c->label, &c->boxes,
                    counted ? &c->counts : NULL, &c->gt, &c->gt_counts, &c->params));
    check_cuda(launch_match(&c->launch, c->scratch, c->list.stream));
    list_case_equal(&c->list, "match", &c->match, c->launch.match);
    list_case_equal(&c->list, "label", &c->label, c->launch.label);
}

/* Boxes around a block's width, truths around a tile's. */
static const int64_t sizes[][2] = {{0, 3},     {1, 1},     {31, 0},    {255, 7}, {256, 2},
                                   {257, 127}, {600, 128}, {300, 129}, {70, 300}};
enum { SIZES = sizeof sizes / sizeof sizes[0], VARIANTS = 10 };

START_TEST(match_is_the_twins)
{
    if (no_device())
        SKIP("no device");
    for (int filling = 0; filling < FILLINGS; filling++)
        for (int variant = 0; variant < VARIANTS; variant++) {
            struct match_case c;
            match_open(&c, sizes[_i][0], sizes[_i][1], (enum filling)filling, variant);
            match_check(&c, variant % 4 == 0 || variant == 6);
            list_case_close(&c.list);
        }
}
END_TEST

/* All boxes that overlap a truth best are its own, however many blocks they lie in. */
START_TEST(all_ties_are_low_quality_matches)
{
    struct match_case c;
    int ones = 0;
    if (no_device())
        SKIP("no device");
    match_open(&c, 800, 1, ON_A_GRID, 1);
    match_check(&c, false);
    for (int64_t i = 0; i < 800; i++)
        ones += ((const int32_t *)c.label.data)[i] == 1;
    ck_assert_int_gt(ones, 8);
    list_case_close(&c.list);
}
END_TEST

START_TEST(the_order_of_threads_changes_no_match)
{
    if (no_device())
        SKIP("no device");
    for (int seed = 1; seed <= 3; seed++) {
        struct match_case c;
        list_case_reorder(seed);
        match_open(&c, 700, 140, ON_A_GRID, 0);
        match_check(&c, true);
        list_case_close(&c.list);
    }
}
END_TEST

/* ---- lists -------------------------------------------------------------------------------- */

START_TEST(append_puts_truths_behind_proposals)
{
    static const int64_t rooms[][2] = {{0, 0}, {0, 3}, {5, 0}, {250, 6}, {256, 1}, {300, 260}};
    if (no_device())
        SKIP("no device");
    const int64_t p = rooms[_i][0], g = rooms[_i][1];
    struct random random = {.seed = (uint64_t)_i, .stream = RANDOM_TEST};
    struct list_case list;
    list_case_open(&list);
    struct lab *lab = &list.lab;
    struct tensor a = lab_boxes(lab, &random, SHAPE(IMAGES, p, 4), 60),
                  b = lab_boxes(lab, &random, SHAPE(IMAGES, g, 4), 60);
    struct tensor a_counts =
        lab_i32(lab, SHAPE(IMAGES), (int32_t[]){(int32_t)p, (int32_t)p / 2, (int32_t)p + 4});
    struct tensor b_counts =
        lab_i32(lab, SHAPE(IMAGES), (int32_t[]){(int32_t)g / 2, -1, (int32_t)g + 4});
    struct tensor out = lab_f32(lab, SHAPE(IMAGES, p + g, 4), NULL),
                  counts = lab_i32(lab, SHAPE(IMAGES), NULL);
    const struct launch_append append = {.out = list_case_output(&list, &out),
                                         .out_counts = list_case_output(&list, &counts),
                                         .a = list_case_input(&list, &a),
                                         .b = list_case_input(&list, &b),
                                         .a_counts = list_case_input(&list, &a_counts),
                                         .b_counts = list_case_input(&list, &b_counts),
                                         .images = IMAGES,
                                         .a_capacity = p,
                                         .b_capacity = g};
    LAB_OK(op_append_boxes(lab->stream, &out, &counts, &a, &a_counts, &b, &b_counts));
    check_cuda(launch_append_boxes(&append, list.stream));
    list_case_equal(&list, "boxes", &out, append.out);
    list_case_equal(&list, "counts", &counts, append.out_counts);
    list_case_close(&list);
}
END_TEST

/* boxes and samples an image, truths an image */
static void check_roi_targets(int64_t q, int64_t b, int64_t g, int32_t truths)
{
    struct random random = {.seed = (uint64_t)(q + b), .stream = RANDOM_TEST};
    const int32_t half = (int32_t)b / 2, all = (int32_t)b;
    struct list_case list;
    list_case_open(&list);
    struct lab *lab = &list.lab;
    struct tensor boxes = lab_boxes(lab, &random, SHAPE(IMAGES, q, 4), 60),
                  gt = lab_boxes(lab, &random, SHAPE(IMAGES, g, 4), 60);
    struct tensor index = lab_integers(lab, &random, SHAPE(IMAGES, b), 0, (int)q - 1),
                  match = lab_integers(lab, &random, SHAPE(IMAGES, q), 0, g > 0 ? (int)g - 1 : 0);
    struct tensor sampled =
        lab_i32(lab, SHAPE(IMAGES, 2), (int32_t[]){half / 2, half, 0, all, all + 5, all + 5});
    struct tensor gt_classes = lab_integers(lab, &random, SHAPE(IMAGES, g), 0, 79),
                  gt_counts = lab_i32(lab, SHAPE(IMAGES), (int32_t[]){truths, (int32_t)g, truths});
    struct tensor rois = lab_f32(lab, SHAPE(IMAGES * b, 5), NULL),
                  targets = lab_f32(lab, SHAPE(IMAGES * b, 4), NULL);
    struct tensor classes = lab_i32(lab, SHAPE(IMAGES * b), NULL),
                  rows = lab_i32(lab, SHAPE(1), NULL);
    const struct roi_target_inputs in = {&boxes, &index,      &sampled,   &match,
                                         &gt,    &gt_classes, &gt_counts, 80};
    const struct launch_roi_targets launch = {.rois = list_case_output(&list, &rois),
                                              .targets = list_case_output(&list, &targets),
                                              .classes = list_case_output(&list, &classes),
                                              .rows = list_case_output(&list, &rows),
                                              .boxes = list_case_input(&list, &boxes),
                                              .gt = list_case_input(&list, &gt),
                                              .index = list_case_input(&list, &index),
                                              .index_counts = list_case_input(&list, &sampled),
                                              .match = list_case_input(&list, &match),
                                              .gt_classes = list_case_input(&list, &gt_classes),
                                              .gt_counts = list_case_input(&list, &gt_counts),
                                              .images = IMAGES,
                                              .capacity = q,
                                              .gt_capacity = g,
                                              .sampled = b,
                                              .num_classes = 80};
    LAB_OK(op_roi_targets(lab->stream, &rois, &classes, &targets, &rows, &in));
    check_cuda(launch_roi_targets(&launch, list.stream));
    list_case_equal(&list, "rois", &rois, launch.rois);
    list_case_equal(&list, "classes", &classes, launch.classes);
    list_case_equal(&list, "targets", &targets, launch.targets);
    list_case_equal(&list, "rows", &rows, launch.rows);
    list_case_close(&list);
}

START_TEST(rows_of_the_box_head)
{
    if (no_device())
        SKIP("no device");
    check_roi_targets(20, 0, 3, 3);
    check_roi_targets(1, 1, 1, 1);
    check_roi_targets(500, 300, 5, 5);
    check_roi_targets(40, 64, 2, 0); /* images without truths */
    check_roi_targets(40, 64, 0, 0);
}
END_TEST

SUITE("kernels/targets", LOOP(match_is_the_twins, 0, SIZES), TEST(all_ties_are_low_quality_matches),
      TEST(the_order_of_threads_changes_no_match), LOOP(append_puts_truths_behind_proposals, 0, 6),
      TEST(rows_of_the_box_head))
