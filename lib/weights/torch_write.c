/* torch_write.c - writes PyTorch's .pth: a zip archive of a pickle (protocol 2) and raw storages.
 *
 * The pickle holds what torch.save writes for {"model": OrderedDict of tensors} and nothing that
 * torch.load(weights_only=True) would refuse. */
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "weights/formats.h"
#include "weights/zip_write.h"

enum { ALIGNMENT = 64, CHUNK = 1 << 20, NAME_CAPACITY = 64 };

static const char *const STORAGES[] = {
    [WEIGHTS_F32] = "FloatStorage",     [WEIGHTS_F16] = "HalfStorage",
    [WEIGHTS_BF16] = "BFloat16Storage", [WEIGHTS_F64] = "DoubleStorage",
    [WEIGHTS_I64] = "LongStorage",      [WEIGHTS_I32] = "IntStorage",
    [WEIGHTS_U8] = "ByteStorage",
};

struct target {
    const char *path;
    struct buffer pickle;
    struct file_writer file;
    struct zip_writer zip;
    unsigned char *chunk;
};

/* ---- pieces of a pickle --------------------------------------------------------------- */

static md_status put_text(struct target *target, const char *text)
{
    md_status st = MD_OK;
    size_t length = strlen(text);
    for (size_t at = 0, step; at < length; at += step) {
        step = utf8_length(text + at, length - at);
        if (step == 0)
            FAIL(MD_EINVAL, "%s: '%.64s' is not UTF-8; rename it", target->path, text);
    }
    if (length > INT32_MAX)
        FAIL(MD_EINVAL, "%s: a text of %zu bytes; shorten it", target->path, length);
    unsigned char head[5] = {'X'};
    for (int i = 0; i < 4; i++)
        head[1 + i] = (unsigned char)(length >> (8 * i));
    TRY(buffer_append(&target->pickle, head, sizeof head));
    TRY(buffer_append(&target->pickle, text, length));
fail:
    return st;
}

/* The shortest of the forms for integers, as Python chooses it. */
static md_status put_integer(struct target *target, int64_t value)
{
    unsigned char bytes[10] = {0};
    size_t head = 1;
    size_t length = 0;
    if (value >= 0 && value <= UINT8_MAX) {
        bytes[0] = 'K';
        length = 1;
    } else if (value >= 0 && value <= UINT16_MAX) {
        bytes[0] = 'M';
        length = 2;
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
        bytes[0] = 'J';
        length = 4;
    } else {
        bytes[0] = 0x8a;
        bytes[1] = 8;
        head = 2;
        length = 8;
    }
    for (size_t i = 0; i < length; i++)
        bytes[head + i] = (unsigned char)((uint64_t)value >> (8 * i));
    return buffer_append(&target->pickle, bytes, head + length);
}

/* "(" numbers "t" */
static md_status put_tuple(struct target *target, const int64_t *values, int count)
{
    md_status st = MD_OK;
    TRY(buffer_puts(&target->pickle, "("));
    for (int i = 0; i < count; i++)
        TRY(put_integer(target, values[i]));
    TRY(buffer_puts(&target->pickle, "t"));
fail:
    return st;
}

static md_status put_tensor(struct target *target, const struct weights_writer_tensor *tensor,
                            size_t index)
{
    md_status st = MD_OK;
    char key[NAME_CAPACITY];
    int64_t strides[WEIGHTS_MAX_RANK];
    size_t bytes = 0;
    if (tensor->rank < 0 || tensor->rank > WEIGHTS_MAX_RANK ||
        !weights_shape_bytes(tensor->type, tensor->rank, tensor->dims, &bytes))
        FAIL(MD_EINVAL, "%s: tensor '%s' has a bad shape; give dimensions from 0 on", target->path,
             tensor->name);
    int64_t stride = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        if (bytes > 0) /* else the product of the others may be anything */
            stride *= tensor->dims[i];
    }
    TRY(put_text(target, tensor->name));
    TRY(buffer_puts(&target->pickle, "ctorch._utils\n_rebuild_tensor_v2\n(("));
    TRY(put_text(target, "storage"));
    TRY(buffer_printf(&target->pickle, "ctorch\n%s\n", STORAGES[tensor->type]));
    snprintf(key, sizeof key, "%zu", index);
    TRY(put_text(target, key));
    TRY(put_text(target, "cpu"));
    TRY(put_integer(target, (int64_t)(bytes / weights_type_bytes(tensor->type))));
    TRY(buffer_puts(&target->pickle, "tQ"));
    TRY(put_integer(target, 0)); /* where it starts in its storage */
    TRY(put_tuple(target, tensor->dims, tensor->rank));
    TRY(put_tuple(target, strides, tensor->rank));
    TRY(buffer_puts(&target->pickle, "\x89" /* asks for no gradient */
                                     "ccollections\nOrderedDict\n)RtR"));
fail:
    return st;
}

/* ---- the whole pickle -------------------------------------------------------------------- */

static md_status put_model(struct target *target, const struct weights_writer_tensor *tensors,
                           size_t count)
{
    md_status st = MD_OK;
    struct string_table names;
    string_table_init(&names, target->pickle.memory);
    if (count > WEIGHTS_MAX_TENSORS)
        FAIL(MD_EINVAL, "%s: %zu tensors, at most %d fit; split the file", target->path, count,
             WEIGHTS_MAX_TENSORS);
    TRY(string_table_add(&names, "", NULL));
    TRY(put_text(target, "model"));
    TRY(buffer_puts(&target->pickle, "ccollections\nOrderedDict\n)R("));
    for (size_t i = 0; i < count; i++) {
        TRY(string_table_add(&names, tensors[i].name, NULL));
        if (st == MD_END)
            FAIL(MD_EINVAL, "%s: the tensor name '%s' is taken; rename it", target->path,
                 tensors[i].name);
        TRY(put_tensor(target, &tensors[i], i));
    }
    TRY(buffer_puts(&target->pickle, "u"));
fail:
    string_table_free(&names);
    return st;
}

static md_status put_metadata(struct target *target, const char *const *keys,
                              const char *const *values, size_t count)
{
    md_status st = MD_OK;
    struct string_table seen;
    int64_t iteration = 0;
    string_table_init(&seen, target->pickle.memory);
    for (size_t i = 0; i < count; i++) {
        TRY(string_table_add(&seen, keys[i], NULL));
        if (st == MD_END)
            FAIL(MD_EINVAL, "%s: metadata '%s' is given twice; rename it", target->path, keys[i]);
        if (strcmp(keys[i], "iteration") == 0 && parse_int64(values[i], &iteration)) {
            TRY(put_text(target, "iteration"));
            TRY(put_integer(target, iteration));
        }
    }
    TRY(put_text(target, "metadata"));
    TRY(buffer_puts(&target->pickle, "}("));
    for (size_t i = 0; i < count; i++) {
        TRY(put_text(target, keys[i]));
        TRY(put_text(target, values[i]));
    }
    TRY(buffer_puts(&target->pickle, "u"));
fail:
    string_table_free(&seen);
    return st;
}

/* ---- the archive ----------------------------------------------------------------------------- */

static md_status take_payload(void *user, const void *bytes, size_t size)
{
    return zip_writer_put(user, bytes, size);
}

static md_status put_storage(struct target *target, const struct weights_writer_tensor *tensor,
                             size_t index, void *user)
{
    md_status st = MD_OK;
    char name[NAME_CAPACITY];
    size_t bytes = 0;
    if (!weights_shape_bytes(tensor->type, tensor->rank, tensor->dims, &bytes))
        FAIL(MD_EINTERNAL, "shape of '%s' changed", tensor->name);
    snprintf(name, sizeof name, "archive/data/%zu", index);
    TRY(zip_writer_begin(&target->zip, name, bytes, ALIGNMENT));
    TRY(weights_stream(tensor, index, user, target->chunk, CHUNK, take_payload, &target->zip));
    TRY(zip_writer_end(&target->zip));
fail:
    return st;
}

md_status torch_write(struct memory *memory, const char *path,
                      const struct weights_writer_tensor *tensors, size_t count, void *user,
                      const char *const *keys, const char *const *values, size_t metadata_count)
{
    md_status st = MD_OK;
    struct target target = {.path = path, .file = {.fd = -1}};
    buffer_init(&target.pickle, memory);
    zip_writer_init(&target.zip, memory, &target.file);
    TRY(buffer_puts(&target.pickle, "\x80\x02}("));
    TRY(put_model(&target, tensors, count));
    if (metadata_count > 0)
        TRY(put_metadata(&target, keys, values, metadata_count));
    TRY(buffer_puts(&target.pickle, "u."));
    TRY(memory_alloc(memory, &target.chunk, CHUNK, 1));

    TRY(file_writer_open(&target.file, memory, path));
    TRY(zip_writer_add(&target.zip, "archive/data.pkl", target.pickle.data, target.pickle.length,
                       ALIGNMENT));
    TRY(zip_writer_add(&target.zip, "archive/byteorder", "little", 6, ALIGNMENT));
    for (size_t i = 0; i < count; i++)
        TRY(put_storage(&target, &tensors[i], i, user));
    TRY(zip_writer_add(&target.zip, "archive/version", "3\n", 2, ALIGNMENT));
    TRY(zip_writer_finish(&target.zip));
    TRY(file_writer_commit(&target.file));
fail:
    file_writer_abort(&target.file);
    zip_writer_free(&target.zip);
    memory_free(memory, target.chunk);
    buffer_free(&target.pickle);
    return st < 0 ? st : MD_OK;
}
