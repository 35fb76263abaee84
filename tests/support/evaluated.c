/* evaluated.c - truths, detections that are nearly right, and their evaluation. */
#include "evaluated.h"

#include <check.h>
#include <math.h>

#include "core/error.h"
#include "core/random.h"
#include "data/builder.h"

#define MUST(call) ck_assert_msg((call) >= 0, "%s", error_text())

struct dataset *evaluated_boxes(struct memory *memory, size_t images, const char *const *classes,
                                size_t class_count)
{
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    struct random random = {.seed = 7, .stream = random_stream(RANDOM_TEST, 0)};
    builder_init(&builder, memory);
    for (size_t i = 0; i < class_count; i++)
        MUST(builder_add_class(&builder, classes[i], (int64_t)(10 * i + 3)));
    for (size_t i = 0; i < images; i++)
        MUST(builder_add_image(&builder, "a/<b>\"&'.jpg", (int64_t)(5 * i + 2), 320, 240));
    for (size_t i = 0; class_count && i < 4 * images; i++) {
        float side = 6.0f + 90.0f * (float)random_uniform(&random);
        float x = 200.0f * (float)random_uniform(&random);
        float y = 120.0f * (float)random_uniform(&random);
        const struct annotation truth = {.class_id = (int)(i % class_count),
                                         .crowd = i % 37 == 36,
                                         .box = {x, y, x + side, y + side}};
        MUST(builder_add_annotation(&builder, i / 4, &truth));
    }
    MUST(builder_finish(&builder, "/nowhere", NULL, &dataset));
    builder_free(&builder);
    return dataset;
}

/* ---- detections --------------------------------------------------------------------------- */

static void add(struct evaluated *out, size_t image, int class_id, const double box[4],
                double score)
{
    struct eval_detection *to = &out->detections[out->count++];
    *to = (struct eval_detection){.image = (uint32_t)image, .class_id = class_id, .score = score};
    for (int k = 0; k < 4; k++)
        to->box[k] = box[k];
}

static void find(struct evaluated *out, struct random *random, size_t image,
                 const struct annotation *truth)
{
    int classes = out->dataset->class_count;
    double luck = random_uniform(random);
    double loose = random_uniform(random) < 0.15 ? 0.35 : 0.05;
    double box[4];
    for (int k = 0; k < 4; k++)
        box[k] = truth->xywh[k] + truth->xywh[2 + k % 2] * loose * (random_uniform(random) - 0.5);
    double score = 1.0 - pow(random_uniform(random), 2.0) * 0.7;
    if (luck < 0.12)
        return;
    int class_id = luck < 0.2 ? (truth->class_id + 1) % classes : truth->class_id;
    add(out, image, class_id, box, score);
    if (luck > 0.93)
        add(out, image, class_id, box, score * 0.6);
}

static void find_all(struct evaluated *out)
{
    struct random random = {.seed = 11, .stream = random_stream(RANDOM_TEST, 0)};
    const struct dataset *dataset = out->dataset;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = 0; k < image->count; k++)
            find(out, &random, i, &dataset->annotations[image->first + k]);
        for (int k = 0; k < 2 && dataset->class_count; k++) {
            const double box[4] = {(double)image->width * 0.7 * random_uniform(&random),
                                   (double)image->height * 0.7 * random_uniform(&random), 30.0,
                                   40.0};
            add(out, i, (int)random_below(&random, (uint64_t)dataset->class_count), box,
                0.05 + 0.6 * random_uniform(&random) * random_uniform(&random));
        }
    }
}

/* ---- all ---------------------------------------------------------------------------------- */

void evaluated_make(struct evaluated *out, struct memory *memory, struct dataset *dataset)
{
    size_t side = (size_t)dataset->class_count + 1;
    *out =
        (struct evaluated){.memory = memory, .dataset = dataset, .rules = coco_options_default()};
    MUST(memory_zeroed(memory, &out->detections,
                       2 * dataset->annotation_count + 2 * dataset->image_count,
                       sizeof *out->detections));
    find_all(out);
    MUST(coco_evaluate(&out->coco, memory, dataset, out->detections, out->count));
    MUST(memory_zeroed(memory, &out->confusion, side * side, sizeof *out->confusion));
    MUST(
        confusion_matrix(out->confusion, memory, dataset, out->detections, out->count, 0.5f, 0.5f));
    MUST(curves_create(&out->curves, memory, dataset, out->detections, out->count, 100));
    MUST(error_analyse(&out->errors, memory, dataset, out->detections, out->count,
                       &error_options_usual));
    out->content = (struct report_content){.title = "Evaluation",
                                           .dataset = dataset,
                                           .detections = out->detections,
                                           .count = out->count,
                                           .coco = &out->coco,
                                           .rules = &out->rules,
                                           .confusion = out->confusion,
                                           .score = 0.5,
                                           .iou = 0.5,
                                           .ap = {1.0, 0.0},
                                           .ap50 = {1.0, 0.0},
                                           .curves = &out->curves,
                                           .errors = &out->errors};
}

void evaluated_free(struct evaluated *evaluated)
{
    coco_result_free(&evaluated->coco, evaluated->memory);
    memory_free(evaluated->memory, evaluated->confusion);
    curves_free(&evaluated->curves, evaluated->memory);
    error_analysis_free(&evaluated->errors);
    memory_free(evaluated->memory, evaluated->detections);
    dataset_free(evaluated->dataset);
}
