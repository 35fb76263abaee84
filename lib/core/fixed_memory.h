/* fixed_memory.h - an allocator over one block that is already there: no call to the system. */
#ifndef CORE_FIXED_MEMORY_H
#define CORE_FIXED_MEMORY_H

#include "core/memory.h"

/* What one allocation of `bytes` takes of the block at most: header and alignment. */
#define FIXED_MEMORY_TAKES(bytes) ((size_t)(bytes) + 192)

/* Blocks come one behind the other; freeing gives nothing back. The struct must stay where it is. */
struct fixed_memory {
    struct memory memory;
    char  *base;
    size_t used, capacity;
};

void fixed_memory_init(struct fixed_memory *fixed, void *block, size_t bytes);

#endif
