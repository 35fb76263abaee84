/* list_case.h - a twin on ref and memory of the device beside it: for tests of kernels that decide. */
#ifndef TESTS_KERNELS_LIST_CASE_H
#define TESTS_KERNELS_LIST_CASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/ops_random.h"
#include "tests/kernels/kernel_case.h"

enum { LIST_CASE_MEMORIES = 32, LIST_CASE_GUARD = 64 };

struct list_case {
    struct lab lab; /* ref */
    cudaStream_t stream;
    void *memories[LIST_CASE_MEMORIES];
    int memory_count;
};

static inline void list_case_open(struct list_case *c)
{
    memset(c, 0, sizeof *c);
    lab_open_ref(&c->lab);
    check_cuda((int)cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking));
}

static inline void list_case_close(struct list_case *c)
{
    check_cuda((int)cudaStreamSynchronize(c->stream));
    for (int i = 0; i < c->memory_count; i++)
        device_drop(c->memories[i]);
    check_cuda((int)cudaStreamDestroy(c->stream));
    lab_close(&c->lab);
}

static inline void *list_case_keep(struct list_case *c, void *memory)
{
    ck_assert_int_lt(c->memory_count, LIST_CASE_MEMORIES);
    c->memories[c->memory_count++] = memory;
    return memory;
}

/* What ref's tensor holds, on the device. */
static inline void *list_case_input(struct list_case *c, const struct tensor *t)
{
    return list_case_keep(c, device_copy(t->data, tensor_bytes(t)));
}

/* Room for what is to be like ref's `t`, and a guard behind it; nothing of it is zero. */
static inline void *list_case_output(struct list_case *c, const struct tensor *t)
{
    return list_case_keep(c, device_new(tensor_bytes(t) + LIST_CASE_GUARD));
}

static inline void *list_case_scratch(struct list_case *c, size_t bytes)
{
    return list_case_keep(c, device_new(bytes));
}

/* The caller's to free. Nothing was written behind it. */
static inline void *list_case_read(struct list_case *c, const struct tensor *like,
                                   const void *memory)
{
    const size_t bytes = tensor_bytes(like);
    uint8_t *host = malloc(bytes + LIST_CASE_GUARD);
    ck_assert_ptr_nonnull(host);
    device_read(host, memory, bytes + LIST_CASE_GUARD, c->stream);
    for (size_t i = 0; i < LIST_CASE_GUARD; i++)
        ck_assert_int_eq(host[bytes + i], 0xff);
    return host;
}

/* The device wrote the bits that ref has. */
static inline void list_case_equal(struct list_case *c, const char *name,
                                   const struct tensor *wanted, const void *memory)
{
    uint32_t *found = list_case_read(c, wanted, memory);
    const uint32_t *want = wanted->data;
    for (int64_t i = 0; i < tensor_count(wanted); i++)
        ck_assert_msg(found[i] == want[i], "%s[%lld] has bits %08x, not %08x", name, (long long)i,
                      found[i], want[i]);
    free(found);
}

/* The same but for `tolerance`: where an expf decides the last bit. */
static inline void list_case_close_to(struct list_case *c, const char *name,
                                      const struct tensor *wanted, const void *memory,
                                      double tolerance)
{
    float *found = list_case_read(c, wanted, memory);
    const float *want = wanted->data;
    for (int64_t i = 0; i < tensor_count(wanted); i++)
        ck_assert_msg(fabs((double)found[i] - (double)want[i]) <= tolerance,
                      "%s[%lld] is %.9g, not %.9g", name, (long long)i, (double)found[i],
                      (double)want[i]);
    free(found);
}

/* The emulated device's threads take turns in another order from now on. */
static inline void list_case_reorder(int seed)
{
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    ck_assert_int_eq(setenv("CUEMU_SEED", text, 1), 0);
}

#endif
