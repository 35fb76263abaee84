/* test_buffer.c - growing bytes: content, terminator, failure of every allocation. */
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static md_status build(struct buffer *buffer)
{
    md_status st = MD_OK;
    for (int i = 0; i < 300; i++) {
        TRY(buffer_puts(buffer, "ab"));
        TRY(buffer_printf(buffer, "%d", i % 10));
        TRY(buffer_append(buffer, "c\0", 2));
    }
fail:
    return st;
}

START_TEST(holds_what_was_appended)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct buffer buffer;
    buffer_init(&buffer, &memory);
    ck_assert_ptr_null(buffer.data);
    ck_assert_int_eq(build(&buffer), MD_OK);
    ck_assert_uint_eq(buffer.length, 300 * 5);
    ck_assert_uint_gt(buffer.capacity, buffer.length);
    for (size_t i = 0; i < 300; i++) {
        const char expected[5] = {'a', 'b', (char)('0' + i % 10), 'c', '\0'};
        ck_assert_mem_eq(buffer.data + 5 * i, expected, 5);
    }
    ck_assert_int_eq(buffer.data[buffer.length], '\0');
    buffer_free(&buffer);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(is_a_string_at_any_time)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct buffer buffer;
    buffer_init(&buffer, &memory);
    buffer_clear(&buffer);
    ck_assert_int_eq(buffer_append(&buffer, NULL, 0), MD_OK);
    ck_assert_str_eq(buffer.data, "");
    char expected[200] = "";
    for (size_t i = 0; i < sizeof expected - 1; i++) { /* passes the first capacities exactly */
        ck_assert_int_eq(buffer_puts(&buffer, "x"), MD_OK);
        expected[i] = 'x';
        ck_assert_str_eq(buffer.data, expected);
    }
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    ck_assert_str_eq(buffer.data, "");
    ck_assert_uint_eq(buffer.capacity, capacity);
    buffer_free(&buffer);
    buffer_free(&buffer);
}
END_TEST

START_TEST(refuses_a_length_beyond_memory)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct buffer buffer;
    buffer_init(&buffer, &memory);
    ck_assert_int_eq(buffer_puts(&buffer, "kept"), MD_OK);
    ck_assert_int_eq(buffer_append(&buffer, "x", SIZE_MAX), MD_ENOMEM);
    ck_assert_int_eq(buffer_append(&buffer, "x", SIZE_MAX - 4), MD_ENOMEM);
    ck_assert_str_eq(buffer.data, "kept");
    buffer_free(&buffer);
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct buffer buffer;
        buffer_init(&buffer, &failing.memory);
        st = build(&buffer);
        if (buffer.data)
            ck_assert_int_eq(buffer.data[buffer.length], '\0');
        buffer_free(&buffer);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/buffer", TEST(holds_what_was_appended), TEST(is_a_string_at_any_time),
      TEST(refuses_a_length_beyond_memory), TEST(leaks_nothing_when_memory_ends))
