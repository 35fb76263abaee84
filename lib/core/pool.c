/* pool.c - worker threads that take jobs in order. */
#include "core/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

struct pool {
    struct memory *memory;
    pthread_mutex_t mutex;   /* guards all below, and the private part of submitted jobs */
    pthread_cond_t arrived;  /* a job, or the end */
    pthread_cond_t finished; /* some job */
    struct pool_job *first, *last;
    bool closing;
    int thread_count;
    pthread_t *threads;
};

/* The next job, or NULL when the pool is closing and nothing is left. The mutex is held. */
static struct pool_job *next_job(struct pool *pool)
{
    while (!pool->first && !pool->closing)
        pthread_cond_wait(&pool->arrived, &pool->mutex);
    struct pool_job *job = pool->first;
    if (job) {
        pool->first = job->next;
        if (!pool->first)
            pool->last = NULL;
    }
    return job;
}

static void *work(void *arg)
{
    struct pool *pool = arg;
    struct pool_job *job;
    pthread_mutex_lock(&pool->mutex);
    while ((job = next_job(pool)) != NULL) {
        pthread_mutex_unlock(&pool->mutex);
        md_status status = job->run(job->arg);
        pthread_mutex_lock(&pool->mutex);
        job->status = status;
        if (status < 0)
            snprintf(job->error, sizeof job->error, "%s", error_text());
        job->done = true; /* the last touch: from here on the struct is the caller's */
        pthread_cond_broadcast(&pool->finished);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Signals are for the program's own threads: workers are started with all of them blocked. */
static int start_worker(struct pool *pool, pthread_t *thread)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(thread, NULL, work, pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* pool_wait_until counts by a clock that nobody sets. */
static int init_timed(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code != 0)
        return code;
    code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (code == 0)
        code = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return code;
}

static md_status init_locks(struct pool *pool)
{
    int code = pthread_mutex_init(&pool->mutex, NULL);
    if (code != 0)
        goto no_mutex;
    code = pthread_cond_init(&pool->arrived, NULL);
    if (code != 0)
        goto no_arrived;
    code = init_timed(&pool->finished);
    if (code != 0)
        goto no_finished;
    return MD_OK;

no_finished:
    pthread_cond_destroy(&pool->arrived);
no_arrived:
    pthread_mutex_destroy(&pool->mutex);
no_mutex:
    return ERROR(MD_ENOMEM, "a thread pool's lock could not be made: %s", strerror(code));
}

md_status pool_create(struct pool **out, struct memory *memory, int threads)
{
    md_status st = MD_OK;
    struct pool *pool = NULL;
    if (threads < 1)
        return ERROR(MD_EINVAL, "a thread pool needs at least 1 thread, not %d", threads);
    TRY(memory_zeroed(memory, &pool, 1, sizeof *pool));
    pool->memory = memory;
    TRY(memory_zeroed(memory, &pool->threads, (size_t)threads, sizeof *pool->threads));
    TRY(init_locks(pool));
    for (; pool->thread_count < threads; pool->thread_count++) {
        int code = start_worker(pool, &pool->threads[pool->thread_count]);
        if (code == 0)
            continue;
        st = ERROR(MD_ENOMEM, "thread %d of %d could not be started: %s; ask for fewer threads",
                   pool->thread_count + 1, threads, strerror(code));
        pool_free(pool);
        return st;
    }
    *out = pool;
    return MD_OK;
fail:
    if (pool)
        memory_free(memory, pool->threads);
    memory_free(memory, pool);
    return st;
}

void pool_submit(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    job->next = NULL;
    job->status = MD_OK;
    job->done = false;
    job->error[0] = '\0';
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    pthread_cond_signal(&pool->arrived);
    pthread_mutex_unlock(&pool->mutex);
}

md_status pool_wait(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    while (!job->done)
        pthread_cond_wait(&pool->finished, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    return job->status < 0 ? error_restore(job->status, job->error) : job->status;
}

bool pool_wait_until(struct pool *pool, struct pool_job *job, const struct timespec *deadline)
{
    int code = 0;
    pthread_mutex_lock(&pool->mutex);
    while (!job->done && code == 0)
        code = pthread_cond_timedwait(&pool->finished, &pool->mutex, deadline);
    bool done = job->done;
    pthread_mutex_unlock(&pool->mutex);
    return done;
}

bool pool_done(struct pool *pool, struct pool_job *job)
{
    pthread_mutex_lock(&pool->mutex);
    bool done = job->done;
    pthread_mutex_unlock(&pool->mutex);
    return done;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->arrived);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->arrived);
    pthread_mutex_destroy(&pool->mutex);
    memory_free(pool->memory, pool->threads);
    memory_free(pool->memory, pool);
}
