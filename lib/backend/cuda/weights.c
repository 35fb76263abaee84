/* weights.c - a weight as the kernels read it: folded, in the type of the activations, and kept. */
#include "backend/cuda/weights.h"

#include "backend/cuda/cuda.h"
#include "core/error.h"

/* One block: the folded value, then the bias in the same type. */
struct op_cache {
    void *memory;
    size_t bytes, bias_at;
    uint64_t version;
    bool valid; /* holds `version` */
};

enum { PART_ALIGNMENT = 256 };

/* The weight's own memory serves as it is. */
static bool needs_no_copy(const struct device *device, const struct weight *weight)
{
    return device->activations == TENSOR_F32 && !tensor_given(&weight->scale);
}

static md_status make_room(struct device *device, struct weight *weight)
{
    md_status st = MD_OK;
    struct op_cache *cache = NULL;
    if (weight->cache)
        return MD_OK;
    const size_t element = tensor_type_bytes(device->activations);
    const size_t value = (size_t)tensor_count(&weight->value) * element;
    const size_t bias = (size_t)tensor_count(&weight->bias) * element;
    TRY(memory_zeroed(device->memory, &cache, 1, sizeof *cache));
    cache->bias_at = (value + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
    cache->bytes = cache->bias_at + bias;
    TRY(device->backend->alloc(device, &cache->memory, cache->bytes));
    weight->cache = cache;
    return MD_OK;
fail:
    memory_free(device->memory, cache);
    return st;
}

/* Enqueues; the copy is the present version's once the stream has come there. */
static md_status fold(struct stream *stream, struct weight *weight)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct op_cache *cache = weight->cache;
    const enum launch_type type = cuda_type(device->activations);
    const int64_t rows = weight->value.shape.dims[0];
    const float *scale = tensor_given(&weight->scale) ? weight->scale.data : NULL;
    cudaStream_t raw = cuda_raw(stream);
    cache->valid = false;
    TRY(cuda_check(device,
                   launch_fold_weight(cache->memory, type, weight->value.data, scale, rows,
                                      tensor_count(&weight->value) / rows, raw),
                   "folding a weight"));
    if (tensor_given(&weight->bias))
        TRY(cuda_check(device,
                       launch_fold_weight((char *)cache->memory + cache->bias_at, type,
                                          weight->bias.data, NULL, rows, 1, raw),
                       "folding a bias"));
    cache->version = *weight->version;
    cache->valid = true;
fail:
    return st;
}

static bool is_ready(const struct weight *weight)
{
    const struct op_cache *cache = weight->cache;
    return cache && cache->valid && cache->version == *weight->version;
}

/* Other streams may read the copy as soon as the lock is free, so it is waited for: once a version. */
static md_status make_ready(struct stream *stream, struct weight *weight)
{
    md_status st = MD_OK;
    if (is_ready(weight))
        return MD_OK;
    if (cuda_stream_of(stream)->recording)
        return ERROR(MD_EUNSUPPORTED, "a weight has changed; run once before recording");
    TRY(make_room(stream->device, weight));
    TRY(fold(stream, weight));
    st = cuda_called(stream->device, cudaStreamSynchronize(cuda_raw(stream)), "folding a weight");
    weight->cache->valid = st == MD_OK;
fail:
    return st;
}

md_status cuda_weight_ready(struct stream *stream, struct weight *weight)
{
    struct device *device = stream->device;
    if (needs_no_copy(device, weight))
        return MD_OK;
    pthread_mutex_lock(&device->lock);
    md_status st = make_ready(stream, weight);
    pthread_mutex_unlock(&device->lock);
    return st;
}

/* A weight that no operation has used yet has no copy that must follow. */
md_status cuda_weight_refold(struct stream *stream, struct weight *weight)
{
    struct device *device = stream->device;
    if (needs_no_copy(device, weight))
        return MD_OK;
    pthread_mutex_lock(&device->lock);
    md_status st = weight->cache ? fold(stream, weight) : MD_OK;
    pthread_mutex_unlock(&device->lock);
    return st;
}

md_status weights_get(struct folded_weight *out, struct stream *stream, struct weight *weight)
{
    const float *bias = tensor_given(&weight->bias) ? weight->bias.data : NULL;
    *out = (struct folded_weight){weight->value.data, bias, bias};
    if (needs_no_copy(stream->device, weight))
        return MD_OK;
    md_status st = cuda_weight_ready(stream, weight);
    if (st < 0)
        return st;
    out->value = weight->cache->memory;
    if (bias)
        out->narrow_bias = (const char *)weight->cache->memory + weight->cache->bias_at;
    return MD_OK;
}

void cuda_weight_release(struct device *device, struct weight *weight)
{
    if (!weight->cache)
        return;
    (void)cudaSetDevice(device->index);
    (void)cudaDeviceSynchronize(); /* what is queued may still read it */
    device->backend->free(device, weight->cache->memory, weight->cache->bytes);
    memory_free(device->memory, weight->cache);
    weight->cache = NULL;
}
