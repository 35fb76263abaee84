/* ops_loss.c - front doors of softmax and the losses. */
#include "core/error.h"
#include "tensor/checks.h"

/* The levels lie one after the other without gaps. */
static bool layout_is_sound(const struct level_layout *layout)
{
    if (layout->levels < 1 || layout->levels > OPS_MAX_LEVELS)
        return false;
    int64_t total = 0;
    for (int level = 0; level < layout->levels; level++) {
        if (layout->first[level] != total || layout->count[level] < 0)
            return false;
        total += layout->count[level];
    }
    return layout->total == total;
}

md_status op_rpn_loss(struct stream *stream, struct tensor *loss, struct tensor *logits_grad,
                      struct tensor *deltas_grad, const struct rpn_loss_inputs *in,
                      const struct rpn_loss_params *params)
{
    md_status st = MD_OK;
    const int64_t n = in->match->shape.dims[0], total = in->layout->total;
    TRY(REQUIRE(layout_is_sound(in->layout)));
    TRY(EXPECT(in->match, TENSOR_I32, SHAPE_ANY, total));
    TRY(EXPECT(in->logits, TENSOR_F32, n * total));
    TRY(EXPECT(in->deltas, TENSOR_F32, n * total, 4));
    TRY(EXPECT(in->anchors, TENSOR_F32, total, 4));
    TRY(EXPECT(in->index, TENSOR_I32, n, SHAPE_ANY));
    TRY(EXPECT(in->index_counts, TENSOR_I32, n, 2));
    TRY(EXPECT(in->gt, TENSOR_F32, n, SHAPE_ANY, 4));
    TRY(EXPECT(loss, TENSOR_F32, 2));
    TRY(OPTIONAL_GRADIENT(logits_grad, in->logits));
    TRY(OPTIONAL_GRADIENT(deltas_grad, in->deltas));
    TRY(OPTIONAL(in->scale, TENSOR_F32, 2));
    if (!stream->measuring)
        TRY(ENTRY(stream)->rpn_loss(stream, loss, logits_grad, deltas_grad, in, params));
fail:
    return st;
}

md_status op_softmax(struct stream *stream, struct tensor *out, const struct tensor *in,
                     const struct tensor *rows)
{
    md_status st = MD_OK;
    TRY(EXPECT(in, TENSOR_F32, SHAPE_ANY, SHAPE_ANY));
    TRY(EXPECT_LIKE(out, in));
    TRY(OPTIONAL(rows, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->softmax(stream, out, in, rows));
fail:
    return st;
}

md_status op_softmax_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                          struct tensor *stats, const struct tensor *logits,
                          const struct tensor *classes, const struct tensor *rows,
                          const struct tensor *scale)
{
    md_status st = MD_OK;
    TRY(EXPECT(logits, TENSOR_F32, SHAPE_ANY, SHAPE_ANY));
    TRY(REQUIRE(logits->shape.dims[1] >= 1));
    TRY(EXPECT(classes, TENSOR_I32, logits->shape.dims[0]));
    TRY(OPTIONAL(rows, TENSOR_I32, 1));
    TRY(EXPECT(loss, TENSOR_F32, 1));
    TRY(EXPECT(stats, TENSOR_F32, 4));
    TRY(OPTIONAL_GRADIENT(grad, logits));
    TRY(OPTIONAL(scale, TENSOR_F32, 2));
    if (!stream->measuring)
        TRY(ENTRY(stream)->softmax_loss(stream, loss, grad, stats, logits, classes, rows, scale));
fail:
    return st;
}

md_status op_box_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                      const struct box_loss_inputs *in, const struct box_loss_params *params)
{
    md_status st = MD_OK;
    const int64_t cap = in->deltas->shape.dims[0];
    const int64_t columns = params->class_agnostic ? 4 : 4 * (int64_t)params->num_classes;
    TRY(EXPECT(in->deltas, TENSOR_F32, SHAPE_ANY, columns));
    TRY(EXPECT(in->rois, TENSOR_F32, cap, 5));
    TRY(EXPECT(in->targets, TENSOR_F32, cap, 4));
    TRY(EXPECT(in->classes, TENSOR_I32, cap));
    TRY(OPTIONAL(in->rows, TENSOR_I32, 1));
    TRY(EXPECT(loss, TENSOR_F32, 1));
    TRY(OPTIONAL_GRADIENT(grad, in->deltas));
    TRY(OPTIONAL(in->scale, TENSOR_F32, 2));
    if (!stream->measuring)
        TRY(ENTRY(stream)->box_loss(stream, loss, grad, in, params));
fail:
    return st;
}
