/* ops_detection.c - front doors of images, anchors, proposals, targets, RoIAlign and detections. */
#include "core/error.h"
#include "tensor/checks.h"

/* ---- image, anchors and proposals --------------------------------------------------------- */

md_status op_images_to_tensor(struct stream *stream, struct tensor *out,
                              const struct tensor *pixels, const struct tensor *from_sizes,
                              const struct tensor *sizes, const struct image_params *params)
{
    md_status st = MD_OK;
    const int64_t n = out->shape.dims[0];
    const float *std = params->std;
    TRY(EXPECT_ACTIVATION(out, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, 3));
    TRY(EXPECT(pixels, TENSOR_U8, n, SHAPE_ANY));
    TRY(EXPECT(from_sizes, TENSOR_I32, n, 2));
    TRY(EXPECT(sizes, TENSOR_I32, n, 2));
    TRY(REQUIRE(std[0] > 0 && std[1] > 0 && std[2] > 0));
    if (!stream->measuring)
        TRY(ENTRY(stream)->images_to_tensor(stream, out, pixels, from_sizes, sizes, params));
fail:
    return st;
}

md_status op_anchors(struct stream *stream, struct tensor *out, const struct anchor_params *params)
{
    md_status st = MD_OK;
    const int cells = params->cell_count;
    const int64_t places = (int64_t)params->height * params->width;
    TRY(REQUIRE(cells >= 0 && cells <= OPS_MAX_CELLS));
    TRY(REQUIRE(params->height >= 0 && params->width >= 0));
    TRY(EXPECT(out, TENSOR_F32, places * cells, 4));
    if (!stream->measuring)
        TRY(ENTRY(stream)->anchors(stream, out, params));
fail:
    return st;
}

/* Levels one after the other, each of a size that an index can hold. */
static md_status check_layout(const char *op, const struct level_layout *layout)
{
    md_status st = MD_OK;
    int64_t total = 0;
    TRY(check_that(op, layout->levels >= 1 && layout->levels <= OPS_MAX_LEVELS, "1..5 levels"));
    for (int level = 0; level < layout->levels; level++) {
        TRY(check_that(op, layout->count[level] >= 0 && layout->count[level] <= INT32_MAX,
                       "a level has 0 to 2^31 - 1 anchors"));
        TRY(check_that(op, layout->first[level] == total, "levels follow each other"));
        total += layout->count[level];
    }
    TRY(check_that(op, layout->total == total, "the total is that of the levels"));
fail:
    return st;
}

md_status op_topk(struct stream *stream, struct tensor *index, struct tensor *value,
                  struct tensor *count, const struct tensor *values,
                  const struct level_layout *layout)
{
    md_status st = MD_OK;
    TRY(check_layout(__func__, layout));
    const int64_t segments = count->shape.dims[0], k = index->shape.dims[1];
    TRY(REQUIRE(segments % layout->levels == 0));
    TRY(EXPECT(values, TENSOR_F32, segments / layout->levels * layout->total));
    TRY(EXPECT(index, TENSOR_I32, segments, SHAPE_ANY));
    TRY(EXPECT(value, TENSOR_F32, segments, k));
    TRY(EXPECT(count, TENSOR_I32, segments));
    if (!stream->measuring)
        TRY(ENTRY(stream)->topk(stream, index, value, count, values, layout));
fail:
    return st;
}

static md_status check_anchors(const char *op, const struct decode_inputs *in)
{
    md_status st = MD_OK;
    TRY(check_layout(op, in->layout));
    for (int level = 0; level < in->layout->levels; level++) {
        const struct anchor_params *a = &in->anchors[level];
        TRY(check_that(op, a->cell_count >= 0 && a->cell_count <= OPS_MAX_CELLS, "0..64 cells"));
        TRY(check_that(op, a->height >= 0 && a->width >= 0, "height, width >= 0"));
        TRY(check_that(op,
                       (int64_t)a->height * a->width * a->cell_count == in->layout->count[level],
                       "the anchors are those of the layout"));
    }
fail:
    return st;
}

md_status op_rpn_decode(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                        struct tensor *counts, const struct decode_inputs *in,
                        const struct decode_params *params)
{
    md_status st = MD_OK;
    TRY(check_anchors(__func__, in));
    const int64_t n = in->image_sizes->shape.dims[0], segments = n * in->layout->levels;
    const int64_t k = in->index->shape.dims[1], cap = boxes->shape.dims[1];
    TRY(EXPECT(in->image_sizes, TENSOR_I32, SHAPE_ANY, 2));
    TRY(EXPECT(in->deltas, TENSOR_F32, n * in->layout->total, 4));
    TRY(EXPECT(in->index, TENSOR_I32, segments, SHAPE_ANY));
    TRY(EXPECT(in->value, TENSOR_F32, segments, k));
    TRY(EXPECT(in->index_count, TENSOR_I32, segments));
    TRY(EXPECT(boxes, TENSOR_F32, segments, SHAPE_ANY, 4));
    TRY(EXPECT(scores, TENSOR_F32, segments, cap));
    TRY(EXPECT(counts, TENSOR_I32, segments));
    TRY(REQUIRE(k <= cap));
    if (!stream->measuring)
        TRY(ENTRY(stream)->rpn_decode(stream, boxes, scores, counts, in, params));
fail:
    return st;
}

md_status op_nms(struct stream *stream, struct tensor *keep, struct tensor *keep_count,
                 const struct tensor *boxes, const struct tensor *counts, float threshold,
                 int max_keep)
{
    md_status st = MD_OK;
    const int64_t segments = boxes->shape.dims[0];
    TRY(EXPECT(boxes, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(counts, TENSOR_I32, segments));
    TRY(EXPECT(keep, TENSOR_I32, segments, boxes->shape.dims[1]));
    TRY(EXPECT(keep_count, TENSOR_I32, segments));
    TRY(REQUIRE(max_keep >= 0));
    if (!stream->measuring)
        TRY(ENTRY(stream)->nms(stream, keep, keep_count, boxes, counts, threshold, max_keep));
fail:
    return st;
}

md_status op_merge_proposals(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                             struct tensor *counts, const struct merge_inputs *in)
{
    md_status st = MD_OK;
    const int64_t n = boxes->shape.dims[0], post = boxes->shape.dims[1];
    const int64_t segments = n * in->levels, cap = in->boxes->shape.dims[1];
    TRY(REQUIRE(in->levels >= 1 && in->levels <= OPS_MAX_LEVELS));
    TRY(EXPECT(boxes, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(scores, TENSOR_F32, n, post));
    TRY(EXPECT(counts, TENSOR_I32, n));
    TRY(EXPECT(in->boxes, TENSOR_F32, segments, SHAPE_ANY, 4));
    TRY(EXPECT(in->scores, TENSOR_F32, segments, cap));
    TRY(EXPECT(in->keep, TENSOR_I32, segments, cap));
    TRY(EXPECT(in->keep_count, TENSOR_I32, segments));
    TRY(REQUIRE(cap <= INT32_MAX / OPS_MAX_LEVELS));
    if (!stream->measuring)
        TRY(ENTRY(stream)->merge_proposals(stream, boxes, scores, counts, in));
fail:
    return st;
}

/* ---- targets ------------------------------------------------------------------------------ */

md_status op_match(struct stream *stream, struct tensor *match, struct tensor *label,
                   const struct tensor *boxes, const struct tensor *counts, const struct tensor *gt,
                   const struct tensor *gt_counts, const struct match_params *params)
{
    md_status st = MD_OK;
    const int64_t n = gt->shape.dims[0];
    const bool shared = boxes->shape.rank == 2; /* the same boxes for all images */
    const int64_t m = boxes->shape.dims[shared ? 0 : 1];
    TRY(EXPECT(gt, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(gt_counts, TENSOR_I32, n));
    if (shared)
        TRY(EXPECT(boxes, TENSOR_F32, SHAPE_ANY, 4));
    else
        TRY(EXPECT(boxes, TENSOR_F32, n, SHAPE_ANY, 4));
    TRY(OPTIONAL(counts, TENSOR_I32, n));
    TRY(REQUIRE(!shared || !tensor_given(counts)));
    TRY(EXPECT(match, TENSOR_I32, n, m));
    TRY(EXPECT(label, TENSOR_I32, n, m));
    if (!stream->measuring)
        TRY(ENTRY(stream)->match(stream, match, label, boxes, counts, gt, gt_counts, params));
fail:
    return st;
}

md_status op_sample(struct stream *stream, struct tensor *index, struct tensor *counts,
                    const struct tensor *label, const struct tensor *step,
                    const struct sample_params *params)
{
    md_status st = MD_OK;
    const int64_t n = label->shape.dims[0], m = label->shape.dims[1];
    TRY(EXPECT(label, TENSOR_I32, SHAPE_ANY, SHAPE_ANY));
    TRY(EXPECT(index, TENSOR_I32, n, SHAPE_ANY));
    TRY(EXPECT(counts, TENSOR_I32, n, 2));
    TRY(EXPECT(step, TENSOR_I32, STEP_WORDS));
    TRY(REQUIRE(params->image_step >= 1));
    TRY(REQUIRE(m <= INT32_MAX));
    TRY(REQUIRE(params->max_foreground >= 0 && params->max_foreground <= params->size));
    TRY(REQUIRE(index->shape.dims[1] >= params->size || index->shape.dims[1] >= m));
    if (!stream->measuring)
        TRY(ENTRY(stream)->sample(stream, index, counts, label, step, params));
fail:
    return st;
}

md_status op_append_boxes(struct stream *stream, struct tensor *out, struct tensor *out_counts,
                          const struct tensor *a, const struct tensor *a_counts,
                          const struct tensor *b, const struct tensor *b_counts)
{
    md_status st = MD_OK;
    const int64_t n = a->shape.dims[0], p = a->shape.dims[1], g = b->shape.dims[1];
    TRY(EXPECT(a, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(a_counts, TENSOR_I32, n));
    TRY(EXPECT(b, TENSOR_F32, n, SHAPE_ANY, 4));
    TRY(EXPECT(b_counts, TENSOR_I32, n));
    TRY(EXPECT(out, TENSOR_F32, n, p + g, 4));
    TRY(EXPECT(out_counts, TENSOR_I32, n));
    if (!stream->measuring)
        TRY(ENTRY(stream)->append_boxes(stream, out, out_counts, a, a_counts, b, b_counts));
fail:
    return st;
}

md_status op_rois_from_boxes(struct stream *stream, struct tensor *rois, struct tensor *rows,
                             const struct tensor *boxes, const struct tensor *counts)
{
    md_status st = MD_OK;
    const int64_t n = boxes->shape.dims[0], p = boxes->shape.dims[1];
    TRY(EXPECT(boxes, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(counts, TENSOR_I32, n));
    TRY(EXPECT(rois, TENSOR_F32, n * p, 5));
    TRY(EXPECT(rows, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->rois_from_boxes(stream, rois, rows, boxes, counts));
fail:
    return st;
}

md_status op_part_rows(struct stream *stream, struct tensor *counts, const struct tensor *rows,
                       int64_t size)
{
    md_status st = MD_OK;
    TRY(EXPECT(counts, TENSOR_I32, SHAPE_ANY));
    TRY(EXPECT(rows, TENSOR_I32, 1));
    TRY(REQUIRE(size > 0 && size <= INT32_MAX));
    if (!stream->measuring)
        TRY(ENTRY(stream)->part_rows(stream, counts, rows, size));
fail:
    return st;
}

md_status op_roi_targets(struct stream *stream, struct tensor *rois, struct tensor *classes,
                         struct tensor *targets, struct tensor *rows,
                         const struct roi_target_inputs *in)
{
    md_status st = MD_OK;
    const int64_t n = in->boxes->shape.dims[0], q = in->boxes->shape.dims[1];
    const int64_t b = in->index->shape.dims[1], g = in->gt->shape.dims[1];
    TRY(EXPECT(in->boxes, TENSOR_F32, SHAPE_ANY, SHAPE_ANY, 4));
    TRY(EXPECT(in->index, TENSOR_I32, n, SHAPE_ANY));
    TRY(EXPECT(in->index_counts, TENSOR_I32, n, 2));
    TRY(EXPECT(in->match, TENSOR_I32, n, q));
    TRY(EXPECT(in->gt, TENSOR_F32, n, SHAPE_ANY, 4));
    TRY(EXPECT(in->gt_classes, TENSOR_I32, n, g));
    TRY(EXPECT(in->gt_counts, TENSOR_I32, n));
    TRY(EXPECT(rois, TENSOR_F32, n * b, 5));
    TRY(EXPECT(classes, TENSOR_I32, n * b));
    TRY(EXPECT(targets, TENSOR_F32, n * b, 4));
    TRY(EXPECT(rows, TENSOR_I32, 1));
    if (!stream->measuring)
        TRY(ENTRY(stream)->roi_targets(stream, rois, classes, targets, rows, in));
fail:
    return st;
}

/* ---- RoIAlign ----------------------------------------------------------------------------- */

/* `maps` are the features or their gradients, `pooled` what comes out of them or into them. */
static md_status check_roi_align(const struct stream *stream, const char *op,
                                 const struct tensor *maps, const struct tensor *pooled,
                                 const struct tensor *rois, const struct tensor *rows,
                                 const struct roi_align_params *params)
{
    md_status st = MD_OK;
    const enum tensor_type f32 = TENSOR_F32;
    const int64_t p = pooled->shape.dims[1];
    TRY(check_that(op, params->levels >= 1 && params->levels <= OPS_MAX_LEVELS, "1..5 levels"));
    TRY(check_that(op, params->sampling_ratio >= 0 && params->canonical_size > 0,
                   "sampling_ratio >= 0, canonical_size > 0"));
    TRY(check_activation(stream, op, "features[0]", maps,
                         SHAPE(SHAPE_ANY, SHAPE_ANY, SHAPE_ANY, SHAPE_ANY)));
    const int64_t n = maps->shape.dims[0], c = maps->shape.dims[3];
    for (int level = 1; level < params->levels; level++)
        TRY(check_tensor(stream, op, "features[i]", &maps[level], maps->type,
                         SHAPE(n, SHAPE_ANY, SHAPE_ANY, c)));
    TRY(check_tensor(stream, op, "rois", rois, f32, SHAPE(SHAPE_ANY, 5)));
    TRY(check_tensor(stream, op, "out", pooled, maps->type, SHAPE(rois->shape.dims[0], p, p, c)));
    TRY(check_optional(stream, op, "rows", rows, TENSOR_I32, SHAPE(1)));
fail:
    return st;
}

md_status op_roi_align_forward(struct stream *stream, struct tensor *out,
                               const struct tensor *features, const struct tensor *rois,
                               const struct tensor *rows, const struct roi_align_params *params)
{
    md_status st = MD_OK;
    TRY(check_roi_align(stream, __func__, features, out, rois, rows, params));
    if (!stream->measuring)
        TRY(ENTRY(stream)->roi_align_forward(stream, out, features, rois, rows, params));
fail:
    return st;
}

md_status op_roi_align_backward(struct stream *stream, struct tensor *feature_grads,
                                const struct tensor *out_grad, const struct tensor *rois,
                                const struct tensor *rows, const struct roi_align_params *params)
{
    md_status st = MD_OK;
    TRY(check_roi_align(stream, __func__, feature_grads, out_grad, rois, rows, params));
    if (!stream->measuring)
        TRY(ENTRY(stream)->roi_align_backward(stream, feature_grads, out_grad, rois, rows, params));
fail:
    return st;
}

/* ---- detections --------------------------------------------------------------------------- */

md_status op_detect(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                    struct tensor *classes, struct tensor *counts, const struct detect_inputs *in,
                    const struct detect_params *params)
{
    md_status st = MD_OK;
    const int64_t n = in->image_sizes->shape.dims[0], d = boxes->shape.dims[1];
    const int64_t cap = in->rois->shape.dims[0], k = params->num_classes;
    TRY(REQUIRE(params->num_classes >= 1));
    TRY(EXPECT(in->rois, TENSOR_F32, SHAPE_ANY, 5));
    TRY(REQUIRE(cap <= INT32_MAX / params->num_classes));
    TRY(EXPECT(in->probabilities, TENSOR_F32, cap, k + 1));
    TRY(EXPECT(in->deltas, TENSOR_F32, cap, params->class_agnostic ? 4 : 4 * k));
    TRY(OPTIONAL(in->rows, TENSOR_I32, 1));
    TRY(EXPECT(in->image_sizes, TENSOR_I32, SHAPE_ANY, 2));
    TRY(EXPECT(boxes, TENSOR_F32, n, SHAPE_ANY, 4));
    TRY(EXPECT(scores, TENSOR_F32, n, d));
    TRY(EXPECT(classes, TENSOR_I32, n, d));
    TRY(EXPECT(counts, TENSOR_I32, n));
    if (!stream->measuring)
        TRY(ENTRY(stream)->detect(stream, boxes, scores, classes, counts, in, params));
fail:
    return st;
}
