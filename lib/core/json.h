/* json.h - a pull parser that holds one token at a time, and a writer.
 *
 * The parser reads from bytes (a mapped file, a header), so memory does not grow with the
 * document. Strings are decoded (escapes, surrogate pairs) into one buffer that the next token
 * overwrites. Depth is capped at 64. Errors carry line and column. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

enum json_token {
    JSON_OBJECT_BEGIN, JSON_OBJECT_END, JSON_ARRAY_BEGIN, JSON_ARRAY_END,
    JSON_KEY,    /* text */
    JSON_STRING, /* text */
    JSON_NUMBER, /* number; also integer if it has no fraction or exponent and fits */
    JSON_TRUE, JSON_FALSE, JSON_NULL,
    JSON_END     /* after the one top-level value and trailing blanks */
};

struct json {
    const char     *name;   /* of the document, for messages; borrowed */
    const char     *start, *at, *limit;
    const char     *begin;  /* of the current token: where json_fail points */
    enum json_token token;
    struct buffer   text;   /* of the last key, string or number; \u0000 is refused */
    double          number; /* finite */
    bool            is_integer;
    int64_t         integer;
    int             depth;     /* containers open */
    unsigned char   stack[64]; /* their brackets */
    bool            expect_value, expect_comma;
    bool            skipping; /* within json_skip: numbers are spelt, not computed */
};

/* Strict RFC 8259 in UTF-8. Names that come twice in an object are the caller's to judge. */
void      json_open(struct json *json, struct memory *memory, const char *name, const void *bytes,
                    size_t size);
md_status json_next(struct json *json); /* sets json->token and its value */
/* To the last token of the value whose first token is current, or of the current key's value. What
 * is passed over must be JSON, but its numbers may have any size. */
md_status json_skip(struct json *json);
/* MD_EFORMAT with "name:line:column: " of the current token in front. */
md_status json_fail(const struct json *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void json_close(struct json *json);

/* ---- writing ------------------------------------------------------------ */

/* Quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
md_status json_put_string(struct buffer *out, const char *text);
/* As format_double does; null when not finite. */
md_status json_put_number(struct buffer *out, double value);

#endif
