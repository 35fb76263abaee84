/* host_batch.c - a loader's batch in the form that a session takes. */
#include "train/host_batch.h"

#include <string.h>

#include "core/error.h"

void host_batch_init(struct host_batch *host, struct memory *memory)
{
    memset(host, 0, sizeof *host);
    host->memory = memory;
}

void host_batch_free(struct host_batch *host)
{
    if (!host->memory)
        return;
    memory_free(host->memory, host->boxes);
    memory_free(host->memory, host->classes);
    memset(host, 0, sizeof *host);
}

static md_status reserve(struct host_batch *host, size_t count)
{
    md_status st = MD_OK;
    if (host->capacity >= count && host->boxes)
        return MD_OK;
    size_t capacity = count + count / 2 + 64;
    TRY(memory_resize(host->memory, &host->boxes, capacity, 4 * sizeof *host->boxes));
    TRY(memory_resize(host->memory, &host->classes, capacity, sizeof *host->classes));
    host->capacity = capacity;
fail:
    return st;
}

md_status host_batch_set(struct host_batch *host, const struct batch *batch)
{
    size_t total = 0;
    if (batch->count > HOST_BATCH_IMAGES)
        return ERROR(MD_EINVAL, "a batch of %d images; at most %d are possible", batch->count,
                     HOST_BATCH_IMAGES);
    for (int i = 0; i < batch->count; i++)
        total += batch->samples[i].annotation_count;
    md_status st = reserve(host, total);
    if (st < 0)
        return st;
    size_t at = 0;
    for (int i = 0; i < batch->count; i++) {
        const struct sample *sample = &batch->samples[i];
        host->images[i] = (struct session_image){.pixels = sample->image.data,
                                                 .width = sample->image.width,
                                                 .height = sample->image.height,
                                                 .network_width = sample->image.width,
                                                 .network_height = sample->image.height};
        host->truth[i] = (struct session_truth){.boxes = host->boxes + 4 * at,
                                                .classes = host->classes + at,
                                                .count = (int)sample->annotation_count};
        for (size_t k = 0; k < sample->annotation_count; k++, at++) {
            memcpy(host->boxes + 4 * at, sample->annotations[k].box, 4 * sizeof *host->boxes);
            host->classes[at] = sample->annotations[k].class_id;
        }
    }
    host->count = batch->count;
    return MD_OK;
}
