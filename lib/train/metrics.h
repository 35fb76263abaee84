/* metrics.h - the scalars of a run: their recent history, metrics.json lines, events, the log line. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

enum {
    METRICS_WINDOW = 20,   /* iterations whose median stands for a smoothed scalar */
    METRICS_HISTORY = 1000 /* samples kept of each scalar */
};

struct metrics;

md_status metrics_create(struct metrics **out, struct memory *memory);
void      metrics_free(struct metrics *metrics);

/* One sample. Names keep the order of their first sample; `smoothed` must stay the same for a name,
 * and iterations of a name must not fall. */
md_status metrics_put(struct metrics *metrics, const char *name, double value, int64_t iteration,
                      bool smoothed);
/* "eta_seconds" from the median of "time" over the history; nothing while no "time" is known. */
md_status metrics_put_eta(struct metrics *metrics, int64_t iteration, int64_t max_iter);

/* false: no such scalar, *out untouched. */
bool metrics_latest(const struct metrics *metrics, const char *name, double *out);
/* Median (or mean) over the last METRICS_WINDOW iterations of the name. */
bool metrics_median(const struct metrics *metrics, const char *name, double *out);
bool metrics_mean(const struct metrics *metrics, const char *name, double *out);
bool metrics_total_mean(const struct metrics *metrics, const char *name, double *out); /* all ever */

/* Appends one JSON object a line, keys sorted, for each iteration with scalars not yet written
 * this way; what is not finite becomes null. */
md_status metrics_put_json(struct metrics *metrics, struct buffer *out);
/* Likewise, as records of an event file; `seconds`: since 1970. */
md_status metrics_put_events(struct metrics *metrics, double seconds, struct buffer *out);
/* Appends Detectron2's line " eta: 1:02:03  iter: 19  total_loss: ...", without a line break.
 * max_memory: peak device memory in MiB; negative: not shown. */
md_status metrics_put_line(const struct metrics *metrics, int64_t iteration, double max_memory,
                           struct buffer *out);

#endif
