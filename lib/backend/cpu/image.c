/* image.c - 8-bit pixels to a resized, normalised, zero-padded image of a batch, rows on threads.
 *
 * The same rows by the same functions as ref's, so the same bits; only a row of the result exists as
 * bytes at a time. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"
#include "backend/ref/common.h"
#include "core/error.h"
#include "core/fixed_memory.h"
#include "image/resize.h"

enum { ROWS_AT_A_TIME = 16 };

struct resize_job {
    const uint8_t *pixels;                   /* [in height, in width, 3] */
    const uint8_t *wide;                     /* [in height, width, 3]: after the horizontal pass */
    uint8_t *to;                             /* what the horizontal pass writes: wide */
    uint8_t *rows;                           /* one row of bytes for each thread */
    const struct resize_axis *across, *down; /* NULL: the length does not change */
    const struct image_params *params;
    struct image_sizes sizes;
    float *out; /* [full height, full width, 3] */
    int64_t full_width;
};

static void widen_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct resize_job *job = arg;
    (void)thread;
    for (int64_t y = first; y < last; y++)
        resize_row_horizontal(job->to + y * job->sizes.width * 3,
                              job->pixels + y * job->sizes.from_width * 3, job->across, 3);
}

static void normalise_row(float *out, const uint8_t *row, const struct resize_job *job)
{
    const struct image_params *params = job->params;
    for (int64_t x = 0; x < job->sizes.width; x++, row += 3, out += 3)
        for (int c = 0; c < 3; c++)
            out[c] = ((float)row[params->reverse_channels ? 2 - c : c] - params->mean[c]) /
                     params->std[c];
    memset(out, 0, (size_t)(job->full_width - job->sizes.width) * 3 * sizeof *out);
}

static void finish_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct resize_job *job = arg;
    const int64_t stride = (int64_t)job->sizes.width * 3;
    uint8_t *bytes = job->rows + thread * stride;
    for (int64_t y = first; y < last; y++) {
        float *out = job->out + y * job->full_width * 3;
        if (y >= job->sizes.height) {
            memset(out, 0, (size_t)job->full_width * 3 * sizeof *out);
            continue;
        }
        const uint8_t *row = job->wide + y * stride;
        if (job->down) {
            resize_row_vertical(bytes, job->wide, stride, job->down, (int)y, (size_t)stride);
            row = bytes;
        }
        normalise_row(out, row, job);
    }
}

/* `job` says from what to what; its buffers are made here. */
static md_status convert_image(struct stream *stream, struct resize_job *job, int64_t full_height)
{
    md_status st = MD_OK;
    const struct image_sizes *sizes = &job->sizes;
    const size_t wide_bytes = (size_t)sizes->from_height * (size_t)sizes->width * 3;
    const size_t row_bytes = (size_t)stream->device->threads * (size_t)sizes->width * 3;
    struct resize_axis across = {0}, down = {0};
    struct fixed_memory fixed;
    void *scratch;
    size_t bytes = resize_axis_bytes(sizes->from_width, sizes->width) +
                   resize_axis_bytes(sizes->from_height, sizes->height) +
                   FIXED_MEMORY_TAKES(wide_bytes) + FIXED_MEMORY_TAKES(row_bytes);
    TRY(stream_scratch(stream, &scratch, bytes));
    fixed_memory_init(&fixed, scratch, bytes);
    TRY(memory_alloc(&fixed.memory, &job->rows, row_bytes, 1));
    if (sizes->from_width != sizes->width) {
        TRY(memory_alloc(&fixed.memory, &job->to, wide_bytes, 1));
        TRY(resize_axis_create(&across, &fixed.memory, sizes->from_width, sizes->width));
        job->across = &across;
        parallel(stream->device, sizes->from_height, ROWS_AT_A_TIME, widen_rows, job);
        job->wide = job->to;
    }
    if (sizes->from_height != sizes->height) {
        TRY(resize_axis_create(&down, &fixed.memory, sizes->from_height, sizes->height));
        job->down = &down;
    }
    parallel(stream->device, full_height, ROWS_AT_A_TIME, finish_rows, job);
fail:
    return st;
}

md_status cpu_images_to_tensor(struct stream *stream, struct tensor *out,
                               const struct tensor *pixels, const struct tensor *from_sizes,
                               const struct tensor *sizes, const struct image_params *params)
{
    md_status st = MD_OK;
    const int64_t *dims = out->shape.dims;
    for (int64_t i = 0; i < dims[0]; i++) {
        const uint8_t *from = (const uint8_t *)pixels->data + i * pixels->shape.dims[1];
        struct resize_job job = {.pixels = from,
                                 .wide = from,
                                 .params = params,
                                 .out = (float *)out->data + i * dims[1] * dims[2] * 3,
                                 .full_width = dims[2]};
        TRY(image_sizes_read(&job.sizes, out, pixels, from_sizes, sizes, i));
        TRY(convert_image(stream, &job, dims[1]));
    }
fail:
    return st;
}
