/* pickle_torch.c - tensors and storages of PyTorch in a pickle. */
#include "weights/pickle_machine.h"

enum { STORAGES_MAX = 1 << 20 };

md_status pickle_read_shape(struct pickle *pickle, const struct pickle_value *value, int *rank,
                            int64_t *dims)
{
    md_status st = MD_OK;
    if (value->kind != PICKLE_TUPLE && value->kind != PICKLE_LIST)
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s where a shape should be; the file is damaged",
                    pickle_kind_name(value->kind));
    if (value->list.count > WEIGHTS_MAX_RANK)
        PICKLE_FAIL(pickle, MD_EUNSUPPORTED, "a tensor of %zu dimensions, at most %d are read",
                    value->list.count, WEIGHTS_MAX_RANK);
    for (size_t i = 0; i < value->list.count; i++) {
        const struct pickle_value *item = value->list.items[i];
        if (item->kind != PICKLE_INTEGER || item->integer < 0)
            PICKLE_FAIL(pickle, MD_EFORMAT,
                        "a shape must hold numbers from 0 on; the file is "
                        "damaged");
        dims[i] = item->integer;
    }
    *rank = (int)value->list.count;
fail:
    return st;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]); the older
 * _rebuild_tensor ends after the strides. */
md_status torch_rebuild_tensor(struct pickle *pickle, const struct pickle_global *global,
                               struct pickle_value *const *arguments, size_t count,
                               struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    struct pickle_tensor *tensor = NULL;
    int ranks[2];
    if (count < 4 || arguments[0]->kind != PICKLE_STORAGE || arguments[1]->kind != PICKLE_INTEGER ||
        arguments[1]->integer < 0)
        PICKLE_FAIL(pickle, MD_EFORMAT,
                    "%s has other arguments than storage, offset, size and "
                    "stride; the file is damaged",
                    global->name);
    TRY(pickle_new(pickle, &value, PICKLE_TENSOR));
    TRY(pickle_alloc(pickle, &tensor, 1, sizeof *tensor));
    tensor->storage = arguments[0]->storage;
    tensor->offset = arguments[1]->integer;
    TRY(pickle_read_shape(pickle, arguments[2], &ranks[0], tensor->dims));
    TRY(pickle_read_shape(pickle, arguments[3], &ranks[1], tensor->strides));
    if (ranks[0] != ranks[1])
        PICKLE_FAIL(pickle, MD_EFORMAT,
                    "a tensor has %d dimensions and %d strides; the file is "
                    "damaged",
                    ranks[0], ranks[1]);
    tensor->rank = ranks[0];
    value->tensor = tensor;
    *out = value;
fail:
    return st;
}

/* A parameter is its tensor. */
md_status torch_rebuild_parameter(struct pickle *pickle, const struct pickle_global *global,
                                  struct pickle_value *const *arguments, size_t count,
                                  struct pickle_value **out)
{
    if (count < 1 || arguments[0]->kind != PICKLE_TENSOR)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "%s without a tensor; the file is damaged",
                            global->name);
    *out = arguments[0];
    return MD_OK;
}

/* torch.Size((2, 3)) */
md_status torch_size(struct pickle *pickle, const struct pickle_global *global,
                     struct pickle_value *const *arguments, size_t count, struct pickle_value **out)
{
    if (count != 1 || arguments[0]->kind != PICKLE_TUPLE)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "%s without a tuple; the file is damaged",
                            global->name);
    *out = arguments[0];
    return MD_OK;
}

/* torch.device("cuda", 0) is its first argument: nobody asks. */
md_status torch_device(struct pickle *pickle, const struct pickle_global *global,
                       struct pickle_value *const *arguments, size_t count,
                       struct pickle_value **out)
{
    if (count < 1)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "%s without a name; the file is damaged",
                            global->name);
    *out = arguments[0];
    return MD_OK;
}

static md_status remember(struct pickle *pickle, struct pickle_storage *storage)
{
    md_status st = MD_OK;
    if (pickle->storage_count == STORAGES_MAX)
        PICKLE_FAIL(pickle, MD_EFORMAT, "more than %d storages; it is damaged or hostile",
                    STORAGES_MAX);
    if (pickle->storage_count == pickle->storage_capacity) {
        size_t capacity = pickle->storage_capacity ? 2 * pickle->storage_capacity : 64;
        TRY(memory_resize(pickle->memory, &pickle->storages, capacity, sizeof(void *)));
        pickle->storage_capacity = capacity;
    }
    pickle->storages[pickle->storage_count++] = storage;
fail:
    return st;
}

static bool is_count(const struct pickle_value *value)
{
    return value->kind == PICKLE_INTEGER && value->integer >= 0;
}

static bool is_storage_id(const struct pickle_value *id)
{
    if (id->kind != PICKLE_TUPLE || id->list.count < 5)
        return false;
    struct pickle_value *const *items = id->list.items;
    return pickle_is_text(items[0], "storage") && items[1]->kind == PICKLE_GLOBAL &&
           items[1]->global->bytes > 0 &&
           (items[2]->kind == PICKLE_TEXT || items[2]->kind == PICKLE_STRING) && is_count(items[4]);
}

/* (key, offset, count): a part of another storage, before 1.6. */
static bool is_view(const struct pickle_value *view)
{
    return view->list.count == 3 && is_count(view->list.items[1]) && is_count(view->list.items[2]);
}

/* ('storage', type, key, device, count), before 1.6 followed by None or a view. */
md_status torch_find_storage(struct pickle *pickle, struct pickle_value **out,
                             const struct pickle_value *id)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    struct pickle_storage *storage = NULL;
    if (!is_storage_id(id))
        PICKLE_FAIL(pickle, MD_EFORMAT,
                    "a reference to something else than a storage; save a state "
                    "dict of tensors only");
    struct pickle_value *const *items = id->list.items;
    const struct pickle_value *view = id->list.count > 5 ? items[5] : NULL;
    if (view && view->kind != PICKLE_TUPLE)
        view = NULL;
    if (view && !is_view(view))
        PICKLE_FAIL(pickle, MD_EFORMAT, "a bad view of a storage; the file is damaged");
    TRY(pickle_new(pickle, &value, PICKLE_STORAGE));
    TRY(pickle_alloc(pickle, &storage, 1, sizeof *storage));
    storage->type = (struct pickle_type){.name = items[1]->global->name,
                                         .type = items[1]->global->type,
                                         .bytes = items[1]->global->bytes};
    storage->key = items[2];
    storage->view = view ? (uint64_t)view->list.items[1]->integer : 0;
    storage->count = (uint64_t)(view ? view->list.items[2] : items[4])->integer;
    TRY(remember(pickle, storage));
    value->storage = storage;
    *out = value;
fail:
    return st;
}
