/* json.c - the pull parser.
 *
 * What may come next is told by three fields. `expect_value`: a value must follow (at the start,
 * behind a key, behind a comma in an array). `expect_comma`: a value has ended in a container.
 * Neither: a container was just opened or, with depth 0, the document is complete. */
#include "core/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"

void json_open(struct json *json, struct memory *memory, const char *name, const void *bytes,
               size_t size)
{
    const char *start = size > 0 ? bytes : "";
    *json = (struct json){.name = name,
                          .start = start,
                          .at = start,
                          .limit = start + size,
                          .begin = start,
                          .token = JSON_END,
                          .expect_value = true};
    buffer_init(&json->text, memory);
}

void json_close(struct json *json)
{
    buffer_free(&json->text);
}

/* ---- messages ----------------------------------------------------------- */

md_status json_fail(const struct json *json, const char *format, ...)
{
    char message[384];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);

    size_t line = 1;
    size_t column = 1; /* in characters */
    for (const char *c = json->start; c < json->begin; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*c & 0xC0) != 0x80) {
            column++;
        }
    }
    return ERROR(MD_EFORMAT, "%s:%zu:%zu: %s", json->name, line, column, message);
}

/* Fails at the byte read last rather than at the start of the token, naming what stands there. */
static md_status fail_here(struct json *json, const char *wanted)
{
    json->begin = json->at;
    if (json->at == json->limit)
        return json_fail(json, "%s expected, but the text ends", wanted);
    unsigned char found = (unsigned char)*json->at;
    if (found < 0x20 || found >= 0x7F)
        return json_fail(json, "%s expected, not byte 0x%02x", wanted, found);
    return json_fail(json, "%s expected, not '%c'", wanted, found);
}

static void skip_blanks(struct json *json)
{
    while (json->at < json->limit &&
           (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

/* Takes `c` if it comes next. */
static bool take(struct json *json, char c)
{
    if (json->at == json->limit || *json->at != c)
        return false;
    json->at++;
    return true;
}

/* ---- strings ------------------------------------------------------------ */

/* The four digits of \uXXXX. */
static md_status take_hex(struct json *json, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        unsigned char c = json->at < json->limit ? (unsigned char)*json->at : 0;
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = c - (uint32_t)'0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20u) - 'a' + 10;
        else
            return fail_here(json, "a hexadecimal digit");
        value = value << 4 | digit;
    }
    *out = value;
    return MD_OK;
}

static md_status append_utf8(struct buffer *text, uint32_t code)
{
    char bytes[4];
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        bytes[i] = (char)(0x80 | (code & 0x3F));
    bytes[0] = (char)(lead[length] | code);
    return buffer_append(text, bytes, length);
}

/* Behind "\u": one code, or two that make a pair. */
static md_status take_unicode(struct json *json)
{
    const char *first = json->at - 2;
    uint32_t code = 0;
    uint32_t low = 0;
    md_status st = take_hex(json, &code);
    if (st < 0)
        return st;
    json->begin = first; /* for the failures below */
    if (code == 0)
        return json_fail(json, "a text with \\u0000 inside is not accepted");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return json_fail(json, "the second half of a surrogate pair comes without the first");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (!take(json, '\\') || !take(json, 'u'))
            return json_fail(json, "the first half of a surrogate pair comes without the second");
        st = take_hex(json, &low);
        if (st < 0)
            return st;
        if (low < 0xDC00 || low > 0xDFFF)
            return json_fail(json, "the first half of a surrogate pair comes without the second");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return append_utf8(&json->text, code);
}

/* Behind a backslash. */
static md_status take_escape(struct json *json)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char *found = json->at < json->limit && *json->at ? strchr(names, *json->at) : NULL;
    if (found) {
        json->at++;
        return buffer_append(&json->text, &values[found - names], 1);
    }
    return take(json, 'u') ? take_unicode(json) : fail_here(json, "one of \"\\/bfnrtu");
}

/* Passes the bytes that stand for themselves. */
static md_status take_plain(struct json *json)
{
    const char *from = json->at;
    while (json->at < json->limit && *json->at != '"' && *json->at != '\\' &&
           (unsigned char)*json->at >= 0x20) {
        size_t length = utf8_length(json->at, (size_t)(json->limit - json->at));
        if (length == 0)
            return fail_here(json, "UTF-8");
        json->at += length;
    }
    return buffer_append(&json->text, from, (size_t)(json->at - from));
}

/* At a quote. */
static md_status take_string(struct json *json)
{
    const char *begin = json->begin;
    md_status st = MD_OK;
    buffer_clear(&json->text);
    json->at++;
    for (;;) {
        TRY(take_plain(json));
        if (take(json, '"'))
            break;
        if (!take(json, '\\'))
            return fail_here(json, "the rest of a text and its '\"'");
        TRY(take_escape(json));
    }
    json->begin = begin;
fail:
    return st;
}

/* ---- numbers ------------------------------------------------------------ */

static md_status take_digits(struct json *json)
{
    const char *from = json->at;
    while (json->at < json->limit && *json->at >= '0' && *json->at <= '9')
        json->at++;
    return json->at > from ? MD_OK : fail_here(json, "a digit");
}

/* Passes the spelling of a number. */
static md_status pass_number(struct json *json, bool *whole)
{
    md_status st = MD_OK;
    *whole = true;
    take(json, '-');
    if (!take(json, '0')) /* nothing may follow a leading zero */
        TRY(take_digits(json));
    if (take(json, '.')) {
        *whole = false;
        TRY(take_digits(json));
    }
    if (take(json, 'e') || take(json, 'E')) {
        *whole = false;
        if (!take(json, '-'))
            take(json, '+');
        TRY(take_digits(json));
    }
fail:
    return st;
}

static md_status take_number(struct json *json)
{
    md_status st = MD_OK;
    bool whole;
    TRY(pass_number(json, &whole));
    json->token = JSON_NUMBER;
    if (json->skipping)
        return MD_OK;
    buffer_clear(&json->text);
    TRY(buffer_append(&json->text, json->begin, (size_t)(json->at - json->begin)));
    json->integer = 0;
    json->is_integer = whole && parse_int64(json->text.data, &json->integer);
    if (!parse_double(json->text.data, &json->number) || !isfinite(json->number))
        return json_fail(json, "the number %.40s is beyond the range of a double", json->text.data);
fail:
    return st;
}

/* ---- tokens ------------------------------------------------------------- */

static md_status take_word(struct json *json, const char *word, enum json_token token)
{
    for (; *word; word++)
        if (!take(json, *word))
            return fail_here(json, "true, false or null");
    json->token = token;
    return MD_OK;
}

static md_status open_container(struct json *json, char bracket)
{
    if ((size_t)json->depth == sizeof json->stack)
        return json_fail(json, "more than %zu levels of nesting", sizeof json->stack);
    json->at++;
    json->stack[json->depth++] = (unsigned char)bracket;
    json->token = bracket == '{' ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
    json->expect_value = false;
    json->expect_comma = false;
    return MD_OK;
}

static bool in_object(const struct json *json)
{
    return json->depth > 0 && json->stack[json->depth - 1] == '{';
}

/* Closes the innermost container if its bracket comes next. */
static bool close_container(struct json *json)
{
    bool object = in_object(json);
    if (!take(json, object ? '}' : ']'))
        return false;
    json->token = object ? JSON_OBJECT_END : JSON_ARRAY_END;
    json->depth--;
    json->expect_comma = json->depth > 0;
    return true;
}

static md_status take_value(struct json *json)
{
    md_status st;
    char c = json->at < json->limit ? *json->at : '\0';
    switch (c) {
    case '{':
    case '[':
        return open_container(json, c);
    case '"':
        st = take_string(json);
        json->token = JSON_STRING;
        break;
    case 't':
        st = take_word(json, "true", JSON_TRUE);
        break;
    case 'f':
        st = take_word(json, "false", JSON_FALSE);
        break;
    case 'n':
        st = take_word(json, "null", JSON_NULL);
        break;
    default:
        st = c == '-' || (c >= '0' && c <= '9') ? take_number(json) : fail_here(json, "a value");
    }
    json->expect_value = false;
    json->expect_comma = json->depth > 0;
    return st;
}

static md_status take_key(struct json *json)
{
    if (json->at == json->limit || *json->at != '"')
        return fail_here(json, json->expect_comma ? "a name in '\"'" : "a name in '\"', or '}',");
    md_status st = take_string(json);
    if (st < 0)
        return st;
    skip_blanks(json);
    if (!take(json, ':'))
        return fail_here(json, "':'");
    json->token = JSON_KEY;
    json->expect_value = true;
    return MD_OK;
}

md_status json_next(struct json *json)
{
    skip_blanks(json);
    json->begin = json->at;
    if (json->depth == 0 && !json->expect_value) {
        json->token = JSON_END;
        return json->at == json->limit ? MD_OK : fail_here(json, "the end of the text");
    }
    if (!json->expect_value) {
        if (close_container(json))
            return MD_OK;
        if (json->expect_comma) {
            if (!take(json, ','))
                return fail_here(json, in_object(json) ? "',' or '}'" : "',' or ']'");
            skip_blanks(json);
            json->begin = json->at;
        }
        if (in_object(json))
            return take_key(json);
    }
    return take_value(json);
}

md_status json_skip(struct json *json)
{
    md_status st = MD_OK;
    if (json->token == JSON_KEY)
        TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN && json->token != JSON_ARRAY_BEGIN)
        return MD_OK;
    json->skipping = true;
    for (int inside = json->depth; json->depth >= inside;)
        TRY(json_next(json));
fail:
    json->skipping = false;
    return st;
}
