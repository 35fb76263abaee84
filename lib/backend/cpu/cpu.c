/* cpu.c - the cpu backend: its memory, its streams and its table.
 *
 * Operations run on the calling thread and the device's helpers and are finished when they return,
 * so streams need no queue and nothing waits. */
#include "backend/cpu/cpu.h"

#include <string.h>
#include <sys/mman.h>

#include "backend/cpu/weight_cache.h"

/* From this size on, pages of 2 MiB spare most of the page faults of a first touch. */
enum { HUGE_PAGE_BYTES = 2 << 20, HUGE_FROM_BYTES = 4 << 20 };

static md_status cpu_alloc(struct device *device, void **out, size_t bytes)
{
    void *block = NULL;
    md_status st = memory_alloc(device->memory, &block, bytes, 1);
    if (st < 0)
        return st;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_FROM_BYTES) {
        uintptr_t first = ((uintptr_t)block + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES;
        uintptr_t last = ((uintptr_t)block + bytes) / HUGE_PAGE_BYTES;
        /* Advice only: a system without huge pages does as before. */
        (void)madvise((char *)block + (first * HUGE_PAGE_BYTES - (uintptr_t)block),
                      (last - first) * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
    }
#endif
    *out = block;
    return MD_OK;
}

static void cpu_free(struct device *device, void *memory, size_t bytes)
{
    (void)bytes;
    memory_free(device->memory, memory);
}

static md_status cpu_upload(struct stream *stream, void *to, const void *from_host, size_t bytes)
{
    (void)stream;
    memcpy(to, from_host, bytes);
    return MD_OK;
}

static md_status cpu_download(struct stream *stream, void *to_host, const void *from, size_t bytes)
{
    (void)stream;
    memcpy(to_host, from, bytes);
    return MD_OK;
}

static md_status cpu_synchronise(struct stream *stream)
{
    (void)stream;
    return MD_OK;
}

static const struct op_table cpu_ops = {.weight_release = cpu_weight_release,
#define X(name) .name = cpu_##name,
                                        OPS_LIST(X)
#undef X
};

const struct backend *backend_cpu(void)
{
    static const struct backend cpu = {
        .name = "cpu",
        .device_open = DENSE(device_open),
        .device_close = DENSE(device_close),
        .stream_open = DENSE(stream_open),
        .stream_close = DENSE(stream_close),
        .alloc = cpu_alloc,
        .free = cpu_free,
        .upload = cpu_upload,
        .download = cpu_download,
        .synchronise = cpu_synchronise,
        .ops = &cpu_ops,
    };
    return &cpu;
}
