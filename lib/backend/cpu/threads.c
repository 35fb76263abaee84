/* threads.c - loops on device->threads threads: OpenMP, so that oneDNN and we share one team.
 *
 * The number of threads is a property of the calling thread in OpenMP. It is set around calls of
 * libraries and restored, so that the host program's own setting survives. */
#include "backend/cpu/threads.h"

#if MD_WITH_OPENMP
#include <omp.h>

void parallel(const struct device *device, int64_t count, int64_t grain, parallel_fn *run,
              const void *arg)
{
    int64_t pieces = (count + grain - 1) / grain;
    if (pieces <= 1 || device->threads == 1) {
        if (count > 0)
            run(arg, 0, 0, count);
        return;
    }
#pragma omp parallel for schedule(dynamic) num_threads(device->threads)
    for (int64_t i = 0; i < pieces; i++) {
        int64_t first = i * grain;
        int64_t last = first + grain < count ? first + grain : count;
        run(arg, omp_get_thread_num(), first, last);
    }
}

int threads_enter(const struct device *device)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(device->threads);
    return before;
}

void threads_leave(int before)
{
    omp_set_num_threads(before);
}

#else

void parallel(const struct device *device, int64_t count, int64_t grain, parallel_fn *run,
              const void *arg)
{
    (void)device;
    (void)grain;
    if (count > 0)
        run(arg, 0, 0, count);
}

int threads_enter(const struct device *device)
{
    (void)device;
    return 0;
}

void threads_leave(int before)
{
    (void)before;
}

#endif
