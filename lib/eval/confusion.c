/* confusion.c - what was taken for what: detections and truths paired by overlap, whatever the class. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/coco_match.h"
#include "eval/confusion.h"

struct by_image {
    uint32_t image;
    uint32_t index;
};

static int compare_image(const void *left, const void *right)
{
    const struct by_image *a = left;
    const struct by_image *b = right;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

struct pair {
    double iou;
    double score;
    uint32_t detection, truth; /* places in the image's lists */
};

static int best_pair_first(const void *left, const void *right)
{
    const struct pair *a = left;
    const struct pair *b = right;
    if (a->iou < b->iou || a->iou > b->iou)
        return a->iou > b->iou ? -1 : 1;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    if (a->detection != b->detection)
        return a->detection < b->detection ? -1 : 1;
    return (a->truth > b->truth) - (a->truth < b->truth);
}

struct confusion {
    struct memory *memory;
    const struct dataset *dataset;
    const struct eval_detection *detections;
    double iou;
    uint64_t *matrix;
    size_t side;           /* classes and nothing */
    struct by_image *kept; /* detections with enough score, by image */
    size_t kept_count;
    struct pair *pairs; /* of one image */
    size_t pair_count, pair_capacity;
    uint8_t *detection_used; /* [kept_count], from the start of the image's */
    uint8_t *truth_used;     /* [annotation_count], likewise */
};

static md_status add_pair(struct confusion *confusion, const struct pair *pair)
{
    if (confusion->pair_count == confusion->pair_capacity) {
        size_t wanted = confusion->pair_capacity < 16 ? 16 : 2 * confusion->pair_capacity;
        md_status st = memory_resize(confusion->memory, &confusion->pairs, wanted, sizeof *pair);
        if (st < 0)
            return st;
        confusion->pair_capacity = wanted;
    }
    confusion->pairs[confusion->pair_count++] = *pair;
    return MD_OK;
}

static void count_one(struct confusion *confusion, size_t truth, size_t prediction)
{
    confusion->matrix[truth * confusion->side + prediction]++;
}

/* Fills confusion->pairs with all that overlap enough, crowds left out. */
static md_status list_pairs(struct confusion *confusion, const struct by_image *kept, size_t count,
                            const struct annotation *truths, size_t truth_count)
{
    confusion->pair_count = 0;
    for (size_t d = 0; d < count; d++) {
        const struct eval_detection *detection = &confusion->detections[kept[d].index];
        for (size_t g = 0; g < truth_count; g++) {
            double iou = truths[g].crowd ? 0 : box_iou(detection->box, truths[g].xywh, false);
            if (iou <= 0 || iou < confusion->iou)
                continue;
            const struct pair pair = {iou, detection->score, (uint32_t)d, (uint32_t)g};
            md_status st = add_pair(confusion, &pair);
            if (st < 0)
                return st;
        }
    }
    if (confusion->pair_count > 1)
        qsort(confusion->pairs, confusion->pair_count, sizeof *confusion->pairs, best_pair_first);
    return MD_OK;
}

static bool in_crowd(const struct confusion *confusion, const double box[4],
                     const struct annotation *truths, size_t truth_count)
{
    for (size_t g = 0; g < truth_count; g++) {
        double share = truths[g].crowd ? box_iou(box, truths[g].xywh, true) : 0;
        if (share > 0 && share >= confusion->iou)
            return true;
    }
    return false;
}

static md_status count_image(struct confusion *confusion, const struct by_image *kept, size_t count,
                             const struct annotation *truths, size_t truth_count)
{
    size_t nothing = confusion->side - 1;
    md_status st = list_pairs(confusion, kept, count, truths, truth_count);
    if (st < 0)
        return st;
    memset(confusion->detection_used, 0, count);
    memset(confusion->truth_used, 0, truth_count);
    for (size_t i = 0; i < confusion->pair_count; i++) {
        const struct pair *pair = &confusion->pairs[i];
        if (confusion->detection_used[pair->detection] || confusion->truth_used[pair->truth])
            continue;
        confusion->detection_used[pair->detection] = confusion->truth_used[pair->truth] = 1;
        count_one(confusion, (size_t)truths[pair->truth].class_id,
                  (size_t)confusion->detections[kept[pair->detection].index].class_id);
    }
    for (size_t g = 0; g < truth_count; g++)
        if (!truths[g].crowd && !confusion->truth_used[g])
            count_one(confusion, (size_t)truths[g].class_id, nothing);
    for (size_t d = 0; d < count; d++) {
        const struct eval_detection *detection = &confusion->detections[kept[d].index];
        if (!confusion->detection_used[d] &&
            !in_crowd(confusion, detection->box, truths, truth_count))
            count_one(confusion, nothing, (size_t)detection->class_id);
    }
    return MD_OK;
}

static md_status keep_detections(struct confusion *confusion, size_t count, double score)
{
    const struct dataset *dataset = confusion->dataset;
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *detection = &confusion->detections[i];
        md_status st = eval_detection_check(dataset, detection, i);
        if (st < 0)
            return st;
        if (detection->score >= score)
            confusion->kept[confusion->kept_count++] =
                (struct by_image){detection->image, (uint32_t)i};
    }
    if (confusion->kept_count > 1)
        qsort(confusion->kept, confusion->kept_count, sizeof *confusion->kept, compare_image);
    return MD_OK;
}

md_status confusion_matrix(uint64_t *matrix, struct memory *memory, const struct dataset *dataset,
                           const struct eval_detection *detections, size_t count, double score,
                           double iou)
{
    md_status st = MD_OK;
    struct confusion confusion = {.memory = memory,
                                  .dataset = dataset,
                                  .detections = detections,
                                  .iou = iou,
                                  .matrix = matrix,
                                  .side = (size_t)dataset->class_count + 1};
    memset(matrix, 0, confusion.side * confusion.side * sizeof *matrix);
    if (count > UINT32_MAX)
        FAIL(MD_EINVAL, "%zu detections; at most %u can be counted at once", count, UINT32_MAX);
    TRY(memory_alloc(memory, &confusion.kept, count, sizeof *confusion.kept));
    TRY(memory_alloc(memory, &confusion.detection_used, count, 1));
    TRY(memory_alloc(memory, &confusion.truth_used, dataset->annotation_count, 1));
    TRY(keep_detections(&confusion, count, score));
    size_t at = 0;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct by_image *kept = confusion.kept + at;
        size_t kept_count = 0;
        while (at < confusion.kept_count && confusion.kept[at].image == i) {
            kept_count++;
            at++;
        }
        const struct dataset_image *image = &dataset->images[i];
        TRY(count_image(&confusion, kept, kept_count, dataset->annotations + image->first,
                        image->count));
    }
fail:
    memory_free(memory, confusion.kept);
    memory_free(memory, confusion.pairs);
    memory_free(memory, confusion.detection_used);
    memory_free(memory, confusion.truth_used);
    return st;
}

/* ---- figures of a matrix ----------------------------------------------------------------------- */

static uint64_t sum_of(const uint64_t *matrix, size_t n, size_t line, bool row)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += row ? matrix[line * n + i] : matrix[i * n + line];
    return sum;
}

void confusion_shares(double *out, const uint64_t *matrix, size_t n, bool of_truth)
{
    for (size_t line = 0; line < n; line++) {
        uint64_t sum = sum_of(matrix, n, line, of_truth);
        for (size_t i = 0; i < n; i++) {
            size_t at = of_truth ? line * n + i : i * n + line;
            out[at] = sum > 0 ? (double)matrix[at] / (double)sum : -1;
        }
    }
}

void confusion_counts(md_counts *out, const uint64_t *matrix, size_t n, size_t class_id)
{
    md_counts counts = {0};
    for (size_t c = 0; c + 1 < n; c++) {
        if (c != class_id && class_id != n - 1)
            continue;
        uint64_t hits = matrix[c * n + c];
        counts.true_positives += hits;
        counts.false_negatives += sum_of(matrix, n, c, true) - hits;
        counts.false_positives += sum_of(matrix, n, c, false) - hits;
    }
    curves_finish_counts(&counts);
    *out = counts;
}
