/* yaml.c - from libyaml's events to dotted keys and values. */
#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

#include "core/error.h"
#include "core/strings.h"

enum { MAX_ANCHORS = 64, MAX_KEY = 256 };

struct anchor {
    const char *name;
    struct yaml_entry entry; /* its key and line are not those of the alias */
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; its type is YAML_NO_EVENT before the first */
    struct arena *arena;
    const char *name;          /* of the document */
    struct string_table paths; /* every key and section met, to see a second one */
    struct anchor anchors[MAX_ANCHORS];
    int anchor_count;
    struct yaml_entries entries;
    size_t capacity;
};

/* ---- events ------------------------------------------------------------- */

static size_t event_line(const struct reader *reader)
{
    return reader->event.start_mark.line + 1;
}

#define HERE(reader) (reader)->name, event_line(reader)

static md_status next(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return MD_OK;
    memset(&reader->event, 0, sizeof reader->event);
    if (reader->parser.error == YAML_MEMORY_ERROR)
        return ERROR(MD_ENOMEM, "%s: out of memory in the YAML parser", reader->name);
    size_t line = reader->parser.error == YAML_READER_ERROR ? reader->parser.mark.line
                                                            : reader->parser.problem_mark.line;
    return ERROR(MD_EFORMAT, "%s:%zu: not YAML: %s", reader->name, line + 1,
                 reader->parser.problem ? reader->parser.problem : "cannot be read");
}

static md_status check_tag(const struct reader *reader, const yaml_char_t *tag)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    static const char *const known[] = {"str",  "int", "float", "bool",
                                        "null", "seq", "map",   "python/tuple"};
    const char *text = (const char *)tag;
    if (!text || strcmp(text, "!") == 0)
        return MD_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(text, prefix, sizeof prefix - 1) == 0 &&
            strcmp(text + sizeof prefix - 1, known[i]) == 0)
            return MD_OK;
    return ERROR(MD_EFORMAT, "%s:%zu: the tag %s is not accepted; write the plain value",
                 HERE(reader), text);
}

/* ---- values ------------------------------------------------------------- */

static md_status remember(struct reader *reader, const char *name, const struct yaml_entry *entry)
{
    if (!name)
        return MD_OK;
    if (reader->anchor_count == MAX_ANCHORS)
        return ERROR(MD_EFORMAT, "%s:%zu: more than %d anchors; write the values out", HERE(reader),
                     MAX_ANCHORS);
    reader->anchors[reader->anchor_count++] = (struct anchor){name, *entry};
    return MD_OK;
}

static md_status recall(const struct reader *reader, struct yaml_entry *out)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    for (int i = reader->anchor_count - 1; i >= 0; i--) {
        if (strcmp(reader->anchors[i].name, name) == 0) {
            *out = reader->anchors[i].entry;
            return MD_OK;
        }
    }
    return ERROR(MD_EFORMAT,
                 "%s:%zu: *%s stands for no value; only lists and scalars can have an anchor",
                 HERE(reader), name);
}

static md_status copy_name(struct reader *reader, const yaml_char_t *name, const char **out)
{
    *out = NULL;
    return name ? arena_copy_string(reader->arena, out, (const char *)name,
                                    strlen((const char *)name))
                : MD_OK;
}

static md_status read_scalar(struct reader *reader, struct yaml_entry *out)
{
    const yaml_char_t *tag = reader->event.data.scalar.tag;
    const char *text = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;
    const char *anchor = NULL;
    md_status st = MD_OK;
    TRY(check_tag(reader, tag));
    if (strlen(text) != length)
        FAIL(MD_EFORMAT, "%s:%zu: a zero byte inside the value", HERE(reader));
    out->quoted = reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
                  (tag && string_ends_with((const char *)tag, ":str"));
    TRY(arena_copy_string(reader->arena, &out->text, text, length));
    if (out->quoted || !value_from_word(*text ? out->text : "~", &out->value))
        out->value = (struct value){.kind = VALUE_STRING, .string = out->text};
    TRY(copy_name(reader, reader->event.data.scalar.anchor, &anchor));
    return remember(reader, anchor, out);
fail:
    return st;
}

static md_status read_value(struct reader *reader, int depth, struct yaml_entry *out);

/* At the start of the sequence; leaves at its end. */
static md_status read_sequence(struct reader *reader, int depth, struct yaml_entry *out)
{
    md_status st = MD_OK;
    const char *anchor = NULL;
    TRY(check_tag(reader, reader->event.data.sequence_start.tag));
    TRY(copy_name(reader, reader->event.data.sequence_start.anchor, &anchor));
    struct value list = {.kind = VALUE_LIST};
    for (;;) {
        TRY(next(reader));
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        struct yaml_entry item = {0};
        TRY(read_value(reader, depth + 1, &item));
        TRY(value_append(reader->arena, &list, &item.value));
    }
    out->text = NULL;
    out->value = list;
    return remember(reader, anchor, out);
fail:
    return st;
}

static md_status read_value(struct reader *reader, int depth, struct yaml_entry *out)
{
    if (depth > VALUE_MAX_DEPTH)
        return ERROR(MD_EFORMAT, "%s:%zu: more than %d levels inside each other", HERE(reader),
                     VALUE_MAX_DEPTH);
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(reader, depth, out);
    case YAML_ALIAS_EVENT:
        return recall(reader, out);
    default:
        break;
    }
    return ERROR(MD_EFORMAT, "%s:%zu: a mapping cannot stand inside a list", HERE(reader));
}

/* ---- sections ----------------------------------------------------------- */

static md_status add_entry(struct reader *reader, const struct yaml_entry *entry)
{
    if (reader->entries.count == reader->capacity) {
        struct yaml_entry *grown = NULL;
        size_t capacity = reader->capacity ? 2 * reader->capacity : 64;
        md_status st = arena_alloc(reader->arena, &grown, capacity, sizeof *grown);
        if (st < 0)
            return st;
        if (reader->entries.count)
            memcpy(grown, reader->entries.items, reader->entries.count * sizeof *grown);
        reader->entries.items = grown;
        reader->capacity = capacity;
    }
    reader->entries.items[reader->entries.count++] = *entry;
    return MD_OK;
}

/* The current event is a key below `section` ("" at the top). */
static md_status read_key(struct reader *reader, const char *section, const char **path)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return ERROR(MD_EFORMAT, "%s:%zu: a key must be plain text", HERE(reader));
    const char *key = (const char *)reader->event.data.scalar.value;
    size_t length = reader->event.data.scalar.length;
    char text[MAX_KEY];
    if (length == 0 || strlen(key) != length || strlen(section) + length + 2 > sizeof text)
        return ERROR(MD_EFORMAT, "%s:%zu: a key must have between 1 and %d characters",
                     HERE(reader), MAX_KEY - 2);
    snprintf(text, sizeof text, "%s%s%s", section, *section ? "." : "", key);
    md_status st = string_table_add(&reader->paths, text, NULL);
    if (st == MD_END)
        return ERROR(MD_EFORMAT, "%s:%zu: %s is given a second time; keep one of them",
                     HERE(reader), text);
    return st < 0 ? st : arena_copy_string(reader->arena, path, text, strlen(text));
}

/* At the start of a mapping; leaves at its end. */
static md_status read_section(struct reader *reader, const char *section, int depth)
{
    md_status st = MD_OK;
    if (depth > VALUE_MAX_DEPTH)
        FAIL(MD_EFORMAT, "%s:%zu: more than %d levels inside each other", HERE(reader),
             VALUE_MAX_DEPTH);
    TRY(check_tag(reader, reader->event.data.mapping_start.tag));
    for (;;) {
        struct yaml_entry entry = {0};
        TRY(next(reader));
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return MD_OK;
        TRY(read_key(reader, section, &entry.key));
        entry.line = event_line(reader);
        TRY(next(reader));
        if (reader->event.type == YAML_MAPPING_START_EVENT) {
            TRY(read_section(reader, entry.key, depth + 1));
            continue;
        }
        struct yaml_entry value = {0};
        TRY(read_value(reader, depth, &value));
        value.key = entry.key;
        value.line = entry.line;
        TRY(add_entry(reader, &value));
    }
fail:
    return st;
}

static md_status read_stream(struct reader *reader)
{
    md_status st = MD_OK;
    TRY(next(reader)); /* stream start */
    TRY(next(reader));
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return MD_OK;  /* nothing but comments */
    TRY(next(reader)); /* past the document's start */
    if (reader->event.type != YAML_MAPPING_START_EVENT)
        FAIL(MD_EFORMAT,
             "%s:%zu: not a configuration: expected lines like \"SECTION:\" and \"  KEY: value\"",
             HERE(reader));
    TRY(read_section(reader, "", 0));
    TRY(next(reader)); /* document end */
    TRY(next(reader));
    if (reader->event.type != YAML_STREAM_END_EVENT)
        FAIL(MD_EFORMAT, "%s:%zu: a second document in the file; keep one", HERE(reader));
fail:
    return st;
}

md_status yaml_read(struct arena *arena, const char *name, const char *text, size_t size,
                    struct yaml_entries *out)
{
    if (size > YAML_MAX_BYTES)
        return ERROR(MD_EFORMAT, "%s: %zu bytes; a configuration has at most %d", name, size,
                     YAML_MAX_BYTES);
    struct reader *reader = NULL;
    md_status st = arena_alloc(arena, &reader, 1, sizeof *reader);
    if (st < 0)
        return st;
    reader->arena = arena;
    reader->name = name;
    if (!yaml_parser_initialize(&reader->parser))
        return ERROR(MD_ENOMEM, "%s: out of memory in the YAML parser", name);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, size);
    string_table_init(&reader->paths, arena->memory);
    st = read_stream(reader);
    if (st >= 0)
        *out = reader->entries;
    yaml_event_delete(&reader->event);
    yaml_parser_delete(&reader->parser);
    string_table_free(&reader->paths);
    return st < 0 ? st : MD_OK;
}
