/* spec.h - the parts of a SPEC, KIND:FIRST[:SECOND]. */
#ifndef DATA_SPEC_H
#define DATA_SPEC_H

#include "core/memory.h"

/* FIRST is the caller's to free. SECOND points into `spec`; NULL when there is none: it is what
 * follows the last colon, as FIRST may hold some of its own. MD_EINVAL when a part is empty. */
md_status spec_cut(struct memory *memory, const char *spec, char **first, const char **second);

#endif
