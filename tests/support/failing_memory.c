/* failing_memory.c - memory whose k-th allocation fails. */
#include "failing_memory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static void *alloc_or_fail(void *user, size_t bytes, size_t alignment)
{
    struct failing_memory *failing = user;
    if (atomic_fetch_add(&failing->calls, 1) == failing->fail_at) {
        atomic_store(&failing->failed, true);
        return NULL;
    }
    void *block = NULL;
    if (posix_memalign(&block, alignment, bytes) != 0)
        return NULL;
    memset(block, 0xA5, bytes); /* what nobody has written must not look like zeros */
    atomic_fetch_add(&failing->live_blocks, 1);
    return block;
}

static void release(void *user, void *block, size_t bytes)
{
    struct failing_memory *failing = user;
    (void)bytes;
    if (block)
        atomic_fetch_sub(&failing->live_blocks, 1);
    free(block);
}

void failing_memory_init(struct failing_memory *failing, size_t fail_at)
{
    failing->fail_at = fail_at;
    atomic_init(&failing->calls, 0);
    atomic_init(&failing->live_blocks, 0);
    atomic_init(&failing->failed, false);
    const md_allocator allocator = {alloc_or_fail, release, failing};
    memory_init(&failing->memory, &allocator);
}

void failing_memory_check(const struct failing_memory *failing, md_status st)
{
    ck_assert_uint_eq(atomic_load(&failing->live_blocks), 0);
    ck_assert_uint_eq(atomic_load(&failing->memory.live_bytes), 0);
    if (!atomic_load(&failing->failed)) {
        ck_assert_msg(st == MD_OK, "status %d without a failed allocation: %s", st, error_text());
        return;
    }
    ck_assert_msg(st == MD_ENOMEM, "status %d after allocation %zu failed: %s", st,
                  failing->fail_at, error_text());
    ck_assert_ptr_nonnull(strstr(error_text(), "out of host memory"));
}
