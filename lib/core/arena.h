/* arena.h - many small host allocations, freed together. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/memory.h"

struct arena_block;

struct arena {
    struct memory      *memory;
    struct arena_block *blocks; /* newest first */
    size_t              used;   /* bytes of the newest block */
};

void arena_init(struct arena *arena, struct memory *memory);
/* count * size zeroed bytes, 16-byte aligned, valid until arena_free. */
md_status arena_alloc(struct arena *arena, void *out, size_t count, size_t size);
md_status arena_copy_string(struct arena *arena, const char **out, const char *text, size_t length);
void      arena_free(struct arena *arena); /* everything; the arena can be used again */

#endif
