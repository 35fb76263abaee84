/* log.c - one line to the caller's log function. */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(const struct log *log, md_log_level level, const char *format, ...)
{
    if (!log || !log->write || level > log->level)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length < 0)
        return;
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    log->write(log->user, level, line);
}
