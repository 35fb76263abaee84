/* backends.h - one function for each backend that can be compiled in. */
#ifndef BACKEND_BACKENDS_H
#define BACKEND_BACKENDS_H

#include "tensor/ops.h"

const struct backend *backend_ref(void);
const struct backend *backend_cpu(void);
const struct backend *backend_cuda(void);

/* The twins: `cpu` starts as a copy of this list and overrides entries. */
#define X(name) name##_fn ref_##name;
OPS_LIST(X)
#undef X

#endif
