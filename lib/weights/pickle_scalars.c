/* pickle_scalars.c - the opcodes that bring one number, text or run of bytes. */
#include <string.h>

#include "core/strings.h"
#include "weights/formats.h"
#include "weights/pickle_machine.h"

/* ---- scalars -------------------------------------------------------------------------- */

static md_status none(struct pickle *pickle)
{
    return pickle_push_new(pickle, PICKLE_NONE);
}

static md_status new_false(struct pickle *pickle)
{
    return pickle_push_new(pickle, PICKLE_BOOL);
}

static md_status new_true(struct pickle *pickle)
{
    md_status st = pickle_push_new(pickle, PICKLE_BOOL);
    if (st == MD_OK)
        pickle->stack[pickle->depth - 1]->truth = true;
    return st;
}

static md_status push_integer(struct pickle *pickle, int64_t integer)
{
    md_status st = pickle_push_new(pickle, PICKLE_INTEGER);
    if (st == MD_OK)
        pickle->stack[pickle->depth - 1]->integer = integer;
    return st;
}

static md_status integer_1(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, 1);
    return st == MD_OK ? push_integer(pickle, *p) : st;
}

static md_status integer_2(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, 2);
    return st == MD_OK ? push_integer(pickle, load_u16(p)) : st;
}

static md_status integer_4(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, 4);
    return st == MD_OK ? push_integer(pickle, (int32_t)load_u32(p)) : st;
}

/* Two's complement, little-endian, of any length. */
static md_status push_long(struct pickle *pickle, uint64_t size)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_take(pickle, &p, size));
    if (size > 8) {
        TRY(pickle_new_bytes(pickle, &value, PICKLE_HUGE, p, (size_t)size));
        return pickle_push(pickle, value);
    }
    uint64_t bits = size > 0 && p[size - 1] >= 0x80 ? UINT64_MAX : 0;
    for (size_t i = (size_t)size; i-- > 0;)
        bits = bits << 8 | p[i];
    return push_integer(pickle, (int64_t)bits);
fail:
    return st;
}

static md_status long_1(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, 1);
    return st == MD_OK ? push_long(pickle, *p) : st;
}

static md_status long_4(struct pickle *pickle)
{
    const unsigned char *p = NULL;
    md_status st = pickle_take(pickle, &p, 4);
    return st == MD_OK ? push_long(pickle, load_u32(p)) : st;
}

static md_status real(struct pickle *pickle)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    uint64_t bits = 0;
    TRY(pickle_take(pickle, &p, 8));
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    TRY(pickle_push_new(pickle, PICKLE_REAL));
    memcpy(&pickle->stack[pickle->depth - 1]->real, &bits, sizeof bits);
fail:
    return st;
}

/* ---- texts and bytes -------------------------------------------------------------------- */

/* Bytes behind a little-endian length of `width` bytes. */
static md_status push_bytes(struct pickle *pickle, enum pickle_kind kind, size_t width)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    struct pickle_value *value = NULL;
    uint64_t size = 0;
    TRY(pickle_take(pickle, &p, width));
    for (size_t i = width; i-- > 0;)
        size = size << 8 | p[i];
    TRY(pickle_take(pickle, &p, size));
    TRY(pickle_new_bytes(pickle, &value, kind, p, (size_t)size));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static md_status string_1(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_STRING, 1);
}

static md_status string_4(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_STRING, 4);
}

static md_status bytes_1(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_BYTES, 1);
}

static md_status bytes_4(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_BYTES, 4);
}

static md_status bytes_8(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_BYTES, 8);
}

static md_status text_1(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_TEXT, 1);
}

static md_status text_4(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_TEXT, 4);
}

static md_status text_8(struct pickle *pickle)
{
    return push_bytes(pickle, PICKLE_TEXT, 8);
}

/* ---- protocol 0: a line of text each ------------------------------------------------------ */

enum { NUMBER_MAX = 64 };

/* The line as a zero-terminated text shorter than NUMBER_MAX. */
static md_status take_number(struct pickle *pickle, char *out)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    size_t size = 0;
    TRY(pickle_take_line(pickle, &p, &size));
    if (size >= NUMBER_MAX)
        PICKLE_FAIL(pickle, MD_EFORMAT, "a number of %zu digits; the file is damaged", size);
    memcpy(out, p, size);
    out[size] = '\0';
fail:
    return st;
}

/* 00 and 01 are the truth values; Python 2 ends long numbers by L. */
static md_status integer_line(struct pickle *pickle)
{
    md_status st = MD_OK;
    char text[NUMBER_MAX];
    int64_t value = 0;
    bool truth = pickle->bytes[pickle->opcode_at] == 'I';
    TRY(take_number(pickle, text));
    size_t length = strlen(text);
    if (truth && strcmp(text, "00") == 0)
        return new_false(pickle);
    if (truth && strcmp(text, "01") == 0)
        return new_true(pickle);
    if (length > 0 && text[length - 1] == 'L')
        text[length - 1] = '\0';
    if (!parse_int64(text, &value))
        PICKLE_FAIL(pickle, MD_EFORMAT, "'%.32s' is no number; the file is damaged", text);
    TRY(push_integer(pickle, value));
fail:
    return st;
}

static md_status real_line(struct pickle *pickle)
{
    md_status st = MD_OK;
    char text[NUMBER_MAX];
    double value = 0;
    TRY(take_number(pickle, text));
    if (!parse_double(text, &value))
        PICKLE_FAIL(pickle, MD_EFORMAT, "'%.32s' is no number; the file is damaged", text);
    TRY(pickle_push_new(pickle, PICKLE_REAL));
    pickle->stack[pickle->depth - 1]->real = value;
fail:
    return st;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `digits` hexadecimal digits at *at, which moves past them; -1: others are there. */
static int64_t take_hex(const unsigned char *p, size_t size, size_t *at, size_t digits)
{
    int64_t value = 0;
    for (size_t i = 0; i < digits; i++, ++*at) {
        int digit = *at < size ? hex_digit(p[*at]) : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The byte that \c stands for in a Python string; -1: none. *at is behind the c. */
static int64_t escaped(const unsigned char *p, size_t size, size_t *at)
{
    static const char PLAIN[] = "\\\\''\"\"n\nr\rt\ta\ab\bf\fv\v";
    unsigned char c = p[*at - 1];
    if (c == 'x')
        return take_hex(p, size, at, 2);
    if (c >= '0' && c <= '7') {
        int value = c - '0';
        for (int i = 0; i < 2 && *at < size && p[*at] >= '0' && p[*at] <= '7'; i++, ++*at)
            value = 8 * value + (p[*at] - '0');
        return value & 255;
    }
    for (size_t i = 0; PLAIN[i]; i += 2)
        if (PLAIN[i] == (char)c)
            return PLAIN[i + 1];
    return -1;
}

/* A quoted Python 2 string with its escapes. */
static md_status string_line(struct pickle *pickle)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    size_t size = 0;
    size_t length = 0;
    unsigned char *out = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_take_line(pickle, &p, &size));
    if (size < 2 || (p[0] != '\'' && p[0] != '"') || p[size - 1] != p[0])
        PICKLE_FAIL(pickle, MD_EFORMAT, "a string has no quotes; the file is damaged");
    TRY(pickle_alloc(pickle, &out, size, 1));
    for (size_t at = 1; at < size - 1;) {
        int64_t c = p[at++];
        if (c == '\\') {
            at++;
            c = at < size ? escaped(p, size - 1, &at) : -1;
        }
        if (c < 0)
            PICKLE_FAIL(pickle, MD_EFORMAT, "a string has a bad escape; the file is damaged");
        out[length++] = (unsigned char)c;
    }
    TRY(pickle_new_bytes(pickle, &value, PICKLE_STRING, out, length));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

static size_t put_utf8(unsigned char *out, int64_t code)
{
    static const unsigned char HEADS[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3f));
    out[0] = (unsigned char)(HEADS[length] | code);
    return length;
}

/* Latin-1 with \uXXXX and \UXXXXXXXX for the rest. */
static md_status text_line(struct pickle *pickle)
{
    md_status st = MD_OK;
    const unsigned char *p = NULL;
    size_t size = 0;
    size_t length = 0;
    unsigned char *out = NULL;
    struct pickle_value *value = NULL;
    TRY(pickle_take_line(pickle, &p, &size));
    TRY(pickle_alloc(pickle, &out, 2 * size + 1, 1));
    for (size_t at = 0; at < size;) {
        int64_t code = p[at++];
        if (code == '\\' && at < size && (p[at] == 'u' || p[at] == 'U')) {
            size_t digits = p[at++] == 'u' ? 4 : 8;
            code = take_hex(p, size, &at, digits);
        }
        if (code < 0 || code > 0x10ffff)
            PICKLE_FAIL(pickle, MD_EFORMAT, "a text has a bad escape; the file is damaged");
        length += put_utf8(out + length, code);
    }
    TRY(pickle_new_bytes(pickle, &value, PICKLE_TEXT, out, length));
    TRY(pickle_push(pickle, value));
fail:
    return st;
}

/* ---- table ------------------------------------------------------------------------------------ */

pickle_opcode_fn *pickle_scalar_opcode(unsigned code)
{
    static pickle_opcode_fn *const OPCODES[256] = {
        ['N'] = none,      [0x88] = new_true,   [0x89] = new_false,   ['K'] = integer_1,
        ['M'] = integer_2, ['J'] = integer_4,   [0x8a] = long_1,      [0x8b] = long_4,
        ['G'] = real,      ['U'] = string_1,    ['T'] = string_4,     ['C'] = bytes_1,
        ['B'] = bytes_4,   [0x8e] = bytes_8,    [0x96] = bytes_8,     [0x8c] = text_1,
        ['X'] = text_4,    [0x8d] = text_8,     ['I'] = integer_line, ['L'] = integer_line,
        ['F'] = real_line, ['S'] = string_line, ['V'] = text_line,
    };
    return OPCODES[code & 255];
}
