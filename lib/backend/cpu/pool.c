/* pool.c - maximum pooling and upsampling by two: threads over rows of pixels, channels innermost. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"

/* One call; out is the smaller image of pooling and the larger one of upsampling. */
struct job {
    float *out;
    const float *in;
    const int64_t *out_dims, *in_dims;
    struct pool_geometry geometry;
};

/* The part of a window inside the image. */
struct window {
    int64_t from, to;
};

static struct window window_at(int64_t at, int64_t size, struct pool_geometry geometry)
{
    int64_t from = at * geometry.stride - geometry.pad;
    int64_t to = from + geometry.kernel;
    return (struct window){from > 0 ? from : 0, to < size ? to : size};
}

static const float *pixel(const float *image, const int64_t *dims, int64_t n, int64_t y, int64_t x)
{
    return image + ((n * dims[1] + y) * dims[2] + x) * dims[3];
}

/* A later value replaces the maximum only when it is larger, as the reference has it. */
static void pool_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t *dims = job->in_dims;
    const int64_t channels = dims[3], columns = job->out_dims[2];
    (void)thread;
    for (int64_t row = first; row < last; row++) {
        int64_t n = row / job->out_dims[1];
        struct window y = window_at(row % job->out_dims[1], dims[1], job->geometry);
        for (int64_t column = 0; column < columns; column++) {
            struct window x = window_at(column, dims[2], job->geometry);
            float *restrict out = job->out + (row * columns + column) * channels;
            memcpy(out, pixel(job->in, dims, n, y.from, x.from), (size_t)channels * sizeof *out);
            for (int64_t i = 0; i < (y.to - y.from) * (x.to - x.from); i++) {
                const float *restrict in = pixel(job->in, dims, n, y.from + i / (x.to - x.from),
                                                 x.from + i % (x.to - x.from));
                for (int64_t c = 0; c < channels; c++)
                    out[c] = in[c] > out[c] ? in[c] : out[c];
            }
        }
    }
}

md_status cpu_maxpool_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                              struct pool_geometry geometry)
{
    const int64_t *dims = out->shape.dims;
    const struct job job = {out->data, in->data, dims, in->shape.dims, geometry};
    if (tensor_count(out) > 0)
        parallel(stream->device, dims[0] * dims[1], 4, pool_rows, &job);
    return MD_OK;
}

static void upsample_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t height = job->out_dims[1], columns = job->out_dims[2];
    const int64_t channels = job->out_dims[3];
    (void)thread;
    for (int64_t row = first; row < last; row++)
        for (int64_t x = 0; x < columns; x++) {
            float *restrict out = job->out + (row * columns + x) * channels;
            const float *restrict in =
                pixel(job->in, job->in_dims, row / height, row % height / 2, x / 2);
            for (int64_t c = 0; c < channels; c++)
                out[c] += in[c];
        }
}

md_status cpu_upsample_add(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    const int64_t *dims = out->shape.dims;
    const struct job job = {
        .out = out->data, .in = in->data, .out_dims = dims, .in_dims = in->shape.dims};
    parallel(stream->device, dims[0] * dims[1], 2, upsample_rows, &job);
    return MD_OK;
}

/* In the reference's order: the gradient of the pixel's four, row by row. */
static void fold_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    const int64_t *fine = job->in_dims;
    const int64_t height = job->out_dims[1], columns = job->out_dims[2];
    const int64_t channels = job->out_dims[3];
    (void)thread;
    for (int64_t row = first; row < last; row++)
        for (int64_t x = 0; x < columns; x++) {
            int64_t n = row / height, y = row % height;
            float *restrict out = job->out + (row * columns + x) * channels;
            const float *restrict upper = pixel(job->in, fine, n, 2 * y, 2 * x);
            const float *restrict lower = pixel(job->in, fine, n, 2 * y + 1, 2 * x);
            for (int64_t c = 0; c < channels; c++)
                out[c] = out[c] + upper[c] + upper[channels + c] + lower[c] + lower[channels + c];
        }
}

md_status cpu_upsample_backward(struct stream *stream, struct tensor *in_grad,
                                const struct tensor *out_grad)
{
    const int64_t *dims = in_grad->shape.dims;
    const struct job job = {.out = in_grad->data,
                            .in = out_grad->data,
                            .out_dims = dims,
                            .in_dims = out_grad->shape.dims};
    parallel(stream->device, dims[0] * dims[1], 2, fold_rows, &job);
    return MD_OK;
}
