/* buffer.h - bytes that grow at the end; always followed by a terminating zero. */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include "core/memory.h"

struct buffer {
    struct memory *memory;
    char          *data;     /* NULL while empty and never appended to */
    size_t         length;   /* bytes, without the terminating zero */
    size_t         capacity;
};

void      buffer_init(struct buffer *buffer, struct memory *memory);
md_status buffer_append(struct buffer *buffer, const void *bytes, size_t length);
md_status buffer_puts(struct buffer *buffer, const char *text);
md_status buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_clear(struct buffer *buffer); /* keeps the capacity */
void buffer_free(struct buffer *buffer);

#endif
