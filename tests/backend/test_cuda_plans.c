/* test_cuda_plans.c - engines of convolutions: how one is chosen, and what is kept of it in files. */
#include <pthread.h>
#include <string.h>

#include "backend/cuda/cuda.h"
#include "backend/cuda/plan_cache.h"
#include "backend/registry.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static const struct conv_problem PROBLEM = {.n = 1,
                                            .h = 4,
                                            .w = 5,
                                            .c = 8,
                                            .o = 16,
                                            .kh = 3,
                                            .kw = 3,
                                            .stride = 1,
                                            .pad = 1,
                                            .groups = 1,
                                            .alignment = 64,
                                            .in = TENSOR_BF16,
                                            .out = TENSOR_BF16,
                                            .flags = CONV_BIAS | CONV_RELU};

static struct memory memory;

/* ---- the cache ---------------------------------------------------------------------------- */

static void open_cache(struct plan_cache *cache, const char *facts)
{
    if (!memory.allocator.free)
        memory_init(&memory, NULL);
    ck_assert_int_eq(setenv("XDG_CACHE_HOME", temp_dir(), 1), 0);
    unsetenv("MDET_PLAN_CACHE");
    ck_assert_int_eq(plan_cache_open(cache, &memory, facts), MD_OK);
}

/* Frees and compares. */
static void check_found(struct plan_cache *cache, const struct conv_problem *problem,
                        const char *expected)
{
    char *text = NULL;
    ck_assert_int_eq(plan_cache_find(cache, &text, problem), MD_OK);
    if (expected)
        ck_assert_str_eq(text, expected);
    else
        ck_assert_ptr_null(text);
    memory_free(cache->memory, text);
}

/* The path of the one file in the cache's folder. */
static const char *only_file(const struct plan_cache *cache)
{
    struct path_list list;
    ck_assert_int_eq(directory_list(&list, &memory, cache->folder, NULL), MD_OK);
    ck_assert_uint_eq(list.count, 1);
    const char *path = temp_path("%s", list.items[0] + strlen(temp_dir()) + 1);
    path_list_free(&list);
    return path;
}

START_TEST(what_was_stored_is_found)
{
    struct plan_cache cache, same, other;
    struct conv_problem wider = PROBLEM;
    wider.w++;
    open_cache(&cache, "device A, library 1");
    open_cache(&same, "device A, library 1");
    open_cache(&other, "device A, library 2");
    check_found(&cache, &PROBLEM, NULL);
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "engine 7"), MD_OK);
    check_found(&cache, &PROBLEM, "engine 7");
    check_found(&same, &PROBLEM, "engine 7");
    check_found(&other, &PROBLEM, NULL);
    check_found(&cache, &wider, NULL);
    ck_assert_int_eq(plan_cache_store(&same, &PROBLEM, ""), MD_OK);
    check_found(&cache, &PROBLEM, "");
    plan_cache_close(&cache);
    plan_cache_close(&same);
    plan_cache_close(&other);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

START_TEST(different_problems_have_different_words)
{
    char base[CONV_PROBLEM_TEXT], changed[CONV_PROBLEM_TEXT];
    conv_problem_text(&PROBLEM, base);
    for (size_t word = 0; word < sizeof PROBLEM / sizeof(int); word++) {
        struct conv_problem problem = PROBLEM;
        int value;
        memcpy(&value, (char *)&problem + word * sizeof value, sizeof value);
        value ^= 1;
        memcpy((char *)&problem + word * sizeof value, &value, sizeof value);
        if (word == sizeof PROBLEM / sizeof(int) - 1)
            continue; /* flags that there are none of */
        ck_assert_str_ne(conv_problem_text(&problem, changed), base);
    }
}
END_TEST

/* A file with any bit of any byte wrong, or cut anywhere, is as good as none, and is replaced. */
START_TEST(damaged_files_are_not_believed)
{
    struct plan_cache cache;
    struct file_bytes bytes;
    char copy[2048];
    open_cache(&cache, "device A");
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "engine 7 with knobs"), MD_OK);
    const char *path = only_file(&cache);
    ck_assert_int_eq(file_read(&bytes, &memory, path, sizeof copy - 1), MD_OK);
    for (size_t at = 0; at < bytes.size; at++) {
        memcpy(copy, bytes.data, bytes.size);
        ck_assert_int_eq(file_write(&memory, path, copy, at), MD_OK);
        check_found(&cache, &PROBLEM, NULL);
        copy[at] = (char)(copy[at] ^ (1 << at % 8));
        ck_assert_int_eq(file_write(&memory, path, copy, bytes.size), MD_OK);
        check_found(&cache, &PROBLEM, NULL);
    }
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    ck_assert_int_eq(file_write(&memory, path, copy, bytes.size + 1), MD_OK);
    check_found(&cache, &PROBLEM, NULL);
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "engine 8"), MD_OK);
    check_found(&cache, &PROBLEM, "engine 8");
    file_bytes_free(&bytes);
    plan_cache_close(&cache);
}
END_TEST

START_TEST(can_be_switched_off)
{
    struct plan_cache cache;
    open_cache(&cache, "device A");
    plan_cache_close(&cache);
    setenv("MDET_PLAN_CACHE", "0", 1);
    ck_assert_int_eq(plan_cache_open(&cache, &memory, "device A"), MD_OK);
    ck_assert_ptr_null(cache.folder);
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "engine 7"), MD_OK);
    check_found(&cache, &PROBLEM, NULL);
    ck_assert(directory_is_empty(temp_path("mdet")));
    plan_cache_close(&cache);
}
END_TEST

START_TEST(the_home_serves_where_no_cache_is_named)
{
    struct plan_cache cache;
    open_cache(&cache, "device A");
    plan_cache_close(&cache);
    setenv("HOME", temp_dir(), 1);
    setenv("XDG_CACHE_HOME", "not/absolute", 1);
    ck_assert_int_eq(plan_cache_open(&cache, &memory, "device A"), MD_OK);
    ck_assert_ptr_nonnull(strstr(cache.folder, "/.cache/mdet/plans-"));
    plan_cache_close(&cache);
    unsetenv("HOME");
    ck_assert_int_eq(plan_cache_open(&cache, &memory, "device A"), MD_OK);
    ck_assert_ptr_null(cache.folder);
    plan_cache_close(&cache);
}
END_TEST

/* A folder below a regular file cannot be made by anybody, not even by root. */
START_TEST(an_unwritable_folder_is_done_without)
{
    struct plan_cache cache;
    open_cache(&cache, "device A");
    plan_cache_close(&cache);
    setenv("XDG_CACHE_HOME", temp_file("file", "x", 1), 1);
    ck_assert_int_eq(plan_cache_open(&cache, &memory, "device A"), MD_OK);
    check_found(&cache, &PROBLEM, NULL);
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "engine 7"), MD_OK);
    ck_assert_ptr_null(cache.folder);
    check_found(&cache, &PROBLEM, NULL);
    plan_cache_close(&cache);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

START_TEST(cache_without_memory)
{
    struct plan_cache cache;
    open_cache(&cache, "device A");
    plan_cache_close(&cache);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        char *text = NULL;
        failing_memory_init(&failing, k);
        cache = (struct plan_cache){0};
        md_status st = plan_cache_open(&cache, &failing.memory, "device A");
        if (st == MD_OK)
            st = plan_cache_store(&cache, &PROBLEM, "engine 7");
        if (st == MD_OK)
            st = plan_cache_find(&cache, &text, &PROBLEM);
        memory_free(&failing.memory, text);
        if (cache.memory)
            plan_cache_close(&cache);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

static void *store_many(void *arg)
{
    struct plan_cache *cache = arg;
    for (int i = 0; i < 30; i++)
        if (plan_cache_store(cache, &PROBLEM, cache->facts) != MD_OK)
            return cache;
    return NULL;
}

/* Two programs at once: a reader sees one of their plans, whole. */
START_TEST(two_may_write_at_once)
{
    struct plan_cache cache;
    pthread_t threads[2];
    void *failed[2];
    open_cache(&cache, "device A");
    ck_assert_int_eq(plan_cache_store(&cache, &PROBLEM, "device A"), MD_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, store_many, &cache), 0);
    for (int i = 0; i < 60; i++)
        check_found(&cache, &PROBLEM, "device A");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &failed[i]), 0);
        ck_assert_ptr_null(failed[i]);
    }
    plan_cache_close(&cache);
}
END_TEST

SUITE("backend/cuda_plans", TEST(what_was_stored_is_found),
      TEST(different_problems_have_different_words), TEST(damaged_files_are_not_believed),
      TEST(can_be_switched_off), TEST(the_home_serves_where_no_cache_is_named),
      TEST(an_unwritable_folder_is_done_without), TEST(cache_without_memory),
      TEST(two_may_write_at_once))
