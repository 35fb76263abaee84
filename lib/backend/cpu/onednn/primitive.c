/* primitive.c - oneDNN primitives made once for each shape and kept.
 *
 * Making a primitive compiles code for it, which takes milliseconds; running one takes microseconds
 * above its arithmetic. There are some hundred shapes in a network, so the cache is a plain array
 * that is searched from end to end. */
#include "backend/cpu/onednn/primitive.h"

#include <string.h>

#include "backend/cpu/onednn/onednn.h"
#include "backend/cpu/threads.h"
#include "core/error.h"

static const char *status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "not implemented for this shape or processor";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "error";
    }
}

md_status onednn_check(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return MD_OK;
    md_status st = status == dnnl_out_of_memory ? MD_ENOMEM : MD_EDEVICE;
    return ERROR(st, "oneDNN: %s: %s (%d)", what, status_text(status), (int)status);
}

/* ---- device and stream -------------------------------------------------------------------- */

md_status onednn_device_open(struct device *device)
{
    md_status st = MD_OK;
    struct onednn *onednn = NULL;
    TRY(memory_zeroed(device->memory, &onednn, 1, sizeof *onednn));
    TRY(onednn_check(dnnl_engine_create(&onednn->engine, dnnl_cpu, 0), "engine"));
    device->state = onednn;
    return MD_OK;
fail:
    memory_free(device->memory, onednn);
    return st;
}

static void primitive_free(struct device *device, struct primitive *primitive)
{
    if (!primitive)
        return;
    if (primitive->handle)
        dnnl_primitive_destroy(primitive->handle);
    memory_free(device->memory, primitive);
}

void onednn_device_close(struct device *device)
{
    struct onednn *onednn = device->state;
    for (int i = 0; i < onednn->count; i++)
        primitive_free(device, onednn->entries[i]);
    dnnl_engine_destroy(onednn->engine);
    memory_free(device->memory, onednn);
    device->state = NULL;
}

md_status onednn_stream_open(struct stream *stream)
{
    const struct onednn *onednn = stream->device->state;
    dnnl_stream_t queue = NULL;
    md_status st = onednn_check(
        dnnl_stream_create(&queue, onednn->engine, dnnl_stream_default_flags), "stream");
    if (st == MD_OK)
        stream->state = queue;
    return st;
}

void onednn_stream_close(struct stream *stream)
{
    dnnl_stream_destroy(stream->state);
    stream->state = NULL;
}

/* ---- cache -------------------------------------------------------------------------------- */

static uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

static uint64_t key_hash(const struct primitive_key *key)
{
    uint64_t hash = 0;
    for (int i = 0; i < PRIMITIVE_KEY_VALUES; i++)
        hash = hash_mix(hash, (uint64_t)key->values[i]);
    return hash;
}

static struct primitive *find(const struct onednn *onednn, const struct primitive_key *key,
                              uint64_t hash)
{
    for (int i = 0; i < onednn->count; i++) {
        struct primitive *entry = onednn->entries[i];
        if (entry->hash == hash && memcmp(&entry->key, key, sizeof *key) == 0)
            return entry;
    }
    return NULL;
}

/* A place for one more: at the end, or that of the least recently used one that rests. */
static md_status make_room(struct primitive ***out, struct device *device)
{
    struct onednn *onednn = device->state;
    if (onednn->count < PRIMITIVE_CACHE_CAPACITY) {
        *out = &onednn->entries[onednn->count++];
        return MD_OK;
    }
    struct primitive **oldest = NULL;
    for (int i = 0; i < onednn->count; i++) {
        struct primitive **entry = &onednn->entries[i];
        if ((*entry)->users == 0 && (!oldest || (*entry)->last_use < (*oldest)->last_use))
            oldest = entry;
    }
    if (!oldest)
        return ERROR(MD_EDEVICE, "oneDNN: all %d kept primitives are in use; run fewer streams",
                     PRIMITIVE_CACHE_CAPACITY);
    primitive_free(device, *oldest);
    *out = oldest;
    return MD_OK;
}

static md_status build(struct primitive *entry, struct onednn *onednn,
                       primitive_describe_fn *describe, const void *arg)
{
    md_status st = MD_OK;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    TRY(onednn_check(dnnl_primitive_attr_create(&attributes), "attributes"));
    TRY(onednn_check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
                     "scratchpad mode"));
    TRY(describe(arg, onednn, attributes, &description));
    TRY(onednn_check(dnnl_primitive_create(&entry->handle, description), "primitive"));
    entry->scratchpad = *dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    const dnnl_memory_desc_t *weights =
        dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    if (!weights || weights->ndims == 0)
        weights = dnnl_primitive_desc_query_md(description, dnnl_query_diff_weights_md, 0);
    entry->weights = *weights;
fail:
    if (description)
        dnnl_primitive_desc_destroy(description);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return st;
}

static md_status add(struct primitive **out, struct device *device, const struct primitive_key *key,
                     primitive_describe_fn *describe, const void *arg)
{
    md_status st = MD_OK;
    struct primitive *entry = NULL;
    struct primitive **place = NULL;
    TRY(memory_zeroed(device->memory, &entry, 1, sizeof *entry));
    entry->key = *key;
    entry->hash = key_hash(key);
    int before = threads_enter(device); /* the code is made for this number of threads */
    st = build(entry, device->state, describe, arg);
    threads_leave(before);
    TRY(st);
    TRY(make_room(&place, device));
    *place = entry;
    *out = entry;
    return MD_OK;
fail:
    primitive_free(device, entry);
    return st;
}

md_status primitive_get(struct primitive **out, struct device *device,
                        const struct primitive_key *key, primitive_describe_fn *describe,
                        const void *arg)
{
    md_status st = MD_OK;
    struct onednn *onednn = device->state;
    pthread_mutex_lock(&device->lock);
    struct primitive *entry = find(onednn, key, key_hash(key));
    if (!entry)
        TRY(add(&entry, device, key, describe, arg));
    entry->last_use = ++onednn->clock;
    entry->users++;
    *out = entry;
fail:
    pthread_mutex_unlock(&device->lock);
    return st;
}

void primitive_put(struct device *device, struct primitive *primitive)
{
    pthread_mutex_lock(&device->lock);
    primitive->users--;
    pthread_mutex_unlock(&device->lock);
}

/* ---- execution ---------------------------------------------------------------------------- */

md_status primitive_execute(struct stream *stream, dnnl_primitive_t handle,
                            const struct primitive_argument *arguments, int count)
{
    md_status st = MD_OK;
    const struct onednn *onednn = stream->device->state;
    dnnl_exec_arg_t bound[PRIMITIVE_MAX_ARGUMENTS];
    int made = 0;
    for (; made < count; made++) {
        dnnl_memory_t memory = NULL;
        TRY(onednn_check(dnnl_memory_create(&memory, arguments[made].layout, onednn->engine,
                                            arguments[made].data),
                         "argument"));
        bound[made] = (dnnl_exec_arg_t){arguments[made].index, memory};
    }
    int before = threads_enter(stream->device);
    st = onednn_check(dnnl_primitive_execute(handle, stream->state, count, bound), "execution");
    if (st == MD_OK)
        st = onednn_check(dnnl_stream_wait(stream->state), "wait");
    threads_leave(before);
fail:
    for (int i = 0; i < made; i++)
        dnnl_memory_destroy(bound[i].memory);
    return st;
}

md_status onednn_reorder(struct stream *stream, const dnnl_memory_desc_t *to_layout, void *to,
                         const dnnl_memory_desc_t *from_layout, const void *from)
{
    md_status st = MD_OK;
    const struct onednn *onednn = stream->device->state;
    dnnl_primitive_desc_t description = NULL;
    dnnl_primitive_t handle = NULL;
    /* oneDNN keeps the code of reorders itself, so making one again is cheap. */
    int before = threads_enter(stream->device);
    TRY(onednn_check(dnnl_reorder_primitive_desc_create(&description, from_layout, onednn->engine,
                                                        to_layout, onednn->engine, NULL),
                     "reorder"));
    TRY(onednn_check(dnnl_primitive_create(&handle, description), "reorder primitive"));
    TRY(primitive_execute(
        stream, handle,
        (const struct primitive_argument[]){{DNNL_ARG_FROM, from_layout, (void *)(uintptr_t)from},
                                            {DNNL_ARG_TO, to_layout, to}},
        2));
fail:
    threads_leave(before);
    if (handle)
        dnnl_primitive_destroy(handle);
    if (description)
        dnnl_primitive_desc_destroy(description);
    return st;
}

uint64_t onednn_layout_hash(const dnnl_memory_desc_t *layout)
{
    const dnnl_blocking_desc_t *blocking = &layout->format_desc.blocking;
    uint64_t hash = hash_mix(0, (uint64_t)layout->format_kind);
    for (int i = 0; i < layout->ndims; i++) {
        hash = hash_mix(hash, (uint64_t)layout->padded_dims[i]);
        hash = hash_mix(hash, (uint64_t)blocking->strides[i]);
    }
    for (int i = 0; i < blocking->inner_nblks; i++) {
        hash = hash_mix(hash, (uint64_t)blocking->inner_blks[i]);
        hash = hash_mix(hash, (uint64_t)blocking->inner_idxs[i]);
    }
    return hash;
}
