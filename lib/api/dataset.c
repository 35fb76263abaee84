/* dataset.c - md_dataset: opened by SPEC or from the caller's own source. */
#include <math.h>
#include <stdio.h>

#include "api/internal.h"
#include "config/value.h"
#include "core/error.h"
#include "data/builder.h"
#include "image/image.h"

/* ---- life --------------------------------------------------------------------------------- */

md_dataset *dataset_retain(md_dataset *dataset)
{
    atomic_fetch_add(&dataset->references, 1);
    return dataset;
}

void dataset_release(md_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub(&dataset->references, 1) > 1)
        return;
    md_context *context = dataset->context;
    dataset_free(dataset->dataset);
    memory_free(&context->memory, dataset);
    context_release(context);
}

void md_dataset_free(md_dataset *dataset)
{
    dataset_release(dataset);
}

md_status dataset_hand_out(md_dataset **out, md_context *context, struct dataset *dataset)
{
    md_dataset *handle = NULL;
    md_status st = memory_zeroed(&context->memory, &handle, 1, sizeof *handle);
    if (st < 0) {
        dataset_free(dataset);
        return st;
    }
    atomic_init(&handle->references, 1);
    handle->context = context_retain(context);
    handle->dataset = dataset;
    *out = handle;
    return MD_OK;
}

md_status md_dataset_open(md_dataset **out, md_context *context, const char *spec,
                          const md_model *classes)
{
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(spec));
    const char *const *names = classes ? (const char *const *)classes->class_names : NULL;
    TRY(dataset_open(&dataset, &context->memory, &context->log, spec, names,
                     md_model_class_count(classes)));
    TRY(dataset_hand_out(out, context, dataset));
fail:
    return st;
}

md_status md_dataset_split(md_dataset *dataset, double fraction, uint64_t seed, md_dataset **first,
                           md_dataset **second)
{
    md_status st = MD_OK;
    struct dataset *parts[2] = {NULL, NULL};
    md_dataset *handles[2] = {NULL, NULL};
    TRY(GIVEN(dataset));
    TRY(GIVEN(first));
    TRY(GIVEN(second));
    TRY(dataset_split(dataset->dataset, fraction, seed, &parts[0], &parts[1]));
    for (int i = 0; i < 2; i++) {
        struct dataset *part = parts[i];
        parts[i] = NULL;
        TRY(dataset_hand_out(&handles[i], dataset->context, part));
    }
    *first = handles[0];
    *second = handles[1];
    return MD_OK;
fail:
    dataset_free(parts[1]);
    dataset_release(handles[0]);
    return st;
}

/* ---- the caller's own source -------------------------------------------------------------- */

/* Between lib/data, whose images are its own, and the caller, whose images count for the context. */
struct adapter {
    md_context *context;
    md_dataset_source source;
};

static md_status adapter_read_image(void *user, size_t index, struct memory *memory, md_image *out)
{
    md_status st = MD_OK;
    struct adapter *adapter = user;
    md_image image = {0};
    TRY(adapter->source.read_image(adapter->source.user, index, adapter->context, &image));
    TRY(image_check(&image, "md_dataset_source.read_image"));
    TRY(image_convert(out, memory, &image, MD_RGB8));
fail:
    md_image_free(&image);
    return st;
}

static void adapter_close(void *user)
{
    struct adapter *adapter = user;
    if (adapter->source.close)
        adapter->source.close(adapter->source.user);
    memory_free(&adapter->context->memory, adapter);
}

static md_status check_annotation(const md_dataset_source *source, size_t image,
                                  const md_annotation *annotation)
{
    const md_box *box = &annotation->box;
    if (annotation->class_id < 0 || annotation->class_id >= source->class_count)
        return ERROR(MD_EINVAL, "image %zu: class_id is %d, there are %d classes", image,
                     annotation->class_id, source->class_count);
    if (!isfinite(box->x0) || !isfinite(box->y0) || !(box->x1 > box->x0 && box->y1 > box->y0) ||
        !isfinite(box->x1) || !isfinite(box->y1))
        return ERROR(MD_EINVAL, "image %zu: (%g, %g, %g, %g) is no box; x0 < x1 and y0 < y1", image,
                     (double)box->x0, (double)box->y0, (double)box->x1, (double)box->y1);
    return MD_OK;
}

struct annotation_list {
    md_annotation *items;
    size_t capacity;
};

static md_status ask_annotations(struct memory *memory, const md_dataset_source *source,
                                 size_t image, struct annotation_list *list, size_t *count)
{
    md_status st = MD_OK;
    for (;;) {
        *count = 0;
        TRY(source->read_annotations(source->user, image, list->items, list->capacity, count));
        if (*count <= list->capacity)
            return MD_OK;
        TRY(memory_resize(memory, &list->items, *count, sizeof *list->items));
        list->capacity = *count;
    }
fail:
    return st;
}

static md_status add_image(struct dataset_builder *builder, const md_dataset_source *source,
                           size_t index, struct annotation_list *list)
{
    md_status st = MD_OK;
    char name[32];
    size_t count = 0;
    snprintf(name, sizeof name, "%zu", index);
    TRY(builder_add_image(builder, name, (int64_t)index + 1, 0, 0));
    TRY(ask_annotations(builder->memory, source, index, list, &count));
    for (size_t i = 0; i < count; i++) {
        const md_annotation *from = &list->items[i];
        const md_box *box = &from->box;
        TRY(check_annotation(source, index, from));
        struct annotation to = {.box = {box->x0, box->y0, box->x1, box->y1},
                                .class_id = from->class_id,
                                .crowd = from->crowd,
                                .id = (int64_t)builder->annotation_count + 1};
        TRY(builder_add_annotation(builder, index, &to));
    }
fail:
    return st;
}

static md_status check_source(const md_dataset_source *source)
{
    md_status st = MD_OK;
    if (!source->read_image || !source->read_annotations)
        FAIL(MD_EINVAL, "md_dataset_source lacks read_image or read_annotations");
    if (source->class_count < 1 || !source->class_names)
        FAIL(MD_EINVAL,
             "md_dataset_source.class_count is %d; there is at least one class, with "
             "its name in class_names",
             source->class_count);
    for (int i = 0; i < source->class_count; i++)
        TRY(argument_given(source->class_names[i], "md_dataset_source", "class_names[i]"));
fail:
    return st;
}

static md_status build_source(struct dataset **out, md_context *context,
                              const md_dataset_source *source)
{
    md_status st = MD_OK;
    struct memory *memory = &context->memory;
    struct dataset_builder builder;
    struct annotation_list list = {0};
    struct adapter *adapter = NULL;
    builder_init(&builder, memory);
    TRY(memory_zeroed(memory, &adapter, 1, sizeof *adapter));
    *adapter = (struct adapter){context, *source};
    for (int i = 0; i < source->class_count; i++)
        TRY(builder_add_class(&builder, source->class_names[i], i + 1));
    for (size_t i = 0; i < source->image_count; i++)
        TRY(add_image(&builder, source, i, &list));
    const struct dataset_source inner = {adapter, adapter_read_image, adapter_close};
    TRY(builder_finish(&builder, NULL, &inner, out));
    adapter = NULL;
fail:
    memory_free(memory, adapter);
    memory_free(memory, list.items);
    builder_free(&builder);
    return st;
}

md_status md_dataset_open_source(md_dataset **out, md_context *context,
                                 const md_dataset_source *source)
{
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    md_dataset_source read = {0};
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(source));
    TRY(options_read(&read, sizeof read, source, "md_dataset_source"));
    TRY(check_source(&read));
    TRY(build_source(&dataset, context, &read));
    TRY(dataset_hand_out(out, context, dataset));
fail:
    return st;
}

/* ---- what is in it ------------------------------------------------------------------------ */

size_t md_dataset_count(const md_dataset *dataset)
{
    return dataset ? dataset->dataset->image_count : 0;
}

int md_dataset_class_count(const md_dataset *dataset)
{
    return dataset ? dataset->dataset->class_count : 0;
}

const char *md_dataset_class_name(const md_dataset *dataset, int class_id)
{
    if (!dataset || class_id < 0 || class_id >= dataset->dataset->class_count)
        return NULL;
    return dataset->dataset->class_names[class_id];
}

static const struct dataset_image *image_at(const md_dataset *dataset, size_t index)
{
    if (!dataset || index >= dataset->dataset->image_count)
        return NULL;
    return &dataset->dataset->images[index];
}

const char *md_dataset_image_name(const md_dataset *dataset, size_t index)
{
    const struct dataset_image *image = image_at(dataset, index);
    return image ? image->name : NULL;
}

md_status md_dataset_image(md_dataset *dataset, size_t index, md_image *out)
{
    md_status st = MD_OK;
    md_image image;
    TRY(GIVEN(dataset));
    TRY(GIVEN(out));
    if (!image_at(dataset, index))
        FAIL(MD_EINVAL, "md_dataset_image: index is %zu, there are %zu images", index,
             dataset->dataset->image_count);
    TRY(dataset_read_image(dataset->dataset, index, &dataset->context->memory, &image));
    image_hand_out(out, dataset->context, &image);
fail:
    return st;
}

size_t md_dataset_annotation_count(const md_dataset *dataset, size_t index)
{
    const struct dataset_image *image = image_at(dataset, index);
    return image ? image->count : 0;
}

md_status md_dataset_annotation(const md_dataset *dataset, size_t index, size_t annotation,
                                md_annotation *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(dataset));
    TRY(GIVEN(out));
    const struct dataset_image *image = image_at(dataset, index);
    if (!image || annotation >= image->count)
        FAIL(MD_EINVAL, "md_dataset_annotation: there is no annotation %zu of image %zu",
             annotation, index);
    const struct annotation *from = &dataset->dataset->annotations[image->first + annotation];
    *out = (md_annotation){.box = {from->box[0], from->box[1], from->box[2], from->box[3]},
                           .class_id = from->class_id,
                           .crowd = from->crowd};
fail:
    return st;
}

/* ---- configuration ------------------------------------------------------------------------ */

static md_status put_classes(struct buffer *out, const struct dataset *dataset)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "["));
    for (int i = 0; i < dataset->class_count; i++) {
        const struct value name = {.kind = VALUE_STRING, .string = dataset->class_names[i]};
        TRY(buffer_puts(out, i ? ", " : ""));
        TRY(value_put_literal(out, &name));
    }
    TRY(buffer_puts(out, "]"));
fail:
    return st;
}

md_status md_config_follow_dataset(md_config *config, const md_dataset *dataset)
{
    static const char *const KEY = "MODEL.ROI_HEADS.NUM_CLASSES";
    md_status st = MD_OK;
    struct config *copy = NULL;
    struct buffer classes = {0};
    char number[16];
    int64_t before = 0;
    TRY(GIVEN(config));
    TRY(GIVEN(dataset));
    int count = dataset->dataset->class_count;
    TRY(config_get_int(config->config, KEY, &before));
    if (count < 1)
        FAIL(MD_EMISMATCH, "the data set has no classes; a model needs at least one");
    if (config_is_set(config->config, KEY) && before != count)
        FAIL(MD_EMISMATCH, "%s is %lld, but the data set has %d classes; leave it unset", KEY,
             (long long)before, count);
    buffer_init(&classes, &config->context->memory);
    TRY(put_classes(&classes, dataset->dataset));
    snprintf(number, sizeof number, "%d", count);
    TRY(config_copy(&copy, config->config)); /* both keys change, or neither */
    TRY(config_set(copy, KEY, number));
    TRY(config_set(copy, "MDET.CLASSES", classes.data));
    struct config *old = config->config;
    config->config = copy;
    copy = old;
fail:
    config_free(copy);
    buffer_free(&classes);
    return st;
}
