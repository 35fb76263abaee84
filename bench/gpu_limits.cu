/* gpu_limits.cu - what a GPU can do at most: copies, tensor cores, launches; and its properties.
 *
 *   nvcc -std=c++17 -O3 -arch=native -o gpu_limits bench/gpu_limits.cu -ldl && ./gpu_limits
 *
 * Prints one JSON object. The floors of docs/benchmarks.md are taken from it. A measurement that
 * fails prints the reason as last line and ends the program with status 1. */
#include <cuda_runtime.h>
#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static void check(cudaError_t error, const char *what)
{
    if (error == cudaSuccess)
        return;
    printf("\n%s: %s\n", what, cudaGetErrorString(error));
    exit(1);
}
#define CHECK(call) check(call, #call)

/* ---- kernels ------------------------------------------------------------------------------ */

static __global__ void fill_random(uint4 *out, size_t count)
{
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count;
         i += (size_t)gridDim.x * blockDim.x) {
        unsigned x = (unsigned)i * 2654435761u;
        out[i] = make_uint4(x, x * 747796405u, x ^ 0x9e3779b9u, x * 2891336453u);
    }
}

static __global__ void copy(uint4 *out, const uint4 *in, size_t count)
{
    size_t stride = (size_t)gridDim.x * blockDim.x;
    size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride) {
        uint4 a = in[i], b = in[i + stride], c = in[i + 2 * stride], d = in[i + 3 * stride];
        out[i] = a;
        out[i + stride] = b;
        out[i + 2 * stride] = c;
        out[i + 3 * stride] = d;
    }
    for (; i < count; i += stride)
        out[i] = in[i];
}

/* Eight independent chains of products in each warp: what mma.sync reaches without any memory. */
static __global__ void __launch_bounds__(256) multiply(float *out, unsigned seed, int rounds)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    unsigned a[4], b[2];
    float sum[8][4] = {};
    for (int i = 0; i < 4; i++)
        a[i] = 0x3c003c00u ^ ((seed + threadIdx.x * 7 + i) * 2654435761u & 0x007f807fu);
    for (int i = 0; i < 2; i++)
        b[i] = 0x3c003c00u ^ ((seed + threadIdx.x * 13 + i) * 747796405u & 0x807f007fu);
    for (int r = 0; r < rounds; r++)
#pragma unroll
        for (int i = 0; i < 8; i++)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                         "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(sum[i][0]), "+f"(sum[i][1]), "+f"(sum[i][2]), "+f"(sum[i][3])
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    float total = 0;
    for (int i = 0; i < 8; i++)
        total += sum[i][0] + sum[i][1] + sum[i][2] + sum[i][3];
    out[blockIdx.x * blockDim.x + threadIdx.x] = total;
#endif
}

/* A link of a chain: as little as a kernel can do. */
static __global__ void step(int *value)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    cudaGridDependencySynchronize();
#endif
    if (threadIdx.x == 0 && blockIdx.x == 0)
        *value += 1;
}

/* ---- time --------------------------------------------------------------------------------- */

template <typename F> static double median_seconds(cudaStream_t stream, int runs, F run)
{
    cudaEvent_t begin, end;
    std::vector<float> times;
    CHECK(cudaEventCreate(&begin));
    CHECK(cudaEventCreate(&end));
    for (int i = -3; i < runs; i++) {
        float milliseconds = 0;
        CHECK(cudaEventRecord(begin, stream));
        run();
        CHECK(cudaGetLastError());
        CHECK(cudaEventRecord(end, stream));
        CHECK(cudaEventSynchronize(end));
        CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
        if (i >= 0)
            times.push_back(milliseconds);
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2] * 1e-3;
}

/* Bytes read and written in a second. `repeat` copies between the same buffers: small ones stay in
 * the cache. */
static double copy_rate(cudaStream_t stream, size_t bytes, int repeat, int blocks)
{
    uint4 *from, *to;
    CHECK(cudaMalloc(&from, bytes));
    CHECK(cudaMalloc(&to, bytes));
    fill_random<<<blocks, 256, 0, stream>>>(from, bytes / sizeof(uint4));
    double seconds = median_seconds(stream, 15, [&] {
        for (int i = 0; i < repeat; i++)
            copy<<<blocks, 256, 0, stream>>>(to, from, bytes / sizeof(uint4));
    });
    CHECK(cudaFree(from));
    CHECK(cudaFree(to));
    return 2.0 * (double)bytes * repeat / seconds;
}

static double driver_copy_rate(cudaStream_t stream, size_t bytes)
{
    void *from, *to;
    CHECK(cudaMalloc(&from, bytes));
    CHECK(cudaMalloc(&to, bytes));
    fill_random<<<1024, 256, 0, stream>>>((uint4 *)from, bytes / sizeof(uint4));
    double seconds = median_seconds(stream, 15, [&] {
        CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream));
    });
    CHECK(cudaFree(from));
    CHECK(cudaFree(to));
    return 2.0 * (double)bytes / seconds;
}

static double upload_rate(cudaStream_t stream, size_t bytes)
{
    void *host, *device;
    CHECK(cudaMallocHost(&host, bytes));
    CHECK(cudaMalloc(&device, bytes));
    memset(host, 1, bytes);
    double seconds = median_seconds(stream, 15, [&] {
        CHECK(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream));
    });
    CHECK(cudaFreeHost(host));
    CHECK(cudaFree(device));
    return (double)bytes / seconds;
}

static double mma_rate(cudaStream_t stream, int processors)
{
    const int blocks = processors * 4, rounds = 4096;
    float *out;
    CHECK(cudaMalloc(&out, (size_t)blocks * 256 * sizeof(float)));
    double seconds = median_seconds(
        stream, 9, [&] { multiply<<<blocks, 256, 0, stream>>>(out, 1, rounds); });
    CHECK(cudaFree(out));
    return 2.0 * 16 * 8 * 16 * 8 * rounds * 8.0 * blocks / seconds; /* 8 chains, 8 warps a block */
}

struct chain {
    double step, launch; /* seconds a kernel takes with the gap to the next; of launch and wait */
};

/* A graph of kernels that wait for each other. */
static struct chain time_chain(cudaStream_t stream, bool programmatic)
{
    const int kernels = 512;
    int *value;
    cudaGraph_t graph;
    cudaGraphExec_t ready;
    CHECK(cudaMalloc(&value, sizeof *value));
    CHECK(cudaMemsetAsync(value, 0, sizeof *value, stream));
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(132);
    config.blockDim = dim3(128);
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = programmatic ? 1 : 0;
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    for (int i = 0; i < kernels; i++)
        CHECK(cudaLaunchKernelEx(&config, step, value));
    CHECK(cudaStreamEndCapture(stream, &graph));
    CHECK(cudaGraphInstantiate(&ready, graph, 0));
    struct chain out;
    out.step = median_seconds(stream, 25, [&] { CHECK(cudaGraphLaunch(ready, stream)); }) / kernels;
    auto begin = std::chrono::steady_clock::now();
    CHECK(cudaGraphLaunch(ready, stream));
    out.launch = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaGraphExecDestroy(ready));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaFree(value));
    return out;
}

/* ---- properties --------------------------------------------------------------------------- */

static int attribute(enum cudaDeviceAttr which)
{
    int value = 0;
    CHECK(cudaDeviceGetAttribute(&value, which, 0));
    return value;
}

template <typename F> static F symbol(void *library, const char *name)
{
    return (F)dlsym(library, name);
}

/* The description that cuDNN itself gives of this device: with it, engines can be chosen where no
 * such device is. "null" when there is no cuDNN. */
static void print_cudnn_properties()
{
    void *library = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_GLOBAL);
    cudnnHandle_t handle = nullptr;
    cudnnBackendDescriptor_t properties = nullptr;
    std::vector<char> text(1 << 16);
    int64_t size = 0;
    if (!library) {
        printf("null");
        return;
    }
    auto create = symbol<decltype(&cudnnCreate)>(library, "cudnnCreate");
    auto make = symbol<decltype(&cudnnBackendCreateDescriptor)>(library, "cudnnBackendCreateDescriptor");
    auto set = symbol<decltype(&cudnnBackendSetAttribute)>(library, "cudnnBackendSetAttribute");
    auto finish = symbol<decltype(&cudnnBackendFinalize)>(library, "cudnnBackendFinalize");
    auto get = symbol<decltype(&cudnnBackendGetAttribute)>(library, "cudnnBackendGetAttribute");
    bool good = create && make && set && finish && get && create(&handle) == CUDNN_STATUS_SUCCESS &&
                make(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &properties) == CUDNN_STATUS_SUCCESS &&
                set(properties, CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle) ==
                    CUDNN_STATUS_SUCCESS &&
                finish(properties) == CUDNN_STATUS_SUCCESS &&
                get(properties, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                    (int64_t)text.size() - 1, &size, text.data()) == CUDNN_STATUS_SUCCESS;
    text[good && size > 0 && size < (int64_t)text.size() ? (size_t)size : 0] = '\0';
    printf("%s", text[0] == '{' ? text.data() : "null");
}

static void print_properties(const cudaDeviceProp &p)
{
    int driver = 0, runtime = 0;
    CHECK(cudaDriverGetVersion(&driver));
    CHECK(cudaRuntimeGetVersion(&runtime));
    printf("{\"name\": \"%s\", \"capability\": \"%d.%d\", \"driver\": %d, \"runtime\": %d,\n"
           "  \"multiprocessors\": %d, \"memory_bytes\": %zu, \"l2_bytes\": %d,\n"
           "  \"shared_per_block\": %zu, \"shared_per_block_optin\": %zu, \"shared_per_sm\": %zu,\n"
           "  \"registers_per_sm\": %d, \"threads_per_sm\": %d, \"blocks_per_sm\": %d,\n"
           "  \"clock_khz\": %d, \"memory_clock_khz\": %d, \"memory_bus_bits\": %d}",
           p.name, p.major, p.minor, driver, runtime, p.multiProcessorCount, p.totalGlobalMem,
           p.l2CacheSize, p.sharedMemPerBlock, p.sharedMemPerBlockOptin, p.sharedMemPerMultiprocessor,
           p.regsPerMultiprocessor, p.maxThreadsPerMultiProcessor, p.maxBlocksPerMultiProcessor,
           attribute(cudaDevAttrClockRate), attribute(cudaDevAttrMemoryClockRate), p.memoryBusWidth);
}

int main()
{
    cudaDeviceProp p;
    cudaStream_t stream;
    CHECK(cudaGetDeviceProperties(&p, 0));
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    printf("{\"device\": ");
    print_properties(p);
    printf(",\n \"cudnn_device\": ");
    print_cudnn_properties();
    const int blocks = p.multiProcessorCount * 8;
    const size_t large = std::min((size_t)2 << 30, p.totalGlobalMem / 8 & ~(size_t)4095);
    const size_t small = std::max((size_t)p.l2CacheSize / 4 & ~(size_t)4095, (size_t)4096);
    double by_kernel = copy_rate(stream, large, 1, blocks);
    double by_driver = driver_copy_rate(stream, large);
    printf(",\n \"copy_gb_per_s\": %.1f, \"copy_kernel_gb_per_s\": %.1f, \"copy_driver_gb_per_s\": %.1f",
           std::max(by_kernel, by_driver) * 1e-9, by_kernel * 1e-9, by_driver * 1e-9);
    printf(",\n \"l2_copy_gb_per_s\": %.1f", copy_rate(stream, small, 50, blocks) * 1e-9);
    printf(",\n \"upload_gb_per_s\": %.2f", upload_rate(stream, (size_t)64 << 20) * 1e-9);
    if (p.major >= 8)
        printf(",\n \"mma_sync_bf16_tflop_per_s\": %.1f", mma_rate(stream, p.multiProcessorCount) * 1e-12);
    struct chain plain = time_chain(stream, false);
    printf(",\n \"graph_step_us\": %.3f, \"graph_launch_us\": %.2f", plain.step * 1e6, plain.launch * 1e6);
    if (p.major >= 9) {
        struct chain early = time_chain(stream, true);
        printf(",\n \"graph_step_programmatic_us\": %.3f", early.step * 1e6);
    }
    printf("}\n");
    return 0;
}
