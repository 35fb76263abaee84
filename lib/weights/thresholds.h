/* thresholds.h - the score from which detections of each class count, as text beside the weights.
 *
 * Metadata "thresholds" = {"iou": 0.5, "all": 0.41, "classes": {"face": 0.41, "mask": null}}: `all`
 * is for every class that has no number of its own. */
#ifndef WEIGHTS_THRESHOLDS_H
#define WEIGHTS_THRESHOLDS_H

#include "core/buffer.h"

#define THRESHOLDS_KEY "thresholds"

/* `values` has one for each name and behind them the one for all, which is not negative; a class
 * with a negative one has none of its own. */
md_status thresholds_put(struct buffer *out, double iou, const char *const *names, size_t count,
                         const double *values);
/* Into values[count], by name; `path` stands in messages. Classes that are not among the names are
 * passed over. Anything but numbers from 0 to 1 in the form above is MD_EFORMAT. */
md_status thresholds_read(float *values, struct memory *memory, const char *path, const char *text,
                          const char *const *names, size_t count);

#endif
