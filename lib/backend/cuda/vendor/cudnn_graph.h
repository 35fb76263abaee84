/* cudnn_graph.h - cuDNN's functions, its descriptors, and a convolution as a graph of operations. */
#ifndef BACKEND_CUDA_VENDOR_CUDNN_GRAPH_H
#define BACKEND_CUDA_VENDOR_CUDNN_GRAPH_H

#include <cudnn.h>

#include "backend/cuda/conv_problem.h"

#define CUDNN_CALLS(X)                                                                       \
    X(cudnnGetVersion) X(cudnnGetErrorString) X(cudnnGetLastErrorString)                     \
    X(cudnnCreate) X(cudnnDestroy) X(cudnnSetStream)                                         \
    X(cudnnBackendCreateDescriptor) X(cudnnBackendDestroyDescriptor) X(cudnnBackendFinalize) \
    X(cudnnBackendSetAttribute) X(cudnnBackendGetAttribute) X(cudnnBackendExecute)

struct cudnn_calls {
#define X(name) __typeof__(name) *name;
    CUDNN_CALLS(X)
#undef X
};

/* What the operands are called in a graph. */
enum { OPERAND_IN = 1, OPERAND_WEIGHT, OPERAND_OUT, OPERAND_RESIDUAL, OPERAND_BIAS, OPERAND_VIRTUAL };

/* The operations of a problem: one for a gradient; else convolution, + residual, + bias, ReLU, in the
 * order for which most engines are there. Its descriptors live as long as the plans made from it:
 * `users` counts them. */
enum { GRAPH_MAX_DESCRIPTORS = 24, GRAPH_MAX_OPERATIONS = 4 };
struct cudnn_graph {
    const struct cudnn_calls *calls;
    int                       users;
    cudnnStatus_t             status; /* the first failure while it was made */
    bool                      narrow; /* the bias, or the gradient of a weight, has 16 bits */
    int                       descriptor_count, operation_count;
    int64_t                   next_virtual; /* name */
    cudnnBackendDescriptor_t  descriptors[GRAPH_MAX_DESCRIPTORS];
    cudnnBackendDescriptor_t  operations[GRAPH_MAX_OPERATIONS];
    cudnnBackendDescriptor_t  handle; /* the finished graph */
};

/* A graph that cuDNN refuses gives *out = NULL. */
md_status cudnn_graph_create(struct cudnn_graph **out, const struct cudnn_calls *calls,
                             struct memory *memory, const struct conv_problem *problem,
                             bool narrow);
/* One user less. */
void cudnn_graph_free(struct cudnn_graph *graph, struct memory *memory);

#endif
