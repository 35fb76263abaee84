/* grouped.c - from a convolution problem, or that of a gradient, to the launchers of our own kernels. */
#include "backend/cuda/grouped.h"

#include "backend/cuda/cuda.h"
#include "core/error.h"

static struct launch_grouped_conv launch_of(const struct device *device,
                                            const struct conv_problem *problem)
{
    const struct cuda_device *cuda = cuda_device_of(device);
    struct launch_grouped_conv conv = {
        .type = cuda_type(problem->in),
        .out_type = cuda_type(problem->out),
        .n = problem->n,
        .h = problem->h,
        .w = problem->w,
        .in_channels = problem->c,
        .out_channels = problem->o,
        .groups = problem->groups,
        .kernel_h = problem->kh,
        .kernel_w = problem->kw,
        .stride = problem->stride,
        .pad = problem->pad,
        .relu = problem->flags & CONV_RELU,
        .multiprocessors = cuda->multiprocessors,
        .capability = cuda->capability,
    };
    if (cudaDeviceGetAttribute(&conv.shared_limit, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                               device->index) != cudaSuccess)
        conv.shared_limit = 48 << 10; /* what every device has */
    return conv;
}

enum grouped_engine cuda_grouped_engine(const struct device *device,
                                        const struct conv_problem *problem)
{
    struct launch_grouped_conv conv = launch_of(device, problem);
    if (problem->flags & CONV_GRADIENTS) {
        const bool fits = problem->flags & CONV_FILTER ? launch_grouped_filter_fits(&conv)
                                                       : launch_grouped_data_fits(&conv);
        return fits && problem->alignment >= 16 ? GROUPED_TENSOR : GROUPED_NONE;
    }
    if (!(problem->flags & CONV_RESIDUAL) && problem->alignment >= 16 &&
        launch_grouped_conv_fits(&conv))
        return GROUPED_TENSOR;
    return launch_grouped_direct_fits(&conv) ? GROUPED_DIRECT : GROUPED_NONE;
}

size_t cuda_grouped_workspace(const struct device *device, const struct conv_problem *problem)
{
    const struct launch_grouped_conv conv = launch_of(device, problem);
    if (problem->flags & CONV_FILTER)
        return launch_grouped_filter_scratch(&conv);
    return problem->flags & CONV_DATA ? launch_grouped_data_scratch(&conv) : 0;
}

static int launch_gradient(const struct launch_grouped_conv *conv,
                           const struct conv_problem *problem, const struct conv_buffers *buffers,
                           void *workspace, cudaStream_t stream)
{
    return problem->flags & CONV_FILTER
               ? launch_grouped_filter(conv, buffers->scale, workspace, stream)
               : launch_grouped_data(conv, workspace, stream);
}

md_status cuda_grouped_run(struct stream *stream, enum grouped_engine engine,
                           const struct conv_problem *problem, const struct conv_buffers *buffers,
                           void *workspace)
{
    struct launch_grouped_conv conv = launch_of(stream->device, problem);
    conv.out = buffers->out;
    conv.in = buffers->in;
    conv.weight = buffers->weight;
    cudaStream_t raw = cuda_raw(stream);
    if (problem->flags & CONV_GRADIENTS)
        return cuda_check(stream->device, launch_gradient(&conv, problem, buffers, workspace, raw),
                          "a grouped convolution's gradient");
    conv.bias = problem->flags & CONV_BIAS ? buffers->bias : NULL;
    conv.residual = problem->flags & CONV_RESIDUAL ? buffers->residual : NULL;
    int error = engine == GROUPED_TENSOR ? launch_grouped_conv(&conv, raw)
                                         : launch_grouped_direct(&conv, raw);
    return cuda_check(stream->device, error, "the grouped convolution");
}
