/* results.c - the reader of COCO results. */
#include "eval/results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "eval/image_index.h"

enum { FORGET_BYTES = 4 << 20, NAME_BYTES = 512 };

struct reading {
    const struct results_source *source;
    struct results results;
    struct json json;
    struct image_index index;
    size_t forgotten; /* bytes whose pages were given back */
};

/* An element as it stands in the file. */
struct element {
    bool image_id, category_id, bbox, score, file_name, category;
    bool image_named; /* by "file_name", or an "image_id" that is a text: name */
    int64_t image, class_id;
    char name[NAME_BYTES], class_name[NAME_BYTES];
    double box[4], value;
};

/* ---- values -------------------------------------------------------------------------------------- */

static md_status fail_at(const struct reading *reading, const char *what)
{
    return json_fail(&reading->json, "result %zu: %s", reading->results.read + 1, what);
}

/* As json_next, but what Python writes for numbers that are none gets a word of its own. */
static md_status next_value(struct reading *reading)
{
    struct json *json = &reading->json;
    md_status st = json_next(json);
    if (st != MD_EFORMAT || json->begin == json->limit)
        return st;
    const char *at = json->begin + (*json->begin == '-');
    if (json->limit - at >= 3 && (memcmp(at, "NaN", 3) == 0 || memcmp(at, "Inf", 3) == 0))
        return fail_at(reading, "NaN and Infinity are no numbers of JSON; correct or remove it");
    return st;
}

static bool take_integer(const struct json *json, int64_t *out)
{
    if (json->token != JSON_NUMBER)
        return false;
    if (json->is_integer) {
        *out = json->integer;
        return true;
    }
    if (!(fabs(json->number) < 9007199254740992.0) || json->number > floor(json->number))
        return false;
    *out = (int64_t)json->number; /* 139.0, as some tools write */
    return true;
}

/* The text that was just read; one that does not fit is the name of nothing. */
static void take_text(const struct json *json, char out[NAME_BYTES])
{
    snprintf(out, NAME_BYTES, "%s", json->text.data);
}

static md_status read_image_id(struct reading *reading, struct element *element)
{
    md_status st = json_next(&reading->json);
    if (st < 0)
        return st;
    element->image_id = true;
    if (reading->json.token != JSON_STRING)
        return take_integer(&reading->json, &element->image)
                   ? MD_OK
                   : fail_at(reading, "\"image_id\" must be a whole number or a name");
    element->image_named = true;
    if (!element->file_name)
        take_text(&reading->json, element->name);
    return MD_OK;
}

static md_status read_name(struct reading *reading, const char *key, char out[NAME_BYTES])
{
    char what[64];
    md_status st = json_next(&reading->json);
    if (st < 0)
        return st;
    if (reading->json.token != JSON_STRING) {
        snprintf(what, sizeof what, "\"%s\" must be a text", key);
        return fail_at(reading, what);
    }
    take_text(&reading->json, out);
    return MD_OK;
}

static md_status read_number(struct reading *reading, const char *problem, double *out)
{
    md_status st = next_value(reading);
    if (st < 0)
        return st;
    if (reading->json.token != JSON_NUMBER)
        return fail_at(reading, problem);
    *out = reading->json.number;
    return MD_OK;
}

static md_status read_box(struct reading *reading, double box[4])
{
    static const char wanted[] = "\"bbox\" must be four numbers: x, y, width, height";
    struct json *json = &reading->json;
    md_status st = json_next(json);
    if (st == MD_OK && json->token != JSON_ARRAY_BEGIN)
        return fail_at(reading, wanted);
    for (int i = 0; i < 4 && st == MD_OK; i++) {
        st = read_number(reading, wanted, &box[i]);
        if (st == MD_OK && !(fabs(box[i]) <= 1e9))
            return fail_at(reading, "\"bbox\" is not in pixels: a number is beyond 1e9");
    }
    if (st == MD_OK && (box[2] < 0 || box[3] < 0))
        return json_fail(json,
                         "result %zu: \"bbox\" has a negative size, %g x %g; it is x, y, width, "
                         "height, not two corners",
                         reading->results.read + 1, box[2], box[3]);
    if (st == MD_OK)
        st = json_next(json);
    if (st == MD_OK && json->token != JSON_ARRAY_END)
        return fail_at(reading, wanted);
    return st;
}

static md_status read_value(struct reading *reading, struct element *element)
{
    const char *key = reading->json.text.data;
    if (strcmp(key, "image_id") == 0)
        return read_image_id(reading, element);
    if (strcmp(key, "category_id") == 0) {
        md_status st = json_next(&reading->json);
        element->category_id = true;
        if (st == MD_OK && !take_integer(&reading->json, &element->class_id))
            return fail_at(reading, "\"category_id\" must be a whole number");
        return st;
    }
    if (strcmp(key, "bbox") == 0) {
        element->bbox = true;
        return read_box(reading, element->box);
    }
    if (strcmp(key, "score") == 0) {
        element->score = true;
        return read_number(reading, "\"score\" must be a number", &element->value);
    }
    if (strcmp(key, "file_name") == 0) {
        element->file_name = element->image_named = true;
        return read_name(reading, "file_name", element->name);
    }
    if (strcmp(key, "category") == 0) {
        element->category = true;
        return read_name(reading, "category", element->class_name);
    }
    return json_skip(&reading->json); /* "segmentation", "id", "area", ... */
}

/* ---- elements ------------------------------------------------------------------------------------ */

static void note_unknown(struct results_unknown *unknown, const char *text)
{
    enum { MOST = sizeof unknown->first / sizeof unknown->first[0] };
    char line[sizeof unknown->first[0]];
    snprintf(line, sizeof line, "%.*s", (int)sizeof line - 1, text);
    unknown->count++;
    for (size_t i = 0; i < unknown->listed; i++)
        if (strcmp(unknown->first[i], line) == 0)
            return;
    if (unknown->listed < MOST)
        memcpy(unknown->first[unknown->listed++], line, sizeof line);
}

/* MD_END: the data set has no such image. */
static md_status find_image(struct reading *reading, const struct element *element, uint32_t *out)
{
    char text[NAME_BYTES];
    if (element->image_named) {
        md_status st = image_index_find_name(&reading->index, element->name, out);
        if (st == MD_EMISMATCH)
            return json_fail(&reading->json,
                             "result %zu: several images are named \"%.200s\"; write the name as "
                             "the data set does, with its folder",
                             reading->results.read + 1, element->name);
        if (st != MD_END)
            return st;
        snprintf(text, sizeof text, "%s", element->name);
    } else {
        if (image_index_find(&reading->index, element->image, out))
            return MD_OK;
        snprintf(text, sizeof text, "%" PRId64, element->image);
    }
    note_unknown(&reading->results.images, text);
    return MD_END;
}

static bool find_class(struct reading *reading, const struct element *element, int *out)
{
    const struct dataset *dataset = reading->source->dataset;
    char text[24];
    if (!element->category) {
        if (image_index_find_class(&reading->index, element->class_id, out))
            return true;
        snprintf(text, sizeof text, "%" PRId64, element->class_id);
        note_unknown(&reading->results.classes, text);
        return false;
    }
    for (int c = 0; c < dataset->class_count; c++)
        if (strcmp(dataset->class_names[c], element->class_name) == 0) {
            *out = c;
            return true;
        }
    note_unknown(&reading->results.classes, element->class_name);
    return false;
}

/* By what the file has cost so far, so that memory is asked for once or twice. */
static md_status grow(struct reading *reading)
{
    struct results *results = &reading->results;
    const struct json *json = &reading->json;
    double part = (double)(json->at - json->start) / (double)(json->limit - json->start);
    size_t capacity = results->count + results->count / 4 + 64;
    double estimate = results->count >= 64 ? 1.02 * (double)results->count / part : 0;
    if (estimate > (double)capacity)
        capacity = (size_t)estimate;
    md_status st =
        memory_resize(results->memory, &results->detections, capacity, sizeof *results->detections);
    if (st == MD_OK)
        results->capacity = capacity;
    return st;
}

static const char *what_is_absent(const struct element *element)
{
    if (!element->image_id && !element->file_name)
        return "it has no \"image_id\"";
    if (!element->category_id && !element->category)
        return "it has no \"category_id\"";
    if (!element->bbox)
        return "it has no \"bbox\"";
    return element->score ? NULL : "it has no \"score\"";
}

static md_status add_element(struct reading *reading, const struct element *element)
{
    struct results *results = &reading->results;
    struct eval_detection detection = {.score = element->value};
    const char *absent = what_is_absent(element);
    if (absent)
        return fail_at(reading, absent);
    memcpy(detection.box, element->box, sizeof detection.box);
    md_status st = find_image(reading, element, &detection.image);
    if (st < 0)
        return st;
    if (!find_class(reading, element, &detection.class_id) || st == MD_END)
        return MD_OK;
    if (results->count == results->capacity) {
        st = grow(reading);
        if (st < 0)
            return st;
    }
    if (!(element->value >= 0 && element->value <= 1) && results->odd_scores++ == 0)
        results->first_odd_score = results->read + 1;
    results->detections[results->count++] = detection;
    return MD_OK;
}

static md_status read_element(struct reading *reading)
{
    struct json *json = &reading->json;
    struct element element;
    memset(&element, 0, offsetof(struct element, name));
    element.name[0] = element.class_name[0] = '\0';
    if (json->token != JSON_OBJECT_BEGIN)
        return fail_at(reading, "an object is wanted, {\"image_id\": ...}");
    for (;;) {
        md_status st = json_next(json);
        if (st < 0)
            return st;
        if (json->token == JSON_OBJECT_END)
            return add_element(reading, &element);
        st = read_value(reading, &element);
        if (st < 0)
            return st;
    }
}

/* The file may be larger than memory. */
static void forget_read(struct reading *reading)
{
    const struct json *json = &reading->json;
    size_t at = (size_t)(json->at - json->start);
    if (!reading->source->file || at - reading->forgotten < FORGET_BYTES)
        return;
    file_bytes_forget(reading->source->file, json->start + reading->forgotten,
                      at - reading->forgotten);
    reading->forgotten = at;
}

static md_status read_document(struct reading *reading)
{
    struct json *json = &reading->json;
    md_status st = json_next(json);
    if (st < 0)
        return st;
    if (json->token != JSON_ARRAY_BEGIN)
        return json_fail(json, "a file of COCO results is a list, [{\"image_id\": ...}, ...]");
    for (;;) {
        st = json_next(json);
        if (st < 0)
            return st;
        if (json->token == JSON_ARRAY_END)
            return json_next(json); /* nothing may follow */
        st = read_element(reading);
        if (st < 0)
            return st;
        reading->results.read++;
        forget_read(reading);
    }
}

/* ---- what was odd -------------------------------------------------------------------------------- */

static void put_unknown(char *out, size_t size, const struct results_unknown *unknown,
                        const char *what)
{
    size_t at = strlen(out);
    if (unknown->count == 0)
        return;
    at += (size_t)snprintf(out + at, size - at, "%s%zu of %s that the data set does not have (",
                           at > 0 ? ", " : "", unknown->count, what);
    for (size_t i = 0; i < unknown->listed && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "", unknown->first[i]);
    if (at < size)
        snprintf(out + at, size - at, "%s)", unknown->count > unknown->listed ? ", ..." : "");
}

static md_status judge(const struct reading *reading)
{
    char text[768] = "";
    const struct results *results = &reading->results;
    const struct results_source *source = reading->source;
    if (results->odd_scores > 0)
        log_write(
            source->log, MD_LOG_WARN,
            "%s: %zu scores lie outside of 0 to 1, the first in result %zu; average precision "
            "asks for their order only, thresholds may not fit",
            source->name, results->odd_scores, results->first_odd_score);
    put_unknown(text, sizeof text, &results->images, "images");
    put_unknown(text, sizeof text, &results->classes, "categories");
    if (text[0] == '\0')
        return MD_OK;
    if (!source->ignore_unknown)
        return ERROR(MD_EMISMATCH,
                     "%s: of %zu results %s; give the data they are of, or let them be passed over "
                     "(ignore_unknown)",
                     source->name, results->read, text);
    log_write(source->log, MD_LOG_WARN, "%s: passed over, of %zu results: %s", source->name,
              results->read, text);
    return MD_OK;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

md_status results_read(struct results *out, struct memory *memory,
                       const struct results_source *source, const void *bytes, size_t size)
{
    md_status st = MD_OK;
    struct reading reading = {.source = source, .results = {.memory = memory}};
    json_open(&reading.json, memory, source->name, bytes, size);
    TRY(image_index_create(&reading.index, memory, source->dataset));
    TRY(read_document(&reading));
    TRY(judge(&reading));
    *out = reading.results;
    reading.results = (struct results){.memory = memory};
fail:
    results_free(&reading.results);
    image_index_free(&reading.index);
    json_close(&reading.json);
    return st;
}

md_status results_read_file(struct results *out, struct memory *memory,
                            const struct results_source *source)
{
    struct file_bytes bytes = {0};
    struct results_source mapped = *source;
    md_status st = file_map(&bytes, memory, source->name);
    if (st < 0)
        return st;
    mapped.file = &bytes;
    st = results_read(out, memory, &mapped, bytes.data, bytes.size);
    file_bytes_free(&bytes);
    return st;
}

void results_free(struct results *results)
{
    if (!results->memory)
        return;
    memory_free(results->memory, results->detections);
    results->detections = NULL;
    results->count = results->capacity = 0;
}
