/* coco_ap.c - COCO average precision and recall of boxes.
 *
 * Detections and truths are dealt out to their classes once; then the classes are measured one by one,
 * on several threads if wanted, and their figures averaged in the order of the classes. */
#include "eval/coco_ap.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "core/error.h"
#include "core/pool.h"
#include "eval/coco_class.h"

/* Entries of all classes, one class behind the other. */
struct dealt {
    struct coco_entry *entries;
    size_t *first; /* [class_count + 1] */
};

struct evaluation {
    struct memory *memory;
    const struct dataset *dataset;
    const struct eval_detection *detections;
    const struct coco_options *options;
    struct dealt found, truth; /* by class and then in the order given; truths are by image so */
    double *figures;
    atomic_int next_class;
};

/* ---- options ------------------------------------------------------------------------------------- */

struct coco_options coco_options_default(void)
{
    struct coco_options options = {
        .threshold_count = COCO_THRESHOLDS, .limits = {1, 10, COCO_MAX_DETECTIONS}, .threads = 1};
    memcpy(options.thresholds, coco_thresholds, sizeof coco_thresholds);
    return options;
}

md_status coco_options_check(const struct coco_options *options)
{
    if (options->threshold_count < 1 || options->threshold_count > COCO_MOST_THRESHOLDS)
        return ERROR(MD_EINVAL, "%d IoU thresholds; there may be 1 to %d", options->threshold_count,
                     COCO_MOST_THRESHOLDS);
    for (int t = 0; t < options->threshold_count; t++) {
        double threshold = options->thresholds[t];
        if (!(threshold > 0 && threshold <= 1) ||
            (t > 0 && threshold <= options->thresholds[t - 1]))
            return ERROR(MD_EINVAL, "IoU threshold %g; they lie above 0, up to 1, and rise",
                         threshold);
    }
    for (int k = 0; k < COCO_LIMITS; k++)
        if (options->limits[k] < (k > 0 ? options->limits[k - 1] : 1))
            return ERROR(MD_EINVAL,
                         "at most %d, %d and %d detections; these limits are 1 or more "
                         "and rise",
                         options->limits[0], options->limits[1], options->limits[2]);
    return MD_OK;
}

/* ---- dealing out --------------------------------------------------------------------------------- */

static md_status reserve_dealt(struct evaluation *eval, struct dealt *dealt, size_t count)
{
    size_t classes = (size_t)eval->dataset->class_count;
    md_status st = memory_alloc(eval->memory, &dealt->entries, count, sizeof *dealt->entries);
    if (st == MD_OK)
        st = memory_zeroed(eval->memory, &dealt->first, classes + 1, sizeof *dealt->first);
    return st;
}

/* From the number of each class, at its place, to where its first one goes. */
static void start_classes(struct dealt *dealt, int class_count)
{
    size_t sum = 0;
    for (int c = 0; c <= class_count; c++) {
        size_t count = dealt->first[c];
        dealt->first[c] = sum;
        sum += count;
    }
}

/* Each first was moved behind its class's last: back by one class. */
static void rewind_classes(struct dealt *dealt, int class_count)
{
    for (int c = class_count; c > 0; c--)
        dealt->first[c] = dealt->first[c - 1];
    dealt->first[0] = 0;
}

static md_status deal_detections(struct evaluation *eval, size_t count)
{
    struct dealt *dealt = &eval->found;
    int classes = eval->dataset->class_count;
    md_status st = MD_OK;
    if (count > UINT32_MAX)
        return ERROR(MD_EINVAL, "%zu detections; at most %u can be evaluated at once", count,
                     UINT32_MAX);
    st = reserve_dealt(eval, dealt, count);
    for (size_t i = 0; i < count && st == MD_OK; i++) {
        st = eval_detection_check(eval->dataset, &eval->detections[i], i);
        if (st == MD_OK)
            dealt->first[eval->detections[i].class_id]++;
    }
    if (st < 0)
        return st;
    start_classes(dealt, classes);
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *one = &eval->detections[i];
        dealt->entries[dealt->first[one->class_id]++] =
            (struct coco_entry){one->score, one->image, (uint32_t)i};
    }
    rewind_classes(dealt, classes);
    return MD_OK;
}

static md_status deal_truths(struct evaluation *eval)
{
    struct dealt *dealt = &eval->truth;
    const struct dataset *dataset = eval->dataset;
    if (dataset->annotation_count > UINT32_MAX)
        return ERROR(MD_EINVAL, "%zu annotations; at most %u can be evaluated at once",
                     dataset->annotation_count, UINT32_MAX);
    md_status st = reserve_dealt(eval, dealt, dataset->annotation_count);
    if (st < 0)
        return st;
    for (size_t k = 0; k < dataset->annotation_count; k++)
        dealt->first[dataset->annotations[k].class_id]++;
    start_classes(dealt, dataset->class_count);
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = image->first; k < image->first + image->count; k++)
            dealt->entries[dealt->first[dataset->annotations[k].class_id]++] =
                (struct coco_entry){0, (uint32_t)i, (uint32_t)k};
    }
    rewind_classes(dealt, dataset->class_count);
    return MD_OK;
}

/* ---- classes ------------------------------------------------------------------------------------- */

static size_t figures_of_class(const struct coco_options *options)
{
    return (size_t)(COCO_FIGURES * options->threshold_count);
}

/* Takes classes from one counter with the other workers. */
static md_status measure_classes(void *arg)
{
    struct evaluation *eval = arg;
    const struct dealt *found = &eval->found;
    const struct dealt *truth = &eval->truth;
    for (;;) {
        int c = atomic_fetch_add(&eval->next_class, 1);
        if (c >= eval->dataset->class_count)
            return MD_OK;
        const struct coco_class of = {.memory = eval->memory,
                                      .options = eval->options,
                                      .detections = eval->detections,
                                      .annotations = eval->dataset->annotations,
                                      .found = found->entries + found->first[c],
                                      .found_count = found->first[c + 1] - found->first[c],
                                      .truth = truth->entries + truth->first[c],
                                      .truth_count = truth->first[c + 1] - truth->first[c]};
        double *figures = eval->figures + (size_t)c * figures_of_class(eval->options);
        md_status st = coco_class_measure(figures, &of);
        if (st < 0)
            return st;
    }
}

static md_status measure_threaded(struct evaluation *eval, int threads)
{
    md_status st = MD_OK;
    struct pool *pool = NULL;
    struct pool_job *jobs = NULL;
    TRY(memory_zeroed(eval->memory, &jobs, (size_t)threads, sizeof *jobs));
    TRY(pool_create(&pool, eval->memory, threads));
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct pool_job){.run = measure_classes, .arg = eval};
        pool_submit(pool, &jobs[i]);
    }
    for (int i = 0; i < threads; i++) {
        md_status one = pool_wait(pool, &jobs[i]);
        if (one < 0)
            st = one;
    }
fail:
    pool_free(pool);
    memory_free(eval->memory, jobs);
    return st;
}

static md_status measure(struct evaluation *eval)
{
    int threads = eval->options->threads;
    if (threads > eval->dataset->class_count)
        threads = eval->dataset->class_count;
    return threads > 1 ? measure_threaded(eval, threads) : measure_classes(eval);
}

/* ---- averages ------------------------------------------------------------------------------------ */

/* Of the thresholds [from, to) of some classes, as far as there is something; of nothing it is -1. */
static double average(const double *figures, const struct coco_options *options, int class_count,
                      enum coco_figure figure, int from, int to)
{
    double sum = 0;
    size_t count = 0;
    for (int c = 0; c < class_count; c++) {
        const double *row = figures + (size_t)c * figures_of_class(options) +
                            (size_t)figure * (size_t)options->threshold_count;
        for (int t = from; t < to; t++) {
            if (row[t] < 0)
                continue;
            sum += row[t];
            count++;
        }
    }
    return count > 0 ? sum / (double)count : -1;
}

static double average_at(const double *figures, const struct coco_options *options, int class_count,
                         double threshold)
{
    for (int t = 0; t < options->threshold_count; t++)
        if (fabs(options->thresholds[t] - threshold) < 1e-9)
            return average(figures, options, class_count, COCO_AP, t, t + 1);
    return -1;
}

static void summarise(struct coco_result *result, const struct coco_options *options,
                      int class_count)
{
    double mean[COCO_FIGURES];
    int all = options->threshold_count;
    const double *figures = result->figures;
    for (int f = 0; f < COCO_FIGURES; f++)
        mean[f] = average(figures, options, class_count, (enum coco_figure)f, 0, all);
    result->metrics = (struct coco_metrics){
        .ap = mean[COCO_AP],
        .ap50 = average_at(figures, options, class_count, 0.5),
        .ap75 = average_at(figures, options, class_count, 0.75),
        .ap_small = mean[COCO_AP_SMALL],
        .ap_medium = mean[COCO_AP_MEDIUM],
        .ap_large = mean[COCO_AP_LARGE],
        .ar1 = mean[COCO_AR1],
        .ar10 = mean[COCO_AR10],
        .ar100 = mean[COCO_AR],
        .ar_small = mean[COCO_AR_SMALL],
        .ar_medium = mean[COCO_AR_MEDIUM],
        .ar_large = mean[COCO_AR_LARGE],
    };
    for (int c = 0; c < class_count; c++) {
        const double *own = figures + (size_t)c * figures_of_class(options);
        result->class_ap[c] = average(own, options, 1, COCO_AP, 0, all);
        result->class_ap50[c] = average_at(own, options, 1, 0.5);
    }
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static md_status reserve_result(struct coco_result *out, struct memory *memory, size_t classes,
                                const struct coco_options *options)
{
    md_status st = memory_alloc(memory, &out->class_ap, classes, sizeof *out->class_ap);
    if (st == MD_OK)
        st = memory_alloc(memory, &out->class_ap50, classes, sizeof *out->class_ap50);
    if (st == MD_OK)
        st = memory_alloc(memory, &out->figures, classes,
                          figures_of_class(options) * sizeof *out->figures);
    for (size_t i = 0; st == MD_OK && i < classes * figures_of_class(options); i++)
        out->figures[i] = -1;
    return st;
}

md_status coco_evaluate_as(struct coco_result *out, struct memory *memory,
                           const struct dataset *dataset, const struct eval_detection *detections,
                           size_t count, const struct coco_options *options)
{
    md_status st = MD_OK;
    struct evaluation eval = {
        .memory = memory, .dataset = dataset, .detections = detections, .options = options};
    struct coco_result result = {0};
    atomic_init(&eval.next_class, 0);
    TRY(coco_options_check(options));
    TRY(reserve_result(&result, memory, (size_t)dataset->class_count, options));
    eval.figures = result.figures;
    TRY(deal_detections(&eval, count));
    TRY(deal_truths(&eval));
    if (count > 0)
        TRY(measure(&eval));
    summarise(&result, options, dataset->class_count);
    *out = result;
    result = (struct coco_result){0};
fail:
    coco_result_free(&result, memory);
    memory_free(memory, eval.found.entries);
    memory_free(memory, eval.found.first);
    memory_free(memory, eval.truth.entries);
    memory_free(memory, eval.truth.first);
    return st;
}

md_status coco_evaluate(struct coco_result *out, struct memory *memory,
                        const struct dataset *dataset, const struct eval_detection *detections,
                        size_t count)
{
    const struct coco_options options = coco_options_default();
    return coco_evaluate_as(out, memory, dataset, detections, count, &options);
}

void coco_result_free(struct coco_result *result, struct memory *memory)
{
    memory_free(memory, result->class_ap);
    memory_free(memory, result->class_ap50);
    memory_free(memory, result->figures);
    *result = (struct coco_result){0};
}
