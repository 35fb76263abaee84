/* pixels.cuh - loops over feature maps: a thread for a vector of channels of a pixel.
 *
 * A block has part of one line, or walks over several lines far apart; neighbouring threads have
 * neighbouring channels. Places are found by divisions in 32 bits: those in 64 are calls of functions,
 * around which registers are saved. */
#ifndef KERNELS_PIXELS_CUH
#define KERNELS_PIXELS_CUH

#include "common.cuh"

enum { PIXEL_THREADS = 256, PIXEL_LINES = 1 << 14 };

/* Vector `group` of the channels of pixel (x, y); vector `index` of the whole tensor. */
struct pixel {
    int64_t image, index;
    int     x, y, group;
};

template <typename Operation>
__device__ __forceinline__ void for_each_pixel(int64_t images, int height, int width, int groups,
                                               Operation operation)
{
    const uint32_t lines = (uint32_t)(images * height), across = (uint32_t)width * (uint32_t)groups;
    for (uint32_t line = blockIdx.y; line < lines; line += gridDim.y)
        for (uint32_t i = blockIdx.x * PIXEL_THREADS + threadIdx.x; i < across;
             i += gridDim.x * PIXEL_THREADS) {
            const uint32_t image = line / (uint32_t)height, x = i / (uint32_t)groups;
            operation(pixel{(int64_t)image, (int64_t)line * across + i, (int)x,
                            (int)(line - image * (uint32_t)height), (int)(i - x * (uint32_t)groups)});
        }
}

/* The grid for a map of `groups` vectors a pixel. False: too large a map for the loop's numbers. */
static inline bool pixels_grid(dim3 *grid, int64_t images, int height, int width, int64_t groups)
{
    const int64_t most = 1 << 30, lines = images * height;
    if (images > most / (height > 0 ? height : 1) || groups > most / (width > 0 ? width : 1))
        return false;
    *grid = dim3((unsigned)cu_ceil_div(width * groups, PIXEL_THREADS),
                 (unsigned)(lines < PIXEL_LINES ? lines : (int64_t)PIXEL_LINES));
    return true;
}

#endif
