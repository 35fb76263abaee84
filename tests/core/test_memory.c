/* test_memory.c - the allocator: overflow, counters, resize. */
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "suite.h"

START_TEST(overflow_is_out_of_memory)
{
    struct memory memory;
    memory_init(&memory, NULL);
    void *block = NULL;
    ck_assert_int_eq(memory_alloc(&memory, &block, SIZE_MAX / 2, 3), MD_ENOMEM);
    ck_assert_ptr_null(block);
    ck_assert_ptr_nonnull(strstr(error_text(), "out of host memory"));
}
END_TEST

START_TEST(resize_keeps_content_and_counts)
{
    struct memory memory;
    memory_init(&memory, NULL);
    char *text = NULL;
    ck_assert_int_eq(memory_printf(&memory, &text, "%s-%d", "abc", 7), MD_OK);
    ck_assert_int_eq(memory_resize(&memory, &text, 1000, 1), MD_OK);
    ck_assert_str_eq(text, "abc-7");
    ck_assert_uint_eq(atomic_load(&memory.live_bytes), 1000);
    ck_assert_uint_eq(((uintptr_t)text) % 64, 0);
    memory_free(&memory, text);
    ck_assert_uint_eq(atomic_load(&memory.live_bytes), 0);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("core/memory", TEST(overflow_is_out_of_memory), TEST(resize_keeps_content_and_counts))
