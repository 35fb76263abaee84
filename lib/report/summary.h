/* summary.h - private to lib/report: numbers that several parts of a report show. */
#ifndef REPORT_SUMMARY_H
#define REPORT_SUMMARY_H

#include "report/report.h"

enum { REPORT_METRICS = 12, REPORT_WORDS = 64 };

struct report_metric {
    const char *name;                /* "APs" */
    char        words[REPORT_WORDS]; /* "small objects, up to 32 x 32 pixels" */
    double      value;               /* -1: nothing to measure */
};

void summary_metrics(struct report_metric out[REPORT_METRICS], const struct coco_metrics *metrics,
                     const struct coco_options *rules);

/* Of a confusion matrix, of one class or of all. */
struct summary_counts {
    uint64_t truths, found;  /* objects; detections from the score on */
    uint64_t hits;           /* both, and of the same class */
    double   precision, recall, f1; /* -1: nothing to divide by */
};

struct summary_counts summary_class(const struct report_content *content, size_t class_id);
struct summary_counts summary_all(const struct report_content *content);

/* The largest cells beside the diagonal, falling; `classes`: of two classes alone, not of nothing.
 * Returns how many there are, at most `room`. */
struct summary_pair {
    size_t   truth, found; /* class_count: nothing */
    uint64_t count;
};
size_t summary_pairs(struct summary_pair *out, size_t room, const struct report_content *content,
                     bool classes);

/* Of class `class_id`; "nothing" for class_count. */
const char *summary_name(const struct report_content *content, size_t class_id);

#endif
