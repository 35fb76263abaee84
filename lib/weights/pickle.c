/* pickle.c - the pickle machine's memory, stack and loop; looking into what came out. */
#include "weights/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "weights/pickle_machine.h"

enum {
    STACK_MAX = 65536,
    STORAGES_MAX = 1 << 20,
    BUDGET_BASE = 64 << 20,
    BUDGET_RATIO = 2 /* the largest values are one copy of what stands in the pickle */
};

md_status pickle_error(const struct pickle *pickle, md_status status, const char *file, int line,
                       const char *format, ...)
{
    char text[320];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(status, file, line, "%s: pickle, byte %zu: %s", pickle->path,
                     pickle->opcode_at, text);
}

void pickle_open(struct pickle *pickle, struct memory *memory, const char *path,
                 const unsigned char *bytes, size_t size)
{
    *pickle = (struct pickle){.memory = memory, .path = path, .bytes = bytes, .size = size};
    pickle->budget = (size_t)BUDGET_BASE + BUDGET_RATIO * size;
    arena_init(&pickle->arena, memory);
}

void pickle_close(struct pickle *pickle)
{
    memory_free(pickle->memory, pickle->stack);
    memory_free(pickle->memory, pickle->memo);
    memory_free(pickle->memory, pickle->storages);
    arena_free(&pickle->arena);
}

/* ---- memory ------------------------------------------------------------------------ */

md_status pickle_alloc(struct pickle *pickle, void *out, size_t count, size_t size)
{
    size_t bytes = 0;
    if (!checked_mul(&bytes, count, size) || bytes > pickle->budget)
        return PICKLE_ERROR(pickle, MD_EFORMAT,
                            "its values need more memory than a pickle of %zu bytes may; it is "
                            "damaged or hostile",
                            pickle->size);
    pickle->budget -= bytes;
    return arena_alloc(&pickle->arena, out, count, size);
}

md_status pickle_new(struct pickle *pickle, struct pickle_value **out, enum pickle_kind kind)
{
    md_status st = pickle_alloc(pickle, out, 1, sizeof **out);
    if (st == MD_OK)
        (*out)->kind = kind;
    return st;
}

md_status pickle_new_bytes(struct pickle *pickle, struct pickle_value **out, enum pickle_kind kind,
                           const unsigned char *data, size_t size)
{
    md_status st = pickle_new(pickle, out, kind);
    if (st == MD_OK) {
        (*out)->bytes.data = data;
        (*out)->bytes.size = size;
    }
    return st;
}

/* Room for one more of the pointers at *(void **)block. */
static md_status grow(struct pickle *pickle, void *block, size_t count, size_t *capacity,
                      size_t limit)
{
    md_status st = MD_OK;
    if (count < *capacity)
        return MD_OK;
    if (count >= limit)
        return PICKLE_ERROR(pickle, MD_EFORMAT,
                            "more than %zu values at a time; it is damaged or hostile", limit);
    size_t larger = *capacity ? 2 * *capacity : 64;
    TRY(memory_resize(pickle->memory, block, larger, sizeof(void *)));
    *capacity = larger;
fail:
    return st;
}

/* ---- stack ------------------------------------------------------------------------- */

md_status pickle_push(struct pickle *pickle, struct pickle_value *value)
{
    md_status st = MD_OK;
    TRY(grow(pickle, &pickle->stack, pickle->depth, &pickle->stack_capacity, STACK_MAX));
    pickle->stack[pickle->depth++] = value;
fail:
    return st;
}

md_status pickle_push_new(struct pickle *pickle, enum pickle_kind kind)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    TRY(pickle_new(pickle, &value, kind));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static size_t floor_of(const struct pickle *pickle)
{
    return pickle->mark_count > 0 ? pickle->marks[pickle->mark_count - 1] : 0;
}

md_status pickle_top(struct pickle *pickle, struct pickle_value **out)
{
    if (pickle->depth <= floor_of(pickle))
        return PICKLE_ERROR(pickle, MD_EFORMAT, "a value is missing; the file is damaged");
    *out = pickle->stack[pickle->depth - 1];
    return MD_OK;
}

md_status pickle_pop(struct pickle *pickle, struct pickle_value **out)
{
    md_status st = pickle_top(pickle, out);
    if (st == MD_OK)
        pickle->depth--;
    return st;
}

md_status pickle_pop_mark(struct pickle *pickle, struct pickle_value ***items, size_t *count)
{
    if (pickle->mark_count == 0)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "a mark is missing; the file is damaged");
    size_t mark = pickle->marks[--pickle->mark_count];
    *items = pickle->stack ? pickle->stack + mark : NULL;
    *count = pickle->depth - mark;
    pickle->depth = mark;
    return MD_OK;
}

md_status pickle_append(struct pickle *pickle, struct pickle_value *list,
                        struct pickle_value *const *items, size_t count)
{
    md_status st = MD_OK;
    size_t needed = list->list.count + count;
    if (needed > list->list.capacity) {
        size_t capacity = needed > 2 * list->list.capacity ? needed : 2 * list->list.capacity;
        struct pickle_value **larger = NULL;
        TRY(pickle_alloc(pickle, &larger, capacity, sizeof *larger));
        for (size_t i = 0; i < list->list.count; i++)
            larger[i] = list->list.items[i];
        list->list.items = larger;
        list->list.capacity = capacity;
    }
    for (size_t i = 0; i < count; i++)
        list->list.items[list->list.count + i] = items[i];
    list->list.count = needed;
fail:
    return st;
}

/* ---- the stream ---------------------------------------------------------------------- */

md_status pickle_take(struct pickle *pickle, const unsigned char **out, uint64_t size)
{
    if (size > pickle->size - pickle->at)
        return PICKLE_ERROR(pickle, MD_EFORMAT,
                            "%llu bytes should follow, %zu are left; the file is cut, fetch it "
                            "again",
                            (unsigned long long)size, pickle->size - pickle->at);
    *out = pickle->bytes + pickle->at;
    pickle->at += (size_t)size;
    return MD_OK;
}

md_status pickle_take_line(struct pickle *pickle, const unsigned char **out, size_t *size)
{
    const unsigned char *start = pickle->bytes + pickle->at;
    size_t left = pickle->size - pickle->at;
    const unsigned char *end = left > 0 ? memchr(start, '\n', left) : NULL;
    if (!end)
        return PICKLE_ERROR(pickle, MD_EFORMAT,
                            "a line has no end; the file is cut, fetch it "
                            "again");
    *out = start;
    *size = (size_t)(end - start);
    pickle->at += *size + 1;
    return MD_OK;
}

md_status pickle_read(struct pickle *pickle, const struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    pickle->depth = pickle->mark_count = pickle->memo_count = 0;
    if (pickle->memo)
        memset(pickle->memo, 0, pickle->memo_capacity * sizeof(struct pickle_value *));
    for (;;) {
        const unsigned char *code = NULL;
        pickle->opcode_at = pickle->at;
        TRY(pickle_take(pickle, &code, 1));
        if (*code == '.')
            break;
        pickle_opcode_fn *run = pickle_opcode(*code);
        if (!run)
            PICKLE_FAIL(pickle, MD_EFORMAT, "0x%02x is no opcode; the file is damaged or no pickle",
                        *code);
        TRY(run(pickle));
    }
    TRY(pickle_pop(pickle, &value));
    *out = value;
fail:
    return st;
}

/* ---- looking into values -------------------------------------------------------------- */

const char *pickle_kind_name(enum pickle_kind kind)
{
    static const char *const NAMES[] = {
        [PICKLE_NONE] = "None",        [PICKLE_BOOL] = "a truth value",
        [PICKLE_INTEGER] = "a number", [PICKLE_HUGE] = "a large number",
        [PICKLE_REAL] = "a number",    [PICKLE_BYTES] = "bytes",
        [PICKLE_STRING] = "a string",  [PICKLE_TEXT] = "text",
        [PICKLE_LIST] = "a list",      [PICKLE_TUPLE] = "a tuple",
        [PICKLE_DICT] = "a dict",      [PICKLE_GLOBAL] = "a type or function",
        [PICKLE_DTYPE] = "a dtype",    [PICKLE_STORAGE] = "a storage",
        [PICKLE_TENSOR] = "a tensor",
    };
    return NAMES[kind];
}

bool pickle_is_text(const struct pickle_value *value, const char *text)
{
    size_t length = strlen(text);
    return (value->kind == PICKLE_TEXT || value->kind == PICKLE_STRING) &&
           value->bytes.size == length && memcmp(value->bytes.data, text, length) == 0;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    if (!dict || dict->kind != PICKLE_DICT)
        return NULL;
    for (size_t i = dict->list.count; i >= 2; i -= 2)
        if (pickle_is_text(dict->list.items[i - 2], key))
            return dict->list.items[i - 1];
    return NULL;
}

/* Latin-1 to UTF-8. */
static md_status widen(struct pickle *pickle, const char **out, const unsigned char *data,
                       size_t size)
{
    md_status st = MD_OK;
    char *text = NULL;
    size_t at = 0;
    TRY(pickle_alloc(pickle, &text, 2 * size + 1, 1));
    for (size_t i = 0; i < size; i++) {
        if (data[i] >= 0x80)
            text[at++] = (char)(0xc0 | data[i] >> 6);
        text[at++] = (char)(data[i] >= 0x80 ? 0x80 | (data[i] & 0x3f) : data[i]);
    }
    text[at] = '\0';
    *out = text;
fail:
    return st;
}

md_status pickle_text(struct pickle *pickle, const char **out, const struct pickle_value *value)
{
    md_status st = MD_OK;
    char *text = NULL;
    if (value->kind != PICKLE_TEXT && value->kind != PICKLE_STRING)
        FAIL(MD_EFORMAT, "%s: %s stands where a name should; write the file again", pickle->path,
             pickle_kind_name(value->kind));
    const char *data = (const char *)value->bytes.data;
    size_t size = value->bytes.size;
    if (size > 0 && memchr(data, '\0', size))
        FAIL(MD_EFORMAT, "%s: a name holds a zero byte; write the file again", pickle->path);
    if (value->kind == PICKLE_STRING)
        return widen(pickle, out, value->bytes.data, size);
    for (size_t at = 0, step; at < size; at += step) {
        step = utf8_length(data + at, size - at);
        if (step == 0)
            FAIL(MD_EFORMAT, "%s: a name is not UTF-8; write the file again", pickle->path);
    }
    TRY(pickle_alloc(pickle, &text, size + 1, 1));
    if (size > 0)
        memcpy(text, data, size);
    *out = text;
fail:
    return st;
}
