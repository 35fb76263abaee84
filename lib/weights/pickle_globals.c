/* pickle_globals.c - all that a pickle may name, and what stands for the plain Python functions. */
#include <string.h>

#include "core/strings.h"
#include "weights/pickle_machine.h"

/* ---- containers of Python ------------------------------------------------------------------ */

/* OrderedDict(), OrderedDict([[key, value], ...]), Counter({...}), defaultdict(type), Namespace() */
static md_status make_dict(struct pickle *pickle, const struct pickle_global *global,
                           struct pickle_value *const *arguments, size_t count,
                           struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *dict = NULL;
    const struct pickle_value *from = count > 0 ? arguments[count - 1] : NULL;
    TRY(pickle_new(pickle, &dict, PICKLE_DICT));
    if (from && from->kind == PICKLE_DICT) {
        TRY(pickle_append(pickle, dict, from->list.items, from->list.count));
    } else if (from && from->kind == PICKLE_LIST) {
        for (size_t i = 0; i < from->list.count; i++) {
            const struct pickle_value *pair = from->list.items[i];
            if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->list.count != 2)
                PICKLE_FAIL(pickle, MD_EFORMAT, "%s needs pairs; the file is damaged",
                            global->name);
            TRY(pickle_append(pickle, dict, pair->list.items, 2));
        }
    } else if (from && from->kind != PICKLE_GLOBAL) {
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s of %s; the file is damaged", global->name,
                    pickle_kind_name(from->kind));
    }
    *out = dict;
fail:
    return st;
}

/* set([...]) and the like */
static md_status make_list(struct pickle *pickle, const struct pickle_global *global,
                           struct pickle_value *const *arguments, size_t count,
                           struct pickle_value **out)
{
    md_status st = MD_OK;
    struct pickle_value *list = NULL;
    TRY(pickle_new(pickle, &list, PICKLE_LIST));
    if (count > 1 ||
        (count == 1 && arguments[0]->kind != PICKLE_LIST && arguments[0]->kind != PICKLE_TUPLE))
        PICKLE_FAIL(pickle, MD_EFORMAT, "%s of something else than a list; the file is damaged",
                    global->name);
    if (count == 1)
        TRY(pickle_append(pickle, list, arguments[0]->list.items, arguments[0]->list.count));
    *out = list;
fail:
    return st;
}

/* UTF-8 of characters below 256 as one byte each. */
static md_status narrow(struct pickle *pickle, const struct pickle_value *text,
                        struct pickle_value **out)
{
    md_status st = MD_OK;
    const unsigned char *p = text->bytes.data;
    size_t size = text->bytes.size;
    size_t plain = 0;
    while (plain < size && p[plain] < 0x80)
        plain++;
    if (plain == size)
        return pickle_new_bytes(pickle, out, PICKLE_BYTES, p, size);
    unsigned char *bytes = NULL;
    size_t length = 0;
    TRY(pickle_alloc(pickle, &bytes, size, 1));
    for (size_t at = 0; at < size; at++) {
        unsigned char c = p[at];
        if (c >= 0x80) {
            if ((c != 0xc2 && c != 0xc3) || at + 1 == size || (p[at + 1] & 0xc0) != 0x80)
                PICKLE_FAIL(pickle, MD_EFORMAT, "text is not latin-1; the file is damaged");
            c = (unsigned char)((c & 3) << 6 | (p[++at] & 0x3f));
        }
        bytes[length++] = c;
    }
    TRY(pickle_new_bytes(pickle, out, PICKLE_BYTES, bytes, length));
fail:
    return st;
}

/* _codecs.encode(text, "latin1"), bytes(), bytearray(text, "latin-1"): how old protocols of Python 3
 * write bytes. */
static md_status make_bytes(struct pickle *pickle, const struct pickle_global *global,
                            struct pickle_value *const *arguments, size_t count,
                            struct pickle_value **out)
{
    if (count == 0)
        return pickle_new_bytes(pickle, out, PICKLE_BYTES, (const unsigned char *)"", 0);
    const struct pickle_value *from = arguments[0];
    bool latin = count == 1 || (count == 2 && (pickle_is_text(arguments[1], "latin1") ||
                                               pickle_is_text(arguments[1], "latin-1")));
    if (latin && from->kind == PICKLE_TEXT)
        return narrow(pickle, from, out);
    if (latin && (from->kind == PICKLE_BYTES || from->kind == PICKLE_STRING))
        return pickle_new_bytes(pickle, out, PICKLE_BYTES, from->bytes.data, from->bytes.size);
    return PICKLE_ERROR(pickle, MD_EFORMAT,
                        "%s of something else than latin-1 text; write the file "
                        "again",
                        global->name);
}

/* ---- the list -------------------------------------------------------------------------------- */

#define NUMPY_CORE(module, name, call)                                                             \
    {"numpy.core." module, name, call, -1, 0},                                                     \
    {                                                                                              \
        "numpy._core." module, name, call, -1, 0                                                   \
    }
#define PYTHON(name, call)                                                                         \
    {"__builtin__", name, call, -1, 0},                                                            \
    {                                                                                              \
        "builtins", name, call, -1, 0                                                              \
    }
#define STORAGE(name, type, bytes)                                                                 \
    {                                                                                              \
        "torch", name, NULL, type, bytes                                                           \
    }
#define TORCH_TYPE(name)                                                                           \
    {                                                                                              \
        "torch", name, NULL, -1, 0                                                                 \
    }

static const struct pickle_global GLOBALS[] = {
    {"torch._utils", "_rebuild_tensor_v2", torch_rebuild_tensor, -1, 0},
    {"torch._utils", "_rebuild_tensor", torch_rebuild_tensor, -1, 0},
    {"torch._utils", "_rebuild_parameter", torch_rebuild_parameter, -1, 0},
    {"torch._utils", "_rebuild_parameter_with_state", torch_rebuild_parameter, -1, 0},
    STORAGE("FloatStorage", WEIGHTS_F32, 4),
    STORAGE("HalfStorage", WEIGHTS_F16, 2),
    STORAGE("BFloat16Storage", WEIGHTS_BF16, 2),
    STORAGE("DoubleStorage", WEIGHTS_F64, 8),
    STORAGE("LongStorage", WEIGHTS_I64, 8),
    STORAGE("IntStorage", WEIGHTS_I32, 4),
    STORAGE("ByteStorage", WEIGHTS_U8, 1),
    STORAGE("BoolStorage", WEIGHTS_U8, 1),
    STORAGE("ShortStorage", -1, 2),
    STORAGE("CharStorage", -1, 1),
    STORAGE("ComplexFloatStorage", -1, 8),
    STORAGE("ComplexDoubleStorage", -1, 16),
    STORAGE("UntypedStorage", -1, 1),
    {"torch.storage", "UntypedStorage", NULL, -1, 1},
    {"torch", "Size", torch_size, -1, 0},
    {"torch", "device", torch_device, -1, 0},
    TORCH_TYPE("float32"),
    TORCH_TYPE("float16"),
    TORCH_TYPE("bfloat16"),
    TORCH_TYPE("float64"),
    TORCH_TYPE("int64"),
    TORCH_TYPE("int32"),
    TORCH_TYPE("int16"),
    TORCH_TYPE("int8"),
    TORCH_TYPE("uint8"),
    TORCH_TYPE("bool"),
    {"collections", "OrderedDict", make_dict, -1, 0},
    {"collections", "defaultdict", make_dict, -1, 0},
    {"collections", "Counter", make_dict, -1, 0},
    {"argparse", "Namespace", make_dict, -1, 0},
    PYTHON("dict", make_dict),
    PYTHON("list", make_list),
    PYTHON("set", make_list),
    PYTHON("frozenset", make_list),
    PYTHON("bytes", make_bytes),
    PYTHON("bytearray", make_bytes),
    PYTHON("int", NULL),
    PYTHON("float", NULL),
    {"_codecs", "encode", make_bytes, -1, 0},
    NUMPY_CORE("multiarray", "_reconstruct", numpy_reconstruct),
    NUMPY_CORE("multiarray", "scalar", numpy_scalar),
    NUMPY_CORE("numeric", "_frombuffer", numpy_frombuffer),
    {"numpy", "ndarray", NULL, -1, 0},
    {"numpy", "dtype", numpy_dtype, -1, 0},
};

static bool same(const char *known, const unsigned char *text, size_t size)
{
    return strlen(known) == size && memcmp(known, text, size) == 0;
}

/* As much of the text as a message can show, without control characters. */
static void printable(char *out, size_t capacity, const unsigned char *text, size_t size)
{
    size_t at = 0;
    for (; at < size && at + 1 < capacity; at++)
        out[at] = (char)(text[at] < ' ' || text[at] > '~' ? '?' : text[at]);
    out[at] = '\0';
}

md_status pickle_find_global(struct pickle *pickle, struct pickle_value **out,
                             const unsigned char *module, size_t module_size,
                             const unsigned char *name, size_t name_size)
{
    for (size_t i = 0; i < sizeof GLOBALS / sizeof GLOBALS[0]; i++) {
        if (!same(GLOBALS[i].module, module, module_size) ||
            !same(GLOBALS[i].name, name, name_size))
            continue;
        md_status st = pickle_new(pickle, out, PICKLE_GLOBAL);
        if (st == MD_OK)
            (*out)->global = &GLOBALS[i];
        return st;
    }
    char shown[2][64];
    printable(shown[0], sizeof shown[0], module, module_size);
    printable(shown[1], sizeof shown[1], name, name_size);
    return PICKLE_ERROR(pickle, MD_EUNSUPPORTED,
                        "names '%s.%s', which is not tensor data; it was not run, save a state "
                        "dict of tensors only",
                        shown[0], shown[1]);
}

md_status pickle_call(struct pickle *pickle, struct pickle_value **out,
                      const struct pickle_value *callable, const struct pickle_value *arguments)
{
    if (callable->kind != PICKLE_GLOBAL || !callable->global->call)
        return PICKLE_ERROR(pickle, MD_EUNSUPPORTED, "calls %s%s; save tensors only",
                            pickle_kind_name(callable->kind),
                            callable->kind == PICKLE_GLOBAL ? " that makes no data" : "");
    if (arguments->kind != PICKLE_TUPLE)
        return PICKLE_ERROR(pickle, MD_EFORMAT, "%s without arguments; the file is damaged",
                            callable->global->name);
    return callable->global->call(pickle, callable->global, arguments->list.items,
                                  arguments->list.count, out);
}

/* What an OrderedDict has as attributes (torch's _metadata) says nothing about tensors. */
md_status pickle_set_state(struct pickle *pickle, struct pickle_value *value,
                           const struct pickle_value *state)
{
    if (value->kind == PICKLE_TENSOR && state->kind == PICKLE_TUPLE)
        return numpy_array_set_state(pickle, value, state);
    if (value->kind == PICKLE_DTYPE && state->kind == PICKLE_TUPLE)
        return numpy_dtype_set_state(pickle, value, state);
    if (value->kind == PICKLE_DICT && state->kind == PICKLE_DICT)
        return MD_OK;
    return PICKLE_ERROR(pickle, MD_EUNSUPPORTED, "sets the state of %s; save tensors only",
                        pickle_kind_name(value->kind));
}
