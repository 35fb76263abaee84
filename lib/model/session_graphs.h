/* session_graphs.h - the recorded passes of a session: one for each shape of a batch, a few kept.
 *
 * A pass of known shapes is always the same operations on the same memory. So the first one is run
 * and noted, the second is recorded, and from the third on the recording is started as a whole. */
#ifndef MODEL_SESSION_GRAPHS_H
#define MODEL_SESSION_GRAPHS_H

#include "model/detector.h"

enum { SESSION_MAX_GRAPHS = 64, SESSION_GRAPHS = 8 /* kept without a word from MDET_GRAPHS */ };

/* All that a recording has taken in: sizes, settings, and where memory was. Compared as bytes. */
struct graph_key {
    int      images, height, width, max_detections;
    int      truths, image_step, gradients;
    uint64_t kind; /* of the update */
    const void *scale;
    size_t   staging;
    float    score_threshold, nms_threshold;
    const void *workspace, *scratch[STREAM_MAX_BRANCHES];
};

/* Where the results of a pass lie: of a detection, or losses. */
struct pass_results {
    struct detections      detections;
    struct detector_losses losses;
};

struct session_graph {
    struct graph_key  key;
    struct graph     *graph;      /* NULL: run once, not recorded yet */
    bool              refused;    /* the device cannot record it */
    uint64_t          used;       /* when it was last; 0: a free place */
    struct pass_results results;
};

struct session_graphs {
    struct device       *device;
    int                  limit; /* 0: nothing is recorded */
    uint64_t             clock;
    struct session_graph items[SESSION_MAX_GRAPHS];
};

/* The limit is the environment's MDET_GRAPHS, 0 to 64, where the device can record at all. */
void session_graphs_init(struct session_graphs *graphs, struct device *device);
void session_graphs_clear(struct session_graphs *graphs);
/* NULL: never seen, or forgotten. */
struct session_graph *session_graphs_find(struct session_graphs *graphs, const struct graph_key *key);
/* Notes a pass that was run; the one not used for longest makes room. */
void session_graphs_note(struct session_graphs *graphs, const struct graph_key *key);

#endif
