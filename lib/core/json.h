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
    JSON_NUMBER, /* number, and is_integer / integer when written without fraction or exponent and fitting */
    JSON_TRUE, JSON_FALSE, JSON_NULL,
    JSON_END     /* after the one top-level value and trailing blanks */
};

struct json {
    const char     *name;   /* of the document, for messages; borrowed */
    const char     *start, *at, *limit;
    enum json_token token;
    struct buffer   text;       /* of the last key or string; zero-terminated, may hold NULs only via \u0000: refused */
    double          number;
    bool            is_integer;
    int64_t         integer;
    int             depth;
    unsigned char   stack[64];
    bool            expect_value, expect_comma;
};

void      json_open(struct json *json, struct memory *memory, const char *name, const void *bytes, size_t size);
md_status json_next(struct json *json); /* sets json->token and its value */
md_status json_skip(struct json *json); /* the rest of the value whose first token is current (or of the key's value) */
md_status json_fail(const struct json *json, const char *format, ...) /* MD_EFORMAT with name:line:column */
    __attribute__((format(printf, 2, 3)));
void json_close(struct json *json);

/* ---- writing ------------------------------------------------------------ */

md_status json_put_string(struct buffer *out, const char *text); /* quoted, escaped; bad UTF-8 becomes U+FFFD */
md_status json_put_number(struct buffer *out, double value);     /* shortest that reads back; null when not finite */

#endif
