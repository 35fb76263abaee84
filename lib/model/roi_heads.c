/* roi_heads.c - pooler, box head, losses and detections. */
#include "model/roi_heads.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"

enum {
    POOLED_LEVELS = 4, /* p2..p5; p6 is never pooled */
    ROIS_AT_ONCE =
        512 /* 25 MB of pooled features; enough rows for a matrix product at full speed */
};

/* ---- declaration -------------------------------------------------------------------------- */

md_status roi_heads_declare(struct roi_heads *heads, struct param_set *set,
                            const struct model_config *config)
{
    md_status st = MD_OK;
    const struct roi_config *c = &config->roi;
    heads->config = *c;
    if (c->num_fc < 1 || c->num_fc > ROI_MAX_FC)
        FAIL(MD_EUNSUPPORTED, "MODEL.ROI_BOX_HEAD.NUM_FC is %d; 1 to %d are possible", c->num_fc,
             ROI_MAX_FC);
    int in = config->fpn_out_channels * c->pooler_resolution * c->pooler_resolution;
    for (int i = 0; i < c->num_fc; i++) {
        char name[64];
        snprintf(name, sizeof name, "roi_heads.box_head.fc%d", i + 1);
        struct linear_spec spec = {.name = name,
                                   .in = in,
                                   .out = c->fc_dim,
                                   .pooled = i == 0 ? c->pooler_resolution : 0,
                                   .init = INIT_UNIFORM,
                                   .init_value = init_xavier(in)};
        TRY(linear_declare(&heads->fc[i], set, &spec));
        in = c->fc_dim;
    }
    struct linear_spec score = {.name = "roi_heads.box_predictor.cls_score",
                                .in = in,
                                .out = c->num_classes + 1,
                                .init = INIT_NORMAL,
                                .init_value = 0.01f};
    struct linear_spec box = {.name = "roi_heads.box_predictor.bbox_pred",
                              .in = in,
                              .out = c->cls_agnostic_bbox_reg ? 4 : 4 * c->num_classes,
                              .init = INIT_NORMAL,
                              .init_value = 0.001f};
    TRY(linear_declare(&heads->cls_score, set, &score));
    TRY(linear_declare(&heads->bbox_pred, set, &box));
fail:
    return st;
}

void roi_heads_bind(struct roi_heads *heads, struct param_set *set)
{
    for (int i = 0; i < heads->config.num_fc; i++)
        linear_bind(&heads->fc[i], set);
    linear_bind(&heads->cls_score, set);
    linear_bind(&heads->bbox_pred, set);
}

void roi_heads_free(struct roi_heads *heads, struct device *device)
{
    for (int i = 0; i < ROI_MAX_FC; i++)
        linear_release(&heads->fc[i], device);
    linear_release(&heads->cls_score, device);
    linear_release(&heads->bbox_pred, device);
}

/* ---- rois --------------------------------------------------------------------------------- */

/* Tensors that outlive the sampling; the rest is given back. */
static md_status allocate_batch(struct workspace *workspace, struct roi_batch *out, int64_t images,
                                int64_t capacity)
{
    md_status st = MD_OK;
    TRY(workspace_tensor(workspace, &out->rois, TENSOR_F32, SHAPE(images * capacity, 5)));
    TRY(workspace_tensor(workspace, &out->classes, TENSOR_I32, SHAPE(images * capacity)));
    TRY(workspace_tensor(workspace, &out->targets, TENSOR_F32, SHAPE(images * capacity, 4)));
    TRY(workspace_tensor(workspace, &out->rows, TENSOR_I32, SHAPE(1)));
    TRY(workspace_tensor(workspace, &out->counts, TENSOR_I32, SHAPE(images, 2)));
fail:
    return st;
}

/* Proposals, with the truth behind them when the configuration says so. */
static md_status candidates(const struct roi_heads *heads, struct stream *stream,
                            struct workspace *workspace, struct tensor *boxes,
                            struct tensor *counts, const struct proposals *proposals,
                            const struct targets *targets)
{
    md_status st = MD_OK;
    *boxes = proposals->boxes;
    *counts = proposals->counts;
    if (!heads->config.proposal_append_gt)
        return MD_OK;
    int64_t n = boxes->shape.dims[0];
    int64_t capacity = boxes->shape.dims[1] + targets->boxes.shape.dims[1];
    TRY(workspace_tensor(workspace, boxes, TENSOR_F32, SHAPE(n, capacity, 4)));
    TRY(workspace_tensor(workspace, counts, TENSOR_I32, SHAPE(n)));
    TRY(op_append_boxes(stream, boxes, counts, &proposals->boxes, &proposals->counts,
                        &targets->boxes, &targets->counts));
fail:
    return st;
}

md_status roi_heads_sample(struct roi_heads *heads, struct stream *stream,
                           struct workspace *workspace, struct roi_batch *out,
                           const struct proposals *proposals, const struct targets *targets,
                           const struct step_controls *controls)
{
    md_status st = MD_OK;
    const struct roi_config *c = &heads->config;
    int64_t n = proposals->boxes.shape.dims[0];
    int64_t most =
        proposals->boxes.shape.dims[1] + (c->proposal_append_gt ? targets->boxes.shape.dims[1] : 0);
    int64_t capacity = c->batch_size_per_image < most ? c->batch_size_per_image : most;
    struct match_params match_params = {.low = c->iou_threshold, .high = c->iou_threshold};
    struct sample_params sample_params = {.size = c->batch_size_per_image,
                                          .max_foreground =
                                              (int)(c->batch_size_per_image * c->positive_fraction),
                                          .stream = random_stream(RANDOM_SAMPLE_ROIS, 0),
                                          .image_step = controls->image_step};
    TRY(allocate_batch(workspace, out, n, capacity));

    size_t mark = workspace_mark(workspace);
    struct tensor boxes, counts, match, label, index;
    TRY(candidates(heads, stream, workspace, &boxes, &counts, proposals, targets));
    TRY(workspace_tensor(workspace, &match, TENSOR_I32, SHAPE(n, most)));
    TRY(workspace_tensor(workspace, &label, TENSOR_I32, SHAPE(n, most)));
    TRY(workspace_tensor(workspace, &index, TENSOR_I32, SHAPE(n, capacity)));
    TRY(op_match(stream, &match, &label, &boxes, &counts, &targets->boxes, &targets->counts,
                 &match_params));
    TRY(op_sample(stream, &index, &out->counts, &label, &controls->numbers, &sample_params));
    struct roi_target_inputs in = {.boxes = &boxes,
                                   .index = &index,
                                   .index_counts = &out->counts,
                                   .match = &match,
                                   .gt = &targets->boxes,
                                   .gt_classes = &targets->classes,
                                   .gt_counts = &targets->counts,
                                   .num_classes = c->num_classes};
    TRY(op_roi_targets(stream, &out->rois, &out->classes, &out->targets, &out->rows, &in));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status roi_heads_all(struct stream *stream, struct workspace *workspace, struct roi_batch *out,
                        const struct proposals *proposals)
{
    md_status st = MD_OK;
    const int64_t *d = proposals->boxes.shape.dims;
    *out = (struct roi_batch){0};
    TRY(workspace_tensor(workspace, &out->rois, TENSOR_F32, SHAPE(d[0] * d[1], 5)));
    TRY(workspace_tensor(workspace, &out->rows, TENSOR_I32, SHAPE(1)));
    TRY(op_rois_from_boxes(stream, &out->rois, &out->rows, &proposals->boxes, &proposals->counts));
fail:
    return st;
}

/* ---- box head ----------------------------------------------------------------------------- */

static struct roi_align_params pooler_params(const struct roi_heads *heads)
{
    struct roi_align_params params = {.levels = POOLED_LEVELS,
                                      .min_level = 2,
                                      .sampling_ratio = heads->config.pooler_sampling_ratio,
                                      .canonical_size = 224.0f,
                                      .canonical_level = 4};
    for (int k = 0; k < POOLED_LEVELS; k++)
        params.scales[k] = 1.0f / (float)(4 << k);
    return params;
}

static md_status allocate_scores(const struct roi_heads *heads, struct workspace *workspace,
                                 struct roi_output *out, int64_t capacity)
{
    md_status st = MD_OK;
    TRY(workspace_tensor(workspace, &out->scores, TENSOR_F32,
                         SHAPE(capacity, heads->cls_score.op.value.shape.dims[0])));
    TRY(workspace_tensor(workspace, &out->deltas, TENSOR_F32,
                         SHAPE(capacity, heads->bbox_pred.op.value.shape.dims[0])));
fail:
    return st;
}

/* Pools, runs the hidden layers, and fills in the scores and deltas of `out`. */
static md_status forward_rois(struct roi_heads *heads, struct stream *stream,
                              struct workspace *workspace, struct roi_output *out,
                              const struct tensor *rois, const struct tensor *rows,
                              const struct tensor pyramid[FPN_LEVELS])
{
    md_status st = MD_OK;
    struct roi_align_params params = pooler_params(heads);
    int64_t capacity = rois->shape.dims[0];
    int64_t channels = pyramid[0].shape.dims[3];
    int64_t side = heads->config.pooler_resolution;
    TRY(workspace_activation(workspace, &out->pooled, SHAPE(capacity, side, side, channels)));
    TRY(op_roi_align_forward(stream, &out->pooled, pyramid, rois, rows, &params));
    struct tensor current = tensor_reshape(&out->pooled, SHAPE(capacity, side * side * channels));
    for (int i = 0; i < heads->config.num_fc; i++) {
        TRY(linear_forward(&heads->fc[i], stream, workspace, &out->hidden[i], &current, true,
                           rows));
        current = out->hidden[i];
    }
    TRY(op_linear_forward(stream, &out->scores, &current, &heads->cls_score.op, false, rows));
    TRY(op_linear_forward(stream, &out->deltas, &current, &heads->bbox_pred.op, false, rows));
fail:
    return st;
}

md_status roi_heads_forward(struct roi_heads *heads, struct stream *stream,
                            struct workspace *workspace, struct roi_output *out,
                            const struct roi_batch *batch, const struct tensor pyramid[FPN_LEVELS])
{
    md_status st = allocate_scores(heads, workspace, out, batch->rois.shape.dims[0]);
    if (st < 0)
        return st;
    return forward_rois(heads, stream, workspace, out, &batch->rois, &batch->rows, pyramid);
}

md_status roi_heads_score(struct roi_heads *heads, struct stream *stream,
                          struct workspace *workspace, struct roi_output *out,
                          const struct roi_batch *batch, const struct tensor pyramid[FPN_LEVELS])
{
    md_status st = MD_OK;
    int64_t capacity = batch->rois.shape.dims[0];
    int wanted = stream->device->backend->roi_part;
    int64_t at_once = wanted > 0 ? wanted : ROIS_AT_ONCE;
    struct tensor counts;
    *out = (struct roi_output){0};
    TRY(allocate_scores(heads, workspace, out, capacity));
    size_t mark = workspace_mark(workspace);
    TRY(workspace_tensor(workspace, &counts, TENSOR_I32,
                         SHAPE((capacity + at_once - 1) / at_once)));
    TRY(op_part_rows(stream, &counts, &batch->rows, at_once));
    size_t part_mark = workspace_mark(workspace);
    for (int64_t first = 0; first < capacity; first += at_once) {
        int64_t size = capacity - first < at_once ? capacity - first : at_once;
        struct tensor rois = tensor_rows(&batch->rois, first, size);
        struct tensor rows = tensor_rows(&counts, first / at_once, 1);
        struct roi_output part = {.scores = tensor_rows(&out->scores, first, size),
                                  .deltas = tensor_rows(&out->deltas, first, size)};
        TRY(forward_rois(heads, stream, workspace, &part, &rois, &rows, pyramid));
        workspace_rewind(workspace, part_mark);
    }
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status roi_heads_losses(struct roi_heads *heads, struct stream *stream,
                           struct workspace *workspace, struct roi_losses *out,
                           const struct roi_output *output, const struct roi_batch *batch,
                           const struct tensor *scale, bool gradients)
{
    md_status st = MD_OK;
    const struct roi_config *c = &heads->config;
    struct box_loss_params params = {.kind = (enum box_loss_kind)c->bbox_reg_loss,
                                     .smooth_l1_beta = c->smooth_l1_beta,
                                     .scale = c->bbox_reg_loss_weight,
                                     .num_classes = c->num_classes,
                                     .class_agnostic = c->cls_agnostic_bbox_reg};
    memcpy(params.weights, c->bbox_reg_weights, sizeof params.weights);
    *out = (struct roi_losses){0};
    TRY(workspace_tensor(workspace, &out->cls, TENSOR_F32, SHAPE(1)));
    TRY(workspace_tensor(workspace, &out->box_reg, TENSOR_F32, SHAPE(1)));
    TRY(workspace_tensor(workspace, &out->stats, TENSOR_F32, SHAPE(4)));
    if (gradients) {
        TRY(workspace_activation(workspace, &out->scores_grad, output->scores.shape));
        TRY(workspace_activation(workspace, &out->deltas_grad, output->deltas.shape));
    }
    TRY(op_softmax_loss(stream, &out->cls, gradients ? &out->scores_grad : NULL, &out->stats,
                        &output->scores, &batch->classes, &batch->rows, scale));
    struct box_loss_inputs in = {&output->deltas, &batch->rois, &batch->targets,
                                 &batch->classes, &batch->rows, scale};
    TRY(op_box_loss(stream, &out->box_reg, gradients ? &out->deltas_grad : NULL, &in, &params));
fail:
    return st;
}

md_status roi_heads_backward(struct roi_heads *heads, struct stream *stream,
                             struct workspace *workspace, struct tensor pyramid_grads[FPN_LEVELS],
                             const struct roi_output *output, const struct roi_losses *losses,
                             const struct roi_batch *batch)
{
    md_status st = MD_OK;
    struct roi_align_params params = pooler_params(heads);
    int last = heads->config.num_fc - 1;
    size_t mark = workspace_mark(workspace);
    struct tensor grad, pooled_grad;
    TRY(workspace_activation(workspace, &grad, output->hidden[last].shape));
    TRY(linear_backward(&heads->cls_score, stream, &grad, false, &output->hidden[last],
                        &losses->scores_grad, &batch->rows));
    TRY(linear_backward(&heads->bbox_pred, stream, &grad, true, &output->hidden[last],
                        &losses->deltas_grad, &batch->rows));
    for (int i = last; i > 0; i--) {
        struct tensor below;
        TRY(workspace_activation(workspace, &below, output->hidden[i - 1].shape));
        TRY(op_relu_backward(stream, &grad, &output->hidden[i]));
        TRY(linear_backward(&heads->fc[i], stream, &below, false, &output->hidden[i - 1], &grad,
                            &batch->rows));
        grad = below;
    }
    TRY(op_relu_backward(stream, &grad, &output->hidden[0]));
    TRY(workspace_activation(workspace, &pooled_grad, output->pooled.shape));
    const int64_t *d = output->pooled.shape.dims;
    struct tensor flat = tensor_reshape(&output->pooled, SHAPE(d[0], d[1] * d[2] * d[3]));
    struct tensor flat_grad = tensor_reshape(&pooled_grad, flat.shape);
    TRY(linear_backward(&heads->fc[0], stream, &flat_grad, false, &flat, &grad, &batch->rows));
    TRY(op_roi_align_backward(stream, pyramid_grads, &pooled_grad, &batch->rois, &batch->rows,
                              &params));
    workspace_rewind(workspace, mark);
fail:
    return st;
}

md_status roi_heads_detect(struct roi_heads *heads, struct stream *stream,
                           struct workspace *workspace, struct detections *out,
                           const struct roi_output *output, const struct roi_batch *batch,
                           const struct tensor *image_sizes, const struct detect_options *options)
{
    md_status st = MD_OK;
    const struct roi_config *c = &heads->config;
    int64_t n = image_sizes->shape.dims[0];
    int64_t most = options->max_detections;
    TRY(workspace_tensor(workspace, &out->boxes, TENSOR_F32, SHAPE(n, most, 4)));
    TRY(workspace_tensor(workspace, &out->scores, TENSOR_F32, SHAPE(n, most)));
    TRY(workspace_tensor(workspace, &out->classes, TENSOR_I32, SHAPE(n, most)));
    TRY(workspace_tensor(workspace, &out->counts, TENSOR_I32, SHAPE(n)));

    struct tensor probabilities;
    TRY(workspace_tensor(workspace, &probabilities, TENSOR_F32, output->scores.shape));
    TRY(op_softmax(stream, &probabilities, &output->scores, &batch->rows));
    struct detect_params params = {.score_threshold = options->score_threshold,
                                   .nms_threshold = options->nms_threshold,
                                   .num_classes = c->num_classes,
                                   .class_agnostic = c->cls_agnostic_bbox_reg};
    memcpy(params.weights, c->bbox_reg_weights, sizeof params.weights);
    struct detect_inputs in = {&probabilities, &output->deltas, &batch->rois, &batch->rows,
                               image_sizes};
    TRY(op_detect(stream, &out->boxes, &out->scores, &out->classes, &out->counts, &in, &params));
fail:
    return st;
}
