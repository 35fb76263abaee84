/* group.h - processes that train together: sums and copies among them over TCP.
 *
 * The processes form a ring, each connected to the one after it. All of them make the same calls in
 * the same order, on one thread at a time. A sum has the same bits in every process, run after run.
 * When a process ends, or breaks its connection, every call of the others ends with MD_EPEER. */
#ifndef GROUP_GROUP_H
#define GROUP_GROUP_H

#include "core/memory.h"

enum {
    GROUP_MAX_SIZE = 1024,
    GROUP_JOB_BYTES = 64,  /* name of a job, with its end */
    GROUP_HOST_BYTES = 256, /* "host:port", with its end */
    GROUP_TIMEOUT = 300     /* seconds, unless told otherwise */
};

struct group;

struct group_options {
    int    rank, size;               /* 0 <= rank < size */
    char   master[GROUP_HOST_BYTES]; /* "host:port" where the process of rank 0 listens */
    char   job[GROUP_JOB_BYTES];     /* processes of different names never form a group */
    double timeout;                  /* seconds until all must have come */
};

/* What MDET_RANK, MDET_WORLD_SIZE and MDET_MASTER say; without them what mpirun or
 * torchrun has set; without that one process. MD_EINVAL: half of it, or nonsense. */
md_status group_from_environment(struct group_options *out);

/* Waits until all have come. Of one process: no connection at all. */
md_status group_open(struct group **out, struct memory *memory, const struct group_options *options);
void      group_close(struct group *group); /* NULL is fine */

/* NULL stands for a single process. */
int group_rank(const struct group *group);
int group_size(const struct group *group);
int group_local_rank(const struct group *group); /* among those on this machine */
/* CPU threads for this process: its share of the cores that it may use, 1 or more. */
int group_threads(const struct group *group);

/* values[i] becomes the sum over all processes. */
md_status group_sum(struct group *group, float *values, size_t count);
/* What rank `root` has at `data` comes to all. */
md_status group_copy(struct group *group, void *data, size_t bytes, int root);
/* all [size][bytes]: what each process has at `mine`, by rank. */
md_status group_gather(struct group *group, void *all, const void *mine, size_t bytes);
/* The same of sizes that differ: *all, the caller's to free from `memory`, has what each process gave,
 * one after the other by rank; *bytes is its length. */
md_status group_collect(struct group *group, struct memory *memory, void *all, size_t *bytes,
                        const void *mine, size_t my_bytes);

#endif
