/* linear.c - a fully connected layer: forward and backward. */
#include "nn/linear.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

md_status linear_declare(struct linear *linear, struct param_set *set,
                         const struct linear_spec *spec)
{
    md_status st = MD_OK;
    char name[192];
    memset(linear, 0, sizeof *linear);
    snprintf(name, sizeof name, "%s.weight", spec->name);
    struct param_spec weight = {.name = name,
                                .kind = PARAM_TRAINABLE,
                                .layout = spec->pooled > 0 ? PARAM_POOLED : PARAM_PLAIN,
                                .file_shape = SHAPE(spec->out, spec->in),
                                .pooled = spec->pooled,
                                .init = spec->init,
                                .init_value = spec->init_value};
    TRY(param_declare(set, &linear->weight, &weight));
    snprintf(name, sizeof name, "%s.bias", spec->name);
    struct param_spec bias = {
        .name = name, .kind = PARAM_TRAINABLE, .file_shape = SHAPE(spec->out), .is_bias = true};
    TRY(param_declare(set, &linear->bias, &bias));
fail:
    return st;
}

void linear_bind(struct linear *linear, struct param_set *set)
{
    linear->op.value = linear->weight->value;
    linear->op.bias = linear->bias->value;
    param_set_add_weight(set, &linear->op, linear->weight);
}

void linear_release(struct linear *linear, struct device *device)
{
    op_weight_release(device, &linear->op);
}

md_status linear_forward(struct linear *linear, struct stream *stream, struct workspace *workspace,
                         struct tensor *out, const struct tensor *in, bool relu,
                         const struct tensor *rows)
{
    struct shape shape = SHAPE(in->shape.dims[0], linear->op.value.shape.dims[0]);
    md_status st = workspace_activation(workspace, out, shape);
    if (st < 0)
        return st;
    return op_linear_forward(stream, out, in, &linear->op, relu, rows);
}

md_status linear_backward(struct linear *linear, struct stream *stream, struct tensor *in_grad,
                          bool accumulate, const struct tensor *in, const struct tensor *out_grad,
                          const struct tensor *rows)
{
    md_status st = MD_OK;
    TRY(op_linear_backward_weight(stream, &linear->weight->grad, &linear->bias->grad, in, out_grad,
                                  rows));
    if (in_grad)
        TRY(op_linear_backward_input(stream, in_grad, out_grad, &linear->op, accumulate, rows));
fail:
    return st;
}
