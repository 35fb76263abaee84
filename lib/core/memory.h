/* memory.h - all host memory goes through one allocator, given by the caller of the library. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdatomic.h>

#include "md/base.h"

/* Safe to use from many threads at once. The counters are what tests look at. */
struct memory {
    md_allocator allocator;
    atomic_size_t live_bytes;  /* allocated and not yet freed */
    atomic_size_t live_blocks;
    atomic_size_t total_calls; /* allocations ever asked for */
};

/* `allocator` all zero or NULL: malloc and free. */
void memory_init(struct memory *memory, const md_allocator *allocator);

/* count * size bytes, 64-byte aligned. Overflow and exhaustion are MD_ENOMEM with text.
 * Zero bytes give a valid block. memory_zeroed clears it. */
md_status memory_alloc(struct memory *memory, void *out, size_t count, size_t size);
md_status memory_zeroed(struct memory *memory, void *out, size_t count, size_t size);
/* Grows or shrinks the block at *(void **)out, keeping the content; NULL there is an alloc.
 * On failure the old block stays. */
md_status memory_resize(struct memory *memory, void *out, size_t count, size_t size);
md_status memory_copy_string(struct memory *memory, char **out, const char *text);
md_status memory_printf(struct memory *memory, char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void memory_free(struct memory *memory, void *block); /* NULL is fine */

#endif
