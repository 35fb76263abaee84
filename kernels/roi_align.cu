/* roi_align.cu - RoIAlign over all levels of a pyramid in one launch.
 *
 * He et al. 2017, aligned as in Detectron2's ROIAlignV2. Mapping: a block per roi. The mean over a
 * cell's samples is a sum over pixels whose weight is a product of a row's and a column's, since the
 * samples lie on a grid; so the warps first work out, for each row and column of cells, which pixels
 * count how much (lists in shared memory), and then a warp takes a cell and each lane 16 bytes of
 * channels. That reads a pixel once for a cell where the four corners of each sample would read it
 * several times. Cells too large for a list add up their samples one by one. Bound by the caches:
 * neighbouring cells and rois read the same pixels. Sums are in 32 bits. Twin:
 * lib/backend/ref/roi_align.c; which pixels and weights are the same operations in the same order, the
 * order of the sum is another. */
#include "roi_align.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, MOST_PIXELS = 32 };

struct __align__(8) weighted {
    int   pixel;
    float weight;
};

/* The pixels of an axis that a row or column of cells looks at, ascending. */
struct axis_list {
    int count; /* above MOST_PIXELS: there is no list */
    struct weighted pixels[MOST_PIXELS];
};

struct roi_shared {
    struct axis_list lists[1]; /* [2 * pooled]: rows, then columns */
};

/* ---- kernels ------------------------------------------------------------------------------- */

/* A warp makes the list of cell `cell` of an axis of `size` pixels. */
static __device__ void make_list(struct axis_list *list, struct roi_axis axis, int cell, int size)
{
    const int lane = threadIdx.x & 31;
    int64_t first = size, last = -1;
    for (int sample = 0; sample < axis.grid; sample++) {
        const struct bilinear_axis at = bilinear_axis(roi_axis_at(axis, cell, sample), size);
        if (at.inside) {
            first = min(first, at.low);
            last = max(last, at.high);
        }
    }
    const bool fits = last - first < MOST_PIXELS;
    const int64_t pixel = first + lane;
    float weight = 0;
    bool read = false; /* samples far apart leave pixels between them that nobody reads */
    for (int sample = 0; sample < axis.grid && fits; sample++) {
        const struct bilinear_axis at = bilinear_axis(roi_axis_at(axis, cell, sample), size);
        const bool low = at.inside && at.low == pixel, high = at.inside && at.high == pixel;
        weight += low ? at.low_weight : 0;
        weight += high ? at.high_weight : 0;
        read = read || low || high;
    }
    const unsigned readers = __ballot_sync(0xffffffffu, read);
    if (read)
        list->pixels[__popc(readers & ((1u << lane) - 1))] = {(int)pixel, weight};
    if (lane == 0)
        list->count = fits ? __popc(readers) : MOST_PIXELS + 1;
}

template <typename T, int VECTOR>
static __device__ __forceinline__ void add_pixel(float sum[VECTOR], const T *map, int64_t at, float weight)
{
    typedef cu_vector<T, VECTOR> vector;
    const vector values = *reinterpret_cast<const vector *>(map + at);
    for (int k = 0; k < VECTOR; k++)
        sum[k] = __fmaf_rn(weight, cu_to_float(values.at[k]), sum[k]);
}

template <typename T, int VECTOR>
static __device__ void pool_by_lists(float sum[VECTOR], const T *map, const struct placed_roi &roi,
                                     const struct axis_list &rows, const struct axis_list &columns,
                                     int64_t channels, int64_t channel)
{
#pragma unroll 1
    for (int r = 0; r < rows.count; r++) {
        const struct weighted y = rows.pixels[r];
        const int64_t row = roi.first + (int64_t)y.pixel * roi.width * channels + channel;
        for (int c = 0; c < columns.count; c++) {
            const struct weighted x = columns.pixels[c];
            add_pixel<T, VECTOR>(sum, map, row + x.pixel * channels, y.weight * x.weight);
        }
    }
}

template <typename T, int VECTOR>
static __device__ void pool_by_samples(float sum[VECTOR], const T *map, const struct placed_roi &roi,
                                       int cell_y, int cell_x, int64_t channels, int64_t channel)
{
#pragma unroll 1
    for (int sy = 0; sy < roi.y.grid; sy++) {
        const struct bilinear_axis y = bilinear_axis(roi_axis_at(roi.y, cell_y, sy), roi.height);
#pragma unroll 1
        for (int sx = 0; sx < roi.x.grid && y.inside; sx++) {
            const struct bilinear_axis x = bilinear_axis(roi_axis_at(roi.x, cell_x, sx), roi.width);
            if (!x.inside)
                continue;
            const int64_t low = roi.first + y.low * roi.width * channels + channel;
            const int64_t high = roi.first + y.high * roi.width * channels + channel;
            add_pixel<T, VECTOR>(sum, map, low + x.low * channels, y.low_weight * x.low_weight);
            add_pixel<T, VECTOR>(sum, map, low + x.high * channels, y.low_weight * x.high_weight);
            add_pixel<T, VECTOR>(sum, map, high + x.low * channels, y.high_weight * x.low_weight);
            add_pixel<T, VECTOR>(sum, map, high + x.high * channels, y.high_weight * x.high_weight);
        }
    }
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS, 2) roi_align_kernel(struct launch_roi_align a)
{
    typedef cu_vector<T, VECTOR> vector;
    cu_pdl_wait();
    CU_SMEM(roi_shared, s);
    const int64_t roi_row = blockIdx.x;
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32, cells = a.pooled * a.pooled;
    struct placed_roi roi;
    const bool placed = place_roi(&roi, a, roi_row);
    for (int list = warp; list < 2 * a.pooled && placed; list += WARPS) {
        const bool row = list < a.pooled;
        make_list(&s->lists[list], row ? roi.y : roi.x, row ? list : list - a.pooled,
                  row ? roi.height : roi.width);
    }
    __syncthreads();
    const float samples = placed ? (float)(roi.y.grid * roi.x.grid) : 0;
    const float share = samples > 0 ? 1 / samples : 1;
    for (int cell = warp; cell < cells; cell += WARPS) {
        const int y = cell / a.pooled, x = cell % a.pooled;
        for (int64_t channel = (int64_t)lane * VECTOR; channel < a.channels; channel += 32 * VECTOR) {
            float sum[VECTOR];
            for (int k = 0; k < VECTOR; k++)
                sum[k] = 0;
            if (placed) {
                const T *map = static_cast<const T *>(a.features[roi.level]);
                const struct axis_list &rows = s->lists[y], &columns = s->lists[a.pooled + x];
                if (rows.count <= MOST_PIXELS && columns.count <= MOST_PIXELS)
                    pool_by_lists<T, VECTOR>(sum, map, roi, rows, columns, a.channels, channel);
                else
                    pool_by_samples<T, VECTOR>(sum, map, roi, y, x, a.channels, channel);
            }
            vector result;
            for (int k = 0; k < VECTOR; k++)
                result.at[k] = cu_from_float<T>(sum[k] * share);
            *reinterpret_cast<vector *>(static_cast<T *>(a.out) +
                                        (roi_row * cells + cell) * a.channels + channel) = result;
        }
    }
}

/* ---- launchers ----------------------------------------------------------------------------- */

/* Whether all maps and the result allow accesses of 16 bytes. */
static bool aligned(const struct launch_roi_align *a, int values)
{
    uintptr_t all = (uintptr_t)a->out;
    for (int level = 0; level < a->levels; level++)
        all |= (uintptr_t)a->features[level];
    return (all & 15) == 0 && a->channels % values == 0;
}

template <typename T> static int roi_align(const struct launch_roi_align *a, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    auto kernel = aligned(a, WHOLE) ? roi_align_kernel<T, WHOLE> : roi_align_kernel<T, 1>;
    return CU_LAUNCH(kernel, dim3((unsigned)a->capacity), dim3(THREADS),
                     2 * (size_t)a->pooled * sizeof(struct axis_list), stream, *a);
}

extern "C" int launch_roi_align(const struct launch_roi_align *align, launch_stream stream)
{
    if (align->capacity <= 0 || align->channels <= 0 || align->pooled <= 0)
        return 0;
    switch (align->type) {
    case LAUNCH_BF16: return roi_align<cu_bf16>(align, stream);
    case LAUNCH_F16: return roi_align<cu_fp16>(align, stream);
    default: return roi_align<float>(align, stream);
    }
}
