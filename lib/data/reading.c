/* reading.c - what the readers of CSV, VOC and YOLO share. */
#include "data/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/store.h"

enum { PROBE_THREADS = 4 };

/* ---- text ----------------------------------------------------------------- */

const char *text_trim(const char *text, const char *blanks, char *out, size_t size)
{
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]))
        length--;
    snprintf(out, size, "%.*s", (int)length, text);
    return out;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool line_next(struct line_reader *reader, const char **text, size_t *length)
{
    if (reader->at >= reader->limit)
        return false;
    const char *end = memchr(reader->at, '\n', (size_t)(reader->limit - reader->at));
    const char *from = reader->at;
    const char *to = end ? end : reader->limit;
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    reader->at = end ? end + 1 : reader->limit;
    reader->line++;
    *text = from;
    *length = (size_t)(to - from);
    return true;
}

/* ---- classes -------------------------------------------------------------- */

void class_list_init(struct class_list *list, const struct opening *how)
{
    list->how = how;
    list->fixed = false;
    string_table_init(&list->names, how->memory);
}

void class_list_free(struct class_list *list)
{
    string_table_free(&list->names);
}

static md_status check_name(const char *file, size_t line, const char *name)
{
    if (!*name)
        return ERROR(MD_EFORMAT, "%s:%zu: the box has no class", file, line);
    if (strlen(name) >= CLASS_NAME_BYTES - 1)
        return ERROR(MD_EFORMAT, "%s:%zu: a class name longer than %d bytes", file, line,
                     CLASS_NAME_BYTES - 2);
    return MD_OK;
}

md_status class_list_add(struct class_list *list, const char *file, size_t line, const char *name)
{
    md_status st = check_name(file, line, name);
    if (st == MD_OK)
        st = string_table_add(&list->names, name, NULL);
    if (st == MD_END)
        return ERROR(MD_EFORMAT, "%s:%zu: the class \"%s\" stands in the list twice; rename one",
                     file, line, name);
    list->fixed = true;
    return st;
}

md_status class_list_find(struct class_list *list, const char *file, size_t line, const char *name,
                          int *class_id)
{
    const struct opening *how = list->how;
    size_t index = 0;
    md_status st = check_name(file, line, name);
    if (st < 0)
        return st;
    if (list->fixed && !string_table_find(&list->names, name, &index))
        return ERROR(MD_EFORMAT, "%s:%zu: the class \"%s\" is not in the list of classes", file,
                     line, name);
    if (how->classes) {
        *class_id = class_find(how->classes, how->class_count, name);
        return *class_id >= 0 ? MD_OK
                              : class_unknown(file, line, name, how->classes, how->class_count);
    }
    if (!list->fixed)
        st = string_table_add(&list->names, name, &index);
    *class_id = (int)index;
    return st < 0 ? st : MD_OK;
}

struct named_class {
    const char *name;
    int found; /* its number in order of appearance */
};

static int by_name(const void *left, const void *right)
{
    return strcmp(((const struct named_class *)left)->name,
                  ((const struct named_class *)right)->name);
}

/* By name, so that the order of rows and files does not matter. */
static md_status sort_classes(struct class_list *list, struct dataset_builder *builder)
{
    md_status st = MD_OK;
    struct memory *memory = list->how->memory;
    struct named_class *sorted = NULL;
    int *rank = NULL;
    size_t count = list->names.count;
    TRY(memory_alloc(memory, &sorted, count, sizeof *sorted));
    TRY(memory_alloc(memory, &rank, count, sizeof *rank));
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct named_class){list->names.items[i], (int)i};
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        rank[sorted[i].found] = (int)i;
        TRY(builder_add_class(builder, sorted[i].name, (int64_t)i + 1));
    }
    for (size_t i = 0; i < builder->annotation_count; i++)
        builder->annotations[i].class_id = rank[builder->annotations[i].class_id];
fail:
    memory_free(memory, sorted);
    memory_free(memory, rank);
    return st;
}

md_status class_list_settle(struct class_list *list, struct dataset_builder *builder)
{
    const struct opening *how = list->how;
    md_status st = MD_OK;
    if (how->classes) {
        for (int i = 0; i < how->class_count && st == MD_OK; i++)
            st = builder_add_class(builder, how->classes[i], i + 1);
        return st;
    }
    if (!list->fixed)
        return sort_classes(list, builder);
    for (size_t i = 0; i < list->names.count && st == MD_OK; i++)
        st = builder_add_class(builder, list->names.items[i], (int64_t)i + 1);
    return st;
}

/* ---- the end of opening --------------------------------------------------- */

md_status boxes_clip(struct dataset *dataset, const char *path, size_t *clipped)
{
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = 0; k < image->count && image->width > 0; k++) {
            struct annotation *annotation = &dataset->annotations[image->first + k];
            float *box = annotation->box;
            int changed = box_clip(box, image->width, image->height);
            if (changed < 0)
                return ERROR(
                    MD_EFORMAT,
                    "%s:%u: the box %g,%g,%g,%g lies outside of %s, which is %dx%d; correct or "
                    "remove it",
                    image->origin ? image->origin : path, annotation->line, box[0], box[1], box[2],
                    box[3], image->name, image->width, image->height);
            if (changed) {
                annotation->area = 0; /* the clipped box's */
                annotation_measure(annotation);
                (*clipped)++;
            }
        }
    }
    return MD_OK;
}

md_status opening_finish(const struct opening *how, struct dataset_builder *builder,
                         const char *folder, const char *path, struct dataset **out)
{
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    struct data_checks checks = {0};
    TRY(builder_finish(builder, folder, NULL, &dataset));
    if (!how->problems) {
        TRY(dataset_probe_sizes(dataset, dataset->image_count > PROBE_THREADS ? PROBE_THREADS : 0));
        TRY(boxes_clip(dataset, path, &checks.clipped));
        TRY(checks_run(dataset, &checks));
        TRY(checks_report(dataset, &checks, how->log, path));
    }
    *out = dataset;
    return MD_OK;
fail:
    dataset_free(dataset);
    return st;
}
