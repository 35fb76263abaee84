/* curves.c - precision, recall and F1 of all detections from a score on, and the best such score. */
#include "eval/curves.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "eval/coco_match.h"

enum { AT_50, AT_75, CURVE_IOUS };

static const double ious[CURVE_IOUS] = {0.5, 0.75};

/* ---- matching -------------------------------------------------------------------------------- */

/* The best truth that is left for one detection, or truth_count. One that counts goes before a
 * crowd whatever the overlap; of equals the later wins. */
static size_t best_truth(const struct eval_group *group, const double box[4], int t, bool crowd)
{
    double best = ious[t];
    size_t found = group->truth_count;
    for (size_t i = 0; i < group->truth_count; i++) {
        const struct annotation *truth = group->truths[i];
        if (truth->crowd != crowd || (group->taken[i] >> t & 1))
            continue;
        double iou = box_iou(box, truth->xywh, crowd);
        if (iou < best)
            continue;
        best = iou;
        found = i;
    }
    return found;
}

static void judge(void *user, const struct eval_group *group, struct eval_outcome *outcomes)
{
    (void)user;
    for (size_t d = 0; d < group->detection_count; d++) {
        const double *box = group->detections[d]->box;
        for (int t = 0; t < CURVE_IOUS; t++) {
            uint32_t bit = UINT32_C(1) << t;
            size_t truth = best_truth(group, box, t, false);
            if (truth < group->truth_count) {
                group->taken[truth] |= bit;
                outcomes[d].hit |= bit;
            } else if (best_truth(group, box, t, true) < group->truth_count) {
                outcomes[d].ignored |= bit;
            }
        }
    }
}

/* ---- counts ---------------------------------------------------------------------------------- */

void curves_finish_counts(md_counts *counts)
{
    double hits = (double)counts->true_positives;
    double found = hits + (double)counts->false_positives;
    double truths = hits + (double)counts->false_negatives;
    counts->precision = found > 0 ? hits / found : -1;
    counts->recall = truths > 0 ? hits / truths : -1;
    counts->f1 = found + truths > 0 ? 2 * hits / (found + truths) : -1;
}

static void add_outcome(md_counts *counts, const struct eval_outcome *outcome, int t)
{
    bool hit = outcome->hit >> t & 1;
    counts->true_positives += hit;
    counts->false_positives += !hit && !(outcome->ignored >> t & 1);
}

/* The outcomes of one class, or those of all. */
struct span {
    const struct eval_outcome *items;
    size_t count;
};

static struct span span_of(const struct eval_outcomes *outcomes, size_t class_id)
{
    if (class_id == outcomes->class_count)
        return (struct span){outcomes->items, outcomes->first[class_id]};
    size_t first = outcomes->first[class_id];
    return (struct span){outcomes->items + first, outcomes->first[class_id + 1] - first};
}

void curves_count(md_counts *out, const struct curves *curves, size_t class_id, double score)
{
    md_counts counts = {0};
    struct span span = span_of(&curves->outcomes, class_id);
    for (size_t i = 0; i < span.count; i++)
        if (span.items[i].score >= score)
            add_outcome(&counts, &span.items[i], AT_50);
    counts.false_negatives = curves->positives[class_id] - counts.true_positives;
    curves_finish_counts(&counts);
    *out = counts;
}

/* ---- one class ------------------------------------------------------------------------------- */

static double *row(const struct curves *curves, md_curve kind, size_t class_id)
{
    return curves->values + ((size_t)kind * (curves->class_count + 1) + class_id) * MD_CURVE_POINTS;
}

static void fill(double *values, double value)
{
    for (int i = 0; i < MD_CURVE_POINTS; i++)
        values[i] = value;
}

/* As pycocotools, to the last digit: so the mean of the 101 is its AP at that IoU. `steps` has room
 * for one of each outcome. */
static void fill_precision_recall(double *values, md_curve_step *steps, struct span span, int t,
                                  uint64_t positives)
{
    md_counts counts = {0};
    for (size_t i = 0; i < span.count; i++) {
        add_outcome(&counts, &span.items[i], t);
        double hits = (double)counts.true_positives;
        steps[i].recall = hits / (double)positives;
        steps[i].precision = hits / (hits + (double)counts.false_positives + DBL_EPSILON);
    }
    for (size_t i = span.count; i-- > 1;)
        steps[i - 1].precision = fmax(steps[i - 1].precision, steps[i].precision);
    size_t at = 0;
    for (int i = 0; i < MD_CURVE_POINTS; i++) {
        while (at < span.count && steps[at].recall < i * 0.01)
            at++;
        values[i] = at < span.count ? steps[at].precision : 0;
    }
}

static void fill_by_confidence(struct curves *curves, size_t class_id, struct span span)
{
    md_counts counts = {0};
    size_t at = 0;
    for (int i = MD_CURVE_POINTS; i-- > 0;) {
        for (; at < span.count && span.items[at].score >= i / 100.0; at++)
            add_outcome(&counts, &span.items[at], AT_50);
        counts.false_negatives = curves->positives[class_id] - counts.true_positives;
        curves_finish_counts(&counts);
        row(curves, MD_CURVE_PRECISION, class_id)[i] = counts.precision;
        row(curves, MD_CURVE_RECALL, class_id)[i] = counts.recall;
        row(curves, MD_CURVE_F1, class_id)[i] = counts.f1;
    }
}

/* One step for each score that is there, where something counts. Returns how many. */
static size_t list_steps(md_curve_step *steps, struct span span, int t, uint64_t positives)
{
    md_counts counts = {0};
    size_t count = 0;
    for (size_t i = 0; i < span.count; i++) {
        add_outcome(&counts, &span.items[i], t);
        if (i + 1 < span.count && span.items[i + 1].score >= span.items[i].score)
            continue;
        counts.false_negatives = positives - counts.true_positives;
        curves_finish_counts(&counts);
        if (counts.precision >= 0)
            steps[count++] = (md_curve_step){span.items[i].score, counts.precision, counts.recall};
    }
    return count;
}

/* Those that lie evenly among `count`, to the end of the curves' own. */
static void keep_steps(struct curves *curves, size_t which, const md_curve_step *steps,
                       size_t count)
{
    size_t kept = count < CURVE_MAX_STEPS ? count : CURVE_MAX_STEPS;
    md_curve_step *out = curves->steps + curves->step_at[which];
    for (size_t i = 0; i < kept; i++)
        out[i] = steps[kept == count ? i : i * (count - 1) / (CURVE_MAX_STEPS - 1)];
    curves->step_at[which + 1] = curves->step_at[which] + kept;
}

/* The score from which F1 is highest, the highest of equals; -1 when no detection is right. */
static double best_score(struct span span, uint64_t positives)
{
    md_counts counts = {0};
    double best = -1, best_f1 = 0;
    for (size_t i = 0; i < span.count; i++) {
        add_outcome(&counts, &span.items[i], AT_50);
        if (i + 1 < span.count && span.items[i + 1].score >= span.items[i].score)
            continue;
        counts.false_negatives = positives - counts.true_positives;
        curves_finish_counts(&counts);
        if (counts.f1 <= best_f1)
            continue;
        best_f1 = counts.f1;
        best = span.items[i].score;
    }
    return best;
}

static void fill_class(struct curves *curves, size_t class_id, md_curve_step *scratch)
{
    static const md_curve kinds[CURVE_IOUS] = {MD_CURVE_PR50, MD_CURVE_PR75};
    uint64_t positives = curves->positives[class_id];
    struct span span = span_of(&curves->outcomes, class_id);
    for (int t = 0; t < CURVE_IOUS; t++) {
        double *values = row(curves, kinds[t], class_id);
        if (positives > 0)
            fill_precision_recall(values, scratch, span, t, positives);
        else
            fill(values, -1);
        size_t count = positives > 0 ? list_steps(scratch, span, t, positives) : 0;
        keep_steps(curves, 2 * class_id + (size_t)t, scratch, count);
    }
    fill_by_confidence(curves, class_id, span);
    curves->best[class_id] = best_score(span, positives);
}

/* ---- all classes ----------------------------------------------------------------------------- */

/* Over the classes with truths, where their value is defined. */
static void fill_means(struct curves *curves, md_curve kind)
{
    for (int i = 0; i < MD_CURVE_POINTS; i++) {
        double sum = 0;
        size_t count = 0;
        for (size_t c = 0; c < curves->class_count; c++) {
            double value = row(curves, kind, c)[i];
            if (curves->positives[c] == 0 || value < 0)
                continue;
            sum += value;
            count++;
        }
        row(curves, kind, curves->class_count)[i] = count > 0 ? sum / (double)count : -1;
    }
}

static int by_score(const void *left, const void *right)
{
    const struct eval_outcome *a = left;
    const struct eval_outcome *b = right;
    return (a->score < b->score) - (a->score > b->score);
}

static md_status find_common_best(struct curves *curves, struct memory *memory)
{
    struct eval_outcome *sorted = NULL;
    struct span all = span_of(&curves->outcomes, curves->class_count);
    md_status st = memory_alloc(memory, &sorted, all.count, sizeof *sorted);
    if (st < 0)
        return st;
    if (all.count > 0)
        memcpy(sorted, all.items, all.count * sizeof *sorted);
    if (all.count > 1)
        qsort(sorted, all.count, sizeof *sorted, by_score);
    curves->best[curves->class_count] =
        best_score((struct span){sorted, all.count}, curves->positives[curves->class_count]);
    memory_free(memory, sorted);
    return MD_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void count_positives(struct curves *curves, const struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->annotation_count; i++) {
        if (dataset->annotations[i].crowd)
            continue;
        curves->positives[dataset->annotations[i].class_id]++;
        curves->positives[curves->class_count]++;
    }
}

static md_status reserve(struct curves *curves, struct memory *memory)
{
    md_status st = MD_OK;
    size_t rows = curves->class_count + 1;
    size_t steps = 0;
    for (size_t c = 0; c < curves->class_count; c++) {
        size_t own = span_of(&curves->outcomes, c).count;
        steps += CURVE_IOUS * (own < CURVE_MAX_STEPS ? own : CURVE_MAX_STEPS);
    }
    TRY(memory_alloc(memory, &curves->values, rows,
                     CURVE_KINDS * MD_CURVE_POINTS * sizeof *curves->values));
    TRY(memory_alloc(memory, &curves->steps, steps, sizeof *curves->steps));
    TRY(memory_zeroed(memory, &curves->step_at, CURVE_IOUS * curves->class_count + 1,
                      sizeof *curves->step_at));
    TRY(memory_zeroed(memory, &curves->positives, rows, sizeof *curves->positives));
    TRY(memory_alloc(memory, &curves->best, rows, sizeof *curves->best));
fail:
    return st;
}

md_status curves_create(struct curves *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count, size_t most)
{
    md_status st = MD_OK;
    struct curves curves = {.class_count = (size_t)dataset->class_count};
    md_curve_step *scratch = NULL;
    TRY(eval_outcomes_create(&curves.outcomes, memory, dataset, detections, count, most, judge,
                             NULL));
    TRY(reserve(&curves, memory));
    TRY(memory_alloc(memory, &scratch, count, sizeof *scratch));
    count_positives(&curves, dataset);
    for (size_t c = 0; c < curves.class_count; c++)
        fill_class(&curves, c, scratch);
    for (int kind = 0; kind < CURVE_KINDS; kind++)
        fill_means(&curves, (md_curve)kind);
    TRY(find_common_best(&curves, memory));
    *out = curves;
    curves = (struct curves){0};
fail:
    memory_free(memory, scratch);
    curves_free(&curves, memory);
    return st;
}

void curves_free(struct curves *curves, struct memory *memory)
{
    eval_outcomes_free(&curves->outcomes, memory);
    memory_free(memory, curves->values);
    memory_free(memory, curves->steps);
    memory_free(memory, curves->step_at);
    memory_free(memory, curves->positives);
    memory_free(memory, curves->best);
    *curves = (struct curves){0};
}

const double *curves_values(const struct curves *curves, md_curve kind, size_t class_id)
{
    return row(curves, kind, class_id);
}

const md_curve_step *curves_steps(const struct curves *curves, bool strict, size_t class_id,
                                  size_t *count)
{
    size_t which = CURVE_IOUS * class_id + (strict ? AT_75 : AT_50);
    *count = curves->step_at[which + 1] - curves->step_at[which];
    return curves->steps + curves->step_at[which];
}
