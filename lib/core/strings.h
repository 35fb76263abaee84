/* strings.h - names: a hash table from text to index, edit distance, number parsing, clock. */
#ifndef CORE_STRINGS_H
#define CORE_STRINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"

/* ---- table: distinct texts, numbered in the order of insertion ------------ */

struct string_table {
    struct arena   arena;
    const char   **items; /* [count] */
    uint32_t      *slots; /* open addressing; 0 = free, else index + 1 */
    size_t         count, capacity, slot_count;
};

void      string_table_init(struct string_table *table, struct memory *memory);
/* Copies the text. MD_END: it was there. `index` may be NULL. */
md_status string_table_add(struct string_table *table, const char *text, size_t *index);
bool      string_table_find(const struct string_table *table, const char *text, size_t *index);
void      string_table_free(struct string_table *table);

/* ---- odds and ends --------------------------------------------------------- */

/* Index of the candidate with the smallest edit distance (case ignored); -1 when all are further
 * than half of the length. */
int  string_nearest(const char *text, const char *const *candidates, size_t count);
bool string_ends_with(const char *text, const char *end);
/* Bytes of the UTF-8 character at the start of `bytes`; 0 when it is malformed or cut off. */
size_t utf8_length(const char *bytes, size_t size);
/* The whole text must be the number, in the C locale whatever the process's is. "nan" and "inf"
 * parse as such; the caller judges. */
bool parse_double(const char *text, double *out);
bool parse_int64(const char *text, int64_t *out);
enum { FORMAT_DOUBLE_BYTES = 32 };
/* The shortest of 6 to 17 digits that reads back as `value`, in the C locale; whole numbers below
 * 1e15 without exponent; "nan", "inf", "-inf". */
void   format_double(char out[FORMAT_DOUBLE_BYTES], double value);
/* That many digits, as %g has them, in the C locale; 0: as %.0f. */
void   format_digits(char out[FORMAT_DOUBLE_BYTES], int digits, double value);
double clock_seconds(void); /* monotonic */

#endif
