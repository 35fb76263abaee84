/* sgd.c - the optimiser's step and what is asked of gradients, over whole slabs. */
#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"
#include "backend/ref/common.h"
#include "core/error.h"

enum { GRAIN = 1 << 15, PIECE = 1 << 16 };

struct step {
    float *value, *momentum;
    const float *grad;
    const struct sgd_params *params;
    float lr;
};

static void step_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct step *s = arg;
    const struct sgd_params p = *s->params;
    float *restrict value = s->value, *restrict momentum = s->momentum;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        float g = s->grad[i] + p.weight_decay * value[i];
        float v = p.first ? g : p.momentum * momentum[i] + g;
        momentum[i] = v;
        value[i] -= s->lr * (p.nesterov ? g + p.momentum * v : v);
    }
}

md_status cpu_sgd_step(struct stream *stream, struct tensor *value, struct tensor *momentum,
                       const struct tensor *grad, const struct tensor *step,
                       const struct tensor *apply, const struct sgd_params *params)
{
    const struct step s = {value->data, momentum->data, grad->data, params,
                           step_numbers(step).lr * params->lr_factor};
    if (applies(apply))
        parallel(stream->device, tensor_count(value), GRAIN, step_piece, &s);
    return MD_OK;
}

md_status cpu_average(struct stream *stream, struct tensor *average, const struct tensor *in,
                      const struct tensor *step, const struct tensor *apply)
{
    const struct step_numbers numbers = step_numbers(step);
    if (!applies(apply))
        return MD_OK;
    return cpu_blend(stream, average, numbers.average_kept, in, numbers.average_added);
}

struct reduction {
    const float *values;
    int64_t count;
    double order;
    double *sums; /* [pieces] */
};

enum { LANES = 8 }; /* sums side by side, so that additions need not wait for each other */

static void sum_squares(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct reduction *r = arg;
    (void)thread;
    for (int64_t piece = first; piece < last; piece++) {
        int64_t from = piece * PIECE;
        int64_t to = from + PIECE < r->count ? from + PIECE : r->count;
        double lanes[LANES] = {0};
        int64_t i = from;
        for (; i + LANES <= to; i += LANES)
            for (int lane = 0; lane < LANES; lane++)
                lanes[lane] += (double)r->values[i + lane] * (double)r->values[i + lane];
        for (; i < to; i++)
            lanes[0] += (double)r->values[i] * (double)r->values[i];
        r->sums[piece] = 0;
        for (int lane = 0; lane < LANES; lane++)
            r->sums[piece] += lanes[lane];
    }
}

static void sum_powers(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct reduction *r = arg;
    (void)thread;
    for (int64_t piece = first; piece < last; piece++) {
        int64_t from = piece * PIECE;
        int64_t to = from + PIECE < r->count ? from + PIECE : r->count;
        r->sums[piece] = 0;
        for (int64_t i = from; i < to; i++) {
            double size = fabs((double)r->values[i]);
            if (isinf(r->order))
                r->sums[piece] = fmax(r->sums[piece], size);
            else
                r->sums[piece] += pow(size, r->order);
        }
    }
}

/* Of |x|^order, the largest |x| for inf. Pieces of fixed size, added in order: the same bits on any
 * number of threads. */
static md_status sum(double *out, struct stream *stream, const struct tensor *in, double order)
{
    md_status st = MD_OK;
    int64_t pieces = (tensor_count(in) + PIECE - 1) / PIECE;
    void *sums = NULL;
    TRY(stream_scratch(stream, &sums, (size_t)(pieces + 1) * sizeof(double)));
    const struct reduction reduction = {in->data, tensor_count(in), order, sums};
    parallel(stream->device, pieces, 1, order == 2 ? sum_squares : sum_powers, &reduction);
    *out = 0;
    for (int64_t i = 0; i < pieces; i++)
        *out = isinf(order) ? fmax(*out, reduction.sums[i]) : *out + reduction.sums[i];
fail:
    return st;
}

md_status cpu_sum_squares(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    double total = 0;
    md_status st = sum(&total, stream, in, 2);
    if (st == MD_OK)
        *(float *)out->data = (float)total;
    return st;
}

/* The square of a finite float is finite in double, and so is the sum of fewer than 2^700. */
md_status cpu_all_finite(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    double total = 0;
    md_status st = sum(&total, stream, in, 2);
    if (st == MD_OK)
        *(int32_t *)out->data = isfinite(total) ? 1 : 0;
    return st;
}

md_status cpu_unscale(struct stream *stream, struct tensor *grad, const struct tensor *scale)
{
    return cpu_scale(stream, grad, 1 / *(const float *)scale->data); /* a power of two: exact */
}

/* ---- clipping ----------------------------------------------------------------------------- */

struct clip {
    float *grad;
    float limit;
};

static void clip_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct clip c = *(const struct clip *)arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        c.grad[i] = c.grad[i] > c.limit ? c.limit : c.grad[i] < -c.limit ? -c.limit : c.grad[i];
}

md_status cpu_clip_value(struct stream *stream, struct tensor *grad, float limit)
{
    const struct clip clip = {grad->data, limit};
    parallel(stream->device, tensor_count(grad), GRAIN, clip_piece, &clip);
    return MD_OK;
}

md_status cpu_clip_norm(struct stream *stream, struct tensor *grad, float limit, float order)
{
    double total = 0;
    md_status st = sum(&total, stream, grad, (double)order);
    if (st < 0)
        return st;
    double norm = isinf(order) ? total : order == 2 ? sqrt(total) : pow(total, 1 / (double)order);
    double factor = (double)limit / (norm + 1e-6);
    return factor < 1 ? cpu_scale(stream, grad, (float)factor) : MD_OK;
}
