/* onednn.h - convolutions and matrix products by oneDNN; its types stay below this folder. */
#ifndef BACKEND_CPU_ONEDNN_ONEDNN_H
#define BACKEND_CPU_ONEDNN_ONEDNN_H

#include "tensor/ops.h"

/* The engine and the primitives made so far are in device->state, a queue in stream->state. */
md_status onednn_device_open(struct device *device);
void      onednn_device_close(struct device *device);
md_status onednn_stream_open(struct stream *stream);
void      onednn_stream_close(struct stream *stream);

conv2d_forward_fn         onednn_conv2d_forward;
conv2d_backward_input_fn  onednn_conv2d_backward_input;
conv2d_backward_weight_fn onednn_conv2d_backward_weight;
linear_forward_fn         onednn_linear_forward;
linear_backward_input_fn  onednn_linear_backward_input;
linear_backward_weight_fn onednn_linear_backward_weight;

#endif
