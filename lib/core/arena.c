/* arena.c - many small host allocations, freed together.
 *
 * Blocks are cleared when they are made and handed out once, so that what arena_alloc returns is
 * zero without another pass. A request too large for a common block gets one of its own, put
 * behind the newest, whose remaining room stays in use. */
#include "core/arena.h"

#include <string.h>

#include "core/checked.h"
#include "core/error.h"

enum { ALIGNMENT = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct arena_block {
    _Alignas(ALIGNMENT) struct arena_block *next; /* older */
    size_t size;                                  /* bytes that follow the header */
};

void arena_init(struct arena *arena, struct memory *memory)
{
    *arena = (struct arena){.memory = memory};
}

static char *block_bytes(struct arena_block *block)
{
    return (char *)(block + 1);
}

static md_status block_create(struct arena_block **out, struct memory *memory, size_t size)
{
    struct arena_block *block = NULL;
    size_t total;
    if (!checked_add(&total, size, sizeof *block))
        return ERROR(MD_ENOMEM, "out of host memory: an arena cannot hold %zu bytes", size);
    md_status st = memory_zeroed(memory, &block, total, 1);
    if (st < 0)
        return st;
    block->size = size;
    *out = block;
    return MD_OK;
}

/* A new newest block for small requests, or one behind it for a large one. */
static md_status take_from_new_block(struct arena *arena, char **out, size_t bytes)
{
    struct arena_block *newest = arena->blocks;
    size_t common = newest ? newest->size * 2 : FIRST_BLOCK;
    if (common > LARGEST_BLOCK)
        common = LARGEST_BLOCK;
    bool apart = bytes > common / 2;

    struct arena_block *block = NULL;
    md_status st = block_create(&block, arena->memory, apart ? bytes : common);
    if (st < 0)
        return st;
    if (apart && newest) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
        arena->used = bytes;
    }
    *out = block_bytes(block);
    return MD_OK;
}

md_status arena_alloc(struct arena *arena, void *out, size_t count, size_t size)
{
    size_t bytes;
    size_t padded;
    if (!checked_mul(&bytes, count, size) || !checked_add(&padded, bytes, ALIGNMENT - 1))
        return ERROR(MD_ENOMEM, "out of host memory: %zu x %zu bytes wanted", count, size);
    /* Empty requests take room as well: every result is a place of its own. */
    bytes = bytes == 0 ? ALIGNMENT : padded & ~(size_t)(ALIGNMENT - 1);

    char *place = NULL;
    struct arena_block *newest = arena->blocks;
    if (newest && bytes <= newest->size - arena->used) {
        place = block_bytes(newest) + arena->used;
        arena->used += bytes;
    } else {
        md_status st = take_from_new_block(arena, &place, bytes);
        if (st < 0)
            return st;
    }
    memcpy(out, &place, sizeof place);
    return MD_OK;
}

md_status arena_copy_string(struct arena *arena, const char **out, const char *text, size_t length)
{
    char *copy = NULL;
    size_t bytes;
    if (!checked_add(&bytes, length, 1))
        return ERROR(MD_ENOMEM, "out of host memory: a text of %zu bytes wanted", length);
    md_status st = arena_alloc(arena, &copy, bytes, 1);
    if (st < 0)
        return st;
    if (length > 0)
        memcpy(copy, text, length);
    *out = copy;
    return MD_OK;
}

void arena_free(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks; block;) {
        struct arena_block *older = block->next;
        memory_free(arena->memory, block);
        block = older;
    }
    arena_init(arena, arena->memory);
}
