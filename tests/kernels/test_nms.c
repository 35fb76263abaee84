/* test_nms.c - suppression and the merge of levels: exactly what the twins in ref decide. */
#include "suite.h"
#include "tests/kernels/list_case.h"

struct nms_case {
    struct list_case list;
    struct tensor boxes, counts, keep, keep_count;
    struct launch_nms nms;
};

/* counts NULL: full segments. */
static void nms_open(struct nms_case *c, int64_t segments, int64_t capacity, const float *boxes,
                     const int32_t *counts)
{
    int32_t *full = malloc((size_t)segments * sizeof *full);
    ck_assert_ptr_nonnull(full);
    for (int64_t i = 0; i < segments; i++)
        full[i] = counts ? counts[i] : (int32_t)capacity;
    list_case_open(&c->list);
    c->boxes = lab_f32(&c->list.lab, SHAPE(segments, capacity, 4), boxes);
    c->counts = lab_i32(&c->list.lab, SHAPE(segments), full);
    c->keep = lab_i32(&c->list.lab, SHAPE(segments, capacity), NULL);
    c->keep_count = lab_i32(&c->list.lab, SHAPE(segments), NULL);
    c->nms = (struct launch_nms){.keep = list_case_output(&c->list, &c->keep),
                                 .keep_count = list_case_output(&c->list, &c->keep_count),
                                 .boxes = list_case_input(&c->list, &c->boxes),
                                 .counts = list_case_input(&c->list, &c->counts),
                                 .segments = segments,
                                 .capacity = capacity};
    free(full);
}

/* Returns how many the first segment keeps. */
static int32_t nms_check(struct nms_case *c, float threshold, int max_keep)
{
    c->nms.threshold = threshold;
    c->nms.max_keep = max_keep;
    LAB_OK(op_nms(c->list.lab.stream, &c->keep, &c->keep_count, &c->boxes, &c->counts, threshold,
                  max_keep));
    check_cuda(launch_nms(&c->nms, c->list.stream));
    list_case_equal(&c->list, "keep_count", &c->keep_count, c->nms.keep_count);
    list_case_equal(&c->list, "keep", &c->keep, c->nms.keep);
    return *(const int32_t *)c->keep_count.data;
}

static float *random_boxes_new(int64_t count, float extent, uint64_t seed)
{
    struct random random = {.seed = seed, .stream = RANDOM_TEST};
    float *boxes = malloc((size_t)(4 * count) * sizeof *boxes + 1);
    ck_assert_ptr_nonnull(boxes);
    for (float *box = boxes; box < boxes + 4 * count; box += 4) {
        box[0] = (float)random_uniform(&random) * extent;
        box[1] = (float)random_uniform(&random) * extent;
        box[2] = box[0] + (float)random_uniform(&random) * 100 + 1;
        box[3] = box[1] + (float)random_uniform(&random) * 100 + 1;
    }
    return boxes;
}

/* Around the sizes of words, rounds and blocks. */
static const int64_t capacities[] = {0,  1,   2,   31,  32,  33,  63,  64,
                                     65, 127, 128, 129, 511, 577, 1000};
enum { CAPACITIES = sizeof capacities / sizeof capacities[0] };

START_TEST(random_boxes_are_kept_as_the_twin_does)
{
    const int64_t capacity = capacities[_i];
    const int32_t counts[4] = {(int32_t)capacity, (int32_t)(capacity / 2), 0,
                               (int32_t)capacity + 5};
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    float *boxes = random_boxes_new(4 * capacity, 300, (uint64_t)_i);
    nms_open(&c, 4, capacity, boxes, counts);
    nms_check(&c, 0.7f, (int)capacity);
    nms_check(&c, 0.3f, (int)capacity);
    nms_check(&c, 0.7f, (int)capacity / 3);
    nms_check(&c, 0.0f, 1);
    nms_check(&c, 0.5f, 0);
    free(boxes);
    list_case_close(&c.list);
}
END_TEST

START_TEST(five_thousand_boxes)
{
    enum { CAPACITY = 5000 };
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    float *boxes = random_boxes_new(2 * CAPACITY, 1300, 7);
    nms_open(&c, 2, CAPACITY, boxes, NULL);
    ck_assert_int_gt(nms_check(&c, 0.5f, CAPACITY), 1000);
    ck_assert_int_eq(nms_check(&c, 0.7f, 1000), 1000); /* stops early */
    free(boxes);
    list_case_close(&c.list);
}
END_TEST

START_TEST(one_of_identical_boxes_is_kept)
{
    float boxes[300][4];
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    for (int i = 0; i < 300; i++)
        memcpy(boxes[i], (float[]){3, 4, 50, 60}, sizeof boxes[i]);
    nms_open(&c, 1, 300, boxes[0], NULL);
    ck_assert_int_eq(nms_check(&c, 0.7f, 300), 1);
    ck_assert_int_eq(nms_check(&c, 1.0f, 300), 300); /* an IoU of 1 is not above 1 */
    list_case_close(&c.list);
}
END_TEST

/* Two squares of side 2 that share half have an IoU of exactly 1/3 in float. */
START_TEST(an_overlap_of_exactly_the_threshold_is_kept)
{
    const float boxes[2][4] = {{0, 0, 2, 2}, {1, 0, 3, 2}};
    const float third = 2.0f / 6.0f;
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    nms_open(&c, 1, 2, boxes[0], NULL);
    ck_assert_int_eq(nms_check(&c, third, 2), 2);
    ck_assert_int_eq(nms_check(&c, nextafterf(third, 0), 2), 1);
    ck_assert_int_eq(nms_check(&c, nextafterf(third, 1), 2), 2);
    list_case_close(&c.list);
}
END_TEST

START_TEST(hostile_boxes_are_kept_as_the_twin_does)
{
    static const float odd[][4] = {{5, 5, 5, 5},           {5, 5, 5, 9},
                                   {9, 9, 3, 3},           {NAN, 1, 20, 20},
                                   {1, 1, NAN, NAN},       {-INFINITY, 0, INFINITY, 9},
                                   {0, 0, INFINITY, 9},    {-1e30f, -1e30f, 1e30f, 1e30f},
                                   {0, 0, 1e-30f, 1e-30f}, {0, 0, 100, 100}};
    enum { ODD = sizeof odd / sizeof odd[0], COUNT = 200 };
    struct random random = {.seed = 11, .stream = RANDOM_TEST};
    float boxes[COUNT][4];
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    for (int i = 0; i < COUNT; i++)
        memcpy(boxes[i], odd[random_below(&random, ODD)], sizeof boxes[i]);
    nms_open(&c, 1, COUNT, boxes[0], NULL);
    nms_check(&c, 0.5f, COUNT);
    nms_check(&c, 0.0f, COUNT);
    nms_check(&c, -1.0f, COUNT);
    list_case_close(&c.list);
}
END_TEST

START_TEST(the_order_of_threads_does_not_matter)
{
    struct nms_case c;
    if (no_device())
        SKIP("no device");
    float *boxes = random_boxes_new(700, 200, 5);
    nms_open(&c, 1, 700, boxes, NULL);
    for (int seed = 0; seed < 5; seed++) {
        list_case_reorder(seed * 13);
        nms_check(&c, 0.5f, 700);
    }
    free(boxes);
    list_case_close(&c.list);
}
END_TEST

/* ---- merge -------------------------------------------------------------------------------- */

struct merge_case {
    int levels;
    int64_t images, capacity, post;
    int steps; /* different scores there are: few make ties */
};

static const struct merge_case merges[] = {{5, 2, 40, 50, 1000000}, {5, 1, 300, 1000, 1000000},
                                           {5, 3, 64, 100, 4},      {1, 2, 10, 4, 3},
                                           {3, 2, 33, 7, 1},        {2, 1, 1, 1, 1},
                                           {4, 1, 0, 5, 1},         {2, 2, 20, 0, 5}};
enum { MERGES = sizeof merges / sizeof merges[0] };

/* Scores that descend in each segment, of which every second or third is kept. */
static void fill_segments(const struct merge_case *m, struct tensor *scores, struct tensor *keep,
                          struct tensor *keep_count, struct random *random)
{
    float *score = scores->data;
    int32_t *kept = keep->data, *count = keep_count->data;
    for (int64_t segment = 0; segment < m->levels * m->images; segment++) {
        int step = m->steps;
        for (int64_t i = 0; i < m->capacity; i++) {
            step -= (int)random_below(random, (uint64_t)(m->steps / 20 + 2));
            score[segment * m->capacity + i] = (float)(step < -m->steps ? -m->steps : step);
        }
        count[segment] = 0;
        for (int64_t i = 0; i < m->capacity && segment % 4 != 3; i++)
            if (random_below(random, 3))
                kept[segment * m->capacity + count[segment]++] = (int32_t)i;
    }
}

START_TEST(the_best_of_all_levels_are_the_twins)
{
    const struct merge_case *m = &merges[_i];
    const int64_t segments = m->levels * m->images;
    struct random random = {.seed = (uint64_t)_i, .stream = RANDOM_TEST};
    struct list_case c;
    if (no_device())
        SKIP("no device");
    list_case_open(&c);
    float *numbers = random_boxes_new(segments * m->capacity, 500, (uint64_t)_i);
    struct tensor from = lab_f32(&c.lab, SHAPE(segments, m->capacity, 4), numbers);
    struct tensor from_scores = lab_f32(&c.lab, SHAPE(segments, m->capacity), NULL);
    struct tensor keep = lab_i32(&c.lab, SHAPE(segments, m->capacity), NULL);
    struct tensor keep_count = lab_i32(&c.lab, SHAPE(segments), NULL);
    struct tensor boxes = lab_f32(&c.lab, SHAPE(m->images, m->post, 4), NULL);
    struct tensor scores = lab_f32(&c.lab, SHAPE(m->images, m->post), NULL);
    struct tensor counts = lab_i32(&c.lab, SHAPE(m->images), NULL);
    fill_segments(m, &from_scores, &keep, &keep_count, &random);
    const struct merge_inputs in = {&from, &from_scores, &keep, &keep_count, m->levels};
    LAB_OK(op_merge_proposals(c.lab.stream, &boxes, &scores, &counts, &in));
    const struct launch_merge merge = {.boxes = list_case_output(&c, &boxes),
                                       .scores = list_case_output(&c, &scores),
                                       .counts = list_case_output(&c, &counts),
                                       .from_boxes = list_case_input(&c, &from),
                                       .from_scores = list_case_input(&c, &from_scores),
                                       .keep = list_case_input(&c, &keep),
                                       .keep_count = list_case_input(&c, &keep_count),
                                       .images = m->images,
                                       .capacity = m->capacity,
                                       .post = m->post,
                                       .levels = m->levels};
    check_cuda(launch_merge_proposals(&merge, c.stream));
    list_case_equal(&c, "counts", &counts, merge.counts);
    list_case_equal(&c, "scores", &scores, merge.scores);
    list_case_equal(&c, "boxes", &boxes, merge.boxes);
    free(numbers);
    list_case_close(&c);
}
END_TEST

SUITE("kernels/nms", LOOP(random_boxes_are_kept_as_the_twin_does, 0, CAPACITIES),
      TEST(five_thousand_boxes), TEST(one_of_identical_boxes_is_kept),
      TEST(an_overlap_of_exactly_the_threshold_is_kept),
      TEST(hostile_boxes_are_kept_as_the_twin_does), TEST(the_order_of_threads_does_not_matter),
      LOOP(the_best_of_all_levels_are_the_twins, 0, MERGES))
