/* library.h - a shared library found while the program runs, and a table of its functions. */
#ifndef BACKEND_CUDA_VENDOR_LIBRARY_H
#define BACKEND_CUDA_VENDOR_LIBRARY_H

#include "core/memory.h"

struct library_call {
    const char *name;
    size_t      offset; /* of the function pointer in the table */
};

/* The first of `names` (NULL-ended) that the loader's own search, $CUDA_HOME/lib64 or
 * /usr/local/cuda/lib64 has. Fails with a text that names the library and the remedy. */
md_status library_open(void **out, const char *const *names);
void      library_close(void *library); /* NULL is fine */
md_status library_resolve(void *library, const char *name, void *table,
                          const struct library_call *calls, size_t count);

#endif
