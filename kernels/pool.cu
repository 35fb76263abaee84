/* pool.cu - max-pooling and nearest upsampling by two with addition.
 *
 * Mapping: a thread makes one vector of up to 16 bytes of channels of one output pixel, in a loop over
 * the grid; neighbouring threads have neighbouring channels. Bound by the memory's bandwidth: each
 * input is read from memory once, again from the caches where windows overlap. Maxima are exact; sums
 * are made in 32 bits and rounded once. Twin: lib/backend/ref/pool.c. */
#include "common.cuh"

enum { THREADS = 256, BLOCKS = 4096 };

/* ---- kernels ------------------------------------------------------------------------------- */

template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS, 4) maxpool_kernel(T *out, const T *in, struct launch_pool p)
{
    typedef cu_vector<T, VECTOR> vector;
    cu_pdl_wait();
    const int64_t groups = p.channels / VECTOR;
    const int64_t count = (int64_t)p.images * p.out_height * p.out_width * groups;
    const int64_t step = (int64_t)gridDim.x * THREADS;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const int64_t place = i / groups;
        const int x = (int)(place % p.out_width), y = (int)(place / p.out_width % p.out_height);
        const int64_t image = place / p.out_width / p.out_height;
        const int top = y * p.stride - p.pad, left = x * p.stride - p.pad;
        float best[VECTOR];
        for (int k = 0; k < VECTOR; k++)
            best[k] = 0; /* stays so for a window without pixels, which kernel > pad rules out */
        bool any = false;
        for (int row = max(top, 0); row < min(top + p.kernel, p.height); row++)
            for (int column = max(left, 0); column < min(left + p.kernel, p.width); column++) {
                const vector values = reinterpret_cast<const vector *>(
                    in)[((image * p.height + row) * p.width + column) * groups + i % groups];
                for (int k = 0; k < VECTOR; k++) {
                    const float value = cu_to_float(values.at[k]);
                    best[k] = !any || value > best[k] ? value : best[k];
                }
                any = true;
            }
        vector result;
        for (int k = 0; k < VECTOR; k++)
            result.at[k] = cu_from_float<T>(best[k]);
        reinterpret_cast<vector *>(out)[i] = result;
    }
}

/* out [n,2h,2w,c] += in [n,h,w,c] */
template <typename T, int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    upsample_add_kernel(T *out, const T *in, int64_t images, int height, int width, int64_t channels)
{
    typedef cu_vector<T, VECTOR> vector;
    cu_pdl_wait();
    const int64_t groups = channels / VECTOR;
    const int64_t count = images * height * width * 4 * groups;
    const int64_t step = (int64_t)gridDim.x * THREADS;
    for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step) {
        const int64_t place = i / groups, x = place % (2 * width), y = place / (2 * width) % (2 * height);
        const int64_t image = place / (2 * width) / (2 * height);
        vector sum = reinterpret_cast<vector *>(out)[i];
        const vector added = reinterpret_cast<const vector *>(
            in)[((image * height + y / 2) * width + x / 2) * groups + i % groups];
        for (int k = 0; k < VECTOR; k++)
            sum.at[k] = cu_from_float<T>(cu_to_float(sum.at[k]) + cu_to_float(added.at[k]));
        reinterpret_cast<vector *>(out)[i] = sum;
    }
}

/* ---- launchers ----------------------------------------------------------------------------- */

static dim3 blocks_for(int64_t count)
{
    const int64_t wanted = cu_ceil_div(count, THREADS);
    return dim3((unsigned)(wanted < BLOCKS ? wanted : (int64_t)BLOCKS));
}

/* Values of `bytes` each that fit into an access, where addresses and channels allow it. */
static int vector_of(const void *a, const void *b, int64_t channels, size_t bytes)
{
    const int whole = (int)(16 / bytes);
    return (((uintptr_t)a | (uintptr_t)b) & 15) == 0 && channels % whole == 0 ? whole : 1;
}

template <typename T>
static int maxpool(void *out, const void *in, const struct launch_pool *p, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const int vector = vector_of(out, in, p->channels, sizeof(T));
    const int64_t count = (int64_t)p->images * p->out_height * p->out_width * (p->channels / vector);
    auto kernel = vector == WHOLE ? maxpool_kernel<T, WHOLE> : maxpool_kernel<T, 1>;
    if (count <= 0)
        return 0;
    return CU_LAUNCH(kernel, blocks_for(count), dim3(THREADS), 0, stream, (T *)out, (const T *)in, *p);
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

template <typename T>
static int upsample_add(void *out, const void *in, const struct launch_map *map, launch_stream stream)
{
    enum { WHOLE = 16 / sizeof(T) };
    const int vector = vector_of(out, in, map->channels, sizeof(T));
    const int64_t count = (int64_t)map->images * map->height * map->width * 4 * (map->channels / vector);
    auto kernel = vector == WHOLE ? upsample_add_kernel<T, WHOLE> : upsample_add_kernel<T, 1>;
    if (count <= 0)
        return 0;
    return CU_LAUNCH(kernel, blocks_for(count), dim3(THREADS), 0, stream, (T *)out, (const T *)in,
                     map->images, map->height, map->width, map->channels);
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
