/* ops_bench.h - what bench-ops times: cases, how a case is run, and what is written of it. */
#ifndef BENCH_OPS_BENCH_H
#define BENCH_OPS_BENCH_H

#include <stdio.h>

#include "tensor/ops.h"

struct bench {
    struct stream *stream;
    const char *part; /* of a case's name; NULL: all */
    int  batch, divide; /* images; what heights and widths are divided by, on a slow device */
    bool forward_only;
    double bandwidth, peak; /* bytes and operations a second; 0: not given */
    FILE *json;
    int written, failed;
    double total, floor; /* seconds of one pass: of what was timed, and of its floors */
};

/* One operation. `run` enqueues it on one of `sets` equal sets of tensors: taken by turns, so that
 * they do not all stay in a cache. */
struct bench_case {
    const char *name, *pass;
    const char *shape; /* more members of its JSON object, or "" */
    int count;         /* in one pass of the network; 0: in none */
    double flops, bytes; /* the least: each operand moved once */
    md_status (*run)(void *state, int set);
    void *state;
    int sets;
};

bool bench_wants(const struct bench *bench, const char *name);
/* How many sets of so many bytes outgrow the device's cache. */
int  bench_sets(const struct bench *bench, double bytes);
/* Times the case and writes it. An operation that the device does not have is a line that says so;
 * one that fails is another, and counts as failed; neither stops the rest. */
void bench_run(struct bench *bench, const struct bench_case *item);
void bench_failed(struct bench *bench, const char *name, md_status status);

/* Tensors with random content in [-1, 1), the same in each run; of 16 bits: multiples of 1/64. NULL
 * values: zeros. */
md_status bench_random(struct bench *bench, struct tensor *out, enum tensor_type type, struct shape shape);
/* Before tensors are destroyed: what was enqueued may still use them. */
void      bench_wait(struct bench *bench);
md_status bench_upload(struct bench *bench, struct tensor *out, enum tensor_type type, struct shape shape,
                       const void *values);

/* A convolution or product of X-101 at 800 x 1344, batch 1. */
struct bench_row {
    const char *name;
    int count;         /* in one forward pass */
    int h, w, c, o, k; /* k 0: matrix product of h rows */
    struct conv_geometry geometry;
    bool residual, relu;
};
extern const struct bench_row bench_rows[];
extern const size_t bench_row_count;

void bench_layers(struct bench *bench); /* ops_layers.c: convolutions and products of X-101 */
void bench_maps(struct bench *bench);   /* ops_maps.c: images, pooling, sums of the pyramid */
void bench_tail(struct bench *bench);   /* ops_tail.c: proposals, rois, detections */

#endif
