/* workspace.c - device memory handed out in a row, measured before it is reserved. */
#include <assert.h>

#include "core/checked.h"
#include "core/error.h"
#include "tensor/device.h"

enum { ALIGNMENT = 64 };

void workspace_init(struct workspace *workspace, struct device *device)
{
    *workspace = (struct workspace){.device = device};
}

void workspace_free(struct workspace *workspace)
{
    if (workspace->base)
        workspace->device->backend->free(workspace->device, workspace->base, workspace->capacity);
    *workspace = (struct workspace){.device = workspace->device};
}

md_status workspace_tensor(struct workspace *workspace, struct tensor *out, enum tensor_type type,
                           struct shape shape)
{
    struct tensor tensor = {NULL, type, shape};
    size_t bytes = tensor_bytes(&tensor);
    size_t end = 0;
    char text[96];
    if (shape.rank < 1 || bytes == SIZE_MAX || !checked_add(&end, bytes, ALIGNMENT - 1) ||
        !checked_add(&end, end / ALIGNMENT * ALIGNMENT, workspace->used))
        return ERROR(MD_EINVAL, "there is no tensor of shape %s", shape_text(shape, text));
    if (!workspace->measuring) {
        if (end > workspace->capacity)
            return ERROR(
                MD_EINTERNAL,
                "workspace of %zu bytes is full at %zu: %s wanted; measure this pass first",
                workspace->capacity, workspace->used, shape_text(shape, text));
        if (workspace->base)
            tensor.data = workspace->base + workspace->used;
    }
    workspace->used = end;
    if (end > workspace->peak)
        workspace->peak = end;
    *out = tensor;
    return MD_OK;
}

size_t workspace_mark(const struct workspace *workspace)
{
    return workspace->used;
}

void workspace_rewind(struct workspace *workspace, size_t mark)
{
    assert(mark <= workspace->used);
    workspace->used = mark;
}

void workspace_measure_begin(struct workspace *workspace, struct stream *stream)
{
    workspace->used = workspace->peak = 0;
    workspace->measuring = stream->measuring = true;
}

md_status workspace_measure_end(struct workspace *workspace, struct stream *stream)
{
    md_status st = MD_OK;
    struct device *device = workspace->device;
    const struct backend *backend = device->backend;
    workspace->measuring = stream->measuring = false;
    workspace->used = 0;
    if (workspace->peak <= workspace->capacity)
        return MD_OK;
    if (workspace->base) {
        TRY(backend->synchronise(stream)); /* the last pass may still read the old block */
        backend->free(device, workspace->base, workspace->capacity);
        workspace->base = NULL;
        workspace->capacity = 0;
    }
    void *base = NULL;
    TRY(backend->alloc(device, &base, workspace->peak));
    workspace->base = base;
    workspace->capacity = workspace->peak;
fail:
    return st;
}
