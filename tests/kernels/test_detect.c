/* test_detect.c - detections from probabilities and deltas: what the twin in ref decides. */
#include "suite.h"
#include "tests/kernels/list_case.h"

struct detect_shape {
    int64_t images, capacity, detections;
    int32_t rows;
    int classes;
    bool agnostic;
    float score_threshold, nms_threshold;
    int scores; /* different probabilities there are: few make ties */
};

/* One class and many; thresholds that nothing and everything passes; more candidates of a class than
 * a block's memory holds, on which the slow path decides; counts of zero, below and beyond. */
static const struct detect_shape shapes[] = {
    {2, 60, 20, 60, 3, false, 0.2f, 0.5f, 1000000},
    {2, 60, 20, 41, 3, true, 0.2f, 0.5f, 4},
    {1, 200, 100, 200, 80, false, 0.05f, 0.5f, 1000000},
    {3, 90, 10, 95, 2, false, -1.0f, 0.3f, 5},
    {2, 50, 7, 0, 4, false, 0.1f, 0.5f, 100},
    {2, 50, 7, -3, 4, false, 0.1f, 0.5f, 100},
    {2, 50, 7, 50, 4, false, 1.0f, 0.5f, 100},
    {1, 1100, 100, 1100, 2, false, 0.0f, 0.5f, 50},
    {1, 1400, 900, 1400, 1, true, -1.0f, 0.9f, 1000},
    {1, 1024, 1024, 1024, 1, true, -1.0f, 0.9f, 9},
    {2, 40, 0, 40, 3, false, 0.1f, 0.5f, 100},
    {2, 60, 200, 60, 3, false, 0.25f, 0.5f, 4}, /* scores that are the threshold */
    {2, 0, 5, 0, 3, false, 0.1f, 0.5f, 100}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

struct detect_case {
    struct list_case list;
    struct tensor probabilities, deltas, rois, rows, sizes, boxes, scores, classes, counts;
    struct launch_detect detect;
    void *scratch;
};

/* Rois of every image among each other; some of none. */
static void fill_rois(const struct detect_case *c, const struct detect_shape *s,
                      struct random *random)
{
    static const float nobody[] = {-1, 0.5f, 7, NAN, INFINITY};
    float *roi = c->rois.data;
    for (int64_t i = 0; i < s->capacity; i++, roi += 5) {
        roi[0] = random_below(random, 30) ? (float)random_below(random, (uint64_t)s->images)
                                          : nobody[random_below(random, 5)];
        roi[1] = (float)random_uniform(random) * 300;
        roi[2] = (float)random_uniform(random) * 200;
        roi[3] = roi[1] + (float)random_uniform(random) * 150 + 1;
        roi[4] = roi[2] + (float)random_uniform(random) * 150 + 1;
    }
}

/* `hostile`: about one row in twenty has a number that is none. With `scaled` sizes change. */
static void fill_numbers(const struct detect_case *c, const struct detect_shape *s, bool hostile,
                         bool scaled, struct random *random)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    const int64_t numbers = tensor_count(&c->probabilities), deltas = tensor_count(&c->deltas);
    float *probability = c->probabilities.data, *delta = c->deltas.data;
    for (int64_t i = 0; i < numbers; i++)
        probability[i] = (float)random_below(random, (uint64_t)s->scores) / (float)s->scores;
    for (int64_t i = 0; i < deltas; i++)
        delta[i] = i % 4 >= 2 && !scaled ? 0 : (float)random_uniform(random) * 2 - 1;
    for (int64_t i = 0; hostile && i < s->capacity; i++) {
        const float value = odd[random_below(random, 3)];
        if (random_below(random, 40) == 0)
            probability[i * (numbers / s->capacity) + (i % (s->classes + 1))] = value;
        if (random_below(random, 40) == 0)
            delta[i * (deltas / s->capacity)] = value;
    }
}

static void detect_open(struct detect_case *c, const struct detect_shape *s, bool hostile,
                        bool scaled)
{
    struct random random = {.seed = (uint64_t)(s - shapes), .stream = RANDOM_TEST};
    const int32_t sizes[3][2] = {{200, 300}, {333, 123}, {40, 500}};
    struct lab *lab = &c->list.lab;
    list_case_open(&c->list);
    c->probabilities = lab_f32(lab, SHAPE(s->capacity, s->classes + 1), NULL);
    c->deltas = lab_f32(lab, SHAPE(s->capacity, s->agnostic ? 4 : 4 * s->classes), NULL);
    c->rois = lab_f32(lab, SHAPE(s->capacity, 5), NULL);
    c->rows = lab_i32(lab, SHAPE(1), &s->rows);
    c->sizes = lab_i32(lab, SHAPE(s->images, 2), sizes[0]);
    c->boxes = lab_f32(lab, SHAPE(s->images, s->detections, 4), NULL);
    c->scores = lab_f32(lab, SHAPE(s->images, s->detections), NULL);
    c->classes = lab_i32(lab, SHAPE(s->images, s->detections), NULL);
    c->counts = lab_i32(lab, SHAPE(s->images), NULL);
    fill_rois(c, s, &random);
    fill_numbers(c, s, hostile, scaled, &random);
    c->detect =
        (struct launch_detect){.boxes = list_case_output(&c->list, &c->boxes),
                               .scores = list_case_output(&c->list, &c->scores),
                               .classes = list_case_output(&c->list, &c->classes),
                               .counts = list_case_output(&c->list, &c->counts),
                               .probabilities = list_case_input(&c->list, &c->probabilities),
                               .deltas = list_case_input(&c->list, &c->deltas),
                               .rois = list_case_input(&c->list, &c->rois),
                               .rows = list_case_input(&c->list, &c->rows),
                               .image_sizes = list_case_input(&c->list, &c->sizes),
                               .images = s->images,
                               .capacity = s->capacity,
                               .detections = s->detections,
                               .num_classes = s->classes,
                               .class_agnostic = s->agnostic,
                               .weights = {10, 10, 5, 5},
                               .score_threshold = s->score_threshold,
                               .nms_threshold = s->nms_threshold};
    c->scratch = list_case_scratch(&c->list, launch_detect_scratch(&c->detect));
}

/* tolerance 0: all bits. */
static void detect_check(struct detect_case *c, const struct detect_shape *s, double tolerance)
{
    const struct detect_inputs in = {&c->probabilities, &c->deltas, &c->rois, &c->rows, &c->sizes};
    const struct detect_params params = {.weights = {10, 10, 5, 5},
                                         .score_threshold = s->score_threshold,
                                         .nms_threshold = s->nms_threshold,
                                         .num_classes = s->classes,
                                         .class_agnostic = s->agnostic};
    LAB_OK(op_detect(c->list.lab.stream, &c->boxes, &c->scores, &c->classes, &c->counts, &in,
                     &params));
    check_cuda(launch_detect(&c->detect, c->scratch, c->list.stream));
    list_case_equal(&c->list, "counts", &c->counts, c->detect.counts);
    list_case_equal(&c->list, "scores", &c->scores, c->detect.scores);
    list_case_equal(&c->list, "classes", &c->classes, c->detect.classes);
    if (tolerance > 0)
        list_case_close_to(&c->list, "boxes", &c->boxes, c->detect.boxes, tolerance);
    else
        list_case_equal(&c->list, "boxes", &c->boxes, c->detect.boxes);
}

/* Boxes that are moved only ask for no exponential but that of 0: all bits are the twin's. */
START_TEST(detections_are_the_twins)
{
    struct detect_case c;
    if (no_device())
        SKIP("no device");
    detect_open(&c, &shapes[_i / 2], _i % 2, false);
    detect_check(&c, &shapes[_i / 2], 0);
    list_case_close(&c.list);
}
END_TEST

/* A device's expf is within 2 units of the last place, and sides are below 2^8: 2^-15. */
START_TEST(boxes_that_grow_are_the_twins)
{
    struct detect_case c;
    if (no_device())
        SKIP("no device");
    detect_open(&c, &shapes[_i], true, true);
    detect_check(&c, &shapes[_i], 1.0 / 8192);
    list_case_close(&c.list);
}
END_TEST

START_TEST(all_rows_alike)
{
    const struct detect_shape *s = &shapes[0];
    struct detect_case c;
    if (no_device())
        SKIP("no device");
    detect_open(&c, s, false, false);
    for (int64_t i = 0; i < s->capacity; i++) {
        const float roi[5] = {(float)(i % 2), 10, 10, 60, 50};
        memcpy((float *)c.rois.data + 5 * i, roi, sizeof roi);
    }
    memset(c.deltas.data, 0, tensor_bytes(&c.deltas));
    for (int64_t i = 0; i < tensor_count(&c.probabilities); i++)
        ((float *)c.probabilities.data)[i] = 0.25f;
    c.detect.rois = list_case_input(&c.list, &c.rois);
    c.detect.deltas = list_case_input(&c.list, &c.deltas);
    c.detect.probabilities = list_case_input(&c.list, &c.probabilities);
    detect_check(&c, s, 0);
    ck_assert_int_eq(((const int32_t *)c.counts.data)[0], 3); /* one of each class */
    list_case_close(&c.list);
}
END_TEST

START_TEST(the_order_of_threads_does_not_matter)
{
    static const int chosen[] = {1, 2, 8}; /* ties, many classes, the slow path */
    const struct detect_shape *s = &shapes[chosen[_i]];
    struct detect_case c;
    if (no_device())
        SKIP("no device");
    detect_open(&c, s, true, false);
    for (int seed = 0; seed < 3; seed++) {
        list_case_reorder(seed * 13);
        detect_check(&c, s, 0);
    }
    list_case_close(&c.list);
}
END_TEST

START_TEST(more_detections_than_can_be_are_refused)
{
    const struct detect_shape s = {1, 10, 1025, 10, 1, true, 0, 0.5f, 10};
    struct detect_case c;
    if (no_device())
        SKIP("no device");
    memset(&c, 0, sizeof c);
    list_case_open(&c.list);
    c.detect = (struct launch_detect){.images = s.images,
                                      .capacity = s.capacity,
                                      .detections = s.detections,
                                      .num_classes = s.classes};
    ck_assert_int_eq(launch_detect(&c.detect, NULL, c.list.stream), (int)cudaErrorInvalidValue);
    list_case_close(&c.list);
}
END_TEST

SUITE("kernels/detect", LOOP(detections_are_the_twins, 0, 2 * SHAPES),
      LOOP(boxes_that_grow_are_the_twins, 0, 3), TEST(all_rows_alike),
      LOOP(the_order_of_threads_does_not_matter, 0, 3),
      TEST(more_detections_than_can_be_are_refused))
