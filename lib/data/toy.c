/* toy.c - the toy data set: cartoon faces with and without masks, painted when they are asked for. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"
#include "data/store.h"
#include "data/toy_scene.h"
#include "image/image.h"

enum { MAX_COUNT = 1 << 20 };

static const char *const toy_classes[] = {"with_mask", "without_mask"};

struct toy {
    struct memory *memory;
    uint64_t seed;
};

static md_status toy_read_image(void *user, size_t index, struct memory *memory, md_image *out)
{
    const struct toy *toy = user;
    struct toy_scene scene;
    toy_scene_plan(&scene, toy->seed, index);
    md_status st = image_create(out, memory, scene.width, scene.height, MD_RGB8);
    if (st == MD_OK)
        toy_scene_paint(&scene, out);
    return st;
}

static void toy_close(void *user)
{
    struct toy *toy = user;
    memory_free(toy->memory, toy);
}

/* class_map[i]: the number of toy class i in the caller's list. */
static md_status add_classes(struct dataset_builder *builder, const char *const *classes,
                             int class_count, int class_map[2])
{
    for (int i = 0; i < 2; i++) {
        class_map[i] = class_find(classes, class_count, toy_classes[i]);
        if (class_map[i] < 0)
            return ERROR(
                MD_EMISMATCH,
                "the toy data set has the class \"%s\", which is none of the model's %d classes; "
                "use a model trained on toy data",
                toy_classes[i], class_count);
    }
    for (int i = 0; i < class_count; i++) {
        md_status st = builder_add_class(builder, classes[i], i + 1);
        if (st < 0)
            return st;
    }
    return MD_OK;
}

static md_status add_image(struct dataset_builder *builder, const struct toy_scene *scene,
                           size_t index, const int class_map[2])
{
    char name[32];
    snprintf(name, sizeof name, "toy_%06zu.png", index);
    md_status st =
        builder_add_image(builder, name, (int64_t)index + 1, scene->width, scene->height);
    for (int i = 0; i < scene->face_count && st == MD_OK; i++) {
        const struct toy_face *face = &scene->faces[i];
        const float *box = face->box;
        struct annotation annotation = {.class_id = class_map[face->mask ? 0 : 1],
                                        .id = (int64_t)builder->annotation_count + 1};
        memcpy(annotation.box, box, sizeof annotation.box);
        st = builder_add_annotation(builder, index, &annotation);
    }
    return st;
}

md_status toy_open(struct dataset **out, struct memory *memory, size_t count, uint64_t seed,
                   const char *const *classes, int class_count)
{
    md_status st = MD_OK;
    struct dataset_builder builder;
    struct toy *toy = NULL;
    int class_map[2];
    builder_init(&builder, memory);
    if (count < 1 || count > MAX_COUNT)
        FAIL(MD_EINVAL, "a toy data set of %zu images; 1 to %d are possible", count, MAX_COUNT);
    TRY(add_classes(&builder, classes ? classes : toy_classes, classes ? class_count : 2,
                    class_map));
    for (size_t i = 0; i < count; i++) {
        struct toy_scene scene;
        toy_scene_plan(&scene, seed, i);
        TRY(add_image(&builder, &scene, i, class_map));
    }
    TRY(memory_alloc(memory, &toy, 1, sizeof *toy));
    *toy = (struct toy){.memory = memory, .seed = seed};
    const struct dataset_source source = {
        .user = toy, .read_image = toy_read_image, .close = toy_close};
    TRY(builder_finish(&builder, NULL, &source, out));
    toy = NULL; /* the data set's now */
fail:
    memory_free(memory, toy);
    builder_free(&builder);
    return st;
}

md_status dataset_open_toy(struct dataset **out, struct memory *memory, size_t count, uint64_t seed)
{
    return toy_open(out, memory, count, seed, NULL, 0);
}
