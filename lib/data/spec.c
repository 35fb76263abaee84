/* spec.c - cutting a SPEC into its parts. */
#include "data/spec.h"

#include <string.h>

#include "core/error.h"

md_status spec_cut(struct memory *memory, const char *spec, char **first, const char **second)
{
    const char *rest = strchr(spec, ':');
    rest = rest ? rest + 1 : spec;
    const char *colon = strrchr(rest, ':');
    size_t length = colon ? (size_t)(colon - rest) : strlen(rest);
    if (length == 0 || (colon && !colon[1]))
        return ERROR(MD_EINVAL,
                     "data set \"%s\" lacks a part; write KIND:FILE:FOLDER or KIND:FOLDER:SPLIT",
                     spec);
    md_status st = memory_printf(memory, first, "%.*s", (int)length, rest);
    if (st == MD_OK)
        *second = colon ? colon + 1 : NULL;
    return st;
}
