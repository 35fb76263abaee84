/* threads.h - loops on device->threads threads. */
#ifndef BACKEND_CPU_THREADS_H
#define BACKEND_CPU_THREADS_H

#include "tensor/device.h"

/* Elements first .. last - 1. `thread` < device->threads tells scratch memory apart. */
typedef void parallel_fn(const void *arg, int thread, int64_t first, int64_t last);

/* Cuts [0, count) into pieces of `grain` (the last may be shorter) and hands them out; which thread
 * gets which piece is not fixed, so a piece's result must not depend on it. */
void parallel(const struct device *device, int64_t count, int64_t grain, parallel_fn *run,
              const void *arg);

/* Libraries that this host thread calls use device->threads until threads_leave(what enter gave). */
int  threads_enter(const struct device *device);
void threads_leave(int before);

#endif
