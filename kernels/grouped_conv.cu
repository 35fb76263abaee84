/* grouped_conv.cu - grouped 3x3 convolution of bf16 and fp16 on tensor cores, with bias and ReLU.
 *
 * What      conv2d_forward of lib/tensor/ops.h for 8, 16, 32 or 64 channels a group, as many out as
 *           in, pad 1, stride 1 or 2. One group is a product [pixels, 9 * width] x [9 * width, width],
 *           and mma.m16n8k16 is 8 wide, the smallest width: nothing is padded.
 * Mapping   A block keeps a slice of 64 channels and walks over tiles of TILE_H x 16 outputs. Its
 *           warps share the slice, each 8 or 16 channels of it, whose weights stay in registers for
 *           good. The input of a tile and its border lie in shared memory, two stages deep: the next
 *           tile's copy is under way while this one is computed. 16 neighbours of a row are the rows
 *           of A; a tap only changes the address, so nothing is gathered.
 *           A row of input that has been loaded serves all the rows of output it touches, up to
 *           three: 10 rows are read for 8, not 24, which keeps shared memory off the critical path.
 *           Results pass through shared memory and leave as 16 bytes a thread, 128 a pixel.
 * Order     bias, then rows of input from above, channels, columns: fixed, so runs agree bit for bit.
 * Bound     memory traffic at 8 and 16 channels a group (18 and 36 flops a byte), about even at 32,
 *           tensor cores at 64.
 * Checked   tests/kernels/test_grouped_conv.c against sums in double precision. */
#include "grouped.cuh"

namespace
{

enum {
    BLOCKS_Y_MAX = 65535,
};

/* How a convolution is laid over a block. */
template <int WIDTH, int STRIDE> struct layout {
    /* Fragments of 8 output channels a warp; at 16 and more its two are of one group. */
    static constexpr int FRAGMENTS = WIDTH == 8 ? 1 : 2;
    static constexpr int WARPS = SLICE / (8 * FRAGMENTS);
    static constexpr int THREADS = 32 * WARPS;
    /* Per multiprocessor. With 64 channels a lane keeps 144 registers of weights. */
    static constexpr int BLOCKS = STRIDE == 2 || WIDTH == 64 ? 2 : 3;

    static constexpr int TILE_H = STRIDE == 1 ? 8 : 4;
    static constexpr int IN_H = (TILE_H - 1) * STRIDE + 3;
    static constexpr int IN_W = (TILE_W - 1) * STRIDE + 3;

    static constexpr int GROUP_CHUNKS = WIDTH / CHUNK;
    static constexpr int KS = TAPS * GROUP_CHUNKS; /* k steps of 8 */

    static constexpr int STAGE_BYTES = IN_H * IN_W * PIXEL_BYTES;
    static constexpr int OUT_BYTES = TILE_H * TILE_W * PIXEL_BYTES;

    /* Weights pass through the second stage and what follows, a row for each output channel; an odd
     * number of chunks keeps 8 rows on different banks. */
    static constexpr int WEIGHT_PITCH = (KS | 1) * 16;
    static constexpr int WEIGHT_ROOM = STAGE_BYTES + OUT_BYTES;
    static constexpr int WEIGHT_PART = SLICE * WEIGHT_PITCH <= WEIGHT_ROOM ? FRAGMENTS : 1;
    static_assert(WARPS * 8 * WEIGHT_PART * WEIGHT_PITCH <= WEIGHT_ROOM, "weights fit");
};

template <int WIDTH, int STRIDE> struct grouped_shared {
    using L = layout<WIDTH, STRIDE>;
    alignas(16) unsigned char bytes[2 * L::STAGE_BYTES + L::OUT_BYTES];
};

/* Begins to copy what a tile reads. */
template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void load_tile(unsigned char *stage, const T *__restrict__ in,
                                          const grouped_sizes &s, int tile, int channel0)
{
    using L = layout<WIDTH, STRIDE>;
    tile_place place = place_of(s, tile, L::TILE_H);
    const grouped_map map = {s.h, s.w, s.channels};
    load_pixels<T, L::IN_H, L::IN_W, STRIDE, L::THREADS>(
        stage, in + place.image * s.h * s.w * s.channels, map, place.y * STRIDE - 1,
        place.x * STRIDE - 1, channel0);
}

/* The warp's weights, as the B of mma wants them: b[f][k] of a lane are two input channels, k steps
 * of 8 by tap and chunk of the group, of output channel lane / 4 of fragment f. */
template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void load_weights(uint32_t b[][layout<WIDTH, STRIDE>::KS],
                                             unsigned char *room, const T *__restrict__ weight,
                                             int channels, int channel0, int warp)
{
    using L = layout<WIDTH, STRIDE>;
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int first = 0; first < L::FRAGMENTS; first += L::WEIGHT_PART) {
        for (int i = threadIdx.x; i < L::WARPS * L::WEIGHT_PART * 8 * L::KS; i += L::THREADS) {
            int row = i / L::KS, k = i % L::KS, part = row / 8;
            int fragment = part / L::WEIGHT_PART * L::FRAGMENTS + first + part % L::WEIGHT_PART;
            int channel = channel0 + fragment * 8 + row % 8;
            bool there = channel < channels;
            cu_cp_async16(room + row * L::WEIGHT_PITCH + k * 16,
                          weight + (there ? ((int64_t)channel * L::KS + k) * CHUNK : 0),
                          there ? 16 : 0);
        }
        cu_cp_async_commit();
        cu_cp_async_wait<0>();
        __syncthreads();
#pragma unroll
        for (int f = 0; f < L::WEIGHT_PART; f++) {
            int row = (warp * L::WEIGHT_PART + f) * 8 + (lane >> 2);
            const unsigned char *from = room + row * L::WEIGHT_PITCH + (lane & 3) * 4;
#pragma unroll
            for (int k = 0; k < L::KS; k++)
                b[first + f][k] = *(const uint32_t *)(from + k * 16);
        }
        __syncthreads();
    }
}

__device__ __forceinline__ float activation(float value, bool relu)
{
    return relu && value < 0 ? 0 : value;
}

/* sum[row] += what input row j gives to it, for the 16 inputs at `row_in` of each tap and chunk. */
template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void add_row(float sum[][layout<WIDTH, STRIDE>::FRAGMENTS][4],
                                        const uint32_t b[][layout<WIDTH, STRIDE>::KS],
                                        const unsigned char *row_in, int j, int first_chunk)
{
    using L = layout<WIDTH, STRIDE>;
    const int lane = threadIdx.x & 31, column = (lane & 15) * STRIDE, half = lane >> 4;
    /* 16 of k are two chunks of a tap, or with one chunk a group the taps of two columns. */
    constexpr int COLUMNS = WIDTH == 8 ? 1 : 3, PAIRS = WIDTH == 8 ? 1 : L::GROUP_CHUNKS / 2;
#pragma unroll
    for (int dx = 0; dx < COLUMNS; dx++)
#pragma unroll
        for (int pair = 0; pair < PAIRS; pair++) {
            uint32_t a[4];
            int place = WIDTH == 8
                            ? chunk_place<STRIDE>(column + half, first_chunk)
                            : chunk_place<STRIDE>(column + dx, first_chunk + half) ^ pair << 5;
            cu_ldmatrix_x4(a, row_in + place);
#pragma unroll
            for (int row = 0; row < L::TILE_H; row++)
                if (j - row * STRIDE >= 0 && j - row * STRIDE < 3)
#pragma unroll
                    for (int f = 0; f < L::FRAGMENTS; f++)
                        cu_mma_16816<T>(
                            sum[row][f], a,
                            &b[f][((j - row * STRIDE) * 3 + dx) * L::GROUP_CHUNKS + pair * 2]);
        }
    if constexpr (WIDTH == 8) {
        uint32_t a[2];
        cu_ldmatrix_x2(a, row_in + chunk_place<STRIDE>(column + 2, first_chunk));
#pragma unroll
        for (int row = 0; row < L::TILE_H; row++)
            if (j - row * STRIDE >= 0 && j - row * STRIDE < 3)
                cu_mma_1688<T>(sum[row][0], a, &b[0][(j - row * STRIDE) * 3 + 2]);
    }
}

/* The warp's part of a tile, from the stage to `out`, both in shared memory. */
template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void compute_tile(unsigned char *out, const unsigned char *stage,
                                             const uint32_t b[][layout<WIDTH, STRIDE>::KS],
                                             const float bias[][2], bool relu)
{
    using L = layout<WIDTH, STRIDE>;
    const int lane = threadIdx.x & 31, fragment0 = (threadIdx.x >> 5) * L::FRAGMENTS;
    const int first_chunk = fragment0 / L::GROUP_CHUNKS * L::GROUP_CHUNKS;
    float sum[L::TILE_H][L::FRAGMENTS][4];
#pragma unroll
    for (int j = 0; j < L::IN_H; j++) {
        if (j % STRIDE == 0 && j / STRIDE < L::TILE_H)
#pragma unroll
            for (int f = 0; f < L::FRAGMENTS; f++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    sum[j / STRIDE][f][i] = bias[f][i & 1];
        const unsigned char *row_in = stage + j * (L::IN_W * PIXEL_BYTES);
        add_row<T, WIDTH, STRIDE>(sum, b, row_in, j, first_chunk);
        if (j >= 2 && (j - 2) % STRIDE == 0) {
            const int row = (j - 2) / STRIDE;
#pragma unroll
            for (int i = 0; i < 2 * L::FRAGMENTS; i++) {
                const int f = i / 2, right = i % 2, column = (lane >> 2) + 8 * right;
                unsigned char *to = out + row * (TILE_W * PIXEL_BYTES) +
                                    chunk_place<1>(column, fragment0 + f) + (lane & 3) * 4;
                const float *pair = &sum[row][f][2 * right];
                *(uint32_t *)to = cu_pack<T>(activation(pair[0], relu), activation(pair[1], relu));
            }
        }
    }
}

template <typename T, int WIDTH, int STRIDE>
__device__ __forceinline__ void store_tile(T *__restrict__ out, const unsigned char *from,
                                           const grouped_sizes &s, int tile, int channel0)
{
    using L = layout<WIDTH, STRIDE>;
    tile_place place = place_of(s, tile, L::TILE_H);
    const int chunk = threadIdx.x % SLICE_CHUNKS;
    if (channel0 + chunk * CHUNK >= s.channels)
        return;
    T *image = out + place.image * s.out_h * s.out_w * s.channels + channel0 + chunk * CHUNK;
    for (int p = threadIdx.x / SLICE_CHUNKS; p < L::TILE_H * TILE_W;
         p += L::THREADS / SLICE_CHUNKS) {
        int row = p / TILE_W, column = p % TILE_W;
        int y = place.y + row, x = place.x + column;
        if (y < s.out_h && x < s.out_w)
            *(uint4 *)(image + ((int64_t)y * s.out_w + x) * s.channels) = *(
                const uint4 *)(from + row * (TILE_W * PIXEL_BYTES) + chunk_place<1>(column, chunk));
    }
}

template <typename T, int WIDTH, int STRIDE>
__global__ void __launch_bounds__((layout<WIDTH, STRIDE>::THREADS), (layout<WIDTH, STRIDE>::BLOCKS))
    grouped_conv(T *__restrict__ out, const T *__restrict__ in, const T *__restrict__ weight,
                 const float *__restrict__ bias, grouped_sizes s, bool relu)
{
    using L = layout<WIDTH, STRIDE>;
    cu_pdl_wait();
    using shared = grouped_shared<WIDTH, STRIDE>;
    CU_SMEM(shared, memory);
    unsigned char *staged = memory->bytes + 2 * L::STAGE_BYTES;
    const int channel0 = blockIdx.y * SLICE, warp = threadIdx.x >> 5;
    int tile = blockIdx.x, stage = 0;
    load_tile<T, WIDTH, STRIDE>(memory->bytes, in, s, tile, channel0);
    cu_cp_async_commit();

    uint32_t b[L::FRAGMENTS][L::KS];
    load_weights<T, WIDTH, STRIDE>(b, memory->bytes + L::STAGE_BYTES, weight, s.channels, channel0,
                                   warp);
    float start[L::FRAGMENTS][2];
#pragma unroll
    for (int i = 0; i < 2 * L::FRAGMENTS; i++) {
        int channel = channel0 + (warp * L::FRAGMENTS + i / 2) * 8 + (threadIdx.x & 3) * 2 + i % 2;
        start[i / 2][i % 2] = bias && channel < s.channels ? bias[channel] : 0;
    }

    cu_pdl_trigger(); /* all blocks are resident: the next kernel's take nobody's place */
    for (; tile < s.tiles; tile += gridDim.x, stage ^= 1) {
        int next = tile + gridDim.x;
        if (next < s.tiles)
            load_tile<T, WIDTH, STRIDE>(memory->bytes + (stage ^ 1) * L::STAGE_BYTES, in, s, next,
                                        channel0);
        cu_cp_async_commit(); /* maybe of nothing: so that all but the last one is this tile */
        cu_cp_async_wait<1>();
        __syncthreads(); /* the tile is there; the last one has left `staged` */
        compute_tile<T, WIDTH, STRIDE>(staged, memory->bytes + stage * L::STAGE_BYTES, b, start,
                                       relu);
        __syncthreads(); /* the result is there; the stage may be overwritten */
        store_tile<T, WIDTH, STRIDE>(out, staged, s, tile, channel0);
    }
}

template <typename T, int WIDTH, int STRIDE>
int run(const struct launch_grouped_conv *conv, launch_stream stream)
{
    using L = layout<WIDTH, STRIDE>;
    grouped_sizes s = {};
    s.h = (int)conv->h, s.w = (int)conv->w, s.channels = (int)conv->out_channels;
    s.out_h = (s.h - 1) / STRIDE + 1, s.out_w = (s.w - 1) / STRIDE + 1;
    s.tiles_x = (s.out_w + TILE_W - 1) / TILE_W, s.tiles_y = (s.out_h + L::TILE_H - 1) / L::TILE_H;
    s.tiles = (int)(conv->n * s.tiles_x * s.tiles_y);
    /* As many blocks as are resident at once, and no more than end in as many rounds. A block and a
     * multiprocessor need 1 KiB beside what a block asks for and may have. */
    int slices = (s.channels + SLICE - 1) / SLICE;
    int64_t room =
        (conv->shared_limit + 1024) / (int64_t)(sizeof(grouped_shared<WIDTH, STRIDE>) + 1024);
    int blocks = conv->multiprocessors * (int)(room < L::BLOCKS ? room : L::BLOCKS) / slices;
    blocks = blocks < 1 ? 1 : blocks < s.tiles ? blocks : s.tiles;
    int rounds = (s.tiles + blocks - 1) / blocks;
    blocks = (s.tiles + rounds - 1) / rounds;
    return CU_LAUNCH((grouped_conv<T, WIDTH, STRIDE>), dim3(blocks, slices), dim3(L::THREADS),
                     sizeof(grouped_shared<WIDTH, STRIDE>), stream, (T *)conv->out,
                     (const T *)conv->in, (const T *)conv->weight, conv->bias, s, conv->relu);
}

template <typename T, int WIDTH>
int run_stride(const struct launch_grouped_conv *conv, launch_stream stream)
{
    return conv->stride == 1 ? run<T, WIDTH, 1>(conv, stream) : run<T, WIDTH, 2>(conv, stream);
}

template <typename T> int run_width(const struct launch_grouped_conv *conv, launch_stream stream)
{
    switch (conv->out_channels / conv->groups) {
    case 8:
        return run_stride<T, 8>(conv, stream);
    case 16:
        return run_stride<T, 16>(conv, stream);
    case 32:
        return run_stride<T, 32>(conv, stream);
    default:
        return run_stride<T, 64>(conv, stream);
    }
}

template <int WIDTH> int64_t shared_bytes(int stride)
{
    return stride == 1 ? sizeof(grouped_shared<WIDTH, 1>) : sizeof(grouped_shared<WIDTH, 2>);
}

bool width_fits(const struct launch_grouped_conv *conv)
{
    if (conv->groups < 1 || conv->out_channels % conv->groups != 0)
        return false;
    int64_t width = conv->out_channels / conv->groups;
    return conv->in_channels == conv->out_channels &&
           (width == 8 || width == 16 || width == 32 || width == 64);
}

bool window_fits(const struct launch_grouped_conv *conv)
{
    return conv->kernel_h == 3 && conv->kernel_w == 3 && conv->pad == 1 &&
           (conv->stride == 1 || conv->stride == 2);
}

bool type_fits(const struct launch_grouped_conv *conv)
{
    return conv->out_type == conv->type &&
           (conv->type == LAUNCH_BF16 || conv->type == LAUNCH_F16) &&
           conv->capability >= (conv->type == LAUNCH_BF16 ? 80 : 75) &&
           shared_bytes<64>(conv->stride) <= conv->shared_limit;
}

/* Coordinates and tiles, 4 outputs high or more, are counted by ints. */
bool size_fits(const struct launch_grouped_conv *conv)
{
    const int64_t most = INT32_MAX / 4;
    if (conv->n < 0 || conv->h < 0 || conv->w < 0 || conv->h > most || conv->w > most)
        return false;
    return conv->n <= most / ((conv->h / 4 + 1) * (conv->w / TILE_W + 1)) &&
           conv->out_channels <= (int64_t)SLICE * BLOCKS_Y_MAX;
}

/* Copies are of 16 bytes. Operands that are not there yet fit. */
bool aligned(const struct launch_grouped_conv *conv)
{
    return (((uintptr_t)conv->out | (uintptr_t)conv->in | (uintptr_t)conv->weight) & 15) == 0;
}

} /* namespace */

extern "C" bool launch_grouped_conv_fits(const struct launch_grouped_conv *conv)
{
    return !conv->residual && aligned(conv) && width_fits(conv) && window_fits(conv) &&
           type_fits(conv) && size_fits(conv);
}

extern "C" int launch_grouped_conv(const struct launch_grouped_conv *conv, launch_stream stream)
{
    if (!launch_grouped_conv_fits(conv))
        return cudaErrorInvalidValue;
    if (conv->n == 0 || conv->h == 0 || conv->w == 0 || conv->out_channels == 0)
        return 0;
    return conv->type == LAUNCH_BF16 ? run_width<cu_bf16>(conv, stream)
                                     : run_width<cu_fp16>(conv, stream);
}
