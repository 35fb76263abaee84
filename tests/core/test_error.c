/* test_error.c - the text of the last failure: its form, its limits, its thread. */
#include <pthread.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "suite.h"

START_TEST(tells_what_and_where)
{
    ck_assert_str_eq(error_text(), "");
    ck_assert_int_eq(error_set(MD_EIO, "lib/core/some.c", 12, "%s: %d bytes", "a.bin", 3), MD_EIO);
    ck_assert_str_eq(error_text(), "a.bin: 3 bytes (some.c:12)");
    ck_assert_int_eq(error_set(MD_EINVAL, "bare.c", 7, "x"), MD_EINVAL);
    ck_assert_str_eq(error_text(), "x (bare.c:7)");
}
END_TEST

START_TEST(keeps_the_place_of_a_long_text)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    error_set(MD_EIO, "some.c", 12, "%s", text);
    ck_assert_uint_eq(strlen(error_text()), 511);
    ck_assert_ptr_nonnull(strstr(error_text(), "xx (some.c:12)"));
}
END_TEST

START_TEST(may_quote_the_text_before)
{
    error_set(MD_EIO, "a.c", 1, "inner");
    error_set(MD_EFORMAT, "b.c", 2, "outer: %s", error_text());
    ck_assert_str_eq(error_text(), "outer: inner (a.c:1) (b.c:2)");
    char kept[64];
    snprintf(kept, sizeof kept, "%s", error_text());
    error_set(MD_EIO, "c.c", 3, "another");
    ck_assert_int_eq(error_restore(MD_EFORMAT, kept), MD_EFORMAT);
    ck_assert_str_eq(error_text(), kept);
}
END_TEST

static void *fail_elsewhere(void *arg)
{
    error_set(MD_EIO, "other.c", 1, "the other thread's");
    ck_assert_str_eq(error_text(), "the other thread's (other.c:1)");
    return arg;
}

START_TEST(each_thread_has_its_own)
{
    pthread_t thread;
    error_set(MD_EIO, "a.c", 1, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(error_text(), "mine (a.c:1)");
}
END_TEST

static md_status give(md_status status, int *reached)
{
    md_status st = MD_OK;
    TRY(status);
    (*reached)++;
    FAIL(MD_EINTERNAL, "got this far");
fail:
    return st;
}

START_TEST(only_failures_jump)
{
    int reached = 0;
    ck_assert_int_eq(give(MD_ENOMEM, &reached), MD_ENOMEM);
    ck_assert_int_eq(reached, 0);
    ck_assert_int_eq(give(MD_END, &reached), MD_EINTERNAL);
    ck_assert_int_eq(reached, 1);
    ck_assert_ptr_nonnull(strstr(error_text(), "got this far (test_error.c:"));
}
END_TEST

START_TEST(arithmetic_says_when_it_overflows)
{
    size_t size;
    int64_t wide;
    ck_assert(checked_add(&size, SIZE_MAX - 1, 1) && size == SIZE_MAX);
    ck_assert(!checked_add(&size, SIZE_MAX, 1));
    ck_assert(checked_mul(&size, SIZE_MAX / 2, 2) && size == SIZE_MAX - 1);
    ck_assert(!checked_mul(&size, SIZE_MAX / 2 + 1, 2));
    ck_assert(checked_mul_i64(&wide, INT64_MIN, 1) && wide == INT64_MIN);
    ck_assert(!checked_mul_i64(&wide, INT64_MIN, -1));
}
END_TEST

SUITE("core/error", TEST(tells_what_and_where), TEST(keeps_the_place_of_a_long_text),
      TEST(may_quote_the_text_before), TEST(each_thread_has_its_own), TEST(only_failures_jump),
      TEST(arithmetic_says_when_it_overflows))
