/* safetensors_write.c - writes the safetensors format in one pass over the tensors.
 *
 * The checksum of the payload stands in the header, before the payload. Its 64 digits are written
 * as zeros first and replaced before the file is renamed: the tensors may live on a device, so
 * reading them twice to know the digits beforehand would cost twice the copies. */
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/json.h"
#include "core/sha256.h"
#include "weights/formats.h"

enum { LENGTH_BYTES = 8, ALIGNMENT = 64, CHUNK = 1 << 20, HEX_DIGITS = 64 };

struct target {
    struct memory *memory;
    const char *path;
    struct buffer header;
    size_t hash_at; /* of the checksum's digits in the header */
    struct file_writer writer;
    unsigned char *chunk;
    struct sha256 hash;
};

/* ---- header ---------------------------------------------------------------------- */

static md_status put_metadata(struct target *target, const char *const *keys,
                              const char *const *values, size_t count)
{
    static const char ZEROS[HEX_DIGITS + 1] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    md_status st = MD_OK;
    struct string_table seen;
    string_table_init(&seen, target->memory);
    TRY(string_table_add(&seen, "sha256", NULL));
    TRY(buffer_puts(&target->header, "{\"__metadata__\":{"));
    for (size_t i = 0; i < count; i++) {
        TRY(string_table_add(&seen, keys[i], NULL));
        if (st == MD_END)
            FAIL(MD_EINVAL, "%s: metadata '%s' is given twice or is the writer's own; rename it",
                 target->path, keys[i]);
        TRY(json_put_string(&target->header, keys[i]));
        TRY(buffer_puts(&target->header, ":"));
        TRY(json_put_string(&target->header, values[i]));
        TRY(buffer_puts(&target->header, ","));
    }
    TRY(buffer_puts(&target->header, "\"sha256\":\""));
    target->hash_at = target->header.length;
    TRY(buffer_puts(&target->header, ZEROS));
    TRY(buffer_puts(&target->header, "\"}"));
fail:
    string_table_free(&seen);
    return st;
}

static md_status put_tensor(struct target *target, const struct weights_writer_tensor *tensor,
                            size_t *offset)
{
    md_status st = MD_OK;
    size_t bytes = 0;
    size_t end = 0;
    if (tensor->rank < 0 || tensor->rank > WEIGHTS_MAX_RANK ||
        !weights_shape_bytes(tensor->type, tensor->rank, tensor->dims, &bytes) ||
        !checked_add(&end, *offset, bytes))
        FAIL(MD_EINVAL, "%s: tensor '%s' has a bad shape; give dimensions from 0 on", target->path,
             tensor->name);
    TRY(buffer_puts(&target->header, ","));
    TRY(json_put_string(&target->header, tensor->name));
    TRY(buffer_printf(&target->header, ":{\"dtype\":\"%s\",\"shape\":[",
                      weights_type_name(tensor->type)));
    for (int i = 0; i < tensor->rank; i++)
        TRY(buffer_printf(&target->header, "%s%lld", i ? "," : "", (long long)tensor->dims[i]));
    TRY(buffer_printf(&target->header, "],\"data_offsets\":[%zu,%zu]}", *offset, end));
    *offset = end;
fail:
    return st;
}

static md_status put_tensors(struct target *target, const struct weights_writer_tensor *tensors,
                             size_t count)
{
    md_status st = MD_OK;
    struct string_table names;
    string_table_init(&names, target->memory);
    if (count > WEIGHTS_MAX_TENSORS)
        FAIL(MD_EINVAL, "%s: %zu tensors, at most %d fit; split the file", target->path, count,
             WEIGHTS_MAX_TENSORS);
    TRY(string_table_add(&names, "__metadata__", NULL));
    TRY(string_table_add(&names, "", NULL));
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(string_table_add(&names, tensors[i].name, NULL));
        if (st == MD_END)
            FAIL(MD_EINVAL, "%s: the tensor name '%s' is taken; rename it", target->path,
                 tensors[i].name);
        TRY(put_tensor(target, &tensors[i], &offset));
    }
    TRY(buffer_puts(&target->header, "}"));
    while ((LENGTH_BYTES + target->header.length) % ALIGNMENT != 0)
        TRY(buffer_puts(&target->header, " "));
fail:
    string_table_free(&names);
    return st;
}

/* ---- payload ----------------------------------------------------------------------- */

static md_status take_payload(void *user, const void *bytes, size_t size)
{
    struct target *target = user;
    sha256_update(&target->hash, bytes, size);
    return file_writer_write(&target->writer, bytes, size);
}

static md_status write_header(struct target *target)
{
    md_status st = MD_OK;
    unsigned char length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (unsigned char)((uint64_t)target->header.length >> (8 * i));
    TRY(file_writer_write(&target->writer, length, sizeof length));
    TRY(file_writer_write(&target->writer, target->header.data, target->header.length));
fail:
    return st;
}

md_status safetensors_write(struct memory *memory, const char *path,
                            const struct weights_writer_tensor *tensors, size_t count, void *user,
                            const char *const *keys, const char *const *values,
                            size_t metadata_count)
{
    md_status st = MD_OK;
    struct target target = {.memory = memory, .path = path, .writer = {.fd = -1}};
    char hex[HEX_DIGITS + 1];
    buffer_init(&target.header, memory);
    sha256_init(&target.hash);
    TRY(put_metadata(&target, keys, values, metadata_count));
    TRY(put_tensors(&target, tensors, count));
    TRY(memory_alloc(memory, &target.chunk, CHUNK, 1));

    TRY(file_writer_open(&target.writer, memory, path));
    TRY(write_header(&target));
    for (size_t i = 0; i < count; i++)
        TRY(weights_stream(&tensors[i], i, user, target.chunk, CHUNK, take_payload, &target));
    sha256_finish(&target.hash, hex);
    TRY(file_writer_write_at(&target.writer, LENGTH_BYTES + target.hash_at, hex, HEX_DIGITS));
    TRY(file_writer_commit(&target.writer));
fail:
    file_writer_abort(&target.writer);
    memory_free(memory, target.chunk);
    buffer_free(&target.header);
    return st < 0 ? st : MD_OK;
}
