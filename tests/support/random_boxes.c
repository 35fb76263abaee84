/* random_boxes.c - data sets of random boxes, and detections of them. */
#include "random_boxes.h"

#include <check.h>

#include "core/random.h"
#include "data/builder.h"

enum { SIZE = 400, SCORES = 512 };

struct maker {
    struct boxes *boxes;
    struct dataset_builder builder;
    struct random random;
    size_t capacity;
    uint32_t scores[SCORES]; /* of one image: shuffled, each used once */
};

static double uniform(struct maker *maker, double low, double high)
{
    return low + (high - low) * random_uniform(&maker->random);
}

static void add_truth(struct maker *maker, size_t image, int class_id, const double box[4],
                      bool crowd)
{
    const struct annotation annotation = {
        .box = {(float)box[0], (float)box[1], (float)(box[0] + box[2]), (float)(box[1] + box[3])},
        .class_id = class_id,
        .crowd = crowd,
        .xywh = {box[0], box[1], box[2], box[3]},
        .area = box[2] * box[3],
        .id = (int64_t)maker->builder.annotation_count};
    ck_assert_int_eq(builder_add_annotation(&maker->builder, image, &annotation), MD_OK);
}

static void add_detection(struct maker *maker, size_t image, int class_id, const double box[4],
                          double score)
{
    struct boxes *boxes = maker->boxes;
    ck_assert_int_eq(grow_array(boxes->memory, &boxes->detections, boxes->count, &maker->capacity,
                                sizeof *boxes->detections),
                     MD_OK);
    boxes->detections[boxes->count++] =
        (struct eval_detection){.image = (uint32_t)image,
                                .class_id = class_id,
                                .box = {box[0], box[1], box[2], box[3]},
                                .score = score};
}

static void random_box(struct maker *maker, double box[4])
{
    box[2] = uniform(maker, 8, 150);
    box[3] = uniform(maker, 8, 150);
    box[0] = uniform(maker, 0, SIZE - box[2]);
    box[1] = uniform(maker, 0, SIZE - box[3]);
}

/* Detections of truths have the higher scores on the whole, and some share of those of nothing. */
static void fill_image(struct maker *maker, const struct random_boxes *options, size_t image)
{
    double box[4];
    uint32_t used = 0;
    int truths = (int)random_below(&maker->random, (uint64_t)options->truths + 1);
    int others = (int)random_below(&maker->random, (uint64_t)options->others + 1);
    for (uint32_t i = 0; i < SCORES; i++)
        maker->scores[i] = i + 1;
    random_shuffle(&maker->random, maker->scores, SCORES);
    for (int i = 0; i < truths; i++) {
        int class_id = (int)random_below(&maker->random, (uint64_t)options->classes);
        random_box(maker, box);
        add_truth(maker, image, class_id, box, uniform(maker, 0, 1) < options->crowds);
        if (uniform(maker, 0, 1) >= options->found)
            continue;
        for (int k = 0; k < 4; k++)
            box[k] += box[2 + k % 2] * uniform(maker, -options->wobble, options->wobble);
        add_detection(maker, image, class_id, box, maker->scores[used++] / (double)SCORES);
    }
    for (int i = 0; i < others; i++, used++) {
        double score = (maker->scores[used] + 0.5) / SCORES; /* never that of a truth */
        random_box(maker, box);
        add_detection(maker, image, (int)random_below(&maker->random, (uint64_t)options->classes),
                      box, used % 3 ? score / 4 : score);
    }
}

static void begin(struct maker *maker, struct boxes *out, struct memory *memory, int classes)
{
    *out = (struct boxes){.memory = memory};
    maker->boxes = out;
    builder_init(&maker->builder, memory);
    for (int i = 0; i < classes; i++)
        ck_assert_int_eq(builder_add_class(&maker->builder, "class", i + 1), MD_OK);
}

static void add_image(struct maker *maker)
{
    int64_t id = (int64_t)maker->builder.image_count + 1;
    ck_assert_int_eq(builder_add_image(&maker->builder, "image", id, SIZE, SIZE), MD_OK);
}

static void finish(struct maker *maker)
{
    ck_assert_int_eq(builder_finish(&maker->builder, "/nowhere", NULL, &maker->boxes->dataset),
                     MD_OK);
    builder_free(&maker->builder);
}

void boxes_make(struct boxes *out, struct memory *memory, const struct random_boxes *options)
{
    struct maker maker = {
        .random = {.seed = options->seed, .stream = random_stream(RANDOM_TEST, 0)}};
    begin(&maker, out, memory, options->classes);
    for (size_t i = 0; i < options->images; i++)
        add_image(&maker);
    for (size_t i = 0; i < options->images; i++)
        fill_image(&maker, options, i);
    finish(&maker);
}

void boxes_repeat(struct boxes *out, const struct boxes *from, const uint32_t *weights)
{
    struct maker maker = {0};
    const struct dataset *dataset = from->dataset;
    begin(&maker, out, from->memory, dataset->class_count);
    for (size_t i = 0; i < dataset->image_count; i++)
        for (uint32_t copy = 0; copy < weights[i]; copy++) {
            size_t image = maker.builder.image_count;
            add_image(&maker);
            for (size_t k = 0; k < dataset->images[i].count; k++) {
                struct annotation one = dataset->annotations[dataset->images[i].first + k];
                one.id = (int64_t)maker.builder.annotation_count;
                ck_assert_int_eq(builder_add_annotation(&maker.builder, image, &one), MD_OK);
            }
            for (size_t k = 0; k < from->count; k++) {
                if (from->detections[k].image != i)
                    continue;
                ck_assert_int_eq(grow_array(out->memory, &out->detections, out->count,
                                            &maker.capacity, sizeof *out->detections),
                                 MD_OK);
                out->detections[out->count] = from->detections[k];
                out->detections[out->count++].image = (uint32_t)image;
            }
        }
    finish(&maker);
}

md_status boxes_table(struct ap_table *out, struct memory *memory, const struct dataset *dataset,
                      const struct eval_detection *detections, size_t count)
{
    const struct coco_options options = coco_options_default();
    return ap_table_create(out, memory, dataset, detections, count, &options);
}

void boxes_free(struct boxes *boxes)
{
    dataset_free(boxes->dataset);
    memory_free(boxes->memory, boxes->detections);
    *boxes = (struct boxes){0};
}
