/* value_text.c - values to text: Python literals, and YAML scalars as PyYAML writes them. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"
#include "core/strings.h"

/* ---- characters --------------------------------------------------------- */

bool utf8_next(const char **at, uint32_t *code)
{
    static const unsigned char lead_bits[] = {0x7f, 0x1f, 0x0f, 0x07};
    const unsigned char *bytes = (const unsigned char *)*at;
    size_t length = utf8_length(*at, strnlen(*at, 4));
    if (length == 0)
        return false;
    uint32_t value = bytes[0] & lead_bits[length - 1];
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (bytes[i] & 0x3fu);
    *code = value;
    *at += length;
    return true;
}

/* ---- numbers ------------------------------------------------------------ */

/* The shortest digits that read back to the value, d.ddde+xx, whatever the locale's decimal
 * point is. */
static void shortest_scientific(double value, char digits[24], int *exponent)
{
    for (int precision = 0; precision <= 16; precision++) {
        char text[48];
        snprintf(text, sizeof text, "%.*e", precision, fabs(value));
        size_t count = 0;
        const char *at = text;
        for (; *at && *at != 'e'; at++)
            if (isdigit((unsigned char)*at) && count < 23)
                digits[count++] = *at;
        digits[count] = '\0';
        *exponent = (int)strtol(at + 1, NULL, 10);
        /* Read back as ddde+xx: no decimal point, so no locale. */
        char whole[48];
        double back = 0;
        snprintf(whole, sizeof whole, "%se%d", digits, *exponent - precision);
        if (parse_double(whole, &back) && back == fabs(value))
            return;
    }
}

/* As Python's repr: an exponent below 1e-4 and from 1e16 on. YAML 1.1 wants a point
 * before the exponent too. */
static md_status put_float(struct buffer *out, double value, bool yaml)
{
    if (!isfinite(value)) {
        const char *name = isnan(value) ? ".nan" : value < 0 ? "-.inf" : ".inf";
        return buffer_puts(out, name);
    }
    char digits[24];
    int exponent = 0;
    shortest_scientific(value, digits, &exponent);
    int count = (int)strlen(digits);
    const char *sign = signbit(value) ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
        const char *fraction = count > 1 ? digits + 1 : yaml ? "0" : "";
        return buffer_printf(out, "%s%c%s%se%c%02d", sign, digits[0], *fraction ? "." : "",
                             fraction, exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (exponent < 0)
        return buffer_printf(out, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    int whole = exponent + 1;
    if (count <= whole)
        return buffer_printf(out, "%s%s%.*s.0", sign, digits, whole - count, "0000000000000000");
    return buffer_printf(out, "%s%.*s.%s", sign, whole, digits, digits + whole);
}

/* ---- Python ------------------------------------------------------------- */

static md_status put_python_string(struct buffer *out, const char *text)
{
    md_status st = buffer_puts(out, "'");
    for (const char *at = text; *at && st == MD_OK; at++) {
        if (*at == '\n')
            st = buffer_puts(out, "\\n");
        else if (*at == '\'' || *at == '\\')
            st = buffer_printf(out, "\\%c", *at);
        else
            st = buffer_append(out, at, 1);
    }
    return st == MD_OK ? buffer_puts(out, "'") : st;
}

md_status value_put_literal(struct buffer *out, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        return buffer_puts(out, "None");
    case VALUE_BOOL:
        return buffer_puts(out, value->boolean ? "True" : "False");
    case VALUE_INT:
        return buffer_printf(out, "%lld", (long long)value->integer);
    case VALUE_FLOAT:
        return put_float(out, value->number, false);
    case VALUE_STRING:
        return put_python_string(out, value->string);
    case VALUE_LIST:
        break;
    }
    md_status st = buffer_puts(out, "[");
    for (size_t i = 0; i < value->list.count && st == MD_OK; i++) {
        st = buffer_puts(out, i ? ", " : "");
        if (st == MD_OK)
            st = value_put_literal(out, &value->list.items[i]);
    }
    return st == MD_OK ? buffer_puts(out, "]") : st;
}

void value_describe(const struct value *value, char *text, size_t size)
{
    const char *string = value->kind == VALUE_STRING ? value->string : "";
    switch (value->kind) {
    case VALUE_NONE:
        snprintf(text, size, "None");
        break;
    case VALUE_BOOL:
        snprintf(text, size, "bool %s", value->boolean ? "True" : "False");
        break;
    case VALUE_INT:
        snprintf(text, size, "int %lld", (long long)value->integer);
        break;
    case VALUE_FLOAT:
        snprintf(text, size, "float %g", value->number);
        break;
    case VALUE_STRING:
        snprintf(text, size, strlen(string) > 60 ? "str '%.57s...'" : "str '%s'", string);
        break;
    case VALUE_LIST:
        snprintf(text, size, "list of %zu", value->list.count);
        break;
    }
}

/* ---- YAML --------------------------------------------------------------- */

/* Words that YAML 1.1, which PyYAML reads, takes for something else than a string. */
static bool is_yaml11_word(const char *text)
{
    static const char *const words[] = {"yes", "no", "on", "off", "=", "<<", NULL};
    char lower[8] = "";
    if (strlen(text) >= sizeof lower)
        return false;
    for (size_t i = 0; text[i]; i++)
        lower[i] = (char)tolower((unsigned char)text[i]);
    for (size_t i = 0; words[i]; i++)
        if (strcmp(lower, words[i]) == 0)
            return true;
    return false;
}

static bool is_printable_ascii(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

/* 1_000, 1:30 and dates are something else than strings in YAML 1.1. */
static bool is_number_like(const char *text)
{
    return text[strspn(text, "+-.0123456789_:eExXoObBtTzZ ")] == '\0' &&
           text[strcspn(text, "0123456789")] != '\0';
}

/* Does the first or last character, or what stands in the middle, mean something to YAML, or to
 * a reader that tries Python literals? */
static bool has_indicator(const char *text)
{
    size_t length = strlen(text);
    if (strchr(" #,[]{}&*!|>'\"%@`(", text[0]) || text[length - 1] == ' ' ||
        text[length - 1] == ':')
        return true;
    if (strchr("-?:", text[0]) && (text[1] == '\0' || text[1] == ' ' || text[1] == '-'))
        return true;
    return strncmp(text, "...", 3) == 0 || strstr(text, ": ") || strstr(text, " #") ||
           strchr(text, ',');
}

/* Would the text, unquoted, come back as the same string from any YAML reader? */
static bool is_plain(const char *text)
{
    struct value value;
    return *text && !value_from_word(text, &value) && !is_yaml11_word(text) &&
           !is_number_like(text) && !has_indicator(text);
}

static md_status put_double_quoted(struct buffer *out, const char *text)
{
    md_status st = buffer_puts(out, "\"");
    while (*text && st == MD_OK) {
        uint32_t code = 0;
        if (!utf8_next(&text, &code)) {
            code = 0xfffd;
            text++;
        }
        if (code == '"' || code == '\\')
            st = buffer_printf(out, "\\%c", (int)code);
        else if (code == '\n' || code == '\t')
            st = buffer_puts(out, code == '\n' ? "\\n" : "\\t");
        else if (code >= ' ' && code <= '~')
            st = buffer_printf(out, "%c", (int)code);
        else
            st = buffer_printf(out,
                               code < 0x100     ? "\\x%02X"
                               : code < 0x10000 ? "\\u%04X"
                                                : "\\U%08X",
                               (unsigned)code);
    }
    return st == MD_OK ? buffer_puts(out, "\"") : st;
}

static md_status put_yaml_string(struct buffer *out, const char *text)
{
    if (!is_printable_ascii(text))
        return put_double_quoted(out, text);
    if (is_plain(text))
        return buffer_puts(out, text);
    md_status st = buffer_puts(out, "'");
    for (; *text && st == MD_OK; text++)
        st = buffer_append(out, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
    return st == MD_OK ? buffer_puts(out, "'") : st;
}

md_status value_put_yaml_scalar(struct buffer *out, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NONE:
        return buffer_puts(out, "null");
    case VALUE_BOOL:
        return buffer_puts(out, value->boolean ? "true" : "false");
    case VALUE_FLOAT:
        return put_float(out, value->number, true);
    case VALUE_STRING:
        return put_yaml_string(out, value->string);
    case VALUE_LIST:
        return buffer_puts(out, "[]");
    case VALUE_INT:
        break;
    }
    return value_put_literal(out, value);
}
