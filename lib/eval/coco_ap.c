/* coco_ap.c - COCO average precision and recall of boxes.
 *
 * Detections and truths are sorted by class and image once; then one class at a time is matched
 * image by image, ordered by score, and its precision at 101 recalls is added to the sums. */
#include "eval/coco_ap.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/coco_match.h"

enum { RECALLS = 101 };

/* Sorts by class and image; detections then by falling score, and all by index at last. */
struct entry {
    int class_id;
    uint32_t image;
    double score;
    uint32_t index;
};

static int by_class_image_score(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* A mean in the making; of nothing it is -1. */
struct mean {
    double sum;
    size_t count;
};

static void mean_add(struct mean *mean, double value)
{
    mean->sum += value;
    mean->count++;
}

static double mean_value(const struct mean *mean)
{
    return mean->count > 0 ? mean->sum / (double)mean->count : -1;
}

struct sums {
    struct mean ap[COCO_AREAS], ap50, ap75;
    struct mean ar[COCO_AREAS], ar1, ar10;
};

struct evaluation {
    struct memory *memory;
    const struct dataset *dataset;
    const struct eval_detection *detections;
    struct entry *found, *truth; /* sorted */
    size_t found_count, truth_count;
    const struct annotation **truths; /* room for those of one image and class */
    struct coco_outcome *outcomes;    /* of one class, by image and then by score */
    uint32_t *order;                  /* of outcomes by score */
    double *precision, *recall;       /* along that order */
    struct coco_scratch scratch;
    struct sums sums;
};

/* ---- entries ------------------------------------------------------------------- */

static md_status check_detection(const struct dataset *dataset,
                                 const struct eval_detection *detection, size_t index)
{
    bool finite = isfinite(detection->score);
    for (int i = 0; i < 4; i++)
        finite = finite && isfinite(detection->box[i]);
    if (!finite)
        return ERROR(MD_EINVAL, "detection %zu has a box or score that is not finite", index);
    if (detection->image >= dataset->image_count || detection->class_id < 0 ||
        detection->class_id >= dataset->class_count)
        return ERROR(
            MD_EINVAL,
            "detection %zu is of image %u and class %d; the data set has %zu images and %d classes",
            index, detection->image, detection->class_id, dataset->image_count,
            dataset->class_count);
    return MD_OK;
}

static md_status sort_entries(struct evaluation *eval, size_t count)
{
    const struct dataset *dataset = eval->dataset;
    if (count > UINT32_MAX || dataset->annotation_count > UINT32_MAX)
        return ERROR(MD_EINVAL, "%zu detections; at most %u can be evaluated at once", count,
                     UINT32_MAX);
    md_status st = memory_alloc(eval->memory, &eval->found, count, sizeof *eval->found);
    if (st == MD_OK)
        st = memory_alloc(eval->memory, &eval->truth, dataset->annotation_count,
                          sizeof *eval->truth);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *detection = &eval->detections[i];
        st = check_detection(dataset, detection, i);
        if (st < 0)
            return st;
        eval->found[i] =
            (struct entry){detection->class_id, detection->image, detection->score, (uint32_t)i};
    }
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = image->first; k < image->first + image->count; k++)
            eval->truth[eval->truth_count++] =
                (struct entry){dataset->annotations[k].class_id, (uint32_t)i, 0, (uint32_t)k};
    }
    eval->found_count = count;
    if (count > 1)
        qsort(eval->found, count, sizeof *eval->found, by_class_image_score);
    if (eval->truth_count > 1)
        qsort(eval->truth, eval->truth_count, sizeof *eval->truth, by_class_image_score);
    return MD_OK;
}

/* ---- one class ------------------------------------------------------------------- */

/* A run of entries of one class, or of one image in it. */
struct run {
    const struct entry *entries;
    size_t count;
};

static struct run take_class(const struct entry *entries, size_t count, size_t *at, int class_id)
{
    struct run run = {entries + *at, 0};
    while (*at < count && entries[*at].class_id == class_id) {
        run.count++;
        (*at)++;
    }
    return run;
}

static struct run take_image(struct run *of_class, uint32_t image)
{
    struct run run = {of_class->entries, 0};
    while (run.count < of_class->count && run.entries[run.count].image == image)
        run.count++;
    of_class->entries += run.count;
    of_class->count -= run.count;
    return run;
}

static uint32_t first_image(struct run found, struct run truth)
{
    if (found.count == 0 || (truth.count > 0 && truth.entries[0].image < found.entries[0].image))
        return truth.entries[0].image;
    return found.entries[0].image;
}

/* Fills eval->outcomes; the number of them goes to *count. */
static md_status match_class(struct evaluation *eval, struct run found, struct run truth,
                             size_t *count)
{
    *count = 0;
    while (found.count > 0 || truth.count > 0) {
        const struct eval_detection *detections[COCO_MAX_DETECTIONS];
        uint32_t image = first_image(found, truth);
        struct run here = take_image(&found, image);
        struct run truths = take_image(&truth, image);
        size_t detection_count =
            here.count < COCO_MAX_DETECTIONS ? here.count : COCO_MAX_DETECTIONS;
        for (size_t i = 0; i < detection_count; i++)
            detections[i] = &eval->detections[here.entries[i].index];
        for (size_t i = 0; i < truths.count; i++)
            eval->truths[i] = &eval->dataset->annotations[truths.entries[i].index];
        md_status st = coco_match(eval->outcomes + *count, &eval->scratch, detections,
                                  detection_count, eval->truths, truths.count);
        if (st < 0)
            return st;
        *count += detection_count;
    }
    return MD_OK;
}

struct score_place {
    double score;
    uint32_t place;
};

static int by_score(const void *left, const void *right)
{
    const struct score_place *a = left;
    const struct score_place *b = right;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static md_status order_outcomes(struct evaluation *eval, size_t count)
{
    struct score_place *places = NULL;
    md_status st = memory_alloc(eval->memory, &places, count, sizeof *places);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++)
        places[i] = (struct score_place){eval->outcomes[i].score, (uint32_t)i};
    if (count > 1)
        qsort(places, count, sizeof *places, by_score);
    for (size_t i = 0; i < count; i++)
        eval->order[i] = places[i].place;
    memory_free(eval->memory, places);
    return MD_OK;
}

/* ---- precision and recall --------------------------------------------------------- */

/* Sum of the precision at the 101 recalls, for one size and threshold. */
static double precision_sum(struct evaluation *eval, size_t count, size_t positives, int size,
                            int t)
{
    double hits = 0, misses = 0;
    for (size_t i = 0; i < count; i++) {
        const struct coco_outcome *outcome = &eval->outcomes[eval->order[i]];
        if (!(outcome->ignored[size] >> t & 1)) {
            bool hit = outcome->matched[size] >> t & 1;
            hits += hit;
            misses += !hit;
        }
        eval->recall[i] = hits / (double)positives;
        eval->precision[i] = hits / (hits + misses + DBL_EPSILON);
    }
    for (size_t i = count; i-- > 1;)
        eval->precision[i - 1] = fmax(eval->precision[i - 1], eval->precision[i]);
    double sum = 0;
    size_t at = 0;
    for (int r = 0; r < RECALLS; r++) {
        while (at < count && eval->recall[at] < r * 0.01)
            at++;
        if (at < count)
            sum += eval->precision[at];
    }
    return sum;
}

static double recall_within(const struct evaluation *eval, size_t count, size_t positives, int size,
                            int t, int limit)
{
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        const struct coco_outcome *outcome = &eval->outcomes[i];
        hits +=
            outcome->rank < limit && (outcome->matched[size] & ~outcome->ignored[size]) >> t & 1;
    }
    return (double)hits / (double)positives;
}

static size_t count_positives(const struct evaluation *eval, struct run truth, int size)
{
    size_t positives = 0;
    for (size_t i = 0; i < truth.count; i++) {
        const struct annotation *annotation = &eval->dataset->annotations[truth.entries[i].index];
        positives += !annotation->crowd && !coco_area_is_out(annotation->area, size);
    }
    return positives;
}

static void add_threshold(struct evaluation *eval, size_t count, size_t positives, int size, int t)
{
    struct sums *sums = &eval->sums;
    double precision = precision_sum(eval, count, positives, size, t) / RECALLS;
    mean_add(&sums->ap[size], precision);
    mean_add(&sums->ar[size], recall_within(eval, count, positives, size, t, COCO_MAX_DETECTIONS));
    if (size != 0)
        return;
    if (t == 0)
        mean_add(&sums->ap50, precision);
    if (t == 5)
        mean_add(&sums->ap75, precision);
    mean_add(&sums->ar1, recall_within(eval, count, positives, size, t, 1));
    mean_add(&sums->ar10, recall_within(eval, count, positives, size, t, 10));
}

static md_status evaluate_class(struct evaluation *eval, struct run found, struct run truth,
                                double *ap, double *ap50)
{
    size_t count = 0;
    const struct sums before = eval->sums;
    md_status st = match_class(eval, found, truth, &count);
    if (st == MD_OK)
        st = order_outcomes(eval, count);
    if (st < 0)
        return st;
    for (int size = 0; size < COCO_AREAS; size++) {
        size_t positives = count_positives(eval, truth, size);
        for (int t = 0; t < COCO_THRESHOLDS && positives > 0; t++)
            add_threshold(eval, count, positives, size, t);
    }
    const struct sums *sums = &eval->sums;
    const struct mean own = {sums->ap[0].sum - before.ap[0].sum,
                             sums->ap[0].count - before.ap[0].count};
    const struct mean own50 = {sums->ap50.sum - before.ap50.sum,
                               sums->ap50.count - before.ap50.count};
    *ap = mean_value(&own);
    *ap50 = mean_value(&own50);
    return MD_OK;
}

/* ---- the whole ---------------------------------------------------------------------- */

static md_status reserve(struct evaluation *eval)
{
    md_status st =
        memory_alloc(eval->memory, &eval->truths, eval->truth_count, sizeof *eval->truths);
    if (st == MD_OK)
        st = memory_alloc(eval->memory, &eval->outcomes, eval->found_count, sizeof *eval->outcomes);
    if (st == MD_OK)
        st = memory_alloc(eval->memory, &eval->order, eval->found_count, sizeof *eval->order);
    if (st == MD_OK)
        st = memory_alloc(eval->memory, &eval->precision, eval->found_count,
                          sizeof *eval->precision);
    if (st == MD_OK)
        st = memory_alloc(eval->memory, &eval->recall, eval->found_count, sizeof *eval->recall);
    return st;
}

static void summarise(const struct sums *sums, struct coco_metrics *out)
{
    *out = (struct coco_metrics){
        .ap = mean_value(&sums->ap[0]),
        .ap50 = mean_value(&sums->ap50),
        .ap75 = mean_value(&sums->ap75),
        .ap_small = mean_value(&sums->ap[1]),
        .ap_medium = mean_value(&sums->ap[2]),
        .ap_large = mean_value(&sums->ap[3]),
        .ar1 = mean_value(&sums->ar1),
        .ar10 = mean_value(&sums->ar10),
        .ar100 = mean_value(&sums->ar[0]),
        .ar_small = mean_value(&sums->ar[1]),
        .ar_medium = mean_value(&sums->ar[2]),
        .ar_large = mean_value(&sums->ar[3]),
    };
}

md_status coco_evaluate(struct coco_result *out, struct memory *memory,
                        const struct dataset *dataset, const struct eval_detection *detections,
                        size_t count)
{
    md_status st = MD_OK;
    struct evaluation eval = {.memory = memory,
                              .dataset = dataset,
                              .detections = detections,
                              .scratch = {.memory = memory}};
    struct coco_result result = {0};
    size_t found_at = 0, truth_at = 0;
    TRY(memory_alloc(memory, &result.class_ap, (size_t)dataset->class_count,
                     sizeof *result.class_ap));
    TRY(memory_alloc(memory, &result.class_ap50, (size_t)dataset->class_count,
                     sizeof *result.class_ap50));
    TRY(sort_entries(&eval, count));
    TRY(reserve(&eval));
    for (int c = 0; c < dataset->class_count; c++) {
        struct run found = take_class(eval.found, eval.found_count, &found_at, c);
        struct run truth = take_class(eval.truth, eval.truth_count, &truth_at, c);
        TRY(evaluate_class(&eval, found, truth, &result.class_ap[c], &result.class_ap50[c]));
    }
    summarise(&eval.sums, &result.metrics);
    *out = result;
    result = (struct coco_result){0};
fail:
    coco_result_free(&result, memory);
    coco_scratch_free(&eval.scratch);
    memory_free(memory, eval.found);
    memory_free(memory, eval.truth);
    memory_free(memory, eval.truths);
    memory_free(memory, eval.outcomes);
    memory_free(memory, eval.order);
    memory_free(memory, eval.precision);
    memory_free(memory, eval.recall);
    return st;
}

void coco_result_free(struct coco_result *result, struct memory *memory)
{
    memory_free(memory, result->class_ap);
    memory_free(memory, result->class_ap50);
    *result = (struct coco_result){0};
}
