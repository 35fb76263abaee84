/* cpu.h - the entries of the cpu backend's table. */
#ifndef BACKEND_CPU_CPU_H
#define BACKEND_CPU_CPU_H

#include "backend/cpu/dense.h"

/* The reference is quick enough for these. */
#define cpu_anchors          ref_anchors
#define cpu_rpn_decode       ref_rpn_decode
#define cpu_merge_proposals  ref_merge_proposals
#define cpu_sample           ref_sample
#define cpu_append_boxes     ref_append_boxes
#define cpu_rois_from_boxes  ref_rois_from_boxes
#define cpu_part_rows        ref_part_rows
#define cpu_roi_targets      ref_roi_targets
#define cpu_rpn_loss         ref_rpn_loss
#define cpu_softmax          ref_softmax
#define cpu_softmax_loss     ref_softmax_loss
#define cpu_box_loss         ref_box_loss
#define cpu_topk             ref_topk
#define cpu_detect           ref_detect
#define cpu_maxpool_backward ref_maxpool_backward
#define cpu_adjust_scale     ref_adjust_scale
/* Not faster than its parts here, so nothing asks for it. */
#define cpu_conv2d_maxpool_forward ref_conv2d_maxpool_forward

/* Matrix products are the dense engine's. */
#define cpu_linear_forward         DENSE(linear_forward)
#define cpu_linear_backward_input  DENSE(linear_backward_input)
#define cpu_linear_backward_weight DENSE(linear_backward_weight)

#define X(name) name##_fn cpu_##name;
OPS_LIST(X)
#undef X

/* sum [o] += the rows of `rows` [...,o], in an order that does not depend on the threads. */
md_status cpu_sum_rows(struct stream *stream, struct tensor *sum, const struct tensor *rows);

#endif
