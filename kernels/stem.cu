/* stem.cu - the first convolution of a network with its bias, ReLU and max-pool, in one pass.
 *
 * What ResNets begin with, 7x7 stride 2 over three channels and a 3x3 pool with stride 2, on tensor
 * cores. Mapping: a block makes a tile of 4 x 15 pooled pixels from 9 x 32 of the convolution, and goes
 * on to further tiles. Of a kernel row, the 7 pixels of 3 channels are 21 neighbouring numbers, padded
 * to 24: a product of depth 16 and one of depth 8; the next output pixel begins 6 numbers further, so
 * fragments of the image are loaded as words, without conflict, and nothing is copied together.
 * Weights stay in registers: a warp has 16 channels and every second group of 16 pixels. The result of
 * the convolution exists in shared memory alone, which saves writing and reading the network's largest
 * map. Bound by memory: the image is read 1.3 times, the pooled map written once. Sums are in 32 bits.
 * Other shapes and fp32 go to a plain kernel: right, and slow. Twin: ref_conv2d_maxpool_forward in
 * lib/backend/ref/pool.c. */
#include "common.cuh"

enum {
    THREADS = 256,
    KERNEL = 7,
    ROW = 21,           /* numbers of a kernel row */
    POOLED_HEIGHT = 4,
    POOLED_WIDTH = 15,
    CONV_HEIGHT = 2 * POOLED_HEIGHT + 1,
    CONV_WIDTH = 32,    /* of which 2 * POOLED_WIDTH + 1 are used */
    IN_HEIGHT = 2 * CONV_HEIGHT + 5,
    IN_ROW = 3 * (2 * CONV_WIDTH + 5),
    IN_STRIDE = 216,    /* numbers of a row in shared memory; those behind IN_ROW are zero */
    MOST_CHANNELS = 64,
    CONV_STRIDE = MOST_CHANNELS + 8, /* the 8 keep rows on different banks */
    GROUPS = CONV_HEIGHT * CONV_WIDTH / 16
};

template <typename T> struct __align__(16) stem_shared {
    T in[IN_HEIGHT * IN_STRIDE];
    T conv[CONV_HEIGHT * CONV_WIDTH * CONV_STRIDE];
};

/* Where a tile is: its first pooled pixel. */
struct tile {
    int64_t image;
    int y, x;
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ struct tile tile_at(const struct launch_stem &p, int64_t index)
{
    const int across = (p.out_width + POOLED_WIDTH - 1) / POOLED_WIDTH;
    const int down = (p.out_height + POOLED_HEIGHT - 1) / POOLED_HEIGHT;
    const int64_t in_image = index % (across * down);
    return {index / (across * down), (int)(in_image / across) * POOLED_HEIGHT,
            (int)(in_image % across) * POOLED_WIDTH};
}

/* The image's part that the tile looks at; zero beyond its edges. */
template <typename T> static __device__ void load_image(T *to, const struct launch_stem &p, struct tile t)
{
    const T *image = static_cast<const T *>(p.in) + t.image * p.height * p.width * 3;
    const int top = 2 * (2 * t.y - 1) - 3, left = 2 * (2 * t.x - 1) - 3;
    for (int i = threadIdx.x; i < IN_HEIGHT * IN_STRIDE; i += THREADS) {
        const int row = top + i / IN_STRIDE, number = i % IN_STRIDE, column = 3 * left + number;
        const bool inside = row >= 0 && row < p.height && column >= 0 && column < 3 * p.width &&
                            number < IN_ROW;
        to[i] = inside ? image[(int64_t)row * p.width * 3 + column] : T{0};
    }
}

/* The fragments of two groups of 8 channels, from `channel` on, for all kernel rows. */
template <typename T>
static __device__ void load_weights(uint32_t b[2][KERNEL][3], const struct launch_stem &p, int channel)
{
    const int lane = threadIdx.x & 31;
    const T *weight = static_cast<const T *>(p.weight);
#pragma unroll
    for (int n = 0; n < 2; n++)
#pragma unroll
        for (int row = 0; row < KERNEL; row++)
#pragma unroll
            for (int part = 0; part < 3; part++) {
                const int o = channel + 8 * n + lane / 4, k = 8 * part + 2 * (lane % 4);
                const T *from = weight + ((int64_t)o * KERNEL + row) * ROW + k;
                const uint32_t low = o < p.channels && k < ROW ? from[0].bits : 0;
                const uint32_t high = o < p.channels && k + 1 < ROW ? from[1].bits : 0;
                b[n][row][part] = low | high << 16;
            }
}

/* The convolution at 16 pixels of a row of the tile, for a warp's 16 channels. */
template <typename T>
static __device__ __forceinline__ void multiply(float sum[2][4], const T *in,
                                                const uint32_t b[2][KERNEL][3], int conv_row,
                                                int conv_column)
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int row = 0; row < KERNEL; row++) {
        /* Of pixel lane / 4 and the one 8 further, numbers 2 * (lane % 4) and the next. */
        const T *from =
            in + (2 * conv_row + row) * IN_STRIDE + 6 * (conv_column + lane / 4) + 2 * (lane % 4);
        uint32_t a[6];
#pragma unroll
        for (int part = 0; part < 3; part++) {
            a[2 * part] = *reinterpret_cast<const uint32_t *>(from + 8 * part);
            a[2 * part + 1] = *reinterpret_cast<const uint32_t *>(from + 8 * part + 48);
        }
#pragma unroll
        for (int n = 0; n < 2; n++) {
            cu_mma_16816<T>(sum[n], a, b[n][row]);
            cu_mma_1688<T>(sum[n], a + 4, b[n][row] + 2);
        }
    }
}

/* ReLU, and zero where the convolution has no pixel: no maximum of the pool changes by a zero. */
template <typename T>
static __device__ __forceinline__ void store_conv(T *conv, const float sum[2][4],
                                                  const struct launch_stem &p, struct tile t, int group,
                                                  int channel)
{
    const int lane = threadIdx.x & 31, row = group / 2, y = 2 * t.y - 1 + row;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int column = group % 2 * 16 + lane / 4 + 8 * half, x = 2 * t.x - 1 + column;
        const bool inside = y >= 0 && y < p.conv_height && x >= 0 && x < p.conv_width;
#pragma unroll
        for (int n = 0; n < 2; n++) {
            const float low = sum[n][2 * half], high = sum[n][2 * half + 1];
            *reinterpret_cast<uint32_t *>(conv + (row * CONV_WIDTH + column) * CONV_STRIDE + channel +
                                          8 * n + 2 * (lane % 4)) =
                cu_pack<T>(inside && low > 0 ? low : 0, inside && high > 0 ? high : 0);
        }
    }
}

template <typename T>
static __device__ void pool_tile(const T *conv, const struct launch_stem &p, struct tile t)
{
    typedef cu_vector<T, 8> vector;
    const int vectors = p.channels / 8;
    for (int i = threadIdx.x; i < POOLED_HEIGHT * POOLED_WIDTH * vectors; i += THREADS) {
        const int place = i / vectors, c = i % vectors * 8;
        const int row = place / POOLED_WIDTH, column = place % POOLED_WIDTH;
        const int y = t.y + row, x = t.x + column;
        if (y >= p.out_height || x >= p.out_width)
            continue;
        float best[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        for (int window = 0; window < 9; window++) {
            const int at = (2 * row + window / 3) * CONV_WIDTH + 2 * column + window % 3;
            const vector values = *reinterpret_cast<const vector *>(conv + at * CONV_STRIDE + c);
            for (int k = 0; k < 8; k++)
                best[k] = fmaxf(best[k], cu_to_float(values.at[k]));
        }
        vector result;
        for (int k = 0; k < 8; k++)
            result.at[k] = cu_from_float<T>(best[k]);
        *reinterpret_cast<vector *>(static_cast<T *>(p.out) +
                                    ((t.image * p.out_height + y) * p.out_width + x) * p.channels + c) =
            result;
    }
}

template <typename T>
static __global__ void __launch_bounds__(THREADS, 2) stem_kernel(struct launch_stem p, int64_t tiles)
{
    cu_pdl_wait();
    CU_SMEM(stem_shared<T>, s);
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32, channel = warp % 4 * 16;
    uint32_t b[2][KERNEL][3];
    float bias[2][2];
    load_weights<T>(b, p, channel);
    for (int n = 0; n < 2; n++)
        for (int k = 0; k < 2; k++) {
            const int o = channel + 8 * n + 2 * (lane % 4) + k;
            bias[n][k] = p.bias && o < p.channels ? p.bias[o] : 0;
        }
    for (int64_t index = blockIdx.x; index < tiles; index += gridDim.x) {
        const struct tile t = tile_at(p, index);
        load_image(s->in, p, t);
        __syncthreads();
        for (int group = warp / 4; group < GROUPS && channel < p.channels; group += 2) {
            float sum[2][4];
            for (int n = 0; n < 2; n++)
                for (int k = 0; k < 4; k++)
                    sum[n][k] = bias[n][k % 2];
            multiply<T>(sum, s->in, b, group / 2, group % 2 * 16);
            store_conv(s->conv, sum, p, t, group, channel);
        }
        __syncthreads();
        pool_tile(s->conv, p, t);
        __syncthreads();
    }
}

/* One pooled number a thread, each from its nine or fewer convolutions. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) plain_kernel(struct launch_stem p, int64_t count)
{
    cu_pdl_wait();
    const T *in = static_cast<const T *>(p.in), *weight = static_cast<const T *>(p.weight);
    const int64_t step = (int64_t)gridDim.x * THREADS;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const int o = (int)(i % p.channels), x = (int)(i / p.channels % p.out_width);
        const int y = (int)(i / p.channels / p.out_width % p.out_height);
        const int64_t image = i / p.channels / p.out_width / p.out_height;
        float best = 0;
        for (int window = 0; window < p.pool_kernel * p.pool_kernel; window++) {
            const int cy = y * p.pool_stride - p.pool_pad + window / p.pool_kernel;
            const int cx = x * p.pool_stride - p.pool_pad + window % p.pool_kernel;
            if (cy < 0 || cy >= p.conv_height || cx < 0 || cx >= p.conv_width)
                continue;
            float sum = p.bias ? p.bias[o] : 0;
            for (int tap = 0; tap < p.kernel_height * p.kernel_width; tap++) {
                const int row = cy * p.stride - p.pad + tap / p.kernel_width;
                const int column = cx * p.stride - p.pad + tap % p.kernel_width;
                if (row < 0 || row >= p.height || column < 0 || column >= p.width)
                    continue;
                const T *pixel = in + ((image * p.height + row) * p.width + column) * p.in_channels;
                const T *taps =
                    weight + ((int64_t)o * p.kernel_height * p.kernel_width + tap) * p.in_channels;
                for (int c = 0; c < p.in_channels; c++)
                    sum = __fmaf_rn(cu_to_float(pixel[c]), cu_to_float(taps[c]), sum);
            }
            best = fmaxf(best, sum);
        }
        static_cast<T *>(p.out)[i] = cu_from_float<T>(best);
    }
}

/* ---- launchers ----------------------------------------------------------------------------- */

static bool fits_tensor_cores(const struct launch_stem *p)
{
    return p->type != LAUNCH_F32 && p->in_channels == 3 && p->kernel_height == KERNEL &&
           p->kernel_width == KERNEL && p->stride == 2 && p->pad == 3 && p->pool_kernel == 3 &&
           p->pool_stride == 2 && p->pool_pad == 1 && p->channels % 8 == 0 &&
           p->channels <= MOST_CHANNELS && ((uintptr_t)p->out & 15) == 0;
}

template <typename T> static int stem(const struct launch_stem *p, launch_stream stream)
{
    const int64_t tiles = p->images * cu_ceil_div(p->out_height, POOLED_HEIGHT) *
                          cu_ceil_div(p->out_width, POOLED_WIDTH);
    const int64_t most = 4 * (int64_t)(p->multiprocessors > 0 ? p->multiprocessors : 1);
    auto kernel = stem_kernel<T>;
    return CU_LAUNCH(kernel, dim3((unsigned)(tiles < most ? tiles : most)), dim3(THREADS),
                     sizeof(stem_shared<T>), stream, *p, tiles);
}

template <typename T> static int plain(const struct launch_stem *p, launch_stream stream)
{
    const int64_t count = p->images * p->out_height * p->out_width * p->channels;
    const int64_t blocks = cu_ceil_div(count, THREADS);
    auto kernel = plain_kernel<T>;
    return CU_LAUNCH(kernel, dim3((unsigned)(blocks < 1 << 20 ? blocks : 1 << 20)), dim3(THREADS), 0, stream,
                     *p, count);
}

extern "C" int launch_stem(const struct launch_stem *p, launch_stream stream)
{
    if (p->images <= 0 || p->out_height <= 0 || p->out_width <= 0 || p->channels <= 0)
        return 0;
    const bool fits = fits_tensor_cores(p);
    switch (p->type) {
    case LAUNCH_BF16: return fits ? stem<cu_bf16>(p, stream) : plain<cu_bf16>(p, stream);
    case LAUNCH_F16: return fits ? stem<cu_fp16>(p, stream) : plain<cu_fp16>(p, stream);
    default: return plain<float>(p, stream);
    }
}
