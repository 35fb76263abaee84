/* losses.c - softmax, and the losses of RPN and box head with their gradients. */
#include <math.h>
#include <string.h>

#include "backend/ref/common.h"
#include "tensor/box_loss.h"

/* The loss of one box; scale times its derivative to grad when that is wanted. */
static double box_loss(enum box_loss_kind kind, float beta, const float deltas[4],
                       const float source[4], const float target[4], const float weights[4],
                       double scale, float *grad)
{
    double derivative[4];
    const double loss =
        box_regression_loss(derivative, (int)kind, (double)beta, deltas, source, target, weights);
    for (int d = 0; d < 4 && grad; d++)
        grad[d] = (float)(scale * derivative[d]);
    return loss;
}

static void clear(struct tensor *t)
{
    if (tensor_given(t) && tensor_count(t) > 0)
        memset(t->data, 0, tensor_bytes(t));
}

/* ---- RPN ---------------------------------------------------------------------------------- */

/* BCE with logits of one anchor; its gradient to *grad when wanted. */
static double binary_cross_entropy(double logit, double label, double scale, float *grad)
{
    const double small = exp(-fabs(logit));
    const double sigmoid = logit >= 0 ? 1 / (1 + small) : small / (1 + small);
    if (grad)
        *grad = (float)(scale * (sigmoid - label));
    return (logit > 0 ? logit : logit < 0 ? 0 : logit) - logit * label + log1p(small);
}

static double anchor_box_loss(const struct rpn_loss_inputs *in,
                              const struct rpn_loss_params *params, int64_t image, int64_t anchor,
                              float *deltas_grad)
{
    const int64_t n = in->match->shape.dims[0], g = in->gt->shape.dims[1];
    const int64_t at = level_slab_index(in->layout, n, image, anchor);
    const int64_t truth = image * g + i32(in->match)[image * in->layout->total + anchor];
    return box_loss(params->kind, params->smooth_l1_beta, f32(in->deltas) + 4 * at,
                    f32(in->anchors) + 4 * anchor, f32(in->gt) + 4 * truth, params->weights,
                    (double)params->box_scale * gradient_scale(in->scale),
                    deltas_grad ? deltas_grad + 4 * at : NULL);
}

md_status ref_rpn_loss(struct stream *stream, struct tensor *loss, struct tensor *logits_grad,
                       struct tensor *deltas_grad, const struct rpn_loss_inputs *in,
                       const struct rpn_loss_params *params)
{
    (void)stream;
    const int64_t n = in->match->shape.dims[0], b = in->index->shape.dims[1];
    float *to_logits = tensor_given(logits_grad) ? f32(logits_grad) : NULL;
    float *to_deltas = tensor_given(deltas_grad) ? f32(deltas_grad) : NULL;
    const double class_scale = (double)params->class_scale * gradient_scale(in->scale);
    double class_sum = 0, box_sum = 0;
    clear(logits_grad);
    clear(deltas_grad);
    for (int64_t image = 0; image < n; image++) {
        const int32_t *counts = i32(in->index_counts) + 2 * image;
        const int64_t foreground = clamp_count(counts[0], b);
        const int64_t sampled = foreground + clamp_count(counts[1], b - foreground);
        for (int64_t i = 0; i < sampled; i++) {
            const int64_t anchor = i32(in->index)[image * b + i];
            const int64_t at = level_slab_index(in->layout, n, image, anchor);
            class_sum += binary_cross_entropy((double)f32(in->logits)[at], i < foreground,
                                              class_scale, to_logits ? to_logits + at : NULL);
            if (i < foreground)
                box_sum += anchor_box_loss(in, params, image, anchor, to_deltas);
        }
    }
    f32(loss)[0] = (float)(class_sum * (double)params->class_scale);
    f32(loss)[1] = (float)(box_sum * (double)params->box_scale);
    return MD_OK;
}

/* ---- classes ------------------------------------------------------------------------------ */

/* log sum exp(in), from the maximum at *best (the first one). */
static double log_sum_exp(const float *in, int64_t k, int64_t *best)
{
    *best = 0;
    for (int64_t i = 1; i < k; i++)
        if (in[i] > in[*best])
            *best = i;
    double sum = 0;
    for (int64_t i = 0; i < k; i++)
        sum += exp((double)in[i] - (double)in[*best]);
    return (double)in[*best] + log(sum);
}

md_status ref_softmax(struct stream *stream, struct tensor *out, const struct tensor *in,
                      const struct tensor *rows)
{
    (void)stream;
    const int64_t cap = in->shape.dims[0], k = in->shape.dims[1];
    const int64_t computed = row_count(rows, cap);
    for (int64_t row = 0; row < cap && k > 0; row++) {
        int64_t best;
        const double total = log_sum_exp(f32(in) + row * k, k, &best);
        for (int64_t i = 0; i < k; i++)
            f32(out)[row * k + i] =
                row < computed ? (float)exp((double)f32(in)[row * k + i] - total) : 0;
    }
    return MD_OK;
}

/* Counts of a batch: see stats in ops.h. */
static void count_row(float stats[4], int64_t predicted, int64_t wanted, int64_t background)
{
    stats[0] += predicted == wanted;
    if (wanted != background) {
        stats[1] += 1;
        stats[2] += predicted == wanted;
        stats[3] += predicted == background;
    }
}

md_status ref_softmax_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                           struct tensor *stats, const struct tensor *logits,
                           const struct tensor *classes, const struct tensor *rows,
                           const struct tensor *scale)
{
    (void)stream;
    const int64_t cap = logits->shape.dims[0], k = logits->shape.dims[1];
    const int64_t computed = row_count(rows, cap);
    const double share = gradient_scale(scale) / (double)(computed > 0 ? computed : 1);
    double sum = 0;
    clear(grad);
    clear(stats);
    for (int64_t row = 0; row < computed; row++) {
        const float *in = f32(logits) + row * k;
        const int64_t wanted = i32(classes)[row];
        int64_t best;
        if (wanted < 0 || wanted >= k)
            continue;
        const double total = log_sum_exp(in, k, &best);
        sum += total - (double)in[wanted];
        count_row(f32(stats), best, wanted, k - 1);
        for (int64_t i = 0; i < k && tensor_given(grad); i++)
            f32(grad)[row * k + i] = (float)((exp((double)in[i] - total) - (i == wanted)) * share);
    }
    f32(loss)[0] = computed > 0 ? (float)(sum / (double)computed) : 0;
    return MD_OK;
}

/* ---- boxes -------------------------------------------------------------------------------- */

md_status ref_box_loss(struct stream *stream, struct tensor *loss, struct tensor *grad,
                       const struct box_loss_inputs *in, const struct box_loss_params *params)
{
    (void)stream;
    const int64_t columns = in->deltas->shape.dims[1];
    const int64_t computed = row_count(in->rows, in->deltas->shape.dims[0]);
    const double scale = (double)params->scale / (double)(computed > 0 ? computed : 1);
    double sum = 0;
    clear(grad);
    for (int64_t row = 0; row < computed; row++) {
        const int32_t class = i32(in->classes)[row];
        if (class < 0 || class >= params->num_classes)
            continue;
        const int64_t at = row * columns + (params->class_agnostic ? 0 : 4 * (int64_t) class);
        sum +=
            box_loss(params->kind, params->smooth_l1_beta, f32(in->deltas) + at,
                     f32(in->rois) + 5 * row + 1, f32(in->targets) + 4 * row, params->weights,
                     scale * gradient_scale(in->scale), tensor_given(grad) ? f32(grad) + at : NULL);
    }
    f32(loss)[0] = (float)(sum * scale);
    return MD_OK;
}
