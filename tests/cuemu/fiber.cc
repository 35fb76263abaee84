/* fiber.cc - switching between stacks: by hand on x86-64, by ucontext elsewhere. */
#include "fiber.h"

#include <stdint.h>
#include <stdlib.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define FIBER_ASAN 1
#endif
#if defined(FIBER_TSAN) || defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#undef FIBER_TSAN
#define FIBER_TSAN 1
#endif

/* The fiber before never returned from its last frames: their marks are still there. */
static void fresh_stack(char *stack, size_t size)
{
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(stack, size);
#else
    (void)stack;
    (void)size;
#endif
}

#if defined(__x86_64__)

extern "C" void fiber_swap(void **save, void *load);
__asm__(".text\n.type fiber_swap,@function\nfiber_swap:\n"
        "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
        ".size fiber_swap,.-fiber_swap\n");

static thread_local void (*start_main)();
static thread_local fiber_context *start_from;

static void first_steps()
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &start_from->bottom, &start_from->size);
#endif
    start_main();
    abort(); /* a fiber's main ends by switching away */
}

void fiber_start(fiber_context *fiber, char *stack, size_t size, void (*main)())
{
    fresh_stack(stack, size);
    void **top = (void **)(void *)(stack + size - 64);
    start_main = main;
    *--top = nullptr;
    *--top = (void *)(uintptr_t)first_steps;
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    fiber->stack_pointer = top;
    fiber->fake_stack = nullptr;
    fiber->bottom = stack;
    fiber->size = size;
}

static void swap(fiber_context *from, fiber_context *to)
{
    fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#else
#include <ucontext.h>

static thread_local void (*start_main)();
static thread_local fiber_context *start_from;

static void first_steps()
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &start_from->bottom, &start_from->size);
#endif
    start_main();
    abort();
}

static ucontext_t *context_of(fiber_context *fiber)
{
    if (!fiber->stack_pointer)
        fiber->stack_pointer = calloc(1, sizeof(ucontext_t));
    return (ucontext_t *)fiber->stack_pointer;
}

void fiber_start(fiber_context *fiber, char *stack, size_t size, void (*main)())
{
    ucontext_t *context = context_of(fiber);
    fresh_stack(stack, size);
    start_main = main;
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = size;
    context->uc_link = nullptr;
    makecontext(context, first_steps, 0);
    fiber->fake_stack = nullptr;
    fiber->bottom = stack;
    fiber->size = size;
}

static void swap(fiber_context *from, fiber_context *to)
{
    swapcontext(context_of(from), context_of(to));
}
#endif

void fiber_switch(fiber_context *from, fiber_context *to, bool last)
{
    start_from = from;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &from->fake_stack, to->bottom, to->size);
#endif
#ifdef FIBER_TSAN
    if (!from->thread_sanitizer)
        from->thread_sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->thread_sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
    (void)last;
    swap(from, to);
#ifdef FIBER_ASAN
    /* Who comes from a stack that the system made learns its bounds here. */
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(from->fake_stack, &bottom, &size);
#endif
}

void fiber_open(fiber_context *fiber)
{
    *fiber = fiber_context();
#ifdef FIBER_TSAN
    fiber->thread_sanitizer = __tsan_create_fiber(0);
#endif
}

void fiber_close(fiber_context *fiber)
{
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(fiber->thread_sanitizer);
#endif
#if !defined(__x86_64__)
    free(fiber->stack_pointer);
#endif
    (void)fiber;
}

void fiber_release(void *where)
{
#ifdef FIBER_TSAN
    __tsan_release(where);
#endif
    (void)where;
}

void fiber_acquire(void *where)
{
#ifdef FIBER_TSAN
    __tsan_acquire(where);
#endif
    (void)where;
}

void fiber_forbid(void *memory, size_t bytes)
{
#ifdef FIBER_ASAN
    __asan_poison_memory_region(memory, bytes);
#endif
    (void)memory;
    (void)bytes;
}

void fiber_allow(void *memory, size_t bytes)
{
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(memory, bytes);
#endif
    (void)memory;
    (void)bytes;
}
