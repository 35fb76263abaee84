/* voc_ap.c - Pascal VOC's average precision, by the rules of 2007 and of 2012. */
#include "eval/voc_ap.h"

#include <float.h>
#include <math.h>

#include "core/error.h"
#include "eval/outcomes.h"

const double voc_thresholds[VOC_THRESHOLDS] = {0.5,  0.55, 0.6,  0.65, 0.7,
                                               0.75, 0.8,  0.85, 0.9,  0.95};

/* ---- overlap --------------------------------------------------------------------------------- */

/* VOC counts pixels from 1 and a box's last pixel as inside: xmin, ymin, xmax, ymax. */
static void corners(double out[4], const double box[4])
{
    out[0] = box[0] + 1;
    out[1] = box[1] + 1;
    out[2] = box[0] + box[2];
    out[3] = box[1] + box[3];
}

/* As "%.1f" of the 32-bit float does: ten times it is exact, and so is the rounding. */
static double one_decimal(double value)
{
    return rint((double)(float)value * 10) / 10;
}

static double three_decimals(double value)
{
    return rint((double)(float)value * 1000) / 1000;
}

static double overlap(const double detection[4], const double truth[4])
{
    double inside = 1, detection_area = 1, truth_area = 1;
    for (int i = 0; i < 2; i++) {
        double low = fmax(truth[i], detection[i]);
        double high = fmin(truth[i + 2], detection[i + 2]);
        inside *= fmax(high - low + 1, 0);
        detection_area *= detection[i + 2] - detection[i] + 1;
        truth_area *= truth[i + 2] - truth[i] + 1;
    }
    return inside / (detection_area + truth_area - inside);
}

static bool counts(const struct annotation *truth)
{
    return !truth->difficult && !truth->crowd;
}

/* The truth that the detection overlaps most, the first of equals, and how much; -1 without any. */
static double best_overlap(const struct eval_group *group, const double box[4], size_t *truth)
{
    double best = -1;
    for (size_t i = 0; i < group->truth_count; i++) {
        double other[4];
        corners(other, group->truths[i]->xywh);
        double iou = overlap(box, other);
        if (iou > best) {
            best = iou;
            *truth = i;
        }
    }
    return best;
}

static void judge(void *user, const struct eval_group *group, struct eval_outcome *outcomes)
{
    const struct voc_options *options = user;
    for (size_t d = 0; d < group->detection_count; d++) {
        double box[4];
        size_t truth = 0;
        corners(box, group->detections[d]->box);
        for (int i = 0; i < 4 && options->rounded; i++)
            box[i] = one_decimal(box[i]);
        double best = best_overlap(group, box, &truth);
        for (int t = 0; t < options->threshold_count; t++) {
            uint32_t bit = UINT32_C(1) << t;
            if (!(best > options->thresholds[t]))
                continue;
            if (!counts(group->truths[truth]))
                outcomes[d].ignored |= bit;
            else if (!(group->taken[truth] & bit))
                outcomes[d].hit |= bit;
            group->taken[truth] |= bit;
        }
    }
}

/* ---- precision and recall -------------------------------------------------------------------- */

/* One step for each detection; `recall` and `precision` have room for them. The precision is made
 * falling: at each step the best one from there on. */
static void list_steps(double *recall, double *precision, const struct eval_outcome *outcomes,
                       size_t count, size_t positives, int threshold)
{
    double hits = 0, misses = 0;
    for (size_t i = 0; i < count; i++) {
        bool hit = outcomes[i].hit >> threshold & 1;
        bool ignored = outcomes[i].ignored >> threshold & 1;
        hits += hit;
        misses += !hit && !ignored;
        recall[i] = hits / (double)positives;
        precision[i] = hits / fmax(hits + misses, DBL_EPSILON);
    }
    for (size_t i = count; i-- > 1;)
        precision[i - 1] = fmax(precision[i - 1], precision[i]);
}

static double ap_2007(const double *recall, const double *precision, size_t count)
{
    double ap = 0;
    size_t at = 0;
    for (int i = 0; i <= 10; i++) {
        while (at < count && recall[at] < i * 0.1)
            at++;
        if (at < count)
            ap += precision[at] / 11;
    }
    return ap;
}

static double ap_2012(const double *recall, const double *precision, size_t count)
{
    double ap = 0;
    for (size_t i = 0; i < count; i++)
        ap += (recall[i] - (i > 0 ? recall[i - 1] : 0)) * precision[i];
    return ap;
}

static md_status count_positives(size_t **out, struct memory *memory, const struct dataset *dataset)
{
    md_status st = memory_zeroed(memory, out, (size_t)dataset->class_count, sizeof **out);
    for (size_t i = 0; i < dataset->annotation_count && st >= 0; i++)
        (*out)[dataset->annotations[i].class_id] += counts(&dataset->annotations[i]);
    return st;
}

struct curve {
    double *recall, *precision;
};

static void fill_class(struct voc_result *result, size_t class_id, const struct curve *curve,
                       const struct eval_outcome *outcomes, size_t count, size_t positives)
{
    for (int t = 0; t < result->threshold_count; t++) {
        size_t at = (size_t)t * (result->class_count + 1) + class_id;
        result->ap[MD_VOC_2007][at] = result->ap[MD_VOC_2012][at] = -1;
        if (positives == 0)
            continue;
        list_steps(curve->recall, curve->precision, outcomes, count, positives, t);
        result->ap[MD_VOC_2007][at] = ap_2007(curve->recall, curve->precision, count);
        result->ap[MD_VOC_2012][at] = ap_2012(curve->recall, curve->precision, count);
    }
}

static void fill_mean(double *row, size_t class_count)
{
    double sum = 0;
    size_t measured = 0;
    for (size_t c = 0; c < class_count; c++) {
        if (row[c] < 0)
            continue;
        sum += row[c];
        measured++;
    }
    row[class_count] = measured > 0 ? sum / (double)measured : -1;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static md_status check_options(const struct voc_options *options)
{
    if (options->threshold_count < 1 || options->threshold_count > VOC_MAX_THRESHOLDS)
        return ERROR(MD_EINVAL, "%d IoU thresholds; give 1 to %d", options->threshold_count,
                     VOC_MAX_THRESHOLDS);
    for (int t = 0; t < options->threshold_count; t++)
        if (!(options->thresholds[t] >= 0 && options->thresholds[t] <= 1))
            return ERROR(MD_EINVAL, "an IoU threshold of %g; it is from 0 to 1",
                         options->thresholds[t]);
    return MD_OK;
}

/* The scores decide the order, so they are rounded before. */
static md_status round_scores(struct eval_detection **out, struct memory *memory,
                              const struct eval_detection *detections, size_t count)
{
    md_status st = memory_alloc(memory, out, count, sizeof **out);
    for (size_t i = 0; i < count && st >= 0; i++) {
        (*out)[i] = detections[i];
        (*out)[i].score = three_decimals(detections[i].score);
    }
    return st;
}

static md_status result_alloc(struct voc_result *result, struct memory *memory)
{
    md_status st = MD_OK;
    size_t numbers = (size_t)result->threshold_count * (result->class_count + 1);
    for (int rule = 0; rule < VOC_RULES && st >= 0; rule++)
        st = memory_alloc(memory, &result->ap[rule], numbers, sizeof *result->ap[rule]);
    return st;
}

md_status voc_evaluate(struct voc_result *out, struct memory *memory, const struct dataset *dataset,
                       const struct eval_detection *detections, size_t count,
                       const struct voc_options *options)
{
    md_status st = MD_OK;
    struct voc_options rule = *options;
    struct voc_result result = {.class_count = (size_t)dataset->class_count,
                                .threshold_count = options->threshold_count};
    struct eval_outcomes outcomes = {0};
    struct eval_detection *rounded = NULL;
    struct curve curve = {0};
    size_t *positives = NULL;
    TRY(check_options(options));
    if (options->rounded)
        TRY(round_scores(&rounded, memory, detections, count));
    TRY(eval_outcomes_create(&outcomes, memory, dataset, rounded ? rounded : detections, count, 0,
                             judge, &rule));
    TRY(count_positives(&positives, memory, dataset));
    TRY(memory_alloc(memory, &curve.recall, count, sizeof *curve.recall));
    TRY(memory_alloc(memory, &curve.precision, count, sizeof *curve.precision));
    TRY(result_alloc(&result, memory));
    for (size_t c = 0; c < result.class_count; c++)
        fill_class(&result, c, &curve, outcomes.items + outcomes.first[c],
                   outcomes.first[c + 1] - outcomes.first[c], positives[c]);
    for (int kind = 0; kind < VOC_RULES; kind++)
        for (int t = 0; t < result.threshold_count; t++)
            fill_mean(result.ap[kind] + (size_t)t * (result.class_count + 1), result.class_count);
    *out = result;
    result = (struct voc_result){0};
fail:
    voc_result_free(&result, memory);
    eval_outcomes_free(&outcomes, memory);
    memory_free(memory, rounded);
    memory_free(memory, positives);
    memory_free(memory, curve.recall);
    memory_free(memory, curve.precision);
    return st;
}

void voc_result_free(struct voc_result *result, struct memory *memory)
{
    for (int rule = 0; rule < VOC_RULES; rule++)
        memory_free(memory, result->ap[rule]);
    *result = (struct voc_result){0};
}
