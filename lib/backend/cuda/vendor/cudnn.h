/* cudnn.h - engines of cuDNN 9, by its graph of operations. */
#ifndef BACKEND_CUDA_VENDOR_CUDNN_H
#define BACKEND_CUDA_VENDOR_CUDNN_H

#include "backend/cuda/vendor.h"

struct cudnn;

/* For the current device; or, with its description as cuDNN writes it, for one that need not be
 * there: then plans can be made, written and read, but not run. */
md_status cudnn_open(struct cudnn **out, struct memory *memory, const char *description);
void      cudnn_close(struct cudnn *cudnn);
/* 91900 */
size_t    cudnn_version(const struct cudnn *cudnn);

/* As the functions of vendor.h. */
md_status cudnn_plans(struct cudnn *cudnn, struct vendor_plan **out, int capacity, int *count,
                      const struct conv_problem *problem);
md_status cudnn_run(struct cudnn *cudnn, const struct vendor_plan *plan,
                    const struct conv_buffers *buffers, void *workspace, cudaStream_t stream);
void      cudnn_plan_free(struct cudnn *cudnn, struct vendor_plan *plan);
md_status cudnn_plan_write(struct cudnn *cudnn, char **out, const struct vendor_plan *plan);
md_status cudnn_plan_read(struct cudnn *cudnn, struct vendor_plan **out, const char *text,
                          const struct conv_problem *problem);

#endif
