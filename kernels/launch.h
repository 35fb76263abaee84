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

/* ---- grouped_conv.cu, grouped_direct.cu ---------------------------------------------------- */

struct launch_grouped_conv {
    void             *out;      /* [n, (h + 2 pad - kernel_h) / stride + 1, ..., out_channels] */
    const void       *in;       /* [n, h, w, in_channels] */
    const void       *weight;   /* [out_channels, kernel_h, kernel_w, in_channels / groups], folded */
    const float      *bias;     /* [out_channels] or NULL */
    const void       *residual; /* like out, maybe out itself, or NULL */
    enum launch_type  type;     /* of in and weight; all is aligned to 16 bytes */
    enum launch_type  out_type; /* the same or F32 */
    int64_t           n, h, w, in_channels, out_channels;
    int               groups, kernel_h, kernel_w, stride, pad;
    bool              relu;
    int               multiprocessors; /* of the device */
    int               capability;      /* 90 is 9.0 */
    int               shared_limit;    /* bytes of shared memory that a block may ask for */
};

/* On tensor cores: 3x3, pad 1, stride 1 or 2, groups of 8, 16, 32 or 64 channels in and as many out,
 * BF16 and F16, out of the same type, no residual. What does not fit is cudaErrorInvalidValue. */
bool launch_grouped_conv_fits(const struct launch_grouped_conv *conv);
int  launch_grouped_conv(const struct launch_grouped_conv *conv, launch_stream stream);

/* Any groups, kernel and types; slow. */
bool launch_grouped_direct_fits(const struct launch_grouped_conv *conv);
int  launch_grouped_direct(const struct launch_grouped_conv *conv, launch_stream stream);

/* ---- preprocess.cu ------------------------------------------------------------------------- */

/* ---- roi_align.cu, rois.cu ----------------------------------------------------------------- */

/* ---- anchors.cu, topk.cu, decode.cu -------------------------------------------------------- */

/* ---- nms.cu, merge.cu ---------------------------------------------------------------------- */

/* ---- detect.cu ----------------------------------------------------------------------------- */

#ifdef __cplusplus
}
#endif
#endif
