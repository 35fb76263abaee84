/* registry.c - the backends of this build; the only file with build-time #if about them. */
#include "backend/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "core/error.h"

typedef const struct backend *backend_fn(void);

/* Fastest first; "auto" is the first one that has a device. The emulated one is for tests. */
static backend_fn *const BACKENDS[] = {
#if defined(MD_WITH_CUDA) && !defined(MD_CUDA_EMULATED)
    backend_cuda,
#endif
    backend_cpu,
    backend_ref,
#ifdef MD_CUDA_EMULATED
    backend_cuda,
#endif
};

static int device_count(const struct backend *backend)
{
    return backend->device_count ? backend->device_count() : 1;
}

size_t backend_count(void)
{
    return sizeof BACKENDS / sizeof BACKENDS[0];
}

const struct backend *backend_at(size_t i)
{
    return i < backend_count() ? BACKENDS[i]() : NULL;
}

/* "" is 0, ":12" is 12, anything else -1. */
static int parse_index(const char *text)
{
    if (*text == '\0')
        return 0;
    if (text[0] != ':' || text[1] < '0' || text[1] > '9')
        return -1;
    char *end;
    long index = strtol(text + 1, &end, 10);
    return *end == '\0' && index <= INT_MAX ? (int)index : -1;
}

static md_status unknown(const char *name)
{
    char list[128] = "";
    size_t used = 0;
    for (size_t i = 0; i < backend_count() && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 backend_at(i)->name);
    return ERROR(MD_EUNSUPPORTED, "no device \"%s\" in this build; there is: %s", name, list);
}

md_status backend_find(const struct backend **out, int *index, const char *name)
{
    if (!name || strcmp(name, "auto") == 0) {
        size_t first = 0;
        while (device_count(backend_at(first)) < 1)
            first++; /* the host's devices are always there */
        *out = backend_at(first);
        *index = 0;
        return MD_OK;
    }
    for (size_t i = 0; i < backend_count(); i++) {
        const struct backend *backend = backend_at(i);
        size_t length = strlen(backend->name);
        if (strncmp(name, backend->name, length) != 0)
            continue;
        int found = parse_index(name + length);
        if (found < 0)
            continue;
        *out = backend;
        *index = found;
        return MD_OK;
    }
    return unknown(name);
}
