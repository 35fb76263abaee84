/* safetensors_update.c - new metadata in an existing file, whose tensors stay bit for bit. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "weights/formats.h"

md_status weights_copy_bytes(void *file, size_t index, size_t offset, void *out, size_t capacity,
                             size_t *written)
{
    const struct weights_file *from = file;
    const struct weights_tensor *tensor = &from->tensors[index];
    size_t left = tensor->bytes - offset;
    *written = left < capacity ? left : capacity;
    memcpy(out, tensor->data + offset, *written);
    file_bytes_forget(&from->bytes, tensor->data + offset, *written);
    return MD_OK;
}

/* What the writer is given. */
struct update {
    struct weights_writer_tensor *tensors;
    const char **keys, **values;
    size_t metadata;
};

static md_status list_tensors(struct update *update, const struct weights_file *file)
{
    md_status st =
        memory_zeroed(file->memory, &update->tensors, file->count, sizeof *update->tensors);
    for (size_t i = 0; i < file->count && st >= 0; i++) {
        const struct weights_tensor *from = &file->tensors[i];
        struct weights_writer_tensor *to = &update->tensors[i];
        *to = (struct weights_writer_tensor){
            .name = from->name, .type = from->type, .rank = from->rank, .read = weights_copy_bytes};
        memcpy(to->dims, from->dims, sizeof to->dims);
    }
    return st;
}

/* In their order; a new one goes last. The checksum is the writer's own. */
static md_status list_metadata(struct update *update, const struct weights_file *file,
                               const char *key, const char *value)
{
    md_status st = MD_OK;
    size_t most = file->metadata_count + 1;
    bool replaced = false;
    TRY(memory_alloc(file->memory, &update->keys, most, sizeof *update->keys));
    TRY(memory_alloc(file->memory, &update->values, most, sizeof *update->values));
    for (size_t i = 0; i < file->metadata_count; i++) {
        bool same = strcmp(file->keys[i], key) == 0;
        if (strcmp(file->keys[i], "sha256") == 0)
            continue;
        update->keys[update->metadata] = file->keys[i];
        update->values[update->metadata++] = same ? value : file->values[i];
        replaced = replaced || same;
    }
    if (!replaced) {
        update->keys[update->metadata] = key;
        update->values[update->metadata++] = value;
    }
fail:
    return st;
}

md_status safetensors_store_metadata(const struct weights_file *file, const char *key,
                                     const char *value)
{
    md_status st = MD_OK;
    char path[PATH_MAX]; /* a link is followed: its target is what was read */
    struct update update = {0};
    if (!file->payload)
        FAIL(MD_EINVAL,
             "%s: is not .safetensors, which alone can take a note; md-convert makes one",
             file->path);
    if (!realpath(file->path, path))
        FAIL(MD_EIO, "%s: cannot be resolved: %s", file->path, strerror(errno));
    TRY(list_tensors(&update, file));
    TRY(list_metadata(&update, file, key, value));
    TRY(safetensors_write(file->memory, path, update.tensors, file->count, (void *)file,
                          update.keys, update.values, update.metadata));
fail:
    memory_free(file->memory, update.tensors);
    memory_free(file->memory, update.keys);
    memory_free(file->memory, update.values);
    return st;
}
