/* npz.c - reads NumPy's .npz: a zip archive whose members are .npy arrays. */
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "weights/formats.h"
#include "weights/zip.h"

enum { MAGIC_BYTES = 8 };

/* The header of an array: a Python dictionary as text, {'descr': '<f4', ...}. */
struct text {
    const char *at, *limit;
};

/* ---- pieces of the dictionary -------------------------------------------------- */

static void skip_blanks(struct text *text)
{
    while (text->at < text->limit && (*text->at == ' ' || *text->at == '\n'))
        text->at++;
}

static bool take(struct text *text, const char *word)
{
    skip_blanks(text);
    size_t length = strlen(word);
    if ((size_t)(text->limit - text->at) < length || memcmp(text->at, word, length) != 0)
        return false;
    text->at += length;
    return true;
}

/* A quoted text without escapes, shorter than `capacity`. */
static bool take_string(struct text *text, char *out, size_t capacity)
{
    skip_blanks(text);
    if (text->at == text->limit || (*text->at != '\'' && *text->at != '"'))
        return false;
    char quote = *text->at++;
    const char *end = memchr(text->at, quote, (size_t)(text->limit - text->at));
    if (!end || (size_t)(end - text->at) >= capacity)
        return false;
    memcpy(out, text->at, (size_t)(end - text->at));
    out[end - text->at] = '\0';
    text->at = end + 1;
    return true;
}

static bool take_integer(struct text *text, int64_t *out)
{
    skip_blanks(text);
    const char *start = text->at;
    int64_t value = 0;
    while (text->at < text->limit && *text->at >= '0' && *text->at <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text->at - '0', &value))
            return false;
        text->at++;
    }
    *out = value;
    return text->at > start;
}

/* (), (3,), (3, 4) or (3, 4,) */
static bool take_shape(struct text *text, struct weights_tensor *tensor)
{
    if (!take(text, "("))
        return false;
    tensor->rank = 0;
    while (!take(text, ")")) {
        if (tensor->rank == WEIGHTS_MAX_RANK || !take_integer(text, &tensor->dims[tensor->rank]))
            return false;
        tensor->rank++;
        if (!take(text, ",")) {
            if (tensor->rank == 1) /* (3) is a number, not a tuple */
                return false;
            return take(text, ")");
        }
    }
    return true;
}

static bool type_of_descr(const char *descr, enum weights_type *out)
{
    static const struct {
        const char *descr;
        enum weights_type type;
    } KNOWN[] = {{"<f4", WEIGHTS_F32}, {"<f2", WEIGHTS_F16}, {"<f8", WEIGHTS_F64},
                 {"<i8", WEIGHTS_I64}, {"<i4", WEIGHTS_I32}, {"|u1", WEIGHTS_U8}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (strcmp(descr, KNOWN[i].descr) == 0) {
            *out = KNOWN[i].type;
            return true;
        }
    }
    return false;
}

struct array_header {
    char descr[16];
    bool fortran;
};

enum { DESCR = 1, ORDER = 2, SHAPE = 4, ALL_FIELDS = 7 };

/* "'key': value"; *field becomes the key's bit. */
static bool parse_field(struct text *text, int *field, struct array_header *header,
                        struct weights_tensor *tensor)
{
    char key[16];
    if (!take_string(text, key, sizeof key) || !take(text, ":"))
        return false;
    if (strcmp(key, "descr") == 0) {
        *field = DESCR;
        return take_string(text, header->descr, sizeof header->descr);
    }
    if (strcmp(key, "shape") == 0) {
        *field = SHAPE;
        return take_shape(text, tensor);
    }
    *field = ORDER;
    header->fortran = take(text, "True");
    return strcmp(key, "fortran_order") == 0 && (header->fortran || take(text, "False"));
}

static bool parse_dictionary(struct text text, struct array_header *header,
                             struct weights_tensor *tensor)
{
    int seen = 0;
    int field = 0;
    if (!take(&text, "{"))
        return false;
    while (!take(&text, "}")) {
        if (!parse_field(&text, &field, header, tensor) || (seen & field))
            return false;
        seen |= field;
        if (!take(&text, ",")) {
            if (!take(&text, "}"))
                return false;
            break;
        }
    }
    skip_blanks(&text);
    return seen == ALL_FIELDS && text.at == text.limit;
}

/* ---- one array ---------------------------------------------------------------------- */

/* Column-major to row-major. */
static md_status transpose(struct weights_file *file, struct weights_tensor *tensor)
{
    md_status st = MD_OK;
    int64_t strides[WEIGHTS_MAX_RANK];
    int64_t stride = 1;
    unsigned char *out = NULL;
    TRY(arena_alloc(&file->arena, &out, tensor->bytes, 1));
    for (int i = 0; i < tensor->rank; i++) {
        strides[i] = stride;
        stride *= tensor->dims[i];
    }
    weights_gather(out, tensor->data, tensor, strides, false);
    tensor->data = out;
fail:
    return st;
}

/* Where the dictionary is; false: not an array of a known version. */
static bool find_dictionary(const unsigned char *bytes, size_t size, struct text *out)
{
    if (size < MAGIC_BYTES + 4 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return false;
    unsigned major = bytes[6];
    if (major < 1 || major > 3 || bytes[7] != 0)
        return false;
    size_t start = MAGIC_BYTES + (major == 1 ? 2u : 4u);
    size_t length = major == 1 ? load_u16(bytes + MAGIC_BYTES) : load_u32(bytes + MAGIC_BYTES);
    if (length > size - start)
        return false;
    out->at = (const char *)bytes + start;
    out->limit = out->at + length;
    return true;
}

static md_status read_array(struct weights_file *file, const char *member,
                            const unsigned char *bytes, size_t size, struct weights_tensor *tensor)
{
    md_status st = MD_OK;
    struct text text;
    struct array_header header = {0};
    if (!find_dictionary(bytes, size, &text) || !parse_dictionary(text, &header, tensor))
        FAIL(MD_EFORMAT, "%s: member '%s' has no readable .npy header; save it with numpy.savez",
             file->path, member);
    if (!type_of_descr(header.descr, &tensor->type))
        FAIL(MD_EUNSUPPORTED, "%s: member '%s' has element type '%s'; convert it to float32",
             file->path, member, header.descr);
    size_t start = (size_t)(text.limit - (const char *)bytes);
    if (!weights_shape_bytes(tensor->type, tensor->rank, tensor->dims, &tensor->bytes) ||
        tensor->bytes != size - start)
        FAIL(MD_EFORMAT,
             "%s: member '%s' has %zu bytes of elements, not what its shape asks for; "
             "save it again",
             file->path, member, size - start);
    tensor->data = bytes + start;
    if (header.fortran && tensor->rank > 1)
        TRY(transpose(file, tensor));
fail:
    return st;
}

static md_status read_member(struct weights_file *file, const struct zip *zip,
                             const struct zip_entry *entry)
{
    md_status st = MD_OK;
    struct weights_tensor tensor = {0};
    const unsigned char *bytes = NULL;
    const char *name = NULL;
    if (!string_ends_with(entry->name, ".npy"))
        FAIL(MD_EFORMAT,
             "%s: member '%s' is not an .npy array; convert the weights to .npz or "
             ".safetensors",
             file->path, entry->name);
    TRY(zip_read(zip, entry, &file->arena, &bytes));
    TRY(read_array(file, entry->name, bytes, entry->bytes, &tensor));
    TRY(arena_copy_string(&file->arena, &name, entry->name, strlen(entry->name) - 4));
    tensor.name = name;
    TRY(weights_add_tensor(file, &tensor));
fail:
    return st;
}

md_status npz_read(struct weights_file *file, const struct zip *zip)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < zip->count; i++)
        TRY(read_member(file, zip, &zip->entries[i]));
fail:
    return st;
}
