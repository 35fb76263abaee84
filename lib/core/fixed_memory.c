/* fixed_memory.c - an allocator over one block that is already there. */
#include "core/fixed_memory.h"

static void *fixed_alloc(void *user, size_t bytes, size_t alignment)
{
    struct fixed_memory *fixed = user;
    size_t start = (size_t) - (uintptr_t)(fixed->base + fixed->used) % alignment + fixed->used;
    if (start > fixed->capacity || bytes > fixed->capacity - start)
        return NULL;
    fixed->used = start + bytes;
    return fixed->base + start;
}

static void fixed_free(void *user, void *block, size_t bytes)
{
    (void)user;
    (void)block;
    (void)bytes;
}

void fixed_memory_init(struct fixed_memory *fixed, void *block, size_t bytes)
{
    md_allocator allocator = {fixed_alloc, fixed_free, fixed};
    fixed->base = block;
    fixed->used = 0;
    fixed->capacity = bytes;
    memory_init(&fixed->memory, &allocator);
}
