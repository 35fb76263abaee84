/* launch.h - the CUDA kernels as C functions: all that the library knows of them.
 *
 * A launcher chooses grid and block, enqueues on `stream` and returns a cudaError_t as int. It does
 * nothing for zero elements, never allocates, waits or prints; pointers are device memory of the
 * shapes given beside them. Scratch comes from the caller, launch_x_scratch tells how much, and its
 * content does not matter. Counts of lists are read on the device. Meaning, order and exactness are
 * those of the primitive of the same stem in lib/tensor/ops.h. */
#ifndef KERNELS_LAUNCH_H
#define KERNELS_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *launch_stream;

enum launch_type { LAUNCH_F32, LAUNCH_BF16, LAUNCH_F16 };

/* ---- elementwise.cu ------------------------------------------------------------------------ */

/* ---- pool.cu, stem.cu ---------------------------------------------------------------------- */

/* ---- softmax.cu ---------------------------------------------------------------------------- */

/* ---- grouped_conv.cu ----------------------------------------------------------------------- */

/* ---- preprocess.cu ------------------------------------------------------------------------- */

/* ---- roi_align.cu, rois.cu ----------------------------------------------------------------- */

/* ---- anchors.cu, topk.cu, decode.cu -------------------------------------------------------- */

/* ---- nms.cu, merge.cu ---------------------------------------------------------------------- */

/* ---- detect.cu ----------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif
#endif
