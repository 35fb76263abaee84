/* grouped_direct.cu - convolution of any groups, kernel and type without tensor cores.
 *
 * What      conv2d_forward of lib/tensor/ops.h with bias, residual and ReLU, for what no other engine
 *           takes: float32 groups of few channels, as many out as in or not, depthwise, or dense
 *           where the vendor's libraries are missing.
 * Mapping   A warp is 32 output channels of 4 outputs in a row, a block 4 such runs of the same
 *           channels. A lane's 4 sums share each weight, the lanes of a group share each input (one
 *           broadcast) and results are written side by side. Weights pass through shared memory in
 *           parts of 64, as float32. Channels come 4 at a time where the group has a multiple of 4.
 * Order     bias, then the weights as they lie (tap by tap, its channels) by fused multiply-adds, then
 *           the residual.
 * Bound     loads from L1, two for each 4 multiply-adds of a warp at best. Meant as what always
 *           works, not as the fast way.
 * Checked   tests/kernels/test_grouped_direct.c against sums in double precision. */
#include "common.cuh"

namespace
{

enum {
    CHANNELS = 32, /* of a block: a warp's lanes */
    WARPS = 4,
    OUTPUTS = 4,          /* of a thread: neighbours in a row */
    PART = 64,            /* weights of a channel in shared memory at once */
    MOST = INT32_MAX / 4, /* of what is counted: sums of three are ints too */
};

struct direct_shared {
    float weight[PART][CHANNELS + 1]; /* one more: columns are written, rows read */
};

struct direct_sizes {
    int h, w, out_h, out_w, in_channels, out_channels;
    int in_width, out_width; /* channels of a group */
    int kernel_h, kernel_w, stride, pad;
    int runs, row_runs; /* of OUTPUTS: in all, in a row */
};

/* sum += over `count` weights of one tap that begin at weight[k]; the input there or NULL. */
template <typename T, int VECTOR>
__device__ __forceinline__ void add_tap(float sum[OUTPUTS], const direct_shared *shared, int k,
                                        int count, const T *const from[OUTPUTS])
{
    using values = cu_vector<T, VECTOR>;
    const int lane = threadIdx.x & 31;
    for (int c = 0; c < count; c += VECTOR) {
        float weight[VECTOR];
#pragma unroll
        for (int v = 0; v < VECTOR; v++)
            weight[v] = shared->weight[k + c + v][lane];
#pragma unroll
        for (int i = 0; i < OUTPUTS; i++) {
            values in = {};
            if (from[i])
                in = *(const values *)(from[i] + c);
#pragma unroll
            for (int v = 0; v < VECTOR; v++)
                sum[i] = __fmaf_rn(cu_to_float(in.at[v]), weight[v], sum[i]);
        }
    }
}

template <typename T>
__device__ __forceinline__ void load_part(direct_shared *shared, const T *__restrict__ weight,
                                          const direct_sizes &s, int channel0, int first, int count)
{
    const int all = s.kernel_h * s.kernel_w * s.in_width;
    for (int i = threadIdx.x; i < CHANNELS * PART; i += 32 * WARPS) {
        int row = i / PART, k = i % PART;
        if (k < count)
            shared->weight[k][row] =
                channel0 + row < s.out_channels
                    ? cu_to_float(weight[(int64_t)(channel0 + row) * all + first + k])
                    : 0;
    }
}

/* `residual` may be `out`: an element is read by the thread that writes it, and before. */
template <typename T, typename OUT, int VECTOR>
__global__ void __launch_bounds__(32 * WARPS, 6)
    grouped_direct(OUT *out, const OUT *residual, const T *__restrict__ in,
                   const T *__restrict__ weight, const float *__restrict__ bias, direct_sizes s,
                   bool relu)
{
    cu_pdl_wait();
    CU_SMEM(direct_shared, shared);
    const int channel0 = blockIdx.y * CHANNELS, channel = channel0 + (threadIdx.x & 31);
    const int run = blockIdx.x * WARPS + (threadIdx.x >> 5);
    const bool there = channel < s.out_channels && run < s.runs;
    const int row = run / s.row_runs, image = row / s.out_h;
    const int out_x = (run - row * s.row_runs) * OUTPUTS;
    const int y0 = (row - image * s.out_h) * s.stride - s.pad, x0 = out_x * s.stride - s.pad;
    const T *group = in + (int64_t)image * s.h * s.w * s.in_channels +
                     (there ? channel / s.out_width * s.in_width : 0);
    const int all = s.kernel_h * s.kernel_w * s.in_width;
    float sum[OUTPUTS];
#pragma unroll
    for (int i = 0; i < OUTPUTS; i++)
        sum[i] = bias && there ? bias[channel] : 0;

    for (int first = 0; first < all; first += PART) {
        int count = all - first < PART ? all - first : PART;
        __syncthreads(); /* the last part is read */
        load_part<T>(shared, weight, s, channel0, first, count);
        __syncthreads();
        for (int k = 0; k < count;) {
            int tap = (first + k) / s.in_width, c = (first + k) % s.in_width;
            int channels = s.in_width - c < count - k ? s.in_width - c : count - k;
            int y = y0 + tap / s.kernel_w, x = x0 + tap % s.kernel_w;
            const T *from[OUTPUTS];
#pragma unroll
            for (int i = 0; i < OUTPUTS; i++, x += s.stride)
                from[i] = there && (unsigned)y < (unsigned)s.h && (unsigned)x < (unsigned)s.w
                              ? group + ((int64_t)y * s.w + x) * s.in_channels + c
                              : nullptr;
            add_tap<T, VECTOR>(sum, shared, k, channels, from);
            k += channels;
        }
    }
#pragma unroll
    for (int i = 0; i < OUTPUTS; i++)
        if (there && out_x + i < s.out_w) {
            int64_t at = ((int64_t)row * s.out_w + out_x + i) * s.out_channels + channel;
            float value = residual ? sum[i] + cu_to_float(residual[at]) : sum[i];
            out[at] = cu_from_float<OUT>(relu && value < 0 ? 0 : value);
        }
}

template <typename T, typename OUT, int VECTOR>
int run(const struct launch_grouped_conv *conv, const direct_sizes &s, launch_stream stream)
{
    dim3 grid((unsigned)((s.runs - 1) / WARPS + 1),
              (unsigned)((s.out_channels - 1) / CHANNELS + 1));
    return CU_LAUNCH((grouped_direct<T, OUT, VECTOR>), grid, dim3(32 * WARPS),
                     sizeof(direct_shared), stream, (OUT *)conv->out, (const OUT *)conv->residual,
                     (const T *)conv->in, (const T *)conv->weight, conv->bias, s, conv->relu);
}

template <typename T, typename OUT>
int run_vector(const struct launch_grouped_conv *conv, const direct_sizes &s, launch_stream stream)
{
    bool fours = s.in_width % 4 == 0 && (uintptr_t)conv->in % sizeof(cu_vector<T, 4>) == 0;
    return fours ? run<T, OUT, 4>(conv, s, stream) : run<T, OUT, 1>(conv, s, stream);
}

template <typename T>
int run_types(const struct launch_grouped_conv *conv, const direct_sizes &s, launch_stream stream)
{
    return conv->out_type == LAUNCH_F32 ? run_vector<T, float>(conv, s, stream)
                                        : run_vector<T, T>(conv, s, stream);
}

/* Outputs along a side; 0 where the kernel does not fit in. */
int64_t out_size(int64_t in, int kernel, const struct launch_grouped_conv *conv)
{
    int64_t room = in + 2 * (int64_t)conv->pad - kernel;
    return in > 0 && room >= 0 ? room / conv->stride + 1 : 0;
}

bool within(int64_t value, int64_t low, int64_t high)
{
    return value >= low && value <= high;
}

bool types_fit(const struct launch_grouped_conv *conv)
{
    return conv->out_type == conv->type || conv->out_type == LAUNCH_F32;
}

bool channels_fit(const struct launch_grouped_conv *conv)
{
    const int64_t blocks_y = 65535;
    return conv->groups > 0 && within(conv->in_channels, 0, MOST) &&
           within(conv->out_channels, 0, CHANNELS * blocks_y) &&
           conv->in_channels % conv->groups == 0 && conv->out_channels % conv->groups == 0;
}

/* After channels_fit. */
bool window_fits(const struct launch_grouped_conv *conv)
{
    return within(conv->stride, 1, MOST / 4) && within(conv->pad, 0, MOST) && conv->kernel_h > 0 &&
           conv->kernel_w > 0 && conv->kernel_h <= MOST / conv->kernel_w &&
           conv->kernel_h * conv->kernel_w <= MOST / (conv->in_channels / conv->groups + 1);
}

/* After window_fits. */
bool size_fits(const struct launch_grouped_conv *conv)
{
    if (conv->n < 0 || !within(conv->h, 0, MOST) || !within(conv->w, 0, MOST))
        return false;
    int64_t out_h = out_size(conv->h, conv->kernel_h, conv),
            out_w = out_size(conv->w, conv->kernel_w, conv);
    return conv->n <= INT32_MAX / (out_h + 1) &&
           conv->n * out_h <= (INT32_MAX - WARPS) / (out_w / OUTPUTS + 1);
}

} /* namespace */

extern "C" bool launch_grouped_direct_fits(const struct launch_grouped_conv *conv)
{
    return types_fit(conv) && channels_fit(conv) && window_fits(conv) && size_fits(conv);
}

extern "C" int launch_grouped_direct(const struct launch_grouped_conv *conv, launch_stream stream)
{
    if (!launch_grouped_direct_fits(conv))
        return cudaErrorInvalidValue;
    direct_sizes s = {};
    s.h = (int)conv->h, s.w = (int)conv->w;
    s.out_h = (int)out_size(conv->h, conv->kernel_h, conv);
    s.out_w = (int)out_size(conv->w, conv->kernel_w, conv);
    s.in_channels = (int)conv->in_channels, s.out_channels = (int)conv->out_channels;
    s.in_width = s.in_channels / conv->groups, s.out_width = s.out_channels / conv->groups;
    s.kernel_h = conv->kernel_h, s.kernel_w = conv->kernel_w;
    s.stride = conv->stride, s.pad = conv->pad;
    s.row_runs = (s.out_w + OUTPUTS - 1) / OUTPUTS;
    s.runs = (int)conv->n * s.out_h * s.row_runs;
    if (s.runs == 0 || s.out_channels == 0)
        return 0;
    switch (conv->type) {
    case LAUNCH_F32:
        return run_types<float>(conv, s, stream);
    case LAUNCH_BF16:
        return run_types<cu_bf16>(conv, s, stream);
    default:
        return run_types<cu_fp16>(conv, s, stream);
    }
}
