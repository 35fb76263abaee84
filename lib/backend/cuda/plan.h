/* plan.h - which engine serves a convolution on this device: tried once, then remembered.
 *
 * Engines are our own kernels and the vendor's. On first use of a problem all are timed on the
 * operands themselves and the fastest stays, in memory and in the plan cache's folder. With
 * device->deterministic nothing is timed or read: the first engine in a fixed order is taken. */
#ifndef BACKEND_CUDA_PLAN_H
#define BACKEND_CUDA_PLAN_H

#include "backend/cuda/vendor.h"

struct plans; /* of one device */

/* `name` and `driver` of the device are part of what cached plans are good for. */
md_status plans_open(struct plans **out, struct device *device, const char *name, int driver);
void      plans_close(struct plans *plans);
/* "cublaslt 13.1.0, cudnn 9.19.0", and what is missing or NULL: for people. */
const char *plans_versions(const struct plans *plans);
const char *plans_missing(const struct plans *plans);

/* out = the convolution, by the engine that is chosen for it. The first call for a problem chooses
 * (and may write `out` several times); it must not be recorded. */
md_status plans_run(struct plans *plans, struct stream *stream, const struct conv_problem *problem,
                    const struct conv_buffers *buffers);

#endif
