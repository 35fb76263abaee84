/* faults.cu - small kernels with a mistake each, which the emulated device is to find. */
#include "common.cuh"
#include "faults.h"

enum { COUNT = 256 };

struct reverse_shared {
    float values[COUNT];
};

/* ---- kernels ------------------------------------------------------------------------------- */

template <enum fault FAULT> static __device__ void load(struct reverse_shared *s, const float *in, int i)
{
    if (i % 4 == 0) {
        const int from = FAULT == FAULT_MISALIGNED && i == 8 ? i + 1 : i;
        cu_cp_async16(&s->values[i], in + from, 16);
    }
    cu_cp_async_commit();
    if (FAULT != FAULT_NO_WAIT)
        cu_cp_async_wait<0>();
}

template <enum fault FAULT>
static __global__ void __launch_bounds__(COUNT) reverse_kernel(float *out, const float *in)
{
    if (FAULT != FAULT_NO_PDL_WAIT)
        cu_pdl_wait();
    CU_SMEM(reverse_shared, s);
    const int i = threadIdx.x;
    if (FAULT == FAULT_EARLY_EXIT && i == 17)
        return;
    load<FAULT>(s, in, i);
    if (FAULT == FAULT_OUT_OF_BOUNDS && i == 0)
        s->values[blockDim.x] = 1;
    if (FAULT == FAULT_DIVERGENT_BARRIER && i < 32)
        __syncthreads();
    else if (FAULT != FAULT_NO_BARRIER)
        __syncthreads();
    if (FAULT != FAULT_UNWRITTEN || i != 99)
        out[i] = s->values[COUNT - 1 - i];
    if (FAULT == FAULT_NO_WAIT)
        cu_cp_async_wait<0>();
}

/* ---- launchers ----------------------------------------------------------------------------- */

template <enum fault FAULT> static int reverse(float *out, const float *in, launch_stream stream)
{
    auto kernel = reverse_kernel<FAULT>;
    return CU_LAUNCH(kernel, dim3(1), dim3(COUNT), sizeof(reverse_shared), stream, out, in);
}

extern "C" int launch_fault(float *out, const float *in, enum fault fault, launch_stream stream)
{
    switch (fault) {
    case FAULT_OUT_OF_BOUNDS: return reverse<FAULT_OUT_OF_BOUNDS>(out, in, stream);
    case FAULT_NO_BARRIER: return reverse<FAULT_NO_BARRIER>(out, in, stream);
    case FAULT_NO_WAIT: return reverse<FAULT_NO_WAIT>(out, in, stream);
    case FAULT_DIVERGENT_BARRIER: return reverse<FAULT_DIVERGENT_BARRIER>(out, in, stream);
    case FAULT_EARLY_EXIT: return reverse<FAULT_EARLY_EXIT>(out, in, stream);
    case FAULT_MISALIGNED: return reverse<FAULT_MISALIGNED>(out, in, stream);
    case FAULT_UNWRITTEN: return reverse<FAULT_UNWRITTEN>(out, in, stream);
    case FAULT_NO_PDL_WAIT: return reverse<FAULT_NO_PDL_WAIT>(out, in, stream);
    default: return reverse<FAULT_NONE>(out, in, stream);
    }
}
