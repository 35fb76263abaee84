/* coco_class.c - matches one class image by image, orders the outcomes by score, counts hits and misses.
 *
 * Precision falls from one hit to the next, so that only hits decide: recall and precision are noted
 * there, and nowhere else. */
#include "eval/coco_class.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/error.h"

enum { RECALLS = 101 };

struct place {
    double score;
    uint32_t at;
};

/* Room for one class. */
struct work {
    const struct coco_class *of;
    size_t limit;                        /* detections of an image */
    struct coco_outcome *outcomes;       /* by image, then by score */
    size_t count;                        /* of them */
    struct place *order;                 /* of the outcomes by score */
    const struct annotation **truths;    /* of one image */
    const struct eval_detection **found; /* of one image, at most `limit` */
    double *precision, *recall;          /* at each hit */
    struct coco_scratch scratch;
};

static int by_image_score(const void *left, const void *right)
{
    const struct coco_entry *a = left;
    const struct coco_entry *b = right;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static int by_score(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

/* ---- matching ------------------------------------------------------------------------------------ */

static size_t same_image(const struct coco_entry *entries, size_t count, uint32_t image)
{
    size_t same = 0;
    while (same < count && entries[same].image == image)
        same++;
    return same;
}

static md_status match_image(struct work *work, const struct coco_entry *found, size_t found_count,
                             const struct coco_entry *truth, size_t truth_count)
{
    const struct coco_class *of = work->of;
    size_t kept = found_count < work->limit ? found_count : work->limit;
    for (size_t i = 0; i < kept; i++)
        work->found[i] = &of->detections[found[i].index];
    for (size_t i = 0; i < truth_count; i++)
        work->truths[i] = &of->annotations[truth[i].index];
    md_status st = coco_match(work->outcomes + work->count, &work->scratch, work->found, kept,
                              work->truths, truth_count);
    work->count += kept;
    return st;
}

/* Images without a detection add truths, which are counted elsewhere. */
static md_status match_images(struct work *work)
{
    const struct coco_class *of = work->of;
    size_t truth_at = 0;
    for (size_t at = 0; at < of->found_count;) {
        uint32_t image = of->found[at].image;
        size_t found = same_image(of->found + at, of->found_count - at, image);
        while (truth_at < of->truth_count && of->truth[truth_at].image < image)
            truth_at++;
        const struct coco_entry *truth = of->truth + truth_at;
        size_t truths = same_image(truth, of->truth_count - truth_at, image);
        md_status st = match_image(work, of->found + at, found, truth, truths);
        if (st < 0)
            return st;
        at += found;
        truth_at += truths;
    }
    return MD_OK;
}

static void order_outcomes(struct work *work)
{
    for (size_t i = 0; i < work->count; i++)
        work->order[i] = (struct place){work->outcomes[i].score, (uint32_t)i};
    if (work->count > 1)
        qsort(work->order, work->count, sizeof *work->order, by_score);
}

/* ---- counting ------------------------------------------------------------------------------------ */

static size_t count_positives(const struct coco_class *of, int size)
{
    size_t positives = 0;
    for (size_t i = 0; i < of->truth_count; i++) {
        const struct annotation *annotation = &of->annotations[of->truth[i].index];
        positives += !annotation->crowd && !coco_area_is_out(annotation->area, size);
    }
    return positives;
}

/* Notes recall and precision at each hit; hits[k]: those within limit k. */
static void trace_hits(struct work *work, size_t positives, int size, int t,
                       size_t hits[COCO_LIMITS])
{
    const int *limits = work->of->options->limits;
    size_t counted = 0; /* hits and misses */
    size_t end = 0;
    for (int k = 0; k < COCO_LIMITS; k++)
        hits[k] = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct coco_outcome *outcome = &work->outcomes[work->order[i].at];
        if (outcome->ignored[size] >> t & 1)
            continue;
        counted++;
        if (!(outcome->matched[size] >> t & 1))
            continue;
        for (int k = 0; k < COCO_LIMITS; k++)
            hits[k] += outcome->rank < (uint32_t)limits[k];
        end++;
        work->recall[end - 1] = (double)end / (double)positives;
        work->precision[end - 1] = (double)end / ((double)counted + DBL_EPSILON);
    }
}

/* Mean over the 101 recalls of the best precision at that recall or a higher one. */
static double mean_precision(struct work *work, size_t hits)
{
    double sum = 0;
    size_t at = 0;
    for (size_t i = hits; i-- > 1;)
        work->precision[i - 1] = fmax(work->precision[i - 1], work->precision[i]);
    for (int r = 0; r < RECALLS; r++) {
        while (at < hits && work->recall[at] < r * 0.01)
            at++;
        if (at == hits)
            break;
        sum += work->precision[at];
    }
    return sum / RECALLS;
}

static void put_figures(double *figures, struct work *work, size_t positives, int size, int t)
{
    const size_t row = (size_t)work->of->options->threshold_count;
    size_t hits[COCO_LIMITS];
    double *at = figures + t;
    trace_hits(work, positives, size, t, hits);
    at[(size_t)(COCO_AP + size) * row] = mean_precision(work, hits[COCO_LIMITS - 1]);
    at[(size_t)(COCO_AR + size) * row] = (double)hits[COCO_LIMITS - 1] / (double)positives;
    if (size == 0) {
        at[COCO_AR1 * row] = (double)hits[0] / (double)positives;
        at[COCO_AR10 * row] = (double)hits[1] / (double)positives;
    }
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static md_status reserve(struct work *work)
{
    md_status st = MD_OK;
    const struct coco_class *of = work->of;
    struct memory *memory = of->memory;
    size_t limit = (size_t)of->options->limits[COCO_LIMITS - 1];
    work->limit = limit < of->found_count ? limit : of->found_count;
    TRY(memory_alloc(memory, &work->outcomes, of->found_count, sizeof *work->outcomes));
    TRY(memory_alloc(memory, &work->order, of->found_count, sizeof *work->order));
    TRY(memory_alloc(memory, &work->precision, of->found_count, sizeof *work->precision));
    TRY(memory_alloc(memory, &work->recall, of->found_count, sizeof *work->recall));
    TRY(memory_alloc(memory, &work->truths, of->truth_count, sizeof *work->truths));
    TRY(memory_alloc(memory, &work->found, work->limit, sizeof *work->found));
fail:
    return st;
}

static void release(struct work *work)
{
    struct memory *memory = work->of->memory;
    memory_free(memory, work->outcomes);
    memory_free(memory, work->order);
    memory_free(memory, work->precision);
    memory_free(memory, work->recall);
    memory_free(memory, work->truths);
    memory_free(memory, work->found);
    coco_scratch_free(&work->scratch);
}

md_status coco_class_measure(double *figures, const struct coco_class *of)
{
    md_status st = MD_OK;
    struct work work = {.of = of, .scratch = {.memory = of->memory, .options = of->options}};
    int thresholds = of->options->threshold_count;
    for (int i = 0; i < COCO_FIGURES * thresholds; i++)
        figures[i] = -1;
    if (of->truth_count == 0)
        return MD_OK;
    if (of->found_count > 1)
        qsort(of->found, of->found_count, sizeof *of->found, by_image_score);
    TRY(reserve(&work));
    TRY(match_images(&work));
    order_outcomes(&work);
    for (int size = 0; size < COCO_AREAS; size++) {
        size_t positives = count_positives(of, size);
        for (int t = 0; t < thresholds && positives > 0; t++)
            put_figures(figures, &work, positives, size, t);
    }
fail:
    release(&work);
    return st;
}
