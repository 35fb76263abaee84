/* checks.c - checking a tensor against the type and shape that a primitive wants. */
#include "tensor/checks.h"

#include "core/error.h"

static bool shape_fits(struct shape got, struct shape wanted)
{
    if (got.rank != wanted.rank)
        return false;
    for (int i = 0; i < got.rank; i++)
        if (wanted.dims[i] != SHAPE_ANY && got.dims[i] != wanted.dims[i])
            return false;
    return true;
}

md_status check_tensor(const struct stream *stream, const char *op, const char *name,
                       const struct tensor *t, enum tensor_type type, struct shape shape)
{
    char got[96], wanted[96];
    if (!tensor_given(t))
        return ERROR(MD_EINVAL, "%s: %s is missing, wanted %s %s", op, name, tensor_type_name(type),
                     shape_text(shape, wanted));
    if (t->type != type || !shape_fits(t->shape, shape))
        return ERROR(MD_EINVAL, "%s: %s is %s %s, wanted %s %s", op, name,
                     tensor_type_name(t->type), shape_text(t->shape, got), tensor_type_name(type),
                     shape_text(shape, wanted));
    int64_t count = tensor_count(t);
    if (count < 0)
        return ERROR(MD_EINVAL, "%s: there is no tensor of %s's shape %s", op, name,
                     shape_text(t->shape, got));
    if (!stream->measuring && count > 0 && !t->data)
        return ERROR(MD_EINVAL, "%s: %s %s has no memory; was it made while measuring?", op, name,
                     shape_text(t->shape, got));
    return MD_OK;
}

md_status check_activation(const struct stream *stream, const char *op, const char *name,
                           const struct tensor *t, struct shape shape)
{
    enum tensor_type type = stream->device->activations;
    if (tensor_given(t) && t->type == TENSOR_F32)
        type = TENSOR_F32;
    return check_tensor(stream, op, name, t, type, shape);
}

md_status check_optional(const struct stream *stream, const char *op, const char *name,
                         const struct tensor *t, enum tensor_type type, struct shape shape)
{
    return tensor_given(t) ? check_tensor(stream, op, name, t, type, shape) : MD_OK;
}

md_status check_that(const char *op, bool holds, const char *what)
{
    return holds ? MD_OK : ERROR(MD_EINVAL, "%s: not so: %s", op, what);
}
