/* rois.c - lists of regions: unpacked and launched. */
#include "backend/cuda/cuda.h"

md_status cuda_rois_from_boxes(struct stream *stream, struct tensor *rois, struct tensor *rows,
                               const struct tensor *boxes, const struct tensor *counts)
{
    return cuda_check(stream->device,
                      launch_rois_from_boxes(rois->data, rows->data, boxes->data, counts->data,
                                             boxes->shape.dims[0], boxes->shape.dims[1],
                                             cuda_raw(stream)),
                      "rois_from_boxes");
}

md_status cuda_part_rows(struct stream *stream, struct tensor *counts, const struct tensor *rows,
                         int64_t size)
{
    return cuda_check(
        stream->device,
        launch_part_rows(counts->data, rows->data, counts->shape.dims[0], size, cuda_raw(stream)),
        "part_rows");
}
