/* stages.c - seconds of each stage of each image: means and percentiles. */
#include "stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[STAGE_COUNT] = {"decode", "preprocess", "network", "postprocess",
                                               "draw"};

bool stages_add(struct stages *stages, const double seconds[STAGE_COUNT])
{
    if (stages->count == stages->capacity) {
        size_t capacity = stages->capacity ? 2 * stages->capacity : 256;
        for (int s = 0; s < STAGE_COUNT; s++) {
            double *grown = realloc(stages->seconds[s], capacity * sizeof *grown);
            if (!grown)
                return false;
            stages->seconds[s] = grown;
        }
        stages->capacity = capacity;
    }
    for (int s = 0; s < STAGE_COUNT; s++)
        stages->seconds[s][stages->count] = seconds[s];
    stages->count++;
    return true;
}

double stages_mean(const struct stages *stages, enum stage stage)
{
    double sum = 0.0;
    for (size_t i = 0; i < stages->count; i++)
        sum += stages->seconds[stage][i];
    return stages->count ? sum / (double)stages->count : 0.0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stages_percentile(const struct stages *stages, enum stage stage, double percent)
{
    if (stages->count == 0)
        return 0.0;
    double *sorted = malloc(stages->count * sizeof *sorted);
    if (!sorted)
        return NAN;
    memcpy(sorted, stages->seconds[stage], stages->count * sizeof *sorted);
    qsort(sorted, stages->count, sizeof *sorted, by_value);
    size_t rank = (size_t)ceil(percent / 100.0 * (double)stages->count);
    double value = sorted[rank > 0 ? rank - 1 : 0];
    free(sorted);
    return value;
}

double stages_inference_mean(const struct stages *stages)
{
    return stages_mean(stages, STAGE_PREPROCESS) + stages_mean(stages, STAGE_NETWORK) +
           stages_mean(stages, STAGE_POSTPROCESS);
}

void stages_print(const struct stages *stages, FILE *out)
{
    fprintf(out, "%-12s %9s %9s %9s %9s   ms\n", "stage", "mean", "p50", "p95", "p99");
    for (int s = 0; s < STAGE_COUNT; s++) {
        enum stage stage = (enum stage)s;
        if (stages_mean(stages, stage) <= 0.0)
            continue;
        fprintf(out, "%-12s %9.2f %9.2f %9.2f %9.2f\n", names[s], 1e3 * stages_mean(stages, stage),
                1e3 * stages_percentile(stages, stage, 50.0),
                1e3 * stages_percentile(stages, stage, 95.0),
                1e3 * stages_percentile(stages, stage, 99.0));
    }
}

void stages_free(struct stages *stages)
{
    for (int s = 0; s < STAGE_COUNT; s++)
        free(stages->seconds[s]);
}
