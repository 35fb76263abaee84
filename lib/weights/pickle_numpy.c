/* pickle_numpy.c - arrays, element types and scalars of NumPy in a pickle. */
#include <string.h>

#include "core/checked.h"
#include "weights/pickle_machine.h"

static const struct {
    const char *name;
    int type;
} TYPES[] = {
    {"f4", WEIGHTS_F32}, {"f2", WEIGHTS_F16}, {"f8", WEIGHTS_F64}, {"i8", WEIGHTS_I64},
    {"i4", WEIGHTS_I32}, {"u1", WEIGHTS_U8},  {"b1", WEIGHTS_U8},
};

/* numpy.dtype("f4", False, True); the byte order comes by BUILD, or in front: ">f4". */
md_status numpy_dtype(struct pickle *pickle, const struct pickle_global *global,
                      struct pickle_value *const *arguments, size_t count,
                      struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    if (count < 1)
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s without a name; the file is damaged", global->name);
    TRY(pickle_new(pickle, &value, PICKLE_DTYPE));
    TRY(pickle_text(pickle, &value->dtype.name, arguments[0]));
    const char *name = value->dtype.name;
    if (*name && strchr("<>=|", *name))
        value->dtype.swapped = *name++ == '>';
    value->dtype.type = -1;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(name, TYPES[i].name) == 0)
            value->dtype.type = TYPES[i].type;
    *out = value;
fail:
    return st;
}

/* (3, "<", ...) */
md_status numpy_dtype_set_state(struct pickle *pickle, struct pickle_value *dtype,
                                const struct pickle_value *state)
{
    if (state->list.count < 2)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "a dtype has no byte order; the file is damaged");
    dtype->dtype.swapped = pickle_is_text(state->list.items[1], ">");
    return MD_OK;
}

/* ---- arrays ------------------------------------------------------------------------------- */

struct content {
    const struct pickle_value *shape, *dtype, *data;
    bool fortran;
};

static bool is_bytes(const struct pickle_value *value)
{
    return value->kind == PICKLE_BYTES || value->kind == PICKLE_STRING;
}

/* The strides of dense elements, first dimension fastest (Fortran) or last (C). */
static md_status dense_strides(struct pickle *pickle, struct pickle_tensor *tensor, bool fortran,
                               size_t *count)
{
    size_t stride = 1;
    for (int i = 0; i < tensor->rank; i++) {
        int at = fortran ? i : tensor->rank - 1 - i;
        tensor->strides[at] = (int64_t)stride;
        if (!checked_mul(&stride, stride, (size_t)tensor->dims[at]) || stride > INT64_MAX / 8)
            return PICKLE_ERROR(pickle, MD_EFORMAT,
                                "an array has too large a shape; the file is "
                                "damaged");
    }
    *count = stride;
    return MD_OK;
}

static md_status fill_array(struct pickle *pickle, struct pickle_tensor *tensor,
                            const struct content *content)
{
    md_status st = MD_OK;
    size_t count = 0;
    struct pickle_storage *storage = tensor->storage;
    if (content->dtype->kind != PICKLE_DTYPE)
        PICKLE_FAIL(pickle, MD_EFORMAT, "an array has no dtype; the file is damaged");
    TRY(pickle_read_shape(pickle, content->shape, &tensor->rank, tensor->dims));
    TRY(dense_strides(pickle, tensor, content->fortran, &count));
    storage->type = content->dtype->dtype;
    storage->count = count;
    if (storage->type.type < 0) /* objects, texts, small integers: an error if somebody asks */
        return MD_OK;
    size_t bytes = count * weights_type_bytes((enum weights_type)storage->type.type);
    if (!is_bytes(content->data) || content->data->bytes.size != bytes)
        PICKLE_FAIL(pickle, MD_EFORMAT,
                    "an array has other data than the %zu bytes that its shape "
                    "asks for; the file is damaged",
                    bytes);
    storage->data = content->data->bytes.data;
fail:
    return st;
}

static md_status new_array(struct pickle *pickle, struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *value = NULL;
    TRY(pickle_new(pickle, &value, PICKLE_TENSOR));
    TRY(pickle_alloc(pickle, &value->tensor, 1, sizeof *value->tensor));
    TRY(pickle_alloc(pickle, &value->tensor->storage, 1, sizeof *value->tensor->storage));
    value->tensor->storage->type = (struct pickle_type){.name = "nothing", .type = -1};
    *out = value;
fail:
    return st;
}

/* _reconstruct(ndarray, (0,), b"b"): an empty array, whose content comes by BUILD. */
md_status numpy_reconstruct(struct pickle *pickle, const struct pickle_global *global,
                            struct pickle_value *const *arguments, size_t count,
                            struct pickle_value **out)
{
    if (count != 3 || arguments[0]->kind != PICKLE_GLOBAL)
        return PICKLE_ERROR(pickle, MD_EFORMAT,
                            "%s has other arguments than it takes; the file is "
                            "damaged",
                            global->name);
    return new_array(pickle, out);
}

/* ([version,] shape, dtype, is_fortran, data) */
md_status numpy_array_set_state(struct pickle *pickle, struct pickle_value *array,
                                const struct pickle_value *state)
{
    size_t count = state->list.count;
    struct pickle_value *const *items = state->list.items;
    struct pickle_storage *storage = array->tensor->storage;
    if (count < 4 || count > 5 || items[count - 2]->kind == PICKLE_TENSOR || storage->key ||
        storage->data)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "a bad state of an array; the file is damaged");
    const struct pickle_value *order = items[count - 2];
    struct content content = {.shape = items[count - 4],
                              .dtype = items[count - 3],
                              .data = items[count - 1],
                              .fortran = (order->kind == PICKLE_BOOL && order->truth) ||
                                         (order->kind == PICKLE_INTEGER && order->integer != 0)};
    return fill_array(pickle, array->tensor, &content);
}

/* _frombuffer(data, dtype, shape, "C" or "F"): protocol 5. */
md_status numpy_frombuffer(struct pickle *pickle, const struct pickle_global *global,
                           struct pickle_value *const *arguments, size_t count,
                           struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *array = NULL;
    if (count != 4)
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s has other arguments than it takes; the file is damaged",
                    global->name);
    struct content content = {.shape = arguments[2],
                              .dtype = arguments[1],
                              .data = arguments[0],
                              .fortran = pickle_is_text(arguments[3], "F")};
    TRY(new_array(pickle, &array));
    TRY(fill_array(pickle, array->tensor, &content));
    *out = array;
fail:
    return st;
}

/* scalar(dtype, data): an array without dimensions. */
md_status numpy_scalar(struct pickle *pickle, const struct pickle_global *global,
                       struct pickle_value *const *arguments, size_t count,
                       struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *array = NULL;
    struct pickle_value shape = {.kind = PICKLE_TUPLE};
    if (count < 1 || count > 2)
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s has other arguments than it takes; the file is damaged",
                    global->name);
    struct content content = {
        .shape = &shape, .dtype = arguments[0], .data = arguments[count - 1], .fortran = false};
    TRY(new_array(pickle, &array));
    TRY(fill_array(pickle, array->tensor, &content));
    *out = array;
fail:
    return st;
}
