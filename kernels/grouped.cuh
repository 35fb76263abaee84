/* grouped.cuh - tiles of a slice of 64 channels in shared memory: what grouped convolution and its
 * gradients share. */
#ifndef KERNELS_GROUPED_CUH
#define KERNELS_GROUPED_CUH

#include "common.cuh"

namespace
{

enum {
    SLICE = 64, /* channels of a block */
    CHUNK = 8,  /* channels of 16 bytes */
    SLICE_CHUNKS = SLICE / CHUNK,
    PIXEL_BYTES = SLICE * 2,
    TILE_W = 16,
    TAPS = 9,
};

struct grouped_sizes {
    int h, w, out_h, out_w, channels;
    int tiles_x, tiles_y, tiles; /* tiles of all images */
};

struct tile_place {
    int64_t image;
    int y, x; /* of its first output */
};

__device__ __forceinline__ tile_place place_of(const grouped_sizes &s, int tile, int tile_h)
{
    int row = tile / s.tiles_x;
    return {row / s.tiles_y, row % s.tiles_y * tile_h, (tile - row * s.tiles_x) * TILE_W};
}

/* Chunks of 8 neighbouring pixels, STRIDE apart, are on different banks: their places in the 128
 * bytes of a pixel are permuted by the column. */
template <int STRIDE> __device__ __forceinline__ int chunk_place(int column, int chunk)
{
    return column * PIXEL_BYTES + ((chunk ^ (column / STRIDE & 7)) << 4);
}

struct grouped_map {
    int h, w, channels;
};

/* Begins to copy ROWS x COLUMNS pixels of `image` from (y0, x0) on; outside of it and beyond the last
 * channel are zeros. Readers take pixels STRIDE apart. */
template <typename T, int ROWS, int COLUMNS, int STRIDE, int THREADS>
__device__ __forceinline__ void load_pixels(unsigned char *stage, const T *__restrict__ image,
                                            const grouped_map &map, int y0, int x0, int channel0)
{
    const int chunk = threadIdx.x % SLICE_CHUNKS;
    const bool channel_there = channel0 + chunk * CHUNK < map.channels;
    for (int p = threadIdx.x / SLICE_CHUNKS; p < ROWS * COLUMNS; p += THREADS / SLICE_CHUNKS) {
        int row = p / COLUMNS, column = p % COLUMNS;
        int y = y0 + row, x = x0 + column;
        bool there = channel_there && (unsigned)y < (unsigned)map.h && (unsigned)x < (unsigned)map.w;
        const T *from =
            there ? image + ((int64_t)y * map.w + x) * map.channels + channel0 + chunk * CHUNK : image;
        cu_cp_async16(stage + row * (COLUMNS * PIXEL_BYTES) + chunk_place<STRIDE>(column, chunk), from,
                      there ? 16 : 0);
    }
}

} /* namespace */

#endif
