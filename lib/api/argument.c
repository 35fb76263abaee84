/* argument.c - checks of what callers pass in. */
#include <string.h>

#include "api/internal.h"
#include "core/error.h"

md_status argument_given(const void *pointer, const char *function, const char *argument)
{
    if (pointer)
        return MD_OK;
    return ERROR(MD_EINVAL, "%s: %s is NULL", function, argument);
}

/* ---- options ------------------------------------------------------------------------------ */

void options_init(void *out, size_t size, const void *defaults, size_t known)
{
    if (!out || size < sizeof size)
        return;
    memset(out, 0, size);
    memcpy(out, defaults, size < known ? size : known);
    memcpy(out, &size, sizeof size);
}

md_status options_read(void *out, size_t known, const void *caller, const char *type)
{
    size_t size = 0;
    if (!caller)
        return MD_OK;
    memcpy(&size, caller, sizeof size);
    if (size < sizeof size)
        return ERROR(MD_EINVAL, "%s: size is %zu; start from %s_default()", type, size, type);
    if (size > known)
        return ERROR(MD_EVERSION,
                     "%s has %zu bytes, this library knows %zu; use the header of libmdet %s, or a "
                     "newer library",
                     type, size, known, md_version_string());
    memcpy(out, caller, size);
    memcpy(out, &known, sizeof known);
    return MD_OK;
}
