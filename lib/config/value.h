/* value.h - one value of the configuration: parsed from a Python or YAML literal, checked against
 * a key's type, printed. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdint.h>

#include "config/key_table.h"
#include "core/arena.h"
#include "core/buffer.h"

enum { VALUE_MAX_DEPTH = 16, VALUE_MAX_NODES = 65536 };

enum value_kind { VALUE_NONE, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STRING, VALUE_LIST };

struct value {
    enum value_kind kind;
    union {
        bool        boolean;
        int64_t     integer;
        double      number;
        const char *string; /* UTF-8 */
        struct {
            struct value *items;
            size_t        count;
        } list; /* Python's lists and tuples are one kind */
    };
};

/* ---- from text ---------------------------------------------------------- */

/* None, a bool, a number: what the whole word stands for in YAML's core schema or in Python. */
bool value_from_word(const char *word, struct value *out);
/* The text as a literal: a word, a quoted string, or a list in () or []. "320, 352" is a list too.
 * Inside brackets bare words are strings. MD_END: the text is no literal, so a string as it stands. */
md_status value_from_literal(struct arena *arena, const char *text, struct value *out);

/* Turns int into float and an integral float into int where the type asks for it. False: the
 * value is not of the type. */
bool value_fit(struct value *value, enum key_type type);
/* The value for a key from the text that config_set or YAML gives. Where the type wants a string,
 * a number is the text it was written as. MD_END: does not fit; *out is what was found. */
md_status value_from_text(struct arena *arena, const char *text, enum key_type type, struct value *out);

/* Adds a copy of the item (not of what it points to) to a list whose items are in the arena. */
md_status value_append(struct arena *arena, struct value *list, const struct value *item);

/* ---- as a whole --------------------------------------------------------- */

/* A deep copy in one block, for memory_free. */
md_status value_pack(struct value **out, struct memory *memory, const struct value *value);
bool      value_equal(const struct value *a, const struct value *b);

/* ---- to text ------------------------------------------------------------ */

md_status value_put_literal(struct buffer *out, const struct value *value);    /* Python's repr */
md_status value_put_yaml_scalar(struct buffer *out, const struct value *value); /* not for lists with items */
/* "str 'abc'", cut where long; for messages. */
void value_describe(const struct value *value, char *text, size_t size);

/* The next character of UTF-8 text, or false where it is not UTF-8. */
bool utf8_next(const char **at, uint32_t *code);

#endif
