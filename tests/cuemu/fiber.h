/* fiber.h - switching between stacks, and telling the sanitizers about it. */
#ifndef TESTS_CUEMU_FIBER_H
#define TESTS_CUEMU_FIBER_H

#include <stddef.h>

struct fiber_context {
    void *stack_pointer;
    void *fake_stack;         /* the address sanitizer's */
    const void *bottom;       /* of the stack */
    size_t size;
    void *thread_sanitizer;
};

void fiber_open(fiber_context *fiber); /* once; fiber_start may follow many times */
void fiber_close(fiber_context *fiber);
void fiber_start(fiber_context *fiber, char *stack, size_t size, void (*main)());
/* `last`: `from` will not be resumed. */
void fiber_switch(fiber_context *from, fiber_context *to, bool last);
/* What one fiber did before a release of `where`, another may see after an acquire. */
void fiber_release(void *where);
void fiber_acquire(void *where);
/* Memory that must not be touched, where a sanitizer watches. */
void fiber_forbid(void *memory, size_t bytes);
void fiber_allow(void *memory, size_t bytes);

#endif
