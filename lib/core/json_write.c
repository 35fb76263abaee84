/* json_write.c - strings and numbers as JSON spells them. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"

static md_status put_escaped(struct buffer *out, unsigned char c)
{
    static const char values[] = "\"\\\b\f\n\r\t";
    static const char names[] = "\"\\bfnrt";
    const char *found = c ? strchr(values, c) : NULL;
    if (found)
        return buffer_printf(out, "\\%c", names[found - values]);
    return buffer_printf(out, "\\u%04x", c);
}

md_status json_put_string(struct buffer *out, const char *text)
{
    md_status st = MD_OK;
    size_t left = strlen(text);
    TRY(buffer_append(out, "\"", 1));
    while (left > 0) {
        size_t length = utf8_length(text, left);
        unsigned char c = (unsigned char)*text;
        if (length == 0)
            TRY(buffer_puts(out, "\xEF\xBF\xBD")); /* U+FFFD */
        else if (c < 0x20 || c == '"' || c == '\\')
            TRY(put_escaped(out, c));
        else
            TRY(buffer_append(out, text, length));
        length += length == 0;
        text += length;
        left -= length;
    }
    TRY(buffer_append(out, "\"", 1));
fail:
    return st;
}

md_status json_put_number(struct buffer *out, double value)
{
    char text[FORMAT_DOUBLE_BYTES];
    if (!isfinite(value))
        return buffer_puts(out, "null");
    format_double(text, value);
    return buffer_puts(out, text);
}
