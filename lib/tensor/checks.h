/* checks.h - what the front doors of the primitives ask of their arguments. */
#ifndef TENSOR_CHECKS_H
#define TENSOR_CHECKS_H

#include "tensor/ops.h"

/* `t` must be given, have this type and shape (SHAPE_ANY: any size), and have memory unless the
 * stream measures. Otherwise MD_EINVAL: "op_add: in is f32 [2,3], wanted f32 [2,4]". */
md_status check_tensor(const struct stream *stream, const char *op, const char *name,
                       const struct tensor *t, enum tensor_type type, struct shape shape);
/* The same, but NULL and rank 0 are fine. */
md_status check_optional(const struct stream *stream, const char *op, const char *name,
                         const struct tensor *t, enum tensor_type type, struct shape shape);
/* The same for activations: F32 or the device's type. */
md_status check_activation(const struct stream *stream, const char *op, const char *name,
                           const struct tensor *t, struct shape shape);
/* MD_EINVAL "op_x: what" unless `holds`. */
md_status check_that(const char *op, bool holds, const char *what);

/* Written inside op_x, where `stream` is in scope. */
#define EXPECT(t, type, ...) check_tensor(stream, __func__, #t, t, type, SHAPE(__VA_ARGS__))
#define EXPECT_LIKE(t, other) check_tensor(stream, __func__, #t, t, (other)->type, (other)->shape)
#define EXPECT_F32(t) check_tensor(stream, __func__, #t, t, TENSOR_F32, (t)->shape)
#define EXPECT_ACTIVATION(t, ...) check_activation(stream, __func__, #t, t, SHAPE(__VA_ARGS__))
#define OPTIONAL(t, type, ...) check_optional(stream, __func__, #t, t, type, SHAPE(__VA_ARGS__))
#define OPTIONAL_LIKE(t, other)                                                                    \
    check_optional(stream, __func__, #t, t, (other)->type, (other)->shape)
/* The gradient of something F32 that activations were made into. */
#define OPTIONAL_GRADIENT(t, other)                                                                \
    check_optional(stream, __func__, #t, t, stream->device->activations, (other)->shape)
#define REQUIRE(condition) check_that(__func__, condition, #condition)

/* The backend's entry, called as ENTRY(stream)->x(...). */
#define ENTRY(stream) ((stream)->device->backend->ops)

/* Positions of a window of `kernel` along `size` pixels; none when it does not fit. */
static inline int64_t window_count(int64_t size, int64_t kernel, int64_t stride, int64_t pad)
{
    return size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / stride + 1;
}

#endif
