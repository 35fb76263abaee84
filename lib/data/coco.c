/* coco.c - a data set from a COCO annotation file: joins images, categories and annotations by id. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"
#include "data/builder.h"
#include "data/coco_reader.h"
#include "data/outlines.h"
#include "data/problems.h"
#include "data/store.h"

enum { PROBE_THREADS = 4 };

struct line_counter {
    size_t offset, line; /* line 0: not begun */
};

struct coco_data {
    struct coco_lists lists;
    const char *origin; /* the path, kept with the data set when it is checked */
    struct line_counter lines;
    const char *folder;         /* NULL: the images are not wanted */
    const char *const *classes; /* the caller's; NULL: the file's */
    int class_count;
    struct dataset_builder builder;
};

/* Elements begin with their id: one comparison serves all lists. */
static int by_id(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts, and finds ids that occur twice. */
static md_status sort_unique(const struct coco_lists *lists, void *items, size_t count, size_t size,
                             size_t offset_at, const char *what)
{
    if (count < 2)
        return MD_OK;
    qsort(items, count, size, by_id);
    const char *item = items;
    for (size_t i = 1; i < count; i++) {
        int64_t previous, id;
        size_t offset;
        memcpy(&previous, item + (i - 1) * size, sizeof previous);
        memcpy(&id, item + i * size, sizeof id);
        memcpy(&offset, item + i * size + offset_at, sizeof offset);
        if (previous != id)
            continue;
        md_status st = ERROR(MD_EFORMAT, "%s:%zu: two %s have id %lld; ids must be unique",
                             lists->path, coco_line(lists, offset), what, (long long)id);
        st = problem_pass_over(lists->problems, lists->path, st);
        if (st < 0)
            return st;
    }
    return MD_OK;
}

/* ---- lines ---------------------------------------------------------------- */

/* For many offsets, mostly in the order of the file: each line break is counted once. */
static size_t line_at(struct line_counter *counter, const struct coco_lists *lists, size_t offset)
{
    if (offset < counter->offset || counter->line == 0)
        *counter = (struct line_counter){.line = 1};
    const char *limit = lists->text + (offset < lists->size ? offset : lists->size);
    const char *at = lists->text + counter->offset;
    while ((at = memchr(at, '\n', (size_t)(limit - at))) != NULL) {
        counter->line++;
        at++;
    }
    counter->offset = (size_t)(limit - lists->text);
    return counter->line;
}

/* ---- images --------------------------------------------------------------- */

static md_status add_images(struct coco_data *data)
{
    const struct coco_lists *lists = &data->lists;
    md_status st = sort_unique(lists, lists->images, lists->image_count, sizeof *lists->images,
                               offsetof(struct coco_image, offset), "images");
    for (size_t i = 0; i < lists->image_count && st == MD_OK; i++) {
        const struct coco_image *image = &lists->images[i];
        if (data->folder && !lists->problems && !path_stays_inside(data->folder, image->name))
            return ERROR(MD_EFORMAT,
                         "%s:%zu: \"%s\" leads out of the image folder %s; name files inside it",
                         lists->path, coco_line(lists, image->offset), image->name, data->folder);
        st = builder_add_image(&data->builder, image->name, image->id, image->width, image->height);
        if (st == MD_OK && lists->problems)
            builder_set_origin(&data->builder, data->origin,
                               line_at(&data->lines, lists, image->offset));
    }
    return st;
}

/* ---- classes -------------------------------------------------------------- */

static md_status check_category_names(const struct coco_lists *lists)
{
    md_status st = MD_OK;
    struct string_table names;
    string_table_init(&names, lists->memory);
    for (size_t i = 0; i < lists->category_count; i++) {
        const struct coco_category *category = &lists->categories[i];
        TRY(string_table_add(&names, category->name, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s:%zu: two categories are named \"%s\"; rename one", lists->path,
                 coco_line(lists, category->offset), category->name);
    }
    st = MD_OK;
fail:
    string_table_free(&names);
    return st;
}

/* The caller's classes take the ids of the file's categories of the same name; one that the file
 * lacks takes an id that is free in it. */
static md_status add_given_classes(struct coco_data *data)
{
    struct coco_lists *lists = &data->lists;
    int64_t free_id = 1;
    for (size_t i = 0; i < lists->category_count; i++) {
        struct coco_category *category = &lists->categories[i];
        category->class_id = class_find(data->classes, data->class_count, category->name);
        if (category->id >= free_id && category->id < INT64_MAX - INT32_MAX)
            free_id = category->id + 1;
    }
    for (int k = 0; k < data->class_count; k++) {
        const struct coco_category *found = NULL;
        for (size_t i = 0; i < lists->category_count && !found; i++)
            if (lists->categories[i].class_id == k)
                found = &lists->categories[i];
        md_status st =
            builder_add_class(&data->builder, data->classes[k], found ? found->id : free_id++);
        if (st < 0)
            return st;
    }
    return MD_OK;
}

static md_status add_classes(struct coco_data *data)
{
    struct coco_lists *lists = &data->lists;
    md_status st =
        sort_unique(lists, lists->categories, lists->category_count, sizeof *lists->categories,
                    offsetof(struct coco_category, offset), "categories");
    if (st == MD_OK)
        st = check_category_names(lists);
    if (st < 0)
        return st;
    if (data->classes)
        return add_given_classes(data);
    for (size_t i = 0; i < lists->category_count && st == MD_OK; i++) {
        lists->categories[i].class_id = (int)i;
        st = builder_add_class(&data->builder, lists->categories[i].name, lists->categories[i].id);
    }
    return st;
}

/* ---- annotations ---------------------------------------------------------- */

struct id_place {
    int64_t id;
    size_t offset;
};

static md_status check_annotation_ids(const struct coco_lists *lists)
{
    struct id_place *places = NULL;
    md_status st = memory_alloc(lists->memory, &places, lists->annotation_count, sizeof *places);
    if (st < 0)
        return st;
    for (size_t i = 0; i < lists->annotation_count; i++) {
        const struct coco_annotation *annotation = coco_annotation_at(lists, i);
        places[i] = (struct id_place){annotation->id, annotation->offset};
    }
    st = sort_unique(lists, places, lists->annotation_count, sizeof *places,
                     offsetof(struct id_place, offset), "annotations");
    memory_free(lists->memory, places);
    return st;
}

static const void *find_id(int64_t id, const void *items, size_t count, size_t size)
{
    return count > 0 ? bsearch(&id, items, count, size, by_id) : NULL;
}

static md_status add_annotation(struct coco_data *data, const struct coco_annotation *from,
                                size_t *clipped)
{
    const struct coco_lists *lists = &data->lists;
    const struct coco_image *image =
        find_id(from->image_id, lists->images, lists->image_count, sizeof *lists->images);
    const struct coco_category *category = find_id(
        from->category_id, lists->categories, lists->category_count, sizeof *lists->categories);
    if (!image || !category)
        return ERROR(
            MD_EFORMAT,
            "%s:%zu: annotation %lld is of %s %lld, which the file does not list; add or remove it",
            lists->path, coco_line(lists, from->offset), (long long)from->id,
            image ? "category" : "image", (long long)(image ? from->category_id : from->image_id));
    if (category->class_id < 0)
        return class_unknown(lists->path, coco_line(lists, from->offset), category->name,
                             data->classes, data->class_count);
    const double *xywh = from->xywh;
    const float corners[4] = {(float)xywh[0], (float)xywh[1], (float)(xywh[0] + xywh[2]),
                              (float)(xywh[1] + xywh[3])};
    float box[4];
    memcpy(box, corners, sizeof box);
    bool judged = image->width > 0 && !lists->problems;
    int changed = judged ? box_clip(box, image->width, image->height) : 0;
    if (changed < 0)
        return ERROR(
            MD_EFORMAT,
            "%s:%zu: annotation %lld, box %g,%g to %g,%g, lies outside of its image of %dx%d; "
            "correct or remove it",
            lists->path, coco_line(lists, from->offset), (long long)from->id, box[0], box[1],
            box[2], box[3], image->width, image->height);
    *clipped += changed > 0;
    struct annotation annotation = {.class_id = category->class_id,
                                    .crowd = from->crowd,
                                    .difficult = from->difficult,
                                    .area = from->area,
                                    .id = from->id};
    if (lists->problems)
        annotation.line = (uint32_t)line_at(&data->lines, lists, from->offset);
    if (from->outline_size > 0) {
        annotation.outline_at = from->offset + from->outline_at;
        annotation.outline_size = from->outline_size;
    }
    memcpy(annotation.box, corners, sizeof corners); /* unclipped, as the file has it */
    memcpy(annotation.xywh, from->xywh, sizeof annotation.xywh);
    return builder_add_annotation(&data->builder, (size_t)(image - lists->images), &annotation);
}

/* ---- the whole ------------------------------------------------------------ */

static md_status build(struct coco_data *data, const struct log *log, struct dataset **out)
{
    const struct coco_lists *lists = &data->lists;
    md_status st = MD_OK;
    struct dataset *dataset = NULL;
    struct data_checks checks = {0};
    if (lists->image_count == 0)
        FAIL(MD_EFORMAT, "%s: the list \"images\" is empty", lists->path);
    TRY(add_images(data));
    TRY(add_classes(data));
    TRY(check_annotation_ids(lists));
    TRY(builder_reserve(&data->builder, lists->annotation_count));
    for (size_t i = 0; i < lists->annotation_count; i++) {
        TRY(problem_pass_over(lists->problems, lists->path,
                              add_annotation(data, coco_annotation_at(lists, i), &checks.clipped)));
        coco_lists_drop(&data->lists, i);
    }
    TRY(builder_finish(&data->builder, data->folder, NULL, &dataset));
    if (lists->problems) {
        *out = dataset;
        return MD_OK;
    }
    if (data->folder)
        TRY(dataset_probe_sizes(dataset, dataset->image_count > PROBE_THREADS ? PROBE_THREADS : 0));
    TRY(checks_run(dataset, &checks));
    TRY(checks_report(dataset, &checks, log, lists->path));
    *out = dataset;
    return MD_OK;
fail:
    dataset_free(dataset);
    return st;
}

/* `data` with what the caller wants; the rest is set here. */
static md_status open_file(struct coco_data *data, struct memory *memory, const char *path,
                           struct problem_list *problems, const struct log *log,
                           struct dataset **out)
{
    struct file_bytes bytes = {0};
    struct outline_file outlines = {0};
    md_status st = file_map(&bytes, memory, path);
    if (st < 0)
        return st;
    coco_lists_init(&data->lists, memory, path);
    data->lists.problems = problems;
    data->lists.file = &bytes;
    builder_init(&data->builder, memory);
    st = outline_file_note(&outlines, path);
    if (st == MD_OK)
        st = builder_set_outlines(&data->builder, &outlines);
    if (st == MD_OK)
        st = coco_read(&data->lists, bytes.data, bytes.size);
    if (st == MD_OK && problems)
        st = arena_copy_string(&data->builder.arena, &data->origin, path, strlen(path));
    if (st == MD_OK)
        st = build(data, log, out);
    builder_free(&data->builder);
    coco_lists_free(&data->lists);
    file_bytes_free(&bytes);
    return st;
}

md_status dataset_open_coco(struct dataset **out, struct memory *memory, const struct log *log,
                            const char *path, const char *folder, const char *const *classes,
                            int class_count)
{
    struct coco_data data = {.folder = folder, .classes = classes, .class_count = class_count};
    return open_file(&data, memory, path, NULL, log, out);
}

md_status coco_open_checked(struct dataset **out, struct memory *memory,
                            struct problem_list *problems, const char *path, const char *folder)
{
    struct coco_data data = {.folder = folder};
    return open_file(&data, memory, path, problems, NULL, out);
}
