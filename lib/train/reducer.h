/* reducer.h - gradients averaged over a group's processes, piece by piece while the backward pass runs. */
#ifndef TRAIN_REDUCER_H
#define TRAIN_REDUCER_H

#include "core/pool.h"
#include "group/group.h"
#include "nn/param.h"

enum { REDUCER_PIECES = 8 /* that wait or are under way: one for each that a backward pass reports */ };

struct reducer;

struct reducer_piece {
    struct pool_job job;
    struct reducer *reducer;
    float          *values;
    size_t          count;
};

/* For devices whose memory is the host's. A thread of its own sends and receives, so that the network's
 * next layers are computed meanwhile. All zero: of a single process, and does nothing. */
struct reducer {
    struct memory       *memory;
    struct group        *group;
    struct pool         *pool;
    struct param_set    *params;
    struct gradient_watch watch; /* for the backward pass */
    struct reducer_piece pieces[REDUCER_PIECES];
    int                  count;
    int64_t              first; /* of the slab; from here on gradients have been taken */
};

/* `reducer` must not move. A group of one process, or NULL, is fine. */
md_status reducer_create(struct reducer *reducer, struct memory *memory, struct group *group,
                         struct param_set *params);
void      reducer_free(struct reducer *reducer);
/* After the backward pass: when it returns, all gradients are the means over the processes. */
md_status reducer_finish(struct reducer *reducer);
/* After a pass that failed: forgets what it had taken. */
void      reducer_abandon(struct reducer *reducer);

#endif
