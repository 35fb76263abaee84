/* safetensors.c - reads the safetensors format: 8 bytes of length, a JSON header, the payload. */
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/json.h"
#include "weights/formats.h"

enum { LENGTH_BYTES = 8, HEADER_MAX = 100000000 };

struct span {
    size_t begin, end;
    size_t tensor;
};

struct reader {
    struct weights_file *file;
    struct json json;
    struct span *spans; /* [capacity], one for each tensor */
    size_t capacity;
    bool has_metadata;
};

/* ---- the three fields of a tensor ---------------------------------------------- */

static md_status read_dtype(struct reader *reader, struct weights_tensor *tensor)
{
    md_status st = MD_OK;
    struct json *json = &reader->json;
    TRY(json_next(json));
    if (json->token != JSON_STRING)
        return json_fail(json, "dtype must be a string");
    for (int type = 0; type <= WEIGHTS_U8; type++) {
        if (strcmp(json->text.data, weights_type_name((enum weights_type)type)) == 0) {
            tensor->type = (enum weights_type)type;
            return MD_OK;
        }
    }
    FAIL(MD_EUNSUPPORTED,
         "%s: tensor '%s' has dtype '%.16s'; convert it to F32, F16, BF16, F64, "
         "I64, I32 or U8",
         reader->file->path, tensor->name, json->text.data);
fail:
    return st;
}

/* An array of at most `limit` integers that are not negative. */
static md_status read_integers(struct json *json, const char *what, int64_t *out, int limit,
                               int *count)
{
    md_status st = MD_OK;
    TRY(json_next(json));
    if (json->token != JSON_ARRAY_BEGIN)
        return json_fail(json, "%s must be an array", what);
    *count = 0;
    TRY(json_next(json));
    while (json->token != JSON_ARRAY_END) {
        if (json->token != JSON_NUMBER || !json->is_integer || json->integer < 0)
            return json_fail(json, "%s must hold integers from 0 on", what);
        if (*count == limit)
            return json_fail(json, "%s has more than %d numbers", what, limit);
        out[(*count)++] = json->integer;
        TRY(json_next(json));
    }
    return MD_OK;
fail:
    return st;
}

static md_status read_offsets(struct json *json, struct span *span)
{
    md_status st = MD_OK;
    int64_t offsets[2];
    int count = 0;
    TRY(read_integers(json, "data_offsets", offsets, 2, &count));
    if (count != 2 || offsets[0] > offsets[1])
        return json_fail(json, "data_offsets must be [begin, end] with begin <= end");
    span->begin = (size_t)offsets[0];
    span->end = (size_t)offsets[1];
fail:
    return st;
}

/* ---- entries of the header ----------------------------------------------------- */

static md_status read_fields(struct reader *reader, struct weights_tensor *tensor,
                             struct span *span)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    md_status st = MD_OK;
    struct json *json = &reader->json;
    int seen = 0;
    TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "tensor '%s' must be an object", tensor->name);
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        const char *key = json->text.data;
        int field = strcmp(key, "dtype") == 0          ? DTYPE
                    : strcmp(key, "shape") == 0        ? SHAPE
                    : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                       : 0;
        if (field == 0)
            return json_fail(json, "tensor '%s' has an unknown field '%s'", tensor->name, key);
        if (seen & field)
            return json_fail(json, "tensor '%s' has '%s' twice", tensor->name, key);
        seen |= field;
        if (field == DTYPE)
            TRY(read_dtype(reader, tensor));
        else if (field == SHAPE)
            TRY(read_integers(json, "shape", tensor->dims, WEIGHTS_MAX_RANK, &tensor->rank));
        else
            TRY(read_offsets(json, span));
        TRY(json_next(json));
    }
    if (seen != ALL)
        return json_fail(json, "tensor '%s' lacks dtype, shape or data_offsets", tensor->name);
fail:
    return st;
}

static md_status read_tensor(struct reader *reader)
{
    md_status st = MD_OK;
    struct weights_file *file = reader->file;
    struct weights_tensor tensor = {0};
    struct span span = {0};
    char *name = NULL;
    TRY(memory_copy_string(file->memory, &name, reader->json.text.data));
    tensor.name = name;
    TRY(read_fields(reader, &tensor, &span));

    if (!weights_shape_bytes(tensor.type, tensor.rank, tensor.dims, &tensor.bytes))
        FAIL(MD_EFORMAT, "%s: the shape of tensor '%s' is too large; write the file again",
             file->path, name);
    if (span.end > file->payload_bytes)
        FAIL(MD_EFORMAT,
             "%s: tensor '%s' ends at byte %zu of a payload of %zu; the file is cut, "
             "fetch it again",
             file->path, name, span.end, file->payload_bytes);
    if (span.end - span.begin != tensor.bytes)
        FAIL(MD_EFORMAT,
             "%s: tensor '%s' has %zu bytes, its shape asks for %zu; write the file "
             "again",
             file->path, name, span.end - span.begin, tensor.bytes);
    tensor.data = file->payload + span.begin;

    if (file->count == reader->capacity) {
        size_t capacity = reader->capacity ? 2 * reader->capacity : 64;
        TRY(memory_resize(file->memory, &reader->spans, capacity, sizeof *reader->spans));
        reader->capacity = capacity;
    }
    span.tensor = file->count;
    reader->spans[file->count] = span;
    TRY(weights_add_tensor(file, &tensor));
fail:
    memory_free(file->memory, name);
    return st;
}

static md_status read_metadata(struct reader *reader)
{
    md_status st = MD_OK;
    struct json *json = &reader->json;
    char *key = NULL;
    if (reader->has_metadata)
        return json_fail(json, "__metadata__ is there twice");
    reader->has_metadata = true;
    TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "__metadata__ must be an object");
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        TRY(memory_copy_string(reader->file->memory, &key, json->text.data));
        TRY(json_next(json));
        if (json->token != JSON_STRING) {
            st = json_fail(json, "__metadata__ '%s' must be a string", key);
            goto fail;
        }
        TRY(weights_add_metadata(reader->file, key, json->text.data));
        memory_free(reader->file->memory, key);
        key = NULL;
        TRY(json_next(json));
    }
fail:
    memory_free(reader->file->memory, key);
    return st;
}

static md_status read_header(struct reader *reader)
{
    md_status st = MD_OK;
    struct json *json = &reader->json;
    TRY(json_next(json));
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "the header must be an object");
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        if (strcmp(json->text.data, "__metadata__") == 0)
            TRY(read_metadata(reader));
        else
            TRY(read_tensor(reader));
        TRY(json_next(json));
    }
    TRY(json_next(json)); /* nothing but blanks may follow */
fail:
    return st;
}

/* ---- the whole file -------------------------------------------------------------- */

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* Every byte of the payload belongs to exactly one tensor. */
static md_status check_coverage(struct reader *reader)
{
    md_status st = MD_OK;
    const struct weights_file *file = reader->file;
    size_t at = 0;
    if (file->count > 0)
        qsort(reader->spans, file->count, sizeof *reader->spans, compare_spans);
    for (size_t i = 0; i < file->count; i++) {
        const struct span *span = &reader->spans[i];
        if (span->begin != at)
            FAIL(MD_EFORMAT,
                 "%s: tensor '%s' starts at byte %zu of the payload, %s byte %zu; "
                 "write the file again",
                 file->path, file->tensors[span->tensor].name, span->begin,
                 span->begin < at ? "inside another one that ends at" : "leaving a hole from", at);
        at = span->end;
    }
    if (at != file->payload_bytes)
        FAIL(MD_EFORMAT, "%s: %zu bytes follow the last tensor; write the file again", file->path,
             file->payload_bytes - at);
fail:
    return st;
}

md_status safetensors_read(struct weights_file *file)
{
    md_status st = MD_OK;
    struct reader reader = {.file = file};
    const unsigned char *bytes = file->bytes.data;
    size_t size = file->bytes.size;
    if (size < LENGTH_BYTES + 2)
        return ERROR(MD_EFORMAT, "%s: %zu bytes are too few for a weights file; fetch it again",
                     file->path, size);
    uint64_t length = load_u64(bytes);
    if (bytes[LENGTH_BYTES] != '{')
        return ERROR(MD_EFORMAT,
                     "%s: neither safetensors, npz, pth nor pkl; convert it to one of them",
                     file->path);
    if (length > HEADER_MAX || length > size - LENGTH_BYTES)
        return ERROR(MD_EFORMAT,
                     "%s: a header of %llu bytes in a file of %zu (at most %d); the "
                     "file is damaged or cut, fetch it again",
                     file->path, (unsigned long long)length, size, HEADER_MAX);
    file->payload = bytes + LENGTH_BYTES + length;
    file->payload_bytes = size - LENGTH_BYTES - (size_t)length;

    json_open(&reader.json, file->memory, file->path, bytes + LENGTH_BYTES, (size_t)length);
    TRY(read_header(&reader));
    TRY(check_coverage(&reader));
fail:
    json_close(&reader.json);
    memory_free(file->memory, reader.spans);
    return st;
}
