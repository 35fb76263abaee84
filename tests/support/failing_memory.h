/* failing_memory.h - memory whose k-th allocation fails, to prove that no failure leaks.
 *
 *   for (size_t k = 0;; k++) {
 *       struct failing_memory failing;
 *       failing_memory_init(&failing, k);
 *       md_status st = thing_create(&thing, &failing.memory);
 *       if (st == MD_OK)
 *           thing_free(thing);
 *       failing_memory_check(&failing, st);
 *       if (st == MD_OK)
 *           break;
 *   } */
#ifndef TESTS_FAILING_MEMORY_H
#define TESTS_FAILING_MEMORY_H

#include <stdbool.h>

#include "core/memory.h"

struct failing_memory {
    struct memory memory;
    size_t        fail_at; /* number of the allocation that fails, from 0; SIZE_MAX: none */
    atomic_size_t calls;
    atomic_size_t live_blocks; /* counted apart from memory.live_blocks, at the allocator */
    atomic_bool   failed;      /* the failure has happened */
};

/* The struct must stay where it is: the allocator hook points to it. */
void failing_memory_init(struct failing_memory *failing, size_t fail_at);

/* Asserts that nothing is left alive, and that `st` is MD_ENOMEM with text when the failure has
 * happened and MD_OK when it has not. */
void failing_memory_check(const struct failing_memory *failing, md_status st);

#endif
