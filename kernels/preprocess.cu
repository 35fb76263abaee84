/* preprocess.cu - a batch of 8-bit images of any sizes, resized as Pillow does, normalised, padded.
 *
 * Pillow's antialiased bilinear resize is two passes with 22-bit fixed-point weights and a rounding to
 * 8 bits after each. Two launches. (1) A thread for each row and column of the result works out which
 * inputs it reads and with which weights, in double, operation by operation as lib/image/resize.c does; a
 * side that keeps its length has one whole weight, which changes nothing. (2) A block makes a tile: it
 * walks over the rows of the picture that its rows read, some at a time; these become rows of the tile's
 * width, rounded, in shared memory, from which each thread adds up its pixels of a column. Sums are
 * integers, so any factor is served in the same memory and to the same bits. Bound by the loads of
 * single bytes, which come from the caches, and by the write of the result. Sizes are read on the
 * device, so a recording serves all images of a padded size. Twin: ref_images_to_tensor in
 * lib/backend/ref/image.c, whose bits come out in fp32. */
#include "common.cuh"

enum { THREADS = 256, WEIGHT_BITS = 22, WEIGHT_HALF = 1 << (WEIGHT_BITS - 1), MOST_SIDE = 32768 };
enum {
    TILE_WIDTH = 64,
    LANES = THREADS / TILE_WIDTH,
    PER_THREAD = 4,
    TILE_HEIGHT = LANES * PER_THREAD
};
enum { BAND = 32 }; /* rows of the picture at a time */

/* What output i of an axis reads: in[first[i] + k] times weight[k * outputs + i], k < count[i]. */
struct axis_taps {
    int32_t *first, *count, *weight;
};

struct image_sizes {
    int from_height, from_width, height, width;
    bool fits;
};

/* Pixels after the horizontal pass, a channel a byte. */
struct band {
    uint32_t pixels[BAND][TILE_WIDTH];
};

/* ---- taps ---------------------------------------------------------------------------------- */

/* Words of an axis with `outputs` outputs at most: with n of them and m inputs each has at most
 * 2 ceil(m / n) + 1 weights if it shrinks, or 3, which makes less than 2 m + 3 n. */
static __host__ __device__ __forceinline__ int64_t axis_words(const struct launch_images &p,
                                                              int outputs)
{
    const int64_t most = MOST_SIDE, pixels = p.capacity / 3, inputs = pixels < most ? pixels : most;
    return 2 * inputs + 5 * (int64_t)outputs;
}

static __device__ __forceinline__ struct axis_taps axis_at(int32_t *words, int outputs)
{
    return {words, words + outputs, words + 2 * (int64_t)outputs};
}

/* Of an image, in words that hold its columns' taps and then its rows'. */
static __device__ __forceinline__ struct axis_taps column_taps(const struct launch_images &p,
                                                               int32_t *words, int64_t image)
{
    return axis_at(words + image * (axis_words(p, p.width) + axis_words(p, p.height)), p.width);
}

static __device__ __forceinline__ struct axis_taps row_taps(const struct launch_images &p,
                                                            int32_t *words, int64_t image)
{
    return axis_at(words + image * (axis_words(p, p.width) + axis_words(p, p.height)) +
                       axis_words(p, p.width),
                   p.height);
}

static __device__ __forceinline__ struct image_sizes read_sizes(const struct launch_images &p,
                                                                int64_t image)
{
    struct image_sizes s = {p.from_sizes[2 * image], p.from_sizes[2 * image + 1],
                            p.sizes[2 * image], p.sizes[2 * image + 1], false};
    s.fits = s.from_height >= 1 && s.from_width >= 1 && s.from_height <= MOST_SIDE &&
             s.from_width <= MOST_SIDE && (int64_t)s.from_height * s.from_width * 3 <= p.capacity &&
             s.height >= 1 && s.height <= p.height && s.width >= 1 && s.width <= p.width;
    return s;
}

/* Before the sum of the weights is made 1. */
static __device__ __forceinline__ double raw_weight(int input, double center, double inverse)
{
    const double distance =
        fabs(__dmul_rn(__dadd_rn(__dsub_rn((double)input, center), 0.5), inverse));
    return distance < 1.0 ? __dsub_rn(1.0, distance) : 0.0;
}

static __device__ void fill_taps(const struct axis_taps &taps, int i, int in, int out)
{
    if (in == out) {
        taps.first[i] = i;
        taps.count[i] = 1;
        taps.weight[i] = 1 << WEIGHT_BITS;
        return;
    }
    const double scale = __ddiv_rn((double)in, (double)out), stretch = scale > 1.0 ? scale : 1.0;
    const double inverse = __ddiv_rn(1.0, stretch),
                 center = __dmul_rn(__dadd_rn((double)i, 0.5), scale);
    const double low = __dadd_rn(__dsub_rn(center, stretch), 0.5);
    const double high = __dadd_rn(__dadd_rn(center, stretch), 0.5);
    const int most = min((int)ceil(stretch) * 2 + 1, in);
    const int first = low > 0.0 ? (int)low : 0, end = high < in ? (int)high : in;
    const int count = min(end - first, most);
    double sum = 0.0;
    for (int k = 0; k < count; k++)
        sum = __dadd_rn(sum, raw_weight(k + first, center, inverse));
    for (int k = 0; k < count; k++) {
        const double raw = raw_weight(k + first, center, inverse);
        const double share = sum != 0.0 ? __ddiv_rn(raw, sum) : raw;
        taps.weight[(int64_t)k * out + i] =
            (int32_t)__dadd_rn(0.5, __dmul_rn(share, (double)(1 << WEIGHT_BITS)));
    }
    taps.first[i] = first;
    taps.count[i] = count;
}

static __global__ void __launch_bounds__(THREADS)
    taps_kernel(struct launch_images p, int32_t *words)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.y;
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x), row = i - p.width;
    const struct image_sizes s = read_sizes(p, image);
    if (!s.fits)
        return;
    if (i < s.width)
        fill_taps(column_taps(p, words, image), i, s.from_width, s.width);
    if (row >= 0 && row < s.height)
        fill_taps(row_taps(p, words, image), row, s.from_height, s.height);
}

/* ---- pixels -------------------------------------------------------------------------------- */

static __device__ __forceinline__ uint32_t to_byte(int32_t sum)
{
    return (uint32_t)min(sum >> WEIGHT_BITS, 255);
}

/* One pixel of the band: `from` are the picture's that its column reads, `weight` theirs. */
static __device__ __forceinline__ uint32_t horizontal(const uint8_t *from, const int32_t *weight,
                                                      int count, int outputs)
{
    int32_t sum[3] = {WEIGHT_HALF, WEIGHT_HALF, WEIGHT_HALF};
    for (int k = 0; k < count; k++, from += 3, weight += outputs)
        for (int c = 0; c < 3; c++)
            sum[c] += *weight * from[c];
    return to_byte(sum[0]) | to_byte(sum[1]) << 8 | to_byte(sum[2]) << 16;
}

/* sum += the rows of the band [start, end) that output `y` reads, at column `column` of the tile. */
static __device__ __forceinline__ void vertical(int32_t sum[3], const struct band &band, int start,
                                                int end, const struct axis_taps &rows, int y,
                                                int height, int column)
{
    const int first = rows.first[y], last = min(first + rows.count[y], end);
    for (int row = max(first, start); row < last; row++) {
        const int32_t weight = rows.weight[(int64_t)(row - first) * height + y];
        const uint32_t pixel = band.pixels[row - start][column];
        for (int c = 0; c < 3; c++)
            sum[c] += weight * (int32_t)(pixel >> 8 * c & 255);
    }
}

/* The sums of this thread's pixels: column x, every LANES-th row from y on. All threads of the block. */
static __device__ void resize_tile(int32_t sums[PER_THREAD][3], struct band *band,
                                   const uint8_t *picture, const struct image_sizes &s,
                                   const struct axis_taps &columns, const struct axis_taps &rows,
                                   int x, int y)
{
    const int column = threadIdx.x % TILE_WIDTH, lane = threadIdx.x / TILE_WIDTH;
    const int top = y - lane, bottom = min(top + TILE_HEIGHT, s.height) - 1;
    const int64_t stride = 3 * (int64_t)s.from_width;
    const bool inside = x < s.width;
    const int count = inside ? columns.count[x] : 0;
    const uint8_t *from = picture + (inside ? 3 * (int64_t)columns.first[x] : 0);
    const int end = rows.first[bottom] + rows.count[bottom];
    for (int start = rows.first[top]; start < end; start += BAND) {
        const int stop = min(start + BAND, end);
        for (int row = start + lane; row < stop && inside; row += LANES)
            band->pixels[row - start][column] =
                horizontal(from + row * stride, columns.weight + x, count, s.width);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < PER_THREAD; k++)
            if (inside && y + k * LANES < s.height)
                vertical(sums[k], *band, start, stop, rows, y + k * LANES, s.height, column);
        __syncthreads();
    }
}

template <typename T>
static __global__ void __launch_bounds__(THREADS, 3)
    images_kernel(struct launch_images p, int32_t *words)
{
    cu_pdl_wait();
    CU_SMEM(struct band, band);
    const int64_t image = blockIdx.z;
    const int left = (int)blockIdx.x * TILE_WIDTH, x = left + (int)threadIdx.x % TILE_WIDTH;
    const int top = (int)blockIdx.y * TILE_HEIGHT, y = top + (int)threadIdx.x / TILE_WIDTH;
    const struct image_sizes s = read_sizes(p, image);
    int32_t sums[PER_THREAD][3];
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++)
        sums[k][0] = sums[k][1] = sums[k][2] = WEIGHT_HALF;
    if (s.fits && top < s.height && left < s.width)
        resize_tile(sums, band, p.pixels + image * p.capacity, s, column_taps(p, words, image),
                    row_taps(p, words, image), x, y);
    if (x >= p.width)
        return;
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        const int row = y + k * LANES;
        if (row >= p.height)
            break;
        const bool inside = s.fits && row < s.height && x < s.width;
        T *out = static_cast<T *>(p.out) + ((image * p.height + row) * p.width + x) * 3;
#pragma unroll
        for (int c = 0; c < 3; c++) {
            const float value = (float)to_byte(p.reverse_channels ? sums[k][2 - c] : sums[k][c]);
            out[c] =
                cu_from_float<T>(inside ? __fdiv_rn(__fsub_rn(value, p.mean[c]), p.std[c]) : 0.0f);
        }
    }
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_images_scratch(const struct launch_images *images)
{
    return (size_t)images->images * sizeof(int32_t) *
           (size_t)(axis_words(*images, images->width) + axis_words(*images, images->height));
}

template <typename T>
static int images_to_tensor(const struct launch_images *p, int32_t *words, launch_stream stream)
{
    const dim3 grid((unsigned)cu_ceil_div(p->width, TILE_WIDTH),
                    (unsigned)cu_ceil_div(p->height, TILE_HEIGHT), (unsigned)p->images);
    auto kernel = images_kernel<T>;
    return CU_LAUNCH(kernel, grid, dim3(THREADS), sizeof(struct band), stream, *p, words);
}

extern "C" int launch_images_to_tensor(const struct launch_images *images, void *scratch,
                                       launch_stream stream)
{
    int32_t *words = static_cast<int32_t *>(scratch);
    if (images->images <= 0 || images->width <= 0 || images->height <= 0)
        return 0;
    const int status =
        CU_LAUNCH(taps_kernel,
                  dim3((unsigned)cu_ceil_div(images->width + images->height, THREADS),
                       (unsigned)images->images),
                  dim3(THREADS), 0, stream, *images, words);
    if (status)
        return status;
    switch (images->type) {
    case LAUNCH_BF16:
        return images_to_tensor<cu_bf16>(images, words, stream);
    case LAUNCH_F16:
        return images_to_tensor<cu_fp16>(images, words, stream);
    default:
        return images_to_tensor<float>(images, words, stream);
    }
}
