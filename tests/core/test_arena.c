/* test_arena.c - alignment, zeros, separate places, everything freed at once. */
#include <string.h>

#include "core/arena.h"
#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { PIECES = 4000 };

static size_t piece_size(size_t i)
{
    return i % 500 == 7 ? 5000 + 700 * (i % 11) : (i * 37) % 120; /* some larger than a block */
}

START_TEST(pieces_are_zero_aligned_and_apart)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct arena arena;
    arena_init(&arena, &memory);
    static unsigned char *pieces[PIECES];
    for (size_t i = 0; i < PIECES; i++) {
        ck_assert_int_eq(arena_alloc(&arena, &pieces[i], piece_size(i), 1), MD_OK);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        for (size_t k = 0; k < piece_size(i); k++)
            ck_assert_uint_eq(pieces[i][k], 0);
        memset(pieces[i], (int)(i % 251) + 1, piece_size(i)); /* would show in a later piece */
        if (i > 0)
            ck_assert_ptr_ne(pieces[i], pieces[i - 1]);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t k = 0; k < piece_size(i); k++)
            ck_assert_uint_eq(pieces[i][k], i % 251 + 1);
    ck_assert_uint_lt(atomic_load(&memory.total_calls), PIECES / 20);
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    ck_assert_int_eq(arena_alloc(&arena, &pieces[0], 10, 10), MD_OK); /* can be used again */
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_large_piece_leaves_the_current_block_in_use)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct arena arena;
    arena_init(&arena, &memory);
    char *first, *large, *second;
    ck_assert_int_eq(arena_alloc(&arena, &first, 16, 1), MD_OK);
    ck_assert_int_eq(arena_alloc(&arena, &large, 1 << 22, 1), MD_OK);
    ck_assert_int_eq(arena_alloc(&arena, &second, 16, 1), MD_OK);
    ck_assert_ptr_eq(second, first + 16);
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(overflow_is_out_of_memory)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct arena arena;
    arena_init(&arena, &memory);
    void *piece = &arena;
    const char *text;
    ck_assert_int_eq(arena_alloc(&arena, &piece, SIZE_MAX / 2, 3), MD_ENOMEM);
    ck_assert_int_eq(arena_alloc(&arena, &piece, SIZE_MAX, 1), MD_ENOMEM);
    ck_assert_int_eq(arena_alloc(&arena, &piece, SIZE_MAX - 20, 1), MD_ENOMEM);
    ck_assert_int_eq(arena_copy_string(&arena, &text, "a", SIZE_MAX), MD_ENOMEM);
    ck_assert_ptr_eq(piece, &arena);
    arena_free(&arena);
}
END_TEST

START_TEST(copies_a_part_of_a_text)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct arena arena;
    arena_init(&arena, &memory);
    const char *text = NULL;
    const char *empty = NULL;
    ck_assert_int_eq(arena_copy_string(&arena, &text, "abcdefghijklmnopqr", 16), MD_OK);
    ck_assert_int_eq(arena_copy_string(&arena, &empty, NULL, 0), MD_OK);
    ck_assert_str_eq(text, "abcdefghijklmnop");
    ck_assert_str_eq(empty, "");
    arena_free(&arena);
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct arena arena;
        arena_init(&arena, &failing.memory);
        st = MD_OK;
        for (size_t i = 0; i < 1000 && st == MD_OK; i++) {
            void *piece;
            st = arena_alloc(&arena, &piece, piece_size(i), 1);
        }
        arena_free(&arena);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/arena", TEST(pieces_are_zero_aligned_and_apart),
      TEST(a_large_piece_leaves_the_current_block_in_use), TEST(overflow_is_out_of_memory),
      TEST(copies_a_part_of_a_text), TEST(leaks_nothing_when_memory_ends))
