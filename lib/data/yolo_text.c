/* yolo_text.c - data.yaml and label lines, as YOLO tools write them. */
#include "data/yolo_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config/yaml.h"
#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"

enum { MAX_CLASSES = 65536, WORD_BYTES = 64 };

/* ---- data.yaml ------------------------------------------------------------ */

/* An item of a list stands there as a value: back to the word it was. */
static md_status word_of(struct arena *arena, const char *file, size_t line,
                         const struct value *value, const char **out)
{
    char text[32];
    if (value->kind == VALUE_STRING) {
        *out = value->string;
        return MD_OK;
    }
    if (value->kind != VALUE_INT)
        return ERROR(MD_EFORMAT, "%s:%zu: a name in the list is no text; put it in quotes", file,
                     line);
    int length = snprintf(text, sizeof text, "%lld", (long long)value->integer);
    return arena_copy_string(arena, out, text, (size_t)length);
}

/* A text or a list of texts. */
static md_status words_of(struct arena *arena, const char *file, const struct yaml_entry *entry,
                          const char ***out, size_t *count)
{
    md_status st = MD_OK;
    const char **words = NULL;
    if (entry->text) {
        TRY(arena_alloc(arena, &words, 1, sizeof *words));
        words[0] = entry->text;
        *count = *entry->text ? 1 : 0;
        *out = words;
        return MD_OK;
    }
    if (entry->value.kind != VALUE_LIST)
        FAIL(MD_EFORMAT, "%s:%zu: %s is neither a text nor a list of texts", file, entry->line,
             entry->key);
    TRY(arena_alloc(arena, &words, entry->value.list.count, sizeof *words));
    for (size_t i = 0; i < entry->value.list.count; i++)
        TRY(word_of(arena, file, entry->line, &entry->value.list.items[i], &words[i]));
    *count = entry->value.list.count;
    *out = words;
fail:
    return st;
}

/* "names.7": 7; SIZE_MAX when the key is none of names. */
static size_t class_key(const char *key)
{
    int64_t number = 0;
    if (strncmp(key, "names.", 6) != 0 || !parse_int64(key + 6, &number) || number < 0 ||
        number >= MAX_CLASSES)
        return SIZE_MAX;
    return (size_t)number;
}

/* names: {0: cat, 1: dog}, in any order, none left out. */
static md_status names_by_number(struct yolo_yaml *out, struct arena *arena, const char *file,
                                 const struct yaml_entries *entries)
{
    md_status st = MD_OK;
    const char **names = NULL;
    size_t count = 0;
    size_t most = 0;
    for (size_t i = 0; i < entries->count; i++) {
        const struct yaml_entry *entry = &entries->items[i];
        if (strncmp(entry->key, "names.", 6) != 0)
            continue;
        size_t number = class_key(entry->key);
        if (number == SIZE_MAX || !entry->text)
            FAIL(MD_EFORMAT, "%s:%zu: below names stands a number and a name, as in 0: cat", file,
                 entry->line);
        out->names_line = entry->line;
        most = number > most ? number : most;
        count++;
    }
    if (count == 0)
        return MD_OK;
    if (most != count - 1)
        FAIL(MD_EFORMAT, "%s:%zu: names has %zu classes, and one of number %zu; count from 0", file,
             out->names_line, count, most);
    TRY(arena_alloc(arena, &names, count, sizeof *names));
    for (size_t i = 0; i < entries->count; i++) {
        size_t number = class_key(entries->items[i].key);
        if (number < count)
            names[number] = entries->items[i].text;
    }
    for (size_t i = 0; i < count; i++)
        if (!names[i]) /* as when 1 and 01 stand there */
            FAIL(MD_EFORMAT, "%s:%zu: names has no class of number %zu", file, out->names_line, i);
    out->names = names;
    out->class_count = count;
fail:
    return st;
}

static md_status check_count(const struct yolo_yaml *yaml, const char *file,
                             const struct yaml_entry *entry)
{
    if (entry->value.kind == VALUE_INT && entry->value.integer >= 0 &&
        (uint64_t)entry->value.integer == yaml->class_count)
        return MD_OK;
    return ERROR(MD_EFORMAT, "%s:%zu: nc is not %zu, the number of names; correct one of them",
                 file, entry->line, yaml->class_count);
}

md_status yolo_yaml_read(struct yolo_yaml *out, struct arena *arena, const char *file,
                         const char *text, size_t size, const char *split)
{
    md_status st = MD_OK;
    struct yaml_entries entries = {0};
    const struct yaml_entry *count = NULL;
    *out = (struct yolo_yaml){.path = ""};
    TRY(yaml_read(arena, file, text, size, &entries));
    for (size_t i = 0; i < entries.count; i++) {
        const struct yaml_entry *entry = &entries.items[i];
        if (strcmp(entry->key, "path") == 0 && entry->text) {
            out->path = entry->text;
        } else if (split && strcmp(entry->key, split) == 0) {
            TRY(words_of(arena, file, entry, &out->entries, &out->entry_count));
            out->entry_line = entry->line;
        } else if (strcmp(entry->key, "names") == 0) {
            TRY(words_of(arena, file, entry, &out->names, &out->class_count));
            out->names_line = entry->line;
        } else if (strcmp(entry->key, "nc") == 0) {
            count = entry;
        }
    }
    if (!out->names)
        TRY(names_by_number(out, arena, file, &entries));
    if (out->class_count == 0)
        FAIL(MD_EFORMAT, "%s: no names; write the classes below names:, as in 0: cat", file);
    if (count)
        TRY(check_count(out, file, count));
fail:
    return st;
}

/* ---- labels --------------------------------------------------------------- */

struct words {
    const char *at, *limit;
};

/* The next word as a number. MD_END: no more. */
static md_status next_number(struct words *words, const char *file, size_t line, double *out)
{
    char word[WORD_BYTES];
    while (words->at < words->limit && (*words->at == ' ' || *words->at == '\t'))
        words->at++;
    const char *from = words->at;
    while (words->at < words->limit && *words->at != ' ' && *words->at != '\t')
        words->at++;
    size_t length = (size_t)(words->at - from);
    if (length == 0)
        return MD_END;
    snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : WORD_BYTES - 1, from);
    if (length >= sizeof word || memchr(from, '\0', length) || !parse_double(word, out) ||
        !isfinite(*out))
        return ERROR(MD_EFORMAT, "%s:%zu: \"%s\" is no number; a line is CLASS CX CY WIDTH HEIGHT",
                     file, line, word);
    return MD_OK;
}

/* A hundredth over the edge is what rounding tools leave. */
static md_status check_part(const char *file, size_t line, double value)
{
    if (value >= -0.01 && value <= 1.01)
        return MD_OK;
    return ERROR(MD_EFORMAT,
                 "%s:%zu: %g is not within 0 and 1; YOLO boxes are in parts of the image, not in "
                 "pixels",
                 file, line, value);
}

static md_status take_class(struct yolo_object *out, const char *file, size_t line, double number,
                            size_t class_count)
{
    if (!(number >= 0) || number >= (double)class_count || number > floor(number))
        return ERROR(MD_EFORMAT, "%s:%zu: class %g is none of the %zu, which count from 0", file,
                     line, number, class_count);
    out->class_index = (size_t)number;
    return MD_OK;
}

/* Corners one after the other; `values` holds the first four numbers. */
static md_status extent(struct yolo_object *out, struct words *words, const char *file, size_t line,
                        const double values[4])
{
    md_status st = MD_OK;
    double value = 0;
    size_t count = 4;
    for (int i = 0; i < 2; i++) {
        out->box[i] = fmin(values[i], values[i + 2]);
        out->box[i + 2] = fmax(values[i], values[i + 2]);
    }
    while ((st = next_number(words, file, line, &value)) == MD_OK) {
        TRY(check_part(file, line, value));
        out->box[count % 2] = fmin(out->box[count % 2], value);
        out->box[count % 2 + 2] = fmax(out->box[count % 2 + 2], value);
        count++;
    }
    if (st < 0)
        return st;
    st = MD_OK;
    if (count < 6 || count % 2)
        FAIL(MD_EFORMAT,
             "%s:%zu: %zu numbers behind the class; a box has 4, an outline an even number from 6 "
             "on",
             file, line, count);
fail:
    return st;
}

md_status yolo_line_read(struct yolo_object *out, const char *file, size_t line, const char *text,
                         size_t length, size_t class_count)
{
    md_status st = MD_OK;
    struct words words = {text, text + length};
    double number = 0;
    double v[4] = {0};
    TRY(next_number(&words, file, line, &number));
    TRY(take_class(out, file, line, number, class_count));
    for (int i = 0; i < 4; i++) {
        TRY(next_number(&words, file, line, &v[i]));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s:%zu: %d numbers; a line is CLASS CX CY WIDTH HEIGHT", file, line,
                 i + 1);
        TRY(check_part(file, line, v[i]));
    }
    const char *rest = words.at;
    st = next_number(&words, file, line, &number);
    if (st == MD_OK) {
        words.at = rest;
        TRY(extent(out, &words, file, line, v));
    } else if (st == MD_END) {
        const double box[4] = {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
        memcpy(out->box, box, sizeof box);
        st = MD_OK;
    }
    TRY(st);
    if (out->box[2] <= out->box[0] || out->box[3] <= out->box[1])
        FAIL(MD_EFORMAT, "%s:%zu: the box has no area; correct or remove the line", file, line);
fail:
    return st;
}

/* ---- paths ---------------------------------------------------------------- */

md_status yolo_label_path(struct memory *memory, char **out, const char *image)
{
    const char *found = NULL;
    for (const char *at = strstr(image, "images/"); at; at = strstr(at + 1, "images/"))
        if (at == image || at[-1] == '/')
            found = at;
    size_t end = strlen(image) - strlen(path_suffix(image));
    if (!found)
        return memory_printf(memory, out, "%.*s.txt", (int)end, image);
    size_t from = (size_t)(found - image) + strlen("images");
    return memory_printf(memory, out, "%.*slabels%.*s.txt", (int)(found - image), image,
                         (int)(end - from), image + from);
}
