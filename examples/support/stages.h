/* stages.h - seconds of each stage of each image: means and percentiles. */
#ifndef EXAMPLES_STAGES_H
#define EXAMPLES_STAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum stage { STAGE_DECODE, STAGE_PREPROCESS, STAGE_NETWORK, STAGE_POSTPROCESS, STAGE_DRAW, STAGE_COUNT };

struct stages {
    double *seconds[STAGE_COUNT]; /* [count] each */
    size_t count, capacity;
};

bool   stages_add(struct stages *stages, const double seconds[STAGE_COUNT]); /* false: no memory */
double stages_mean(const struct stages *stages, enum stage stage);
double stages_percentile(const struct stages *stages, enum stage stage, double percent); /* nearest rank */
/* Preprocess, network and postprocess together. */
double stages_inference_mean(const struct stages *stages);
/* A table of the stages that took any time, in milliseconds. */
void   stages_print(const struct stages *stages, FILE *out);
void   stages_free(struct stages *stages);

#endif
