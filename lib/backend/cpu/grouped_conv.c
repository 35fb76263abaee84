/* grouped_conv.c - grouped 3x3 convolution: packing, blocks and threads around the kernels. */
#include "backend/cpu/grouped_conv.h"

#include <string.h>

#include "backend/cpu/grouped_kernels.h"
#include "backend/cpu/threads.h"
#include "core/error.h"

static int64_t group_width(const struct conv_shape *s)
{
    return s->c / s->groups;
}

/* Channels of a unit. */
static int64_t unit_of(const struct conv_shape *s)
{
    return group_width(s) > GROUPED_LANES ? group_width(s) : GROUPED_LANES;
}

bool grouped_conv_suits(const struct conv_shape *s)
{
    return s->groups > 1 && s->kh == 3 && s->kw == 3 && s->pad == 1 && s->c == s->o &&
           s->c % unit_of(s) == 0 && grouped_kernels_for(group_width(s), s->stride).row;
}

/* ---- weights ------------------------------------------------------------------------------ */

size_t grouped_weight_floats(const struct conv_shape *s)
{
    return (size_t)(s->o * 9 * group_width(s));
}

/* Where weight (o, dy, dx, i) of the plain arrangement is in [unit][dy][ci][dx][lane]. */
static int64_t packed_index(const struct conv_shape *s, int64_t o, int dy, int dx, int64_t i)
{
    int64_t unit = unit_of(s);
    return (((o / unit * 3 + dy) * group_width(s) + i) * 3 + dx) * unit + o % unit;
}

void grouped_pack(float *packed, const struct conv_shape *s, const struct weight *weight,
                  bool transposed)
{
    const float *value = weight->value.data;
    const float *scale = tensor_given(&weight->scale) ? weight->scale.data : NULL;
    int64_t width = group_width(s);
    for (int64_t o = 0; o < s->o; o++)
        for (int tap = 0; tap < 9; tap++)
            for (int64_t i = 0; i < width; i++) {
                float w = *value++ * (scale ? scale[o] : 1.0f);
                int64_t from = o / width * width + i; /* the input channel */
                if (transposed)
                    packed[packed_index(s, from, 2 - tap / 3, 2 - tap % 3, o % width)] = w;
                else
                    packed[packed_index(s, o, tap / 3, tap % 3, i)] = w;
            }
}

/* ---- blocks ------------------------------------------------------------------------------- */

/* How outputs are cut into blocks of rows x columns, and what a block needs. */
struct cutting {
    int64_t rows, columns;       /* outputs of a block */
    int64_t in_rows, in_columns; /* inputs that they see */
    int64_t unit;
    int64_t down, across; /* blocks of an image */
    int64_t in_floats, out_floats;
};

static struct cutting cut(const struct conv_shape *s)
{
    struct cutting c = {.unit = unit_of(s)};
    c.rows = GROUPED_BLOCK_ROWS / s->stride;
    c.columns = c.unit > GROUPED_LANES ? GROUPED_COLUMNS_WIDE : GROUPED_COLUMNS;
    c.in_rows = (c.rows - 1) * s->stride + 3;
    c.in_columns = (c.columns - 1) * s->stride + 3;
    c.down = (s->oh + c.rows - 1) / c.rows;
    c.across = (s->ow + c.columns - 1) / c.columns;
    c.in_floats = c.in_rows * c.in_columns * c.unit;
    c.out_floats = c.rows * c.columns * c.unit;
    return c;
}

/* A rectangle of pixels of an NHWC image, any part of which may lie outside. */
struct rectangle {
    const float *image;
    int64_t height, width, channels;
    int64_t top, left, rows, columns;
};

/* block [rows][columns][unit] = channels from `first` on; zero outside. */
static void copy_block(float *block, const struct rectangle *r, int64_t first, int64_t unit)
{
    size_t pixel = (size_t)unit * sizeof(float);
    int64_t from = r->left < 0 ? -r->left : 0;
    int64_t to = r->left + r->columns > r->width ? r->width - r->left : r->columns;
    for (int64_t row = 0; row < r->rows; row++, block += r->columns * unit) {
        int64_t y = r->top + row;
        if (y < 0 || y >= r->height || to <= from) {
            memset(block, 0, (size_t)r->columns * pixel);
            continue;
        }
        const float *line = r->image + (y * r->width + r->left) * r->channels + first;
        memset(block, 0, (size_t)from * pixel);
        if (unit == GROUPED_LANES)
            for (int64_t x = from; x < to; x++)
                memcpy(block + x * unit, line + x * r->channels, GROUPED_LANES * sizeof(float));
        else
            for (int64_t x = from; x < to; x++)
                memcpy(block + x * unit, line + x * r->channels, pixel);
        memset(block + to * unit, 0, (size_t)(r->columns - to) * pixel);
    }
}

static struct rectangle input_of(const struct conv_shape *s, const struct cutting *c,
                                 const float *in, int64_t block)
{
    int64_t across = block % c->across;
    int64_t down = block / c->across % c->down;
    int64_t image = block / c->across / c->down;
    return (struct rectangle){in + image * s->h * s->w * s->c,
                              s->h,
                              s->w,
                              s->c,
                              down * c->rows * s->stride - 1,
                              across * c->columns * s->stride - 1,
                              c->in_rows,
                              c->in_columns};
}

static struct rectangle output_of(const struct conv_shape *s, const struct cutting *c,
                                  const float *out, int64_t block)
{
    int64_t left = block % c->across * c->columns;
    int64_t top = block / c->across % c->down * c->rows;
    int64_t image = block / c->across / c->down;
    return (struct rectangle){out + image * s->oh * s->ow * s->o,
                              s->oh,
                              s->ow,
                              s->o,
                              top,
                              left,
                              s->oh - top < c->rows ? s->oh - top : c->rows,
                              s->ow - left < c->columns ? s->ow - left : c->columns};
}

/* ---- convolution -------------------------------------------------------------------------- */

struct run {
    const struct grouped_conv *conv;
    struct cutting cutting;
    grouped_row_fn *kernel;
    float *blocks; /* one a thread */
};

/* All units of one block: its pixels' neighbouring cache lines are used while they are near. */
static void run_block(const struct run *run, float *block, int64_t index)
{
    const struct grouped_conv *conv = run->conv;
    const struct conv_shape *s = &conv->shape;
    const struct cutting *c = &run->cutting;
    const struct rectangle in = input_of(s, c, conv->in, index);
    const struct rectangle out = output_of(s, c, conv->out, index);
    struct grouped_row row = {.in_row = c->in_columns * c->unit,
                              .out_pixel = s->o,
                              .count = (int)out.columns,
                              .relu = conv->relu,
                              .accumulate = conv->accumulate};
    int64_t image = out.image - conv->out;
    for (int64_t first = 0; first < s->o; first += c->unit) {
        copy_block(block, &in, first, c->unit);
        row.weights = conv->weights + first * 9 * group_width(s);
        row.bias = conv->bias ? conv->bias + first : NULL;
        for (int64_t y = 0; y < out.rows; y++) {
            row.in = block + y * s->stride * row.in_row;
            row.out = conv->out + image + ((out.top + y) * s->ow + out.left) * s->o + first;
            run->kernel(&row);
        }
    }
}

static void run_blocks(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct run *run = arg;
    for (int64_t index = first; index < last; index++)
        run_block(run, run->blocks + thread * run->cutting.in_floats, index);
}

md_status grouped_conv_run(struct stream *stream, const struct grouped_conv *conv)
{
    md_status st = MD_OK;
    const struct conv_shape *s = &conv->shape;
    void *blocks = NULL;
    struct run run = {conv, cut(s), grouped_kernels_for(group_width(s), s->stride).row, NULL};
    size_t threads = (size_t)stream->device->threads;
    TRY(stream_scratch(stream, &blocks, threads * (size_t)run.cutting.in_floats * sizeof(float)));
    run.blocks = blocks;
    parallel(stream->device, s->n * run.cutting.down * run.cutting.across, 1, run_blocks, &run);
fail:
    return st;
}

/* ---- gradient of the weights -------------------------------------------------------------- */

struct gradient_run {
    const struct conv_shape *shape;
    struct cutting cutting;
    grouped_gradient_fn *kernel;
    const float *in, *out_grad;
    float *sums;   /* like packed weights */
    float *blocks; /* two a thread */
};

/* Units [first, last), each over all blocks in order: the same bits on any number of threads. */
static void gradient_units(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct gradient_run *run = arg;
    const struct conv_shape *s = run->shape;
    const struct cutting *c = &run->cutting;
    float *in_block = run->blocks + thread * (c->in_floats + c->out_floats);
    float *out_block = in_block + c->in_floats;
    int64_t weights = c->unit * 9 * group_width(s);
    memset(run->sums + first * weights, 0, (size_t)((last - first) * weights) * sizeof(float));
    for (int64_t index = 0; index < s->n * c->down * c->across; index++) {
        const struct rectangle in = input_of(s, c, run->in, index);
        const struct rectangle out = output_of(s, c, run->out_grad, index);
        for (int64_t unit = first; unit < last; unit++) {
            copy_block(in_block, &in, unit * c->unit, c->unit);
            copy_block(out_block, &out, unit * c->unit, c->unit);
            run->kernel(&(struct grouped_gradient){in_block, c->in_columns * c->unit, out_block,
                                                   (int)out.rows, (int)out.columns,
                                                   run->sums + unit * weights});
        }
    }
}

static void add_gradient(float *grad, const float *sums, const struct conv_shape *s,
                         const struct weight *weight)
{
    const float *scale = tensor_given(&weight->scale) ? weight->scale.data : NULL;
    for (int64_t o = 0; o < s->o; o++)
        for (int tap = 0; tap < 9; tap++)
            for (int64_t i = 0; i < group_width(s); i++)
                *grad++ +=
                    sums[packed_index(s, o, tap / 3, tap % 3, i)] * (scale ? scale[o] : 1.0f);
}

md_status grouped_conv_weight_gradient(struct stream *stream, struct tensor *grad,
                                       const struct tensor *in, const struct tensor *out_grad,
                                       const struct weight *weight, const struct conv_shape *s)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    struct gradient_run run = {
        .shape = s, .cutting = cut(s), .in = in->data, .out_grad = out_grad->data};
    run.kernel = grouped_kernels_for(group_width(s), s->stride).gradient;
    size_t sums = grouped_weight_floats(s);
    int64_t threads = stream->device->threads;
    size_t blocks = (size_t)(threads * (run.cutting.in_floats + run.cutting.out_floats));
    TRY(stream_scratch(stream, &scratch, (sums + blocks) * sizeof(float)));
    run.sums = scratch;
    run.blocks = run.sums + sums;
    int64_t units = s->o / run.cutting.unit;
    parallel(stream->device, units, (units + threads - 1) / threads, gradient_units, &run);
    add_gradient(grad->data, run.sums, s, weight);
fail:
    return st;
}
