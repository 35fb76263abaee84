/* strings.c - a hash table from text to index, edit distance, numbers in the C locale, clock. */
#include "core/strings.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"

/* ---- table ------------------------------------------------------------------ */

enum { FIRST_SLOTS = 16 };

void string_table_init(struct string_table *table, struct memory *memory)
{
    *table = (struct string_table){.items = NULL};
    arena_init(&table->arena, memory);
}

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash ^ (hash >> 32); /* the slot comes from the low bits, which mix least */
}

/* The slot that holds `text`, or the free one where it belongs. At least half are free. */
static size_t find_slot(const struct string_table *table, const char *text)
{
    size_t mask = table->slot_count - 1;
    size_t slot = (size_t)hash_text(text) & mask;
    while (table->slots[slot] && strcmp(table->items[table->slots[slot] - 1], text) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

/* Twice the slots, and with them room for half as many items. */
static md_status grow(struct string_table *table)
{
    md_status st = MD_OK;
    struct memory *memory = table->arena.memory;
    size_t slot_count = table->slot_count ? table->slot_count * 2 : FIRST_SLOTS;
    uint32_t *slots = NULL;
    if (slot_count / 2 > UINT32_MAX)
        FAIL(MD_ENOMEM, "a table cannot hold more than %zu names", table->count);
    TRY(memory_zeroed(memory, &slots, slot_count, sizeof *slots));
    TRY(memory_resize(memory, &table->items, slot_count / 2, sizeof *table->items));
    memory_free(memory, table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    table->capacity = slot_count / 2;
    for (size_t i = 0; i < table->count; i++)
        table->slots[find_slot(table, table->items[i])] = (uint32_t)i + 1;
    return MD_OK;
fail:
    memory_free(memory, slots);
    return st;
}

md_status string_table_add(struct string_table *table, const char *text, size_t *index)
{
    size_t found;
    if (string_table_find(table, text, &found)) {
        if (index)
            *index = found;
        return MD_END;
    }
    md_status st = table->count == table->capacity ? grow(table) : MD_OK;
    if (st < 0)
        return st;
    st = arena_copy_string(&table->arena, &table->items[table->count], text, strlen(text));
    if (st < 0)
        return st;
    table->slots[find_slot(table, text)] = (uint32_t)table->count + 1;
    if (index)
        *index = table->count;
    table->count++;
    return MD_OK;
}

bool string_table_find(const struct string_table *table, const char *text, size_t *index)
{
    if (table->count == 0)
        return false;
    uint32_t held = table->slots[find_slot(table, text)];
    if (held && index)
        *index = held - 1;
    return held != 0;
}

void string_table_free(struct string_table *table)
{
    struct memory *memory = table->arena.memory;
    memory_free(memory, table->items);
    memory_free(memory, table->slots);
    arena_free(&table->arena);
    string_table_init(table, memory);
}

/* ---- names ------------------------------------------------------------------ */

enum { LONGEST_NAME = 127 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance by rows: row[i] is that of text[0..i) to the part of `other` read. */
static size_t edit_distance(const char *text, size_t length, const char *other)
{
    size_t row[LONGEST_NAME + 1];
    for (size_t i = 0; i <= length; i++)
        row[i] = i;
    for (; *other; other++) {
        size_t diagonal = row[0]++;
        for (size_t i = 1; i <= length; i++) {
            size_t changed = diagonal + (lower(text[i - 1]) != lower(*other));
            diagonal = row[i];
            row[i] = smallest(changed, row[i] + 1, row[i - 1] + 1);
        }
    }
    return row[length];
}

int string_nearest(const char *text, const char *const *candidates, size_t count)
{
    size_t length = strlen(text);
    size_t best = length / 2 + 1;
    int nearest = -1;
    if (length > LONGEST_NAME)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(text, length, candidates[i]);
        if (distance < best) {
            best = distance;
            nearest = (int)i;
        }
    }
    return nearest;
}

bool string_ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Of the sequence that a byte begins; 0 for continuations, overlong forms, beyond U+10FFFF. */
static size_t length_by_first(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

size_t utf8_length(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    size_t length = size > 0 ? length_by_first(b[0]) : 0;
    if (length < 2)
        return length;
    if (size < length)
        return 0;
    /* The second byte excludes longer forms than needed, surrogates, and what is too large. */
    unsigned char least = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char most = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
    if (b[1] < least || b[1] > most)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* ---- numbers ---------------------------------------------------------------- */

/* Most numbers are short decimals without exponent: up to 15 digits and their power of ten
 * are exact doubles, so that their one division gives the nearest double, as strtod would. */
static bool parse_short(const char *text, double *out)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool negative = *text == '-';
    const char *point = NULL;
    int64_t digits = 0;
    int count = 0;
    text += negative;
    for (; *text; text++) {
        if (*text == '.' && !point) {
            point = text;
            continue;
        }
        if (*text < '0' || *text > '9' || ++count > 15)
            return false;
        digits = digits * 10 + (*text - '0');
    }
    if (count == 0 || FLT_EVAL_METHOD != 0) /* wider arithmetic would round twice */
        return false;
    double value = (double)digits / powers[point ? text - point - 1 : 0];
    *out = negative ? -value : value;
    return true;
}

bool parse_double(const char *text, double *out)
{
    if (parse_short(text, out))
        return true;
    /* strtod would skip blanks, and read hexadecimal and "nan(...)". */
    if (!*text || text[strcspn(text, " \t\n\v\f\rxX(")] != '\0')
        return false;
    /* The plain "C" locale is a constant of the C library: asking for it allocates nothing. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    char *end;
    double value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (end == text || *end != '\0')
        return false;
    *out = value;
    return true;
}

bool parse_int64(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    if (!*text)
        return false;
    int64_t value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        int digit = *text - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

void format_digits(char out[FORMAT_DOUBLE_BYTES], int digits, double value)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = plain ? uselocale(plain) : (locale_t)0;
    if (digits > 0)
        snprintf(out, FORMAT_DOUBLE_BYTES, "%.*g", digits, value);
    else
        snprintf(out, FORMAT_DOUBLE_BYTES, "%.0f", value);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
}

void format_double(char out[FORMAT_DOUBLE_BYTES], double value)
{
    bool whole = fabs(value) < 1e15 && value == trunc(value);
    if (whole || !isfinite(value)) {
        format_digits(out, whole ? 0 : 6, value);
        return;
    }
    /* More digits lie nearer to the value: what reads back with n does so with n + 1. */
    int least = 6, most = 17;
    while (least < most) {
        int digits = (least + most) / 2;
        double back = 0;
        format_digits(out, digits, value);
        if (parse_double(out, &back) && back == value)
            most = digits;
        else
            least = digits + 1;
    }
    format_digits(out, most, value);
}

double clock_seconds(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
