/* winograd.c - Winograd convolution: packing, tiles and threads around the kernels.
 *
 * A chunk of tiles is transformed, multiplied and transformed back while it is in the cache: for
 * each unit of channels, [36][tiles][channels in] times [36][channels in][channels out]. */
#include "backend/cpu/winograd.h"

#include <string.h>

#include "backend/cpu/threads.h"
#include "backend/cpu/winograd_kernels.h"
#include "core/error.h"

enum {
    MIN_TILES = 256,     /* of fewer, the gain is not worth four times the weights' memory */
    MAX_PAIRS = 1 << 16, /* channel pairs of a group: packed weights of 9 MiB */
    CHUNK_TILES = 2 * WINOGRAD_ROWS,
    MIN_CHANNELS = 512 /* to take at once, where there are groups */
};

struct tiling {
    int64_t down, across, count; /* tiles of an image's height and width, and of all images */
};

static struct tiling tiling_of(const struct conv_shape *s)
{
    struct tiling t = {(s->oh + WINOGRAD_TILE - 1) / WINOGRAD_TILE,
                       (s->ow + WINOGRAD_TILE - 1) / WINOGRAD_TILE, 0};
    t.count = s->n * t.down * t.across;
    return t;
}

/* A unit is the smallest run of whole groups that fills whole vectors: one group, or two of 8. */
struct units {
    int64_t count;
    int64_t in, out; /* channels */
    int64_t depth;   /* input channels that an output channel sees */
    int64_t columns; /* output channels of a panel of weights */
    winograd_product_fn *product;
};

/* product NULL: no kernel. */
static struct units units_of(const struct conv_shape *s)
{
    const struct winograd_kernels kernels = winograd_kernels();
    int64_t in = s->c / s->groups, out = s->o / s->groups;
    if (in == 8 && out == 8 && s->groups % 2 == 0)
        return (struct units){s->groups / 2, 16, 16, 8, WINOGRAD_NARROW, kernels.pairs};
    if (in == 16 && out == 16)
        return (struct units){s->groups, 16, 16, 16, WINOGRAD_NARROW, kernels.narrow};
    if (in % WINOGRAD_COLUMNS == 0 && out % WINOGRAD_COLUMNS == 0)
        return (struct units){s->groups, in, out, in, WINOGRAD_COLUMNS, kernels.wide};
    return (struct units){.product = NULL};
}

bool winograd_suits(const struct conv_shape *s)
{
    return s->kh == 3 && s->kw == 3 && s->pad == 1 && s->stride == 1 &&
           s->c / s->groups * (s->o / s->groups) <= MAX_PAIRS && tiling_of(s).count >= MIN_TILES &&
           units_of(s).product;
}

/* ---- weights ------------------------------------------------------------------------------ */

size_t winograd_weight_floats(const struct conv_shape *s)
{
    return (size_t)(s->o * (s->c / s->groups) * WINOGRAD_POINTS);
}

struct packing {
    float *packed;
    const struct weight *weight;
    const struct conv_shape *shape;
    struct units units;
    bool transposed;
};

/* The windows that lead from channel i of a group to the channels from `first` on. */
static void windows_of(float *windows, const struct packing *p, int64_t i, int64_t first)
{
    const float *value = p->weight->value.data; /* [channels out][3][3][channels in a group] */
    const float *scale = tensor_given(&p->weight->scale) ? p->weight->scale.data : NULL;
    int64_t in = p->shape->c / p->shape->groups, out = p->shape->o / p->shape->groups;
    for (int64_t lane = 0; lane < p->units.columns; lane++) {
        int64_t o = first + lane;
        int64_t row = p->transposed ? o / out * in + i : o;
        int64_t column = p->transposed ? o % out : i;
        for (int tap = 0; tap < 9; tap++)
            windows[(p->transposed ? 8 - tap : tap) * p->units.columns + lane] =
                value[(row * 9 + tap) * (p->transposed ? out : in) + column] *
                (scale ? scale[row] : 1.0f);
    }
}

/* Panels: packed [unit][36][panel][depth][columns]. */
static void pack_panels(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct packing *p = arg;
    const struct units *u = &p->units;
    int64_t panels = u->out / u->columns;
    (void)thread;
    for (int64_t index = first; index < last; index++) {
        int64_t at = (index / panels * WINOGRAD_POINTS * panels + index % panels) * u->depth;
        float *out = p->packed + at * u->columns;
        for (int64_t i = 0; i < u->depth; i++, out += u->columns) {
            float windows[9 * WINOGRAD_COLUMNS];
            windows_of(windows, p, i, index * u->columns);
            winograd_kernels().weights(&(struct winograd_weights){
                windows, out, panels * u->depth * u->columns, u->columns});
        }
    }
}

void winograd_pack(const struct device *device, float *packed, const struct conv_shape *s,
                   const struct weight *weight, bool transposed)
{
    struct packing p = {packed, weight, s, units_of(s), transposed};
    parallel(device, s->o / p.units.columns, 1, pack_panels, &p);
}

/* ---- convolution -------------------------------------------------------------------------- */

struct run {
    const struct winograd_conv *conv;
    struct winograd_kernels kernels;
    struct tiling tiling;
    struct units units;
    int64_t together;          /* units that a chunk takes at once */
    int64_t in_step, out_step; /* floats from point to point */
    size_t thread_floats;
    float *scratch; /* zeros for pixels outside, then thread_floats a thread */
};

/* Where a tile's first output is. Tiles past the end are the last one once more. */
struct place {
    int64_t image, y, x;
};

static struct place place_of(const struct tiling *t, int64_t tile)
{
    if (tile >= t->count)
        tile = t->count - 1;
    return (struct place){tile / (t->down * t->across), tile / t->across % t->down * WINOGRAD_TILE,
                          tile % t->across * WINOGRAD_TILE};
}

static void read_tile(const struct run *run, int64_t tile, int64_t channel, float *values)
{
    const struct conv_shape *s = &run->conv->shape;
    const struct place at = place_of(&run->tiling, tile);
    const float *image = run->conv->in + at.image * s->h * s->w * s->c + channel;
    struct winograd_input input = {
        .out = values, .step = run->in_step, .channels = run->together * run->units.in};
    for (int i = 0; i < WINOGRAD_POINTS; i++) {
        int64_t y = at.y - 1 + i / WINOGRAD_WINDOW, x = at.x - 1 + i % WINOGRAD_WINDOW;
        bool inside = y >= 0 && y < s->h && x >= 0 && x < s->w;
        input.pixels[i] = inside ? image + (y * s->w + x) * s->c : run->scratch;
    }
    run->kernels.input(&input);
}

static void write_tile(const struct run *run, int64_t tile, int64_t channel, const float *values)
{
    const struct winograd_conv *conv = run->conv;
    const struct conv_shape *s = &conv->shape;
    const struct place at = place_of(&run->tiling, tile);
    struct winograd_output output = {.in = values,
                                     .step = run->out_step,
                                     .channels = run->together * run->units.out,
                                     .bias = conv->bias ? conv->bias + channel : NULL,
                                     .relu = conv->relu};
    for (int i = 0; i < WINOGRAD_OUTPUTS; i++) {
        int64_t y = at.y + i / WINOGRAD_TILE, x = at.x + i % WINOGRAD_TILE;
        if (y >= s->oh || x >= s->ow)
            continue;
        int64_t offset = ((at.image * s->oh + y) * s->ow + x) * s->o + channel;
        output.pixels[i] = conv->out + offset;
        output.residuals[i] = conv->residual ? conv->residual + offset : NULL;
    }
    run->kernels.output(&output);
}

/* out [36][tiles][out] = in [36][tiles][in] * weights [36][panel][depth][columns] of one unit. A panel
 * stays in the nearest cache while the tiles pass by. */
static void multiply_points(const struct run *run, const float *weights, int64_t tiles,
                            const float *in, float *out)
{
    const struct units *u = &run->units;
    struct winograd_product product = {.a_row = run->together * u->in,
                                       .out_row = run->together * u->out,
                                       .depth = u->depth,
                                       .b = weights};
    for (int64_t point = 0; point < WINOGRAD_POINTS; point++)
        for (int64_t o = 0; o < u->out; o += u->columns) {
            for (int64_t tile = 0; tile < tiles; tile += WINOGRAD_ROWS) {
                product.a = in + point * run->in_step + tile * product.a_row;
                product.out = out + point * run->out_step + tile * product.out_row + o;
                u->product(&product);
            }
            product.b += u->depth * u->columns;
        }
}

/* Tiles [begin, end) of the units from `unit` on. */
static void run_chunk(const struct run *run, int64_t begin, int64_t end, int64_t unit, float *in)
{
    const struct units *u = &run->units;
    float *out = in + WINOGRAD_POINTS * run->in_step;
    int64_t tiles = (end - begin + WINOGRAD_ROWS - 1) / WINOGRAD_ROWS * WINOGRAD_ROWS;
    int64_t weights = WINOGRAD_POINTS * u->depth * u->out;
    for (int64_t i = 0; i < tiles; i++)
        read_tile(run, begin + i, unit * u->in, in + i * run->together * u->in);
    for (int64_t k = 0; k < run->together; k++)
        multiply_points(run, run->conv->weights + (unit + k) * weights, tiles, in + k * u->in,
                        out + k * u->out);
    for (int64_t i = 0; i < end - begin; i++)
        write_tile(run, begin + i, unit * u->out, out + i * run->together * u->out);
}

static void run_chunks(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct run *run = arg;
    float *mine =
        run->scratch + run->together * run->units.in + (size_t)thread * run->thread_floats;
    for (int64_t index = first; index < last; index++) {
        int64_t begin = index * CHUNK_TILES;
        int64_t end =
            begin + CHUNK_TILES < run->tiling.count ? begin + CHUNK_TILES : run->tiling.count;
        for (int64_t unit = 0; unit < run->units.count; unit += run->together)
            run_chunk(run, begin, end, unit, mine);
    }
}

/* Pixels are often a power of two apart and fight for the same cache lines: the more of a pixel is
 * taken at once, the fewer. */
static int64_t units_together(const struct units *u)
{
    int64_t together = 1;
    while (together * u->in < MIN_CHANNELS && u->count % (2 * together) == 0)
        together *= 2;
    return together;
}

md_status winograd_run(struct stream *stream, const struct winograd_conv *conv)
{
    md_status st = MD_OK;
    const struct conv_shape *s = &conv->shape;
    int64_t threads = stream->device->threads;
    struct run run = {
        .conv = conv, .kernels = winograd_kernels(), .tiling = tiling_of(s), .units = units_of(s)};
    void *scratch = NULL;
    run.together = units_together(&run.units);
    /* One vector more than needed: points whose distance is a power of two fight for cache lines. */
    run.in_step = CHUNK_TILES * run.together * run.units.in + WINOGRAD_LANES;
    run.out_step = CHUNK_TILES * run.together * run.units.out + WINOGRAD_LANES;
    run.thread_floats = (size_t)(WINOGRAD_POINTS * (run.in_step + run.out_step));
    size_t floats = (size_t)(run.together * run.units.in) + (size_t)threads * run.thread_floats;
    TRY(stream_scratch(stream, &scratch, floats * sizeof(float)));
    run.scratch = scratch;
    memset(run.scratch, 0, (size_t)(run.together * run.units.in) * sizeof(float));
    parallel(stream->device, (run.tiling.count + CHUNK_TILES - 1) / CHUNK_TILES, 1, run_chunks,
             &run);
fail:
    return st;
}
