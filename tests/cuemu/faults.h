/* faults.h - small kernels with a mistake each, which the emulated device is to find. */
#ifndef TESTS_CUEMU_FAULTS_H
#define TESTS_CUEMU_FAULTS_H

#include "launch.h"

#ifdef __cplusplus
extern "C" {
#endif

enum fault {
    FAULT_NONE,
    FAULT_OUT_OF_BOUNDS,     /* writes behind its shared memory */
    FAULT_NO_BARRIER,        /* reads what another thread writes, without waiting for it */
    FAULT_NO_WAIT,           /* reads what an asynchronous copy has not brought yet */
    FAULT_DIVERGENT_BARRIER, /* threads wait at different barriers */
    FAULT_EARLY_EXIT,        /* a thread leaves before a barrier that others wait at */
    FAULT_MISALIGNED,        /* an asynchronous copy from an address that is no multiple of 16 */
    FAULT_UNWRITTEN,         /* leaves an element of the output alone */
    FAULT_NO_PDL_WAIT,       /* touches memory before the kernel ahead has ended */
    FAULT_COUNT
};

/* out[i] = in[255 - i] by way of shared memory, 256 floats, one block; or nearly so. */
int launch_fault(float *out, const float *in, enum fault fault, launch_stream stream);

#ifdef __cplusplus
}
#endif
#endif
