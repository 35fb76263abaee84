/* test_faulty_kernels.c - the emulated device finds mistakes: each kind planted once.
 *
 * A mistake shows in one of three ways: the process ends with a line that says what and where, the
 * result is not what it should be, or a sanitizer ends the process. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cuda_runtime_api.h>

#include "../cuemu/control.h"
#include "../cuemu/faults.h"
#include "suite.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define ADDRESS_SANITIZED 1
#else
#define ADDRESS_SANITIZED 0
#endif

enum { COUNT = 256, SEEDS = 5 };

/* Whether the kernel's result is the input reversed; a failing call is a wrong result, too. */
static bool runs_right(enum fault fault)
{
    float values[COUNT], *in = NULL, *out = NULL;
    cudaStream_t stream = NULL;
    bool right = true;
    for (int i = 0; i < COUNT; i++)
        values[i] = (float)i + 1;
    right = cudaMalloc((void **)&in, sizeof values) == cudaSuccess && right;
    right = cudaMalloc((void **)&out, sizeof values) == cudaSuccess && right;
    right = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess && right;
    right =
        cudaMemcpyAsync(in, values, sizeof values, cudaMemcpyHostToDevice, stream) == cudaSuccess &&
        right;
    right = launch_fault(out, in, fault, stream) == 0 && right;
    right = cudaMemcpyAsync(values, out, sizeof values, cudaMemcpyDeviceToHost, stream) ==
                cudaSuccess &&
            right;
    right = cudaStreamSynchronize(stream) == cudaSuccess && right;
    for (int i = 0; i < COUNT; i++)
        right = right && values[i] == (float)(COUNT - i); /* NaN is not equal */
    cudaStreamDestroy(stream);
    cudaFree(in);
    cudaFree(out);
    return right;
}

/* What became of it in a process of its own: what it wrote to standard error, and how it ended. */
struct outcome {
    char text[4096];
    bool ended_well, right;
};

static struct outcome try_fault(enum fault fault, int seed)
{
    struct outcome outcome = {{0}, false, false};
    char number[12];
    int ends[2], status = 0;
    size_t used = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        snprintf(number, sizeof number, "%d", seed);
        setenv("CUEMU_SEED", number, 1);
        _exit(runs_right(fault) ? 0 : 1);
    }
    close(ends[1]);
    for (ssize_t got = 1; got > 0; used += (size_t)got) {
        got = read(ends[0], outcome.text + used, sizeof outcome.text - 1 - used);
        if (got <= 0)
            break;
    }
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    outcome.ended_well = WIFEXITED(status) && WEXITSTATUS(status) <= 1;
    outcome.right = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return outcome;
}

START_TEST(a_right_kernel_gives_no_complaint)
{
    for (int seed = 0; seed < SEEDS; seed++) {
        const struct outcome outcome = try_fault(FAULT_NONE, seed);
        ck_assert_msg(outcome.right, "%s", outcome.text);
        ck_assert_str_eq(outcome.text, "");
    }
}
END_TEST

/* What the device itself notices, whatever the order of threads. */
static const struct {
    enum fault fault;
    const char *said;
} SAID[] = {{FAULT_DIVERGENT_BARRIER, "different barriers"},
            {FAULT_EARLY_EXIT, "left before a barrier"},
            {FAULT_MISALIGNED, "no multiple of 16"},
            {FAULT_NO_PDL_WAIT, "never called cu_pdl_wait"}};
enum { SAID_COUNT = sizeof SAID / sizeof SAID[0] };

START_TEST(misuse_ends_with_a_line_that_says_where)
{
    for (int seed = 0; seed < SEEDS; seed++) {
        const struct outcome outcome = try_fault(SAID[_i].fault, seed);
        ck_assert(!outcome.ended_well);
        ck_assert_msg(strstr(outcome.text, SAID[_i].said) != NULL, "said: %s", outcome.text);
        ck_assert_ptr_nonnull(strstr(outcome.text, "block 0,0,0 thread"));
    }
}
END_TEST

static const enum fault WRONG[] = {FAULT_NO_WAIT, FAULT_UNWRITTEN, FAULT_NO_BARRIER};
enum { WRONG_COUNT = sizeof WRONG / sizeof WRONG[0] };

/* Poison shows what was not there yet: a copy under way, an output never written, and, in some order
 * of the threads, what another thread was to write. */
START_TEST(what_is_not_there_yet_is_wrong)
{
    int wrong = 0;
    for (int seed = 0; seed < SEEDS; seed++)
        wrong += !try_fault(WRONG[_i], seed).right;
    if (WRONG[_i] == FAULT_NO_BARRIER)
        ck_assert_int_gt(wrong, 0);
    else
        ck_assert_int_eq(wrong, SEEDS);
}
END_TEST

START_TEST(writing_beyond_shared_memory_is_found)
{
    if (!ADDRESS_SANITIZED)
        SKIP("bounds are watched by the address sanitizer: make test-asan");
    const struct outcome outcome = try_fault(FAULT_OUT_OF_BOUNDS, 0);
    ck_assert(!outcome.right);
    ck_assert_ptr_nonnull(strstr(outcome.text, "AddressSanitizer"));
}
END_TEST

SUITE("emulated/faulty_kernels", TEST(a_right_kernel_gives_no_complaint),
      LOOP(misuse_ends_with_a_line_that_says_where, 0, SAID_COUNT),
      LOOP(what_is_not_there_yet_is_wrong, 0, WRONG_COUNT),
      TEST(writing_beyond_shared_memory_is_found))
