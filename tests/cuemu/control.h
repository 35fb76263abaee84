/* control.h - what tests ask of the emulated device: counts, and failures on purpose. */
#ifndef TESTS_CUEMU_CONTROL_H
#define TESTS_CUEMU_CONTROL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cuemu_counts {
    long   allocations, frees; /* of device memory */
    long   host_allocations;   /* pinned */
    long   waits;              /* the host waited for a stream, an event or the device */
    long   launches, graph_launches;
    size_t live_bytes;
};

struct cuemu_counts cuemu_counts(void);

/* From now on; all at their defaults after cuemu_reset. 0: never. */
struct cuemu_faults {
    long   fail_allocation; /* the k-th from now fails */
    size_t memory_limit;    /* bytes alive at once; 0: 8 GiB */
    long   fail_launch;     /* the k-th kernel from now ends in cudaErrorIllegalAddress */
    int    device_count;    /* -1: one */
    int    count_error;     /* what cudaGetDeviceCount says instead: cudaErrorNoDevice, ... */
    int    capability;      /* e.g. 60; 0: 90 */
};

void cuemu_inject(const struct cuemu_faults *faults);
void cuemu_reset(void);

#ifdef __cplusplus
}
#endif
#endif
