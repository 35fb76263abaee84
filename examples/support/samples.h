/* samples.h - repeated measurements of one time, summed up. */
#ifndef EXAMPLES_SAMPLES_H
#define EXAMPLES_SAMPLES_H

#include <stddef.h>
#include <stdio.h>

struct samples {
    double *seconds; /* [count] */
    size_t count, capacity;
};

struct summary {
    double mean, min, p50, p95, p99; /* seconds; percentiles by nearest rank */
};

int            samples_add(struct samples *samples, double seconds); /* 0: no memory */
struct summary samples_summary(struct samples *samples);             /* sorts them */
void           samples_free(struct samples *samples);

/* One line of a table in milliseconds; one JSON object in seconds. */
void summary_print(const struct summary *summary, const char *name, FILE *out);
void summary_json(const struct summary *summary, const char *name, FILE *out);

#endif
