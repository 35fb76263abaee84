/* common_nvcc.cuh - common.cuh's wrappers as the instructions of a real device. */
#ifndef KERNELS_COMMON_NVCC_CUH
#define KERNELS_COMMON_NVCC_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* ---- launch -------------------------------------------------------------------------------- */

/* Whether the present device starts a kernel's first instructions beside the last ones of the kernel
 * before it. */
static inline bool cu_dependent_launch()
{
    int device = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
               cudaSuccess &&
           major >= 9;
}

template <typename... Parameters, typename... Arguments>
static inline int cu_launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared,
                            launch_stream stream, Arguments... arguments)
{
    if (shared > 48u << 10) {
        cudaError_t grown = cudaFuncSetAttribute(
            (const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared);
        if (grown != cudaSuccess)
            return (int)grown;
    }
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = cu_dependent_launch() ? 1 : 0;
    return (int)cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

/* CU_LAUNCH(kernel, grid, block, shared bytes, stream, arguments...): a cudaError_t as int. */
#define CU_LAUNCH(kernel, ...) cu_launch(kernel, __VA_ARGS__)

/* The block's dynamic shared memory as one struct. */
#define CU_SMEM(type, name)                                                \
    extern __shared__ __align__(128) unsigned char cu_shared_memory[];     \
    type *name = reinterpret_cast<type *>(cu_shared_memory)

/* Until here nothing that an earlier kernel writes may be touched. The first statement of every
 * kernel. */
__device__ __forceinline__ void cu_pdl_wait()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

/* From here the next kernel may begin, up to its own cu_pdl_wait. */
__device__ __forceinline__ void cu_pdl_trigger()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

/* ---- 16 bits ------------------------------------------------------------------------------- */

__device__ __forceinline__ uint16_t cu_bf16_bits(float value)
{
    return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}

__device__ __forceinline__ uint16_t cu_fp16_bits(float value)
{
    return __half_as_ushort(__float2half_rn(value));
}

__device__ __forceinline__ float cu_fp16_value(uint16_t bits)
{
    return __half2float(__ushort_as_half(bits));
}

/* ---- tensor cores -------------------------------------------------------------------------- */

/* bfloat16 has tensor cores from 8.0 on; launchers refuse it below. */
#define CU_MMA_16816(type)                                                                          \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 "                     \
                 "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"                               \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                   \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define CU_MMA_1688(type)                                                                           \
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32." type "." type ".f32 "                      \
                 "{%0,%1,%2,%3},{%4,%5},{%6},{%0,%1,%2,%3};"                                        \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                   \
                 : "r"(a[0]), "r"(a[1]), "r"(b[0]))

__device__ __forceinline__ void cu_mma_16816_bf16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if __CUDA_ARCH__ >= 800
    CU_MMA_16816("bf16");
#endif
}

__device__ __forceinline__ void cu_mma_1688_bf16(float d[4], const uint32_t a[2], const uint32_t b[1])
{
#if __CUDA_ARCH__ >= 800
    CU_MMA_1688("bf16");
#endif
}

__device__ __forceinline__ void cu_mma_1688_fp16(float d[4], const uint32_t a[2], const uint32_t b[1])
{
    CU_MMA_1688("f16");
}

__device__ __forceinline__ void cu_mma_16816_fp16(float d[4], const uint32_t a[4], const uint32_t b[2])
{
#if __CUDA_ARCH__ >= 800
    CU_MMA_16816("f16");
#else /* 7.5 has the half as deep one alone */
    cu_mma_1688_fp16(d, a, b);
    cu_mma_1688_fp16(d, a + 2, b + 1);
#endif
}

__device__ __forceinline__ uint32_t cu_shared_address(const void *pointer)
{
    return (uint32_t)__cvta_generic_to_shared(pointer);
}

__device__ __forceinline__ void cu_ldmatrix_x4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(cu_shared_address(row)));
}

__device__ __forceinline__ void cu_ldmatrix_x2(uint32_t r[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1},[%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(cu_shared_address(row)));
}

/* The same with each 8 x 8 turned. */
__device__ __forceinline__ void cu_ldmatrix_x4_turned(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(cu_shared_address(row)));
}

__device__ __forceinline__ void cu_ldmatrix_x2_turned(uint32_t r[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1},[%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(cu_shared_address(row)));
}

/* ---- copies that run beside the arithmetic -------------------------------------------------- */

/* 16 bytes from global to shared memory; `bytes` 0 fills with zeros. Below 8.0 it is done at once. */
__device__ __forceinline__ void cu_cp_async16(void *shared, const void *global, int bytes)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;" ::"r"(cu_shared_address(shared)),
                 "l"(global), "r"(bytes));
#else
    *(uint4 *)shared = bytes ? *(const uint4 *)global : make_uint4(0, 0, 0, 0);
#endif
}

__device__ __forceinline__ void cu_cp_async_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;");
#endif
}

/* Until at most COUNT of this thread's groups are still under way. */
template <int COUNT> __device__ __forceinline__ void cu_cp_async_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(COUNT));
#endif
}

#endif
