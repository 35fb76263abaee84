/* value.c - literals to values, values to a key's type, copies and comparison. */
#include "config/value.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/strings.h"

/* ---- words -------------------------------------------------------------- */

static bool one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* 0x1F and 0o17; 15 hexadecimal digits always fit. */
static bool prefixed_integer(const char *word, int64_t *out)
{
    bool hex = strncmp(word, "0x", 2) == 0;
    const char *digits = hex ? "0123456789abcdef" : "01234567";
    if ((!hex && strncmp(word, "0o", 2) != 0) || word[2] == '\0' || strlen(word) > 17)
        return false;
    int64_t value = 0;
    for (const char *at = word + 2; *at; at++) {
        char lower = (char)(*at >= 'A' && *at <= 'F' ? *at + ('a' - 'A') : *at);
        const char *digit = strchr(digits, lower);
        if (!digit)
            return false;
        value = value * (hex ? 16 : 8) + (digit - digits);
    }
    *out = value;
    return true;
}

static bool word_number(const char *word, struct value *out)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
    static const char *const negative[] = {"-.inf", "-.Inf", "-.INF", NULL};
    static const char *const undefined[] = {".nan", ".NaN", ".NAN", NULL};
    const char *digits = word + (word[0] == '+' || word[0] == '-');
    out->kind = VALUE_FLOAT;
    if (one_of(word, infinite) || one_of(word, negative)) {
        out->number = word[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (one_of(word, undefined)) {
        out->number = nan("");
        return true;
    }
    /* Only decimal text may reach the parsers: they know "inf" and "0x" as well. */
    bool decimal = isdigit((unsigned char)digits[digits[0] == '.']) &&
                   digits[strspn(digits, "0123456789.eE+-")] == '\0';
    if (decimal) {
        const char *plain = word[0] == '+' ? digits : word;
        if (parse_int64(plain, &out->integer)) {
            out->kind = VALUE_INT;
            return true;
        }
        return parse_double(plain, &out->number) && isfinite(out->number);
    }
    out->kind = VALUE_INT;
    return prefixed_integer(word, &out->integer);
}

bool value_from_word(const char *word, struct value *out)
{
    static const char *const none[] = {"None", "null", "Null", "NULL", "~", NULL};
    static const char *const yes[] = {"True", "true", "TRUE", NULL};
    static const char *const no[] = {"False", "false", "FALSE", NULL};
    if (one_of(word, none)) {
        out->kind = VALUE_NONE;
        return true;
    }
    if (one_of(word, yes) || one_of(word, no)) {
        out->kind = VALUE_BOOL;
        out->boolean = one_of(word, yes);
        return true;
    }
    return word_number(word, out);
}

/* ---- literals ----------------------------------------------------------- */

struct literal {
    struct arena *arena;
    const char *at;
    int depth; /* of brackets around */
};

static void skip_blanks(struct literal *literal)
{
    literal->at += strspn(literal->at, " \t\r\n");
}

/* 'text' or "text" with \\ \' \" \n \t; other backslashes are no literal. */
static md_status parse_quoted(struct literal *literal, struct value *out)
{
    char quote = *literal->at++;
    const char *end = literal->at;
    while (*end && *end != quote)
        end += end[0] == '\\' && end[1] ? 2 : 1;
    if (!*end)
        return MD_END;
    char *text = NULL;
    md_status st = arena_alloc(literal->arena, &text, (size_t)(end - literal->at) + 1, 1);
    if (st < 0)
        return st;
    size_t length = 0;
    for (const char *at = literal->at; at < end; at++) {
        char c = *at;
        if (c == '\\') {
            static const char from[] = "\\'\"nt";
            static const char to[] = "\\'\"\n\t";
            const char *escape = strchr(from, *++at);
            if (!escape)
                return MD_END;
            c = to[escape - from];
        }
        text[length++] = c;
    }
    literal->at = end + 1;
    *out = (struct value){.kind = VALUE_STRING, .string = text};
    return MD_OK;
}

/* Up to the next comma or bracket. Outside of brackets a word must be None, a bool or a number. */
static md_status parse_word(struct literal *literal, struct value *out)
{
    size_t length = strcspn(literal->at, ",[](){}'\"");
    size_t trimmed = length;
    while (trimmed > 0 && strchr(" \t\r\n", literal->at[trimmed - 1]))
        trimmed--;
    const char *word = NULL;
    md_status st = arena_copy_string(literal->arena, &word, literal->at, trimmed);
    if (st < 0)
        return st;
    literal->at += length;
    if (trimmed > 0 && value_from_word(word, out))
        return MD_OK;
    *out = (struct value){.kind = VALUE_STRING, .string = word};
    return literal->depth > 0 && trimmed > 0 ? MD_OK : MD_END;
}

static md_status parse_list(struct literal *literal, char close, struct value *out);

static md_status parse_element(struct literal *literal, struct value *out)
{
    skip_blanks(literal);
    char c = *literal->at;
    if (c == '\'' || c == '"')
        return parse_quoted(literal, out);
    if (c != '(' && c != '[')
        return parse_word(literal, out);
    if (literal->depth == VALUE_MAX_DEPTH)
        return ERROR(MD_EFORMAT, "the value has more than %d brackets inside each other",
                     VALUE_MAX_DEPTH);
    literal->at++;
    literal->depth++;
    md_status st = parse_list(literal, c == '(' ? ')' : ']', out);
    literal->depth--;
    return st;
}

md_status value_append(struct arena *arena, struct value *list, const struct value *item)
{
    size_t count = list->list.count;
    if ((count & (count - 1)) == 0) { /* full at 0, 1, 2, 4, 8, ... */
        struct value *items = NULL;
        md_status st = arena_alloc(arena, &items, count ? 2 * count : 1, sizeof *items);
        if (st < 0)
            return st;
        if (count)
            memcpy(items, list->list.items, count * sizeof *items);
        list->list.items = items;
    }
    list->list.items[list->list.count++] = *item;
    return MD_OK;
}

/* After the opening bracket; close '\0' is the end of the text. */
static md_status parse_list(struct literal *literal, char close, struct value *out)
{
    struct value list = {.kind = VALUE_LIST};
    bool comma = false;
    for (;;) {
        skip_blanks(literal);
        if (*literal->at == close)
            break;
        struct value item;
        md_status st = parse_element(literal, &item);
        if (st == MD_OK)
            st = value_append(literal->arena, &list, &item);
        if (st != MD_OK)
            return st;
        skip_blanks(literal);
        comma = *literal->at == ',';
        if (comma)
            literal->at++;
        else if (*literal->at != close)
            return MD_END;
    }
    if (close)
        literal->at++;
    /* As in Python, (3) is the number 3 and (3,) the tuple. */
    *out = close == ')' && list.list.count == 1 && !comma ? list.list.items[0] : list;
    return MD_OK;
}

md_status value_from_literal(struct arena *arena, const char *text, struct value *out)
{
    struct literal literal = {.arena = arena, .at = text};
    md_status st = parse_element(&literal, out);
    if (st != MD_OK)
        return st;
    skip_blanks(&literal);
    if (*literal.at == ',') {
        literal.at = text;
        st = parse_list(&literal, '\0', out);
    }
    return st == MD_OK && *literal.at ? MD_END : st;
}

/* ---- types -------------------------------------------------------------- */

static bool is_text(const struct value *value)
{
    if (value->kind != VALUE_STRING)
        return false;
    uint32_t code;
    for (const char *at = value->string; *at;)
        if (!utf8_next(&at, &code))
            return false;
    return true;
}

static bool is_number(const struct value *value)
{
    return value->kind == VALUE_INT || value->kind == VALUE_FLOAT;
}

static bool list_fits(const struct value *list, enum key_type type)
{
    if (list->kind != VALUE_LIST)
        return false;
    for (size_t i = 0; i < list->list.count; i++) {
        const struct value *item = &list->list.items[i];
        bool fits = type == KEY_NUMBERS          ? is_number(item)
                    : type == KEY_BOOLS          ? item->kind == VALUE_BOOL
                    : type == KEY_NESTED         ? is_number(item) || list_fits(item, KEY_NUMBERS)
                    : item->kind == VALUE_STRING ? is_text(item)
                                                 : type == KEY_LIST && (item->kind != VALUE_LIST ||
                                                                        list_fits(item, KEY_LIST));
        if (!fits)
            return false;
    }
    return true;
}

bool value_fit(struct value *value, enum key_type type)
{
    switch (type) {
    case KEY_BOOL:
        return value->kind == VALUE_BOOL;
    case KEY_INT:
        if (value->kind == VALUE_FLOAT && value->number == floor(value->number) &&
            fabs(value->number) < 9e15) /* where every double is a whole number of its own */
            *value = (struct value){.kind = VALUE_INT, .integer = (int64_t)value->number};
        return value->kind == VALUE_INT;
    case KEY_OPTIONAL_FLOAT:
    case KEY_FLOAT:
        if (value->kind == VALUE_INT)
            *value = (struct value){.kind = VALUE_FLOAT, .number = (double)value->integer};
        return value->kind == VALUE_FLOAT ||
               (value->kind == VALUE_NONE && type == KEY_OPTIONAL_FLOAT);
    case KEY_STRING:
        return is_text(value);
    default:
        return list_fits(value, type);
    }
}

md_status value_from_text(struct arena *arena, const char *text, enum key_type type,
                          struct value *out)
{
    md_status st = value_from_literal(arena, text, out);
    if (st < 0)
        return st;
    if (st == MD_END || (type == KEY_STRING && is_number(out))) {
        *out = (struct value){.kind = VALUE_STRING};
        st = arena_copy_string(arena, &out->string, text, strlen(text));
        if (st < 0)
            return st;
    }
    return value_fit(out, type) ? MD_OK : MD_END;
}

/* ---- as a whole --------------------------------------------------------- */

struct pack_size {
    size_t nodes, bytes; /* values, and characters of the strings */
};

/* Shared parts of a tree (YAML's aliases) count each time they are met; hence the limit. */
static bool measure(const struct value *value, struct pack_size *size)
{
    if (++size->nodes > VALUE_MAX_NODES)
        return false;
    if (value->kind == VALUE_STRING)
        return checked_add(&size->bytes, size->bytes, strlen(value->string) + 1);
    for (size_t i = 0; value->kind == VALUE_LIST && i < value->list.count; i++)
        if (!measure(&value->list.items[i], size))
            return false;
    return true;
}

struct packer {
    struct value *node; /* next free */
    char *text;
};

static void pack(struct packer *packer, struct value *to, const struct value *from)
{
    *to = *from;
    if (from->kind == VALUE_STRING) {
        size_t bytes = strlen(from->string) + 1;
        to->string = memcpy(packer->text, from->string, bytes);
        packer->text += bytes;
    } else if (from->kind == VALUE_LIST) {
        to->list.items = packer->node;
        packer->node += from->list.count;
        for (size_t i = 0; i < from->list.count; i++)
            pack(packer, &to->list.items[i], &from->list.items[i]);
    }
}

md_status value_pack(struct value **out, struct memory *memory, const struct value *value)
{
    struct pack_size size = {0};
    size_t bytes = 0;
    if (!measure(value, &size) || !checked_add(&bytes, size.nodes * sizeof **out, size.bytes))
        return ERROR(MD_EFORMAT, "the value has more than %d elements", VALUE_MAX_NODES);
    struct value *block = NULL;
    md_status st = memory_alloc(memory, &block, bytes, 1);
    if (st < 0)
        return st;
    struct packer packer = {block + 1, (char *)(block + size.nodes)};
    pack(&packer, block, value);
    *out = block;
    return MD_OK;
}

static bool number_equal(const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return a->integer == b->integer;
    double left = a->kind == VALUE_INT ? (double)a->integer : a->number;
    double right = b->kind == VALUE_INT ? (double)b->integer : b->number;
    return left == right || (isnan(left) && isnan(right));
}

static bool list_equal(const struct value *a, const struct value *b)
{
    if (a->list.count != b->list.count)
        return false;
    for (size_t i = 0; i < a->list.count; i++)
        if (!value_equal(&a->list.items[i], &b->list.items[i]))
            return false;
    return true;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return number_equal(a, b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_STRING:
        return strcmp(a->string, b->string) == 0;
    case VALUE_LIST:
        return list_equal(a, b);
    default:
        return true; /* None */
    }
}
