/* session_graphs.c - the recorded passes of a session: one for each shape of a batch, a few kept. */
#include "model/session_graphs.h"

#include <stdlib.h>
#include <string.h>

static int wanted_graphs(void)
{
    const char *text = getenv("MDET_GRAPHS");
    char *end;
    if (!text || !*text)
        return SESSION_GRAPHS;
    long wanted = strtol(text, &end, 10);
    if (*end != '\0' || wanted < 0)
        return SESSION_GRAPHS;
    return wanted < SESSION_MAX_GRAPHS ? (int)wanted : SESSION_MAX_GRAPHS;
}

void session_graphs_init(struct session_graphs *graphs, struct device *device)
{
    memset(graphs, 0, sizeof *graphs);
    graphs->device = device;
    graphs->limit = device->backend->capture_begin ? wanted_graphs() : 0;
}

static void release(struct session_graphs *graphs, struct session_graph *item)
{
    if (item->graph)
        graphs->device->backend->graph_free(graphs->device, item->graph);
    memset(item, 0, sizeof *item);
}

void session_graphs_clear(struct session_graphs *graphs)
{
    for (int i = 0; i < graphs->limit; i++)
        release(graphs, &graphs->items[i]);
}

struct session_graph *session_graphs_find(struct session_graphs *graphs,
                                          const struct graph_key *key)
{
    for (int i = 0; i < graphs->limit; i++) {
        struct session_graph *item = &graphs->items[i];
        if (item->used > 0 && memcmp(&item->key, key, sizeof *key) == 0) {
            item->used = ++graphs->clock;
            return item;
        }
    }
    return NULL;
}

void session_graphs_note(struct session_graphs *graphs, const struct graph_key *key)
{
    if (graphs->limit == 0 || session_graphs_find(graphs, key))
        return;
    struct session_graph *oldest = &graphs->items[0];
    for (int i = 1; i < graphs->limit; i++)
        if (graphs->items[i].used < oldest->used)
            oldest = &graphs->items[i];
    release(graphs, oldest);
    oldest->key = *key;
    oldest->used = ++graphs->clock;
}
