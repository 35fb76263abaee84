/* early_stop.h - the best value so far, and whether the checks have stopped making progress. */
#ifndef TRAIN_EARLY_STOP_H
#define TRAIN_EARLY_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buffer.h"

/* The best value is any that is strictly better. Progress is counted from `mark`, which moves only
 * by more than min_delta, so that many small gains add up. A value that is not finite is never
 * better. */
struct early_stop {
    const char *metric;      /* what is watched; kept; NULL: nothing, the state is only read */
    bool    lower_is_better;
    double  min_delta;
    int64_t patience; /* checks without progress that are too many; 0: never stop */
    /* state, saved and restored */
    bool    has_best;
    double  best, mark;
    int64_t best_iteration;
    int64_t without_progress; /* checks since the mark moved */
    bool    other_metric;     /* set by restoring: what was saved is about another, and dropped */
};

md_status early_stop_init(struct early_stop *out, const char *metric, bool lower_is_better,
                          int64_t patience, double min_delta);
/* One check. True: a new best. */
bool early_stop_update(struct early_stop *stop, double value, int64_t iteration);
bool early_stop_due(const struct early_stop *stop);

/* The state as one JSON object, for a checkpoint's metadata; reading leaves the settings alone. */
md_status early_stop_save(const struct early_stop *stop, struct buffer *out);
md_status early_stop_restore(struct early_stop *stop, struct memory *memory, const char *text);

#endif
