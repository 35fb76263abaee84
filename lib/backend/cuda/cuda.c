/* cuda.c - the cuda backend: devices, their memory, and its table. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <string.h>

#include "backend/backends.h"
#include "core/error.h"

enum { OLDEST_CAPABILITY = 75, ROIS_AT_ONCE = 1 << 16 };

/* "13.0" */
static const char TOOLKIT[] = {'0' + CUDART_VERSION / 10000, '0' + CUDART_VERSION / 1000 % 10, '.',
                               '0' + CUDART_VERSION % 100 / 10, '\0'};

/* ---- errors ------------------------------------------------------------------------------- */

/* Errors after which nothing works in the process: a kernel's, and memory that lost its content. */
static bool is_fault(int error)
{
    switch (error) {
    case 214: /* uncorrectable ECC */
    case cudaErrorIllegalAddress:
    case 702: /* timeout */
    case 709: /* context destroyed */
    case 710: /* assert */
    case 714: /* hardware stack */
    case 715: /* illegal instruction */
    case 716: /* misaligned address */
    case 717: /* address space */
    case 718: /* program counter */
    case cudaErrorLaunchFailure:
        return true;
    default:
        return false;
    }
}

static md_status dead(const struct device *device, const struct cuda_device *state)
{
    return ERROR(MD_EDEVICE, "cuda:%d is unusable since %s; start the program anew", device->index,
                 state->death);
}

/* Without a lock: the device's may be held by whoever sees the fault. */
static md_status mark_dead(const struct device *device, int error, const char *what)
{
    struct cuda_device *state = cuda_device_of(device);
    const char *message = cudaGetErrorString((cudaError_t)error);
    if (!atomic_exchange(&state->dying, true)) {
        snprintf(state->death, sizeof state->death, "%.60s: %.60s", what, message);
        atomic_store(&state->dead, true);
    }
    return ERROR(MD_EDEVICE,
                 "cuda:%d: %s, seen at %s; run with CUDA_LAUNCH_BLOCKING=1 to see which kernel it "
                 "was, and report it",
                 device->index, message, what);
}

static md_status out_of_memory(const struct device *device, const char *what)
{
    size_t free_bytes = 0, total = 0;
    (void)cudaGetLastError(); /* memory that is not there does no harm to what is */
    (void)cudaMemGetInfo(&free_bytes, &total);
    return ERROR(MD_ENOMEM,
                 "cuda:%d: %s: out of memory, %zu of %zu MiB are free; smaller images or batches "
                 "need less",
                 device->index, what, free_bytes >> 20, total >> 20);
}

md_status cuda_check(const struct device *device, int error, const char *what)
{
    struct cuda_device *state = cuda_device_of(device);
    if (atomic_load(&state->dead))
        return dead(device, state);
    if (error == cudaSuccess)
        return MD_OK;
    if (error == cudaErrorMemoryAllocation)
        return out_of_memory(device, what);
    if (is_fault(error))
        return mark_dead(device, error, what);
    (void)cudaGetLastError();
    return ERROR(MD_EDEVICE, "cuda:%d: %s: %s (%s)", device->index, what,
                 cudaGetErrorString((cudaError_t)error), cudaGetErrorName((cudaError_t)error));
}

/* ---- devices ------------------------------------------------------------------------------ */

static int device_count(void)
{
    int count = 0;
    if (cudaGetDeviceCount(&count) == cudaSuccess)
        return count;
    (void)cudaGetLastError();
    return 0;
}

static md_status check_index(int index)
{
    int count = 0, driver = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    (void)cudaDriverGetVersion(&driver);
    if (error == cudaErrorInsufficientDriver && driver == 0)
        return ERROR(MD_EDEVICE, "cuda: no NVIDIA driver is installed; --device cpu works without");
    if (error == cudaErrorInsufficientDriver)
        return ERROR(MD_EDEVICE,
                     "cuda: the driver is for CUDA %d.%d, this build for %d.%d; install a newer "
                     "driver, or use --device cpu",
                     driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                     CUDART_VERSION % 1000 / 10);
    if (error != cudaSuccess || count == 0)
        return ERROR(MD_EDEVICE, "cuda: %s; md-doctor tells more, --device cpu works without",
                     error == cudaSuccess ? "there is no device" : cudaGetErrorString(error));
    if (index >= count)
        return ERROR(MD_EDEVICE,
                     "cuda:%d: there %s, cuda:0 to cuda:%d (CUDA_VISIBLE_DEVICES hides "
                     "others)",
                     index, count == 1 ? "is one device" : "are fewer devices", count - 1);
    return MD_OK;
}

static md_status read_properties(struct cuda_device *state, int index)
{
    static struct cudaDeviceProp const none;
    struct cudaDeviceProp properties = none;
    cudaError_t error = cudaGetDeviceProperties(&properties, index);
    if (error != cudaSuccess)
        return ERROR(MD_EDEVICE, "cuda:%d: %s", index, cudaGetErrorString(error));
    snprintf(state->name, sizeof state->name, "%s", properties.name);
    state->capability = properties.major * 10 + properties.minor;
    state->multiprocessors = properties.multiProcessorCount;
    (void)cudaDriverGetVersion(&state->driver);
    if (state->capability < OLDEST_CAPABILITY)
        return ERROR(MD_EUNSUPPORTED,
                     "cuda:%d: %s has compute capability %d.%d; 7.5 (Turing) or later is needed",
                     index, state->name, properties.major, properties.minor);
    return MD_OK;
}

static void device_close(struct device *device)
{
    struct cuda_device *state = cuda_device_of(device);
    if (!state)
        return;
    (void)cudaSetDevice(device->index);
    plans_close(state->plans);
    memory_free(device->memory, state);
    device->state = NULL;
}

static md_status device_open(struct device *device)
{
    md_status st = MD_OK;
    struct cuda_device *state = NULL;
    TRY(check_index(device->index));
    TRY(memory_zeroed(device->memory, &state, 1, sizeof *state));
    atomic_init(&state->dying, false);
    atomic_init(&state->dead, false);
    device->state = state;
    TRY(read_properties(state, device->index));
    if (device->activations == TENSOR_BF16 && state->capability < 80)
        FAIL(MD_EUNSUPPORTED, "cuda:%d: %s has no bf16; --precision fp16 is as fast there",
             device->index, state->name);
    TRY(cuda_called(device, cudaSetDevice(device->index), "choosing the device"));
    TRY(plans_open(&state->plans, device, state->name, state->driver));
    return MD_OK;
fail:
    device_close(device);
    return st;
}

/* cuDNN and cuBLASLt are looked for as a context would. */
static md_status query_libraries(md_device_info *out, int index)
{
    md_status st = MD_OK;
    struct memory memory;
    struct vendor *vendor = NULL;
    memory_init(&memory, NULL);
    TRY(vendor_open(&vendor, &memory, index));
    const char *missing = vendor_missing(vendor);
    snprintf(out->libraries, sizeof out->libraries, "%s", vendor_versions(vendor));
    snprintf(out->missing, sizeof out->missing, "%s", missing ? missing : "");
    vendor_close(vendor);
fail:
    return st;
}

static md_status device_query(md_device_info *out, int index)
{
    struct cuda_device state = {0};
    size_t free_bytes = 0, total = 0;
    md_status st = MD_OK;
    TRY(read_properties(&state, index));
    snprintf(out->description, sizeof out->description,
             "%.50s, compute capability %d.%d, driver %d.%d", state.name, state.capability / 10,
             state.capability % 10, state.driver / 1000, state.driver % 1000 / 10);
    if (cudaSetDevice(index) == cudaSuccess)
        (void)cudaMemGetInfo(&free_bytes, &total);
    out->memory_total = total;
    out->memory_free = free_bytes;
    st = query_libraries(out, index);
fail:
    return st;
}

/* ---- memory ------------------------------------------------------------------------------- */

static md_status device_alloc(struct device *device, void **out, size_t bytes)
{
    char what[48];
    *out = NULL;
    (void)cudaSetDevice(device->index);
    cudaError_t error = cudaMalloc(out, bytes > 0 ? bytes : 1);
    snprintf(what, sizeof what, "%zu MiB of device memory", (bytes + (1 << 20) - 1) >> 20);
    return cuda_called(device, error, what);
}

static void device_free_memory(struct device *device, void *memory, size_t bytes)
{
    (void)bytes;
    (void)cudaSetDevice(device->index);
    (void)cudaFree(memory);
}

static md_status host_alloc(struct device *device, void **out, size_t bytes)
{
    *out = NULL;
    (void)cudaSetDevice(device->index);
    return cuda_called(device, cudaMallocHost(out, bytes > 0 ? bytes : 1), "pinned memory");
}

static void host_free(struct device *device, void *memory, size_t bytes)
{
    (void)bytes;
    (void)cudaSetDevice(device->index);
    (void)cudaFreeHost(memory);
}

/* ---- the table ---------------------------------------------------------------------------- */

enum launch_type cuda_type(enum tensor_type type)
{
    return type == TENSOR_BF16 ? LAUNCH_BF16 : type == TENSOR_F16 ? LAUNCH_F16 : LAUNCH_F32;
}

static const struct op_table cuda_ops = {.weight_release = cuda_weight_release,
                                         .weight_ready = cuda_weight_ready,
                                         .weight_refold = cuda_weight_refold,
#define X(name) .name = cuda_##name,
                                         OPS_LIST(X)
#undef X
};

const struct backend *backend_cuda(void)
{
    static const struct backend cuda = {
        .name = "cuda",
        .device_open = device_open,
        .device_close = device_close,
        .stream_open = cuda_stream_open,
        .stream_close = cuda_stream_close,
        .alloc = device_alloc,
        .free = device_free_memory,
        .upload = cuda_upload,
        .download = cuda_download,
        .synchronise = cuda_synchronise,
        .ops = &cuda_ops,
        .toolkit = TOOLKIT,
        .device_count = device_count,
        .device_query = device_query,
        .reduced_precision = true,
        .fused_stem = true,
        .lanes = 2,
        .roi_part = ROIS_AT_ONCE,
        .host_alloc = host_alloc,
        .host_free = host_free,
        .download_later = cuda_download_later,
        .fork = cuda_fork,
        .join = cuda_join,
        .capture_begin = cuda_capture_begin,
        .capture_end = cuda_capture_end,
        .graph_launch = cuda_graph_launch,
        .graph_free = cuda_graph_free,
    };
    return &cuda;
}
