/* grouped.h - our own convolution kernels as engines: grouped ones on tensor cores, and any at all. */
#ifndef BACKEND_CUDA_GROUPED_H
#define BACKEND_CUDA_GROUPED_H

#include "backend/cuda/conv_problem.h"

/* All give the same bits in every run. */
enum grouped_engine {
    GROUPED_NONE,   /* sizes that a kernel cannot count, or a gradient that there is no kernel for */
    GROUPED_TENSOR, /* ResNeXt's 3x3 in 16 bits, or its gradients: first choice */
    GROUPED_DIRECT  /* anything, dense ones too, slowly: where nothing else is better; no gradients */
};

enum grouped_engine cuda_grouped_engine(const struct device *device,
                                        const struct conv_problem *problem);
/* Bytes that a run is to be given. */
size_t    cuda_grouped_workspace(const struct device *device, const struct conv_problem *problem);
/* Enqueues on the stream's present branch. A weight's gradient is added to what is there. */
md_status cuda_grouped_run(struct stream *stream, enum grouped_engine engine,
                           const struct conv_problem *problem, const struct conv_buffers *buffers,
                           void *workspace);

#endif
