/* roi_align_backward.cu - gradients of RoIAlign, gathered: no atomics, one order, the same bits always.
 *
 * Mapping: a block has a tile of 8 x 8 pixels of a level of an image and 32 vectors of channels; a warp
 * a row of the tile, a lane a vector of up to 16 bytes for all 8 pixels of the row, in registers. The
 * block goes through the rois of its image, 256 at a time: each thread asks for one whether it reaches
 * the tile, and those that do are listed in their order. For each of them the threads work out how much
 * each row and column of cells counts for each row and column of pixels (the weight is a product of the
 * two), and then each warp adds the cells that reach its row: a cell is read once for 8 pixels. Most
 * tiles see few rois. Bound by the caches, as neighbouring tiles read the same cells. Sums are in 32
 * bits in the order of rois and cells, and are rounded once. Twin: ref_roi_align_backward, whose sums
 * are in another order. */
#include "roi_align.cuh"

enum { TILE = 8, THREADS = 32 * TILE, WARPS = TILE };

/* Followed by the weights, aligned for loads of four: of columns [pooled][TILE], of rows [pooled][TILE]. */
struct __align__(16) spread_shared {
    int     warp_count[WARPS];
    int64_t rows[THREADS];
    float   weights[1];
};

struct tile_place {
    int     level, x, y; /* of the first pixel */
    int64_t image;
};

/* ---- kernels ------------------------------------------------------------------------------- */

static __device__ __forceinline__ int tiles_of(int pixels)
{
    return (pixels + TILE - 1) / TILE;
}

static __device__ __forceinline__ struct tile_place place_of(const struct launch_roi_align &a, int64_t index)
{
    struct tile_place at = {0, 0, 0, 0};
    int64_t tiles = 0;
    for (int level = 0; level < a.levels; level++) {
        tiles = (int64_t)tiles_of(a.height[level]) * tiles_of(a.width[level]);
        at.level = level;
        if (index < tiles * a.images)
            break;
        index -= tiles * a.images;
    }
    const int across = tiles_of(a.width[at.level]), within = (int)(index % tiles);
    at.image = index / tiles;
    at.x = within % across * TILE;
    at.y = within / across * TILE;
    return at;
}

/* May a cell of the axis count for a pixel of [first, first + TILE)? */
static __device__ __forceinline__ bool reaches(struct roi_axis axis, int pooled, int first)
{
    const float a = roi_axis_at(axis, 0, 0), b = roi_axis_at(axis, pooled - 1, axis.grid - 1);
    const float low = a < b ? a : b, high = a < b ? b : a;
    return !(high + 1 < (float)first) && !(low - 1 > (float)(first + TILE - 1));
}

static __device__ bool roi_reaches(const struct launch_roi_align &a, const struct tile_place &at, int64_t row)
{
    struct placed_roi roi;
    return row < a.capacity && a.rois[5 * row] == (float)at.image && place_roi(&roi, a, row) &&
           roi.level == at.level && roi.x.grid > 0 && roi.y.grid > 0 && reaches(roi.x, a.pooled, at.x) &&
           reaches(roi.y, a.pooled, at.y);
}

/* The rows of [first, first + THREADS) that reach the tile to s->rows, ascending. */
static __device__ int list_rois(struct spread_shared *s, const struct launch_roi_align &a,
                                const struct tile_place &at, int64_t first)
{
    const int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    const bool mine = roi_reaches(a, at, first + threadIdx.x);
    const unsigned lanes = __ballot_sync(0xffffffffu, mine);
    int before = 0, count = 0;
    __syncthreads(); /* the last list is read */
    if (lane == 0)
        s->warp_count[warp] = __popc(lanes);
    __syncthreads();
    for (int w = 0; w < WARPS; w++) {
        before += w < warp ? s->warp_count[w] : 0;
        count += s->warp_count[w];
    }
    if (mine)
        s->rows[before + __popc(lanes & ((1u << lane) - 1))] = first + threadIdx.x;
    __syncthreads();
    return count;
}

/* How much cell `cell` of an axis counts for `pixel`. */
static __device__ float weight_of(struct roi_axis axis, int cell, int pixel, int size)
{
    float weight = 0;
    for (int sample = 0; sample < axis.grid; sample++) {
        const struct bilinear_axis at = bilinear_axis(roi_axis_at(axis, cell, sample), size);
        weight += at.inside && at.low == pixel ? at.low_weight : 0;
        weight += at.inside && at.high == pixel ? at.high_weight : 0;
    }
    return weight;
}

static __device__ void make_weights(struct spread_shared *s, const struct placed_roi &roi,
                                    const struct tile_place &at, int pooled)
{
    const float share = 1 / (float)(roi.y.grid * roi.x.grid);
    __syncthreads(); /* those of the roi before are used */
    for (int i = threadIdx.x; i < 2 * pooled * TILE; i += THREADS) {
        const int cell = i / TILE, pixel = i % TILE;
        s->weights[i] = cell < pooled
                            ? weight_of(roi.x, cell, at.x + pixel, roi.width)
                            : share * weight_of(roi.y, cell - pooled, at.y + pixel, roi.height);
    }
    __syncthreads();
}

/* sum[pixel] += weight of the pixel * the cell's gradient */
template <typename T, int VECTOR>
static __device__ __forceinline__ void add_cell(float sum[TILE][VECTOR], const T *from, const float *columns,
                                                float row)
{
    const cu_vector<float, 4> low = *reinterpret_cast<const cu_vector<float, 4> *>(columns);
    const cu_vector<float, 4> high = *reinterpret_cast<const cu_vector<float, 4> *>(columns + 4);
    bool any = false;
#pragma unroll
    for (int i = 0; i < 4; i++)
        any = any || low.at[i] != 0 || high.at[i] != 0;
    if (!any)
        return;
    const cu_vector<T, VECTOR> values = *reinterpret_cast<const cu_vector<T, VECTOR> *>(from);
#pragma unroll
    for (int k = 0; k < VECTOR; k++) {
        const float value = row * cu_to_float(values.at[k]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum[i][k] = __fmaf_rn(low.at[i], value, sum[i][k]);
            sum[4 + i][k] = __fmaf_rn(high.at[i], value, sum[4 + i][k]);
        }
    }
}

template <typename T, int VECTOR>
static __device__ void add_roi(float sum[TILE][VECTOR], const struct spread_shared *s, const T *cells,
                               int pooled, int64_t channels)
{
    const float *rows = s->weights + pooled * TILE + threadIdx.x / 32;
#pragma unroll 1
    for (int y = 0; y < pooled; y++) {
        const float row = rows[y * TILE];
        if (row == 0)
            continue;
#pragma unroll 1
        for (int x = 0; x < pooled; x++)
            add_cell<T, VECTOR>(sum, cells + (y * pooled + x) * channels, s->weights + x * TILE, row);
    }
}

template <typename T, int VECTOR>
static __device__ __forceinline__ void write_row(T *map, const float sum[TILE][VECTOR], int x, int width,
                                                 int64_t channels)
{
    typedef cu_vector<T, VECTOR> vector;
#pragma unroll
    for (int i = 0; i < TILE; i++) {
        if (x + i >= width)
            continue;
        vector *at = reinterpret_cast<vector *>(map + (x + i) * channels), values = *at;
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = cu_from_float<T>(cu_to_float(values.at[k]) + sum[i][k]);
        *at = values;
    }
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS, 2)
    roi_align_backward_kernel(struct launch_roi_align_backward p)
{
    cu_pdl_wait();
    CU_SMEM(spread_shared, s);
    const struct launch_roi_align &a = p.align;
    const struct tile_place at = place_of(a, blockIdx.x);
    const int64_t channel = ((int64_t)blockIdx.y * 32 + (threadIdx.x & 31)) * VECTOR;
    const int64_t limit = a.rows ? clamp_count(*a.rows, a.capacity) : a.capacity;
    const int y = at.y + (int)threadIdx.x / 32;
    float sum[TILE][VECTOR];
    bool touched = false;
#pragma unroll
    for (int i = 0; i < TILE; i++)
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
            sum[i][k] = 0;
    for (int64_t first = 0; first < limit; first += THREADS) {
        const int count = list_rois(s, a, at, first);
        for (int i = 0; i < count; i++) {
            struct placed_roi roi;
            const int64_t row = s->rows[i];
            place_roi(&roi, a, row);
            make_weights(s, roi, at, a.pooled);
            const T *cells = static_cast<const T *>(p.out_grad) + row * a.pooled * a.pooled * a.channels;
            if (channel < a.channels)
                add_roi<T, VECTOR>(sum, s, cells + channel, a.pooled, a.channels);
            touched = true;
        }
    }
    if (!touched || channel >= a.channels || y >= a.height[at.level])
        return;
    const int width = a.width[at.level];
    T *map = static_cast<T *>(p.grads[at.level]) +
             (at.image * a.height[at.level] + y) * width * a.channels + channel;
    write_row<T, VECTOR>(map, sum, at.x, width, a.channels);
}

/* ---- launchers ----------------------------------------------------------------------------- */

static bool aligned(const struct launch_roi_align_backward *p, int values)
{
    uintptr_t all = (uintptr_t)p->out_grad;
    for (int level = 0; level < p->align.levels; level++)
        all |= (uintptr_t)p->grads[level];
    return (all & 15) == 0 && p->align.channels % values == 0;
}

template <typename T, int VECTOR>
static int run(const struct launch_roi_align_backward *p, launch_stream stream)
{
    const struct launch_roi_align *a = &p->align;
    const int64_t parts = cu_ceil_div(a->channels, 32 * VECTOR);
    int64_t tiles = 0;
    for (int level = 0; level < a->levels; level++)
        tiles += a->images * cu_ceil_div(a->height[level], TILE) * cu_ceil_div(a->width[level], TILE);
    if (tiles <= 0)
        return 0;
    if (tiles > INT32_MAX || parts > 65535 || a->pooled > LAUNCH_MAX_POOLED)
        return cudaErrorInvalidValue;
    auto kernel = roi_align_backward_kernel<T, VECTOR>;
    return CU_LAUNCH(kernel, dim3((unsigned)tiles, (unsigned)parts), dim3(THREADS),
                     sizeof(struct spread_shared) + 2 * (size_t)a->pooled * TILE * sizeof(float), stream, *p);
}

template <typename T>
static int run_type(const struct launch_roi_align_backward *p, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    return aligned(p, WHOLE) ? run<T, WHOLE>(p, stream) : run<T, 1>(p, stream);
}

extern "C" int launch_roi_align_backward(const struct launch_roi_align_backward *backward,
                                         launch_stream stream)
{
    const struct launch_roi_align *align = &backward->align;
    if (align->capacity <= 0 || align->channels <= 0 || align->pooled <= 0)
        return 0;
    switch (align->type) {
    case LAUNCH_BF16: return run_type<cu_bf16>(backward, stream);
    case LAUNCH_F16: return run_type<cu_fp16>(backward, stream);
    default: return run_type<float>(backward, stream);
    }
}
