/* pool.cu - max-pooling and nearest upsampling by two with addition.
 *
 * Mapping: a thread makes one vector of up to 16 bytes of channels of one output pixel (pixels.cuh).
 * Bound by the memory's bandwidth: each input is read from memory once, again from the caches where
 * windows overlap. Maxima are exact; sums are made in 32 bits and rounded once. Twin:
 * lib/backend/ref/pool.c. */
#include "pixels.cuh"

/* ---- kernels ------------------------------------------------------------------------------- */

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS, 4)
    maxpool_kernel(cu_vector<T, VECTOR> *out, const cu_vector<T, VECTOR> *in, struct launch_pool p)
{
    cu_pdl_wait();
    const int groups = (int)(p.channels / VECTOR);
    for_each_pixel(p.images, p.out_height, p.out_width, groups, [&](const pixel &at) {
        const int top = at.y * p.stride - p.pad, left = at.x * p.stride - p.pad;
        float best[VECTOR];
        for (int k = 0; k < VECTOR; k++)
            best[k] = 0; /* stays so for a window without pixels, which kernel > pad rules out */
        bool any = false;
        for (int row = max(top, 0); row < min(top + p.kernel, p.height); row++)
            for (int column = max(left, 0); column < min(left + p.kernel, p.width); column++) {
                const cu_vector<T, VECTOR> values =
                    in[((at.image * p.height + row) * p.width + column) * groups + at.group];
                for (int k = 0; k < VECTOR; k++) {
                    const float value = cu_to_float(values.at[k]);
                    best[k] = !any || value > best[k] ? value : best[k];
                }
                any = true;
            }
        cu_vector<T, VECTOR> result;
        for (int k = 0; k < VECTOR; k++)
            result.at[k] = cu_from_float<T>(best[k]);
        out[at.index] = result;
    });
}

/* out [n,2h,2w,c] += in [n,h,w,c] */
template <typename T, int VECTOR>
static __global__ void __launch_bounds__(PIXEL_THREADS)
    upsample_add_kernel(cu_vector<T, VECTOR> *out, const cu_vector<T, VECTOR> *in, struct launch_map map)
{
    cu_pdl_wait();
    const int groups = (int)(map.channels / VECTOR);
    for_each_pixel(map.images, 2 * map.height, 2 * map.width, groups, [&](const pixel &at) {
        const int64_t from = (at.image * map.height + at.y / 2) * map.width + at.x / 2;
        const cu_vector<T, VECTOR> added = in[from * groups + at.group];
        cu_vector<T, VECTOR> sum = out[at.index];
        for (int k = 0; k < VECTOR; k++)
            sum.at[k] = cu_from_float<T>(cu_to_float(sum.at[k]) + cu_to_float(added.at[k]));
        out[at.index] = sum;
    });
}

/* ---- launchers ----------------------------------------------------------------------------- */

/* Values of `bytes` each that fit into an access, where addresses and channels allow it. */
static int vector_of(const void *a, const void *b, int64_t channels, size_t bytes)
{
    const int whole = (int)(16 / bytes);
    return (((uintptr_t)a | (uintptr_t)b) & 15) == 0 && channels % whole == 0 ? whole : 1;
}

template <typename T, int VECTOR>
static int maxpool_by(void *out, const void *in, const struct launch_pool *p, launch_stream stream)
{
    auto kernel = maxpool_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, p->images, p->out_height, p->out_width, p->channels / VECTOR))
        return cudaErrorInvalidValue;
    if (grid.x == 0 || grid.y == 0)
        return 0;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (cu_vector<T, VECTOR> *)out,
                     (const cu_vector<T, VECTOR> *)in, *p);
}

template <typename T>
static int maxpool(void *out, const void *in, const struct launch_pool *p, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    return vector_of(out, in, p->channels, sizeof(T)) == WHOLE ? maxpool_by<T, WHOLE>(out, in, p, stream)
                                                               : maxpool_by<T, 1>(out, in, p, stream);
}

extern "C" int launch_maxpool(void *out, const void *in, const struct launch_pool *pool,
                              enum launch_type type, launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return maxpool<cu_bf16>(out, in, pool, stream);
    case LAUNCH_F16: return maxpool<cu_fp16>(out, in, pool, stream);
    default: return maxpool<float>(out, in, pool, stream);
    }
}

template <typename T, int VECTOR>
static int upsample_add_by(void *out, const void *in, const struct launch_map *map, launch_stream stream)
{
    auto kernel = upsample_add_kernel<T, VECTOR>;
    dim3 grid;
    if (!pixels_grid(&grid, map->images, 2 * map->height, 2 * map->width, map->channels / VECTOR))
        return cudaErrorInvalidValue;
    if (grid.x == 0 || grid.y == 0)
        return 0;
    return CU_LAUNCH(kernel, grid, dim3(PIXEL_THREADS), 0, stream, (cu_vector<T, VECTOR> *)out,
                     (const cu_vector<T, VECTOR> *)in, *map);
}

template <typename T>
static int upsample_add(void *out, const void *in, const struct launch_map *map, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    return vector_of(out, in, map->channels, sizeof(T)) == WHOLE
               ? upsample_add_by<T, WHOLE>(out, in, map, stream)
               : upsample_add_by<T, 1>(out, in, map, stream);
}

extern "C" int launch_upsample_add(void *out, const void *in, const struct launch_map *map,
                                   enum launch_type type, launch_stream stream)
{
    switch (type) {
    case LAUNCH_BF16: return upsample_add<cu_bf16>(out, in, map, stream);
    case LAUNCH_F16: return upsample_add<cu_fp16>(out, in, map, stream);
    default: return upsample_add<float>(out, in, map, stream);
    }
}
