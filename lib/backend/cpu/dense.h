/* dense.h - who computes dense convolutions and matrix products: oneDNN where the build has it,
 * otherwise the reference. The only place that knows. */
#ifndef BACKEND_CPU_DENSE_H
#define BACKEND_CPU_DENSE_H

#include "backend/backends.h"

#if MD_WITH_ONEDNN

#include "backend/cpu/onednn/onednn.h"
#define DENSE(name) onednn_##name

#else

#define DENSE(name) ref_##name
static inline md_status ref_device_open(struct device *device)
{
    device->state = NULL;
    return MD_OK;
}
static inline void ref_device_close(struct device *device)
{
    (void)device;
}
static inline md_status ref_stream_open(struct stream *stream)
{
    stream->state = NULL;
    return MD_OK;
}
static inline void ref_stream_close(struct stream *stream)
{
    (void)stream;
}

#endif
#endif
