/* norm.c - group norm and batch norm: statistics in two passes, results, gradients. */
#include <math.h>

#include "backend/ref/common.h"

/* A tensor as [instances, pixels, channels] whose sets are groups of channels of an instance: a batch
 * norm has one instance, and a group for each channel. */
struct layout {
    int64_t instances, pixels, channels, groups, width; /* width: channels of a group */
};

static struct layout layout_of(const struct norm *norm, const struct tensor *in)
{
    const int64_t *d = in->shape.dims;
    struct layout l = {d[0], d[1] * d[2], d[3], norm->groups, 1};
    if (norm->groups == 0) {
        l.pixels *= l.instances;
        l.instances = 1;
        l.groups = l.channels;
    }
    l.width = l.groups > 0 ? l.channels / l.groups : 0;
    return l;
}

/* Where channel j of a set has its first value. */
static int64_t first_of(const struct layout *l, int64_t set, int64_t j)
{
    return set / l->groups * l->pixels * l->channels + set % l->groups * l->width + j;
}

static double set_mean(const struct layout *l, const float *x, int64_t set)
{
    double sum = 0;
    for (int64_t r = 0; r < l->pixels; r++)
        for (int64_t j = 0; j < l->width; j++)
            sum += (double)x[first_of(l, set, j) + r * l->channels];
    return sum / (double)(l->pixels * l->width);
}

static double set_variance(const struct layout *l, const float *x, int64_t set, double mean)
{
    double sum = 0;
    for (int64_t r = 0; r < l->pixels; r++)
        for (int64_t j = 0; j < l->width; j++) {
            double difference = (double)x[first_of(l, set, j) + r * l->channels] - mean;
            sum += difference * difference;
        }
    return sum / (double)(l->pixels * l->width);
}

static void move_towards(const struct tensor *running, int64_t channel, double value)
{
    float *at = f32(running) + channel;
    *at = (float)((1 - (double)NORM_MOMENTUM) * (double)*at + (double)NORM_MOMENTUM * value);
}

/* One set's mean and 1 / deviation, to stats; a batch norm's also to its running statistics. */
static void find_statistics(const struct layout *l, const struct tensor *stats,
                            const struct tensor *in, const struct norm *norm, int64_t set)
{
    const double count = (double)(l->pixels * l->width);
    const double mean = set_mean(l, f32(in), set);
    const double variance = set_variance(l, f32(in), set, mean);
    f32(stats)[2 * set] = (float)mean;
    f32(stats)[2 * set + 1] = (float)(1 / sqrt(variance + (double)NORM_EPSILON));
    if (norm->groups > 0)
        return;
    move_towards(&norm->running_mean, set, mean);
    move_towards(&norm->running_var, set, count > 1 ? variance * count / (count - 1) : variance);
}

static void apply(const struct layout *l, const struct tensor *out, const struct tensor *in,
                  const struct norm *norm, const struct tensor *residual, int64_t set,
                  const double statistics[2], bool relu)
{
    for (int64_t j = 0; j < l->width; j++) {
        const int64_t channel = set % l->groups * l->width + j;
        const double weight = (double)f32(&norm->weight)[channel];
        const double bias = (double)f32(&norm->bias)[channel];
        for (int64_t r = 0; r < l->pixels; r++) {
            const int64_t i = first_of(l, set, j) + r * l->channels;
            double y = ((double)f32(in)[i] - statistics[0]) * statistics[1] * weight + bias;
            if (tensor_given(residual))
                y += (double)f32(residual)[i];
            f32(out)[i] = relu && y < 0 ? 0 : (float)y;
        }
    }
}

md_status ref_norm_forward(struct stream *stream, struct tensor *out, struct tensor *stats,
                           const struct tensor *in, const struct norm *norm,
                           const struct tensor *residual, bool relu)
{
    (void)stream;
    const struct layout l = layout_of(norm, in);
    for (int64_t set = 0; l.pixels > 0 && set < l.instances * l.groups; set++) {
        double statistics[2];
        if (tensor_given(stats)) {
            find_statistics(&l, stats, in, norm, set);
            statistics[0] = (double)f32(stats)[2 * set];
            statistics[1] = (double)f32(stats)[2 * set + 1];
        } else {
            const double variance = (double)f32(&norm->running_var)[set];
            statistics[0] = (double)f32(&norm->running_mean)[set];
            statistics[1] = 1 / sqrt(variance + (double)NORM_EPSILON);
        }
        apply(&l, out, in, norm, residual, set, statistics, relu);
    }
    return MD_OK;
}

/* With x^ = (x - mean) / deviation and g = out_grad * weight: in_grad = (g - mean of g - x^ * mean of
 * g x^) / deviation, means over the set. */
static void pass_back(const struct layout *l, const struct tensor *in_grad,
                      const struct tensor *out_grad, const struct tensor *in, const float stats[2],
                      const struct norm *norm, int64_t set)
{
    const double count = (double)(l->pixels * l->width);
    const double mean = (double)stats[0], scale = (double)stats[1];
    const float *weight = f32(&norm->weight) + set % l->groups * l->width;
    double sum = 0, product = 0;
    for (int64_t j = 0; j < l->width; j++)
        for (int64_t r = 0; r < l->pixels; r++) {
            const int64_t i = first_of(l, set, j) + r * l->channels;
            const double g = (double)f32(out_grad)[i] * (double)weight[j];
            sum += g;
            product += g * ((double)f32(in)[i] - mean) * scale;
        }
    for (int64_t j = 0; j < l->width; j++)
        for (int64_t r = 0; r < l->pixels; r++) {
            const int64_t i = first_of(l, set, j) + r * l->channels;
            const double g = (double)f32(out_grad)[i] * (double)weight[j];
            const double x = ((double)f32(in)[i] - mean) * scale;
            f32(in_grad)[i] = (float)((g - sum / count - x * product / count) * scale);
        }
}

/* Of one channel, over all instances. */
static void add_vector_gradients(const struct layout *l, const struct tensor *weight_grad,
                                 const struct tensor *bias_grad, const struct tensor *out_grad,
                                 const struct tensor *in, const struct tensor *stats,
                                 int64_t channel)
{
    double sum = 0, product = 0;
    for (int64_t instance = 0; instance < l->instances; instance++) {
        const float *found = f32(stats) + 2 * (instance * l->groups + channel / l->width);
        for (int64_t r = 0; r < l->pixels; r++) {
            const int64_t i = (instance * l->pixels + r) * l->channels + channel;
            const double x = ((double)f32(in)[i] - (double)found[0]) * (double)found[1];
            sum += (double)f32(out_grad)[i];
            product += (double)f32(out_grad)[i] * x;
        }
    }
    if (tensor_given(weight_grad))
        f32(weight_grad)[channel] += (float)product;
    if (tensor_given(bias_grad))
        f32(bias_grad)[channel] += (float)sum;
}

md_status ref_norm_backward(struct stream *stream, struct tensor *in_grad,
                            struct tensor *weight_grad, struct tensor *bias_grad,
                            const struct tensor *out_grad, const struct tensor *in,
                            const struct tensor *stats, const struct norm *norm)
{
    (void)stream;
    const struct layout l = layout_of(norm, in);
    if (tensor_count(in) == 0)
        return MD_OK;
    for (int64_t channel = 0; channel < l.channels; channel++) /* before out_grad is overwritten */
        add_vector_gradients(&l, weight_grad, bias_grad, out_grad, in, stats, channel);
    for (int64_t set = 0; set < l.instances * l.groups; set++)
        pass_back(&l, in_grad, out_grad, in, f32(stats) + 2 * set, norm, set);
    return MD_OK;
}
