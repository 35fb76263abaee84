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

/* Room for one more: its bytes, rounded up. */
static md_status reserve(struct workspace *workspace, const struct tensor *tensor, size_t *out)
{
    size_t bytes = tensor_bytes(tensor);
    size_t end = 0;
    char text[96];
    if (tensor->shape.rank < 1 || bytes == SIZE_MAX || !checked_add(&bytes, bytes, ALIGNMENT - 1))
        return ERROR(MD_EINVAL, "there is no tensor of shape %s", shape_text(tensor->shape, text));
    bytes = bytes / ALIGNMENT * ALIGNMENT;
    if (!checked_add(&end, bytes, workspace->used + workspace->far))
        return ERROR(MD_EINVAL, "there is no tensor of shape %s", shape_text(tensor->shape, text));
    if (!workspace->measuring && end > workspace->capacity)
        return ERROR(MD_EINTERNAL,
                     "workspace of %zu bytes is full at %zu: %s wanted; measure this pass first",
                     workspace->capacity, workspace->used + workspace->far,
                     shape_text(tensor->shape, text));
    if (end > workspace->peak)
        workspace->peak = end;
    *out = bytes;
    return MD_OK;
}

md_status workspace_tensor(struct workspace *workspace, struct tensor *out, enum tensor_type type,
                           struct shape shape)
{
    struct tensor tensor = {NULL, type, shape};
    size_t bytes = 0;
    md_status st = reserve(workspace, &tensor, &bytes);
    if (st < 0)
        return st;
    if (!workspace->measuring && workspace->base)
        tensor.data = workspace->base + workspace->used;
    workspace->used += bytes;
    *out = tensor;
    return MD_OK;
}

md_status workspace_tensor_far(struct workspace *workspace, struct tensor *out,
                               enum tensor_type type, struct shape shape)
{
    struct tensor tensor = {NULL, type, shape};
    size_t bytes = 0;
    md_status st = reserve(workspace, &tensor, &bytes);
    if (st < 0)
        return st;
    workspace->far += bytes;
    if (!workspace->measuring && workspace->base)
        tensor.data = workspace->base + (workspace->capacity - workspace->far);
    *out = tensor;
    return MD_OK;
}

md_status workspace_activation(struct workspace *workspace, struct tensor *out, struct shape shape)
{
    return workspace_tensor(workspace, out, workspace->device->activations, shape);
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

size_t workspace_mark_far(const struct workspace *workspace)
{
    return workspace->far;
}

void workspace_rewind_far(struct workspace *workspace, size_t mark)
{
    assert(mark <= workspace->far);
    workspace->far = mark;
}

void workspace_clear(struct workspace *workspace)
{
    workspace->used = workspace->far = 0;
}

void workspace_measure_begin(struct workspace *workspace, struct stream *stream)
{
    workspace_clear(workspace);
    workspace->peak = 0;
    workspace->measuring = stream->measuring = true;
}

void workspace_measure_abandon(struct workspace *workspace, struct stream *stream)
{
    workspace->measuring = stream->measuring = false;
    workspace_clear(workspace);
}

md_status workspace_measure_end(struct workspace *workspace, struct stream *stream)
{
    md_status st = MD_OK;
    struct device *device = workspace->device;
    const struct backend *backend = device->backend;
    workspace->measuring = stream->measuring = false;
    workspace_clear(workspace);
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
