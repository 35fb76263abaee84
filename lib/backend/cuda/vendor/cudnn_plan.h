/* cudnn_plan.h - an opened cuDNN, and a plan of it: what the files about it share. */
#ifndef BACKEND_CUDA_VENDOR_CUDNN_PLAN_H
#define BACKEND_CUDA_VENDOR_CUDNN_PLAN_H

#include <pthread.h>

#include "backend/cuda/vendor/cudnn.h"
#include "backend/cuda/vendor/cudnn_graph.h"

struct cudnn {
    struct memory           *memory;
    void                    *library;
    struct cudnn_calls       calls;
    cudnnHandle_t            handle; /* NULL: there is a description only */
    cudnnBackendDescriptor_t device;
    pthread_mutex_t          lock; /* of the handle, whose stream changes from call to call */
    bool                     has_lock;
};

struct cudnn_plan {
    struct vendor_plan       base;
    struct cudnn_graph      *graph; /* NULL for a plan that was read */
    cudnnBackendDescriptor_t handle;
    int64_t                  index;          /* of the engine */
    size_t                   residual_bytes; /* of the workspace's begin: an overlapping one goes there */
    uint64_t                 flags;          /* of the problem; 0 of a gradient's, which is without */
    char                     name[32];
};

md_status cudnn_check(const struct cudnn *cudnn, cudnnStatus_t status, const char *what);

/* From one attribute of a plan: a configuration or a text. *out stays NULL when cuDNN refuses. */
md_status cudnn_make_plan(struct cudnn *cudnn, struct cudnn_plan **out,
                          cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          int64_t count, const void *value, int64_t *workspace);
/* What the plan says of itself; `narrow` as in cudnn_graph. */
void cudnn_fill_plan(struct cudnn_plan *plan, const struct conv_problem *p, int64_t index,
                     int64_t workspace, bool narrow);

#endif
