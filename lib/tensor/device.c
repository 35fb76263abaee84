/* device.c - devices, streams, their scratch memory, and tensors that live long. */
#include "tensor/device.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "core/error.h"

/* Cores this process may run on; taskset and containers narrow it. */
static int core_count(void)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    int count = CPU_COUNT(&cores);
    return count > 0 ? count : 1;
}

static md_status check_options(const struct backend *backend, const struct device_options *options)
{
    if (options->threads < 0)
        return ERROR(MD_EINVAL, "threads is %d; 0 means one for each core", options->threads);
    if ((options->activations != TENSOR_F32 || options->tf32) && !backend->reduced_precision)
        return ERROR(MD_EUNSUPPORTED,
                     "device %s computes in fp32 alone; %s is for device cuda, or leave it out",
                     backend->name,
                     options->tf32 ? "tf32" : tensor_type_name(options->activations));
    return MD_OK;
}

md_status device_create(struct device **out, const struct backend *backend, struct memory *memory,
                        const struct device_options *options)
{
    md_status st = MD_OK;
    struct device *device = NULL;
    TRY(check_options(backend, options));
    TRY(memory_zeroed(memory, &device, 1, sizeof *device));
    *device = (struct device){.backend = backend,
                              .memory = memory,
                              .threads = options->threads > 0 ? options->threads : core_count(),
                              .deterministic = options->deterministic,
                              .activations = options->activations,
                              .tf32 = options->tf32,
                              .index = options->index};
    if (pthread_mutex_init(&device->lock, NULL) != 0)
        FAIL(MD_ENOMEM, "the system gives no more mutexes");
    st = backend->device_open(device);
    if (st < 0) {
        pthread_mutex_destroy(&device->lock);
        goto fail;
    }
    *out = device;
    return MD_OK;
fail:
    memory_free(memory, device);
    return st;
}

void device_free(struct device *device)
{
    if (!device)
        return;
    device->backend->device_close(device);
    pthread_mutex_destroy(&device->lock);
    memory_free(device->memory, device);
}

md_status stream_create(struct stream **out, struct device *device)
{
    md_status st = MD_OK;
    struct stream *stream = NULL;
    TRY(memory_zeroed(device->memory, &stream, 1, sizeof *stream));
    stream->device = device;
    TRY(device->backend->stream_open(stream));
    *out = stream;
    return MD_OK;
fail:
    memory_free(device->memory, stream);
    return st;
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    struct device *device = stream->device;
    device->backend->stream_close(stream);
    for (int i = 0; i < STREAM_MAX_BRANCHES; i++)
        if (stream->scratch[i].memory)
            device->backend->free(device, stream->scratch[i].memory, stream->scratch[i].bytes);
    memory_free(device->memory, stream);
}

md_status stream_scratch(struct stream *stream, void **out, size_t bytes)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    const struct backend *backend = device->backend;
    struct stream_scratch *scratch = &stream->scratch[stream->branch];
    if (bytes > scratch->bytes || !scratch->memory) {
        if (scratch->memory) {
            TRY(backend->synchronise(stream)); /* an earlier operation may still use the old one */
            backend->free(device, scratch->memory, scratch->bytes);
            *scratch = (struct stream_scratch){0};
        }
        TRY(backend->alloc(device, &scratch->memory, bytes));
        scratch->bytes = bytes;
    }
    *out = scratch->memory;
fail:
    return st;
}

/* ---- branches ----------------------------------------------------------------------------- */

bool stream_branches_overlap(const struct stream *stream)
{
    return stream->device->backend->fork != NULL;
}

md_status stream_fork(struct stream *stream, int branches)
{
    assert(stream->branch == 0 && branches >= 1 && branches <= STREAM_MAX_BRANCHES);
    if (stream->measuring || !stream_branches_overlap(stream))
        return MD_OK;
    return stream->device->backend->fork(stream, branches);
}

void stream_branch(struct stream *stream, int branch)
{
    assert(branch >= 0 && branch < STREAM_MAX_BRANCHES);
    if (stream_branches_overlap(stream))
        stream->branch = branch;
}

md_status stream_join(struct stream *stream, int branches)
{
    stream->branch = 0;
    if (stream->measuring || !stream_branches_overlap(stream))
        return MD_OK;
    return stream->device->backend->join(stream, branches);
}

/* ---- transfers ---------------------------------------------------------------------------- */

md_status tensor_upload(struct stream *stream, const struct tensor *to, const void *from_host)
{
    size_t bytes = tensor_bytes(to);
    if (stream->measuring || bytes == 0)
        return MD_OK;
    return stream->device->backend->upload(stream, to->data, from_host, bytes);
}

md_status tensor_download(struct stream *stream, void *to_host, const struct tensor *from)
{
    size_t bytes = tensor_bytes(from);
    if (bytes == 0)
        return MD_OK;
    if (stream->measuring) {
        memset(to_host, 0, bytes);
        return MD_OK;
    }
    return stream->device->backend->download(stream, to_host, from->data, bytes);
}

md_status tensor_download_later(struct stream *stream, void *to_host, const struct tensor *from)
{
    const struct backend *backend = stream->device->backend;
    size_t bytes = tensor_bytes(from);
    if (stream->measuring || bytes == 0 || !backend->download_later)
        return tensor_download(stream, to_host, from);
    return backend->download_later(stream, to_host, from->data, bytes);
}

md_status host_memory_alloc(struct device *device, void **out, size_t bytes)
{
    if (device->backend->host_alloc)
        return device->backend->host_alloc(device, out, bytes);
    return memory_alloc(device->memory, out, bytes, 1);
}

void host_memory_free(struct device *device, void *memory, size_t bytes)
{
    if (!memory)
        return;
    if (device->backend->host_free)
        device->backend->host_free(device, memory, bytes);
    else
        memory_free(device->memory, memory);
}

/* Uploads zeros in pieces, so that a large slab needs no host copy of its size. */
static md_status clear_memory(struct device *device, void *data, size_t bytes)
{
    enum { PIECE = 1 << 20 };
    md_status st = MD_OK;
    struct stream *stream = NULL;
    char *zeros = NULL;
    size_t piece = bytes < PIECE ? bytes : PIECE;
    TRY(memory_zeroed(device->memory, &zeros, piece, 1));
    TRY(stream_create(&stream, device));
    for (size_t done = 0; done < bytes; done += piece) {
        size_t now = bytes - done < piece ? bytes - done : piece;
        TRY(device->backend->upload(stream, (char *)data + done, zeros, now));
    }
    st = device->backend->synchronise(stream);
fail:
    stream_free(stream);
    memory_free(device->memory, zeros);
    return st;
}

md_status tensor_create(struct device *device, struct tensor *out, enum tensor_type type,
                        struct shape shape)
{
    md_status st = MD_OK;
    struct tensor tensor = {NULL, type, shape};
    char text[96];
    size_t bytes = tensor_bytes(&tensor);
    if (bytes == SIZE_MAX || shape.rank < 1)
        return ERROR(MD_EINVAL, "there is no tensor of shape %s", shape_text(shape, text));
    TRY(device->backend->alloc(device, &tensor.data, bytes));
    TRY(clear_memory(device, tensor.data, bytes));
    *out = tensor;
    return MD_OK;
fail:
    tensor_destroy(device, &tensor);
    return st;
}

void tensor_destroy(struct device *device, struct tensor *tensor)
{
    if (tensor->data)
        device->backend->free(device, tensor->data, tensor_bytes(tensor));
    *tensor = (struct tensor){0};
}
