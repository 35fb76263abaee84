/* stream.c - streams of a CUDA device and what goes over the bus: staged uploads, downloads.
 *
 * The caller's memory may be reused as soon as an upload returns, and the device must not wait for
 * pageable pages: so bytes are copied to pinned memory first and taken from there by the device. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "core/error.h"

enum { STAGING_LEAST = 1 << 16, STAGING_MOST = 32 << 20, STAGING_ALIGNMENT = 64 };

static void destroy(struct cuda_stream *state)
{
    for (int i = 0; i < STREAM_MAX_BRANCHES; i++) {
        if (state->joined[i])
            (void)cudaEventDestroy(state->joined[i]);
        if (state->raw[i])
            (void)cudaStreamDestroy(state->raw[i]);
    }
    if (state->forked)
        (void)cudaEventDestroy(state->forked);
    (void)cudaFreeHost(state->staging);
}

md_status cuda_stream_open(struct stream *stream)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = NULL;
    TRY(memory_zeroed(device->memory, &state, 1, sizeof *state));
    TRY(cuda_called(device, cudaSetDevice(device->index), "choosing the device"));
    TRY(cuda_called(device, cudaStreamCreateWithFlags(&state->raw[0], cudaStreamNonBlocking),
                    "making a stream"));
    stream->state = state;
    return MD_OK;
fail:
    memory_free(device->memory, state);
    return st;
}

void cuda_stream_close(struct stream *stream)
{
    struct cuda_stream *state = cuda_stream_of(stream);
    if (!state)
        return;
    (void)cudaSetDevice(stream->device->index);
    (void)cudaStreamSynchronize(state->raw[0]);
    destroy(state);
    memory_free(stream->device->memory, state);
    stream->state = NULL;
}

cudaStream_t cuda_raw(struct stream *stream)
{
    (void)cudaSetDevice(stream->device->index);
    return cuda_stream_of(stream)->raw[stream->branch];
}

md_status cuda_synchronise(struct stream *stream)
{
    struct cuda_stream *state = cuda_stream_of(stream);
    (void)cudaSetDevice(stream->device->index);
    md_status st =
        cuda_called(stream->device, cudaStreamSynchronize(state->raw[0]), "waiting for the device");
    state->staging_used = 0;
    return st;
}

/* Room for some of `bytes`, at least one and `*piece` of them. */
static md_status stage(struct stream *stream, char **out, size_t *piece, size_t bytes)
{
    md_status st = MD_OK;
    struct device *device = stream->device;
    struct cuda_stream *state = cuda_stream_of(stream);
    *piece = bytes < STAGING_MOST ? bytes : STAGING_MOST;
    if (state->staging_used + *piece > state->staging_bytes) {
        size_t wanted = STAGING_LEAST;
        while (wanted < STAGING_MOST && wanted < 2 * (state->staging_used + *piece))
            wanted *= 2;
        TRY(cuda_synchronise(stream)); /* all that is staged has left */
        if (wanted > state->staging_bytes) {
            (void)cudaFreeHost(state->staging);
            state->staging = NULL;
            state->staging_bytes = 0;
            TRY(cuda_called(device, cudaMallocHost((void **)&state->staging, wanted),
                            "pinned memory for uploads"));
            state->staging_bytes = wanted;
        }
    }
    *out = state->staging + state->staging_used;
    state->staging_used += (*piece + STAGING_ALIGNMENT - 1) / STAGING_ALIGNMENT * STAGING_ALIGNMENT;
fail:
    return st;
}

md_status cuda_upload(struct stream *stream, void *to, const void *from_host, size_t bytes)
{
    md_status st = MD_OK;
    const char *from = from_host;
    cudaStream_t raw = cuda_raw(stream);
    for (size_t done = 0; done < bytes;) {
        char *staged;
        size_t piece;
        TRY(stage(stream, &staged, &piece, bytes - done));
        memcpy(staged, from + done, piece);
        TRY(cuda_called(
            stream->device,
            cudaMemcpyAsync((char *)to + done, staged, piece, cudaMemcpyHostToDevice, raw),
            "an upload"));
        done += piece;
    }
fail:
    return st;
}

md_status cuda_download_later(struct stream *stream, void *to_host, const void *from, size_t bytes)
{
    return cuda_called(
        stream->device,
        cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, cuda_raw(stream)),
        "a download");
}

md_status cuda_download(struct stream *stream, void *to_host, const void *from, size_t bytes)
{
    md_status st = cuda_download_later(stream, to_host, from, bytes);
    return st < 0 ? st : cuda_synchronise(stream);
}
