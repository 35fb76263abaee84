/* md/group.h - processes that train together. */
#ifndef MD_GROUP_H
#define MD_GROUP_H

#include "md/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of several processes, on one machine or many, that share each batch of a training among them. All
 * of them run the same program; mpirun -n 2, torchrun, or a script that sets MDET_WORLD_SIZE, MDET_RANK
 * and MDET_MASTER starts them. Used by one thread at a time; it outlives the caller's md_group_free as
 * long as a trainer has it. */
typedef struct md_group md_group;

typedef struct md_group_options {
    size_t       size;      /* set by md_group_options_init */
    int          processes; /* 1 or more; 0: this, rank and master are what the environment says, a
                               single process when it says nothing (0) */
    int          rank;      /* of this process, 0 to processes - 1 (0) */
    const char  *master;    /* "host:port", where the process of rank 0 can listen (NULL) */
    int          timeout;   /* seconds to wait for the others; 0: 300 (0) */
    md_allocator allocator; /* all zero: malloc and free */
} md_group_options;

MD_API void md_group_options_init(md_group_options *options, size_t size);
static inline md_group_options md_group_options_default(void)
{
    md_group_options o;
    md_group_options_init(&o, sizeof o);
    return o;
}

/* Waits until all processes have come; MD_EPEER names how many did, when they do not. */
MD_API md_status md_group_create(md_group **out, const md_group_options *options);
MD_API int       md_group_rank(const md_group *group); /* 0 is the one that writes files */
MD_API int       md_group_size(const md_group *group);
/* Among the processes of this machine: such as the N of a device "cuda:N". */
MD_API int       md_group_local_rank(const md_group *group);
/* For md_context_options.threads: this process's share of the cores that it may use. */
MD_API int       md_group_threads(const md_group *group);
MD_API void      md_group_free(md_group *group);

#ifdef __cplusplus
}
#endif
#endif
