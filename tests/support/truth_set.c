/* truth_set.c - small data sets without pictures, by hand or by numbers that any language can repeat. */
#include "truth_set.h"

#include <check.h>

#include "data/builder.h"

struct dataset *truth_set(struct memory *memory, size_t images, int classes,
                          const struct truth *truths, size_t count)
{
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    builder_init(&builder, memory);
    for (size_t i = 0; i < images; i++)
        ck_assert_int_eq(builder_add_image(&builder, "image", (int64_t)i + 1, 400, 400), MD_OK);
    for (int i = 0; i < classes; i++) {
        const char name[2] = {(char)('a' + i % 26)};
        ck_assert_int_eq(builder_add_class(&builder, name, i + 1), MD_OK);
    }
    for (size_t i = 0; i < count; i++) {
        const struct truth *t = &truths[i];
        struct annotation annotation = {
            .box = {(float)t->x, (float)t->y, (float)(t->x + t->w), (float)(t->y + t->h)},
            .class_id = t->class_id,
            .crowd = t->crowd,
            .difficult = t->difficult,
            .id = (int64_t)i + 1};
        annotation_measure(&annotation);
        ck_assert_int_eq(builder_add_annotation(&builder, t->image, &annotation), MD_OK);
    }
    ck_assert_int_eq(builder_finish(&builder, "/nowhere", NULL, &dataset), MD_OK);
    builder_free(&builder);
    return dataset;
}

uint32_t truth_random(uint32_t *state)
{
    *state = *state * UINT32_C(1664525) + UINT32_C(1013904223);
    return *state >> 16;
}

static void draw_truth(struct truth *out, uint32_t *state, uint32_t images, uint32_t classes)
{
    out->image = truth_random(state) % images;
    out->class_id = (int)(truth_random(state) % classes);
    out->x = truth_random(state) % 150;
    out->y = truth_random(state) % 150;
    out->w = 20 + truth_random(state) % 80;
    out->h = 20 + truth_random(state) % 80;
    uint32_t kind = truth_random(state) % 8;
    out->crowd = kind == 0;
    out->difficult = kind == 1;
}

/* Up to 8 pixels to either side, in hundredths. */
static float shifted(double from, uint32_t *state)
{
    return (float)(from + ((double)(truth_random(state) % 1601) - 800) / 100);
}

static void draw_detection(struct eval_detection *out, uint32_t *state, const struct truth *near)
{
    float x0 = shifted(near->x, state);
    float y0 = shifted(near->y, state);
    float x1 = shifted(near->x + near->w, state);
    float y1 = shifted(near->y + near->h, state);
    *out = (struct eval_detection){
        .image = near->image,
        .class_id = near->class_id,
        .box = {(double)x0, (double)y0, (double)x1 - (double)x0, (double)y1 - (double)y0}};
    out->score = (double)(truth_random(state) % 257) / 256;
}

void truth_case_draw(struct truth_case *out, uint32_t seed, uint32_t images, uint32_t classes)
{
    uint32_t state = seed;
    out->truth_count = truth_random(&state) % (TRUTH_MOST / 2);
    out->found_count = truth_random(&state) % TRUTH_MOST;
    for (size_t i = 0; i < out->truth_count; i++)
        draw_truth(&out->truths[i], &state, images, classes);
    for (size_t i = 0; i < out->found_count; i++) {
        struct truth near;
        draw_truth(&near, &state, images, classes);
        if (out->truth_count > 0 && truth_random(&state) % 4 > 0)
            near = out->truths[truth_random(&state) % out->truth_count];
        draw_detection(&out->found[i], &state, &near);
    }
}
