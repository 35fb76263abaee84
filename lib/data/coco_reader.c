/* coco_reader.c - reads images, categories and annotations of a COCO file, one element at a time. */
#include "data/coco_reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "data/builder.h"
#include "data/problems.h"

/* ---- values --------------------------------------------------------------- */

static md_status read_integer(struct json *json, const char *key, int64_t *out)
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_NUMBER)
        return json_fail(json, "\"%s\" must be a whole number", key);
    if (json->is_integer) {
        *out = json->integer;
        return MD_OK;
    }
    if (!(fabs(json->number) < 9007199254740992.0) || json->number > floor(json->number))
        return json_fail(json, "\"%s\" must be a whole number", key);
    *out = (int64_t)json->number; /* 640.0, as some tools write */
    return MD_OK;
}

static md_status read_size(struct json *json, const char *key, int *out)
{
    int64_t value = 0;
    md_status st = read_integer(json, key, &value);
    if (st < 0)
        return st;
    if (value < 1 || value > 1 << 24)
        return json_fail(json, "\"%s\" must be a number of pixels", key);
    *out = (int)value;
    return MD_OK;
}

static md_status read_text(struct json *json, struct arena *arena, const char *key,
                           const char **out)
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_STRING || json->text.length == 0)
        return json_fail(json, "\"%s\" must be a text", key);
    return arena_copy_string(arena, out, json->text.data, json->text.length);
}

static md_status read_flag(struct json *json, const char *key, bool *out)
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    bool number = json->token == JSON_NUMBER && json->is_integer &&
                  (json->integer == 0 || json->integer == 1);
    if (!number && json->token != JSON_TRUE && json->token != JSON_FALSE)
        return json_fail(json, "\"%s\" must be 0 or 1", key);
    *out = number ? json->integer == 1 : json->token == JSON_TRUE;
    return MD_OK;
}

static md_status read_area(struct json *json, double *out)
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_NUMBER || !(json->number >= 0) || !(json->number < 1e18))
        return json_fail(json, "\"area\" must be a number of square pixels");
    *out = json->number;
    return MD_OK;
}

/* [x, y, width, height] */
static md_status read_box(struct json *json, double box[4])
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_ARRAY_BEGIN)
        return json_fail(json, "\"bbox\" must be a list [x, y, width, height]");
    for (int i = 0; i < 4; i++) {
        st = json_next(json);
        if (st < 0)
            return st;
        if (json->token != JSON_NUMBER)
            return json_fail(json, "\"bbox\" must be four numbers: x, y, width, height");
        if (!(fabs(json->number) <= 1e9))
            return json_fail(json, "\"bbox\" must be pixels, not %g", json->number);
        box[i] = json->number;
    }
    st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_ARRAY_END)
        return json_fail(json, "\"bbox\" must be four numbers, not more");
    if (box[2] < 0 || box[3] < 0)
        return json_fail(json, "\"bbox\" has a negative size, %g x %g; it is x, y, width, height",
                         box[2], box[3]);
    return MD_OK;
}

/* ---- elements ------------------------------------------------------------- */

/* The next key of an object: MD_END when the object is over. */
static md_status next_key(struct json *json)
{
    md_status st = json_next(json);
    return st == MD_OK && json->token == JSON_OBJECT_END ? MD_END : st;
}

static md_status read_image(struct coco_lists *lists, struct json *json, size_t offset)
{
    struct coco_image image = {.offset = offset};
    bool has_id = false;
    md_status st;
    while ((st = next_key(json)) == MD_OK) {
        const char *key = json->text.data;
        if (strcmp(key, "id") == 0) {
            st = read_integer(json, "id", &image.id);
            has_id = true;
        } else if (strcmp(key, "file_name") == 0) {
            st = read_text(json, &lists->names, "file_name", &image.name);
        } else if (strcmp(key, "width") == 0) {
            st = read_size(json, "width", &image.width);
        } else if (strcmp(key, "height") == 0) {
            st = read_size(json, "height", &image.height);
        } else {
            st = json_skip(json);
        }
        if (st < 0)
            return st;
    }
    if (st < 0)
        return st;
    if (!has_id || !image.name)
        return json_fail(json, "the image has no \"%s\"", has_id ? "file_name" : "id");
    if (image.width == 0 || image.height == 0)
        image.width = image.height = 0;
    st = grow_array(lists->memory, &lists->images, lists->image_count, &lists->image_capacity,
                    sizeof image);
    if (st == MD_OK)
        lists->images[lists->image_count++] = image;
    return st;
}

static md_status read_category(struct coco_lists *lists, struct json *json, size_t offset)
{
    struct coco_category category = {.offset = offset, .class_id = -1};
    bool has_id = false;
    md_status st;
    while ((st = next_key(json)) == MD_OK) {
        const char *key = json->text.data;
        if (strcmp(key, "id") == 0) {
            st = read_integer(json, "id", &category.id);
            has_id = true;
        } else if (strcmp(key, "name") == 0) {
            st = read_text(json, &lists->names, "name", &category.name);
        } else {
            st = json_skip(json);
        }
        if (st < 0)
            return st;
    }
    if (st < 0)
        return st;
    if (!has_id || !category.name)
        return json_fail(json, "the category has no \"%s\"", has_id ? "name" : "id");
    st = grow_array(lists->memory, &lists->categories, lists->category_count,
                    &lists->category_capacity, sizeof category);
    if (st == MD_OK)
        lists->categories[lists->category_count++] = category;
    return st;
}

/* Polygons or runs: only where they stand. */
static md_status read_outline(struct json *json, struct coco_annotation *out)
{
    md_status st = json_next(json);
    const char *from = json->begin;
    if (st < 0 || json->token == JSON_NULL)
        return st;
    if (json->token != JSON_ARRAY_BEGIN && json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "\"segmentation\" must be a list of polygons or an object of runs");
    st = json_skip(json);
    if (st < 0)
        return st;
    size_t at = (size_t)(from - json->start) - out->offset;
    size_t size = (size_t)(json->at - from);
    if (at > UINT32_MAX || size > UINT32_MAX)
        return json_fail(json, "the \"segmentation\" is too long");
    out->outline_at = (uint32_t)at;
    out->outline_size = (uint32_t)size;
    return MD_OK;
}

/* What an annotation must have, and what stands there. */
struct annotation_fields {
    bool id, image_id, category_id, bbox, area;
    double box[4];
    double area_value;
};

static md_status annotation_value(struct json *json, struct coco_annotation *out,
                                  struct annotation_fields *fields)
{
    const char *key = json->text.data;
    if (strcmp(key, "id") == 0) {
        fields->id = true;
        return read_integer(json, "id", &out->id);
    }
    if (strcmp(key, "image_id") == 0) {
        fields->image_id = true;
        return read_integer(json, "image_id", &out->image_id);
    }
    if (strcmp(key, "category_id") == 0) {
        fields->category_id = true;
        return read_integer(json, "category_id", &out->category_id);
    }
    if (strcmp(key, "bbox") == 0) {
        fields->bbox = true;
        return read_box(json, fields->box);
    }
    if (strcmp(key, "area") == 0) {
        fields->area = true;
        return read_area(json, &fields->area_value);
    }
    if (strcmp(key, "iscrowd") == 0)
        return read_flag(json, "iscrowd", &out->crowd);
    if (strcmp(key, "difficult") == 0) /* Pascal VOC's, kept by our writer */
        return read_flag(json, "difficult", &out->difficult);
    if (strcmp(key, "segmentation") == 0)
        return read_outline(json, out);
    return json_skip(json); /* keypoints, ... */
}

static md_status put_annotation(struct coco_lists *lists, const struct coco_annotation *annotation)
{
    size_t page = lists->annotation_count / COCO_PAGE;
    md_status st = MD_OK;
    if (page == lists->page_count) {
        st = grow_array(lists->memory, &lists->annotation_pages, page, &lists->page_capacity,
                        sizeof *lists->annotation_pages);
        if (st == MD_OK)
            st = memory_alloc(lists->memory, &lists->annotation_pages[page], COCO_PAGE,
                              sizeof *annotation);
        if (st < 0)
            return st;
        lists->page_count++;
    }
    lists->annotation_pages[page][lists->annotation_count++ % COCO_PAGE] = *annotation;
    return st;
}

static md_status read_annotation(struct coco_lists *lists, struct json *json, size_t offset)
{
    struct coco_annotation annotation = {.offset = offset};
    struct annotation_fields fields = {0};
    md_status st;
    while ((st = next_key(json)) == MD_OK) {
        st = annotation_value(json, &annotation, &fields);
        if (st < 0)
            return st;
    }
    if (st < 0)
        return st;
    const char *absent = !fields.id            ? "id"
                         : !fields.image_id    ? "image_id"
                         : !fields.category_id ? "category_id"
                         : !fields.bbox        ? "bbox"
                                               : NULL;
    if (absent)
        return json_fail(json, "the annotation has no \"%s\"", absent);
    const double *box = fields.box;
    memcpy(annotation.xywh, box, sizeof annotation.xywh);
    annotation.area = fields.area ? fields.area_value : box[2] * box[3];
    return put_annotation(lists, &annotation);
}

/* ---- lists ---------------------------------------------------------------- */

typedef md_status element_fn(struct coco_lists *lists, struct json *json, size_t offset);

/* The element as it was found wrong somewhere within: back to its start, and over it. */
static md_status pass_over(struct coco_lists *lists, struct json *json, const struct json *start,
                           md_status st)
{
    char error[512];
    struct buffer text = json->text; /* may have moved since */
    if (!lists->problems || st != MD_EFORMAT)
        return st;
    snprintf(error, sizeof error, "%s", error_text());
    *json = *start;
    json->text = text;
    st = json_skip(json);
    if (st < 0)
        return st; /* it is no JSON: nothing goes on from here */
    return problem_pass_over(lists->problems, lists->path, error_restore(MD_EFORMAT, error));
}

enum { FORGET_BYTES = 4 << 20 };

/* The file may be larger than memory. */
static void forget_read(struct coco_lists *lists, const struct json *json)
{
    size_t at = (size_t)(json->at - json->start);
    if (!lists->file || at - lists->forgotten < FORGET_BYTES)
        return;
    file_bytes_forget(lists->file, json->start + lists->forgotten, at - lists->forgotten);
    lists->forgotten = at;
}

static md_status read_list(struct coco_lists *lists, struct json *json, const char *key,
                           element_fn *element)
{
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_ARRAY_BEGIN)
        return json_fail(json, "\"%s\" must be a list", key);
    for (;;) {
        st = json_next(json);
        if (st < 0 || json->token == JSON_ARRAY_END)
            return st;
        if (json->token != JSON_OBJECT_BEGIN)
            return json_fail(json, "\"%s\" must be a list of objects", key);
        const struct json start = *json;
        st = element(lists, json, (size_t)(json->at - json->start));
        if (st < 0)
            st = pass_over(lists, json, &start, st);
        if (st < 0)
            return st;
        forget_read(lists, json);
    }
}

static md_status read_document(struct coco_lists *lists, struct json *json)
{
    static const struct {
        const char *key;
        element_fn *element;
    } known[] = {
        {"images", read_image}, {"categories", read_category}, {"annotations", read_annotation}};
    bool seen[3] = {false, false, false};
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(
            json, "a COCO file is an object with \"images\", \"categories\" and \"annotations\"");
    while ((st = next_key(json)) == MD_OK) {
        int list = -1;
        for (int i = 0; i < 3; i++)
            if (strcmp(json->text.data, known[i].key) == 0)
                list = i;
        if (list >= 0 && seen[list])
            return json_fail(json, "\"%s\" stands here a second time", known[list].key);
        if (list >= 0)
            seen[list] = true;
        st = list >= 0 ? read_list(lists, json, known[list].key, known[list].element)
                       : json_skip(json);
        if (st < 0)
            return st;
    }
    if (st >= 0)
        st = json_next(json); /* nothing may follow */
    if (st < 0)
        return st;
    for (int i = 0; i < 3; i++)
        if (!seen[i])
            return json_fail(
                json,
                "the file has no \"%s\"; an object detection set needs the list, if only an empty one",
                known[i].key);
    return MD_OK;
}

void coco_lists_init(struct coco_lists *lists, struct memory *memory, const char *path)
{
    memset(lists, 0, sizeof *lists);
    lists->memory = memory;
    lists->path = path;
    arena_init(&lists->names, memory);
}

md_status coco_read(struct coco_lists *lists, const void *bytes, size_t size)
{
    struct json json;
    lists->text = bytes;
    lists->size = size;
    json_open(&json, lists->memory, lists->path, bytes, size);
    md_status st = read_document(lists, &json);
    json_close(&json);
    return st;
}

const struct coco_annotation *coco_annotation_at(const struct coco_lists *lists, size_t index)
{
    return &lists->annotation_pages[index / COCO_PAGE][index % COCO_PAGE];
}

void coco_lists_drop(struct coco_lists *lists, size_t index)
{
    if (index % COCO_PAGE != COCO_PAGE - 1)
        return;
    memory_free(lists->memory, lists->annotation_pages[index / COCO_PAGE]);
    lists->annotation_pages[index / COCO_PAGE] = NULL;
}

void coco_lists_free(struct coco_lists *lists)
{
    memory_free(lists->memory, lists->images);
    memory_free(lists->memory, lists->categories);
    for (size_t i = 0; i < lists->page_count; i++)
        memory_free(lists->memory, lists->annotation_pages[i]);
    memory_free(lists->memory, lists->annotation_pages);
    arena_free(&lists->names);
}

size_t coco_line(const struct coco_lists *lists, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < lists->size; i++)
        line += lists->text[i] == '\n';
    return line;
}
