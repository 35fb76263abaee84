/* conv.c - a convolution with its own bias, a folded FrozenBN or a norm of its own: both ways. */
#include "nn/conv.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

float init_msra(int out, int kernel)
{
    return (float)sqrt(2.0 / ((double)out * kernel * kernel));
}

float init_xavier(int64_t fan_in)
{
    return (float)sqrt(3.0 / (double)fan_in);
}

static const struct {
    const char *suffix;
    float initial;
} norm_parts[4] = {{"weight", 1.0f}, {"bias", 0.0f}, {"running_mean", 0.0f}, {"running_var", 1.0f}};

static md_status declare_vector(struct param **out, struct param_set *set, const char *name,
                                enum param_kind kind, int count, float initial)
{
    struct param_spec spec = {
        .name = name, .kind = kind, .file_shape = SHAPE(count), .init_value = initial};
    return param_declare(set, out, &spec);
}

static bool is_computed(enum conv_norm norm)
{
    return norm == CONV_GROUP_NORM || norm == CONV_BATCH_NORM;
}

static md_status declare_folded(struct conv *conv, struct param_set *set,
                                const struct conv_spec *spec)
{
    md_status st = MD_OK;
    char name[192];
    snprintf(name, sizeof name, "%s.norm.scale", spec->name);
    TRY(declare_vector(&conv->scale, set, name, PARAM_DERIVED, spec->out, 1.0f));
    snprintf(name, sizeof name, "%s.norm.shift", spec->name);
    TRY(declare_vector(&conv->shift, set, name, PARAM_DERIVED, spec->out, 0.0f));
fail:
    return st;
}

static md_status declare_norm(struct conv *conv, struct param_set *set,
                              const struct conv_spec *spec)
{
    md_status st = MD_OK;
    char name[192];
    const int parts = spec->norm == CONV_GROUP_NORM ? 2 : 4;
    const enum param_kind learnt = spec->trainable ? PARAM_TRAINABLE : PARAM_FROZEN;
    assert(spec->norm != CONV_BATCH_NORM || spec->trainable);
    for (int i = 0; i < parts; i++) {
        const bool computed = is_computed(spec->norm);
        snprintf(name, sizeof name, "%s.norm.%s", spec->name, norm_parts[i].suffix);
        TRY(declare_vector(&conv->norm[i], set, name, computed && i < 2 ? learnt : PARAM_BUFFER,
                           spec->out, norm_parts[i].initial));
        conv->norm[i]->spec.is_norm = true;
        conv->norm[i]->spec.is_bias = i == 1;
        if (i == 3 && !computed) /* so that an untouched FrozenBN does nothing */
            conv->norm[i]->spec.init_value -= NORM_EPSILON;
    }
    if (spec->norm == CONV_FROZEN_BN)
        TRY(declare_folded(conv, set, spec));
fail:
    return st;
}

md_status conv_declare(struct conv *conv, struct param_set *set, const struct conv_spec *spec)
{
    md_status st = MD_OK;
    char name[192];
    enum param_kind kind = spec->trainable ? PARAM_TRAINABLE : PARAM_FROZEN;
    memset(conv, 0, sizeof *conv);
    conv->kernel = spec->kernel;
    conv->geometry = (struct conv_geometry){spec->stride, spec->pad, spec->groups};
    conv->trainable = spec->trainable;
    conv->normed = is_computed(spec->norm);
    conv->after.groups = spec->norm == CONV_GROUP_NORM ? CONV_NORM_GROUPS : 0;

    snprintf(name, sizeof name, "%s.weight", spec->name);
    struct param_spec weight = {
        .name = name,
        .kind = kind,
        .layout = PARAM_CONV,
        .file_shape = SHAPE(spec->out, spec->in / spec->groups, spec->kernel, spec->kernel),
        .init = spec->init,
        .init_value = spec->init_value};
    TRY(param_declare(set, &conv->weight, &weight));
    if (spec->norm != CONV_BIAS) {
        TRY(declare_norm(conv, set, spec));
    } else {
        snprintf(name, sizeof name, "%s.bias", spec->name);
        TRY(declare_vector(&conv->bias, set, name, kind, spec->out, 0.0f));
        conv->bias->spec.is_bias = true;
    }
fail:
    return st;
}

void conv_bind(struct conv *conv, struct param_set *set)
{
    conv->op.value = conv->weight->value;
    param_set_add_weight(set, &conv->op, conv->weight);
    if (conv->scale) {
        conv->op.scale = conv->scale->value;
        conv->op.bias = conv->shift->value;
    } else if (conv->bias) {
        conv->op.bias = conv->bias->value;
    }
    if (!conv->normed)
        return;
    conv->after.weight = conv->norm[0]->value;
    conv->after.bias = conv->norm[1]->value;
    if (conv->norm[2]) {
        conv->after.running_mean = conv->norm[2]->value;
        conv->after.running_var = conv->norm[3]->value;
    }
}

void conv_release(struct conv *conv, struct device *device)
{
    op_weight_release(device, &conv->op);
}

md_status conv_refresh(struct conv *conv, struct param_set *set, struct stream *stream)
{
    md_status st = MD_OK;
    float *work = NULL; /* [6, c]: the norm's four, scale, shift */
    if (!conv->scale)
        return MD_OK;
    size_t c = (size_t)param_count(conv->scale);
    TRY(memory_alloc(set->device->memory, &work, 6 * c, sizeof *work));
    for (size_t i = 0; i < 4; i++)
        TRY(tensor_download(stream, work + i * c, &conv->norm[i]->value));
    float *scale = work + 4 * c;
    float *shift = work + 5 * c;
    for (size_t k = 0; k < c; k++) {
        scale[k] = work[k] / sqrtf(work[3 * c + k] + NORM_EPSILON);
        shift[k] = work[c + k] - work[2 * c + k] * scale[k];
    }
    TRY(tensor_upload(stream, &conv->scale->value, scale));
    TRY(tensor_upload(stream, &conv->shift->value, shift));
fail:
    memory_free(set->device->memory, work);
    return st;
}

struct shape conv_output(const struct conv *conv, struct shape in)
{
    const int64_t *d = in.dims;
    int64_t extra = 2 * conv->geometry.pad - conv->kernel;
    return SHAPE(d[0], (d[1] + extra) / conv->geometry.stride + 1,
                 (d[2] + extra) / conv->geometry.stride + 1, conv->weight->value.shape.dims[0]);
}

/* The convolution goes to memory of its own when it is kept, or when residual may be `out`. */
static md_status normed_apply(struct conv *conv, struct stream *stream, struct workspace *workspace,
                              struct tensor *out, const struct tensor *in,
                              const struct tensor *residual, bool relu, struct conv_saved *saved)
{
    md_status st = MD_OK;
    struct tensor plain = *out, stats = {0};
    if (saved || residual)
        TRY(workspace_activation(workspace, &plain, out->shape));
    if (saved || conv->after.groups > 0)
        TRY(workspace_tensor(workspace, &stats, TENSOR_F32,
                             norm_stats_shape(&conv->after, out->shape)));
    TRY(op_conv2d_forward(stream, &plain, in, &conv->op, conv->geometry, NULL, false));
    TRY(op_norm_forward(stream, out, tensor_given(&stats) ? &stats : NULL, &plain, &conv->after,
                        residual, relu));
    if (saved)
        *saved = (struct conv_saved){plain, stats};
fail:
    return st;
}

md_status conv_apply(struct conv *conv, struct stream *stream, struct workspace *workspace,
                     struct tensor *out, const struct tensor *in, const struct tensor *residual,
                     bool relu, struct conv_saved *saved)
{
    if (conv->normed)
        return normed_apply(conv, stream, workspace, out, in, residual, relu, saved);
    return op_conv2d_forward(stream, out, in, &conv->op, conv->geometry, residual, relu);
}

md_status conv_forward(struct conv *conv, struct stream *stream, struct workspace *workspace,
                       struct tensor *out, const struct tensor *in, const struct tensor *residual,
                       bool relu)
{
    md_status st = workspace_activation(workspace, out, conv_output(conv, in->shape));
    if (st < 0)
        return st;
    return conv_apply(conv, stream, workspace, out, in, residual, relu, NULL);
}

md_status conv_backward(struct conv *conv, struct stream *stream, struct tensor *in_grad,
                        bool accumulate, const struct tensor *in, const struct tensor *out_grad)
{
    md_status st = MD_OK;
    if (conv->trainable)
        TRY(op_conv2d_backward_weight(stream, &conv->weight->grad,
                                      conv->bias ? &conv->bias->grad : NULL, in, out_grad,
                                      &conv->op, conv->geometry));
    if (in_grad)
        TRY(op_conv2d_backward_input(stream, in_grad, out_grad, &conv->op, conv->geometry,
                                     accumulate));
fail:
    return st;
}

md_status conv_backward_saved(struct conv *conv, struct stream *stream, struct workspace *workspace,
                              struct tensor *in_grad, bool accumulate, const struct tensor *in,
                              const struct tensor *out_grad, const struct conv_saved *saved)
{
    md_status st = MD_OK;
    struct tensor plain_grad;
    const size_t mark = workspace_mark(workspace);
    if (!conv->normed)
        return conv_backward(conv, stream, in_grad, accumulate, in, out_grad);
    TRY(workspace_activation(workspace, &plain_grad, out_grad->shape));
    TRY(op_norm_backward(stream, &plain_grad, &conv->norm[0]->grad, &conv->norm[1]->grad, out_grad,
                         &saved->plain, &saved->stats, &conv->after));
    TRY(conv_backward(conv, stream, in_grad, accumulate, in, &plain_grad));
    workspace_rewind(workspace, mark);
fail:
    return st;
}
