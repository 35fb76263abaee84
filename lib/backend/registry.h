/* registry.h - the backends in this build. */
#ifndef BACKEND_REGISTRY_H
#define BACKEND_REGISTRY_H

#include "tensor/ops.h"

/* "ref", "cpu", "cuda", "cuda:1" (then *index is 1); "auto" or NULL: the fastest present. Others:
 * MD_EUNSUPPORTED with the list of what there is. */
md_status backend_find(const struct backend **out, int *index, const char *name);
size_t    backend_count(void);
const struct backend *backend_at(size_t i); /* fastest first */

#endif
