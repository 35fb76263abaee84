/* conv.c - convolution by oneDNN, NHWC on both sides, weights in oneDNN's own arrangement. */
#include <string.h>

#include "backend/cpu/conv.h"

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn/onednn.h"
#include "backend/cpu/onednn/primitive.h"
#include "backend/cpu/weight_cache.h"
#include "core/error.h"

enum kind { KIND_FORWARD, KIND_BACKWARD_INPUT, KIND_BACKWARD_WEIGHT };

struct request {
    enum kind kind;
    struct conv_shape shape;
    bool bias, residual, relu;
};

/* ---- descriptors -------------------------------------------------------------------------- */

static dnnl_memory_desc_t nhwc(int64_t n, int64_t h, int64_t w, int64_t c)
{
    dnnl_memory_desc_t layout;
    const dnnl_dims_t dims = {n, c, h, w};
    dnnl_memory_desc_init_by_tag(&layout, 4, dims, dnnl_f32, dnnl_nhwc);
    return layout;
}

static dnnl_memory_desc_t vector(int64_t count)
{
    dnnl_memory_desc_t layout;
    const dnnl_dims_t dims = {count};
    dnnl_memory_desc_init_by_tag(&layout, 1, dims, dnnl_f32, dnnl_x);
    return layout;
}

/* Ours is [out, kh, kw, in/groups]. With `any` the primitive chooses. */
static dnnl_memory_desc_t weights_layout(const struct conv_shape *s, bool any)
{
    dnnl_memory_desc_t layout;
    const int64_t i = s->c / s->groups;
    const int64_t row = s->kh * s->kw * i;
    const dnnl_dims_t dims = {s->groups, s->o / s->groups, i, s->kh, s->kw};
    const dnnl_dims_t strides = {s->o / s->groups * row, row, 1, s->kw * i, i};
    int skip = s->groups > 1 ? 0 : 1;
    if (any)
        dnnl_memory_desc_init_by_tag(&layout, 5 - skip, dims + skip, dnnl_f32, dnnl_format_tag_any);
    else
        dnnl_memory_desc_init_by_strides(&layout, 5 - skip, dims + skip, dnnl_f32, strides + skip);
    return layout;
}

static md_status add_epilogue(const struct request *r, dnnl_primitive_attr_t attributes)
{
    md_status st = MD_OK;
    dnnl_post_ops_t post_ops = NULL;
    TRY(onednn_check(dnnl_post_ops_create(&post_ops), "post-operations"));
    if (r->residual)
        TRY(onednn_check(dnnl_post_ops_append_sum(post_ops, 1.0f), "residual"));
    if (r->relu)
        TRY(onednn_check(
            dnnl_post_ops_append_eltwise(post_ops, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f), "ReLU"));
    st = onednn_check(dnnl_primitive_attr_set_post_ops(attributes, post_ops), "post-operations");
fail:
    if (post_ops)
        dnnl_post_ops_destroy(post_ops);
    return st;
}

/* The descriptor of one direction; `description` is what oneDNN calls an operation descriptor. */
static md_status describe_operation(const struct request *r, enum kind kind,
                                    dnnl_convolution_desc_t *description)
{
    const struct conv_shape *s = &r->shape;
    dnnl_memory_desc_t in = nhwc(s->n, s->h, s->w, s->c);
    dnnl_memory_desc_t out = nhwc(s->n, s->oh, s->ow, s->o);
    dnnl_memory_desc_t weights = weights_layout(s, true);
    dnnl_memory_desc_t bias = vector(s->o);
    const dnnl_memory_desc_t *bias_given = r->bias ? &bias : NULL;
    const dnnl_dims_t strides = {s->stride, s->stride};
    const dnnl_dims_t before = {s->pad, s->pad};
    /* Exactly as far as the last window reaches. */
    const dnnl_dims_t after = {(s->oh - 1) * s->stride + s->kh - s->h - s->pad,
                               (s->ow - 1) * s->stride + s->kw - s->w - s->pad};
    dnnl_status_t status;
    if (kind == KIND_FORWARD)
        status = dnnl_convolution_forward_desc_init(description, dnnl_forward_training,
                                                    dnnl_convolution_direct, &in, &weights,
                                                    bias_given, &out, strides, before, after);
    else if (kind == KIND_BACKWARD_INPUT)
        status = dnnl_convolution_backward_data_desc_init(description, dnnl_convolution_direct, &in,
                                                          &weights, &out, strides, before, after);
    else
        status = dnnl_convolution_backward_weights_desc_init(description, dnnl_convolution_direct,
                                                             &in, &weights, bias_given, &out,
                                                             strides, before, after);
    return onednn_check(status, "convolution descriptor");
}

static md_status describe(const void *arg, struct onednn *onednn, dnnl_primitive_attr_t attributes,
                          dnnl_primitive_desc_t *out)
{
    md_status st = MD_OK;
    const struct request *r = arg;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_convolution_desc_t operation;
    if (r->kind == KIND_FORWARD) {
        TRY(add_epilogue(r, attributes));
    } else {
        TRY(describe_operation(r, KIND_FORWARD, &operation));
        TRY(onednn_check(dnnl_primitive_desc_create(&hint, &operation, NULL, onednn->engine, NULL),
                         "convolution"));
    }
    TRY(describe_operation(r, r->kind, &operation));
    st = onednn_check(dnnl_primitive_desc_create(out, &operation, attributes, onednn->engine, hint),
                      "convolution");
fail:
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    return st;
}

static md_status get(struct primitive **out, struct stream *stream, const struct request *r)
{
    const struct conv_shape *s = &r->shape;
    const struct primitive_key key = {{r->kind, s->n, s->h, s->w, s->c, s->oh, s->ow, s->o, s->kh,
                                       s->kw, s->stride, s->pad, s->groups,
                                       r->bias | r->residual << 1 | r->relu << 2}};
    return primitive_get(out, stream->device, &key, describe, r);
}

/* ---- weights ------------------------------------------------------------------------------ */

struct packing {
    const struct conv_shape *shape;
    const dnnl_memory_desc_t *layout;
};

static md_status pack(void *arg, struct stream *stream, const struct weight *weight, float *packed)
{
    md_status st = MD_OK;
    const struct packing *p = arg;
    const float *effective = weight->value.data;
    if (tensor_given(&weight->scale)) {
        void *folded = NULL;
        TRY(stream_scratch(stream, &folded, tensor_bytes(&weight->value)));
        conv_fold_scale(stream->device, folded, weight);
        effective = folded;
    }
    dnnl_memory_desc_t ours = weights_layout(p->shape, false);
    st = onednn_reorder(stream, p->layout, packed, &ours, effective);
fail:
    return st;
}

static md_status packed_weights(const float **out, struct stream *stream, struct weight *weight,
                                const struct request *r, const struct primitive *primitive)
{
    struct packing packing = {&r->shape, &primitive->weights};
    const struct pack_request request = {
        r->kind == KIND_FORWARD ? PACKED_FORWARD : PACKED_BACKWARD_INPUT,
        onednn_layout_hash(&primitive->weights), dnnl_memory_desc_get_size(&primitive->weights),
        pack, &packing};
    return weight_cache_get(out, stream, weight, &request);
}

static void *data_of(const float *data)
{
    return (void *)(uintptr_t)data; /* oneDNN takes inputs without const */
}

/* ---- forward ------------------------------------------------------------------------------ */

md_status onednn_conv2d_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                                struct weight *weight, struct conv_geometry geometry,
                                const struct tensor *residual, bool relu)
{
    md_status st = MD_OK;
    struct primitive *primitive = NULL;
    const float *packed = NULL;
    void *scratch = NULL;
    bool bias = tensor_given(&weight->bias);
    struct request r = {KIND_FORWARD, conv_shape_of(in, out, weight, geometry), bias,
                        tensor_given(residual), relu};
    if (tensor_count(out) == 0)
        return MD_OK;
    TRY(get(&primitive, stream, &r));
    TRY(packed_weights(&packed, stream, weight, &r, primitive));
    TRY(stream_scratch(stream, &scratch, dnnl_memory_desc_get_size(&primitive->scratchpad)));
    if (r.residual && residual->data != out->data)
        TRY(cpu_copy(stream, out, residual));
    const struct conv_shape *s = &r.shape;
    dnnl_memory_desc_t from = nhwc(s->n, s->h, s->w, s->c);
    dnnl_memory_desc_t to = nhwc(s->n, s->oh, s->ow, s->o);
    dnnl_memory_desc_t bias_layout = vector(s->o);
    const struct primitive_argument arguments[] = {
        {DNNL_ARG_SRC, &from, in->data},
        {DNNL_ARG_WEIGHTS, &primitive->weights, data_of(packed)},
        {DNNL_ARG_DST, &to, out->data},
        {DNNL_ARG_SCRATCHPAD, &primitive->scratchpad, scratch},
        {DNNL_ARG_BIAS, &bias_layout, weight->bias.data},
    };
    st = primitive_execute(stream, primitive->handle, arguments, bias ? 5 : 4);
fail:
    if (primitive)
        primitive_put(stream->device, primitive);
    return st;
}

/* ---- backward ----------------------------------------------------------------------------- */

/* First `first` bytes, rounded so that what follows is aligned. */
static size_t aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

md_status onednn_conv2d_backward_input(struct stream *stream, struct tensor *in_grad,
                                       const struct tensor *out_grad, struct weight *weight,
                                       struct conv_geometry geometry, bool accumulate)
{
    md_status st = MD_OK;
    struct primitive *primitive = NULL;
    const float *packed = NULL;
    void *scratch = NULL;
    struct request r = {.kind = KIND_BACKWARD_INPUT,
                        .shape = conv_shape_of(in_grad, out_grad, weight, geometry)};
    if (tensor_count(in_grad) == 0)
        return MD_OK;
    if (tensor_count(out_grad) == 0)
        return accumulate ? MD_OK : cpu_fill(stream, in_grad, 0.0f);
    TRY(get(&primitive, stream, &r));
    TRY(packed_weights(&packed, stream, weight, &r, primitive));
    size_t own = aligned(dnnl_memory_desc_get_size(&primitive->scratchpad));
    TRY(stream_scratch(stream, &scratch, own + (accumulate ? tensor_bytes(in_grad) : 0)));
    struct tensor fresh = *in_grad;
    if (accumulate)
        fresh.data = (char *)scratch + own;
    const struct conv_shape *s = &r.shape;
    dnnl_memory_desc_t to = nhwc(s->n, s->h, s->w, s->c);
    dnnl_memory_desc_t from = nhwc(s->n, s->oh, s->ow, s->o);
    TRY(primitive_execute(stream, primitive->handle,
                          (const struct primitive_argument[]){
                              {DNNL_ARG_DIFF_DST, &from, out_grad->data},
                              {DNNL_ARG_WEIGHTS, &primitive->weights, data_of(packed)},
                              {DNNL_ARG_DIFF_SRC, &to, fresh.data},
                              {DNNL_ARG_SCRATCHPAD, &primitive->scratchpad, scratch}},
                          4));
    if (accumulate)
        st = cpu_add(stream, in_grad, &fresh);
fail:
    if (primitive)
        primitive_put(stream->device, primitive);
    return st;
}

/* Where the pieces of the backward pass for weights are in the scratch memory. */
struct gradient_scratch {
    char *own;    /* the primitive's */
    char *packed; /* the gradient as the primitive writes it */
    char *plain;  /* the gradient in our arrangement */
    char *bias;
    char *seen; /* of the input what windows see, where it is set aside */
};

/* With 1x1 windows apart from each other oneDNN sets aside the pixels that they see; when channels do
 * not fill its blocks (8 or 16) it writes beyond the place it has for them. */
static bool must_thin_out(const struct conv_shape *s)
{
    return s->kh == 1 && s->kw == 1 && s->stride > 1 && s->pad == 0 && s->c % 16 != 0;
}

/* The same problem for an input of these pixels alone. */
static struct conv_shape thinned_out(struct conv_shape s)
{
    s.h = s.oh;
    s.w = s.ow;
    s.stride = 1;
    return s;
}

static void thin_out(float *to, const struct tensor *in, int64_t stride, int64_t height,
                     int64_t width)
{
    const int64_t *d = in->shape.dims;
    const float *from = in->data;
    for (int64_t row = 0; row < d[0] * height; row++) {
        const int64_t line = row / height * d[1] + row % height * stride;
        for (int64_t x = 0; x < width; x++, to += d[3])
            memcpy(to, from + (line * d[2] + x * stride) * d[3], (size_t)d[3] * sizeof *to);
    }
}

static md_status gradient_scratch_get(struct gradient_scratch *out, struct stream *stream,
                                      const struct primitive *primitive,
                                      const struct weight *weight, size_t seen)
{
    size_t own = aligned(dnnl_memory_desc_get_size(&primitive->scratchpad));
    size_t packed = aligned(dnnl_memory_desc_get_size(&primitive->weights));
    size_t plain = aligned(tensor_bytes(&weight->value));
    size_t bias = aligned((size_t)weight->value.shape.dims[0] * sizeof(float));
    void *base = NULL;
    md_status st = stream_scratch(stream, &base, own + packed + plain + bias + seen);
    if (st == MD_OK) {
        out->own = base;
        out->packed = out->own + own;
        out->plain = out->packed + packed;
        out->bias = out->plain + plain;
        out->seen = out->bias + bias;
    }
    return st;
}

md_status onednn_conv2d_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                        struct tensor *bias_grad, const struct tensor *in,
                                        const struct tensor *out_grad, struct weight *weight,
                                        struct conv_geometry geometry)
{
    md_status st = MD_OK;
    struct primitive *primitive = NULL;
    struct gradient_scratch scratch = {0};
    struct request r = {.kind = KIND_BACKWARD_WEIGHT,
                        .shape = conv_shape_of(in, out_grad, weight, geometry),
                        .bias = tensor_given(bias_grad)};
    if (tensor_count(out_grad) == 0)
        return MD_OK;
    if (!tensor_given(weight_grad))
        return r.bias ? cpu_sum_rows(stream, bias_grad, out_grad) : MD_OK;
    const bool thin = must_thin_out(&r.shape);
    if (thin)
        r.shape = thinned_out(r.shape);
    const struct conv_shape *s = &r.shape;
    TRY(get(&primitive, stream, &r));
    TRY(gradient_scratch_get(&scratch, stream, primitive, weight,
                             thin ? (size_t)(s->n * s->h * s->w * s->c) * sizeof(float) : 0));
    if (thin)
        thin_out((float *)(void *)scratch.seen, in, geometry.stride, s->h, s->w);
    dnnl_memory_desc_t from = nhwc(s->n, s->h, s->w, s->c);
    dnnl_memory_desc_t to = nhwc(s->n, s->oh, s->ow, s->o);
    dnnl_memory_desc_t bias_layout = vector(s->o);
    dnnl_memory_desc_t ours = weights_layout(s, false);
    const struct primitive_argument arguments[] = {
        {DNNL_ARG_SRC, &from, thin ? scratch.seen : in->data},
        {DNNL_ARG_DIFF_DST, &to, out_grad->data},
        {DNNL_ARG_DIFF_WEIGHTS, &primitive->weights, scratch.packed},
        {DNNL_ARG_SCRATCHPAD, &primitive->scratchpad, scratch.own},
        {DNNL_ARG_DIFF_BIAS, &bias_layout, scratch.bias},
    };
    TRY(primitive_execute(stream, primitive->handle, arguments, r.bias ? 5 : 4));
    TRY(onednn_reorder(stream, &ours, scratch.plain, &primitive->weights, scratch.packed));
    conv_add_scaled(stream->device, weight_grad, (const float *)(const void *)scratch.plain,
                    weight);
    if (r.bias)
        st = cpu_add(stream, bias_grad,
                     &(struct tensor){scratch.bias, TENSOR_F32, bias_grad->shape});
fail:
    if (primitive)
        primitive_put(stream->device, primitive);
    return st;
}
