/* log.h - one line to the caller's log function. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "md/base.h"

struct log {
    md_log_fn    write; /* NULL: silent */
    void        *user;
    md_log_level level; /* most detailed level passed on */
};

/* One line, cut at 1023 bytes; line breaks in it become spaces. `log` may be NULL. */
void log_write(const struct log *log, md_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
