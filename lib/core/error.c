/* error.c - the text of the last failure of this thread. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The only mutable object of static duration in the library. */
static _Thread_local char last_error[512];

md_status error_set(md_status status, const char *file, int line, const char *format, ...)
{
    char where[64];
    const char *base = strrchr(file, '/');
    snprintf(where, sizeof where, " (%s:%d)", base ? base + 1 : file, line);

    /* Built apart first: an argument may be the present error text itself. */
    char text[sizeof last_error];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    size_t room = sizeof last_error - 1 - strlen(where);
    size_t length = strlen(text) < room ? strlen(text) : room;
    memcpy(last_error, text, length);
    memcpy(last_error + length, where, strlen(where) + 1);
    return status;
}

md_status error_restore(md_status status, const char *text)
{
    snprintf(last_error, sizeof last_error, "%s", text);
    return status;
}

const char *error_text(void)
{
    return last_error;
}
