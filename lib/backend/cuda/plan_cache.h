/* plan_cache.h - which engine won for a problem, kept between runs of the program.
 *
 * One folder for a device and the versions of what runs on it, in it one file for each problem:
 * $XDG_CACHE_HOME/mdet/plans-HASH/HASH.plan, or below ~/.cache. A file is written whole or not at
 * all, so that programs may share the folder. One that is damaged, or is not for this device and
 * problem, counts as absent and is replaced. MDET_PLAN_CACHE=0 switches all of it off. */
#ifndef BACKEND_CUDA_PLAN_CACHE_H
#define BACKEND_CUDA_PLAN_CACHE_H

#include "backend/cuda/conv_problem.h"
#include "core/memory.h"

struct plan_cache {
    struct memory *memory;
    char          *folder; /* NULL: off */
    char          *facts;
    bool           made;   /* the folder is there */
};

/* `facts`: one line, device and versions. Fails for want of memory alone. */
md_status plan_cache_open(struct plan_cache *out, struct memory *memory, const char *facts);
void      plan_cache_close(struct plan_cache *cache);
/* *text of the cache's memory, NULL: not there. */
md_status plan_cache_find(struct plan_cache *cache, char **text, const struct conv_problem *problem);
/* A folder that cannot be written switches the cache off. */
md_status plan_cache_store(struct plan_cache *cache, const struct conv_problem *problem,
                           const char *text);

#endif
