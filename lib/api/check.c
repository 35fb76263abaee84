/* check.c - md_check: everything that is wrong with data sets. */
#include "md/check.h"

const char *md_problem_kind_name(md_problem_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        MD_PROBLEM_LIST(X)
#undef X
    };
    return kind < MD_PROBLEM_KIND_COUNT ? names[kind] : NULL;
}
