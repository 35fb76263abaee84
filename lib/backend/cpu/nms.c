/* nms.c - non-maximum suppression with threads over segments. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"
#include "core/error.h"
#include "tensor/box_math.h"

struct job {
    const float *boxes; /* [segments,cap,4] */
    const int32_t *counts;
    int32_t *keep, *keep_count;
    float *kept; /* [segments,cap,4] the kept boxes one after the other: what is searched */
    int64_t cap;
    float threshold;
    int max_keep;
};

static bool suppressed(const float *kept, int64_t count, const float box[4], float threshold)
{
    for (int64_t i = 0; i < count; i++)
        if (box_iou_nms(kept + 4 * i, box) > threshold)
            return true;
    return false;
}

static void suppress_segments(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    (void)thread;
    for (int64_t segment = first; segment < last; segment++) {
        const float *boxes = job->boxes + segment * job->cap * 4;
        float *kept = job->kept + segment * job->cap * 4;
        int32_t *keep = job->keep + segment * job->cap;
        int64_t limit = job->counts[segment] < job->cap ? job->counts[segment] : job->cap;
        int64_t count = 0;
        for (int64_t i = 0; i < limit && count < job->max_keep; i++) {
            if (suppressed(kept, count, boxes + 4 * i, job->threshold))
                continue;
            for (int d = 0; d < 4; d++)
                kept[4 * count + d] = boxes[4 * i + d];
            keep[count++] = (int32_t)i;
        }
        job->keep_count[segment] = (int32_t)count;
        for (int64_t i = count; i < job->cap; i++)
            keep[i] = 0;
    }
}

md_status cpu_nms(struct stream *stream, struct tensor *keep, struct tensor *keep_count,
                  const struct tensor *boxes, const struct tensor *counts, float threshold,
                  int max_keep)
{
    void *kept = NULL;
    md_status st = stream_scratch(stream, &kept, tensor_bytes(boxes));
    const struct job job = {boxes->data, counts->data,         keep->data, keep_count->data,
                            kept,        boxes->shape.dims[1], threshold,  max_keep};
    if (st == MD_OK)
        parallel(stream->device, boxes->shape.dims[0], 1, suppress_segments, &job);
    return st;
}
