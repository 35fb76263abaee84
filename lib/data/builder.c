/* builder.c - collects a data set and turns it into the immutable form, images with slices of annotations. */
#include "data/builder.h"

#include <string.h>

#include "core/error.h"
#include "data/store.h"

md_status grow_array(struct memory *memory, void *items, size_t count, size_t *capacity,
                     size_t size)
{
    if (count < *capacity)
        return MD_OK;
    size_t wanted = *capacity < 16 ? 16 : *capacity + *capacity / 2;
    md_status st = memory_resize(memory, items, wanted, size);
    if (st == MD_OK)
        *capacity = wanted;
    return st;
}

void builder_init(struct dataset_builder *builder, struct memory *memory)
{
    memset(builder, 0, sizeof *builder);
    builder->memory = memory;
    arena_init(&builder->arena, memory);
}

md_status builder_add_image(struct dataset_builder *builder, const char *name, int64_t id,
                            int width, int height)
{
    if (builder->image_count >= UINT32_MAX)
        return ERROR(MD_EINVAL, "more than %u images in one data set; split it", UINT32_MAX);
    const char *copy = NULL;
    md_status st = grow_array(builder->memory, &builder->images, builder->image_count,
                              &builder->image_capacity, sizeof *builder->images);
    if (st == MD_OK)
        st = arena_copy_string(&builder->arena, &copy, name, strlen(name));
    if (st < 0)
        return st;
    builder->images[builder->image_count] =
        (struct dataset_image){.name = copy,
                               .id = id,
                               .width = width,
                               .height = height,
                               .source_index = builder->image_count};
    builder->image_count++;
    return MD_OK;
}

void builder_set_origin(struct dataset_builder *builder, const char *file, size_t line)
{
    struct dataset_image *image = &builder->images[builder->image_count - 1];
    image->origin = file;
    image->origin_line = line;
}

void annotation_measure(struct annotation *annotation)
{
    const float *box = annotation->box;
    double *xywh = annotation->xywh;
    for (int i = 0; i < 2; i++) {
        xywh[i] = (double)box[i];
        xywh[i + 2] = (double)box[i + 2] - (double)box[i];
    }
    if (annotation->area <= 0)
        annotation->area = xywh[2] * xywh[3];
}

static bool unmeasured(const struct annotation *annotation)
{
    static const double nothing[4] = {0};
    return memcmp(annotation->xywh, nothing, sizeof nothing) == 0;
}

md_status builder_add_annotation(struct dataset_builder *builder, size_t image,
                                 const struct annotation *annotation)
{
    size_t count = builder->annotation_count;
    if (count >= UINT32_MAX)
        return ERROR(MD_EINVAL, "more than %u annotations in one data set; split it", UINT32_MAX);
    size_t capacity =
        builder->annotation_capacity; /* both arrays grow, or neither counts as grown */
    md_status st =
        grow_array(builder->memory, &builder->annotations, count, &capacity, sizeof *annotation);
    capacity = builder->annotation_capacity;
    if (st == MD_OK)
        st = grow_array(builder->memory, &builder->owners, count, &capacity,
                        sizeof *builder->owners);
    if (st < 0)
        return st;
    builder->annotation_capacity = capacity;
    builder->annotations[count] = *annotation;
    if (unmeasured(annotation))
        annotation_measure(&builder->annotations[count]);
    builder->owners[count] = (uint32_t)image;
    builder->annotation_count++;
    return MD_OK;
}

md_status builder_reserve(struct dataset_builder *builder, size_t annotation_count)
{
    md_status st = MD_OK;
    if (annotation_count <= builder->annotation_capacity)
        return MD_OK;
    TRY(memory_resize(builder->memory, &builder->annotations, annotation_count,
                      sizeof *builder->annotations));
    TRY(memory_resize(builder->memory, &builder->owners, annotation_count,
                      sizeof *builder->owners));
    builder->annotation_capacity = annotation_count;
fail:
    return st;
}

md_status builder_set_outlines(struct dataset_builder *builder, const struct outline_file *file)
{
    const char *path = NULL;
    if (!file->path)
        return MD_OK;
    md_status st = arena_copy_string(&builder->arena, &path, file->path, strlen(file->path));
    if (st < 0)
        return st;
    builder->outlines = *file;
    builder->outlines.path = path;
    return MD_OK;
}

md_status builder_add_class(struct dataset_builder *builder, const char *name, int64_t id)
{
    size_t count = builder->class_count;
    const char *copy = NULL;
    size_t capacity = builder->class_capacity;
    md_status st = grow_array(builder->memory, &builder->class_names, count, &capacity,
                              sizeof *builder->class_names);
    capacity = builder->class_capacity;
    if (st == MD_OK)
        st = grow_array(builder->memory, &builder->class_ids, count, &capacity,
                        sizeof *builder->class_ids);
    if (st == MD_OK)
        st = arena_copy_string(&builder->arena, &copy, name, strlen(name));
    if (st < 0)
        return st;
    builder->class_capacity = capacity;
    builder->class_names[count] = copy;
    builder->class_ids[count] = id;
    builder->class_count++;
    return MD_OK;
}

/* Counting sort by owner, stable and in place: the counts, each image's start, each annotation's
 * place (where its owner stood), and then every cycle of places is walked once. */
static void place_annotations(struct dataset_builder *builder)
{
    uint32_t *places = builder->owners;
    struct annotation *annotations = builder->annotations;
    for (size_t i = 0; i < builder->image_count; i++)
        builder->images[i].count = 0;
    for (size_t i = 0; i < builder->annotation_count; i++)
        builder->images[builder->owners[i]].count++;
    size_t first = 0;
    for (size_t i = 0; i < builder->image_count; i++) {
        builder->images[i].first = first;
        first += builder->images[i].count;
        builder->images[i].count = 0;
    }
    for (size_t i = 0; i < builder->annotation_count; i++) {
        struct dataset_image *image = &builder->images[builder->owners[i]];
        places[i] = (uint32_t)(image->first + image->count++);
    }
    for (size_t i = 0; i < builder->annotation_count; i++) {
        while (places[i] != i) {
            uint32_t to = places[i];
            struct annotation moved = annotations[to];
            annotations[to] = annotations[i];
            annotations[i] = moved;
            places[i] = places[to];
            places[to] = to;
        }
    }
}

md_status builder_finish(struct dataset_builder *builder, const char *folder,
                         const struct dataset_source *source, struct dataset **out)
{
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    const char *folder_copy = NULL;
    struct shared_source *shared = NULL;
    TRY(memory_zeroed(builder->memory, &dataset, 1, sizeof *dataset));
    if (folder)
        TRY(arena_copy_string(&builder->arena, &folder_copy, folder, strlen(folder)));
    if (source)
        TRY(shared_source_create(&shared, builder->memory, source));
    struct dataset_store *store = NULL;
    TRY(memory_zeroed(builder->memory, &store, 1, sizeof *store));

    place_annotations(builder);
    store->arena = builder->arena;
    store->source = shared;
    *dataset = (struct dataset){
        .memory = builder->memory,
        .images = builder->images,
        .image_count = builder->image_count,
        .annotations = builder->annotations,
        .annotation_count = builder->annotation_count,
        .class_names = builder->class_names,
        .class_ids = builder->class_ids,
        .class_count = (int)builder->class_count,
        .folder = folder_copy,
        .outlines = builder->outlines,
        .store = store,
    };
    if (source)
        dataset->source = *source;
    memory_free(builder->memory, builder->owners);
    builder_init(builder, builder->memory);
    *out = dataset;
    return MD_OK;
fail:
    memory_free(builder->memory, shared);
    memory_free(builder->memory, dataset);
    return st;
}

void builder_free(struct dataset_builder *builder)
{
    memory_free(builder->memory, builder->images);
    memory_free(builder->memory, builder->annotations);
    memory_free(builder->memory, builder->owners);
    memory_free(builder->memory, builder->class_names);
    memory_free(builder->memory, builder->class_ids);
    arena_free(&builder->arena);
    builder_init(builder, builder->memory);
}
