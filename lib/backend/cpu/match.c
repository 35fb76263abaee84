/* match.c - the best truth of each box, with threads over boxes and no table of all pairs. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/threads.h"
#include "core/error.h"
#include "tensor/box_math.h"

enum { GRAIN = 4096 };

/* One image. */
struct job {
    const struct match_params *params;
    const float *boxes, *gt;
    int64_t gt_count;
    int32_t *match, *label;
    float *best; /* [threads, gt_count] best overlap of each truth, or NULL */
};

static void match_boxes(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    float *best_of_truth = job->best ? job->best + thread * job->gt_count : NULL;
    for (int64_t i = first; i < last; i++) {
        float best = 0;
        int32_t match = 0;
        for (int64_t g = 0; g < job->gt_count; g++) {
            float iou = box_iou_match(job->gt + 4 * g, job->boxes + 4 * i);
            if (iou > best) {
                best = iou;
                match = (int32_t)g;
            }
            if (best_of_truth && iou > best_of_truth[g])
                best_of_truth[g] = iou;
        }
        job->match[i] = match;
        job->label[i] = job->gt_count == 0 || best < job->params->low ? 0
                        : best < job->params->high                    ? -1
                                                                      : 1;
    }
}

/* Every box that reaches some truth's best overlap becomes foreground. */
static void lift_boxes(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct job *job = arg;
    (void)thread;
    for (int64_t i = first; i < last; i++)
        for (int64_t g = 0; g < job->gt_count && job->label[i] != 1; g++)
            if ((job->best[g] > 0 || job->params->zero_iou_matches) &&
                box_iou_match(job->gt + 4 * g, job->boxes + 4 * i) == job->best[g])
                job->label[i] = 1;
}

/* The maximum does not depend on which thread saw which box. */
static void gather_best(const struct device *device, struct job *job)
{
    for (int t = 1; t < device->threads; t++)
        for (int64_t g = 0; g < job->gt_count; g++)
            if (job->best[t * job->gt_count + g] > job->best[g])
                job->best[g] = job->best[t * job->gt_count + g];
}

static int64_t clamp(int64_t count, int64_t limit)
{
    return count < 0 ? 0 : count < limit ? count : limit;
}

static md_status match_image(struct stream *stream, struct job *job, int64_t count)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    if (job->params->low_quality && job->gt_count > 0) {
        int64_t overlaps = stream->device->threads * job->gt_count;
        TRY(stream_scratch(stream, &scratch, (size_t)overlaps * sizeof(float)));
        job->best = scratch;
        for (int64_t i = 0; i < overlaps; i++)
            job->best[i] = 0;
    }
    parallel(stream->device, count, GRAIN, match_boxes, job);
    if (job->best) {
        gather_best(stream->device, job);
        parallel(stream->device, count, GRAIN, lift_boxes, job);
    }
fail:
    return st;
}

md_status cpu_match(struct stream *stream, struct tensor *match, struct tensor *label,
                    const struct tensor *boxes, const struct tensor *counts,
                    const struct tensor *gt, const struct tensor *gt_counts,
                    const struct match_params *params)
{
    md_status st = MD_OK;
    const int64_t n = match->shape.dims[0], cap = match->shape.dims[1], g = gt->shape.dims[1];
    const int64_t step = boxes->shape.rank == 2 ? 0 : cap; /* shared boxes do not move on */
    for (int64_t image = 0; image < n; image++) {
        const int32_t *gt_count = gt_counts->data;
        const int32_t *counted = tensor_given(counts) ? counts->data : NULL;
        int64_t count = counted ? clamp(counted[image], cap) : cap;
        struct job job = {.params = params,
                          .boxes = (const float *)boxes->data + 4 * step * image,
                          .gt = (const float *)gt->data + 4 * g * image,
                          .gt_count = clamp(gt_count[image], g),
                          .match = (int32_t *)match->data + cap * image,
                          .label = (int32_t *)label->data + cap * image};
        TRY(match_image(stream, &job, count));
        for (int64_t i = count; i < cap; i++) {
            job.match[i] = 0;
            job.label[i] = -1;
        }
    }
fail:
    return st;
}
