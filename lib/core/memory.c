/* memory.c - all host memory: size header, overflow checks, counters.
 *
 * Each block carries its size in a header of one alignment unit, so that the
 * allocator hook learns the size when the block is freed and callers need not
 * keep it. */
#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"

enum { ALIGNMENT = 64 };

static void *default_alloc(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    void *block = NULL;
    return posix_memalign(&block, alignment, bytes) == 0 ? block : NULL;
}

static void default_free(void *user, void *block, size_t bytes)
{
    (void)user;
    (void)bytes;
    free(block);
}

void memory_init(struct memory *memory, const md_allocator *allocator)
{
    md_allocator fallback = {default_alloc, default_free, NULL};
    memory->allocator = allocator && allocator->alloc ? *allocator : fallback;
    atomic_init(&memory->live_bytes, 0);
    atomic_init(&memory->live_blocks, 0);
    atomic_init(&memory->total_calls, 0);
}

static void *block_alloc(struct memory *memory, size_t count, size_t size)
{
    size_t bytes = 0;
    size_t total = 0;
    if (!checked_mul(&bytes, count, size) || !checked_add(&total, bytes, ALIGNMENT))
        return NULL;
    atomic_fetch_add(&memory->total_calls, 1);
    char *base = memory->allocator.alloc(memory->allocator.user, total, ALIGNMENT);
    if (!base)
        return NULL;
    memcpy(base, &bytes, sizeof bytes);
    atomic_fetch_add(&memory->live_bytes, bytes);
    atomic_fetch_add(&memory->live_blocks, 1);
    return base + ALIGNMENT;
}

static size_t block_bytes(const void *block)
{
    size_t bytes;
    memcpy(&bytes, (const char *)block - ALIGNMENT, sizeof bytes);
    return bytes;
}

md_status memory_alloc(struct memory *memory, void *out, size_t count, size_t size)
{
    void *block = block_alloc(memory, count, size);
    if (!block)
        return ERROR(MD_ENOMEM, "out of host memory: %zu x %zu bytes wanted, %zu in use", count,
                     size, atomic_load(&memory->live_bytes));
    memcpy(out, &block, sizeof block);
    return MD_OK;
}

md_status memory_zeroed(struct memory *memory, void *out, size_t count, size_t size)
{
    md_status st = memory_alloc(memory, out, count, size);
    if (st == MD_OK) {
        void *block;
        memcpy(&block, out, sizeof block);
        memset(block, 0, block_bytes(block));
    }
    return st;
}

md_status memory_resize(struct memory *memory, void *out, size_t count, size_t size)
{
    void *old;
    void *fresh = NULL;
    memcpy(&old, out, sizeof old);
    md_status st = memory_alloc(memory, &fresh, count, size);
    if (st < 0)
        return st;
    if (old) {
        size_t kept = block_bytes(old) < block_bytes(fresh) ? block_bytes(old) : block_bytes(fresh);
        memcpy(fresh, old, kept);
        memory_free(memory, old);
    }
    memcpy(out, &fresh, sizeof fresh);
    return MD_OK;
}

md_status memory_copy_string(struct memory *memory, char **out, const char *text)
{
    size_t bytes = strlen(text) + 1;
    md_status st = memory_alloc(memory, out, bytes, 1);
    if (st == MD_OK)
        memcpy(*out, text, bytes);
    return st;
}

md_status memory_printf(struct memory *memory, char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        return ERROR(MD_EINTERNAL, "bad format: %s", format);
    md_status st = memory_alloc(memory, out, (size_t)length + 1, 1);
    if (st < 0)
        return st;
    va_start(args, format);
    vsnprintf(*out, (size_t)length + 1, format, args);
    va_end(args);
    return MD_OK;
}

void memory_free(struct memory *memory, void *block)
{
    if (!block)
        return;
    size_t bytes = block_bytes(block);
    atomic_fetch_sub(&memory->live_bytes, bytes);
    atomic_fetch_sub(&memory->live_blocks, 1);
    memory->allocator.free(memory->allocator.user, (char *)block - ALIGNMENT, bytes + ALIGNMENT);
}
