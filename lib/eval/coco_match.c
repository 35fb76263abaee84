/* coco_match.c - COCO's greedy matching: detections in order of score, each takes the best truth left. */
#include "eval/coco_match.h"

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"

/* As linspace(.5, .95, 10) gives them in double: the last digit decides at equality. */
const double coco_thresholds[COCO_THRESHOLDS] = {
    0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};

bool coco_area_is_out(double area, int size)
{
    static const double low[COCO_AREAS] = {0, 0, 32 * 32, 96 * 96};
    static const double high[COCO_AREAS] = {1e10, 32 * 32, 96 * 96, 1e10};
    return area < low[size] || area > high[size];
}

double box_iou(const double detection[4], const double truth[4], bool crowd)
{
    double inside = 1;
    for (int i = 0; i < 2; i++) {
        double low = fmax(detection[i], truth[i]);
        double high = fmin(detection[i] + detection[i + 2], truth[i] + truth[i + 2]);
        if (high - low <= 0)
            return 0;
        inside *= high - low;
    }
    double area = detection[2] * detection[3];
    return inside / (crowd ? area : area + truth[2] * truth[3] - inside);
}

static md_status reserve(struct coco_scratch *scratch, size_t detections, size_t truths)
{
    size_t pairs = 0;
    md_status st = MD_OK;
    if (!checked_mul(&pairs, detections, truths))
        return ERROR(MD_ENOMEM, "out of host memory: %zu detections by %zu truths in one image",
                     detections, truths);
    if (pairs > scratch->iou_capacity) {
        st = memory_resize(scratch->memory, &scratch->iou, pairs, sizeof *scratch->iou);
        if (st < 0)
            return st;
        scratch->iou_capacity = pairs;
    }
    if (truths > scratch->truth_capacity) {
        st = memory_resize(scratch->memory, &scratch->order, truths, sizeof *scratch->order);
        if (st == MD_OK)
            st = memory_resize(scratch->memory, &scratch->taken, truths, sizeof *scratch->taken);
        if (st < 0)
            return st;
        scratch->truth_capacity = truths;
    }
    return MD_OK;
}

void coco_scratch_free(struct coco_scratch *scratch)
{
    memory_free(scratch->memory, scratch->iou);
    memory_free(scratch->memory, scratch->order);
    memory_free(scratch->memory, scratch->taken);
    *scratch = (struct coco_scratch){.memory = scratch->memory, .options = scratch->options};
}

/* Those that count first, then the ignored ones, each in their own order; returns how many count. */
static size_t order_truths(uint32_t *order, const struct annotation *const *truths, size_t count,
                           int size)
{
    size_t counted = 0;
    size_t end = 0;
    for (int ignored = 0; ignored < 2; ignored++) {
        for (size_t g = 0; g < count; g++)
            if ((truths[g]->crowd || coco_area_is_out(truths[g]->area, size)) == (ignored == 1))
                order[end++] = (uint32_t)g;
        if (!ignored)
            counted = end;
    }
    return counted;
}

/* The place in `order` of the best truth for one detection, or -1. A truth that counts beats an
 * ignored one whatever the IoU; among equals the later wins. */
static ptrdiff_t best_truth(const struct coco_scratch *scratch,
                            const struct annotation *const *truths, size_t count, size_t counted,
                            const double *iou, double threshold)
{
    double best = fmin(threshold, 1 - 1e-10);
    ptrdiff_t found = -1;
    for (size_t k = 0; k < count; k++) {
        uint32_t g = scratch->order[k];
        if (scratch->taken[g] && !truths[g]->crowd)
            continue;
        if (found >= 0 && (size_t)found < counted && k >= counted)
            break;
        if (iou[g] < best)
            continue;
        best = iou[g];
        found = (ptrdiff_t)k;
    }
    return found;
}

/* One size of truths. */
struct matching {
    struct coco_outcome *outcomes;
    size_t detection_count;
    const struct annotation *const *truths;
    size_t truth_count;
    size_t counted; /* of scratch->order: the others are ignored */
    int size;
    bool strict_ids;
};

static void match_at(const struct matching *m, struct coco_scratch *scratch, int t,
                     double threshold)
{
    uint32_t bit = 1U << t;
    memset(scratch->taken, 0, m->truth_count);
    for (size_t d = 0; d < m->detection_count; d++) {
        ptrdiff_t found = best_truth(scratch, m->truths, m->truth_count, m->counted,
                                     scratch->iou + d * m->truth_count, threshold);
        if (found < 0)
            continue;
        uint32_t g = scratch->order[found];
        scratch->taken[g] = 1;
        if ((size_t)found >= m->counted)
            m->outcomes[d].ignored[m->size] |= bit;
        if (!m->strict_ids || m->truths[g]->id != 0)
            m->outcomes[d].matched[m->size] |= bit;
    }
}

static void ignore_other_sizes(const struct matching *m,
                               const struct eval_detection *const *detections)
{
    for (size_t d = 0; d < m->detection_count; d++) {
        const double *box = detections[d]->box;
        struct coco_outcome *outcome = &m->outcomes[d];
        if (coco_area_is_out(box[2] * box[3], m->size))
            outcome->ignored[m->size] |= ~outcome->matched[m->size];
    }
}

md_status coco_match(struct coco_outcome *outcomes, struct coco_scratch *scratch,
                     const struct eval_detection *const *detections, size_t detection_count,
                     const struct annotation *const *truths, size_t truth_count)
{
    const struct coco_options *options = scratch->options;
    const double *thresholds = options ? options->thresholds : coco_thresholds;
    int threshold_count = options ? options->threshold_count : COCO_THRESHOLDS;
    struct matching m = {.outcomes = outcomes,
                         .detection_count = detection_count,
                         .truths = truths,
                         .truth_count = truth_count,
                         .strict_ids = options && options->strict_ids};
    md_status st = reserve(scratch, detection_count, truth_count);
    if (st < 0)
        return st;
    for (size_t d = 0; d < detection_count; d++) {
        outcomes[d] = (struct coco_outcome){.score = detections[d]->score, .rank = (uint32_t)d};
        for (size_t g = 0; g < truth_count; g++)
            scratch->iou[d * truth_count + g] =
                box_iou(detections[d]->box, truths[g]->xywh, truths[g]->crowd);
    }
    for (m.size = 0; m.size < COCO_AREAS; m.size++) {
        m.counted = truth_count > 0 ? order_truths(scratch->order, truths, truth_count, m.size) : 0;
        for (int t = 0; t < threshold_count && truth_count > 0; t++)
            match_at(&m, scratch, t, thresholds[t]);
        ignore_other_sizes(&m, detections);
    }
    return MD_OK;
}
