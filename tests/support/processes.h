/* processes.h - a test's own processes: started together, each with a rank, watched to their ends. */
#ifndef TESTS_PROCESSES_H
#define TESTS_PROCESSES_H

#include "group/group.h"

/* What a process does; its result, 0 to 255, is that of the process. Not by ck_assert: it must return. */
typedef int process_fn(const struct group_options *options, void *context);

/* `size` processes that know each other by a free port of this machine. results[rank]: what they
 * returned; -1: killed by a signal. Ends with the test when one of them is still there after a minute. */
void processes_run(int *results, int size, process_fn *run, void *context);
/* The options of each, for tests that start them otherwise. */
void processes_options(struct group_options *out, int rank, int size);

#endif
