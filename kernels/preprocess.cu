/* preprocess.cu - a batch of 8-bit images of any sizes, resized as Pillow does, normalised, padded.
 *
 * Pillow's antialiased bilinear resize is two passes with 22-bit fixed-point weights and a rounding to
 * 8 bits after each; a pass whose length does not change is left out. Two launches. (1) A thread for
 * each row and column of the result works out which inputs it reads and with which weights, in double,
 * operation by operation as lib/image/resize.c does. (2) A thread makes one pixel: for each of its rows
 * the horizontal sum, rounded, and from these the vertical one. Rows are so computed again by
 * neighbouring threads, two or three times when an image grows, which costs less than a pass through
 * memory; their pixels come from the caches. Bound by the integer arithmetic of the taps and by the
 * write of the result. Sizes are read on the device, so a recording serves all images of a padded size.
 * Twin: ref_images_to_tensor in lib/backend/ref/image.c, whose bits come out in fp32. */
#include "common.cuh"

enum {
    THREADS = 256,
    MOST_TAPS = 32,
    WEIGHT_BITS = 22,
    WEIGHT_HALF = 1 << (WEIGHT_BITS - 1),
    MOST_SIDE = 32768
};

/* What one row or column of the result reads: in[first .. first + count). */
struct taps {
    int     first, count;
    double  center, inverse, sum; /* for weights that are not kept */
    int32_t weight[MOST_TAPS];
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ __forceinline__ double raw_weight(const struct taps *t, int k)
{
    const double distance =
        fabs(__dmul_rn(__dadd_rn(__dsub_rn((double)(k + t->first), t->center), 0.5), t->inverse));
    return distance < 1.0 ? __dsub_rn(1.0, distance) : 0.0;
}

static __device__ __forceinline__ int32_t fixed_weight(const struct taps *t, int k)
{
    const double raw = raw_weight(t, k), share = t->sum != 0.0 ? __ddiv_rn(raw, t->sum) : raw;
    return (int32_t)__dadd_rn(0.5, __dmul_rn(share, (double)(1 << WEIGHT_BITS)));
}

static __device__ void fill_taps(struct taps *t, int i, int in, int out)
{
    const double scale = __ddiv_rn((double)in, (double)out), stretch = scale > 1.0 ? scale : 1.0;
    const double center = __dmul_rn(__dadd_rn((double)i, 0.5), scale);
    const double low = __dadd_rn(__dsub_rn(center, stretch), 0.5);
    const double high = __dadd_rn(__dadd_rn(center, stretch), 0.5);
    const int width = min((int)ceil(stretch) * 2 + 1, in);
    const int end = high < in ? (int)high : in;
    t->first = low > 0.0 ? (int)low : 0;
    t->count = min(end - t->first, width);
    t->center = center;
    t->inverse = __ddiv_rn(1.0, stretch);
    double sum = 0.0;
    for (int k = 0; k < t->count; k++)
        sum = __dadd_rn(sum, raw_weight(t, k));
    t->sum = sum;
    for (int k = 0; k < t->count && t->count <= MOST_TAPS; k++)
        t->weight[k] = fixed_weight(t, k);
}

struct image_sizes {
    int  from_height, from_width, height, width;
    bool fits;
};

static __device__ struct image_sizes read_sizes(const struct launch_images &p, int64_t image)
{
    struct image_sizes s = {p.from_sizes[2 * image], p.from_sizes[2 * image + 1], p.sizes[2 * image],
                            p.sizes[2 * image + 1], false};
    s.fits = s.from_height >= 1 && s.from_width >= 1 && s.from_height <= MOST_SIDE &&
             s.from_width <= MOST_SIDE && (int64_t)s.from_height * s.from_width * 3 <= p.capacity &&
             s.height >= 1 && s.height <= p.height && s.width >= 1 && s.width <= p.width;
    return s;
}

/* taps [images, width + height]: of the columns, then of the rows. */
static __global__ void __launch_bounds__(THREADS) taps_kernel(struct launch_images p, struct taps *all)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.y;
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    const struct image_sizes s = read_sizes(p, image);
    struct taps *mine = all + image * (p.width + p.height);
    if (!s.fits)
        return;
    if (i < s.width && s.from_width != s.width)
        fill_taps(&mine[i], i, s.from_width, s.width);
    const int row = i - p.width;
    if (row >= 0 && row < s.height && s.from_height != s.height)
        fill_taps(&mine[i], row, s.from_height, s.height);
}

static __device__ __forceinline__ int32_t weight_at(const struct taps *t, int k)
{
    return t->count <= MOST_TAPS ? t->weight[k] : fixed_weight(t, k);
}

static __device__ __forceinline__ int to_byte(int32_t sum)
{
    return min(sum >> WEIGHT_BITS, 255);
}

/* Pixel x of a row after the horizontal pass. */
static __device__ __forceinline__ void horizontal(int pixel[3], const uint8_t *row,
                                                  const struct taps *columns, int x)
{
    if (!columns) {
        for (int c = 0; c < 3; c++)
            pixel[c] = row[3 * x + c];
        return;
    }
    const struct taps *t = &columns[x];
    const uint8_t *from = row + 3 * (int64_t)t->first;
    int32_t sum[3] = {WEIGHT_HALF, WEIGHT_HALF, WEIGHT_HALF};
    for (int k = 0; k < t->count; k++) {
        const int32_t weight = weight_at(t, k);
        for (int c = 0; c < 3; c++)
            sum[c] += weight * from[3 * k + c];
    }
    for (int c = 0; c < 3; c++)
        pixel[c] = to_byte(sum[c]);
}

static __device__ void resized_pixel(int pixel[3], const uint8_t *image, const struct image_sizes &s,
                                     const struct taps *taps, int width, int y, int x)
{
    const struct taps *columns = s.from_width != s.width ? taps : NULL;
    const int64_t stride = 3 * (int64_t)s.from_width;
    if (s.from_height == s.height) {
        horizontal(pixel, image + y * stride, columns, x);
        return;
    }
    const struct taps *t = &taps[width + y];
    int32_t sum[3] = {WEIGHT_HALF, WEIGHT_HALF, WEIGHT_HALF};
    for (int k = 0; k < t->count; k++) {
        const int32_t weight = weight_at(t, k);
        int row[3];
        horizontal(row, image + (t->first + k) * stride, columns, x);
        for (int c = 0; c < 3; c++)
            sum[c] += weight * row[c];
    }
    for (int c = 0; c < 3; c++)
        pixel[c] = to_byte(sum[c]);
}

template <typename T>
static __global__ void __launch_bounds__(THREADS)
    images_kernel(struct launch_images p, const struct taps *all)
{
    cu_pdl_wait();
    const int64_t image = blockIdx.z;
    const int x = (int)(blockIdx.x * THREADS + threadIdx.x), y = (int)blockIdx.y;
    if (x >= p.width)
        return;
    const struct image_sizes s = read_sizes(p, image);
    T *out = static_cast<T *>(p.out) + ((image * p.height + y) * p.width + x) * 3;
    int pixel[3] = {0, 0, 0};
    const bool inside = s.fits && y < s.height && x < s.width;
    if (inside)
        resized_pixel(pixel, p.pixels + image * p.capacity, s, all + image * (p.width + p.height),
                      p.width, y, x);
    for (int c = 0; c < 3; c++) {
        const float value = (float)pixel[p.reverse_channels ? 2 - c : c];
        out[c] = cu_from_float<T>(inside ? __fdiv_rn(__fsub_rn(value, p.mean[c]), p.std[c]) : 0.0f);
    }
}

/* ---- launchers ----------------------------------------------------------------------------- */

extern "C" size_t launch_images_scratch(const struct launch_images *images)
{
    return (size_t)images->images * (size_t)(images->width + images->height) * sizeof(struct taps);
}

template <typename T>
static int images_to_tensor(const struct launch_images *p, struct taps *taps, launch_stream stream)
{
    auto kernel = images_kernel<T>;
    return CU_LAUNCH(kernel,
                     dim3((unsigned)cu_ceil_div(p->width, THREADS), (unsigned)p->height,
                          (unsigned)p->images),
                     dim3(THREADS), 0, stream, *p, taps);
}

extern "C" int launch_images_to_tensor(const struct launch_images *images, void *scratch,
                                       launch_stream stream)
{
    struct taps *taps = (struct taps *)scratch;
    if (images->images <= 0 || images->width <= 0 || images->height <= 0)
        return 0;
    const int status = CU_LAUNCH(
        taps_kernel,
        dim3((unsigned)cu_ceil_div(images->width + images->height, THREADS), (unsigned)images->images),
        dim3(THREADS), 0, stream, *images, taps);
    if (status)
        return status;
    switch (images->type) {
    case LAUNCH_BF16: return images_to_tensor<cu_bf16>(images, taps, stream);
    case LAUNCH_F16: return images_to_tensor<cu_fp16>(images, taps, stream);
    default: return images_to_tensor<float>(images, taps, stream);
    }
}
