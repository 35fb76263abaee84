/* test_pool.c - order, failures, and the end of a thread pool. Meant for ThreadSanitizer too. */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/pool.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { JOBS = 200 };

struct numbered {
    struct pool_job job;
    int number;
    int result;
    atomic_int *turn;      /* order of starting, when not NULL */
    atomic_bool *released; /* the job waits for it, when not NULL */
};

static md_status square(void *arg)
{
    struct numbered *numbered = arg;
    while (numbered->released && !atomic_load(numbered->released))
        usleep(1000);
    if (numbered->turn && atomic_fetch_add(numbered->turn, 1) != numbered->number)
        return ERROR(MD_EINTERNAL, "job %d was not started in its turn", numbered->number);
    numbered->result = numbered->number * numbered->number;
    return MD_OK;
}

static md_status fail_odd(void *arg)
{
    struct numbered *numbered = arg;
    if (numbered->number % 2)
        return ERROR(MD_EIO, "job %d found its number odd", numbered->number);
    return numbered->number == 0 ? MD_END : MD_OK;
}

static struct pool *open_pool(struct memory *memory, int threads)
{
    struct pool *pool = NULL;
    memory_init(memory, NULL);
    ck_assert_msg(pool_create(&pool, memory, threads) == MD_OK, "%s", error_text());
    return pool;
}

static void submit(struct pool *pool, struct numbered *jobs, md_status (*run)(void *))
{
    for (int i = 0; i < JOBS; i++) {
        jobs[i].job.run = run;
        jobs[i].job.arg = &jobs[i];
        jobs[i].number = i;
        pool_submit(pool, &jobs[i].job);
    }
}

START_TEST(every_job_is_done_once_and_can_come_again)
{
    static struct numbered jobs[JOBS];
    struct memory memory;
    struct pool *pool = open_pool(&memory, _i);
    for (int round = 0; round < 3; round++) {
        submit(pool, jobs, square);
        for (int i = JOBS - 1; i >= 0; i--) {
            ck_assert_int_eq(pool_wait(pool, &jobs[i].job), MD_OK);
            ck_assert(pool_done(pool, &jobs[i].job));
            ck_assert_int_eq(jobs[i].result, i * i);
            jobs[i].result = 0;
        }
    }
    pool_free(pool);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(first_in_is_first_started)
{
    static struct numbered jobs[JOBS];
    struct memory memory;
    atomic_int turn = 0;
    atomic_bool released = false;
    struct pool *pool = open_pool(&memory, 1);
    for (int i = 0; i < JOBS; i++) {
        jobs[i].turn = &turn;
        jobs[i].released = &released;
    }
    submit(pool, jobs, square); /* the first waits, so the others queue up */
    ck_assert(!pool_done(pool, &jobs[0].job));
    ck_assert(!pool_done(pool, &jobs[JOBS - 1].job));
    atomic_store(&released, true);
    for (int i = 0; i < JOBS; i++)
        ck_assert_msg(pool_wait(pool, &jobs[i].job) == MD_OK, "%s", error_text());
    pool_free(pool);
}
END_TEST

START_TEST(a_failure_reaches_the_thread_that_waits)
{
    static struct numbered jobs[JOBS];
    struct memory memory;
    struct pool *pool = open_pool(&memory, 3);
    submit(pool, jobs, fail_odd);
    ck_assert_int_eq(pool_wait(pool, &jobs[0].job), MD_END); /* a condition, not a failure */
    ck_assert_str_eq(error_text(), "");
    for (int i = 1; i < JOBS; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "job %d found its number odd", i);
        ck_assert_int_eq(pool_wait(pool, &jobs[i].job), i % 2 ? MD_EIO : MD_OK);
        if (i % 2)
            ck_assert_ptr_eq(strstr(error_text(), expected), error_text());
    }
    pool_free(pool);
}
END_TEST

START_TEST(freeing_finishes_what_was_submitted)
{
    static struct numbered jobs[JOBS];
    struct memory memory;
    struct pool *pool = open_pool(&memory, 2);
    submit(pool, jobs, square);
    pool_free(pool);
    for (int i = 1; i < JOBS; i++)
        ck_assert_int_eq(jobs[i].result, i * i);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    pool_free(NULL);
}
END_TEST

START_TEST(two_threads_work_at_once)
{
    /* Each job can only end when the other runs as well. */
    static struct numbered jobs[2];
    struct memory memory;
    atomic_bool first = false;
    struct pool *pool = open_pool(&memory, 2);
    jobs[0] = (struct numbered){.job = {.run = square, .arg = &jobs[0]}, .released = &first};
    jobs[1] = (struct numbered){.job = {.run = square, .arg = &jobs[1]}};
    pool_submit(pool, &jobs[0].job);
    pool_submit(pool, &jobs[1].job);
    ck_assert_int_eq(pool_wait(pool, &jobs[1].job), MD_OK);
    ck_assert(!pool_done(pool, &jobs[0].job));
    atomic_store(&first, true);
    ck_assert_int_eq(pool_wait(pool, &jobs[0].job), MD_OK);
    pool_free(pool);
}
END_TEST

static md_status report_signals(void *arg)
{
    sigset_t *blocked = arg;
    pthread_sigmask(SIG_SETMASK, NULL, blocked);
    return MD_OK;
}

START_TEST(signals_stay_with_the_programs_threads)
{
    struct memory memory;
    sigset_t inside, outside;
    struct pool *pool = open_pool(&memory, 1);
    struct pool_job job = {.run = report_signals, .arg = &inside};
    pool_submit(pool, &job);
    ck_assert_int_eq(pool_wait(pool, &job), MD_OK);
    ck_assert_int_eq(sigismember(&inside, SIGINT), 1);
    pthread_sigmask(SIG_SETMASK, NULL, &outside);
    ck_assert_int_eq(sigismember(&outside, SIGINT), 0);
    pool_free(pool);
}
END_TEST

START_TEST(refuses_no_threads)
{
    struct memory memory;
    struct pool *pool = NULL;
    memory_init(&memory, NULL);
    ck_assert_int_eq(pool_create(&pool, &memory, 0), MD_EINVAL);
    ck_assert_int_eq(pool_create(&pool, &memory, -1), MD_EINVAL);
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct pool *pool = NULL;
        failing_memory_init(&failing, k);
        st = pool_create(&pool, &failing.memory, 2);
        pool_free(pool);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/pool", LOOP(every_job_is_done_once_and_can_come_again, 1, 5),
      TEST(first_in_is_first_started), TEST(a_failure_reaches_the_thread_that_waits),
      TEST(freeing_finishes_what_was_submitted), TEST(two_threads_work_at_once),
      TEST(signals_stay_with_the_programs_threads), TEST(refuses_no_threads),
      TEST(leaks_nothing_when_memory_ends))
