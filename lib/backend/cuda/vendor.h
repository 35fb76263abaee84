/* vendor.h - the seam to the vendor's libraries: engines that compute dense convolutions.
 *
 * An engine is one way that a library has to solve a problem; made ready, it is a plan. Real
 * engines (vendor/) are cuDNN's and cuBLASLt's, both found when the device is opened, so that the
 * library runs where they are missing: then there are fewer plans, or none. Tests put engines of
 * the host's in this place. Plans are made under device->lock and may be run from any thread. */
#ifndef BACKEND_CUDA_VENDOR_H
#define BACKEND_CUDA_VENDOR_H

#include <cuda_runtime_api.h>

#include "backend/cuda/conv_problem.h"

struct vendor; /* the libraries, opened for one device */

/* What all plans have; the library's part follows it. */
struct vendor_plan {
    const char *engine;      /* for people: "cublaslt", "cudnn 41" */
    size_t      workspace;   /* bytes that vendor_run is to be given, 256-byte aligned */
    bool        narrow_bias; /* the bias is wanted in the type of the input, not in fp32 */
    bool        narrow_out;  /* of CONV_FILTER: the result is of the type of the input, not in fp32 */
    bool        adds;        /* of a gradient: takes the residual; else vendor_run leaves it out */
};

/* The current device is `index`. A library that is missing is no failure. */
md_status vendor_open(struct vendor **out, struct memory *memory, int index);
void      vendor_close(struct vendor *vendor);
/* Which libraries they are, in one line: plans are good for these alone. */
const char *vendor_versions(const struct vendor *vendor);
/* What is missing, where it was looked for and what to do; NULL: nothing. */
const char *vendor_missing(const struct vendor *vendor);

/* At most `capacity` plans, best first by the libraries' own guess; an engine that cannot be made
 * ready is left out. *count may be 0. */
md_status vendor_plans(struct vendor *vendor, struct vendor_plan **out, int capacity, int *count,
                       const struct conv_problem *problem);
/* Enqueues; the workspace is the plan's until the stream has passed. */
md_status vendor_run(struct vendor *vendor, const struct vendor_plan *plan,
                     const struct conv_buffers *buffers, void *workspace, cudaStream_t stream);
void      vendor_plan_free(struct vendor *vendor, struct vendor_plan *plan);

/* A plan as text that the same libraries read back, on the same kind of device. *out is of the
 * vendor's memory. Text that does not make a plan for the problem gives *out = NULL. */
md_status vendor_plan_write(struct vendor *vendor, char **out, const struct vendor_plan *plan);
md_status vendor_plan_read(struct vendor *vendor, struct vendor_plan **out, const char *text,
                           const struct conv_problem *problem);

#endif
