/* bootstrap.c - resamples of the images, over threads, and percentiles of what they measure. */
#include "eval/bootstrap.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/pool.h"
#include "core/random.h"

/* ---- resampling ------------------------------------------------------------------------------- */

void bootstrap_weights(uint32_t *weights, size_t image_count, uint64_t seed, uint32_t resample)
{
    struct random random = {.seed = seed, .stream = random_stream(RANDOM_BOOTSTRAP, resample)};
    memset(weights, 0, image_count * sizeof *weights);
    for (size_t i = 0; i < image_count; i++)
        weights[random_below(&random, image_count)]++;
}

/* Some of the resamples, with room of its own. */
struct share {
    struct bootstrap *bootstrap;
    const struct ap_table *table;
    uint32_t first, end;
    uint32_t *weights; /* [images] */
    uint64_t *counted; /* [most detections of a class] */
    double *values;    /* [values] of one resample */
    struct pool_job job;
};

static md_status share_reserve(struct share *share)
{
    md_status st = MD_OK;
    struct memory *memory = share->bootstrap->memory;
    TRY(memory_alloc(memory, &share->weights, share->table->image_count, sizeof *share->weights));
    TRY(memory_alloc(memory, &share->counted, share->table->most_detections,
                     sizeof *share->counted));
    TRY(memory_alloc(memory, &share->values, ap_table_values(share->table), sizeof *share->values));
fail:
    return st;
}

static void share_free(struct share *share)
{
    memory_free(share->bootstrap->memory, share->weights);
    memory_free(share->bootstrap->memory, share->counted);
    memory_free(share->bootstrap->memory, share->values);
}

static md_status share_run(void *arg)
{
    struct share *share = arg;
    const struct bootstrap_options *options = &share->bootstrap->options;
    size_t count = ap_table_values(share->table);
    for (uint32_t b = share->first; b < share->end; b++) {
        bootstrap_weights(share->weights, share->table->image_count, options->seed, b);
        ap_table_measure(share->values, share->table, share->weights, share->counted);
        for (size_t i = 0; i < count; i++)
            share->bootstrap->samples[i * options->resamples + b] = share->values[i];
    }
    return MD_OK;
}

/* All weights 1: the data set as it is. */
static void measure_point(struct share *share)
{
    for (size_t i = 0; i < share->table->image_count; i++)
        share->weights[i] = 1;
    ap_table_measure(share->bootstrap->point, share->table, share->weights, share->counted);
}

static md_status run_shares(struct share *shares, int count, struct memory *memory)
{
    struct pool *pool = NULL;
    if (count == 1)
        return share_run(&shares[0]);
    md_status st = pool_create(&pool, memory, count);
    if (st < 0)
        return st;
    for (int i = 0; i < count; i++) {
        shares[i].job = (struct pool_job){.run = share_run, .arg = &shares[i]};
        pool_submit(pool, &shares[i].job);
    }
    pool_free(pool); /* waits for all; none can fail */
    return MD_OK;
}

static md_status resample_all(struct bootstrap *bootstrap, const struct ap_table *table)
{
    md_status st = MD_OK;
    struct share *shares = NULL;
    const struct bootstrap_options *options = &bootstrap->options;
    int count = options->threads;
    if ((uint32_t)count > options->resamples)
        count = (int)options->resamples;
    TRY(memory_zeroed(bootstrap->memory, &shares, (size_t)count, sizeof *shares));
    for (int i = 0; i < count; i++) {
        shares[i].bootstrap = bootstrap;
        shares[i].table = table;
        shares[i].first = (uint32_t)((uint64_t)options->resamples * (uint64_t)i / (uint64_t)count);
        shares[i].end =
            (uint32_t)((uint64_t)options->resamples * (uint64_t)(i + 1) / (uint64_t)count);
    }
    for (int i = 0; i < count; i++)
        TRY(share_reserve(&shares[i]));
    measure_point(&shares[0]);
    TRY(run_shares(shares, count, bootstrap->memory));
fail:
    for (int i = 0; shares && i < count; i++)
        share_free(&shares[i]);
    memory_free(bootstrap->memory, shares);
    return st;
}

md_status bootstrap_create(struct bootstrap *out, const struct ap_table *table,
                           const struct bootstrap_options *options)
{
    md_status st = MD_OK;
    struct bootstrap bootstrap = {.memory = table->arena.memory,
                                  .options = *options,
                                  .image_count = table->image_count,
                                  .class_count = table->class_count};
    size_t values = ap_table_values(table);
    if (options->resamples < 1 || options->threads < 1)
        FAIL(MD_EINVAL, "%u resamples on %d threads; at least 1 of both is wanted",
             options->resamples, options->threads);
    TRY(memory_alloc(bootstrap.memory, &bootstrap.point, values, sizeof *bootstrap.point));
    TRY(memory_alloc(bootstrap.memory, &bootstrap.samples, values,
                     options->resamples * sizeof *bootstrap.samples));
    TRY(resample_all(&bootstrap, table));
    *out = bootstrap;
    return MD_OK;
fail:
    bootstrap_free(&bootstrap);
    return st;
}

void bootstrap_free(struct bootstrap *bootstrap)
{
    if (!bootstrap->memory)
        return;
    memory_free(bootstrap->memory, bootstrap->point);
    memory_free(bootstrap->memory, bootstrap->samples);
    *bootstrap = (struct bootstrap){0};
}

/* ---- intervals -------------------------------------------------------------------------------- */

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Between the two nearest of the sorted values, as far as the rank lies between theirs. */
static double quantile(const double *sorted, size_t count, double fraction)
{
    double rank = fraction * (double)(count - 1);
    size_t below = (size_t)rank;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (rank - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct spread {
    double low, high, bias;
};

/* Of resamples (sorts them) around the value of the data set itself. */
static struct spread spread_of(double *values, size_t count, double value, double level)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    double bias = sum / (double)count - value;
    qsort(values, count, sizeof *values, ascending);
    return (struct spread){.low = quantile(values, count, (1 - level) / 2) - bias,
                           .high = quantile(values, count, (1 + level) / 2) - bias,
                           .bias = bias};
}

static md_status check_asked(const struct bootstrap *bootstrap, size_t value, double level)
{
    size_t values = AP_KINDS * (bootstrap->class_count + 1);
    if (value >= values)
        return ERROR(MD_EINVAL, "value %zu of a bootstrap of %zu", value, values);
    if (!(level > 0 && level < 1))
        return ERROR(MD_EINVAL, "an interval's level is %g; it is above 0 and below 1", level);
    return MD_OK;
}

static const double *samples_of(const struct bootstrap *bootstrap, size_t value)
{
    return bootstrap->samples + value * bootstrap->options.resamples;
}

md_status bootstrap_interval(struct bootstrap_interval *out, const struct bootstrap *bootstrap,
                             size_t value, double level)
{
    md_status st = MD_OK;
    struct bootstrap_interval interval = {.low = -1, .high = -1};
    double *defined = NULL;
    TRY(check_asked(bootstrap, value, level));
    const double *samples = samples_of(bootstrap, value);
    interval.value = bootstrap->point[value];
    TRY(memory_alloc(bootstrap->memory, &defined, bootstrap->options.resamples, sizeof *defined));
    for (uint32_t b = 0; b < bootstrap->options.resamples && bootstrap->image_count > 1; b++)
        if (samples[b] >= 0)
            defined[interval.resamples++] = samples[b];
    if (interval.resamples > 0) {
        struct spread spread = spread_of(defined, interval.resamples, interval.value, level);
        interval.low = fmax(spread.low, 0);
        interval.high = fmin(spread.high, 1);
        interval.bias = spread.bias;
    }
    *out = interval;
fail:
    memory_free(bootstrap->memory, defined);
    return st;
}

static md_status check_paired(const struct bootstrap *a, const struct bootstrap *b)
{
    if (a->image_count != b->image_count || a->class_count != b->class_count)
        return ERROR(MD_EMISMATCH,
                     "%zu images of %zu classes cannot be compared with %zu images of %zu classes",
                     a->image_count, a->class_count, b->image_count, b->class_count);
    if (a->options.seed != b->options.seed || a->options.resamples != b->options.resamples)
        return ERROR(MD_EMISMATCH,
                     "%u resamples of seed %" PRIu64 " are not paired with %u of seed %" PRIu64
                     "; give both the same",
                     a->options.resamples, a->options.seed, b->options.resamples, b->options.seed);
    return MD_OK;
}

md_status bootstrap_difference(struct bootstrap_difference *out, const struct bootstrap *a,
                               const struct bootstrap *b, size_t value, double level)
{
    md_status st = MD_OK;
    struct bootstrap_difference difference = {.value = NAN, .low = NAN, .high = NAN};
    uint32_t resamples = a->options.resamples, higher = 0, lower = 0;
    double *differences = NULL;
    TRY(check_paired(a, b));
    TRY(check_asked(a, value, level));
    if (a->point[value] >= 0 && b->point[value] >= 0)
        difference.value = a->point[value] - b->point[value];
    TRY(memory_alloc(a->memory, &differences, resamples, sizeof *differences));
    for (uint32_t i = 0; i < resamples && a->image_count > 1; i++) {
        double from_a = samples_of(a, value)[i];
        double from_b = samples_of(b, value)[i];
        if (from_a < 0 || from_b < 0)
            continue;
        higher += from_a > from_b;
        lower += from_a < from_b;
        differences[difference.resamples++] = from_a - from_b;
    }
    if (difference.resamples > 0) {
        struct spread spread =
            spread_of(differences, difference.resamples, difference.value, level);
        difference.low = spread.low;
        difference.high = spread.high;
        difference.bias = spread.bias;
        difference.a_better = higher / (double)difference.resamples;
        difference.b_better = lower / (double)difference.resamples;
    }
    *out = difference;
fail:
    memory_free(a->memory, differences);
    return st;
}
