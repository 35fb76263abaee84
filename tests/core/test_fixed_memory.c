/* test_fixed_memory.c - an allocator over one block: alignment, room, exhaustion. */
#include <string.h>

#include "core/error.h"
#include "core/fixed_memory.h"
#include "suite.h"

START_TEST(blocks_are_aligned_and_inside)
{
    static char block[2000];
    struct fixed_memory fixed;
    /* An odd start: alignment is the allocator's to make. */
    fixed_memory_init(&fixed, block + 3, 1900);
    char *last = NULL;
    size_t bytes = 0;
    for (int i = 0; i < 6; i++) {
        char *piece = NULL;
        ck_assert_int_eq(memory_zeroed(&fixed.memory, &piece, 100, 1), MD_OK);
        ck_assert_uint_eq((uintptr_t)piece % 64, 0);
        ck_assert(piece >= block + 3);
        ck_assert(piece + 100 <= block + 1903);
        ck_assert(last == NULL || piece >= last + 100);
        last = piece;
        bytes += FIXED_MEMORY_TAKES(100);
        ck_assert_uint_le(fixed.used, bytes);
    }
}
END_TEST

START_TEST(no_room_is_out_of_memory)
{
    static char block[512];
    struct fixed_memory fixed;
    fixed_memory_init(&fixed, block, sizeof block);
    void *piece = NULL;
    ck_assert_int_eq(memory_alloc(&fixed.memory, &piece, 513, 1), MD_ENOMEM);
    ck_assert_ptr_null(piece);
    ck_assert_int_eq(memory_alloc(&fixed.memory, &piece, 200, 1), MD_OK);
    memory_free(&fixed.memory, piece);
    piece = NULL;
    ck_assert_int_eq(memory_alloc(&fixed.memory, &piece, 400, 1), MD_ENOMEM);
}
END_TEST

SUITE("core/fixed_memory", TEST(blocks_are_aligned_and_inside), TEST(no_room_is_out_of_memory))
