/* norm.c - group norm and batch norm on threads: partial sums by stretches of pixels, one combination,
 * one pass that writes.
 *
 * A stretch is small enough to stay in the cache for its second pass, and sums up each channel by
 * itself in float; the stretches are combined in double in their order, so that nothing depends on the
 * number of threads. Deviations from each stretch's own mean make the variance as exact as two passes
 * over all would. */
#include <math.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"
#include "backend/ref/common.h"
#include "core/error.h"

enum { STRETCH_FLOATS = 1 << 14, STRETCH_PIXELS = 256 };

/* A tensor as [instances, pixels, channels] whose sets are groups of channels of an instance: a batch
 * norm has one instance, and a group for each channel. */
struct job {
    const struct norm *norm;
    const float *in, *other; /* other: the residual, or the gradient of the result */
    float *out, *stats, *weight_grad, *bias_grad;
    int64_t instances, pixels, channels, groups, width;
    int64_t stretches, step; /* of an instance; pixels of one */
    float *sums;             /* [instances * stretches, 2, channels] */
    float *factors;          /* [instances, 3, channels], what the last pass needs */
    bool relu;
};

static md_status open_job(struct job *job, struct stream *stream, const struct norm *norm,
                          const struct tensor *in)
{
    md_status st = MD_OK;
    const int64_t *d = in->shape.dims;
    void *scratch = NULL;
    *job = (struct job){.norm = norm,
                        .in = in->data,
                        .instances = d[0],
                        .pixels = d[1] * d[2],
                        .channels = d[3],
                        .groups = norm->groups};
    if (norm->groups == 0) {
        job->pixels *= job->instances;
        job->instances = 1;
        job->groups = job->channels;
    }
    job->width = job->channels / job->groups;
    job->step = STRETCH_FLOATS / job->channels;
    job->step = job->step < 1 ? 1 : job->step > STRETCH_PIXELS ? STRETCH_PIXELS : job->step;
    job->stretches = (job->pixels + job->step - 1) / job->step;
    const int64_t sums = job->instances * job->stretches * 2 * job->channels;
    const int64_t factors = job->instances * 3 * job->channels;
    TRY(stream_scratch(stream, &scratch, (size_t)(sums + factors) * sizeof(float)));
    job->sums = scratch;
    job->factors = job->sums + sums;
fail:
    return st;
}

/* The pixels of stretch i of all instances' stretches. */
struct stretch {
    int64_t instance, offset, count; /* of its first value; pixels */
    float *sums;                     /* [2, channels] */
};

static struct stretch stretch_at(const struct job *job, int64_t i)
{
    const int64_t instance = i / job->stretches, first = i % job->stretches * job->step;
    const int64_t left = job->pixels - first;
    return (struct stretch){.instance = instance,
                            .offset = (instance * job->pixels + first) * job->channels,
                            .count = left < job->step ? left : job->step,
                            .sums = job->sums + i * 2 * job->channels};
}

static int64_t stretch_count(const struct job *job, int64_t i)
{
    return stretch_at(job, i).count;
}

static float *factors_of(const struct job *job, int64_t instance, int which)
{
    return job->factors + (instance * 3 + which) * job->channels;
}

/* ---- forward ------------------------------------------------------------------------------ */

/* Of each channel of a stretch the sum, and the sum of the squared differences from their mean. */
static void sum_stretches(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t c = job->channels;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const struct stretch s = stretch_at(job, i);
        const float *x = job->in + s.offset;
        float *restrict sum = s.sums, *restrict squares = s.sums + c;
        const float share = 1.0f / (float)s.count;
        memset(sum, 0, (size_t)(2 * c) * sizeof *sum);
        for (int64_t r = 0; r < s.count; r++)
            for (int64_t k = 0; k < c; k++)
                sum[k] += x[r * c + k];
        for (int64_t r = 0; r < s.count; r++)
            for (int64_t k = 0; k < c; k++) {
                const float difference = x[r * c + k] - sum[k] * share;
                squares[k] += difference * difference;
            }
    }
}

/* Mean and variance of a set, over its channels and stretches. */
static void combine(const struct job *job, int64_t set, double *mean, double *variance)
{
    const int64_t first = set / job->groups * job->stretches, c = job->channels;
    const int64_t from = set % job->groups * job->width;
    const double count = (double)(job->pixels * job->width);
    double sum = 0, squares = 0;
    for (int64_t i = first; i < first + job->stretches; i++)
        for (int64_t k = from; k < from + job->width; k++)
            sum += (double)job->sums[2 * i * c + k];
    *mean = sum / count;
    for (int64_t i = first; i < first + job->stretches; i++) {
        const float pixels = (float)stretch_count(job, i), share = 1.0f / pixels;
        for (int64_t k = from; k < from + job->width; k++) {
            const double own = (double)(job->sums[2 * i * c + k] * share);
            squares += (double)job->sums[(2 * i + 1) * c + k] +
                       (double)pixels * (own - *mean) * (own - *mean);
        }
    }
    *variance = squares / count;
}

static void move_towards(const struct tensor *running, int64_t channel, double value)
{
    float *at = f32(running) + channel;
    *at = (float)((1 - (double)NORM_MOMENTUM) * (double)*at + (double)NORM_MOMENTUM * value);
}

static void keep_statistics(const struct job *job, int64_t set, double mean, double variance)
{
    const double count = (double)(job->pixels * job->width);
    job->stats[2 * set] = (float)mean;
    job->stats[2 * set + 1] = (float)(1 / sqrt(variance + (double)NORM_EPSILON));
    if (job->norm->groups > 0)
        return;
    move_towards(&job->norm->running_mean, set, mean);
    move_towards(&job->norm->running_var, set,
                 count > 1 ? variance * count / (count - 1) : variance);
}

/* Statistics of the sets, found or the running ones, and with them what each channel's values lose and
 * are multiplied by. */
static void find_factors(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    (void)thread;
    for (int64_t set = first; set < last; set++) {
        const int64_t instance = set / job->groups, from = set % job->groups * job->width;
        float mean, scale;
        if (job->stats) {
            double exact_mean, variance;
            combine(job, set, &exact_mean, &variance);
            keep_statistics(job, set, exact_mean, variance);
            mean = job->stats[2 * set];
            scale = job->stats[2 * set + 1];
        } else {
            mean = f32(&job->norm->running_mean)[set];
            scale = 1.0f / sqrtf(f32(&job->norm->running_var)[set] + NORM_EPSILON);
        }
        for (int64_t k = from; k < from + job->width; k++) {
            factors_of(job, instance, 0)[k] = mean;
            factors_of(job, instance, 1)[k] = scale * f32(&job->norm->weight)[k];
        }
    }
}

static void apply_stretches(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t c = job->channels;
    const float *bias = f32(&job->norm->bias);
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const struct stretch s = stretch_at(job, i);
        const float *mean = factors_of(job, s.instance, 0), *scale = factors_of(job, s.instance, 1);
        for (int64_t r = 0; r < s.count; r++) {
            const float *x = job->in + s.offset + r * c;
            const float *residual = job->other ? job->other + s.offset + r * c : NULL;
            float *out = job->out + s.offset + r * c;
            for (int64_t k = 0; k < c; k++) {
                float y = (x[k] - mean[k]) * scale[k] + bias[k];
                if (residual)
                    y += residual[k];
                out[k] = job->relu && y < 0.0f ? 0.0f : y;
            }
        }
    }
}

md_status cpu_norm_forward(struct stream *stream, struct tensor *out, struct tensor *stats,
                           const struct tensor *in, const struct norm *norm,
                           const struct tensor *residual, bool relu)
{
    md_status st = MD_OK;
    struct job job;
    if (tensor_count(in) == 0)
        return MD_OK;
    TRY(open_job(&job, stream, norm, in));
    job.out = out->data;
    job.stats = tensor_given(stats) ? stats->data : NULL;
    job.other = tensor_given(residual) ? residual->data : NULL;
    job.relu = relu;
    const int64_t stretches = job.instances * job.stretches;
    if (job.stats)
        parallel(stream->device, stretches, 1, sum_stretches, &job);
    parallel(stream->device, job.instances * job.groups, 1, find_factors, &job);
    parallel(stream->device, stretches, 1, apply_stretches, &job);
fail:
    return st;
}

/* ---- backward ----------------------------------------------------------------------------- */

static const float *stats_of(const struct job *job, int64_t instance, int64_t channel)
{
    return job->stats + 2 * (instance * job->groups + channel / job->width);
}

static void spread_means(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    (void)thread;
    for (int64_t instance = first; instance < last; instance++)
        for (int64_t k = 0; k < job->channels; k++)
            factors_of(job, instance, 0)[k] = stats_of(job, instance, k)[0];
}

/* Of each channel of a stretch the sum of the gradients, and that of their products with what `in` is
 * above the mean. */
static void sum_gradients(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t c = job->channels;
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const struct stretch s = stretch_at(job, i);
        const float *mean = factors_of(job, s.instance, 0);
        float *restrict sum = s.sums, *restrict product = s.sums + c;
        memset(sum, 0, (size_t)(2 * c) * sizeof *sum);
        for (int64_t r = 0; r < s.count; r++) {
            const float *x = job->in + s.offset + r * c, *g = job->other + s.offset + r * c;
            for (int64_t k = 0; k < c; k++) {
                sum[k] += g[k];
                product[k] += g[k] * (x[k] - mean[k]);
            }
        }
    }
}

/* Of one channel of one instance, over its stretches. */
static void total_gradients(const struct job *job, int64_t instance, int64_t channel, double *sum,
                            double *product)
{
    *sum = *product = 0;
    for (int64_t i = instance * job->stretches; i < (instance + 1) * job->stretches; i++) {
        *sum += (double)job->sums[2 * i * job->channels + channel];
        *product += (double)job->sums[(2 * i + 1) * job->channels + channel];
    }
    *product *= (double)stats_of(job, instance, channel)[1];
}

/* What group `group` of each instance takes from its gradients: a constant, and a share of what `in` is
 * above the mean; and the gradients of its channels' weights and biases, over all instances. */
static void join_gradients(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const double count = (double)(job->pixels * job->width);
    (void)thread;
    for (int64_t task = first; task < last; task++) {
        const int64_t from = task * job->width, to = from + job->width;
        for (int64_t instance = 0; instance < job->instances; instance++) {
            const double scale = (double)stats_of(job, instance, from)[1];
            double all = 0, products = 0, sum, product;
            for (int64_t k = from; k < to; k++) {
                const double weight = (double)f32(&job->norm->weight)[k];
                total_gradients(job, instance, k, &sum, &product);
                all += weight * sum;
                products += weight * product;
                if (job->bias_grad)
                    job->bias_grad[k] += (float)sum;
                if (job->weight_grad)
                    job->weight_grad[k] += (float)product;
            }
            for (int64_t k = from; k < to; k++) {
                factors_of(job, instance, 1)[k] = (float)(scale * all / count);
                factors_of(job, instance, 2)[k] = (float)(scale * scale * products / count);
            }
        }
    }
}

static void pass_back(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t c = job->channels;
    const float *weight = f32(&job->norm->weight);
    (void)thread;
    for (int64_t i = first; i < last; i++) {
        const struct stretch s = stretch_at(job, i);
        const float *mean = factors_of(job, s.instance, 0);
        const float *constant = factors_of(job, s.instance, 1);
        const float *share = factors_of(job, s.instance, 2);
        for (int64_t k = 0; k < c; k++) /* its sums have been read: from here on, g's factors */
            s.sums[k] = weight[k] * stats_of(job, s.instance, k)[1];
        for (int64_t r = 0; r < s.count; r++) {
            const float *x = job->in + s.offset + r * c, *g = job->other + s.offset + r * c;
            float *out = job->out + s.offset + r * c;
            for (int64_t k = 0; k < c; k++)
                out[k] = g[k] * s.sums[k] - (constant[k] + share[k] * (x[k] - mean[k]));
        }
    }
}

md_status cpu_norm_backward(struct stream *stream, struct tensor *in_grad,
                            struct tensor *weight_grad, struct tensor *bias_grad,
                            const struct tensor *out_grad, const struct tensor *in,
                            const struct tensor *stats, const struct norm *norm)
{
    md_status st = MD_OK;
    struct job job;
    if (tensor_count(in) == 0)
        return MD_OK;
    TRY(open_job(&job, stream, norm, in));
    job.out = in_grad->data;
    job.other = out_grad->data;
    job.stats = stats->data;
    job.weight_grad = tensor_given(weight_grad) ? weight_grad->data : NULL;
    job.bias_grad = tensor_given(bias_grad) ? bias_grad->data : NULL;
    const int64_t stretches = job.instances * job.stretches;
    parallel(stream->device, job.instances, 1, spread_means, &job);
    parallel(stream->device, stretches, 1, sum_gradients, &job);
    parallel(stream->device, job.groups, 1, join_gradients, &job);
    parallel(stream->device, stretches, 1, pass_back, &job);
fail:
    return st;
}
