/* error.h - the text of the last failure of this thread, and the two macros that jump. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include "md/base.h"

/* Sets the thread's error text, "FORMAT (file.c:LINE)", and returns `status`. Call it where the
 * failure is detected; callers above pass the status on untouched. Never allocates. */
md_status error_set(md_status status, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sets a text taken earlier from error_text(), as when a worker's failure is collected. */
md_status error_restore(md_status status, const char *text);

const char *error_text(void); /* never NULL; "" before the first failure */

/* Both need a local `md_status st` and a label `fail`. The only hidden jumps in the code base. */
#define TRY(call)                       \
    do {                                \
        if ((st = (call)) < 0)          \
            goto fail;                  \
    } while (0)
#define FAIL(status, ...)                                          \
    do {                                                           \
        st = error_set((status), __FILE__, __LINE__, __VA_ARGS__); \
        goto fail;                                                 \
    } while (0)

/* For a function that owns nothing yet: `return ERROR(MD_EINVAL, "...")`. */
#define ERROR(status, ...) error_set((status), __FILE__, __LINE__, __VA_ARGS__)

#endif
