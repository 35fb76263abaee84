/* detect.c - probabilities and deltas to the best detections of each image. */
#include <string.h>

#include "backend/ref/common.h"
#include "core/error.h"
#include "tensor/box_math.h"

/* One call's sizes and scratch. A candidate is row * k + class. */
struct detecting {
    const struct detect_inputs *in;
    const struct detect_params *params;
    int64_t k, columns;  /* classes; boxes of a row: k, or 1 for all classes */
    float *boxes;        /* [cap*columns,4] decoded, clipped */
    int32_t *candidates; /* [cap*k] */
    int32_t *kept;       /* [d] */
};

static float score_of(const struct detecting *d, int32_t candidate)
{
    return f32(d->in->probabilities)[candidate / d->k * (d->k + 1) + candidate % d->k];
}

static const float *box_of(const struct detecting *d, int32_t candidate)
{
    return d->boxes + 4 * (d->columns == 1 ? candidate / d->k : candidate);
}

static bool candidate_before(const void *context, int32_t a, int32_t b)
{
    const struct detecting *d = context;
    return score_before(score_of(d, a), a, score_of(d, b), b);
}

/* Decodes all boxes of a row; false when any number of the row is not finite. */
static bool decode_row(const struct detecting *d, int64_t row, const int32_t size[2])
{
    for (int64_t i = 0; i <= d->k; i++)
        if (!isfinite(f32(d->in->probabilities)[row * (d->k + 1) + i]))
            return false;
    for (int64_t i = 0; i < d->columns; i++) {
        float *box = d->boxes + 4 * (row * d->columns + i);
        box_decode(box, f32(d->in->rois) + 5 * row + 1,
                   f32(d->in->deltas) + 4 * (row * d->columns + i), d->params->weights);
        if (!box_is_finite(box))
            return false;
        box_clip(box, size);
    }
    return true;
}

/* All candidates of an image, the best first; their number. */
static int64_t collect(struct detecting *d, int64_t image, int64_t rows)
{
    struct selection all = {d->candidates, 0, rows * d->k, candidate_before, d};
    for (int64_t row = 0; row < rows; row++) {
        if (f32(d->in->rois)[5 * row] != (float)image ||
            !decode_row(d, row, i32(d->in->image_sizes) + 2 * image))
            continue;
        for (int64_t class = 0; class < d->k; class ++)
            if (score_of(d, (int32_t)(row * d->k + class)) > d->params->score_threshold)
                selection_offer(&all, (int32_t)(row * d->k + class));
    }
    selection_sort(&all);
    return all.count;
}

/* Greedy suppression within each class, over all classes at once in descending order of score: a
 * candidate's fate depends on kept ones before it only, so it may stop at the `limit` best. */
static int64_t suppress(struct detecting *d, int64_t count, int64_t limit)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count && kept < limit; i++) {
        const int32_t candidate = d->candidates[i];
        bool keep = true;
        for (int64_t j = 0; j < kept && keep; j++)
            keep = d->kept[j] % d->k != candidate % d->k ||
                   !(box_iou_nms(box_of(d, d->kept[j]), box_of(d, candidate)) >
                     d->params->nms_threshold);
        if (keep)
            d->kept[kept++] = candidate;
    }
    return kept;
}

static md_status take_scratch(struct stream *stream, struct detecting *d, int64_t limit)
{
    md_status st = MD_OK;
    const int64_t cap = d->in->rois->shape.dims[0];
    const size_t box_bytes = (size_t)(cap * d->columns) * 4 * sizeof(float);
    const size_t items = (size_t)(cap * d->k + limit);
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, box_bytes + items * sizeof(int32_t)));
    d->boxes = scratch;
    d->candidates = (int32_t *)(void *)((char *)scratch + box_bytes);
    d->kept = d->candidates + cap * d->k;
fail:
    return st;
}

md_status ref_detect(struct stream *stream, struct tensor *boxes, struct tensor *scores,
                     struct tensor *classes, struct tensor *counts, const struct detect_inputs *in,
                     const struct detect_params *params)
{
    md_status st = MD_OK;
    const int64_t n = boxes->shape.dims[0], limit = boxes->shape.dims[1];
    const int64_t rows = row_count(in->rows, in->rois->shape.dims[0]);
    struct detecting d = {.in = in,
                          .params = params,
                          .k = params->num_classes,
                          .columns = params->class_agnostic ? 1 : params->num_classes};
    TRY(take_scratch(stream, &d, limit));
    for (int64_t image = 0; image < n; image++) {
        const int64_t kept = suppress(&d, collect(&d, image, rows), limit);
        for (int64_t i = 0; i < limit; i++) {
            const int64_t to = image * limit + i;
            const float nowhere[4] = {0};
            memcpy(f32(boxes) + 4 * to, i < kept ? box_of(&d, d.kept[i]) : nowhere, sizeof nowhere);
            f32(scores)[to] = i < kept ? score_of(&d, d.kept[i]) : 0;
            i32(classes)[to] = i < kept ? (int32_t)(d.kept[i] % d.k) : -1;
        }
        i32(counts)[image] = (int32_t)kept;
    }
fail:
    return st;
}
