/* resize.c - Pillow's antialiased bilinear resize of 8-bit images, bit for bit. */
#include "image/resize.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/fixed_memory.h"
#include "image/image.h"

/* Pillow's PRECISION_BITS: 32 - 8 bits of pixel - 2 of head room. The 32-bit sums cannot
 * overflow: a weight is rounded up only from half a unit on, so that the weights of one output
 * sum to at most 2^23, and 255 * 2^23 + 2^21 < 2^31. */
enum { WEIGHT_BITS = 22, WEIGHT_HALF = 1 << (WEIGHT_BITS - 1) };

/* Bytes of a row that the vertical pass sums at once; their sums stay in the first-level cache. */
enum { COLUMN_BLOCK = 512 };

/* ---- taps ----------------------------------------------------------------- */

/* The order of the operations is Pillow's, because each of them rounds. */
static void fill_taps(struct resize_axis *axis, int i, double *scratch)
{
    double scale = (double)axis->in / axis->out;
    double stretch = scale > 1.0 ? scale : 1.0;
    double inverse = 1.0 / stretch;
    double center = (i + 0.5) * scale;
    double low = center - stretch + 0.5;
    double high = center + stretch + 0.5;
    int first = low > 0.0 ? (int)low : 0;
    int end = high < axis->in ? (int)high : axis->in;
    int count = end - first < axis->width ? end - first : axis->width;

    double sum = 0.0;
    for (int k = 0; k < count; k++) {
        double distance = fabs((k + first - center + 0.5) * inverse);
        scratch[k] = distance < 1.0 ? 1.0 - distance : 0.0;
        sum += scratch[k];
    }
    int32_t *weight = axis->weight + (size_t)i * (size_t)axis->width;
    for (int k = 0; k < count; k++) {
        double share = sum != 0.0 ? scratch[k] / sum : scratch[k];
        weight[k] = (int32_t)(0.5 + share * (1 << WEIGHT_BITS));
    }
    axis->first[i] = first;
    axis->count[i] = count;
}

/* Most inputs that one output can read. */
static int tap_width(int in, int out)
{
    double scale = (double)in / out;
    int width = (int)ceil(scale > 1.0 ? scale : 1.0) * 2 + 1;
    return width < in ? width : in;
}

size_t resize_axis_bytes(int in, int out)
{
    size_t width = (size_t)tap_width(in, out), count = (size_t)out;
    return FIXED_MEMORY_TAKES(width * sizeof(double)) +
           2 * FIXED_MEMORY_TAKES(count * sizeof(int)) +
           FIXED_MEMORY_TAKES(count * width * sizeof(int32_t));
}

md_status resize_axis_create(struct resize_axis *axis, struct memory *memory, int in, int out)
{
    md_status st = MD_OK;
    double *scratch = NULL;
    memset(axis, 0, sizeof *axis);
    axis->memory = memory;
    if (in < 1 || out < 1 || in > IMAGE_MAX_PIXELS || out > IMAGE_MAX_PIXELS)
        FAIL(MD_EINVAL, "resize from length %d to %d: lengths are 1 to %d", in, out,
             IMAGE_MAX_PIXELS);
    axis->in = in;
    axis->out = out;
    axis->width = tap_width(in, out);

    TRY(memory_alloc(memory, &scratch, (size_t)axis->width, sizeof *scratch));
    TRY(memory_alloc(memory, &axis->first, (size_t)out, sizeof *axis->first));
    TRY(memory_alloc(memory, &axis->count, (size_t)out, sizeof *axis->count));
    TRY(memory_zeroed(memory, &axis->weight, (size_t)out * (size_t)axis->width,
                      sizeof *axis->weight));
    for (int i = 0; i < out; i++)
        fill_taps(axis, i, scratch);
    memory_free(memory, scratch);
    return MD_OK;
fail:
    memory_free(memory, scratch);
    resize_axis_free(axis);
    return st;
}

void resize_axis_free(struct resize_axis *axis)
{
    if (axis->memory) {
        memory_free(axis->memory, axis->first);
        memory_free(axis->memory, axis->count);
        memory_free(axis->memory, axis->weight);
    }
    memset(axis, 0, sizeof *axis);
}

/* ---- passes --------------------------------------------------------------- */

static inline uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    return (uint8_t)(value < 255 ? value : 255);
}

/* Inlined with a constant number of channels, so that the inner loop unrolls. */
static inline __attribute__((always_inline)) void
row_horizontal(uint8_t *out, const uint8_t *in, const struct resize_axis *axis, int channels)
{
    for (int i = 0; i < axis->out; i++) {
        const int32_t *weight = axis->weight + (size_t)i * (size_t)axis->width;
        const uint8_t *pixel = in + (ptrdiff_t)axis->first[i] * channels;
        int32_t sum[4] = {WEIGHT_HALF, WEIGHT_HALF, WEIGHT_HALF, WEIGHT_HALF};
        for (int k = 0; k < axis->count[i]; k++, pixel += channels)
            for (int c = 0; c < channels; c++)
                sum[c] += pixel[c] * weight[k];
        for (int c = 0; c < channels; c++)
            *out++ = to_byte(sum[c]);
    }
}

void resize_row_horizontal(uint8_t *out, const uint8_t *in, const struct resize_axis *axis,
                           int channels)
{
    switch (channels) {
    case 1:
        row_horizontal(out, in, axis, 1);
        break;
    case 3:
        row_horizontal(out, in, axis, 3);
        break;
    default:
        row_horizontal(out, in, axis, 4);
        break;
    }
}

void resize_row_vertical(uint8_t *out, const uint8_t *in, ptrdiff_t stride,
                         const struct resize_axis *axis, int y, size_t bytes)
{
    const int32_t *weight = axis->weight + (size_t)y * (size_t)axis->width;
    const uint8_t *top = in + axis->first[y] * stride;
    int32_t sum[COLUMN_BLOCK];
    for (size_t start = 0; start < bytes; start += COLUMN_BLOCK) {
        size_t length = bytes - start < COLUMN_BLOCK ? bytes - start : COLUMN_BLOCK;
        for (size_t i = 0; i < length; i++)
            sum[i] = WEIGHT_HALF;
        for (int k = 0; k < axis->count[y]; k++) {
            const uint8_t *row = top + k * stride + start;
            int32_t w = weight[k];
            for (size_t i = 0; i < length; i++)
                sum[i] += row[i] * w;
        }
        for (size_t i = 0; i < length; i++)
            out[start + i] = to_byte(sum[i]);
    }
}

/* ---- images --------------------------------------------------------------- */

static md_status resize_width(md_image *out, struct memory *memory, const md_image *in, int width)
{
    md_status st = MD_OK;
    md_image wide = {0};
    struct resize_axis axis = {0};
    TRY(image_create(&wide, memory, width, in->height, in->format));
    TRY(resize_axis_create(&axis, memory, in->width, width));
    int channels = image_channels(in->format);
    for (int y = 0; y < in->height; y++)
        resize_row_horizontal(wide.data + y * wide.stride, in->data + y * in->stride, &axis,
                              channels);
    resize_axis_free(&axis);
    *out = wide;
    return MD_OK;
fail:
    resize_axis_free(&axis);
    image_release(&wide);
    return st;
}

static md_status resize_height(md_image *out, struct memory *memory, const md_image *in, int height)
{
    md_status st = MD_OK;
    md_image tall = {0};
    struct resize_axis axis = {0};
    TRY(image_create(&tall, memory, in->width, height, in->format));
    TRY(resize_axis_create(&axis, memory, in->height, height));
    size_t bytes = (size_t)in->width * (size_t)image_channels(in->format);
    for (int y = 0; y < height; y++)
        resize_row_vertical(tall.data + y * tall.stride, in->data, in->stride, &axis, y, bytes);
    resize_axis_free(&axis);
    *out = tall;
    return MD_OK;
fail:
    resize_axis_free(&axis);
    image_release(&tall);
    return st;
}

md_status image_resize(md_image *out, struct memory *memory, const md_image *in, int out_width,
                       int out_height)
{
    md_status st = MD_OK;
    md_image wide = {0};
    md_image result = {0};
    if (in->width == out_width && in->height == out_height)
        return image_convert(out, memory, in, in->format);
    if (in->width != out_width)
        TRY(resize_width(&wide, memory, in, out_width));
    const md_image *source = in->width != out_width ? &wide : in;
    if (in->height == out_height) {
        *out = wide;
        return MD_OK;
    }
    TRY(resize_height(&result, memory, source, out_height));
    image_release(&wide);
    *out = result;
    return MD_OK;
fail:
    image_release(&wide);
    return st;
}

void resize_shortest_edge(int *out_height, int *out_width, int height, int width, int short_side,
                          int max_side)
{
    *out_height = height;
    *out_width = width;
    if (short_side <= 0)
        return;
    double scale = (double)short_side / (height < width ? height : width);
    double new_height = height < width ? short_side : scale * height;
    double new_width = height < width ? scale * width : short_side;
    double longest = new_height > new_width ? new_height : new_width;
    if (longest > max_side) {
        double factor = max_side / longest;
        new_height *= factor;
        new_width *= factor;
    }
    *out_height = (int)(new_height + 0.5);
    *out_width = (int)(new_width + 0.5);
}
