/* ref.c - the reference device: host memory, one thread, plain loops in the order of the formula.
 *
 * It is specification, oracle and fallback at once: other devices are compared with it, and take
 * from it what they do not override. Sums are accumulated in double. */
#include <string.h>

#include "backend/backends.h"
#include "core/memory.h"

static md_status device_open(struct device *device)
{
    (void)device;
    return MD_OK;
}

static void device_close(struct device *device)
{
    (void)device;
}

static md_status stream_open(struct stream *stream)
{
    (void)stream;
    return MD_OK;
}

static void stream_close(struct stream *stream)
{
    (void)stream;
}

static md_status allocate(struct device *device, void **out, size_t bytes)
{
    return memory_alloc(device->memory, out, bytes, 1);
}

static void release(struct device *device, void *memory, size_t bytes)
{
    (void)bytes;
    memory_free(device->memory, memory);
}

/* Up and down are the same here. */
static md_status transfer(struct stream *stream, void *to, const void *from, size_t bytes)
{
    (void)stream;
    memcpy(to, from, bytes);
    return MD_OK;
}

static md_status synchronise(struct stream *stream)
{
    (void)stream;
    return MD_OK;
}

static void weight_release(struct device *device, struct weight *weight)
{
    (void)device;
    (void)weight; /* nothing was kept */
}

static const struct op_table OPS = {.weight_release = weight_release,
#define X(name) .name = ref_##name,
                                    OPS_LIST(X)
#undef X
};

const struct backend *backend_ref(void)
{
    static const struct backend backend = {.name = "ref",
                                           .device_open = device_open,
                                           .device_close = device_close,
                                           .stream_open = stream_open,
                                           .stream_close = stream_close,
                                           .alloc = allocate,
                                           .free = release,
                                           .upload = transfer,
                                           .download = transfer,
                                           .synchronise = synchronise,
                                           .ops = &OPS};
    return &backend;
}
