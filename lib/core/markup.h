/* markup.h - text as XML, SVG and HTML hold it. */
#ifndef CORE_MARKUP_H
#define CORE_MARKUP_H

#include "core/buffer.h"

/* Any bytes become text that is safe between tags and in a quoted attribute: the five characters of
 * markup escaped; what is not UTF-8, or a character that XML forbids, is U+FFFD. Line ends and tabs
 * become blanks. */
md_status markup_put_text(struct buffer *out, const char *text);
/* "data:TYPE;base64,..." */
md_status markup_put_data(struct buffer *out, const char *type, const void *bytes, size_t size);

#endif
