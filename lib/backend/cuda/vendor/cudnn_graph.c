/* cudnn_graph.c - a convolution as cuDNN's graph of operations.
 *
 * Tensors are described by dimensions N, C, H, W with the strides of NHWC; the number of groups
 * follows from the channels of the input over those of the weight. Between operations values are
 * fp32 and virtual: they never reach memory. */
#include "backend/cuda/vendor/cudnn_graph.h"

#include "core/error.h"

typedef cudnnBackendDescriptor_t descriptor;

/* ---- descriptors: the first failure is kept, and nothing happens after it ------------------ */

static descriptor create(struct cudnn_graph *g, cudnnBackendDescriptorType_t type)
{
    descriptor d = NULL;
    if (g->status == CUDNN_STATUS_SUCCESS && g->descriptor_count == GRAPH_MAX_DESCRIPTORS)
        g->status = CUDNN_STATUS_INTERNAL_ERROR;
    if (g->status != CUDNN_STATUS_SUCCESS)
        return NULL;
    g->status = g->calls->cudnnBackendCreateDescriptor(type, &d);
    if (g->status == CUDNN_STATUS_SUCCESS)
        g->descriptors[g->descriptor_count++] = d;
    return d;
}

static void set(struct cudnn_graph *g, descriptor d, cudnnBackendAttributeName_t name,
                cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        g->status = g->calls->cudnnBackendSetAttribute(d, name, type, count, values);
}

static void set_descriptor(struct cudnn_graph *g, descriptor d, cudnnBackendAttributeName_t name,
                           descriptor value)
{
    set(g, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void set_type(struct cudnn_graph *g, descriptor d, cudnnBackendAttributeName_t name,
                     cudnnDataType_t value)
{
    set(g, d, name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

static void finish(struct cudnn_graph *g, descriptor d)
{
    if (g->status == CUDNN_STATUS_SUCCESS)
        g->status = g->calls->cudnnBackendFinalize(d);
}

/* ---- tensors ------------------------------------------------------------------------------ */

struct operand {
    int64_t name;    /* OPERAND_VIRTUAL: it never reaches memory */
    int64_t dims[4]; /* N, C, H, W */
    cudnnDataType_t type;
    int64_t alignment;
};

static descriptor describe(struct cudnn_graph *g, const struct operand *operand)
{
    const int64_t *d = operand->dims;
    const int64_t strides[4] = {d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]};
    const bool is_virtual = operand->name == OPERAND_VIRTUAL;
    const int64_t name = is_virtual ? g->next_virtual++ : operand->name;
    descriptor t = create(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    set_type(g, t, CUDNN_ATTR_TENSOR_DATA_TYPE, operand->type);
    set(g, t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, d);
    set(g, t, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    set(g, t, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &name);
    set(g, t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &operand->alignment);
    if (is_virtual)
        set(g, t, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    finish(g, t);
    return t;
}

static cudnnDataType_t data_type(enum tensor_type type)
{
    switch (type) {
    case TENSOR_BF16:
        return CUDNN_DATA_BFLOAT16;
    case TENSOR_F16:
        return CUDNN_DATA_HALF;
    default:
        return CUDNN_DATA_FLOAT;
    }
}

/* ---- operations --------------------------------------------------------------------------- */

static void add_operation(struct cudnn_graph *g, descriptor operation)
{
    finish(g, operation);
    if (g->status == CUDNN_STATUS_SUCCESS)
        g->operations[g->operation_count++] = operation;
}

static descriptor describe_window(struct cudnn_graph *g, const struct conv_problem *p)
{
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const int64_t two = 2, strides[2] = {p->stride, p->stride}, pads[2] = {p->pad, p->pad};
    const int64_t dilations[2] = {1, 1};
    descriptor c = create(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    set_type(g, c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
    set(g, c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(g, c, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &two);
    set(g, c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    set(g, c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    set(g, c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
    set(g, c, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
    finish(g, c);
    return c;
}

static void add_convolution(struct cudnn_graph *g, const struct conv_problem *p, descriptor out)
{
    const float one = 1.0f, zero = 0.0f;
    const struct operand in = {
        OPERAND_IN, {p->n, p->c, p->h, p->w}, data_type(p->in), p->alignment};
    const struct operand weight = {
        OPERAND_WEIGHT, {p->o, p->c / p->groups, p->kh, p->kw}, data_type(p->in), 64};
    descriptor x = describe(g, &in), w = describe(g, &weight), window = describe_window(g, p);
    descriptor o = create(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    set(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
    set(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, window);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, out);
    add_operation(g, o);
}

static const cudnnBackendAttributeName_t DATA_NAMES[] = {
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
static const cudnnBackendAttributeName_t FILTER_NAMES[] = {
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

/* What the convolution reads is OPERAND_IN and OPERAND_WEIGHT in `buffers` too, but for the one whose
 * gradient is the result: in its place there is the gradient of what the convolution writes. */
static void add_gradient(struct cudnn_graph *g, const struct conv_problem *p)
{
    const float one = 1.0f, zero = 0.0f;
    const bool filter = p->flags & CONV_FILTER;
    const cudnnBackendAttributeName_t *names = filter ? FILTER_NAMES : DATA_NAMES;
    const cudnnDataType_t read = data_type(p->in);
    const struct operand x = {
        filter ? OPERAND_IN : OPERAND_OUT, {p->n, p->c, p->h, p->w}, read, p->alignment};
    struct operand w = {filter ? OPERAND_OUT : OPERAND_WEIGHT,
                        {p->o, p->c / p->groups, p->kh, p->kw},
                        read,
                        filter ? p->alignment : 64};
    const struct operand y = {filter ? OPERAND_WEIGHT : OPERAND_IN,
                              {p->n, p->o, conv_problem_height(p), conv_problem_width(p)},
                              read,
                              p->alignment};
    if (filter && !g->narrow)
        w.type = data_type(p->out);
    descriptor tensors[] = {describe(g, &x), describe(g, &w), describe(g, &y),
                            describe_window(g, p)};
    descriptor o = create(g, filter ? CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR
                                    : CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
    for (int i = 0; i < 4; i++)
        set_descriptor(g, o, names[i], tensors[i]);
    set(g, o, names[4], CUDNN_TYPE_FLOAT, 1, &one);
    set(g, o, names[5], CUDNN_TYPE_FLOAT, 1, &zero);
    add_operation(g, o);
}

/* out = x + other, or ReLU of x when there is no other. */
static void add_pointwise(struct cudnn_graph *g, descriptor out, descriptor x, descriptor other)
{
    const cudnnPointwiseMode_t mode = other ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    descriptor kind = create(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    set(g, kind, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    set_type(g, kind, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
    finish(g, kind);
    descriptor o = create(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (other)
        set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, other);
    set_descriptor(g, o, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    add_operation(g, o);
}

/* ---- the graph ---------------------------------------------------------------------------- */

static void add_operations(struct cudnn_graph *g, const struct conv_problem *p)
{
    static const enum conv_flag STEPS[] = {CONV_RESIDUAL, CONV_BIAS, CONV_RELU};
    enum { STEP_COUNT = sizeof STEPS / sizeof STEPS[0] };
    const struct operand out = {OPERAND_OUT,
                                {p->n, p->o, conv_problem_height(p), conv_problem_width(p)},
                                data_type(p->out),
                                p->alignment};
    struct operand between = out, residual = out, bias = {OPERAND_BIAS, {1, p->o, 1, 1}, 0, 16};
    between.name = OPERAND_VIRTUAL;
    between.type = CUDNN_DATA_FLOAT;
    residual.name = OPERAND_RESIDUAL;
    bias.type = g->narrow ? data_type(p->in) : CUDNN_DATA_FLOAT;

    int left = 0; /* steps after the convolution */
    for (int i = 0; i < STEP_COUNT; i++)
        left += (p->flags & STEPS[i]) != 0;
    descriptor now = describe(g, left ? &between : &out);
    add_convolution(g, p, now);
    for (int i = 0; i < STEP_COUNT; i++) {
        if (!(p->flags & STEPS[i]))
            continue;
        descriptor other = NULL;
        if (STEPS[i] != CONV_RELU)
            other = describe(g, STEPS[i] == CONV_BIAS ? &bias : &residual);
        descriptor next = describe(g, --left ? &between : &out);
        add_pointwise(g, next, now, other);
        now = next;
    }
}

md_status cudnn_graph_create(struct cudnn_graph **out, const struct cudnn_calls *calls,
                             struct memory *memory, const struct conv_problem *problem, bool narrow)
{
    md_status st = MD_OK;
    struct cudnn_graph *g = NULL;
    TRY(memory_zeroed(memory, &g, 1, sizeof *g));
    g->calls = calls;
    g->users = 1;
    g->narrow = narrow;
    g->next_virtual = OPERAND_VIRTUAL;
    if (problem->flags & CONV_GRADIENTS)
        add_gradient(g, problem);
    else
        add_operations(g, problem);
    g->handle = create(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(g, g->handle, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        g->operation_count, g->operations);
    finish(g, g->handle);
    if (g->status != CUDNN_STATUS_SUCCESS) {
        cudnn_graph_free(g, memory);
        g = NULL;
    }
    *out = g;
fail:
    return st;
}

void cudnn_graph_free(struct cudnn_graph *graph, struct memory *memory)
{
    if (!graph || --graph->users > 0)
        return;
    while (graph->descriptor_count > 0)
        graph->calls->cudnnBackendDestroyDescriptor(graph->descriptors[--graph->descriptor_count]);
    memory_free(memory, graph);
}
