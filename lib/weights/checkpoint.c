/* checkpoint.c - the root of a pickle becomes tensors, optimizer state and metadata. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "weights/formats.h"
#include "weights/pickle.h"

/* What tensors may take that are laid out anew, beside the size of the file. */
static const size_t COPIES_BASE = (size_t)64 << 20;

/* ---- one tensor ------------------------------------------------------------------------- */

/* Are all elements inside the storage? And do they lie side by side, last dimension fastest? */
static bool check_extent(const struct pickle_tensor *tensor, bool *dense)
{
    uint64_t last = (uint64_t)tensor->offset;
    uint64_t expected = 1;
    *dense = true;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        uint64_t reach = 0;
        uint64_t dim = (uint64_t)tensor->dims[i];
        uint64_t stride = (uint64_t)tensor->strides[i];
        if (__builtin_mul_overflow(dim - 1, stride, &reach) ||
            __builtin_add_overflow(last, reach, &last))
            return false;
        if (dim != 1 && stride != expected)
            *dense = false;
        expected *= dim; /* the caller knows that the product fits */
    }
    return last < tensor->storage->count;
}

static md_status copy_tensor(struct weights_file *file, const char *name,
                             const struct pickle_tensor *from, const unsigned char *first,
                             struct weights_tensor *out)
{
    md_status st = MD_OK;
    unsigned char *copy = NULL;
    size_t total = 0;
    if (!checked_add(&total, file->copied, out->bytes) || total > COPIES_BASE + file->bytes.size)
        FAIL(MD_EFORMAT,
             "%s: tensor '%s' would unfold to %zu bytes, more than the file can hold; save it "
             "contiguous",
             file->path, name, out->bytes);
    TRY(arena_alloc(&file->arena, &copy, out->bytes, 1));
    weights_gather(copy, first, out, from->strides, from->storage->type.swapped);
    file->copied = total;
    out->data = copy;
fail:
    return st;
}

md_status checkpoint_tensor(struct weights_file *file, const char *name,
                            const struct pickle_value *value, struct weights_tensor *out)
{
    md_status st = MD_OK;
    const struct pickle_tensor *tensor = value->tensor;
    const struct pickle_storage *storage = tensor->storage;
    bool dense = true;
    if (storage->type.type < 0)
        FAIL(MD_EUNSUPPORTED,
             "%s: tensor '%s' has elements '%.32s'; convert it to a float type, int64, int32 or "
             "uint8",
             file->path, name, storage->type.name);
    struct weights_tensor made = {
        .name = name, .type = (enum weights_type)storage->type.type, .rank = tensor->rank};
    for (int i = 0; i < tensor->rank; i++)
        made.dims[i] = tensor->dims[i];
    if (!weights_shape_bytes(made.type, made.rank, made.dims, &made.bytes))
        FAIL(MD_EFORMAT, "%s: the shape of tensor '%s' is too large; write the file again",
             file->path, name);
    made.data = file->bytes.data;
    if (made.bytes > 0) {
        if (!storage->data)
            FAIL(MD_EFORMAT,
                 "%s: the data of tensor '%s' are not in this file; save it with "
                 "torch.save",
                 file->path, name);
        if (!check_extent(tensor, &dense))
            FAIL(MD_EFORMAT,
                 "%s: tensor '%s' reaches beyond its storage of %llu elements; write the file "
                 "again",
                 file->path, name, (unsigned long long)storage->count);
        made.data = storage->data + (size_t)tensor->offset * weights_type_bytes(made.type);
        bool swapped = storage->type.swapped && weights_type_bytes(made.type) > 1;
        if (!dense || swapped)
            TRY(copy_tensor(file, name, tensor, made.data, &made));
    }
    *out = made;
fail:
    return st;
}

/* ---- the model --------------------------------------------------------------------------------- */

/* Counters and settings between the tensors are passed over, and the momentum of Caffe2. */
static md_status read_model(struct weights_file *file, struct pickle *pickle,
                            const struct pickle_value *model, bool caffe2)
{
    md_status st = MD_OK;
    for (size_t i = 0; i + 1 < model->list.count; i += 2) {
        const struct pickle_value *value = model->list.items[i + 1];
        struct weights_tensor tensor;
        const char *name = NULL;
        if (value->kind != PICKLE_TENSOR)
            continue;
        TRY(pickle_text(pickle, &name, model->list.items[i]));
        if (caffe2 && string_ends_with(name, "_momentum"))
            continue;
        TRY(checkpoint_tensor(file, name, value, &tensor));
        TRY(weights_add_tensor(file, &tensor));
    }
    if (file->count == 0 && model->list.count > 0)
        FAIL(MD_EFORMAT, "%s: holds no tensors by name; save model.state_dict()", file->path);
fail:
    return st;
}

static const struct pickle_value *first_dict(const struct pickle_value *root,
                                             const char *const *keys)
{
    for (; *keys; keys++) {
        const struct pickle_value *value = pickle_get(root, *keys);
        if (value && value->kind == PICKLE_DICT)
            return value;
    }
    return root;
}

/* ---- metadata ------------------------------------------------------------------------------------ */

static md_status add_integer(struct weights_file *file, const char *key,
                             const struct pickle_value *value)
{
    char text[32];
    if (!value || value->kind != PICKLE_INTEGER || weights_metadata(file, key))
        return MD_OK;
    snprintf(text, sizeof text, "%lld", (long long)value->integer);
    return weights_add_metadata(file, key, text);
}

static md_status add_text(struct weights_file *file, struct pickle *pickle, const char *key,
                          const struct pickle_value *value)
{
    md_status st = MD_OK;
    const char *text = NULL;
    if (!value || (value->kind != PICKLE_TEXT && value->kind != PICKLE_STRING) ||
        weights_metadata(file, key))
        return MD_OK;
    TRY(pickle_text(pickle, &text, value));
    TRY(weights_add_metadata(file, key, text));
fail:
    return st;
}

/* Our own "metadata", a dict of texts. */
static md_status add_texts(struct weights_file *file, struct pickle *pickle,
                           const struct pickle_value *dict)
{
    md_status st = MD_OK;
    if (!dict || dict->kind != PICKLE_DICT)
        return MD_OK;
    if (dict->list.count / 2 > WEIGHTS_MAX_METADATA)
        FAIL(MD_EFORMAT, "%s: more than %d metadata entries; remove some", file->path,
             WEIGHTS_MAX_METADATA);
    for (size_t i = 0; i + 1 < dict->list.count; i += 2) {
        const char *key = NULL;
        TRY(pickle_text(pickle, &key, dict->list.items[i]));
        TRY(add_text(file, pickle, key, dict->list.items[i + 1]));
    }
fail:
    return st;
}

static bool has_dict(const struct pickle_value *dict, const char *key)
{
    const struct pickle_value *value = pickle_get(dict, key);
    return value && value->kind == PICKLE_DICT && value->list.count > 0;
}

/* Detectron2 itself keeps no average; projects built on it do, under one of these names. */
static bool has_average(const struct pickle_value *root)
{
    static const char *const KEYS[] = {"ema_state", "model_ema", "ema_model", "ema"};
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (has_dict(root, KEYS[i]))
            return true;
    return false;
}

/* Where Detectron2's trainer keeps things; before 0.5 they stood at the root. */
static md_status read_training(struct weights_file *file, struct pickle *pickle,
                               const struct pickle_value *root)
{
    md_status st = MD_OK;
    const struct pickle_value *trainer = pickle_get(root, "trainer");
    const struct pickle_value *hook = pickle_get(pickle_get(trainer, "hooks"), "LRScheduler");
    const struct pickle_value *inner = pickle_get(trainer, "_trainer");
    const struct pickle_value *optimizer = pickle_get(inner, "optimizer");
    file->has_scaler = has_dict(inner, "grad_scaler") || has_dict(root, "grad_scaler");
    file->has_average = has_average(root);
    TRY(add_integer(file, "iteration", pickle_get(root, "iteration")));
    TRY(add_integer(file, "iteration", pickle_get(trainer, "iteration")));
    TRY(add_integer(file, "last_epoch", pickle_get(hook, "last_epoch")));
    TRY(add_integer(file, "last_epoch", pickle_get(pickle_get(root, "scheduler"), "last_epoch")));
    TRY(add_texts(file, pickle, pickle_get(root, "metadata")));
    TRY(optimizer_state_read(file, optimizer ? optimizer : pickle_get(root, "optimizer")));
fail:
    return st;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static bool is_true(const struct pickle_value *value)
{
    return value && ((value->kind == PICKLE_BOOL && value->truth) ||
                     (value->kind == PICKLE_INTEGER && value->integer != 0));
}

static md_status read_torch(struct weights_file *file, struct pickle *pickle,
                            const struct pickle_value *root)
{
    static const char *const KEYS[] = {"model", "state_dict", "model_state", NULL};
    md_status st = MD_OK;
    TRY(weights_add_metadata(file, "format", "torch"));
    TRY(read_model(file, pickle, first_dict(root, KEYS), false));
    TRY(read_training(file, pickle, root));
fail:
    return st;
}

/* Detectron2 takes a file with "model" and "__author__" as it is, and any other for Caffe2's. */
static md_status read_pkl(struct weights_file *file, struct pickle *pickle,
                          const struct pickle_value *root)
{
    static const char *const KEYS[] = {"model", NULL};
    static const char *const BLOBS[] = {"blobs", NULL};
    md_status st = MD_OK;
    const struct pickle_value *author = pickle_get(root, "__author__");
    const struct pickle_value *model = first_dict(root, KEYS);
    bool detectron2 = model != root;
    bool caffe2 = !detectron2 || (author && pickle_is_text(author, "Caffe2"));
    TRY(weights_add_metadata(file, "format", caffe2 ? "caffe2-pkl" : "detectron2-pkl"));
    if (!detectron2 || is_true(pickle_get(root, "matching_heuristics")))
        TRY(weights_add_metadata(file, "matching_heuristics", "True"));
    TRY(add_text(file, pickle, "__author__", author));
    TRY(read_model(file, pickle, detectron2 ? model : first_dict(root, BLOBS), !detectron2));
    TRY(read_training(file, pickle, root));
fail:
    return st;
}

md_status checkpoint_read(struct weights_file *file, struct pickle *pickle,
                          const struct pickle_value *root, enum checkpoint_kind kind)
{
    md_status st = MD_OK;
    if (root->kind != PICKLE_DICT)
        FAIL(MD_EFORMAT, "%s: holds %s, not a dict of tensors; save model.state_dict()", file->path,
             pickle_kind_name(root->kind));
    TRY(kind == CHECKPOINT_TORCH ? read_torch(file, pickle, root) : read_pkl(file, pickle, root));
    arena_free(&file->pickled);
    file->pickled = pickle->arena;
    arena_init(&pickle->arena, pickle->memory);
fail:
    return st;
}
