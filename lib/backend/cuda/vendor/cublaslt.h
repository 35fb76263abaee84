/* cublaslt.h - engines of cuBLASLt, for convolutions that are products of matrices. */
#ifndef BACKEND_CUDA_VENDOR_CUBLASLT_H
#define BACKEND_CUDA_VENDOR_CUBLASLT_H

#include "backend/cuda/vendor.h"

struct cublaslt;

md_status cublaslt_open(struct cublaslt **out, struct memory *memory); /* for the current device */
void      cublaslt_close(struct cublaslt *lt);
/* 130100 */
size_t    cublaslt_version(const struct cublaslt *lt);

/* As the functions of vendor.h; a problem that is no product has no plans. */
md_status cublaslt_plans(struct cublaslt *lt, struct vendor_plan **out, int capacity, int *count,
                         const struct conv_problem *problem);
md_status cublaslt_run(struct cublaslt *lt, const struct vendor_plan *plan,
                       const struct conv_buffers *buffers, void *workspace, cudaStream_t stream);
void      cublaslt_plan_free(struct cublaslt *lt, struct vendor_plan *plan);
md_status cublaslt_plan_write(struct cublaslt *lt, char **out, const struct vendor_plan *plan);
md_status cublaslt_plan_read(struct cublaslt *lt, struct vendor_plan **out, const char *text,
                             const struct conv_problem *problem);

#endif
