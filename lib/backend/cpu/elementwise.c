/* elementwise.c - what passes over memory once: fill, copy, add, scale, ReLU's gradient, sums. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"

/* 64 KiB a piece: large beside the cost of handing it out, small enough to balance. */
enum { GRAIN = 1 << 14 };

struct pass {
    float *out;
    const float *in;
    float factor;
};

static void fill_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct pass *p = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        p->out[i] = p->factor;
}

md_status cpu_fill(struct stream *stream, struct tensor *out, float value)
{
    if (out->type != TENSOR_F32)
        return ref_fill(stream, out, value);
    const struct pass pass = {out->data, NULL, value};
    parallel(stream->device, tensor_count(out), GRAIN, fill_piece, &pass);
    return MD_OK;
}

struct bytes_pass {
    char *out;
    const char *in;
};

static void copy_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct bytes_pass *p = arg;
    (void)thread;
    memcpy(p->out + first, p->in + first, (size_t)(last - first));
}

md_status cpu_copy(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    const struct bytes_pass pass = {out->data, in->data};
    parallel(stream->device, (int64_t)tensor_bytes(out), GRAIN * (int64_t)sizeof(float), copy_piece,
             &pass);
    return MD_OK;
}

static void add_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct pass *p = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        p->out[i] += p->in[i];
}

md_status cpu_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    const struct pass pass = {out->data, in->data, 0.0f};
    parallel(stream->device, tensor_count(out), GRAIN, add_piece, &pass);
    return MD_OK;
}

static void scale_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct pass *p = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        p->out[i] *= p->factor;
}

md_status cpu_scale(struct stream *stream, struct tensor *out, float factor)
{
    const struct pass pass = {out->data, NULL, factor};
    parallel(stream->device, tensor_count(out), GRAIN, scale_piece, &pass);
    return MD_OK;
}

struct blend {
    float *out;
    const float *in;
    float out_factor, in_factor;
};

static void blend_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct blend b = *(const struct blend *)arg;
    (void)thread;
    if (b.out_factor == 0) {
        for (int64_t i = first; i < last; i++)
            b.out[i] = b.in_factor * b.in[i];
        return;
    }
    for (int64_t i = first; i < last; i++)
        b.out[i] = b.out_factor * b.out[i] + b.in_factor * b.in[i];
}

md_status cpu_blend(struct stream *stream, struct tensor *out, float out_factor,
                    const struct tensor *in, float in_factor)
{
    const struct blend blend = {out->data, in->data, out_factor, in_factor};
    parallel(stream->device, tensor_count(out), GRAIN, blend_piece, &blend);
    return MD_OK;
}

static void relu_piece(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct pass *p = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        p->out[i] = p->in[i] > 0.0f ? p->out[i] : 0.0f;
}

md_status cpu_relu_backward(struct stream *stream, struct tensor *grad, const struct tensor *out)
{
    const struct pass pass = {grad->data, out->data, 0.0f};
    parallel(stream->device, tensor_count(grad), GRAIN, relu_piece, &pass);
    return MD_OK;
}

struct column_sum {
    float *sum; /* [width] */
    const float *rows;
    int64_t count, width;
};

enum { COLUMNS = 16 }; /* one cache line a row */

/* Columns [16 first, 16 last), each from the first row to the last. */
static void sum_columns(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct column_sum *s = arg;
    (void)thread;
    for (int64_t block = first; block < last; block++) {
        int64_t from = block * COLUMNS;
        int64_t columns = s->width - from < COLUMNS ? s->width - from : COLUMNS;
        double total[COLUMNS] = {0};
        for (int64_t r = 0; r < s->count; r++)
            for (int64_t i = 0; i < columns; i++)
                total[i] += (double)s->rows[r * s->width + from + i];
        for (int64_t i = 0; i < columns; i++)
            s->sum[from + i] += (float)total[i];
    }
}

md_status cpu_sum_rows(struct stream *stream, struct tensor *sum, const struct tensor *rows)
{
    int64_t width = tensor_count(sum);
    const struct column_sum args = {sum->data, rows->data, tensor_count(rows) / width, width};
    parallel(stream->device, (width + COLUMNS - 1) / COLUMNS, 1, sum_columns, &args);
    return MD_OK;
}
