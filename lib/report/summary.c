/* summary.c - precision, recall and the largest confusions from the confusion matrix. */
#include "report/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int hundredths(double value)
{
    return (int)lround(100.0 * value);
}

void summary_metrics(struct report_metric out[REPORT_METRICS], const struct coco_metrics *metrics,
                     const struct coco_options *rules)
{
    const struct report_metric all[REPORT_METRICS] = {
        {"AP", "", metrics->ap},
        {"AP50", "at IoU 0.50", metrics->ap50},
        {"AP75", "at IoU 0.75", metrics->ap75},
        {"APs", "small objects, up to 32 x 32 pixels", metrics->ap_small},
        {"APm", "medium objects, up to 96 x 96 pixels", metrics->ap_medium},
        {"APl", "large objects", metrics->ap_large},
        {"AR1", "", metrics->ar1},
        {"AR10", "", metrics->ar10},
        {"AR100", "", metrics->ar100},
        {"ARs", "recall of small objects", metrics->ar_small},
        {"ARm", "recall of medium objects", metrics->ar_medium},
        {"ARl", "recall of large objects", metrics->ar_large},
    };
    memcpy(out, all, sizeof all);
    int low = hundredths(rules->thresholds[0]);
    int high = hundredths(rules->thresholds[rules->threshold_count - 1]);
    snprintf(out[0].words, REPORT_WORDS, "mean over IoU %d.%02d to %d.%02d", low / 100, low % 100,
             high / 100, high % 100);
    if (rules->threshold_count == 1)
        snprintf(out[0].words, REPORT_WORDS, "at IoU %d.%02d", low / 100, low % 100);
    for (int i = 0; i < COCO_LIMITS; i++)
        snprintf(out[6 + i].words, REPORT_WORDS, "recall with %d detection%s per image",
                 rules->limits[i], rules->limits[i] == 1 ? "" : "s");
}

/* ---- counts ------------------------------------------------------------------------------- */

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : -1.0;
}

static void finish_counts(struct summary_counts *counts)
{
    counts->precision = ratio(counts->hits, counts->found);
    counts->recall = ratio(counts->hits, counts->truths);
    counts->f1 = ratio(2 * counts->hits, counts->truths + counts->found);
}

struct summary_counts summary_class(const struct report_content *content, size_t class_id)
{
    size_t n = (size_t)content->dataset->class_count + 1;
    struct summary_counts counts = {.hits = content->confusion[class_id * n + class_id]};
    for (size_t i = 0; i < n; i++) {
        counts.truths += content->confusion[class_id * n + i];
        counts.found += content->confusion[i * n + class_id];
    }
    finish_counts(&counts);
    return counts;
}

struct summary_counts summary_all(const struct report_content *content)
{
    struct summary_counts all = {0};
    for (size_t i = 0; i < (size_t)content->dataset->class_count; i++) {
        struct summary_counts one = summary_class(content, i);
        all.truths += one.truths;
        all.found += one.found;
        all.hits += one.hits;
    }
    finish_counts(&all);
    return all;
}

/* ---- pairs -------------------------------------------------------------------------------- */

size_t summary_pairs(struct summary_pair *out, size_t room, const struct report_content *content,
                     bool classes)
{
    size_t n = (size_t)content->dataset->class_count + 1, used = 0;
    for (size_t cell = 0; cell < n * n; cell++) {
        struct summary_pair pair = {cell / n, cell % n, content->confusion[cell]};
        bool of_nothing = pair.truth + 1 == n || pair.found + 1 == n;
        if (pair.truth == pair.found || pair.count == 0 || (classes && of_nothing))
            continue;
        if (used == room && (room == 0 || out[room - 1].count >= pair.count))
            continue;
        used += used < room;
        size_t at = used - 1;
        for (; at > 0 && out[at - 1].count < pair.count; at--)
            out[at] = out[at - 1];
        out[at] = pair;
    }
    return used;
}

const char *summary_name(const struct report_content *content, size_t class_id)
{
    return class_id < (size_t)content->dataset->class_count
               ? content->dataset->class_names[class_id]
               : "nothing";
}
