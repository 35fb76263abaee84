/* rpn.c - region proposal network: head, anchors, proposals, losses. */
#include "model/rpn.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"

/* ---- declaration -------------------------------------------------------------------------- */

int anchor_cells(float cells[OPS_MAX_CELLS][4], const double *sizes, int size_count,
                 const double *ratios, int ratio_count)
{
    int count = 0;
    for (int s = 0; s < size_count; s++)
        for (int r = 0; r < ratio_count; r++, count++) {
            double area = sizes[s] * sizes[s];
            double width = sqrt(area / ratios[r]);
            double height = ratios[r] * width;
            cells[count][0] = (float)(-width / 2.0);
            cells[count][1] = (float)(-height / 2.0);
            cells[count][2] = (float)(width / 2.0);
            cells[count][3] = (float)(height / 2.0);
        }
    return count;
}

static md_status declare_head(struct conv *conv, struct param_set *set, const char *name, int in,
                              int out, int kernel)
{
    struct conv_spec spec = {.name = name,
                             .in = in,
                             .out = out,
                             .kernel = kernel,
                             .stride = 1,
                             .pad = kernel / 2,
                             .groups = 1,
                             .trainable = true,
                             .init = INIT_NORMAL,
                             .init_value = 0.01f};
    return conv_declare(conv, set, &spec);
}

md_status rpn_declare(struct rpn *rpn, struct param_set *set, const struct model_config *config)
{
    md_status st = MD_OK;
    int channels = config->fpn_out_channels;
    rpn->config = config->rpn;
    rpn->anchor_offset = config->anchor_offset;
    for (int k = 0; k < FPN_LEVELS; k++) {
        int count = config->anchor_size_count[k] * config->anchor_ratio_count;
        if (count < 1 || count > OPS_MAX_CELLS)
            FAIL(MD_EINVAL,
                 "MODEL.ANCHOR_GENERATOR: %d anchors per cell on p%d; 1 to %d are possible", count,
                 k + 2, OPS_MAX_CELLS);
        if (k > 0 && count != rpn->anchors_per_cell)
            FAIL(MD_EINVAL,
                 "MODEL.ANCHOR_GENERATOR: p%d has %d anchors per cell, p2 has %d; the "
                 "shared head needs the same number on all levels",
                 k + 2, count, rpn->anchors_per_cell);
        rpn->anchors_per_cell =
            anchor_cells(rpn->cells[k], config->anchor_sizes[k], config->anchor_size_count[k],
                         config->anchor_ratios, config->anchor_ratio_count);
    }
    TRY(declare_head(&rpn->conv, set, "proposal_generator.rpn_head.conv", channels, channels, 3));
    TRY(declare_head(&rpn->objectness_logits, set, "proposal_generator.rpn_head.objectness_logits",
                     channels, rpn->anchors_per_cell, 1));
    TRY(declare_head(&rpn->anchor_deltas, set, "proposal_generator.rpn_head.anchor_deltas",
                     channels, 4 * rpn->anchors_per_cell, 1));
fail:
    return st;
}

void rpn_bind(struct rpn *rpn, struct param_set *set)
{
    conv_bind(&rpn->conv, set);
    conv_bind(&rpn->objectness_logits, set);
    conv_bind(&rpn->anchor_deltas, set);
}

void rpn_free(struct rpn *rpn, struct device *device)
{
    conv_release(&rpn->conv, device);
    conv_release(&rpn->objectness_logits, device);
    conv_release(&rpn->anchor_deltas, device);
}

/* ---- head --------------------------------------------------------------------------------- */

/* The part of a slab that belongs to one level, as the map that the head writes. */
static struct tensor level_map(const struct tensor *slab, const struct level_layout *layout,
                               int level, const struct tensor *feature, int channels)
{
    const int64_t *d = feature->shape.dims;
    struct tensor rows =
        tensor_rows(slab, d[0] * layout->first[level], d[0] * layout->count[level]);
    return tensor_reshape(&rows, SHAPE(d[0], d[1], d[2], channels));
}

static void layout_of(struct rpn *rpn, struct rpn_output *out,
                      const struct tensor pyramid[FPN_LEVELS])
{
    struct level_layout *layout = &out->layout;
    *layout = (struct level_layout){.levels = FPN_LEVELS};
    for (int k = 0; k < FPN_LEVELS; k++) {
        const int64_t *d = pyramid[k].shape.dims;
        struct anchor_params *level = &out->levels[k];
        layout->first[k] = layout->total;
        layout->count[k] = d[1] * d[2] * rpn->anchors_per_cell;
        layout->total += layout->count[k];
        *level = (struct anchor_params){.cell_count = rpn->anchors_per_cell,
                                        .height = (int)d[1],
                                        .width = (int)d[2],
                                        .stride = (float)(4 << k),
                                        .offset = rpn->anchor_offset};
        memcpy(level->cells, rpn->cells[k], sizeof level->cells);
    }
}

md_status rpn_anchors(struct stream *stream, struct workspace *workspace, struct tensor *out,
                      const struct rpn_output *head)
{
    md_status st = MD_OK;
    const struct level_layout *layout = &head->layout;
    TRY(workspace_tensor(workspace, out, TENSOR_F32, SHAPE(layout->total, 4)));
    for (int k = 0; k < FPN_LEVELS; k++) {
        struct tensor part = tensor_rows(out, layout->first[k], layout->count[k]);
        TRY(op_anchors(stream, &part, &head->levels[k]));
    }
fail:
    return st;
}

/* The head's results on one level. */
static md_status level_forward(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                               struct rpn_output *out, const struct tensor *feature, int level,
                               bool keep)
{
    md_status st = MD_OK;
    const int a = rpn->anchors_per_cell;
    const size_t mark = workspace_mark(workspace);
    struct tensor hidden;
    struct tensor logits = level_map(&out->logits, &out->layout, level, feature, a);
    struct tensor deltas = level_map(&out->deltas, &out->layout, level, feature, 4 * a);
    TRY(conv_forward(&rpn->conv, stream, workspace, &hidden, feature, NULL, true));
    TRY(op_conv2d_forward(stream, &logits, &hidden, &rpn->objectness_logits.op,
                          rpn->objectness_logits.geometry, NULL, false));
    TRY(op_conv2d_forward(stream, &deltas, &hidden, &rpn->anchor_deltas.op,
                          rpn->anchor_deltas.geometry, NULL, false));
    out->hidden[level] = hidden;
    if (!keep)
        workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status rpn_forward(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                      struct rpn_output *out, const struct tensor pyramid[FPN_LEVELS],
                      bool training)
{
    md_status st = MD_OK, joined;
    const bool keep = training || stream_branches_overlap(stream);
    out->images = (int)pyramid[0].shape.dims[0];
    layout_of(rpn, out, pyramid);
    int64_t entries = out->images * out->layout.total;
    TRY(workspace_tensor(workspace, &out->logits, TENSOR_F32, SHAPE(entries)));
    TRY(workspace_tensor(workspace, &out->deltas, TENSOR_F32, SHAPE(entries, 4)));
    const size_t mark = workspace_mark(workspace);
    TRY(stream_fork(stream, FPN_LEVELS));
    for (int k = 0; k < FPN_LEVELS && st >= 0; k++) {
        stream_branch(stream, k);
        st = level_forward(rpn, stream, workspace, out, &pyramid[k], k, keep);
    }
    joined = stream_join(stream, FPN_LEVELS);
    st = st < 0 ? st : joined;
    if (st >= 0 && !training)
        workspace_rewind(workspace, mark);
fail:
    return st;
}

/* ---- proposals ---------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* One segment for each level and image: segment = level * n + image. */
struct segments {
    struct tensor boxes, scores, counts; /* [levels*n,cap,4], [levels*n,cap], [levels*n] */
    struct tensor keep, keep_count;      /* of NMS */
};

static md_status allocate_segments(struct segments *s, struct workspace *workspace,
                                   const struct rpn_output *head, int64_t topk)
{
    md_status st = MD_OK;
    int64_t capacity = 0, count = (int64_t)FPN_LEVELS * head->images;
    for (int k = 0; k < FPN_LEVELS; k++)
        if (smaller(topk, head->layout.count[k]) > capacity)
            capacity = smaller(topk, head->layout.count[k]);
    TRY(workspace_tensor(workspace, &s->boxes, TENSOR_F32, SHAPE(count, capacity, 4)));
    TRY(workspace_tensor(workspace, &s->scores, TENSOR_F32, SHAPE(count, capacity)));
    TRY(workspace_tensor(workspace, &s->counts, TENSOR_I32, SHAPE(count)));
    TRY(workspace_tensor(workspace, &s->keep, TENSOR_I32, SHAPE(count, capacity)));
    TRY(workspace_tensor(workspace, &s->keep_count, TENSOR_I32, SHAPE(count)));
fail:
    return st;
}

/* The best `topk` anchors of each level as boxes. */
static md_status decode_levels(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                               struct segments *segments, const struct rpn_output *head,
                               const struct tensor *image_sizes)
{
    md_status st = MD_OK;
    const int64_t count = segments->boxes.shape.dims[0], best = segments->boxes.shape.dims[1];
    size_t mark = workspace_mark(workspace);
    struct decode_params params = {.min_size = rpn->config.min_size};
    memcpy(params.weights, rpn->config.bbox_reg_weights, sizeof params.weights);
    struct tensor index, value, found;
    TRY(workspace_tensor(workspace, &index, TENSOR_I32, SHAPE(count, best)));
    TRY(workspace_tensor(workspace, &value, TENSOR_F32, SHAPE(count, best)));
    TRY(workspace_tensor(workspace, &found, TENSOR_I32, SHAPE(count)));
    struct decode_inputs in = {&head->deltas, &index,        &value,      &found,
                               image_sizes,   &head->layout, head->levels};
    TRY(op_topk(stream, &index, &value, &found, &head->logits, &head->layout));
    TRY(op_rpn_decode(stream, &segments->boxes, &segments->scores, &segments->counts, &in,
                      &params));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status rpn_proposals(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                        struct proposals *out, const struct rpn_output *head,
                        const struct tensor *image_sizes, bool training)
{
    md_status st = MD_OK;
    const struct rpn_config *c = &rpn->config;
    int64_t topk = training ? c->pre_nms_topk_train : c->pre_nms_topk_test;
    int post = training ? c->post_nms_topk_train : c->post_nms_topk_test;
    int n = head->images;
    TRY(workspace_tensor(workspace, &out->boxes, TENSOR_F32, SHAPE(n, post, 4)));
    TRY(workspace_tensor(workspace, &out->logits, TENSOR_F32, SHAPE(n, post)));
    TRY(workspace_tensor(workspace, &out->counts, TENSOR_I32, SHAPE(n)));

    size_t mark = workspace_mark(workspace);
    struct segments s;
    TRY(allocate_segments(&s, workspace, head, topk));
    TRY(decode_levels(rpn, stream, workspace, &s, head, image_sizes));
    /* A segment's best `post` are enough: no more of it can be among the best of all. */
    TRY(op_nms(stream, &s.keep, &s.keep_count, &s.boxes, &s.counts, c->nms_thresh, post));
    struct merge_inputs merge = {&s.boxes, &s.scores, &s.keep, &s.keep_count, FPN_LEVELS};
    TRY(op_merge_proposals(stream, &out->boxes, &out->logits, &out->counts, &merge));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

/* ---- losses ------------------------------------------------------------------------------- */

/* The index, counts and match that say which anchors are trained towards what. */
struct assignment {
    struct tensor anchors, match, label, index, counts;
};

static md_status assign(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                        struct assignment *out, const struct rpn_output *head,
                        const struct targets *targets, const struct step_controls *controls)
{
    md_status st = MD_OK;
    const struct rpn_config *c = &rpn->config;
    int64_t total = head->layout.total;
    int n = head->images;
    struct match_params match = {
        .low = c->iou_thresholds[0], .high = c->iou_thresholds[1], .low_quality = true};
    struct sample_params sample = {.size = c->batch_size_per_image,
                                   .max_foreground =
                                       (int)(c->batch_size_per_image * c->positive_fraction),
                                   .stream = random_stream(RANDOM_SAMPLE_ANCHORS, 0),
                                   .image_step = controls->image_step};
    TRY(workspace_tensor(workspace, &out->match, TENSOR_I32, SHAPE(n, total)));
    TRY(workspace_tensor(workspace, &out->label, TENSOR_I32, SHAPE(n, total)));
    TRY(workspace_tensor(workspace, &out->index, TENSOR_I32,
                         SHAPE(n, smaller(sample.size, total))));
    TRY(rpn_anchors(stream, workspace, &out->anchors, head));
    TRY(op_match(stream, &out->match, &out->label, &out->anchors, NULL, &targets->boxes,
                 &targets->counts, &match));
    TRY(op_sample(stream, &out->index, &out->counts, &out->label, &controls->numbers, &sample));
fail:
    return st;
}

md_status rpn_losses(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                     struct rpn_losses *out, const struct rpn_output *head,
                     const struct targets *targets, const struct step_controls *controls,
                     bool gradients)
{
    md_status st = MD_OK;
    const struct rpn_config *c = &rpn->config;
    float images = (float)c->batch_size_per_image * (float)head->images;
    *out = (struct rpn_losses){0};
    TRY(workspace_tensor(workspace, &out->loss, TENSOR_F32, SHAPE(2)));
    TRY(workspace_tensor(workspace, &out->counts, TENSOR_I32, SHAPE(head->images, 2)));
    if (gradients) {
        TRY(workspace_activation(workspace, &out->logits_grad, head->logits.shape));
        TRY(workspace_activation(workspace, &out->deltas_grad, head->deltas.shape));
    }
    size_t mark = workspace_mark(workspace);
    struct assignment assigned = {.counts = out->counts};
    TRY(assign(rpn, stream, workspace, &assigned, head, targets, controls));
    struct rpn_loss_params params = {.kind = (enum box_loss_kind)c->bbox_reg_loss,
                                     .smooth_l1_beta = c->smooth_l1_beta,
                                     .class_scale = c->loss_weight / images,
                                     .box_scale =
                                         c->loss_weight * c->bbox_reg_loss_weight / images};
    memcpy(params.weights, c->bbox_reg_weights, sizeof params.weights);
    struct rpn_loss_inputs in = {&head->logits,   &head->deltas,    &assigned.anchors,
                                 &assigned.index, &assigned.counts, &assigned.match,
                                 &targets->boxes, &controls->scale, &head->layout};
    TRY(op_rpn_loss(stream, &out->loss, gradients ? &out->logits_grad : NULL,
                    gradients ? &out->deltas_grad : NULL, &in, &params));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status rpn_backward(struct rpn *rpn, struct stream *stream, struct workspace *workspace,
                       struct tensor pyramid_grads[FPN_LEVELS], const struct rpn_output *head,
                       const struct rpn_losses *losses, const struct tensor pyramid[FPN_LEVELS])
{
    md_status st = MD_OK;
    int a = rpn->anchors_per_cell;
    for (int k = 0; k < FPN_LEVELS; k++) {
        size_t mark = workspace_mark(workspace);
        struct tensor hidden_grad;
        struct tensor logits = level_map(&losses->logits_grad, &head->layout, k, &pyramid[k], a);
        struct tensor deltas =
            level_map(&losses->deltas_grad, &head->layout, k, &pyramid[k], 4 * a);
        TRY(workspace_activation(workspace, &hidden_grad, head->hidden[k].shape));
        TRY(conv_backward(&rpn->objectness_logits, stream, &hidden_grad, false, &head->hidden[k],
                          &logits));
        TRY(conv_backward(&rpn->anchor_deltas, stream, &hidden_grad, true, &head->hidden[k],
                          &deltas));
        TRY(op_relu_backward(stream, &hidden_grad, &head->hidden[k]));
        TRY(conv_backward(&rpn->conv, stream, &pyramid_grads[k], true, &pyramid[k], &hidden_grad));
        workspace_rewind(workspace, mark);
    }
fail:
    return st;
}
