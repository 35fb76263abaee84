/* pool.h - worker threads that take jobs in order. */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <stdbool.h>
#include <time.h>

#include "core/memory.h"

struct pool;

/* A unit of work; the caller owns the struct and keeps it alive until pool_wait returned. A
 * failing job keeps its status and text, which pool_wait sets again on the waiting thread. */
struct pool_job {
    md_status (*run)(void *arg);
    void            *arg;
    /* private to the pool */
    struct pool_job *next;
    md_status        status;
    bool             done;
    char             error[512];
};

md_status pool_create(struct pool **out, struct memory *memory, int threads);
void      pool_submit(struct pool *pool, struct pool_job *job); /* first in, first started */
md_status pool_wait(struct pool *pool, struct pool_job *job);   /* the job's status */
bool      pool_done(struct pool *pool, struct pool_job *job);
/* Waits until the job is done or CLOCK_MONOTONIC shows `deadline`; is it done? */
bool      pool_wait_until(struct pool *pool, struct pool_job *job, const struct timespec *deadline);
void      pool_free(struct pool *pool); /* finishes submitted jobs first */

#endif
