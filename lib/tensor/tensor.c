/* tensor.c - counting, comparing and naming shapes; views of a tensor. */
#include "tensor/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/checked.h"

size_t tensor_type_bytes(enum tensor_type type)
{
    switch (type) {
    case TENSOR_F32:
    case TENSOR_I32:
        return 4;
    case TENSOR_BF16:
    case TENSOR_F16:
        return 2;
    case TENSOR_U8:
        return 1;
    }
    return 0;
}

const char *tensor_type_name(enum tensor_type type)
{
    switch (type) {
    case TENSOR_F32:
        return "f32";
    case TENSOR_I32:
        return "i32";
    case TENSOR_U8:
        return "u8";
    case TENSOR_BF16:
        return "bf16";
    case TENSOR_F16:
        return "f16";
    }
    return "?";
}

int64_t shape_count(struct shape shape)
{
    int64_t count = shape.rank > 0 ? 1 : 0;
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] < 0 || !checked_mul_i64(&count, count, shape.dims[i]))
            return -1;
    return count;
}

bool shape_equal(struct shape a, struct shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i])
            return false;
    return true;
}

int64_t tensor_count(const struct tensor *t)
{
    return shape_count(t->shape);
}

size_t tensor_bytes(const struct tensor *t)
{
    int64_t count = tensor_count(t);
    size_t bytes = 0;
    if (count < 0 || !checked_mul(&bytes, (size_t)count, tensor_type_bytes(t->type)))
        return SIZE_MAX;
    return bytes;
}

const char *shape_text(struct shape shape, char text[96])
{
    const size_t room = 96;
    size_t used = (size_t)snprintf(text, room, "[");
    for (int i = 0; i < shape.rank && used < room; i++) {
        const char *comma = i ? "," : "";
        int64_t dim = shape.dims[i];
        used += dim == SHAPE_ANY
                    ? (size_t)snprintf(text + used, room - used, "%s?", comma)
                    : (size_t)snprintf(text + used, room - used, "%s%" PRId64, comma, dim);
    }
    if (used < room)
        snprintf(text + used, room - used, "]");
    return text;
}

struct tensor tensor_reshape(const struct tensor *t, struct shape shape)
{
    assert(shape_count(shape) == tensor_count(t));
    return (struct tensor){t->data, t->type, shape};
}

struct tensor tensor_rows(const struct tensor *t, int64_t first, int64_t count)
{
    assert(t->shape.rank > 0 && first >= 0 && count >= 0 && first + count <= t->shape.dims[0]);
    struct tensor rows = *t;
    struct shape row = t->shape;
    row.dims[0] = 1;
    rows.shape.dims[0] = count;
    size_t skipped = (size_t)(first * shape_count(row)) * tensor_type_bytes(t->type);
    if (rows.data && skipped > 0)
        rows.data = (char *)rows.data + skipped;
    return rows;
}
