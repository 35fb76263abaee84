/* errors.c - types every detection and truth, then measures what each type of error costs.
 *
 * One walk over the detections in order of score settles the hits and the types. What a correction
 * gains needs no second matching: the walk is repeated with some detections moved or left out. */
#include "eval/errors.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "eval/coco_match.h"

enum { RECALLS = 101 };

/* Corrections beside those of one error_type. */
enum { FIX_FALSE_POSITIVES = ERROR_IGNORED + 1, FIX_FALSE_NEGATIVES, FIX_NOTHING };

struct ranked {
    double score;
    uint32_t image;
    uint32_t index;
};

/* Of one class. */
struct curve {
    size_t first;           /* where its precisions lie */
    size_t truths;          /* that count */
    size_t missed, unfound; /* of these; unfound: missed or covered */
    size_t seen, hits;      /* detections so far */
};

struct analysis {
    struct error_analysis *out;
    const struct dataset *dataset;
    const struct eval_detection *detections;
    struct error_options options;
    struct ranked *order; /* by falling score */
    size_t order_count;
    struct curve *curves; /* [class_count] */
    double *precision;    /* [annotation_count] at each hit, by class */
};

const struct error_options error_options_usual = {
    .iou = 0.5, .background = 0.1, .max_detections = 100};

const char *error_type_name(enum error_type type)
{
    static const char *const names[] = {
        [ERROR_CLASS] = "class",
        [ERROR_LOCALISATION] = "localisation",
        [ERROR_BOTH] = "both",
        [ERROR_DUPLICATE] = "duplicate",
        [ERROR_BACKGROUND] = "background",
        [ERROR_MISSED] = "missed",
        [ERROR_NONE] = "found",
        [ERROR_COVERED] = "covered",
        [ERROR_IGNORED] = "ignored",
    };
    return names[type];
}

/* ---- order -------------------------------------------------------------------------------- */

static int by_score(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* Sorts, and takes out what is beyond the limit of its image. */
static md_status order_detections(struct analysis *analysis, struct memory *memory, size_t count)
{
    md_status st = MD_OK;
    size_t *of_image = NULL;
    struct ranked *order = analysis->order;
    TRY(memory_zeroed(memory, &of_image, analysis->dataset->image_count, sizeof *of_image));
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *detection = &analysis->detections[i];
        TRY(eval_detection_check(analysis->dataset, detection, i));
        order[i] = (struct ranked){detection->score, detection->image, (uint32_t)i};
        analysis->out->detections[i] = (struct typed_detection){ERROR_IGNORED, ERROR_NOTHING, 0};
    }
    if (count > 1)
        qsort(order, count, sizeof *order, by_score);
    for (size_t i = 0; i < count; i++)
        if (of_image[order[i].image]++ < analysis->options.max_detections)
            order[analysis->order_count++] = order[i];
fail:
    memory_free(memory, of_image);
    return st;
}

/* ---- types -------------------------------------------------------------------------------- */

struct nearest {
    uint32_t truth;
    double iou;
};

/* Of one detection with the truths of its image. */
struct overlaps {
    struct nearest free, own, other; /* its class and not yet taken; its class; another class */
    double crowd;                    /* the largest share in a crowd of its class */
};

static void keep_nearest(struct nearest *nearest, size_t truth, double iou)
{
    if (iou > 0 && iou >= nearest->iou)
        *nearest = (struct nearest){(uint32_t)truth, iou};
}

static void find_overlaps(const struct analysis *analysis, const struct eval_detection *detection,
                          struct overlaps *out)
{
    const struct nearest nothing = {ERROR_NOTHING, 0};
    const struct dataset_image *image = &analysis->dataset->images[detection->image];
    *out = (struct overlaps){nothing, nothing, nothing, 0};
    for (size_t i = image->first; i < image->first + image->count; i++) {
        const struct annotation *truth = &analysis->dataset->annotations[i];
        bool own = truth->class_id == detection->class_id;
        if (truth->crowd && !own)
            continue;
        double iou = box_iou(detection->box, truth->xywh, truth->crowd);
        if (truth->crowd) {
            out->crowd = fmax(out->crowd, iou);
            continue;
        }
        keep_nearest(own ? &out->own : &out->other, i, iou);
        if (own && analysis->out->truths[i].type != ERROR_NONE)
            keep_nearest(&out->free, i, iou);
    }
}

static struct typed_detection type_of(const struct overlaps *found,
                                      const struct error_options *options)
{
    struct nearest any = found->own.iou > found->other.iou ? found->own : found->other;
    /* The bound of COCO's matching: an overlap of 1 may come out a little smaller. */
    double iou = fmin(options->iou, 1 - 1e-10);
    if (found->free.iou >= iou)
        return (struct typed_detection){ERROR_NONE, found->free.truth, found->free.iou};
    if (found->crowd >= iou)
        return (struct typed_detection){ERROR_IGNORED, ERROR_NOTHING, 0};
    if (found->own.iou > 0 && found->own.iou >= options->background &&
        found->own.iou <= options->iou)
        return (struct typed_detection){ERROR_LOCALISATION, found->own.truth, found->own.iou};
    if (found->other.iou >= iou)
        return (struct typed_detection){ERROR_CLASS, found->other.truth, found->other.iou};
    if (found->own.iou >= iou)
        return (struct typed_detection){ERROR_DUPLICATE, found->own.truth, found->own.iou};
    if (any.iou <= options->background)
        return (struct typed_detection){ERROR_BACKGROUND, ERROR_NOTHING, 0};
    return (struct typed_detection){ERROR_BOTH, any.truth, any.iou};
}

static void type_all(struct analysis *analysis)
{
    const struct dataset *dataset = analysis->dataset;
    struct typed_truth *truths = analysis->out->truths;
    for (size_t i = 0; i < dataset->annotation_count; i++)
        truths[i] = (struct typed_truth){
            dataset->annotations[i].crowd ? ERROR_IGNORED : ERROR_MISSED, ERROR_NOTHING};
    for (size_t i = 0; i < analysis->order_count; i++) {
        uint32_t index = analysis->order[i].index;
        struct overlaps overlaps;
        find_overlaps(analysis, &analysis->detections[index], &overlaps);
        const struct typed_detection typed = type_of(&overlaps, &analysis->options);
        analysis->out->detections[index] = typed;
        if (typed.type == ERROR_NONE)
            truths[typed.truth] = (struct typed_truth){ERROR_NONE, index};
    }
    for (size_t i = 0; i < analysis->order_count; i++) {
        uint32_t index = analysis->order[i].index;
        const struct typed_detection *typed = &analysis->out->detections[index];
        bool correctable = typed->type == ERROR_CLASS || typed->type == ERROR_LOCALISATION;
        if (correctable && truths[typed->truth].type == ERROR_MISSED)
            truths[typed->truth] = (struct typed_truth){ERROR_COVERED, index};
    }
}

static void count_one(struct error_analysis *out, enum error_type type, int class_id)
{
    if (type >= ERROR_TYPES)
        return;
    out->counts[type]++;
    out->class_counts[(size_t)class_id * ERROR_TYPES + type]++;
}

static void count_all(struct analysis *analysis)
{
    const struct dataset *dataset = analysis->dataset;
    size_t first = 0;
    for (size_t i = 0; i < analysis->order_count; i++) {
        uint32_t index = analysis->order[i].index;
        count_one(analysis->out, analysis->out->detections[index].type,
                  analysis->detections[index].class_id);
    }
    for (size_t i = 0; i < dataset->annotation_count; i++) {
        enum error_type type = analysis->out->truths[i].type;
        struct curve *curve = &analysis->curves[dataset->annotations[i].class_id];
        count_one(analysis->out, type, dataset->annotations[i].class_id);
        curve->truths += type != ERROR_IGNORED;
        curve->missed += type == ERROR_MISSED;
        curve->unfound += type == ERROR_MISSED || type == ERROR_COVERED;
    }
    for (int c = 0; c < dataset->class_count; c++) {
        analysis->curves[c].first = first;
        first += analysis->curves[c].truths;
    }
}

/* ---- costs -------------------------------------------------------------------------------- */

/* The class for which a detection counts after the correction; -1: for none. */
static int corrected_class(const struct analysis *analysis, uint32_t index, int fix, bool *hit)
{
    const struct typed_detection *typed = &analysis->out->detections[index];
    *hit = typed->type == ERROR_NONE;
    if (typed->type == ERROR_IGNORED || (fix == FIX_FALSE_POSITIVES && !*hit))
        return -1;
    if ((int)typed->type != fix)
        return analysis->detections[index].class_id;
    if (fix != ERROR_CLASS && fix != ERROR_LOCALISATION)
        return -1;
    *hit = analysis->out->truths[typed->truth].detection == index;
    return *hit ? analysis->dataset->annotations[typed->truth].class_id : -1;
}

/* At the 101 recalls. `precision` at each hit; it is left as its envelope. */
static double mean_precision(double *precision, size_t hits, size_t truths)
{
    double sum = 0;
    size_t at = 0;
    for (size_t i = hits; i-- > 1;)
        precision[i - 1] = fmax(precision[i - 1], precision[i]);
    for (int r = 0; r < RECALLS; r++) {
        while (at < hits && (double)(at + 1) / (double)truths < r * 0.01)
            at++;
        if (at < hits)
            sum += precision[at];
    }
    return sum / RECALLS;
}

static size_t truths_asked_for(const struct curve *curve, int fix)
{
    if (fix == ERROR_MISSED)
        return curve->truths - curve->missed;
    return fix == FIX_FALSE_NEGATIVES ? curve->truths - curve->unfound : curve->truths;
}

/* Over the classes that have truths. A class with none left is 0 if it has detections, else it is
 * left out; of nothing, the mean is `otherwise`. */
static double mean_over_classes(const struct analysis *analysis, int fix, double otherwise)
{
    double sum = 0;
    size_t classes = 0;
    for (int c = 0; c < analysis->dataset->class_count; c++) {
        const struct curve *curve = &analysis->curves[c];
        size_t truths = truths_asked_for(curve, fix);
        if (truths > 0)
            sum += mean_precision(analysis->precision + curve->first, curve->hits, truths);
        classes += curve->truths > 0 && (truths > 0 || curve->seen > 0);
    }
    return classes > 0 ? sum / (double)classes : otherwise;
}

static double ap_after(struct analysis *analysis, int fix, double otherwise)
{
    for (int c = 0; c < analysis->dataset->class_count; c++)
        analysis->curves[c].seen = analysis->curves[c].hits = 0;
    for (size_t i = 0; i < analysis->order_count; i++) {
        bool hit = false;
        int class_id = corrected_class(analysis, analysis->order[i].index, fix, &hit);
        if (class_id < 0)
            continue;
        struct curve *curve = &analysis->curves[class_id];
        curve->seen++;
        if (!hit)
            continue;
        double *precision = analysis->precision + curve->first + curve->hits;
        curve->hits++;
        *precision = (double)curve->hits / ((double)curve->seen + DBL_EPSILON);
    }
    return mean_over_classes(analysis, fix, otherwise);
}

static double cost_of(struct analysis *analysis, int fix)
{
    double ap = analysis->out->ap;
    if (ap < 0)
        return -1;
    return fmax(ap_after(analysis, fix, ap) - ap, 0);
}

static void measure_costs(struct analysis *analysis)
{
    struct error_analysis *out = analysis->out;
    out->ap = ap_after(analysis, FIX_NOTHING, -1);
    for (int type = 0; type < ERROR_TYPES; type++)
        out->cost[type] = cost_of(analysis, type);
    out->false_positive_cost = cost_of(analysis, FIX_FALSE_POSITIVES);
    out->false_negative_cost = cost_of(analysis, FIX_FALSE_NEGATIVES);
}

/* ---- all ---------------------------------------------------------------------------------- */

static md_status reserve(struct analysis *analysis, struct memory *memory, size_t count)
{
    md_status st = MD_OK;
    struct error_analysis *out = analysis->out;
    size_t truths = analysis->dataset->annotation_count;
    size_t classes = (size_t)analysis->dataset->class_count;
    TRY(memory_alloc(memory, &out->detections, count, sizeof *out->detections));
    TRY(memory_alloc(memory, &out->truths, truths, sizeof *out->truths));
    TRY(memory_zeroed(memory, &out->class_counts, classes,
                      ERROR_TYPES * sizeof *out->class_counts));
    TRY(memory_alloc(memory, &analysis->order, count, sizeof *analysis->order));
    TRY(memory_zeroed(memory, &analysis->curves, classes, sizeof *analysis->curves));
    TRY(memory_alloc(memory, &analysis->precision, truths, sizeof *analysis->precision));
fail:
    return st;
}

md_status error_analyse(struct error_analysis *out, struct memory *memory,
                        const struct dataset *dataset, const struct eval_detection *detections,
                        size_t count, const struct error_options *options)
{
    md_status st = MD_OK;
    struct error_analysis result = {.memory = memory};
    struct analysis analysis = {
        .out = &result, .dataset = dataset, .detections = detections, .options = *options};
    if (!(options->iou > 0 && options->iou <= 1) ||
        !(options->background >= 0 && options->background <= options->iou))
        FAIL(MD_EINVAL,
             "errors are told by an IoU within 0 and 1 and one for background that is not above "
             "it, not by %g and %g",
             options->iou, options->background);
    if (count >= ERROR_NOTHING || dataset->annotation_count >= ERROR_NOTHING)
        FAIL(MD_EINVAL, "%zu detections and %zu truths; errors are told of less than %u of each",
             count, dataset->annotation_count, ERROR_NOTHING);
    TRY(reserve(&analysis, memory, count));
    TRY(order_detections(&analysis, memory, count));
    type_all(&analysis);
    count_all(&analysis);
    measure_costs(&analysis);
    *out = result;
    result = (struct error_analysis){.memory = memory};
fail:
    error_analysis_free(&result);
    memory_free(memory, analysis.order);
    memory_free(memory, analysis.curves);
    memory_free(memory, analysis.precision);
    return st;
}

void error_analysis_free(struct error_analysis *analysis)
{
    memory_free(analysis->memory, analysis->detections);
    memory_free(analysis->memory, analysis->truths);
    memory_free(analysis->memory, analysis->class_counts);
    *analysis = (struct error_analysis){.memory = analysis->memory};
}
