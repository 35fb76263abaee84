/* markup.c - escaped text and embedded data of XML, SVG and HTML. */
#include "core/markup.h"

#include <string.h>

#include "core/error.h"
#include "core/strings.h"

/* Neither a character of XML's, nor one that is seen: C0 and C1, U+FFFE and U+FFFF. */
static bool is_forbidden(const unsigned char *at, size_t length)
{
    if (length <= 1)
        return length == 0 || at[0] < 0x20 || at[0] == 0x7f;
    if (length == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    return length == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe;
}

/* What stands for the character; NULL: itself. */
static const char *replacement(const char *at, size_t length)
{
    static const char marks[] = "<>&\"'\t\n\r";
    static const char *const names[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&#39;", " ", " ", " "};
    const char *mark = strchr(marks, *at);
    if (mark)
        return names[mark - marks];
    return is_forbidden((const unsigned char *)at, length) ? "\xef\xbf\xbd" : NULL;
}

md_status markup_put_text(struct buffer *out, const char *text)
{
    md_status st = MD_OK;
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = utf8_length(text, left);
        const char *other = replacement(text, length);
        length += length == 0;
        TRY(other ? buffer_puts(out, other) : buffer_append(out, text, length));
        text += length;
        left -= length;
    }
fail:
    return st;
}

md_status markup_put_data(struct buffer *out, const char *type, const void *bytes, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    md_status st = MD_OK;
    const unsigned char *from = bytes;
    TRY(buffer_printf(out, "data:%s;base64,", type));
    for (size_t i = 0; i < size; i += 3) {
        size_t count = size - i < 3 ? size - i : 3;
        unsigned group = (unsigned)from[i] << 16;
        group |= count > 1 ? (unsigned)from[i + 1] << 8 : 0;
        group |= count > 2 ? from[i + 2] : 0;
        char four[4];
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= count ? letters[group >> (18 - 6 * k) & 63] : '=';
        TRY(buffer_append(out, four, 4));
    }
fail:
    return st;
}
