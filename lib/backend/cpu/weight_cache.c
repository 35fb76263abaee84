/* weight_cache.c - packed copies of a weight, remade when the weight changes. */
#include "backend/cpu/weight_cache.h"

#include "core/error.h"

struct op_cache {
    struct packed *first;
};

static struct packed *find(const struct op_cache *cache, const struct pack_request *request)
{
    struct packed *packed = cache->first;
    while (packed && (packed->use != request->use || packed->layout != request->layout))
        packed = packed->next;
    return packed;
}

static md_status add(struct device *device, struct op_cache *cache, struct packed **out,
                     const struct pack_request *request)
{
    md_status st = MD_OK;
    struct packed *packed = NULL;
    void *data = NULL;
    TRY(memory_zeroed(device->memory, &packed, 1, sizeof *packed));
    TRY(device->backend->alloc(device, &data, request->bytes));
    packed->data = data;
    packed->use = request->use;
    packed->layout = request->layout;
    packed->bytes = request->bytes;
    packed->next = cache->first;
    cache->first = packed;
    *out = packed;
    return MD_OK;
fail:
    memory_free(device->memory, packed);
    return st;
}

static md_status get_locked(const float **out, struct stream *stream, struct weight *weight,
                            const struct pack_request *request)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    if (!weight->cache)
        TRY(memory_zeroed(device->memory, &weight->cache, 1, sizeof *weight->cache));
    struct packed *packed = find(weight->cache, request);
    if (!packed)
        TRY(add(device, weight->cache, &packed, request));
    if (!packed->valid || packed->version != *weight->version) {
        packed->valid = false;
        TRY(request->pack(request->arg, stream, weight, packed->data));
        packed->version = *weight->version;
        packed->valid = true;
    }
    *out = packed->data;
fail:
    return st;
}

md_status weight_cache_get(const float **out, struct stream *stream, struct weight *weight,
                           const struct pack_request *request)
{
    pthread_mutex_lock(&stream->device->lock);
    md_status st = get_locked(out, stream, weight, request);
    pthread_mutex_unlock(&stream->device->lock);
    return st;
}

void cpu_weight_release(struct device *device, struct weight *weight)
{
    if (!weight->cache)
        return;
    struct packed *next = NULL;
    for (struct packed *packed = weight->cache->first; packed; packed = next) {
        next = packed->next;
        device->backend->free(device, packed->data, packed->bytes);
        memory_free(device->memory, packed);
    }
    memory_free(device->memory, weight->cache);
    weight->cache = NULL;
}
