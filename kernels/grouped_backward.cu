/* grouped_backward.cu - gradients of grouped 3x3 convolution of bf16 and fp16 on tensor cores.
 *
 * What      conv2d_backward_weight of lib/tensor/ops.h for 8, 16, 32 or 64 channels a group, as many
 *           out as in, pad 1, stride 1 or 2; conv2d_backward_input of those of stride 1.
 * Input     The gradient of the input is the convolution of the output's gradient with the weight
 *           turned: taps in reverse, channels in and out exchanged. One small kernel turns it, then
 *           grouped_conv.cu does the rest.
 * Weight    For a tap it is [channels out, pixels] x [pixels, channels in]. A block keeps a slice of 64
 *           channels and walks over tiles of TILE_H x 16 outputs, of which both maps lie in shared
 *           memory, two stages deep. A warp has 16 channels out and half of their groups' channels in,
 *           all nine taps of them in registers. ldmatrix turns pixels into the rows and columns that
 *           mma wants. A row of the input that has been loaded serves the up to three rows of output it
 *           touches. With 8 channels a group half of each product is of two groups, and dropped.
 *           Blocks write their sums side by side; a second kernel adds them, times the scale of
 *           FrozenBN, to what is there.
 * Order     tiles as blocks take them, which follows from sizes and multiprocessors; then blocks: fixed.
 * Bound     memory traffic at 8 and 16 channels a group, tensor cores at 64.
 * Checked   tests/kernels/test_grouped_backward.c against sums in double precision. */
#include "grouped.cuh"

namespace
{

enum {
    WARPS = 8,
    THREADS = 32 * WARPS,
    JOIN_THREADS = 256,
    MOST_BLOCKS = 128, /* of a slice: their sums are added one after the other */
    BLOCKS_Y_MAX = 65535,
};

/* ---- the weight's gradient ------------------------------------------------------------------- */

template <int WIDTH, int STRIDE> struct filter_layout {
    static constexpr int TILE_H = STRIDE == 1 ? 8 : 4;
    static constexpr int IN_H = (TILE_H - 1) * STRIDE + 3;
    static constexpr int IN_W = (TILE_W - 1) * STRIDE + 3;
    static constexpr int IN_BYTES = IN_H * IN_W * PIXEL_BYTES;
    static constexpr int GRAD_BYTES = TILE_H * TILE_W * PIXEL_BYTES;
    static constexpr int STAGE_BYTES = IN_BYTES + GRAD_BYTES;
    /* 16 channels out are two groups of 8, which have two chunks of 8 channels in. */
    static constexpr int GROUP_CHUNKS = WIDTH == 8 ? 2 : WIDTH / CHUNK;
    static constexpr int FRAGMENTS = GROUP_CHUNKS / 2; /* of 8 channels in, of a warp */
    static constexpr int BLOCKS = WIDTH >= 32 ? 1 : 2; /* a multiprocessor; 64 keep 144 sums a lane */
};

template <int WIDTH, int STRIDE> struct filter_shared {
    alignas(16) unsigned char bytes[2 * filter_layout<WIDTH, STRIDE>::STAGE_BYTES];
};

template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void load_stage(unsigned char *stage, const T *__restrict__ in,
                                           const T *__restrict__ out_grad, const grouped_sizes &s,
                                           int tile, int channel0)
{
    using L = filter_layout<WIDTH, STRIDE>;
    const tile_place place = place_of(s, tile, L::TILE_H);
    const grouped_map map = {s.h, s.w, s.channels}, out = {s.out_h, s.out_w, s.channels};
    load_pixels<T, L::IN_H, L::IN_W, STRIDE, THREADS>(stage, in + place.image * s.h * s.w * s.channels,
                                                      map, place.y * STRIDE - 1, place.x * STRIDE - 1,
                                                      channel0);
    load_pixels<T, L::TILE_H, TILE_W, 1, THREADS>(
        stage + L::IN_BYTES, out_grad + place.image * s.out_h * s.out_w * s.channels, out, place.y,
        place.x, channel0);
}

/* a = the 16 channels out from chunk `chunk` on, of the 16 pixels of a row. */
__device__ __forceinline__ void load_grads(uint32_t a[4], const unsigned char *row, int chunk)
{
    const int lane = threadIdx.x & 31, column = (lane & 7) + (lane & 16 ? 8 : 0);
    cu_ldmatrix_x4_turned(a, row + chunk_place<1>(column, chunk + (lane >> 3 & 1)));
}

/* b[n] = the 8 channels in of chunk `chunk` + n, of 16 pixels from column `first` on. */
template <int STRIDE, int FRAGMENTS>
__device__ __forceinline__ void load_inputs(uint32_t b[FRAGMENTS][2], const unsigned char *row, int first,
                                            int chunk)
{
    const int lane = threadIdx.x & 31, column = first + (lane & 15) * STRIDE;
    if constexpr (FRAGMENTS == 1) {
        cu_ldmatrix_x2_turned(b[0], row + chunk_place<STRIDE>(column, chunk));
    } else {
#pragma unroll
        for (int n = 0; n < FRAGMENTS; n += 2) {
            uint32_t two[4];
            cu_ldmatrix_x4_turned(two, row + chunk_place<STRIDE>(column, chunk + n + (lane >> 4)));
            b[n][0] = two[0], b[n][1] = two[1];
            b[n + 1][0] = two[2], b[n + 1][1] = two[3];
        }
    }
}

/* The warp's first chunk of channels in. */
template <int WIDTH, int STRIDE> __device__ __forceinline__ int first_chunk()
{
    using L = filter_layout<WIDTH, STRIDE>;
    const int warp = threadIdx.x >> 5, out = 2 * (warp & 3);
    return out / L::GROUP_CHUNKS * L::GROUP_CHUNKS + (warp >> 2) * L::FRAGMENTS;
}

/* sum[tap][n] += what a tile gives. */
template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void add_tile(float sum[TAPS][filter_layout<WIDTH, STRIDE>::FRAGMENTS][4],
                                         const unsigned char *stage)
{
    using L = filter_layout<WIDTH, STRIDE>;
    const int out_chunk = 2 * (threadIdx.x >> 5 & 3), in_chunk = first_chunk<WIDTH, STRIDE>();
    const unsigned char *grads = stage + L::IN_BYTES;
    uint32_t a[L::TILE_H][4];
#pragma unroll
    for (int j = 0; j < L::IN_H; j++) {
        if (j % STRIDE == 0 && j / STRIDE < L::TILE_H)
            load_grads(a[j / STRIDE], grads + j / STRIDE * (TILE_W * PIXEL_BYTES), out_chunk);
#pragma unroll
        for (int dx = 0; dx < 3; dx++) {
            uint32_t b[L::FRAGMENTS][2];
            load_inputs<STRIDE, L::FRAGMENTS>(b, stage + j * (L::IN_W * PIXEL_BYTES), dx, in_chunk);
#pragma unroll
            for (int row = 0; row < L::TILE_H; row++)
                if (j - row * STRIDE >= 0 && j - row * STRIDE < 3)
#pragma unroll
                    for (int n = 0; n < L::FRAGMENTS; n++)
                        cu_mma_16816<T>(sum[(j - row * STRIDE) * 3 + dx][n], a[row], b[n]);
        }
    }
}

/* The warp's sums to the block's part of scratch, which lies as the weight does. */
template <int WIDTH, int STRIDE>
__device__ __forceinline__ void
write_sums(float *part, const float sum[TAPS][filter_layout<WIDTH, STRIDE>::FRAGMENTS][4], int channels,
           int channel0)
{
    using L = filter_layout<WIDTH, STRIDE>;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, half = warp >> 2;
    const int pair = WIDTH == 8 ? lane % 4 * 2 : half * L::FRAGMENTS * CHUNK + lane % 4 * 2;
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
        const int channel = channel0 + 16 * (warp & 3) + 8 * lower + lane / 4;
        if (channel >= channels || (WIDTH == 8 && lower != half))
            continue; /* the other half is of two groups */
#pragma unroll
        for (int tap = 0; tap < TAPS; tap++)
#pragma unroll
            for (int n = 0; n < L::FRAGMENTS; n++) {
                float *to = part + ((int64_t)channel * TAPS + tap) * WIDTH + pair + n * CHUNK;
                to[0] = sum[tap][n][2 * lower];
                to[1] = sum[tap][n][2 * lower + 1];
            }
    }
}

template <typename T, int WIDTH, int STRIDE>
__global__ void __launch_bounds__(THREADS, (filter_layout<WIDTH, STRIDE>::BLOCKS))
    grouped_filter(float *parts, const T *__restrict__ in, const T *__restrict__ out_grad, grouped_sizes s)
{
    using L = filter_layout<WIDTH, STRIDE>;
    using shared = filter_shared<WIDTH, STRIDE>;
    cu_pdl_wait();
    CU_SMEM(shared, memory);
    const int channel0 = blockIdx.y * SLICE;
    int tile = blockIdx.x, stage = 0;
    float sum[TAPS][L::FRAGMENTS][4];
#pragma unroll
    for (int i = 0; i < TAPS * L::FRAGMENTS * 4; i++)
        sum[i / 4 / L::FRAGMENTS][i / 4 % L::FRAGMENTS][i % 4] = 0;
    load_stage<T, WIDTH, STRIDE>(memory->bytes, in, out_grad, s, tile, channel0);
    cu_cp_async_commit();
    for (; tile < s.tiles; tile += gridDim.x, stage ^= 1) {
        const int next = tile + (int)gridDim.x;
        if (next < s.tiles)
            load_stage<T, WIDTH, STRIDE>(memory->bytes + (stage ^ 1) * L::STAGE_BYTES, in, out_grad, s,
                                         next, channel0);
        cu_cp_async_commit(); /* maybe of nothing: so that all but the last one is this tile */
        cu_cp_async_wait<1>();
        __syncthreads(); /* the tile is there */
        add_tile<T, WIDTH, STRIDE>(sum, memory->bytes + stage * L::STAGE_BYTES);
        __syncthreads(); /* the stage may be overwritten */
    }
    const int64_t values = (int64_t)s.channels * TAPS * WIDTH;
    write_sums<WIDTH, STRIDE>(parts + blockIdx.x * values, sum, s.channels, channel0);
}

/* out += scale of its channel * the sum over all parts */
__global__ void __launch_bounds__(JOIN_THREADS)
    grouped_join(float *out, const float *parts, const float *scale, int count, int64_t values, int row)
{
    cu_pdl_wait();
    const int64_t i = (int64_t)blockIdx.x * JOIN_THREADS + threadIdx.x;
    if (i >= values)
        return;
    float sum = 0;
    for (int part = 0; part < count; part++)
        sum += parts[part * values + i];
    out[i] = __fmaf_rn(scale ? scale[(unsigned)i / (unsigned)row] : 1, sum, out[i]);
}

/* ---- the weight turned ------------------------------------------------------------------------ */

/* to [channel in][8 - tap][channel out of its group] = from [channel out][tap][channel in] */
__global__ void __launch_bounds__(JOIN_THREADS)
    turn_kernel(uint16_t *to, const uint16_t *from, int values, int width)
{
    cu_pdl_wait();
    const int i = (int)(blockIdx.x * JOIN_THREADS + threadIdx.x);
    if (i >= values)
        return;
    const int channel = i / (TAPS * width), tap = i / width % TAPS, inner = i % width;
    const int group = channel / width * width;
    to[((group + inner) * TAPS + TAPS - 1 - tap) * width + channel - group] = from[i];
}

/* ---- launchers ------------------------------------------------------------------------------- */

template <int WIDTH, int STRIDE> grouped_sizes sizes_of(const struct launch_grouped_conv *conv)
{
    using L = filter_layout<WIDTH, STRIDE>;
    grouped_sizes s = {};
    s.h = (int)conv->h, s.w = (int)conv->w, s.channels = (int)conv->out_channels;
    s.out_h = (s.h - 1) / STRIDE + 1, s.out_w = (s.w - 1) / STRIDE + 1;
    s.tiles_x = (s.out_w + TILE_W - 1) / TILE_W, s.tiles_y = (s.out_h + L::TILE_H - 1) / L::TILE_H;
    s.tiles = (int)(conv->n * s.tiles_x * s.tiles_y);
    return s;
}

/* As many as are resident at once, and no more than end in as many rounds. */
template <int WIDTH, int STRIDE> int blocks_of(const struct launch_grouped_conv *conv)
{
    using L = filter_layout<WIDTH, STRIDE>;
    const int slices = (int)cu_ceil_div(conv->out_channels, SLICE);
    const int tiles = sizes_of<WIDTH, STRIDE>(conv).tiles;
    const int64_t room =
        (conv->shared_limit + 1024) / (int64_t)(sizeof(filter_shared<WIDTH, STRIDE>) + 1024);
    int blocks = conv->multiprocessors * (int)(room < L::BLOCKS ? room : L::BLOCKS) / slices;
    blocks = blocks < 1 ? 1 : blocks < MOST_BLOCKS ? blocks : (int)MOST_BLOCKS;
    blocks = blocks < tiles ? blocks : tiles;
    return blocks < 1 ? 1 : (int)cu_ceil_div(tiles, cu_ceil_div(tiles, blocks));
}

int64_t values_of(const struct launch_grouped_conv *conv)
{
    return conv->out_channels * TAPS * (conv->in_channels / conv->groups);
}

template <typename T, int WIDTH, int STRIDE>
int run_filter(const struct launch_grouped_conv *conv, const float *scale, float *parts,
               launch_stream stream)
{
    const int blocks = blocks_of<WIDTH, STRIDE>(conv);
    const int64_t values = values_of(conv);
    const dim3 grid((unsigned)blocks, (unsigned)cu_ceil_div(conv->out_channels, SLICE));
    auto kernel = grouped_filter<T, WIDTH, STRIDE>;
    const int error = CU_LAUNCH(kernel, grid, dim3(THREADS), sizeof(filter_shared<WIDTH, STRIDE>), stream,
                                parts, (const T *)conv->in, (const T *)conv->weight,
                                sizes_of<WIDTH, STRIDE>(conv));
    if (error)
        return error;
    return CU_LAUNCH(grouped_join, dim3((unsigned)cu_ceil_div(values, JOIN_THREADS)), dim3(JOIN_THREADS), 0,
                     stream, (float *)conv->out, (const float *)parts, scale, blocks, values, TAPS * WIDTH);
}

template <typename T, int WIDTH>
int run_stride(const struct launch_grouped_conv *conv, const float *scale, float *parts,
               launch_stream stream)
{
    return conv->stride == 1 ? run_filter<T, WIDTH, 1>(conv, scale, parts, stream)
                             : run_filter<T, WIDTH, 2>(conv, scale, parts, stream);
}

template <typename T>
int run_width(const struct launch_grouped_conv *conv, const float *scale, float *parts,
              launch_stream stream)
{
    switch (conv->out_channels / conv->groups) {
    case 8:
        return run_stride<T, 8>(conv, scale, parts, stream);
    case 16:
        return run_stride<T, 16>(conv, scale, parts, stream);
    case 32:
        return run_stride<T, 32>(conv, scale, parts, stream);
    default:
        return run_stride<T, 64>(conv, scale, parts, stream);
    }
}

template <int WIDTH> int blocks_at(const struct launch_grouped_conv *conv)
{
    return conv->stride == 1 ? blocks_of<WIDTH, 1>(conv) : blocks_of<WIDTH, 2>(conv);
}

int blocks_for(const struct launch_grouped_conv *conv)
{
    switch (conv->out_channels / conv->groups) {
    case 8:
        return blocks_at<8>(conv);
    case 16:
        return blocks_at<16>(conv);
    case 32:
        return blocks_at<32>(conv);
    default:
        return blocks_at<64>(conv);
    }
}

/* What a stage needs does not depend on the width. */
bool stages_fit(const struct launch_grouped_conv *conv)
{
    return (conv->stride == 1 ? sizeof(filter_shared<8, 1>) : sizeof(filter_shared<8, 2>)) <=
           (size_t)conv->shared_limit;
}

/* The forward kernel's rules for sizes; `out` is of another type here. */
bool shape_fits(const struct launch_grouped_conv *conv)
{
    struct launch_grouped_conv forward = *conv;
    forward.out_type = conv->type;
    forward.residual = NULL;
    forward.out = NULL;
    return launch_grouped_conv_fits(&forward) && values_of(conv) <= INT32_MAX;
}

} /* namespace */

extern "C" bool launch_grouped_filter_fits(const struct launch_grouped_conv *conv)
{
    return shape_fits(conv) && conv->out_type == LAUNCH_F32 && stages_fit(conv);
}

extern "C" size_t launch_grouped_filter_scratch(const struct launch_grouped_conv *conv)
{
    return (size_t)blocks_for(conv) * (size_t)values_of(conv) * sizeof(float);
}

extern "C" int launch_grouped_filter(const struct launch_grouped_conv *conv, const float *scale,
                                     void *scratch, launch_stream stream)
{
    if (!launch_grouped_filter_fits(conv))
        return cudaErrorInvalidValue;
    if (conv->n == 0 || conv->h == 0 || conv->w == 0 || conv->out_channels == 0)
        return 0;
    return conv->type == LAUNCH_BF16 ? run_width<cu_bf16>(conv, scale, (float *)scratch, stream)
                                     : run_width<cu_fp16>(conv, scale, (float *)scratch, stream);
}

extern "C" bool launch_grouped_data_fits(const struct launch_grouped_conv *conv)
{
    return conv->stride == 1 && conv->out_type == conv->type && shape_fits(conv) &&
           ((uintptr_t)conv->out & 15) == 0;
}

extern "C" size_t launch_grouped_data_scratch(const struct launch_grouped_conv *conv)
{
    return (size_t)values_of(conv) * sizeof(uint16_t);
}

extern "C" int launch_grouped_data(const struct launch_grouped_conv *conv, void *scratch,
                                   launch_stream stream)
{
    struct launch_grouped_conv turned = *conv;
    if (!launch_grouped_data_fits(conv))
        return cudaErrorInvalidValue;
    if (conv->n == 0 || conv->h == 0 || conv->w == 0 || conv->out_channels == 0)
        return 0;
    const int values = (int)values_of(conv);
    const int error = CU_LAUNCH(turn_kernel, dim3((unsigned)cu_ceil_div(values, JOIN_THREADS)),
                                dim3(JOIN_THREADS), 0, stream, (uint16_t *)scratch,
                                (const uint16_t *)conv->weight, values,
                                (int)(conv->in_channels / conv->groups));
    if (error)
        return error;
    turned.weight = scratch;
    turned.bias = NULL;
    turned.relu = false;
    return launch_grouped_conv(&turned, stream);
}
