/* pool_backward.cu - gradients of max-pooling and of nearest upsampling by two.
 *
 * Mapping: a thread gathers for one vector of up to 16 bytes of channels of one input pixel
 * (pixels.cuh), so nothing is added atomically and the order of additions is that of
 * lib/backend/ref/pool.c. For pooling it looks for the maximum of each of the at most
 * ceil(kernel / stride)^2 windows that hold the pixel; those reads come from the caches. Bound by the
 * memory's bandwidth. Sums are made in 32 bits and rounded once. */
#include "pixels.cuh"

/* ---- kernels ------------------------------------------------------------------------------- */

/* grad += out_grad of window (wx, wy) for the channels whose first maximum is at (x, y). */
template <int VECTOR, typename vector>
__device__ __forceinline__ void add_window(float grad[VECTOR], const vector *out_grad, const vector *in,
                                           const struct launch_pool &p, const pixel &at, int wx, int wy)
{
    const int groups = (int)(p.channels / VECTOR);
    const int top = wy * p.stride - p.pad, left = wx * p.stride - p.pad;
    float best[VECTOR];
    uint32_t mine = 0; /* bits of channels */
    bool any = false;
    for (int k = 0; k < VECTOR; k++)
        best[k] = 0;
    for (int row = max(top, 0); row < min(top + p.kernel, p.height); row++)
        for (int column = max(left, 0); column < min(left + p.kernel, p.width); column++) {
            const vector values = in[((at.image * p.height + row) * p.width + column) * groups + at.group];
            const bool here = row == at.y && column == at.x;
            for (int k = 0; k < VECTOR; k++) {
                const float value = cu_to_float(values.at[k]);
                if (any && !(value > best[k]))
                    continue;
                best[k] = value;
                mine = here ? mine | 1u << k : mine & ~(1u << k);
            }
            any = true;
        }
    if (mine == 0)
        return;
    const vector added = out_grad[((at.image * p.out_height + wy) * p.out_width + wx) * groups + at.group];
    for (int k = 0; k < VECTOR; k++)
        if (mine >> k & 1u)
            grad[k] += cu_to_float(added.at[k]);
}

/* The 2: compilers that make room for more blocks spill registers. */
template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS, 2)
    maxpool_backward_kernel(cu_vector<T, VECTOR> *in_grad, const cu_vector<T, VECTOR> *out_grad,
                            const cu_vector<T, VECTOR> *in, struct launch_pool p)
{
    cu_pdl_wait();
    for_each_pixel(p.images, p.height, p.width, (int)(p.channels / VECTOR), [&](const pixel &at) {
        /* Windows w with w * stride - pad <= y < w * stride - pad + kernel. */
        const int first_y = max((at.y + p.pad - p.kernel + p.stride) / p.stride, 0);
        const int first_x = max((at.x + p.pad - p.kernel + p.stride) / p.stride, 0);
        const int last_y = min((at.y + p.pad) / p.stride, p.out_height - 1);
        const int last_x = min((at.x + p.pad) / p.stride, p.out_width - 1);
        if (first_y > last_y || first_x > last_x)
            return;
        cu_vector<T, VECTOR> values = in_grad[at.index];
        float grad[VECTOR];
        for (int k = 0; k < VECTOR; k++)
            grad[k] = cu_to_float(values.at[k]);
        for (int wy = first_y; wy <= last_y; wy++)
            for (int wx = first_x; wx <= last_x; wx++)
                add_window<VECTOR>(grad, out_grad, in, p, at, wx, wy);
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = cu_from_float<T>(grad[k]);
        in_grad[at.index] = values;
    });
}

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS)
    upsample_backward_kernel(cu_vector<T, VECTOR> *in_grad, const cu_vector<T, VECTOR> *out_grad,
                             struct launch_map map)
{
    cu_pdl_wait();
    const int groups = (int)(map.channels / VECTOR);
    for_each_pixel(map.images, map.height, map.width, groups, [&](const pixel &at) {
        cu_vector<T, VECTOR> values = in_grad[at.index];
        float grad[VECTOR];
        for (int k = 0; k < VECTOR; k++)
            grad[k] = cu_to_float(values.at[k]);
        for (int quarter = 0; quarter < 4; quarter++) {
            const int64_t y = at.image * 2 * map.height + 2 * at.y + quarter / 2;
            const int64_t place = y * 2 * map.width + 2 * at.x + quarter % 2;
            const cu_vector<T, VECTOR> added = out_grad[place * groups + at.group];
            for (int k = 0; k < VECTOR; k++)
                grad[k] += cu_to_float(added.at[k]);
        }
        for (int k = 0; k < VECTOR; k++)
            values.at[k] = cu_from_float<T>(grad[k]);
        in_grad[at.index] = values;
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

template <typename T, int VECTOR>
static int maxpool_backward(void *in_grad, const void *out_grad, const void *in,
                            const struct launch_pool *p, launch_stream stream)
{
    typedef cu_vector<T, VECTOR> vector;
    auto kernel = maxpool_backward_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, p->images, p->height, p->width, p->channels / VECTOR))
        return cudaErrorInvalidValue;
    if (grid.x == 0 || grid.y == 0)
        return 0;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (vector *)in_grad,
                     (const vector *)out_grad, (const vector *)in, *p);
}

template <typename T>
static int maxpool_backward_type(void *in_grad, const void *out_grad, const void *in,
                                 const struct launch_pool *p, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const uintptr_t bits = (uintptr_t)in_grad | (uintptr_t)out_grad | (uintptr_t)in;
    return (bits & 15) == 0 && p->channels % WHOLE == 0
               ? maxpool_backward<T, WHOLE>(in_grad, out_grad, in, p, stream)
               : maxpool_backward<T, 1>(in_grad, out_grad, in, p, stream);
}

extern "C" int launch_maxpool_backward(void *in_grad, const void *out_grad, const void *in,
                                       const struct launch_pool *pool, enum launch_type type,
                                       launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return maxpool_backward_type<cu_bf16>(in_grad, out_grad, in, pool, stream);
    case LAUNCH_F16: return maxpool_backward_type<cu_fp16>(in_grad, out_grad, in, pool, stream);
    default: return maxpool_backward_type<float>(in_grad, out_grad, in, pool, stream);
    }
}

template <typename T, int VECTOR>
static int upsample_backward(void *in_grad, const void *out_grad, const struct launch_map *map,
                             launch_stream stream)
{
    typedef cu_vector<T, VECTOR> vector;
    auto kernel = upsample_backward_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, map->images, map->height, map->width, map->channels / VECTOR))
        return cudaErrorInvalidValue;
    if (grid.x == 0 || grid.y == 0)
        return 0;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (vector *)in_grad,
                     (const vector *)out_grad, *map);
}

template <typename T>
static int upsample_backward_type(void *in_grad, const void *out_grad, const struct launch_map *map,
                                  launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const uintptr_t bits = (uintptr_t)in_grad | (uintptr_t)out_grad;
    return (bits & 15) == 0 && map->channels % WHOLE == 0
               ? upsample_backward<T, WHOLE>(in_grad, out_grad, map, stream)
               : upsample_backward<T, 1>(in_grad, out_grad, map, stream);
}

extern "C" int launch_upsample_backward(void *in_grad, const void *out_grad, const struct launch_map *map,
                                        enum launch_type type, launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return upsample_backward_type<cu_bf16>(in_grad, out_grad, map, stream);
    case LAUNCH_F16: return upsample_backward_type<cu_fp16>(in_grad, out_grad, map, stream);
    default: return upsample_backward_type<float>(in_grad, out_grad, map, stream);
    }
}
