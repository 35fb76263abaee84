/* samples.c - repeated measurements of one time, summed up. */
#include "samples.h"

#include <math.h>
#include <stdlib.h>

int samples_add(struct samples *samples, double seconds)
{
    if (samples->count == samples->capacity) {
        size_t capacity = samples->capacity ? 2 * samples->capacity : 64;
        double *grown = realloc(samples->seconds, capacity * sizeof *grown);
        if (!grown)
            return 0;
        samples->seconds = grown;
        samples->capacity = capacity;
    }
    samples->seconds[samples->count++] = seconds;
    return 1;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct samples *sorted, double percent)
{
    size_t rank = (size_t)ceil(percent / 100.0 * (double)sorted->count);
    return sorted->seconds[rank > 0 ? rank - 1 : 0];
}

struct summary samples_summary(struct samples *samples)
{
    struct summary summary = {0};
    if (samples->count == 0)
        return summary;
    qsort(samples->seconds, samples->count, sizeof *samples->seconds, by_value);
    for (size_t i = 0; i < samples->count; i++)
        summary.mean += samples->seconds[i] / (double)samples->count;
    summary.min = samples->seconds[0];
    summary.p50 = percentile(samples, 50.0);
    summary.p95 = percentile(samples, 95.0);
    summary.p99 = percentile(samples, 99.0);
    return summary;
}

void samples_free(struct samples *samples)
{
    free(samples->seconds);
    *samples = (struct samples){0};
}

void summary_print(const struct summary *s, const char *name, FILE *out)
{
    fprintf(out, "%-12s %9.2f %9.2f %9.2f %9.2f %9.2f\n", name, 1e3 * s->mean, 1e3 * s->min,
            1e3 * s->p50, 1e3 * s->p95, 1e3 * s->p99);
}

void summary_json(const struct summary *s, const char *name, FILE *out)
{
    fprintf(out,
            "  \"%s\": {\"mean\": %.9g, \"min\": %.9g, \"p50\": %.9g, \"p95\": %.9g, "
            "\"p99\": %.9g},\n",
            name, s->mean, s->min, s->p50, s->p95, s->p99);
}
