/* buffer.c - bytes that grow at the end. */
#include "core/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"

enum { FIRST_CAPACITY = 64 };

void buffer_init(struct buffer *buffer, struct memory *memory)
{
    *buffer = (struct buffer){.memory = memory};
}

/* Room for `extra` bytes and the terminating zero. */
static md_status reserve(struct buffer *buffer, size_t extra)
{
    size_t needed;
    if (!checked_add(&needed, buffer->length, extra) || !checked_add(&needed, needed, 1))
        return ERROR(MD_ENOMEM, "out of host memory: a buffer of %zu bytes cannot grow by %zu",
                     buffer->length, extra);
    if (needed <= buffer->capacity)
        return MD_OK;
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    while (capacity < needed)
        capacity = capacity <= SIZE_MAX / 2 ? capacity * 2 : needed;
    md_status st = memory_resize(buffer->memory, &buffer->data, capacity, 1);
    if (st < 0)
        return st;
    buffer->capacity = capacity;
    return MD_OK;
}

md_status buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    md_status st = reserve(buffer, length);
    if (st < 0)
        return st;
    if (length > 0)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return MD_OK;
}

md_status buffer_puts(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

md_status buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return ERROR(MD_EINTERNAL, "bad format: %s", format);
    md_status st = reserve(buffer, (size_t)length);
    if (st < 0)
        return st;
    va_start(args, format);
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, args);
    va_end(args);
    buffer->length += (size_t)length;
    return MD_OK;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

void buffer_free(struct buffer *buffer)
{
    memory_free(buffer->memory, buffer->data);
    *buffer = (struct buffer){.memory = buffer->memory};
}
