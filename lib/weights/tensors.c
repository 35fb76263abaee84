/* tensors.c - opens a weights file of any format; names, metadata, element conversion, checksum. */
#include "weights/tensors.h"

#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/sha256.h"
#include "weights/formats.h"
#include "weights/zip.h"

enum { PIECE = 1 << 20 /* bytes that are hashed before their pages are given back */ };

static const struct {
    const char *name;
    size_t bytes;
} TYPES[] = {
    [WEIGHTS_F32] = {"F32", 4}, [WEIGHTS_F16] = {"F16", 2}, [WEIGHTS_BF16] = {"BF16", 2},
    [WEIGHTS_F64] = {"F64", 8}, [WEIGHTS_I64] = {"I64", 8}, [WEIGHTS_I32] = {"I32", 4},
    [WEIGHTS_U8] = {"U8", 1},
};

size_t weights_type_bytes(enum weights_type type)
{
    return TYPES[type].bytes;
}

const char *weights_type_name(enum weights_type type)
{
    return TYPES[type].name;
}

/* ---- opening ---------------------------------------------------------------- */

static md_status create(struct weights_file **out, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct weights_file *file = NULL;
    TRY(memory_zeroed(memory, &file, 1, sizeof *file));
    file->memory = memory;
    arena_init(&file->arena, memory);
    arena_init(&file->pickled, memory);
    string_table_init(&file->names, memory);
    TRY(memory_copy_string(memory, &file->path, path));
    *out = file;
    return MD_OK;
fail:
    weights_close(file);
    return st;
}

/* PyTorch's archives hold ROOT/data.pkl, NumPy's nothing but arrays. */
static md_status read_zip(struct weights_file *file)
{
    md_status st = MD_OK;
    struct zip zip = {.memory = file->memory};
    TRY(zip_open(&zip, file->memory, file->path, &file->bytes, WEIGHTS_MAX_TENSORS));
    for (size_t i = 0; i < zip.count; i++) {
        if (strcmp(zip_member_base(zip.entries[i].name), "data.pkl") == 0) {
            TRY(torch_read(file, &zip, i));
            goto fail;
        }
    }
    TRY(npz_read(file, &zip));
fail:
    zip_close(&zip);
    return st;
}

/* The suffix may lie, so the first bytes are asked: a safetensors header starts at byte 8, where a
 * zip archive has its method or its count of members; before it stand the header's 8 bytes of
 * length, whose upper half is zero, where a pickle has opcodes. */
static md_status read_content(struct weights_file *file)
{
    const unsigned char *p = file->bytes.data;
    size_t size = file->bytes.size;
    bool safetensors = size > 8 && p[8] == '{' && load_u32(p + 4) == 0;
    if (!safetensors && size > 8 && memcmp(p, "PK", 2) == 0)
        return read_zip(file);
    if (!safetensors && size > 8 && p[0] == 0x80 && p[1] <= 5)
        return pickle_file_read(file);
    if (string_ends_with(file->path, ".npz"))
        return read_zip(file);
    if (!safetensors && size > 8 &&
        (string_ends_with(file->path, ".pkl") || string_ends_with(file->path, ".pth")))
        return pickle_file_read(file); /* protocols 0 and 1 have no sign */
    return safetensors_read(file);
}

md_status weights_open(struct weights_file **out, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct weights_file *file = NULL;
    TRY(create(&file, memory, path));
    TRY(file_map(&file->bytes, memory, path));
    TRY(read_content(file));
    *out = file;
    return MD_OK;
fail:
    weights_close(file);
    return st;
}

md_status weights_open_bytes(struct weights_file **out, struct memory *memory, const char *name,
                             const void *bytes, size_t size)
{
    md_status st = MD_OK;
    struct weights_file *file = NULL;
    TRY(create(&file, memory, name));
    file->bytes = (struct file_bytes){.data = bytes, .size = size};
    TRY(read_content(file));
    *out = file;
    return MD_OK;
fail:
    weights_close(file);
    return st;
}

void weights_close(struct weights_file *file)
{
    if (!file)
        return;
    struct memory *memory = file->memory;
    memory_free(memory, file->tensors);
    memory_free(memory, file->keys);
    memory_free(memory, file->values);
    string_table_free(&file->names);
    memory_free(memory, file->slots);
    memory_free(memory, file->groups);
    arena_free(&file->arena);
    arena_free(&file->pickled);
    file_bytes_free(&file->bytes);
    memory_free(memory, file->path);
    memory_free(memory, file);
}

md_status weights_add_tensor(struct weights_file *file, const struct weights_tensor *tensor)
{
    md_status st = MD_OK;
    if (tensor->name[0] == '\0')
        FAIL(MD_EFORMAT, "%s: a tensor has an empty name; write the file again", file->path);
    if (file->count == WEIGHTS_MAX_TENSORS)
        FAIL(MD_EFORMAT, "%s: more than %d tensors; split the file", file->path,
             WEIGHTS_MAX_TENSORS);
    if (file->count == file->capacity) {
        size_t capacity = file->capacity ? 2 * file->capacity : 64;
        TRY(memory_resize(file->memory, &file->tensors, capacity, sizeof *file->tensors));
        file->capacity = capacity;
    }
    size_t index = 0;
    TRY(string_table_add(&file->names, tensor->name, &index));
    if (st == MD_END)
        FAIL(MD_EFORMAT, "%s: tensor '%s' is there twice; write the file again", file->path,
             tensor->name);
    file->tensors[file->count] = *tensor;
    file->tensors[file->count].name = file->names.items[index];
    file->count++;
    return MD_OK;
fail:
    return st;
}

md_status weights_add_metadata(struct weights_file *file, const char *key, const char *value)
{
    md_status st = MD_OK;
    if (weights_metadata(file, key))
        FAIL(MD_EFORMAT, "%s: metadata '%s' is there twice; write the file again", file->path, key);
    if (file->metadata_count == WEIGHTS_MAX_METADATA)
        FAIL(MD_EFORMAT, "%s: more than %d metadata entries; remove some", file->path,
             WEIGHTS_MAX_METADATA);
    if (file->metadata_count == file->metadata_capacity) {
        size_t capacity = file->metadata_capacity ? 2 * file->metadata_capacity : 8;
        TRY(memory_resize(file->memory, &file->keys, capacity, sizeof *file->keys));
        TRY(memory_resize(file->memory, &file->values, capacity, sizeof *file->values));
        file->metadata_capacity = capacity;
    }
    const char *copies[2];
    TRY(arena_copy_string(&file->arena, &copies[0], key, strlen(key)));
    TRY(arena_copy_string(&file->arena, &copies[1], value, strlen(value)));
    file->keys[file->metadata_count] = copies[0];
    file->values[file->metadata_count] = copies[1];
    file->metadata_count++;
    return MD_OK;
fail:
    return st;
}

md_status weights_set_metadata(struct weights_file *file, const char *key, const char *value)
{
    md_status st = MD_OK;
    const char *copy = NULL;
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (strcmp(file->keys[i], key) != 0)
            continue;
        TRY(arena_copy_string(&file->arena, &copy, value, strlen(value)));
        file->values[i] = copy;
        return MD_OK;
    }
    TRY(weights_add_metadata(file, key, value));
fail:
    return st;
}

/* ---- looking up ---------------------------------------------------------------- */

const struct weights_tensor *weights_find(const struct weights_file *file, const char *name)
{
    size_t index = 0;
    return string_table_find(&file->names, name, &index) ? &file->tensors[index] : NULL;
}

const char *weights_metadata(const struct weights_file *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->keys[i], key) == 0)
            return file->values[i];
    return NULL;
}

int64_t weights_count(const struct weights_tensor *tensor)
{
    return (int64_t)(tensor->bytes / weights_type_bytes(tensor->type));
}

bool weights_shape_bytes(enum weights_type type, int rank, const int64_t *dims, size_t *bytes)
{
    size_t total = weights_type_bytes(type);
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0 || !checked_mul(&total, total, (size_t)dims[i]))
            return false;
    *bytes = total;
    return total <= INT64_MAX;
}

/* ---- elements as floats ---------------------------------------------------------- */

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u;
    uint32_t mantissa = half & 1023u;
    if (exponent == 0) /* zero or subnormal: mantissa * 2^-24, exact */
        return float_of_bits(sign | bits_of_float((float)mantissa * 0x1p-24f));
    uint32_t widened = exponent == 31 ? 255u : exponent + 112u;
    return float_of_bits(sign | widened << 23 | mantissa << 13);
}

static float load_double(const unsigned char *p)
{
    uint64_t bits = load_u64(p);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

void weights_read_floats(const struct weights_tensor *tensor, float *out, int64_t first,
                         int64_t count)
{
    size_t size = weights_type_bytes(tensor->type);
    const unsigned char *p = tensor->data + (size_t)first * size;
    for (int64_t i = 0; i < count; i++, p += size) {
        switch (tensor->type) {
        case WEIGHTS_F32:
            out[i] = float_of_bits(load_u32(p));
            break;
        case WEIGHTS_F16:
            out[i] = half_to_float(load_u16(p));
            break;
        case WEIGHTS_BF16:
            out[i] = float_of_bits((uint32_t)load_u16(p) << 16);
            break;
        case WEIGHTS_F64:
            out[i] = load_double(p);
            break;
        case WEIGHTS_I64:
            out[i] = (float)(int64_t)load_u64(p);
            break;
        case WEIGHTS_I32:
            out[i] = (float)(int32_t)load_u32(p);
            break;
        case WEIGHTS_U8:
            out[i] = (float)*p;
            break;
        }
    }
}

/* ---- writing -------------------------------------------------------------------- */

md_status weights_stream(const struct weights_writer_tensor *tensor, size_t index, void *user,
                         void *chunk, size_t capacity, weights_sink_fn *sink, void *sink_user)
{
    md_status st = MD_OK;
    size_t bytes = 0;
    if (!weights_shape_bytes(tensor->type, tensor->rank, tensor->dims, &bytes))
        FAIL(MD_EINTERNAL, "shape of '%s' changed", tensor->name);
    for (size_t offset = 0; offset < bytes;) {
        size_t wanted = bytes - offset < capacity ? bytes - offset : capacity;
        size_t written = 0;
        TRY(tensor->read(user, index, offset, chunk, wanted, &written));
        if (written == 0 || written > wanted)
            FAIL(MD_EINTERNAL, "the reader of '%s' gave %zu of %zu bytes", tensor->name, written,
                 wanted);
        TRY(sink(sink_user, chunk, written));
        offset += written;
    }
fail:
    return st;
}

void weights_take_floats(const struct weights_file *file, const struct weights_tensor *tensor,
                         float *out, int64_t first, int64_t count)
{
    size_t size = weights_type_bytes(tensor->type);
    weights_read_floats(tensor, out, first, count);
    file_bytes_forget(&file->bytes, tensor->data + (size_t)first * size, (size_t)count * size);
}

/* ---- checksum -------------------------------------------------------------------- */

md_status weights_verify(const struct weights_file *file)
{
    const char *expected = weights_metadata(file, "sha256");
    if (!file->payload || !expected)
        return MD_OK;
    struct sha256 hash;
    char hex[65];
    sha256_init(&hash);
    for (size_t done = 0, now; done < file->payload_bytes; done += now) {
        now = file->payload_bytes - done < PIECE ? file->payload_bytes - done : PIECE;
        sha256_update(&hash, file->payload + done, now);
        file_bytes_forget(&file->bytes, file->payload + done, now);
    }
    sha256_finish(&hash, hex);
    if (strcmp(hex, expected) != 0)
        return ERROR(MD_EFORMAT,
                     "%s: payload has SHA-256 %.16s..., header says %.16s...; the file "
                     "is damaged, fetch or write it again",
                     file->path, hex, expected);
    return MD_OK;
}
