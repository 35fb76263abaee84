/* weighted_ap.c - average precision of weighted images, from a table of outcomes. */
#include <float.h>

#include "eval/ap_table.h"

enum { RECALLS = 101 };

static uint64_t weigh_truths(const struct ap_class *of, const uint32_t *weights)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < of->truth_images; i++)
        sum += (uint64_t)weights[of->truths[i].image] * of->truths[i].count;
    return sum;
}

static void weigh_detections(uint64_t *counted, const struct ap_class *of, const uint32_t *weights)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < of->detections; i++)
        counted[i] = sum += weights[of->images[i]];
}

/* Hits that a recall of r / 100 needs, for each r. As coco_evaluate compares: a quotient in double. */
static void count_needed(uint64_t needed[RECALLS], uint64_t positives)
{
    for (int r = 0; r < RECALLS; r++) {
        uint64_t hits = (uint64_t)(r * 0.01 * (double)positives);
        while ((double)hits / (double)positives < r * 0.01)
            hits++;
        needed[r] =
            hits; /* no fewer do: the product is off by less than one hit, the floor below */
    }
}

/* Mean over the recalls of the best precision at that recall or a higher one. */
static double precision_of(const struct ap_class *of, int t, const uint32_t *weights,
                           const uint64_t *counted, const uint64_t needed[RECALLS])
{
    double best[RECALLS] = {0}; /* among the hits from this recall to below the next */
    uint64_t hits = 0, ignored = 0;
    int r = 0;
    for (size_t i = of->first[t]; i < of->first[t + 1]; i++) {
        const struct ap_event *event = &of->events[i];
        uint64_t weight = weights[of->images[event->place]];
        if (!event->hit) {
            ignored += weight;
            continue;
        }
        hits += weight; /* of 0: no better precision than before, so that it needs no branch */
        double precision = (double)hits / ((double)(counted[event->place] - ignored) + DBL_EPSILON);
        while (r + 1 < RECALLS && hits >= needed[r + 1])
            r++;
        best[r] = best[r] > precision ? best[r] : precision;
    }
    for (r = RECALLS - 1; r > 0; r--)
        best[r - 1] = best[r - 1] > best[r] ? best[r - 1] : best[r];
    double sum = 0;
    for (r = 0; r < RECALLS; r++)
        sum += best[r];
    return sum / RECALLS;
}

void ap_table_measure(double *values, const struct ap_table *table, const uint32_t *weights,
                      uint64_t *counted)
{
    uint64_t needed[RECALLS];
    double sum = 0, sum50 = 0;
    size_t present = 0;
    for (size_t c = 0; c < table->class_count; c++, values += AP_KINDS) {
        const struct ap_class *of = &table->classes[c];
        uint64_t positives = weigh_truths(of, weights);
        values[AP_MEAN] = values[AP_50] = -1;
        if (positives == 0)
            continue;
        weigh_detections(counted, of, weights);
        count_needed(needed, positives);
        double own = 0;
        for (int t = 0; t < table->thresholds; t++) {
            double precision = precision_of(of, t, weights, counted, needed);
            own += precision;
            sum += precision; /* one by one, as coco_evaluate adds: equal to the last bit */
            if (t == table->fifty)
                values[AP_50] = precision;
        }
        values[AP_MEAN] = own / table->thresholds;
        sum50 += values[AP_50];
        present++;
    }
    values[AP_MEAN] = present > 0 ? sum / (double)(present * (size_t)table->thresholds) : -1;
    values[AP_50] = present > 0 && table->fifty >= 0 ? sum50 / (double)present : -1;
}
